"""Which grids of latents an image has: levels and kinds of lifting, bands, neighbours."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np

CDF97, CDF53, HAAR = range(3)
"""Kinds of lifting (Daubechies and Sweldens 1998)."""

MAX_LEVELS = 5
"""In the plane; there are never more along T or Z."""

_LOW_SIDE = 3
"""Samples of the shorter side that the coarsest grid has at least."""

_SMALL = 24
"""Sides of a band below which its blocks have 4 × 4 latents, not 8 × 8."""

_PARTS = ((1 << 21, 4), (1 << 20, 2))
"""Voxels of an image from which its finest level has so many parts."""

_LONG = 16
"""Planes along T or Z from which parts are cut along it, and not along Y."""

_PART_ROWS = 16
"""Parts begin at multiples of so many rows: whole blocks, of the parents too."""

Sizes = tuple[int, int, int, int, int]
Seams = tuple[tuple[bool, bool], ...]


def plane_levels(sizes: Sizes) -> int:
    """Levels in the plane of an image of these lengths along C, T, Z, Y, X."""
    side = min((n for n in sizes[3:] if n > 1), default=1)
    return min(max(int(math.log2(side / _LOW_SIDE)), 0), MAX_LEVELS) if side > 1 else 0


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
    parent_rows
        Rows of the bands one level coarser that the part looks at.
    """

    bands: tuple[Band, ...]
    largest: Sizes
    where: dict[str, tuple[slice, ...]]
    parent_rows: slice


@dataclass(frozen=True)
class Level:
    """The bands of a level, in the order in which they are coded.

    Attributes
    ----------
    number
        0 is the finest.
    low
        Key of what is split further, or stays as the low grid.
    parts
        Of which it is made up.
    """

    number: int
    low: str
    bands: tuple[Band, ...]
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Plan:
    """How an image, or a brick of it, becomes grids.

    Attributes
    ----------
    sizes
        Lengths along C, T, Z, Y, X, of what is coded (see `shown`).
    levels
        Of lifting along T, along Z, and in the plane.
    kinds
        Of the lifting along T and along Z; in the plane it is 9/7.
    seams
        Along T, Z, Y and X: whether another brick begins before the first sample, and behind the
        last one.
    """

    sizes: Sizes
    levels: tuple[int, int, int]
    kinds: tuple[int, int] = (CDF97, CDF97)
    seams: Seams = ((False, False),) * 4

    @property
    def depth(self) -> int:
        """How many levels there are."""
        return max(self.levels)

    def levels_of(self, axis: int) -> int:
        """Levels along an axis: 0 T, 1 Z, 2 Y, 3 X."""
        return self.levels[min(axis, 2)] if self.sizes[axis + 1] > 1 else 0

    def kind_of(self, axis: int) -> int:
        """Kind of lifting along an axis: 0 T, 1 Z, 2 Y, 3 X."""
        return self.kinds[axis] if axis < 2 else CDF97

    @property
    def shown(self) -> Sizes:
        """Lengths of the brick: along Y and X one less than is coded, where another follows."""
        c, t, z, y, x = self.sizes
        return (c, t, z, y - self.seams[2][1], x - self.seams[3][1])

    def length(self, axis: int, number: int) -> int:
        """Of an axis (0 T, 1 Z, 2 Y, 3 X) before level `number` splits it."""
        return -(-self.sizes[axis + 1] // (1 << min(number, self.levels_of(axis))))

    @cached_property
    def low_sizes(self) -> Sizes:
        """Lengths of the coarsest grid."""
        return _sizes(self)[1]

    @cached_property
    def grids(self) -> tuple[Level, ...]:
        """Levels from coarse to fine."""
        return _grids(replace(self, seams=Plan.seams))

    @cached_property
    def low_earlier(self) -> np.ndarray:
        """What the planes of the coarsest grid look at, as `Band.earlier`."""
        return earlier_planes(self.low_sizes, looks(self.sizes))


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


def _sizes(plan: Plan) -> tuple[list[tuple[str, dict[str, Sizes]]], Sizes]:
    """Key of what stays low and lengths of the bands, from fine to coarse; of the low grid."""
    levels: list[tuple[str, dict[str, Sizes]]] = []
    current = plan.sizes
    for level in range(plan.depth):
        parts = {"": current}
        for axis in range(4):
            split: dict[str, Sizes] = {}
            for key, sizes in parts.items():
                n = sizes[axis + 1]
                if level < plan.levels_of(axis) and n > 1:
                    split[key + "L"] = _with(sizes, axis + 1, (n + 1) // 2)
                    split[key + "H"] = _with(sizes, axis + 1, n // 2)
                else:
                    split[key + "-"] = sizes
            parts = split
        low = next(key for key in parts if "H" not in key)
        current = parts.pop(low)
        levels.append((low, parts))
    return levels, current


def _with(sizes: Sizes, axis: int, length: int) -> Sizes:
    c, t, z, y, x = (length if i == axis else n for i, n in enumerate(sizes))
    return (c, t, z, y, x)


@lru_cache(maxsize=64)
def _grids(plan: Plan) -> tuple[Level, ...]:
    sizes, _ = _sizes(plan)
    order = looks(plan.sizes)
    out = []
    for number in range(plan.depth - 1, -1, -1):
        low, parts = sizes[number]
        if not parts:
            continue
        c, t, z, y, x = (max(s[i] for s in parts.values()) for i in range(5))
        largest = (c, t, z, y, x)
        coarser = sizes[number + 1][1] if number + 1 < plan.depth else {}
        keys = sorted(parts, key=lambda key: (key.count("H"), key))
        bands = tuple(_band(plan, number, key, parts[key], largest, coarser, order) for key in keys)
        axis = _cut_axis(bands)
        cuts = _cuts(plan, bands, axis) if number == 0 else (slice(None),)
        out.append(Level(number, low, bands, tuple(_part(bands, axis, cut) for cut in cuts)))
    return tuple(out)


def _cut_axis(bands: tuple[Band, ...]) -> int:
    """The axis along which a level is cut: the longer of T and Z if it is long enough, else Y."""
    least = _least(bands)
    axis = 1 if least[1] > least[2] else 2
    return axis if least[axis] >= _LONG else 3


def _cuts(plan: Plan, bands: tuple[Band, ...], axis: int) -> tuple[slice, ...]:
    """Places of the parts of the finest level along an axis; the last goes on to the end."""
    unit = _PART_ROWS if axis == 3 else 1
    length = _least(bands)[axis] // unit
    voxels = math.prod(plan.sizes)
    wanted = next((parts for least, parts in _PARTS if voxels >= least), 1)
    count = max(min(wanted, length), 1)
    begins = [length * i // count * unit for i in range(count)]
    return tuple(slice(a, b) for a, b in zip(begins, [*begins[1:], None], strict=True))


def _least(bands: tuple[Band, ...]) -> Sizes:
    c, t, z, y, x = (min(band.sizes[i] for band in bands) for i in range(5))
    return (c, t, z, y, x)


def _part(bands: tuple[Band, ...], axis: int, cut: slice) -> Part:
    """The part of bands along an axis, T, Z or Y."""
    where = {band.key: tuple(cut if i == axis else slice(None) for i in range(5)) for band in bands}
    cutting = cut != slice(None)
    sizes = {b.key: _with(b.sizes, axis, len(range(b.sizes[axis])[cut])) for b in bands}
    c, t, z, y, x = (max(s[i] for s in sizes.values()) for i in range(5))
    rows = slice(None)
    if cutting and axis == 3:
        rows = slice(cut.start // 2, None if cut.stop is None else cut.stop // 2)
    own = tuple(_cut_band(b, where[b.key], sizes[b.key], (c, t, z, y, x)) for b in bands)
    return Part(own, (c, t, z, y, x), where, rows)


def _cut_band(band: Band, where: tuple[slice, ...], sizes: Sizes, largest: Sizes) -> Band:
    count = math.prod(band.sizes[:3])
    kept = np.arange(count).reshape(band.sizes[:3])[where[:3]].ravel()
    number = np.full(count + 1, -1, np.int32)  # the last stands for no plane
    number[kept] = np.arange(len(kept))
    return replace(
        band,
        sizes=sizes,
        earlier=np.ascontiguousarray(number[band.earlier[kept]]),
        parent_of=np.ascontiguousarray(band.parent_of[kept]),
        sibling_of=_sibling_planes(sizes, largest),
    )


def _sibling_planes(sizes: Sizes, largest: Sizes) -> np.ndarray:
    """`Band.sibling_of` of a band of these lengths."""
    channel, time, depth = (a.ravel() for a in np.indices(sizes[:3]))
    out: np.ndarray = ((channel * largest[1] + time) * largest[2] + depth + 1).astype(np.int32)
    return out


def _band(
    plan: Plan,
    number: int,
    key: str,
    sizes: Sizes,
    largest: Sizes,
    coarser: dict[str, Sizes],
    order: str,
) -> Band:
    channel, time, depth = (a.ravel() for a in np.indices(sizes[:3]))
    parent: str | None = None
    parent_of = np.zeros(len(channel), np.int32)
    if coarser:
        parent, there = _parent(key, coarser)
        half_t = number + 1 < plan.levels[0] and there[1] < sizes[1]
        half_z = number + 1 < plan.levels[1] and there[2] < sizes[2]
        up_t = np.minimum(time // 2 if half_t else time, there[1] - 1)
        up_z = np.minimum(depth // 2 if half_z else depth, there[2] - 1)
        parent_of = ((channel * there[1] + up_t) * there[2] + up_z).astype(np.int32)
    return Band(
        key,
        sizes,
        4 * ("H" in key[:2]) + 2 * (key[2] == "H") + (key[3] == "H"),
        8 if min(sizes[3:]) >= _SMALL else 4,
        earlier_planes(sizes, order),
        parent,
        parent_of,
        _sibling_planes(sizes, largest),
    )


def _parent(key: str, coarser: dict[str, Sizes]) -> tuple[str, Sizes]:
    """The parent's key and lengths: the same band, or the same in the plane, or all bands' sum."""
    if key in coarser:
        return key, coarser[key]
    if "H" in key[2:]:
        for other in coarser:
            if other[2:] == key[2:] and "H" not in other[:2]:
                return other, coarser[other]
    c, t, z, y, x = (max(s[i] for s in coarser.values()) for i in range(5))
    return "*", (c, t, z, y, x)
