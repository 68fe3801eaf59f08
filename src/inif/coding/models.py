"""Entropy models built from integers only, so that every machine decodes the same symbols.

A model is a table of frequencies over the symbols -K … K that sums to 2**24. It comes from three
integers (K and two codes) by integer arithmetic alone: docs/format.md, "Weights". The family
2**-(a·|k| + b·k²) holds Laplace (b = 0), Gauss (a = 0), uniform (a = b = 0) and what lies between.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

PRECISION = 24
TOTAL = 1 << PRECISION
MAX_SYMBOL = 8191
_MAX_CODE = 255


@dataclass(frozen=True)
class ModelSpec:
    """The three integers of a model.

    Attributes
    ----------
    bound
        K in 0 … 8191; symbols lie in -K … K. K = 0 means that all symbols are 0 and none is coded.
    linear, square
        Codes 0 … 255 of a and b in bits per symbol step and per its square; see `code_value`.
    """

    bound: int
    linear: int
    square: int


def code_value(code: int) -> int:
    """The number a code stands for, in units of 2**-24 bits: 0, then eight steps per octave."""
    return 0 if code == 0 else (8 + (code - 1) % 8) << ((code - 1) // 8)


@lru_cache(maxsize=1024)
def frequencies(spec: ModelSpec) -> np.ndarray:
    """The model's table: (2K + 1,) int64, every entry ≥ 1, sum 2**24 (docs/format.md)."""
    k = np.arange(spec.bound + 1, dtype=np.int64)
    cost = code_value(spec.linear) * k + code_value(spec.square) * k * k
    whole = np.minimum(cost >> PRECISION, 60)
    part = cost & (TOTAL - 1)
    density = (((2 * TOTAL) - part) << 12) >> whole
    density = np.concatenate([density[:0:-1], density])
    count = density.size
    table = 1 + density * (TOTAL - count) // int(density.sum())
    table[spec.bound] += TOTAL - int(table.sum())
    table.flags.writeable = False
    return table


def bits(counts: np.ndarray, spec: ModelSpec) -> float:
    """Bits that symbols cost under a model.

    Parameters
    ----------
    counts
        (K + 1,) how often each |symbol| occurs.
    """
    if spec.bound == 0:
        return 0.0
    return float(counts @ _costs(spec))


@lru_cache(maxsize=4096)
def _costs(spec: ModelSpec) -> np.ndarray:
    """Bits of each |symbol|, (K + 1,)."""
    costs: np.ndarray = PRECISION - np.log2(frequencies(spec)[spec.bound :])
    return costs


def fit(symbols: np.ndarray) -> tuple[ModelSpec, float]:
    """The cheapest model for symbols (any shape, int), and the bits they then cost."""
    magnitude = np.abs(symbols).ravel()
    bound = int(magnitude.max(initial=0))
    if bound == 0:
        return ModelSpec(0, 0, 0), 0.0
    counts = np.bincount(magnitude, minlength=bound + 1)
    n = magnitude.size
    mean = max(float(magnitude.mean()), 0.5 / n)
    power = max(float(np.square(magnitude.astype(np.float64)).mean()), 0.5 / n)
    starts = [
        (_code(np.log2(1 + 1 / mean)), 0),
        (0, _code(0.5 / np.log(2) / power)),
        (_code(0.5 * np.log2(1 + 1 / mean)), _code(0.2 / np.log(2) / power)),
        (0, 0),
    ]
    first = min(starts, key=lambda start: bits(counts, ModelSpec(bound, *start)))
    return _search(counts, bound, *first)


def _code(bits_per_step: float) -> int:
    """The code nearest to a number of bits."""
    units = max(bits_per_step * TOTAL, 8.0)
    octave = int(np.floor(np.log2(units / 8)))
    step = round((units / (8 << octave) - 1) * 8)
    return min(max(1 + 8 * octave + step, 1), _MAX_CODE)


def _search(counts: np.ndarray, bound: int, a: int, b: int) -> tuple[ModelSpec, float]:
    best = ModelSpec(bound, a, b)
    cost = bits(counts, best)
    stride = 4
    while stride:
        moved = False
        for da, db in ((stride, 0), (-stride, 0), (0, stride), (0, -stride), (stride, -stride)):
            trial = ModelSpec(
                bound,
                min(max(best.linear + da, 0), _MAX_CODE),
                min(max(best.square + db, 0), _MAX_CODE),
            )
            trial_cost = bits(counts, trial)
            if trial_cost < cost - 1e-9:
                best, cost, moved = trial, trial_cost, True
        if not moved:
            stride //= 2
    return best, cost
