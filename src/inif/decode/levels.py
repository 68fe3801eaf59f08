"""A file at full size and at every 2nd, 4th, 8th … row and column, in chunks that are kept.

This is what viewers, dask and Zarr ask for: chunks of one plane, again and again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from inif.axes import Selection, select
from inif.bricks import BrickGrid

if TYPE_CHECKING:
    from inif.decode.file import File

SIDE = 1024
"""Rows and columns of a chunk, at most."""

SMALLEST = 256
"""No smaller level is made of one whose longer side has at most this many samples."""


class Level:
    """A file at every `step`-th row and column; other axes are whole. Threads may share it.

    Of a latent field a sample of a smaller level is a mean of those around it, and only coarse
    grids are decoded; of other files it is the very sample of the image.

    Attributes
    ----------
    number, step
        0 and 1 for the image itself, then 1 and 2, 2 and 4 …
    axes, dtype
        Of the file.
    shape, chunks
        Samples along each axis, of the level and of a chunk (a plane, or a part of one).
    """

    def __init__(self, file: File, number: int) -> None:
        self.file, self.number, self.step = file, number, 1 << number
        self.axes, self.dtype = file.axes, file.dtype
        self.shape = tuple(
            -(-n // self.step) if a in "YX" else n
            for a, n in zip(file.axes, file.shape, strict=True)
        )
        self.chunks = chunks_of(file.axes, self.shape)
        self.grid = BrickGrid(self.shape, self.chunks)

    def __repr__(self) -> str:
        return f"<level {self.number} of {self.file!r}: {self.shape}>"

    def __getitem__(self, key: Any) -> Any:
        return self.read(select(key, self.shape, file=self.file.name))

    def __reduce__(self) -> tuple[Callable[..., Level], tuple[object, ...]]:
        reopen, place = self.file.__reduce__()
        return _again, (self.number, reopen, *place)

    def read(self, selection: Selection) -> Any:
        """Samples of a selection of the level, in the image's dtype."""
        out = np.empty(selection.full_shape, self.dtype)
        for piece in self.grid.pieces(selection):
            out[piece.out] = self.chunk(piece.brick)[np.ix_(*piece.local)]
        return out.reshape(selection.shape)[()]

    def chunk(self, number: int) -> np.ndarray:
        """A chunk by its number in C order; do not write to it. Fewer samples at the far edges."""
        return self.file.kept.get((self.number, number), lambda: self._decoded(number))

    def to_dask(self) -> Any:
        """A dask array in chunks of the level.

        Raises
        ------
        MissingExtraError
            dask is not installed.
        """
        from inif.decode.planes import dask_of

        return dask_of(self)

    def _decoded(self, number: int) -> np.ndarray:
        slices = self.grid.slices(number)
        of_image = tuple(
            slice(s.start * self.step, s.stop * self.step, self.step) if a in "YX" else s
            for a, s in zip(self.axes, slices, strict=True)
        )
        selection = select(of_image, self.file.shape)
        return np.ascontiguousarray(self.file.at_level(selection, self.number))


def levels_of(file: File) -> tuple[Level, ...]:
    """The image and its smaller levels, down to planes of at most `SMALLEST` samples a side."""
    longest = max((n for a, n in zip(file.axes, file.shape, strict=True) if a in "YX"), default=1)
    count = 1 + max(0, math.ceil(math.log2(longest / SMALLEST)))
    return tuple(Level(file, number) for number in range(count))


def chunks_of(axes: str, shape: Sequence[int]) -> tuple[int, ...]:
    """Planes, or parts of one: of Y and X, or of the last two axes if one of these is missing."""
    plane = "YX" if {"Y", "X"} <= set(axes) else axes[-2:]
    return tuple(min(n, SIDE) if a in plane else 1 for a, n in zip(axes, shape, strict=True))


def _again(number: int, reopen: Callable[..., File], *place: object) -> Level:
    level: Level = reopen(*place).levels[number]
    return level
