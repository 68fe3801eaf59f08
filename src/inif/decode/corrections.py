"""Bricks of a latent field with corrections: what was off by more than a bound is put right.

A correction is a whole number of widths that is added to the field's own sample; samples for which
that is not enough are given as they are. All of it is exact. See docs/format.md, "Corrections".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from typing import Any

import numpy as np

from inif.bricks import BrickGrid
from inif.coding import leb128
from inif.coding.check import Check
from inif.container.reader import Container
from inif.decode import apart
from inif.decode.brick import ExactBrick, Intensities, along_channels
from inif.decode.check import little_endian
from inif.decode.latent import LatentBrick, LatentBricks
from inif.decode.latent_spec import TABLES
from inif.errors import FormatError
from inif.latent import corrections
from inif.latent.layout import from_five, to_five
from inif.outliers import Outliers

KIND = b"CORR"
MOST_WIDTH = 1 << 33
_SLAB = 1 << 18

SIGNED, FOLDED, ALONE = range(3)
"""Corrections are added to the field's samples; 0, 1, 2, 3, 4, … stand for 0, -1, 1, -2, 2, …; or
they are added to the lowest sample of the channel, and the field only tells what to expect."""


@dataclass(frozen=True)
class Widths:
    """The header's part on corrections.

    Attributes
    ----------
    widths
        What a correction of 1 stands for, of each channel: whole numbers if samples are.
    ways
        Of each channel: `SIGNED`, `FOLDED` or `ALONE`.
    """

    widths: tuple[float | int, ...]
    ways: tuple[int, ...]

    def to_json(self) -> dict[str, Any]:
        """What the header's ``field`` holds besides."""
        body: dict[str, Any] = {"widths": list(self.widths)}
        return body | ({"ways": list(self.ways)} if any(self.ways) else {})

    @classmethod
    def from_json(cls, body: Mapping[str, Any], count: int, *, whole: bool, file: object) -> Widths:
        """The inverse of `to_json`, for so many channels of whole numbers or others.

        Raises
        ------
        FormatError
            Not one entry for each channel, or not numbers that can be.
        """

        def width(value: object) -> bool:
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                return False
            return 0 < value < MOST_WIDTH and isinstance(value, int) if whole else value > 0

        def way(value: object) -> bool:
            return type(value) is int and SIGNED <= value <= ALONE

        def listed(name: str, good: Callable[[object], bool], expected: str) -> tuple[Any, ...]:
            stated = body.get(name, [0] * count)
            if isinstance(stated, list) and len(stated) == count and all(map(good, stated)):
                return tuple(stated)
            raise FormatError(
                "the header has a field that breaks the format",
                file=file,
                field=f"header.field.{name}",
                expected=f"{expected} per channel",
                got=ascii(body.get(name)),
            )

        kind = "whole number" if whole else "number"
        return cls(listed("widths", width, f"a {kind} above 0"), listed("ways", way, "0, 1 or 2"))


@dataclass(frozen=True)
class Base:
    """What corrections of a brick are added to, and how.

    Attributes
    ----------
    samples
        In the image's axes: int64 of whole numbers, else float64.
    below
        Where corrections are folded, how many widths samples may lie below, else -1: int64 of the
        same shape.
    each, low, high
        Width, lowest and highest sample, as they broadcast against the samples.
    dtype
        Of the image.
    """

    samples: np.ndarray
    below: np.ndarray
    each: np.ndarray
    low: np.ndarray
    high: np.ndarray
    dtype: np.dtype[np.generic]

    @classmethod
    def of(
        cls,
        outputs: np.ndarray,
        channels: range,
        axes: str,
        intensities: Intensities,
        stated: Widths,
    ) -> Base:
        """Of a field's outputs in [-1, 1], float32, in the image's axes and of these channels."""
        channel = along_channels(np.array(channels), axes)
        whole = intensities.dtype.kind != "f"
        kind = np.int64 if whole else np.float64
        low, high = (np.asarray(intensities.ranges[channel, i]).astype(kind) for i in (0, 1))
        each = np.array(stated.widths, kind)[channel]
        real = intensities.real(outputs, channel).astype(np.float64)
        samples = np.clip((np.rint(real) if whole else real).astype(kind), low, high)
        ways = np.array(stated.ways)[channel]
        samples = np.where(ways == ALONE, low, samples)
        with np.errstate(over="ignore"):
            below = samples - low
            below = (below + each // 2) // each if whole else np.floor(below / each + 0.5)
            below = np.minimum(below, corrections.MOST).astype(np.int64)
        below = np.where(ways == FOLDED, below, -1)
        return cls(samples, below, each, low, high, intensities.dtype)

    def steps(self, wanted: np.ndarray) -> np.ndarray:
        """Corrections that bring it nearest to samples of its shape: int32.

        Folded ones are not below 0: 0, 1, 2, 3, 4, … stand for 0, -1, 1, -2, 2, … widths as long as
        the samples below are inside of the range, and then for those above.
        """
        if self.samples.dtype.kind == "f":
            found = np.rint((wanted.astype(np.float64) - self.samples) / self.each)
            widths = found.astype(np.int64)
        else:
            widths = (wanted.astype(np.int64) - self.samples + self.each // 2) // self.each
        size, most = np.abs(widths), corrections.MOST - 1
        folded = np.where(size <= self.below, 2 * size - (widths < 0), size + self.below)
        out: np.ndarray = np.clip(np.where(self.below < 0, widths, folded), -most, most)
        return out.astype(np.int32)

    def corrected(self, steps: np.ndarray) -> np.ndarray:
        """Samples of the image's dtype; signs of folded corrections have no meaning."""
        size = np.abs(steps.astype(np.int64))
        half = (size + 1) // 2
        unfolded = np.where(size & 1, -half, half)
        unfolded = np.where(size <= 2 * self.below, unfolded, size - self.below)
        widths = np.where(self.below < 0, steps, unfolded)
        with np.errstate(over="ignore"):  # hostile files reach infinity
            found = self.samples + widths * self.each
            if self.samples.dtype.kind != "f":
                found = np.clip(found, self.low, self.high)
            out: np.ndarray = found.astype(self.dtype)
        return out


def slabs(extent: tuple[int, ...], axes: str) -> Iterator[tuple[slice, ...]]:
    """A brick in parts that have all of its channels, so that little memory is taken at once."""
    axis = max(range(len(axes)), key=lambda i: 0 if axes[i] == "C" else extent[i])
    length = (
        extent[axis] if axes[axis] == "C" else max(1, _SLAB * extent[axis] // math.prod(extent))
    )
    for start in range(0, extent[axis], length):
        yield (*(slice(None),) * axis, slice(start, start + length))


@dataclass(frozen=True)
class CorrectedBrick(ExactBrick):
    """A brick ready to be evaluated; what it holds besides the field is read when it is needed.

    Attributes
    ----------
    field
        The brick before it is corrected.
    stated
        Of the image's channels.
    read
        Gives the section's bytes.
    damaged
        Makes an error of what is wrong with them.
    """

    field: LatentBrick
    stated: Widths
    read: Callable[[], bytes]
    damaged: Callable[[str], FormatError]
    _lock: Lock

    @property
    def nbytes(self) -> int:
        """Memory that the decoded brick takes."""
        return self.field.nbytes + self.field.nbytes // 4 * self.field.intensities.dtype.itemsize

    def inputs(self) -> Iterator[bytes]:
        """What its samples follow from besides the header: its samples themselves are exact."""
        yield little_endian(self._samples)

    def in_dtype(self, dtype: type[np.floating[Any]]) -> CorrectedBrick:
        """The brick in an arithmetic of its own: there is none."""
        return self

    def grid(self, local: Sequence[np.ndarray]) -> np.ndarray:
        """Samples at the grid of local positions, (n1, …) in the image's axes and dtype."""
        picked: np.ndarray = self._samples[np.ix_(*local)]
        return picked

    def points(self, local: np.ndarray) -> np.ndarray:
        """Samples at (N, D) local positions, which are whole numbers: (N,) of the image's dtype."""
        picked: np.ndarray = self._samples[tuple(local.astype(np.int64).T)]
        return picked

    @property
    def _samples(self) -> np.ndarray:
        with self._lock:
            return self._whole

    @cached_property
    def _whole(self) -> np.ndarray:
        field, data = self.field, self.read()
        outputs = field.outputs
        try:
            [given], stream = leb128.split(data, 0, 1)
            exact = unpack_given(given, field.extent, field.intensities.dtype)
        except ValueError as error:
            raise self.damaged(str(error)) from error
        steps = corrections.decoded(stream, to_five(outputs, field.axes), TABLES)
        steps = from_five(steps, field.axes)
        out = np.empty(field.extent, field.intensities.dtype)
        for part in slabs(field.extent, field.axes):
            base = Base.of(
                outputs[part], field.channels, field.axes, field.intensities, self.stated
            )
            out[part] = base.corrected(steps[part])
        if exact is not None:
            out.flat[exact.positions] = exact.values
        return out


def unpack_given(
    data: bytes, extent: tuple[int, ...], dtype: np.dtype[np.generic]
) -> Outliers | None:
    """Samples of a brick that are given as they are; None for no bytes.

    Raises
    ------
    ValueError
        The bytes are not such samples.
    """
    return apart.unpack(data, extent, dtype, finite=False) if data else None


class CorrectedBricks:
    """The bricks of a latent field with corrections.

    Raises
    ------
    FormatError
        As `LatentBricks`, or for widths that cannot be.
    """

    def __init__(self, container: Container, grid: BrickGrid, intensities: Intensities) -> None:
        self._container = container
        self._fields = LatentBricks(container, grid, intensities)
        self._stated = Widths.from_json(
            container.header["field"],
            len(intensities.ranges),
            whole=intensities.dtype.kind != "f",
            file=container.name,
        )

    def open(self, brick: int) -> CorrectedBrick:
        """A brick ready to be looked at."""

        def read() -> bytes:
            return self._container.read(self._container.require(KIND, brick))

        def damaged(got: str) -> FormatError:
            return FormatError(
                "this brick's corrections cannot be read",
                file=self._container.name,
                field=f"section CORR of brick {brick}",
                got=got,
                fix="get the file again from its source",
            )

        return CorrectedBrick(self._fields.open(brick), self._stated, read, damaged, Lock())

    def overviews(self, bricks: Sequence[int], skip: int) -> Iterator[np.ndarray]:
        """Of every 2**skip rows and columns of bricks one, from their first, not corrected."""
        return self._fields.overviews(bricks, skip)

    def check(self, brick: int) -> Check:
        """The digests of a brick, corrected."""
        return self._fields.check(brick)
