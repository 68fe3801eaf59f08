"""How many bits weights get: step sizes by rate-distortion, and their scale from a byte budget.

A rounding step of size s in group g of brick b adds about N_b · h_bg · s² / 12 to the squared error
(h: mean squared derivative of the output), and costs log2(1/s) bits. At the optimum every group has
the same slope, so s is proportional to 1 / sqrt(N_b · h_bg); one number, `base`, sets the rate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from inif.coding.models import MAX_SYMBOL
from inif.coding.qweights import step

_FLOOR = 1e-12
_EXTREME = 1e12
_LARGEST = 1e30


def exponents(sensitivity: np.ndarray, voxels: np.ndarray) -> np.ndarray:
    """Relative step sizes, in eighths of an octave.

    Parameters
    ----------
    sensitivity
        (bricks, groups) mean squared derivative of the outputs by one weight of the group.
    voxels
        (bricks,) samples of each brick.

    Returns
    -------
    (bricks, groups) int: a step is base · 2**(value / 8), with value in -120 … 120.
    """
    sensitivity = np.minimum(np.nan_to_num(sensitivity, nan=_LARGEST), _LARGEST)  # of a wild fit
    share = voxels / voxels.sum()
    slope = np.maximum(sensitivity * share[:, None], _FLOOR * max(sensitivity.max(), _FLOOR))
    octaves = -0.5 * np.log2(slope)
    octaves -= np.median(octaves)
    eighths: np.ndarray = np.clip(np.rint(8 * octaves), -120, 120).astype(np.int64)
    return eighths


def reachable(groups: Sequence[np.ndarray], exps: np.ndarray, base: float) -> np.ndarray:
    """Exponents raised where a group's largest weight would pass the format's largest symbol."""
    largest = np.stack(
        [np.abs(g.reshape(len(g), -1)).max(axis=1, initial=0) for g in groups], axis=1
    )
    largest = largest.astype(np.float64)  # else extreme bases overflow
    needed = np.ceil(8 * np.log2(np.maximum(largest, 1e-30) / (0.99 * MAX_SYMBOL * base)))
    raised: np.ndarray = np.clip(np.maximum(exps, needed), -127, 127).astype(np.int64)
    return raised


def finest_base(groups: Sequence[np.ndarray]) -> float:
    """The smallest base at which `reachable` can still bring every weight within the symbols."""
    largest = max(float(np.abs(g).max(initial=0)) for g in groups)
    return max(largest, 1e-9) / (0.99 * MAX_SYMBOL * 2 ** (126 / 8))


def step_table(base: float, exps: np.ndarray) -> np.ndarray:
    """Step sizes (bricks, groups) float32, exactly those that the file will hold."""
    return np.array([[step(base, int(k)) for k in row] for row in exps], np.float32)


def entropy_bytes(groups: Sequence[np.ndarray], exps: np.ndarray, base: float) -> float:
    """Bytes of all bricks' weights by empirical entropy; a fast estimate, a few % low.

    Parameters
    ----------
    groups
        Per weight group, (bricks, …) float32.
    """
    table = step_table(base, reachable(groups, exps, base))
    total = 0.0
    for g, stacked in enumerate(groups):
        for b, weights in enumerate(stacked):
            symbols = np.clip(np.rint(weights.ravel() / table[b, g]), -MAX_SYMBOL, MAX_SYMBOL)
            symbols = symbols.astype(np.int64)
            counts = np.bincount(symbols - symbols.min())
            counts = counts[counts > 0]
            total -= float((counts * np.log2(counts / symbols.size)).sum())
    return total / 8


def solve_base(size: Callable[[float], float], budget: float, start: float) -> float:
    """The smallest base step whose size stays within a budget, to about 0.1 %.

    Parameters
    ----------
    size
        Bytes as a function of base; falls as base grows.
    start
        A first guess.
    """
    low = high = start
    grow = 1.05
    while size(high) > budget and high < _EXTREME:
        low, high, grow = high, high * grow, grow**2
    while low == high or (size(low) <= budget and low > 1 / _EXTREME):
        low, high, grow = low / grow, low, grow**2
    while high > low * 1.002:
        middle = float(np.sqrt(low * high))
        if size(middle) <= budget:
            high = middle
        else:
            low = middle
    return high
