"""The bands of a level, and the parts of it that are coded by themselves."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

_PARTS = ((1 << 21, 4), (1 << 20, 2))
"""Voxels of an image from which its finest level has so many parts along Y."""

_SLAB, _MOST_SLABS = 1 << 20, (8, 4)
"""Voxels of an image for each of the parts along T or Z of its finest level, and the most of them
there and one level coarser, where parts are twice as thick: one plane then needs few of them."""

_LONG, _LEAST_PLANES = 16, 4
"""Samples along T or Z from which parts are cut along it, and not along Y; and planes of a part."""

_PART_ROWS = 16
"""Parts begin at multiples of so many rows: whole blocks, of the parents too."""

MANY = 1 << 28
"""More than any axis has samples."""

Sizes = tuple[int, int, int, int, int]


@dataclass(frozen=True)
class Band:
    """A grid of latents of one level.

    Attributes
    ----------
    key
        For T, Z, Y and X: "L" low, "H" high, "-" not split at this level.
    sizes
        Lengths along C, T, Z, Y, X.
    kind
        0 … 7: 4 if high along T or Z, plus 2 along Y, plus 1 along X.
    side
        Of its blocks.
    earlier
        (planes, 3) int32, see `earlier_planes`.
    parent
        Key of the band one level coarser, "*" for the sum of all there, None at the coarsest.
    parent_of
        (planes,) int32: the parent's plane of each plane.
    above
        Lengths of the parent along C, T and Z.
    sibling_of
        (planes,) int32: the plane of each in the level's sums of magnitudes, from 1.
    """

    key: str
    sizes: Sizes
    kind: int
    side: int
    earlier: np.ndarray
    parent: str | None
    parent_of: np.ndarray
    above: tuple[int, int, int]
    sibling_of: np.ndarray

    @property
    def shape(self) -> tuple[int, int, int]:
        """(planes, height, width) of its latents as the coder takes them."""
        return (math.prod(self.sizes[:3]), self.sizes[3], self.sizes[4])

    @property
    def blocks(self) -> tuple[int, int, int]:
        """(planes, blocks down, blocks across)."""
        planes, height, width = self.shape
        return (planes, -(-height // self.side), -(-width // self.side))


@dataclass(frozen=True)
class Part:
    """A part of a level that is coded by itself, so that all parts can be coded at once.

    Attributes
    ----------
    bands
        As if they were all there is, in the order in which they are coded.
    largest
        The largest of their lengths along each axis.
    where
        By the band's key, the place of its part along C, T, Z, Y, X.
    parents
        The place, along C, T, Z, Y, X, of what the part looks at in bands one level coarser.
    """

    bands: tuple[Band, ...]
    largest: Sizes
    where: dict[str, tuple[slice, ...]]
    parents: tuple[slice, ...]

    def cut(self, axis: int) -> tuple[int, int]:
        """Its first place along an axis, and the one behind its last; the last part has no end."""
        own = self.where[self.bands[0].key][axis]
        return own.start or 0, MANY if own.stop is None else own.stop


def looks(sizes: Sizes) -> str:
    """Which planes a plane's contexts look at: small letters one before, capitals two before."""
    channels, times, depths = (n > 1 for n in sizes[:3])
    if times:
        return "tzc" if depths and channels else "tzT" if depths else "tcT" if channels else "tT"
    if depths:
        return "zcZ" if channels else "zZ"
    return "cD"


def earlier_planes(sizes: Sizes, order: str) -> np.ndarray:
    """(planes, 3) int32: number of the planes that each plane looks at, -1 where there is none."""
    count = sizes[:3]
    index = np.arange(math.prod(count)).reshape(count)
    out = np.full((3, *count), -1, np.int32)
    for k, letter in enumerate(order):
        axis, back = "CTZ".index("C" if letter == "D" else letter.upper()), 1 + letter.isupper()
        here = [slice(None)] * 3
        there = [slice(None)] * 3
        here[axis], there[axis] = slice(back, None), slice(None, -back)
        out[k][tuple(here)] = index[tuple(there)]
    return np.ascontiguousarray(out.reshape(3, -1).T)


def with_length(sizes: Sizes, axis: int, length: int) -> Sizes:
    """Lengths of which one is another."""
    c, t, z, y, x = (length if i == axis else n for i, n in enumerate(sizes))
    return (c, t, z, y, x)


def cut_axis(sizes: Sizes) -> int:
    """The axis along which levels are cut: the longer of T and Z if it is long enough, else Y."""
    axis = 1 if sizes[1] > sizes[2] else 2
    return axis if sizes[axis] >= _LONG else 3


def cuts_of(sizes: Sizes, number: int, length: int, axis: int) -> tuple[slice, ...]:
    """Places of the parts of a level, `length` long, along an axis; the last has no end."""
    voxels = math.prod(sizes)
    unit, wanted = 1, 1
    if axis < 3 and number < len(_MOST_SLABS):
        wanted = min(voxels // _SLAB >> number, length // _LEAST_PLANES, _MOST_SLABS[number])
    elif axis == 3 and number == 0:
        unit = _PART_ROWS
        wanted = next((parts for least, parts in _PARTS if voxels >= least), 1)
    length //= unit
    count = min(wanted, length)
    if count < 2:
        return (slice(None),)
    begins = [length * i // count * unit for i in range(count)]
    return tuple(slice(a, b) for a, b in zip(begins, [*begins[1:], None], strict=True))


def least_of(bands: tuple[Band, ...]) -> Sizes:
    """The least of their lengths along each axis."""
    c, t, z, y, x = (min(band.sizes[i] for band in bands) for i in range(5))
    return (c, t, z, y, x)


def part_of(bands: tuple[Band, ...], axis: int, cut: slice) -> Part:
    """The part of bands along an axis, T, Z or Y."""
    where = {band.key: tuple(cut if i == axis else slice(None) for i in range(5)) for band in bands}
    sizes = {b.key: with_length(b.sizes, axis, len(range(b.sizes[axis])[cut])) for b in bands}
    c, t, z, y, x = (max(s[i] for s in sizes.values()) for i in range(5))
    seen = slice(None)
    if cut == seen:
        pass
    elif axis == 3:
        seen = slice(cut.start // 2, None if cut.stop is None else cut.stop // 2)
    elif bands[0].parent is not None:
        own = np.concatenate([_up(b, axis)[where[b.key][:3]].ravel() for b in bands])
        seen = slice(int(own.min()), int(own.max()) + 1)
    parents = tuple(seen if i == axis else slice(None) for i in range(5))
    parts = tuple(_cut_band(b, where[b.key], sizes[b.key], (c, t, z, y, x), seen) for b in bands)
    return Part(parts, (c, t, z, y, x), where, parents)


def _up(band: Band, axis: int) -> np.ndarray:
    """Of each plane of a band, its parent's place along T or Z: (C, T, Z)."""
    return np.unravel_index(band.parent_of, band.above)[axis].reshape(band.sizes[:3])


def _cut_band(
    band: Band, where: tuple[slice, ...], sizes: Sizes, largest: Sizes, seen: slice
) -> Band:
    """A part of a band, whose parent is seen at some places along the axis of the cut."""
    count = math.prod(band.sizes[:3])
    kept = np.arange(count).reshape(band.sizes[:3])[where[:3]].ravel()
    number = np.full(count + 1, -1, np.int32)  # the last stands for no plane
    number[kept] = np.arange(len(kept))
    parent_of, above = band.parent_of[kept], band.above
    if seen != slice(None) and where[3] == slice(None):
        axis = 1 if where[1] != slice(None) else 2
        up = list(np.unravel_index(parent_of, above))
        up[axis] = up[axis] - seen.start
        c, t, z = (len(range(n)[seen]) if i == axis else n for i, n in enumerate(above))
        above = (c, t, z)
        parent_of = np.ravel_multi_index(tuple(up), above).astype(np.int32)
    return replace(
        band,
        sizes=sizes,
        earlier=np.ascontiguousarray(number[band.earlier[kept]]),
        parent_of=np.ascontiguousarray(parent_of),
        above=above,
        sibling_of=sibling_planes(sizes, largest),
    )


def sibling_planes(sizes: Sizes, largest: Sizes) -> np.ndarray:
    """`Band.sibling_of` of a band of these lengths."""
    channel, time, depth = (a.ravel() for a in np.indices(sizes[:3]))
    out: np.ndarray = ((channel * largest[1] + time) * largest[2] + depth + 1).astype(np.int32)
    return out
