"""From samples to coefficients and back: lifting along each axis (Daubechies and Sweldens 1998).

Coefficients are scaled so that each, whatever its place, changes the image by the same squared
error: one step then serves all of them, at the ends of an axis too.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from functools import lru_cache, partial

import numpy as np

from inif.fields.parallel import cores, in_order
from inif.latent import _core
from inif.latent.box import Box, Joined, joined, low_box, slices, whole
from inif.latent.plan import HAAR, Level, Plan

GAIN = 1.230174105
"""By which a constant image grows with each level of 9/7 lifting that is not scaled."""

ONE = 0.98
"""A magnitude of 1 stands for so many steps; larger ones for themselves."""

SEAM = np.float32(1.2)
"""By how much finer the ends of bricks are quantised where they meet: the last sample of a mirrored
axis has a larger error than others."""

_LEAST = 1 << 19
"""Samples from which on threads pay."""

Bands = dict[str, np.ndarray]
"""Coefficients or latents of a level by the band's key: each (C, T, Z, Y, X)."""


def analyse(x: np.ndarray, plan: Plan) -> tuple[list[Bands], np.ndarray]:
    """Coefficients of an image: those of each level from coarse to fine, and of the low grid.

    Parameters
    ----------
    x
        (C, T, Z, Y, X) float32.
    """
    levels: list[Bands] = []
    for number in range(plan.depth):
        parts: Bands = {"": x}
        for axis in range(4):
            split: Bands = {}
            for key, part in parts.items():
                if number < plan.levels_of(axis) and part.shape[axis + 1] > 1:
                    split[key + "L"], split[key + "H"] = _split(part, axis + 1, plan.kind_of(axis))
                else:
                    split[key + "-"] = part
            parts = split
        low = next(key for key in parts if "H" not in key)
        x = parts.pop(low)
        levels.append({k: _weighed(v, plan, number, k, np.multiply) for k, v in parts.items()})
    return [b for b in levels[::-1] if b], _weighed(x, plan, plan.depth, "LLLL", np.multiply)


def synthesise(
    levels: list[Bands],
    low: np.ndarray,
    plan: Plan,
    *,
    step: float = 1.0,
    skip: int = 0,
    box: Box | None = None,
) -> np.ndarray:
    """The image of coefficients, the inverse of `analyse`: (C, T, Z, Y, X) float32.

    Parameters
    ----------
    levels, low
        Coefficients as float32, or latents of them as int32.
    step
        Of the latents.
    skip
        How many of the finest levels to leave out: of every 2**skip rows and columns there is then
        one, the mean of those around it. T and Z are whole.
    box
        The part of the image along T, Z, Y and X that is wanted, by default all; not with `skip`.
    """
    grids = [grid for grid in plan.grids if grid.number >= skip]
    wanted = box or whole(plan, skip)
    joins = joined(plan, skip, wanted)
    boxes = [wanted, *map(low_box, joins)]
    if low.dtype == np.int32:
        low = low.astype(np.float32) * np.float32(step)
    x = _weighed(low, plan, plan.depth, "LLLL", np.divide)[(slice(None), *slices(boxes[-1]))]
    for grid, bands in zip(grids, levels, strict=False):
        own = joins[grid.number - skip]
        x = _joined(x, bands, plan, grid, own, step)
        x = x[
            (slice(None), *slices(boxes[grid.number - skip], tuple((j.first, j.last) for j in own)))
        ]
    return _overview(x, plan, skip) if skip else np.ascontiguousarray(x)


def _joined(
    x: np.ndarray, bands: Bands, plan: Plan, grid: Level, joins: list[Joined], step: float
) -> np.ndarray:
    """One level joined: its low samples, and its other bands, of the boxes of `joins`."""
    channels = x.shape[0]
    sizes = [j.last - j.first for j in joins]
    out = np.empty((channels, *sizes), np.float32)
    flat = out.reshape(-1, *sizes[2:])
    index = np.arange(len(flat), dtype=np.int32).reshape(channels, *sizes[:2])
    for t, z in itertools.product(joins[0].letters, joins[1].letters):
        places = index[:, _places(t), _places(z)].ravel()
        parts: list[np.ndarray | None] = []
        for y, w in itertools.product("LH", repeat=2):
            key = t + z + (y if joins[2].split else "-") + (w if joins[3].split else "-")
            if "H" in (y * (not joins[2].split), w * (not joins[3].split)):
                parts.append(None)
                continue
            box = tuple(j.part(letter) for j, letter in zip(joins, key, strict=True))
            part = x if key == grid.low else bands[key][(slice(None), *slices(box))]
            parts.append(np.ascontiguousarray(part).reshape(-1, *part.shape[3:]))
        norms = [
            [_norm_of(plan, grid.number, axis, letter, joins[axis]) for letter in letters]
            for axis, letters in enumerate((t, z, *(j.letters.ljust(2, "-") for j in joins[2:])))
        ]
        along = np.broadcast_arrays(norms[0][0][:, None], norms[1][0])
        times, depths = (np.tile(v.ravel(), channels) for v in along)
        join = partial(_core.join_planes, flat, places, parts, t + z == grid.low[:2], times, depths)
        _spread(partial(join, norms[2], norms[3], step, ONE), len(places), out.size)
    for axis in (1, 0):
        if joins[axis].split:
            inner = math.prod(out.shape[axis + 2 :])
            columns = out.reshape(-1, out.shape[axis + 1], inner)
            _spread(partial(_core.join_in_place, columns, plan.kind_of(axis)), inner, out.size)
    return out


def _places(letter: str) -> slice:
    """Where the low, the high or all samples of an axis go."""
    return {"L": slice(0, None, 2), "H": slice(1, None, 2), "-": slice(None)}[letter]


def _norm_of(plan: Plan, number: int, axis: int, letter: str, joined: Joined) -> np.ndarray:
    """The norms of what is joined, along an axis, of the low or high coefficients of a level."""
    norms = _norm(plan, number, axis, letter)
    first, last = joined.part(letter)
    return np.ones(last - first, np.float32) if norms is None else norms[first:last]


def _spread(task: Callable[[int, int], None], count: int, size: int) -> None:
    """Call ``task(first, last)`` for ranges of 0 … count, on all cores where that pays."""
    if size < _LEAST:
        task(0, count)
        return
    some = -(-count // cores())
    jobs = range(0, count, max(some, 1))
    for _ in in_order(lambda first: task(first, min(first + some, count)), jobs):
        pass


def _overview(x: np.ndarray, plan: Plan, skip: int) -> np.ndarray:
    """A low grid as an image: as if T and Z had no finer grids, on the scale of samples."""
    for number in range(min(skip, plan.depth) - 1, -1, -1):
        for axis in (1, 0):
            whole = -(-plan.sizes[axis + 1] // (1 << number))
            if number < plan.levels_of(axis) and whole > 1:
                high = np.zeros([whole // 2 if i == axis + 1 else n for i, n in enumerate(x.shape)])
                x = _join(x, high.astype(np.float32), axis + 1, plan.kind_of(axis))
    gain = math.prod(GAIN ** min(skip, plan.levels_of(axis)) for axis in (2, 3))
    return x * np.float32(1 / gain)


def _split(x: np.ndarray, axis: int, kind: int) -> tuple[np.ndarray, np.ndarray]:
    shape = x.shape
    flat = np.ascontiguousarray(x).reshape(-1, shape[axis], int(np.prod(shape[axis + 1 :])))
    low, high = _core.split(flat, kind)
    before, after = shape[:axis], shape[axis + 1 :]
    return low.reshape(*before, -1, *after), high.reshape(*before, -1, *after)


def _join(low: np.ndarray, high: np.ndarray, axis: int, kind: int) -> np.ndarray:
    inner = int(np.prod(low.shape[axis + 1 :]))
    flat = [np.ascontiguousarray(v).reshape(-1, v.shape[axis], inner) for v in (low, high)]
    out: np.ndarray = _core.join(flat[0], flat[1], kind)
    return out.reshape(*low.shape[:axis], -1, *low.shape[axis + 1 :])


def _weighed(x: np.ndarray, plan: Plan, number: int, key: str, by: np.ufunc) -> np.ndarray:
    """Coefficients times or over their norms."""
    out = x
    for axis, letter in enumerate(key):
        scale = _norm(plan, number, axis, letter)
        if scale is not None:
            shape = [1] * 5
            shape[axis + 1] = len(scale)
            out = by(out, scale.reshape(shape))
    return out


def _norm(plan: Plan, number: int, axis: int, letter: str) -> np.ndarray | None:
    """Along T, Z, Y or X: the norm that each place of a band has in the image, None for 1."""
    done = number + 1 if letter == "H" else min(number + 1, plan.levels_of(axis))
    if not done:
        return None
    length, kind, seams = plan.sizes[axis + 1], plan.kind_of(axis), plan.seams[axis]
    if kind == HAAR:  # which looks at no neighbours
        seams = (False, False)
    elif axis > 1:  # the last sample is not shown
        seams = (seams[0], False)
    return _norms(length, done - 1, letter == "H", kind, seams)


@lru_cache(maxsize=1024)
def _norms(length: int, number: int, high: bool, kind: int, seams: tuple[bool, bool]) -> np.ndarray:
    """Norms of low or high coefficients; those of a brick's end samples are larger at seams."""
    norms = _core.norms(length, number, high, kind)
    odd = -(-length // (1 << number)) % 2 == 1
    if seams[0] and not high:
        norms[0] *= SEAM
    if seams[1] and high != odd:
        norms[-1] *= SEAM
    return norms
