"""From samples to coefficients and back: lifting along each axis (Daubechies and Sweldens 1998).

Coefficients are scaled so that each, whatever its place, changes the image by the same squared
error: one step then serves all of them, at the ends of an axis too.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from inif.latent import _core
from inif.latent.plan import Plan

GAIN = 1.230174105
"""By which a constant image grows with each level of 9/7 lifting that is not scaled."""

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


def synthesise(levels: list[Bands], low: np.ndarray, plan: Plan, *, skip: int = 0) -> np.ndarray:
    """The image of coefficients, the inverse of `analyse`: (C, T, Z, Y, X) float32.

    Parameters
    ----------
    skip
        How many of the finest levels to leave out: of every 2**skip rows and columns there is then
        one, the mean of those around it. T and Z are whole.
    """
    x = _weighed(low, plan, plan.depth, "LLLL", np.divide)
    for grid, bands in zip(plan.grids, levels, strict=False):
        if grid.number < skip:
            break
        parts = {k: _weighed(v, plan, grid.number, k, np.divide) for k, v in bands.items()}
        parts[grid.low] = x
        for axis in (3, 2, 1, 0):
            joined: Bands = {}
            for key in sorted({k[:-1] for k in parts}):
                if key + "-" in parts:
                    joined[key] = parts[key + "-"]
                else:
                    joined[key] = _join(
                        parts[key + "L"], parts[key + "H"], axis + 1, plan.kind_of(axis)
                    )
            parts = joined
        x = parts[""]
    return _overview(x, plan, skip) if skip else x


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
    for axis, scale in enumerate(_norms(plan, number, key)):
        if scale is not None:
            shape = [1] * 5
            shape[axis + 1] = len(scale)
            out = by(out, scale.reshape(shape))
    return out


@lru_cache(maxsize=512)
def _norms(plan: Plan, number: int, key: str) -> tuple[np.ndarray | None, ...]:
    """Along T, Z, Y, X: the norm that each place of a band has in the image, None for 1."""
    out: list[np.ndarray | None] = []
    for axis, letter in enumerate(key):
        length, levels = plan.sizes[axis + 1], plan.levels_of(axis)
        done = min(number + 1 if letter != "H" else number, levels)
        if letter == "H":
            out.append(_core.norms(length, number, True, plan.kind_of(axis)))
        elif done:
            out.append(_core.norms(length, done - 1, False, plan.kind_of(axis)))
        else:
            out.append(None)
    return tuple(out)
