"""How an image of any axes becomes what the latent field takes: (C, T, Z, Y, X) on one scale."""

from __future__ import annotations

import math

import numpy as np

from inif.bricks import BrickGrid
from inif.latent.bands import Sizes
from inif.latent.plan import MAX_LEVELS, Seams

SCALE = 32767.5
"""Of an output in [-1, 1]: coefficients are in units of a range of 65535."""

MOST_VOXELS = 1 << 23
"""Of a brick: 64 × 256 × 512, or a plane of 2048 × 4096."""

_DEEP = 64
"""Planes of a brick down to which T and Z are cut first, and then planes."""

_UNIT = 1 << MAX_LEVELS
"""Sides of bricks are multiples of it, so that the coarse grids of neighbours fit together."""


def slots(axes: str) -> str:
    """The image's axes in the order C, T, Z, Y, X.

    Where Y or X is missing, the last axes that are not C take their places.
    """
    return "".join(a for a in "CTZYX" if a in axes)


def places(axes: str) -> tuple[int, ...]:
    """For each axis of `slots(axes)`, its place in (C, T, Z, Y, X)."""
    own = slots(axes)
    plane = [a for a in own if a in "YX"]
    if len(plane) == 2 or own == "C":
        return tuple("CTZYX".index(a) for a in own)
    others = [a for a in own if a != "C"]
    last = others[-2:]
    return tuple(
        0 if a == "C" else 5 - len(last) + last.index(a) if a in last else "CTZ".index(a)
        for a in own
    )


def sizes_of(axes: str, shape: tuple[int, ...]) -> Sizes:
    """Lengths along C, T, Z, Y, X as the latent field takes them, 1 where there is no such axis."""
    out = [1] * 5
    for axis, place in zip(slots(axes), places(axes), strict=True):
        out[place] = shape[axes.index(axis)]
    c, t, z, y, x = out
    return (c, t, z, y, x)


def seams_of(axes: str, grid: BrickGrid, brick: int) -> Seams:
    """Along T, Z, Y and X: whether another brick lies before a brick, and behind it."""
    out = [(False, False)] * 5
    for axis, place in zip(slots(axes), places(axes), strict=True):
        k = axes.index(axis)
        first = grid.origin(brick)[k]
        out[place] = first > 0, first + grid.extent(brick)[k] < grid.shape[k]
    return tuple(out[1:])


def coded_slices(axes: str, grid: BrickGrid, brick: int) -> tuple[slice, ...]:
    """What is coded of the image for a brick: along Y and X one sample more, where there is one.

    The last sample of an axis has the largest error, so it is one that is not shown.
    """
    out = list(grid.slices(brick))
    seams = seams_of(axes, grid, brick)
    for axis, place in zip(slots(axes), places(axes), strict=True):
        if place > 2 and seams[place - 1][1]:
            k = axes.index(axis)
            out[k] = slice(out[k].start, out[k].stop + 1)
    return tuple(out)


def to_five(data: np.ndarray, axes: str) -> np.ndarray:
    """An array in an image's axes as (C, T, Z, Y, X)."""
    moved = data.transpose([axes.index(a) for a in slots(axes)])
    return moved.reshape(sizes_of(axes, data.shape))


def from_five(data: np.ndarray, axes: str) -> np.ndarray:
    """The inverse of `to_five`."""
    own = slots(axes)
    kept = data.reshape([data.shape[p] for p in places(axes)])
    return kept.transpose([own.index(a) for a in axes])


def latent_grid(axes: str, shape: tuple[int, ...]) -> BrickGrid:
    """Bricks of at most `MOST_VOXELS`: channels part first, then long runs of planes, then planes.

    Bricks decode alone, but contexts begin anew in each: so they are as large as may be.
    """
    brick = list(sizes_of(axes, shape))
    while math.prod(brick) > MOST_VOXELS:
        c, t, z, y, x = brick
        if c > 1:
            cut = 0
        elif t * z > _DEEP:
            cut = 1 if t > z else 2
        else:
            cut = 3 if y > x else 4
        unit = _UNIT if cut > 2 and brick[cut] > _UNIT else 1
        brick[cut] = -(-brick[cut] // (2 * unit)) * unit
    own, where = slots(axes), places(axes)
    parts = tuple(brick[where[own.index(a)]] for a in axes)
    return BrickGrid(shape, parts)
