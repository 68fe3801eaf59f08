"""Which grids of latents an image has: levels and kinds of lifting, bands, neighbours."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np

from inif.latent.bands import (
    Band,
    Part,
    Sizes,
    cut_axis,
    cuts_of,
    earlier_planes,
    least_of,
    looks,
    part_of,
    sibling_planes,
    with_length,
)

CDF97, CDF53, HAAR = range(3)
"""Kinds of lifting (Daubechies and Sweldens 1998)."""

MAX_LEVELS = 5
"""In the plane; there are never more along T or Z."""

_LOW_SIDE = 3
"""Samples of the shorter side that the coarsest grid has at least."""

_SMALL = 24
"""Sides of a band below which its blocks have 4 × 4 latents, not 8 × 8."""

Seams = tuple[tuple[bool, bool], ...]


def plane_levels(sizes: Sizes) -> int:
    """Levels in the plane of an image of these lengths along C, T, Z, Y, X."""
    side = min((n for n in sizes[3:] if n > 1), default=1)
    return min(max(int(math.log2(side / _LOW_SIDE)), 0), MAX_LEVELS) if side > 1 else 0


@dataclass(frozen=True)
class Level:
    """The bands of a level, in the order in which they are coded.

    Attributes
    ----------
    number
        0 is the finest.
    low
        Key of what is split further, or stays as the low grid.
    axis
        Along which it is cut: 1 T, 2 Z, 3 Y.
    parts
        Of which it is made up.
    """

    number: int
    low: str
    bands: tuple[Band, ...]
    axis: int
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
                    split[key + "L"] = with_length(sizes, axis + 1, (n + 1) // 2)
                    split[key + "H"] = with_length(sizes, axis + 1, n // 2)
                else:
                    split[key + "-"] = sizes
            parts = split
        low = next(key for key in parts if "H" not in key)
        current = parts.pop(low)
        levels.append((low, parts))
    return levels, current


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
        axis = cut_axis(plan.sizes)
        cuts = cuts_of(plan.sizes, number, least_of(bands)[axis], axis)
        own = tuple(part_of(bands, axis, cut) for cut in cuts)
        out.append(Level(number, low, bands, axis, own))
    return tuple(out)


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
    above = (1, 1, 1)
    if coarser:
        parent, there = _parent(key, coarser)
        above = (there[0], there[1], there[2])
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
        above,
        sibling_planes(sizes, largest),
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
