"""Bricks of a hybrid file: standard streams of a codec, and the small repair that follows them.

A brick's streams are decoded whole, once, because codecs decode nothing less; what comes after
them is worked out for the samples that are asked for. See docs/format.md, "Hybrid".
"""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from inif.bricks import BrickGrid
from inif.coding import leb128
from inif.coding.qweights import Check
from inif.container.reader import Container
from inif.decode.brick import Intensities
from inif.errors import FormatError
from inif.frames import CANON, ORDERS, from_canon, restored, sizes_of
from inif.priors import PRIORS
from inif.priors.base import Prior

FEATURE = "hybrid/1"
KIND = b"PRIO"
MAX_BRICK = 1 << 27
"""Most samples of a brick; its streams are decoded whole."""

HEAD = struct.Struct("<If")
"""Of a section: CRC-32C and mean of the brick's decoded samples."""


@dataclass(frozen=True)
class PriorSpec:
    """The header's ``prior`` object.

    Attributes
    ----------
    kind
        One of `inif.priors.PRIORS`.
    order
        How time points and depths lie in one row of frames, one of `inif.frames.ORDERS`.
    """

    kind: str
    order: str = "TZ"

    @property
    def prior(self) -> Prior:
        """The codec."""
        return PRIORS[self.kind]

    def to_json(self) -> dict[str, str]:
        """The header's object; the usual order is left out."""
        order = {} if self.order == "TZ" else {"order": self.order}
        return {"kind": self.kind, **order}

    @classmethod
    def from_json(cls, spec: Mapping[str, Any], *, file: object) -> PriorSpec:
        """The inverse of `to_json`.

        Raises
        ------
        FormatError
            An unknown kind or order.
        """
        kind, order = spec.get("kind"), spec.get("order", "TZ")
        for name, value, known in (("kind", kind, tuple(PRIORS)), ("order", order, ORDERS)):
            if value not in known:
                raise FormatError(
                    "this prior is not known",
                    file=file,
                    field=f"header.prior.{name}",
                    expected=" or ".join(known),
                    got=ascii(value),
                )
        return cls(str(kind), str(order))


@dataclass(frozen=True)
class BrickData:
    """What a PRIO section holds.

    Attributes
    ----------
    streams
        One per channel of the brick.
    check
        Of the encoder's decode.
    rest
        Bytes after the streams: padding up to the byte budget.
    """

    streams: tuple[bytes, ...]
    check: Check
    rest: bytes = b""

    def pack(self) -> bytes:
        """The section's bytes."""
        head = HEAD.pack(self.check.crc, self.check.mean)
        return head + leb128.join(self.streams, self.rest)

    @classmethod
    def unpack(cls, data: bytes, channels: int, *, file: object, brick: int) -> BrickData:
        """The inverse of `pack`.

        Raises
        ------
        FormatError
            Too short, or lengths beyond the section's end.
        """
        try:
            if len(data) < HEAD.size:
                raise ValueError(f"{len(data)} bytes")
            crc, mean = HEAD.unpack_from(data)
            if not math.isfinite(mean):
                raise ValueError(f"mean {mean}")
            streams, rest = leb128.split(data, HEAD.size, channels)
        except ValueError as error:
            raise FormatError(
                "this brick's streams cannot be read",
                file=file,
                field=f"section PRIO of brick {brick}",
                got=str(error),
                fix="get the file again from its source",
            ) from None
        return cls(tuple(streams), Check(crc, mean), rest)


@dataclass(frozen=True)
class HybridBrick:
    """A hybrid brick ready to be evaluated.

    Attributes
    ----------
    spec
        The file's prior.
    streams
        One per channel of the brick.
    axes, extent
        The image's axes, and the brick's samples along each.
    channel_start
        First channel of the brick.
    intensities
        How outputs become samples.
    threads
        That the codec may use.
    where
        File and section, for messages.
    """

    spec: PriorSpec
    streams: tuple[bytes, ...]
    axes: str
    extent: tuple[int, ...]
    channel_start: int
    intensities: Intensities
    threads: int = 1
    where: tuple[object, str] = (None, "prior")
    _volumes: dict[int, np.ndarray] = field(default_factory=dict, compare=False, repr=False)

    @property
    def nbytes(self) -> int:
        """Memory that the decoded streams take, once they are."""
        return 2 * math.prod(self.extent)

    def grid(self, local: Sequence[np.ndarray]) -> np.ndarray:
        """Samples at the grid of local positions, (n1, …) in the image's axes and dtype."""
        picks = dict(zip(self.axes, local, strict=True))
        c, t, z, y, x = (picks.get(a, np.zeros(1, np.int64)) for a in CANON)
        out = np.empty(tuple(map(len, (c, t, z, y, x))), self.intensities.dtype)
        for row, channel in enumerate(c):
            volume = self._volume(int(channel))
            for i, when in enumerate(t):
                part = volume[when][np.ix_(z, y, x)]
                number = int(channel) + self.channel_start
                out[row, i] = self.intensities.samples(self._outputs(part), number)
        return from_canon(out, self.axes)

    def points(self, local: np.ndarray) -> np.ndarray:
        """Outputs in [-1, 1] at (N, D) local positions, linear between samples: (N,) float32."""
        columns = {a: local[:, i] for i, a in enumerate(self.axes)}
        channel = columns.pop("C", np.zeros(len(local))).astype(np.int64)
        where = [columns.get(a, np.zeros(len(local))) for a in CANON[1:]]
        out = np.zeros(len(local), np.float32)
        for c in np.unique(channel):
            rows = channel == c
            out[rows] = _interpolate(self, int(c), [w[rows] for w in where])
        return out

    def outputs_at(self, channel: int, index: tuple[np.ndarray, ...]) -> np.ndarray:
        """Outputs in [-1, 1] at whole (t, z, y, x) positions: (N,) float32."""
        return self._outputs(self._volume(channel)[index])

    def _volume(self, channel: int) -> np.ndarray:
        """A channel of the brick as the codec has it: (T, Z, Y, X) levels."""
        if channel not in self._volumes:
            _, t, z, y, x = sizes_of(self.axes, self.extent)
            file, place = self.where
            stack = self.spec.prior.decode(
                self.streams[channel], (t * z, y, x), self.threads, file=file, field=place
            )
            self._volumes[channel] = restored(stack, t, z, self.spec.order)
        return self._volumes[channel]

    def _outputs(self, levels: np.ndarray) -> np.ndarray:
        out: np.ndarray = levels.astype(np.float32)
        out *= np.float32(2 / self.spec.prior.peak)
        out -= np.float32(1)
        return out


class HybridBricks:
    """The bricks of a hybrid file.

    Raises
    ------
    FormatError
        The header's ``prior`` is not known, or bricks are too large.
    """

    def __init__(self, container: Container, grid: BrickGrid, intensities: Intensities) -> None:
        header = container.header
        self._container, self._grid, self._intensities = container, grid, intensities
        self._axes: str = header["axes"]
        self._c = self._axes.find("C")
        self.spec = PriorSpec.from_json(header["prior"], file=container.name)
        if math.prod(grid.brick) > MAX_BRICK:
            raise FormatError(
                "the bricks are too large",
                file=container.name,
                field="header.brick",
                expected=f"at most {MAX_BRICK} samples",
                got=f"{math.prod(grid.brick)} samples",
            )
        if not {"Y", "X"} <= set(self._axes):
            raise FormatError(
                "a prior needs planes",
                file=container.name,
                field="header.axes",
                expected="Y and X among the axes",
                got=self._axes,
            )

    def section(self, brick: int) -> BrickData:
        """One brick's streams and the encoder's check of its decode."""
        channels = len(self._grid.channels(brick, self._c))
        data = self._container.read(self._container.require(KIND, brick))
        return BrickData.unpack(data, channels, file=self._container.name, brick=brick)

    def check(self, brick: int) -> Check:
        """The encoder's check of a brick's decode."""
        return self.section(brick).check

    def open(self, brick: int) -> HybridBrick:
        """A brick ready to be evaluated."""
        return HybridBrick(
            self.spec,
            self.section(brick).streams,
            self._axes,
            self._grid.extent(brick),
            self._grid.channels(brick, self._c).start,
            self._intensities,
            os.cpu_count() or 1,
            (self._container.name, f"section PRIO of brick {brick}"),
        )


def _interpolate(brick: HybridBrick, channel: int, where: list[np.ndarray]) -> np.ndarray:
    """Multilinear interpolation at fractional (t, z, y, x) positions: (N,) float32."""
    low = [np.floor(w).astype(np.int64) for w in where]
    share = [(w - i).astype(np.float32) for w, i in zip(where, low, strict=True)]
    out = np.zeros(len(where[0]), np.float32)
    for corner in np.ndindex(2, 2, 2, 2):
        weight = np.ones_like(out)
        for s, high in zip(share, corner, strict=True):
            weight *= s if high else 1 - s
        rows = np.flatnonzero(weight)
        if rows.size:
            index = tuple(i[rows] + high for i, high in zip(low, corner, strict=True))
            out[rows] += weight[rows] * brick.outputs_at(channel, index)
    return out
