"""The repair of a hybrid: decoded codec → what it lacks, by a network that the package holds.

Its last layer is a mix of a few bases, whose coefficients a file may state; everything else is
shipped, so that a repair costs a few bytes per channel and no fitting. Weights are shared between
the four mirror images of a block. See docs/format.md, "The field that repairs".
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

import numpy as np

from inif.errors import FormatError
from inif.fields.neighbourhood import COLUMNS, CORE, INPUTS, Blocks, Surroundings, Volume
from inif.fields.parallel import one_blas_thread

FEATURE = "repair/1"
KIND = "repair"
NETWORKS: dict[str, Traversable] = {"a": files("inif.fields") / "networks" / "a.npz"}
"""The shipped networks; who adds one of their own can write and read files that name it."""

STEP = 1 / 16
"""Of a coefficient, in standard deviations over the images of the training."""

_ERROR_STEPS = 8
_NONE = 0x3F
_BAND = 1 << 13


@dataclass(frozen=True)
class Network:
    """The shipped weights, shared between the mirror images of a block.

    Attributes
    ----------
    w0, b0
        (INPUTS, A) and (A,): first layer.
    w1, b1
        (4, A, B) and (B,): second layer, by the mirror image that leads from one unit to the other.
    v2, v1, b2
        (4, B, K), (INPUTS, K) and (K,): bases, from the second layer and from the inputs.
    mean, spread
        (K,) and (K, K): coefficients are mean + spread · (what the file states).
    """

    w0: np.ndarray
    b0: np.ndarray
    w1: np.ndarray
    b1: np.ndarray
    v2: np.ndarray
    v1: np.ndarray
    b2: np.ndarray
    mean: np.ndarray
    spread: np.ndarray

    @property
    def bases(self) -> int:
        """K."""
        return len(self.b2)

    @cached_property
    def layers(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """First and second layer as plain matrices: (4A, INPUTS), (4A, 1), (4B, 4A), (4B, 1)."""
        a, b = self.w1.shape[1:]
        first = np.stack([self.w0[columns] for columns in MIRRORED], axis=1).reshape(INPUTS, 4 * a)
        second = self.w1[_LEADS].transpose(0, 2, 1, 3).reshape(4 * a, 4 * b)
        parts = first.T, np.tile(self.b0, 4)[:, None], second.T, np.tile(self.b1, 4)[:, None]
        return tuple(np.ascontiguousarray(p, np.float32) for p in parts)  # type: ignore[return-value]

    def hidden(self, x: np.ndarray) -> np.ndarray:
        """The second layer for (INPUTS, N) inputs: (4B, N) float32."""
        w0, b0, w1, b1 = self.layers
        return _relu(w1 @ _relu(w0 @ x, b0), b1)

    def basis_values(self, x: np.ndarray) -> np.ndarray:
        """The bases for (INPUTS, N) inputs: (4, K, N) float32, by the sample of the block."""
        hidden = self.hidden(x)
        b, k = self.v2.shape[1:]
        out = np.empty((4, k, x.shape[1]), np.float32)
        for sample in range(4):
            last = self.v2[_LEADS[sample]].reshape(4 * b, k)
            out[sample] = last.T @ hidden + self.v1[MIRRORED[sample]].T @ x
        out += self.b2[:, None]
        return out

    def coefficients(self, stated: np.ndarray) -> np.ndarray:
        """(K,) float32 for at most K numbers of a file; those that are not stated are 0."""
        scaled = np.zeros(self.bases, np.float32)
        scaled[: len(stated)] = stated.astype(np.float32) * np.float32(STEP)
        return self.mean + self.spread @ scaled

    def head(self, stated: np.ndarray) -> Head:
        """The network with its bases mixed."""
        mix = self.coefficients(stated)
        b = self.v2.shape[1]
        last = np.stack([(self.v2[leads] @ mix).reshape(4 * b) for leads in _LEADS])
        direct = np.stack([(self.v1[columns] @ mix) for columns in MIRRORED])
        return Head(self, last, direct, float(self.b2 @ mix))


@dataclass(frozen=True)
class Head:
    """A network with one output per sample of a block."""

    network: Network
    last: np.ndarray
    direct: np.ndarray
    offset: float

    @cached_property
    def first(self) -> np.ndarray:
        """All that is applied to the inputs: (4A + 4, INPUTS)."""
        return np.concatenate([self.network.layers[0], self.direct])

    def residual(self, x: np.ndarray) -> np.ndarray:
        """What to add, in units of √(error · unit): (4, N) float32."""
        w0, b0, w1, b1 = self.network.layers
        both = self.first @ x
        hidden = _relu(w1 @ _relu(both[: len(w0)], b0), b1)
        out: np.ndarray = self.last @ hidden
        out += both[len(w0) :]
        out += np.float32(self.offset)
        return out


@dataclass(frozen=True)
class Repair:
    """What a file states for one channel of a brick.

    Attributes
    ----------
    error_code
        The codec's root mean square error is 2^(-code / 8) of the range; 0: not stated.
    partner
        The channel of the brick that helps, or None.
    stated
        At most K coefficients, in steps of `STEP`.
    plain
        Frames (numbers t · Z + z) that are left as the codec has them.
    active
        Whether there is a repair; an error alone serves channels that this one helps.
    """

    error_code: int = 0
    partner: int | None = None
    stated: tuple[int, ...] = ()
    plain: frozenset[int] = frozenset()
    active: bool = True

    def repairs(self, frame: int) -> bool:
        """Whether a frame is repaired."""
        return self.active and frame not in self.plain

    @property
    def error(self) -> float:
        """The codec's root mean square error, in values from 0 to 1."""
        return math.exp2(-self.error_code / _ERROR_STEPS)

    @staticmethod
    def code_of(error: float) -> int:
        """The nearest `error_code` of an error."""
        return min(max(round(-_ERROR_STEPS * math.log2(max(error, 1e-9))), 1), 255)

    def pack(self, frames: int) -> bytes:
        """The repair as bytes."""
        if not self.error_code:
            return b"\0"
        if not self.active:
            return bytes([self.error_code, _NONE])
        flags = (
            len(self.stated)
            | (0x80 if self.plain else 0)
            | (0x40 if self.partner is not None else 0)
        )
        partner = b"" if self.partner is None else self.partner.to_bytes(2, "little")
        mask = b""
        if self.plain:
            bits = np.isin(np.arange(frames), list(self.plain))
            mask = np.packbits(bits, bitorder="little").tobytes()
        stated = np.array(self.stated, np.int8).tobytes()
        return bytes([self.error_code, flags]) + partner + stated + mask

    @classmethod
    def unpack(
        cls, data: bytes, at: int, frames: int, channels: int, bases: int
    ) -> tuple[Repair, int]:
        """The repair at an offset, and the offset after it.

        Raises
        ------
        ValueError
            Too short, or numbers beyond their limits.
        """
        if at >= len(data):
            raise ValueError("no repair where one should be")
        code = data[at]
        if code == 0:
            return NO_REPAIR, at + 1
        flags = data[at + 1] if at + 1 < len(data) else 0xFF
        if flags == _NONE:
            return cls(code, active=False), at + 2
        count, has_partner = flags & 0x3F, bool(flags & 0x40)
        mask_bytes = -(-frames // 8) if flags & 0x80 else 0
        ends = at + 2 + 2 * has_partner + count + mask_bytes
        if count > bases or ends > len(data):
            raise ValueError(f"{count} coefficients, {len(data) - at} bytes left")
        at += 2
        partner = None
        if has_partner:
            partner = int.from_bytes(data[at : at + 2], "little")
            at += 2
            if partner >= channels:
                raise ValueError(f"partner {partner} of {channels} channels")
        stated = tuple(np.frombuffer(data, np.int8, count, at).tolist())
        at += count
        bits = np.unpackbits(np.frombuffer(data, np.uint8, mask_bytes, at), bitorder="little")
        plain = frozenset(np.flatnonzero(bits[:frames]).tolist())
        return cls(code, partner, stated, plain), at + mask_bytes


NO_REPAIR = Repair(active=False)


def repaired(
    head: Head,
    own: Volume,
    partner: Volume | None,
    t: int,
    z: int,
    y: np.ndarray,
    x: np.ndarray,
    dtype: type[np.floating[Any]] = np.float32,
) -> np.ndarray:
    """Values of a plane, repaired, at rows `y` and columns `x`: (len(y), len(x)).

    `dtype` is that of the network's arithmetic and of the result; its inputs are float32.
    """
    region = Blocks.around(y, x)
    rows, columns = region.shape
    whole = np.empty((rows, 2, columns, 2), dtype)
    around = Surroundings.of(own, partner, t, z, region)

    scratch = np.zeros((INPUTS, min(max(_BAND, columns), rows * columns)), np.float32)
    with one_blas_thread():
        for band in region.bands(_BAND):
            inside, unit = around.inputs(band, scratch)
            unit *= np.float32(own.error)
            change = head.residual(inside.astype(dtype, copy=False))
            change *= np.sqrt(unit)
            part = whole[band.top - region.top : band.bottom - region.top]
            here = around.windows["own"].band(band)
            for sample, (dy, dx) in enumerate(CORE):
                np.add(here.tap(dy, dx), change[sample].reshape(band.shape), out=part[:, dy, :, dx])
    plane = whole.reshape(2 * rows, 2 * columns)
    picked: np.ndarray = plane[np.ix_(y - 2 * region.top, x - 2 * region.left)]
    return picked


def network_of(spec: Mapping[str, Any], *, file: object) -> str:
    """The shipped network that a header's ``field`` object names.

    Raises
    ------
    FormatError
        Not known to this release.
    """
    name = spec.get("network")
    if name not in NETWORKS:
        raise FormatError(
            "this network of a repair is not known",
            file=file,
            field="header.field.network",
            expected=" or ".join(NETWORKS),
            got=ascii(name),
        )
    return str(name)


@cache
def load_network(name: str) -> Network:
    """A network by its name, one of `NETWORKS`; float16 in the package, float32 here."""
    with NETWORKS[name].open("rb") as file:
        arrays = np.load(file, allow_pickle=False)
        return Network(**{key: arrays[key].astype(np.float32) for key in arrays.files})


def _relu(values: np.ndarray, bias: np.ndarray) -> np.ndarray:
    values += bias
    np.maximum(values, 0, out=values)
    return values


def _mirrored_columns() -> tuple[np.ndarray, ...]:
    """Which input takes the place of each when a block is mirrored: nothing, X, Y, both."""
    place = {column: i for i, column in enumerate(COLUMNS)}
    out = []
    for flip_y, flip_x in CORE:
        columns = []
        for group, y, x in COLUMNS:
            last = 0 if group == "half" else 1
            columns.append(place[group, last - y if flip_y else y, last - x if flip_x else x])
        out.append(np.array([*columns, INPUTS - 2, INPUTS - 1]))
    return tuple(out)


MIRRORED = _mirrored_columns()
_LEADS = np.array([[a ^ b for b in range(4)] for a in range(4)])
