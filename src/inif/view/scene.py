"""What the page shows: tiles of the planes of a file, of its original, and of their difference.

Without an original a tile of a smaller level is the file's own (`inif.decode.levels`). Beside an
original both sides are the very samples at every 2nd, 4th, 8th … row and column, so that nothing
is compared but samples of one place; an error is the largest of those that its pixel stands for,
so that no zoom hides one. Decoded samples and errors are made in one pass, in bands; the original,
which costs little, in one of its own, so that it need not wait for them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from inif.decode.chunks import ChunkCache
from inif.decode.file import File
from inif.errors import InifError, InputError
from inif.image import LazyImage
from inif.metrics.planes import PlaneLayout, plane_layout
from inif.view.original import read_box

SIDE = 512
"""Rows and columns of a tile, at most."""

BAND = 1 << 21
"""Samples of each image that are compared at once, about."""

CACHE_BYTES = 64 << 20
"""Memory of tiles of smaller levels beside an original, which cost the most."""

KINDS = ("decoded", "original", "error", "quick")
"""What there are tiles of. "quick" is "decoded" of the file's own levels, beside an original."""

Slot = tuple[int, ...]
"""A plane: one index for each axis that is not one of the plane's, in the file's order."""


@dataclass(frozen=True)
class Tile:
    """Which samples are asked for.

    Attributes
    ----------
    kind
        One of `KINDS`.
    level
        0: all rows and columns; k: every 2**k-th.
    slot
        The plane.
    row, column
        Of the tile, counted in tiles.
    """

    kind: str
    level: int
    slot: Slot
    row: int
    column: int


@dataclass
class Scene:
    """A file and its original, as planes and tiles. Threads may share it.

    Attributes
    ----------
    file, original
        Open; whoever opened them closes them.
    layout
        Which axes are the plane's.
    """

    file: File
    original: LazyImage | None = None
    layout: PlaneLayout = field(init=False)

    def __post_init__(self) -> None:
        self.layout = plane_layout(self.file.axes, self.file.shape)
        self._reduced = ChunkCache(CACHE_BYTES)

    @property
    def plane(self) -> str:
        """The axes of rows and columns: "YX" wherever the file has both."""
        return "".join(self.layout.axes[i] for i in self.layout.plane)

    @property
    def slot_axes(self) -> str:
        """The other axes, in the file's order."""
        return "".join(self.layout.axes[i] for i in self.layout.slots)

    @property
    def steps(self) -> tuple[int, ...]:
        """Of each level: every how many rows and columns it has a sample."""
        return tuple(level.step for level in self.file.levels) if self.layout.is_picture else (1,)

    @property
    def start(self) -> dict[str, int]:
        """The plane that is shown first: the middle one, and the first along T."""
        sizes = dict(zip(self.slot_axes, self.layout.slot_shape, strict=True))
        return {a: 0 if a == "T" else n // 2 for a, n in sizes.items() if a != "C"}

    def shape(self, level: int) -> tuple[int, int]:
        """Rows and columns of a plane at a level."""
        rows, columns = self.layout.plane_shape
        return -(-rows // self.steps[level]), -(-columns // self.steps[level])

    def warm(self) -> None:
        """Decode what is shown first, so that whoever looks need not wait; failures show there."""
        slot = tuple(self.start.get(a, 0) for a in self.slot_axes)
        with suppress(InifError):
            self.tile(Tile("decoded", len(self.steps) - 1, slot, 0, 0))

    def check(self, tile: Tile) -> None:
        """Raise unless there is such a tile.

        Raises
        ------
        InputError
            The tile, its plane or its level is not there.
        """
        original = self.original is not None
        kinds = KINDS if original else KINDS[:1]
        good = tile.kind in kinds and 0 <= tile.level < len(self.steps)
        if good:
            self.check_slot(tile.slot)
            counts = [-(-n // SIDE) for n in self.shape(tile.level)]
            good = 0 <= tile.row < counts[0] and 0 <= tile.column < counts[1]
        if not good:
            raise InputError(
                "there is no such tile",
                file=self.file.name,
                field="tile",
                expected=f"a tile of {', '.join(kinds)} at one of {len(self.steps)} levels",
                got=tile,
            )

    def check_slot(self, slot: Slot) -> None:
        """Raise unless there is such a plane.

        Raises
        ------
        InputError
            An index is not one of its axis.
        """
        sizes = self.layout.slot_shape
        if len(slot) != len(sizes) or not all(0 <= i < n for i, n in zip(slot, sizes, strict=True)):
            raise InputError(
                "there is no such plane",
                file=self.file.name,
                field="plane",
                expected=f"indices of {self.slot_axes or 'no axes'} below {sizes}",
                got=slot,
            )

    def tile(self, tile: Tile) -> np.ndarray:
        """The samples of a tile: (rows, columns), in the image's dtype; errors in float32.

        Raises
        ------
        InputError
            There is no such tile, or the original cannot be read there.
        FormatError
            The file is damaged there.
        """
        self.check(tile)
        rows, columns = (
            slice(i * SIDE, min((i + 1) * SIDE, n))
            for i, n in zip((tile.row, tile.column), self.shape(tile.level), strict=True)
        )
        own = self.original is None or tile.kind == "quick"
        if own or (tile.level == 0 and tile.kind == "decoded"):
            return self._decoded(tile.level, tile.slot, rows, columns)
        if tile.level == 0 and tile.kind == "original":
            return self._original(tile.slot, rows, columns)
        place = (tile.level, tile.slot, rows, columns)
        key = (tile.level, tile.slot, tile.row, tile.column)
        if tile.kind == "original":
            return self._reduced.get((*key, tile.kind), lambda: self._overview(*place))
        return np.asarray(self._reduced.get(key, lambda: self._compare(*place))[tile.kind])

    def bands(self, slot: Slot, rows: slice, columns: slice, step: int = 1) -> Iterator[Band]:
        """Parts of a plane of both images, from the top, each of a multiple of `step` rows.

        Parameters
        ----------
        rows, columns
            The part, with start and stop.
        """
        for part in _bands(rows, columns, step):
            yield Band(
                part, self._original(slot, part, columns), self._decoded(0, slot, part, columns)
            )

    def _decoded(self, level: int, slot: Slot, rows: slice, columns: slice) -> np.ndarray:
        source = self.file.levels[level]
        where = self._where(slot, rows, columns)
        return read_box(source.__getitem__, self.file.axes, where, self.plane)

    def _original(self, slot: Slot, rows: slice, columns: slice) -> np.ndarray:
        assert self.original is not None
        where = self._where(slot, rows, columns)
        return read_box(self.original.read, self.original.axes, where, self.plane)

    def _where(self, slot: Slot, rows: slice, columns: slice) -> dict[str, slice]:
        sides = dict(zip(self.plane, [rows, columns][2 - len(self.plane) :], strict=True))
        return sides | {a: slice(i, i + 1) for a, i in zip(self.slot_axes, slot, strict=True)}

    def _inside(self, step: int, rows: slice, columns: slice) -> tuple[slice, slice]:
        """The part of the plane that a tile of every `step`-th row and column stands for."""
        height, width = self.layout.plane_shape
        return (
            slice(rows.start * step, min(rows.stop * step, height)),
            slice(columns.start * step, min(columns.stop * step, width)),
        )

    def _overview(self, level: int, slot: Slot, rows: slice, columns: slice) -> np.ndarray:
        """A tile of the original."""
        step = self.steps[level]
        down, across = self._inside(step, rows, columns)
        bands = (self._original(slot, part, across) for part in _bands(down, across, step))
        return np.concatenate([band[::step, ::step].copy() for band in bands])

    def _compare(self, level: int, slot: Slot, rows: slice, columns: slice) -> np.ndarray:
        """A tile of the decoded image and one of errors: fields "decoded" and "error"."""
        step = self.steps[level]
        out = np.empty(
            (rows.stop - rows.start, columns.stop - columns.start),
            [("decoded", self.file.dtype), ("error", np.float32)],
        )
        for band in self.bands(slot, *self._inside(step, rows, columns), step):
            first = band.rows.start // step - rows.start
            part = out[first : first - (-len(band.decoded) // step)]
            part["decoded"] = band.decoded[::step, ::step]
            part["error"] = largest(band.error, step)
        return out


def _bands(rows: slice, columns: slice, step: int) -> Iterator[slice]:
    """Rows from the top, about `BAND` samples at once, each time a multiple of `step` rows."""
    height = max(1, BAND // max(1, columns.stop - columns.start) // step) * step
    for top in range(rows.start, rows.stop, height):
        yield slice(top, min(top + height, rows.stop))


@dataclass(frozen=True)
class Band:
    """Some rows of a plane of both images, (rows, columns), in the images' dtype."""

    rows: slice
    original: np.ndarray
    decoded: np.ndarray

    @property
    def error(self) -> np.ndarray:
        """decoded - original: int32 of samples of at most 16 bits, else float64."""
        return difference(self.decoded, self.original)


def difference(decoded: np.ndarray, original: np.ndarray) -> np.ndarray:
    """decoded - original without overflow: int32 of at most 16 bits, else float64.

    It is 0 where both are the same infinity or both are NaN, and NaN or infinite where one is.
    """
    small = decoded.dtype.kind in "biu" and decoded.dtype.itemsize <= 2
    wide: Any = np.int32 if small else np.float64
    a, b = original.astype(wide), decoded.astype(wide)
    if decoded.dtype.kind != "f":
        return np.asarray(b - a)
    with np.errstate(invalid="ignore"):
        error = b - a
    error[(a == b) | (np.isnan(a) & np.isnan(b))] = 0
    return np.asarray(error)


def largest(error: np.ndarray, step: int) -> np.ndarray:
    """Of each `step` × `step` samples the one that is furthest from 0, with its sign; float32."""
    if step == 1:
        return error.astype(np.float32)
    starts = [np.arange(0, n, step) for n in error.shape]
    high, low = (
        extreme.reduceat(extreme.reduceat(error, starts[0], axis=0), starts[1], axis=1)
        for extreme in (np.maximum, np.minimum)
    )
    return np.where(high >= -low, high, low).astype(np.float32)
