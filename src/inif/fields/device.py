"""A SIREN that JAX evaluates, on a device that the user names.

Files are made and verified with NumPy's evaluation (`inif.fields.siren`). A device rounds
otherwise, so that a sample may fall on the other side of a rounding. This is the one module of
decoding that imports JAX; it is imported only where a device is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from inif.errors import InputError
from inif.fields.siren import Siren

_LEAST, _MOST = 1 << 12, 1 << 21
_VALUES = 1 << 27
"""Points at a time, a power of two so that few programs are compiled, and values of a layer."""


@dataclass(frozen=True)
class DeviceSiren(Siren):
    """A SIREN on a device of JAX."""

    device: Any = None

    @classmethod
    def of(cls, siren: Siren, device: str) -> DeviceSiren:
        """The same SIREN on the first device of a platform, such as "gpu".

        Raises
        ------
        InputError
            JAX has no such device.
        """
        try:
            found = jax.devices(device)[0]
        except RuntimeError as error:
            raise InputError(
                "JAX does not have this device",
                field="device",
                expected=f"{jax.default_backend()}, or None for NumPy",
                got=device,
                fix='install JAX for it (docs/fitting.md, "On a GPU"), or leave out the device',
            ) from error
        return cls(**vars(siren), device=found)

    def points(self, weights: Sequence[np.ndarray], coords: np.ndarray) -> np.ndarray:
        """Values at (D, N) coordinates in [-1, 1]: (outputs, N) of the weights' dtype."""
        if weights[0].dtype != np.float32:
            return super().points(weights, coords)
        return self._by_blocks(weights, coords.shape[1], lambda part: coords[:, part])

    def grid(self, weights: Sequence[np.ndarray], axes: Sequence[np.ndarray]) -> np.ndarray:
        """Values on a grid, C order: (outputs, n1 · … · nD) of the weights' dtype."""
        if weights[0].dtype != np.float32 or not axes:
            return super().grid(weights, axes)
        shape = tuple(len(a) for a in axes)

        def coords(part: slice) -> np.ndarray:
            index = np.unravel_index(np.arange(part.start, part.stop), shape)
            return np.stack([a[i] for a, i in zip(axes, index, strict=True)])

        return self._by_blocks(weights, int(np.prod(shape)), coords)

    def _by_blocks(
        self,
        weights: Sequence[np.ndarray],
        count: int,
        coords: Callable[[slice], np.ndarray],
    ) -> np.ndarray:
        groups = jax.device_put(list(weights), self.device)
        out = np.empty((self.outputs, count), np.float32)
        block = min(_MOST, 1 << ((_VALUES // self.width).bit_length() - 1))
        for start in range(0, count, block):
            part = slice(start, min(start + block, count))
            n = part.stop - start
            padded = np.zeros((self.inputs, max(_LEAST, 1 << (n - 1).bit_length())), np.float32)
            padded[:, :n] = coords(part)
            out[:, part] = np.asarray(_forward(groups, jax.device_put(padded, self.device)))[:, :n]
        return out


@jax.jit
def _forward(groups: Sequence[jax.Array], coords: jax.Array) -> jax.Array:
    """Outputs (outputs, N) at coordinates (D, N), in full float32."""
    *matrices, biases, last_bias = groups
    exact = jax.lax.Precision.HIGHEST  # else some devices multiply in fewer bits
    h = coords
    for matrix, bias in zip(matrices[:-1], biases, strict=True):
        h = jnp.sin(jnp.matmul(matrix, h, precision=exact) + bias[:, None])
    return jnp.matmul(matrices[-1], h, precision=exact) + last_bias[:, None]
