"""Bricks of a latent field with corrections: what was off by more than a bound is put right.

A correction is a whole number of widths that is added to the field's own sample; samples for which
that is not enough are given as they are. All of it is exact. See docs/format.md, "Corrections".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
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
from inif.decode.latent import TABLES, LatentBrick, LatentBricks
from inif.errors import FormatError
from inif.latent import corrections
from inif.latent.layout import from_five, to_five
from inif.outliers import Outliers

KIND = b"CORR"
MOST_WIDTH = 1 << 33


def base_of(
    outputs: np.ndarray, channels: range, axes: str, intensities: Intensities
) -> np.ndarray:
    """Samples of a field before they are corrected: int64 of whole numbers, else float64.

    Parameters
    ----------
    outputs
        In [-1, 1], float32, in the image's axes.
    channels
        Of the image, that they are of.
    """
    channel = along_channels(np.array(channels), axes)
    low, high = intensities.ranges[channel, 0], intensities.ranges[channel, 1]
    real = intensities.real(outputs, channel).astype(np.float64)
    if intensities.dtype.kind == "f":
        return np.clip(real, low, high)
    return np.clip(np.rint(real), low, high).astype(np.int64)


def corrected(
    base: np.ndarray,
    steps: np.ndarray,
    widths: Sequence[float | int],
    channels: range,
    axes: str,
    intensities: Intensities,
) -> np.ndarray:
    """Samples of the image's dtype: base + steps × widths, whole numbers inside of their range.

    Parameters
    ----------
    base
        As `base_of` gives it.
    steps
        int32 of the same shape.
    widths
        Of all channels of the image.
    """
    channel = along_channels(np.array(channels), axes)
    each = np.array(widths, base.dtype)[channel]
    with np.errstate(over="ignore"):  # hostile files reach infinity
        found = base + steps * each
        if base.dtype.kind != "f":
            low, high = (intensities.ranges[channel, i].astype(np.int64) for i in (0, 1))
            found = np.clip(found, low, high)
        out: np.ndarray = found.astype(intensities.dtype)
    return out


@dataclass(frozen=True)
class CorrectedBrick(ExactBrick):
    """A brick ready to be evaluated; what it holds besides the field is read when it is needed.

    Attributes
    ----------
    field
        The brick before it is corrected.
    widths
        Of the image's channels.
    read
        Gives the section's bytes.
    damaged
        Makes an error of what is wrong with them.
    """

    field: LatentBrick
    widths: tuple[float | int, ...]
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
        base = base_of(outputs, field.channels, field.axes, field.intensities)
        out = corrected(
            base,
            from_five(steps, field.axes),
            self.widths,
            field.channels,
            field.axes,
            field.intensities,
        )
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
        self._widths = widths_of(container, intensities)

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

        return CorrectedBrick(self._fields.open(brick), self._widths, read, damaged, Lock())

    def overviews(self, bricks: Sequence[int], skip: int) -> Iterator[np.ndarray]:
        """Of every 2**skip rows and columns of bricks one, from their first, not corrected."""
        return self._fields.overviews(bricks, skip)

    def check(self, brick: int) -> Check:
        """The digests of a brick, corrected."""
        return self._fields.check(brick)


def widths_of(container: Container, intensities: Intensities) -> tuple[float | int, ...]:
    """The widths that a header states.

    Raises
    ------
    FormatError
        Not one for each channel, or not numbers above 0; whole ones for whole numbers.
    """
    stated, whole = container.header["field"].get("widths"), intensities.dtype.kind != "f"
    count = len(intensities.ranges)

    def good(width: object) -> bool:
        if isinstance(width, bool) or not isinstance(width, (int, float)):
            return False
        return 0 < width < MOST_WIDTH and isinstance(width, int) if whole else width > 0

    if not (isinstance(stated, list) and len(stated) == count and all(map(good, stated))):
        raise FormatError(
            "the header has a field that breaks the format",
            file=container.name,
            field="header.field.widths",
            expected=f"a {'whole ' if whole else ''}number above 0 per channel",
            got=ascii(stated),
        )
    return tuple(stated)
