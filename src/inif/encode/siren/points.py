"""Where the points of each step come from: the host, or the device that the fit runs on.

On the CPU `Sampler` draws them and they are stacked, step by step. For a device that would be most
of the work, so there the image lies on the device, in its own dtype, and points are drawn within
the compiled step.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from inif.encode.siren.sampling import Sampler

_SHARE = 8
"""Of the device's memory, that an image may take: one of so many parts."""

_LEAST, _MOST = 1e-30, 1e30
"""Half ranges of channels, between which float32 neither overflows nor loses digits."""


class Points(Protocol):
    """Draws the points of a fit."""

    @property
    def kept(self) -> Any:
        """Arrays that stay on the device throughout."""
        ...

    def block(self, rng: np.random.Generator, steps: int) -> Any:
        """What the points of some steps are made from; the first axis is that of the steps."""
        ...

    def step(self, kept: Any, given: Any) -> tuple[jax.Array, jax.Array]:
        """The points of one step, as `Sampler.draw` gives them; within a compiled function."""
        ...


@dataclass(frozen=True)
class HostPoints:
    """`count` points of every brick, drawn by the sampler."""

    sampler: Sampler
    count: int

    kept = ()

    def block(self, rng: np.random.Generator, steps: int) -> Any:
        """Coords (steps, bricks, count, D) and targets (steps, bricks, count, outputs)."""
        pairs = [self.sampler.draw(rng, self.count) for _ in range(steps)]
        return jnp.asarray(np.stack([p[0] for p in pairs])), jnp.asarray(
            np.stack([p[1] for p in pairs])
        )

    def step(self, kept: Any, given: Any) -> tuple[jax.Array, jax.Array]:
        """What was drawn."""
        coords, targets = given
        return coords, targets


class Kept(NamedTuple):
    """What `DevicePoints` draws from.

    Attributes
    ----------
    image
        The samples, in their own dtype.
    origins, extents
        (bricks, axes) int32.
    low, half
        (channels,) float32: the lowest sample of each channel, and half its range.
    """

    image: jax.Array
    origins: jax.Array
    extents: jax.Array
    low: jax.Array
    half: jax.Array


@dataclass(frozen=True)
class DevicePoints:
    """`count` points of every brick, drawn on the device as the sampler draws them."""

    sampler: Sampler
    count: int

    @cached_property
    def kept(self) -> Kept:
        """The image and its geometry on the device."""
        s = self.sampler
        low, high = s.intensities.ranges.T
        return Kept(
            jnp.asarray(s.data),
            jnp.asarray(s.origins, jnp.int32),
            jnp.asarray(s.extents, jnp.int32),
            jnp.asarray(low, jnp.float32),
            jnp.asarray((high - low) / 2, jnp.float32),
        )

    def block(self, rng: np.random.Generator, steps: int) -> Any:
        """A seed for each step."""
        return jnp.asarray(rng.integers(2**32, size=steps, dtype=np.uint32))

    def step(self, kept: Kept, given: Any) -> tuple[jax.Array, jax.Array]:
        """Uniform random voxels of every brick."""
        s = self.sampler
        drawn = [i for i, a in enumerate(s.axes) if not (a == "C" and s.packed)]
        sides = kept.extents[:, None, np.array(drawn, int)]
        shape = (len(s.bricks), self.count, len(drawn))
        local = jax.random.randint(jax.random.key(given), shape, 0, sides)
        last = sides - 1
        coords = (2 * local - last) / jnp.maximum(last, 1)  # as `inif.axes.spread`
        index = [jnp.arange(s.outputs)[None, None]] * len(s.axes)
        for place, i in enumerate(drawn):
            index[i] = (local[..., place] + kept.origins[:, i, None])[..., None]
        values = kept.image.at[tuple(index)].get(mode="promise_in_bounds").astype(jnp.float32)
        channel = index[s.axes.index("C")] if "C" in s.axes else 0
        low, half = kept.low[channel], kept.half[channel]
        targets = jnp.where(half > 0, (values - low) / jnp.where(half > 0, half, 1) - 1, 0)
        return coords, jnp.broadcast_to(targets, (*shape[:2], s.outputs))


def points_of(sampler: Sampler, count: int, *, device: bool) -> Points:
    """Points from the device if wanted, and if it has room for the image."""
    return (DevicePoints if device and _room(sampler) else HostPoints)(sampler, count)


def _room(sampler: Sampler) -> bool:
    """Whether the image takes at most an eighth of the device, and float32 holds its ranges."""
    half = np.diff(sampler.intensities.ranges) / 2
    facts = jax.devices()[0].memory_stats() or {}
    most = facts.get("bytes_limit", np.inf) / _SHARE
    small = sampler.data.nbytes <= most and sampler.data.size < 2**31
    return bool(small and np.all((half == 0) | ((half >= _LEAST) & (half <= _MOST))))
