"""Where structure was lost: what is left of the error, by place, once noise has had its share.

The noise of an image is estimated from the original alone (`noise.py`). The residual, original less
decoded, over the deviation of that noise is white, of deviation 1 and independent of the image
wherever nothing but noise was removed. It is tested on every block of 32 × 32 samples:

- its power, as it is and after smoothing: what is connected, over one or over several samples,
  stands out after smoothing, while white noise averages away;
- its correlation with the structure of the decoded image;
- small spots and holes: where the original has one that the decoded image has less than half of, or
  the other way round, and the difference is more than noise makes.

One plane is looked at in strips of rows, in float32; kept are sums per plane and the worst places.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from inif.metrics.noise import NoiseModel
from inif.metrics.smoothing import (
    COARSE,
    FINE,
    REACH,
    height_of_detail,
    norm,
    norm_of_detail,
    smooth,
)

BLOCK = 32
"""Side of a block, in samples; what is left over at the end, if less than half, joins the last."""

SURE = 4.9
"""Standard deviations that one in two millions exceeds: no block fails by chance."""

TOLERANCE = 1.3
"""Power over that of the noise that may be the estimate's error."""

STRONGER = 1.5
"""The same for the residual as it is, where texture and noise cannot be told apart."""

FOLLOWS = 0.25
"""Correlation from which the residual follows the structure of the decoded image."""

SPOT, REMOVED, KEPT = 6.0, 5.0, 0.5
"""A spot is this many deviations of the noise high; it is lost if this many are missing, and less
than this part is left."""

FLOOR = 1e-3
"""Deviation, as a part of the range, below which errors are too small to be called a loss."""

PER_PLANE = 4
"""Worst blocks that are kept of each plane, no two of them neighbours."""

_HALO = math.ceil(REACH * COARSE) + 4
_RING = 4  # samples
_STRIP = 1 << 19  # samples
_SKEW = (REMOVED**2 - 1) / 6 * 0.376  # Cornish-Fisher; what smoothing by `FINE` leaves of skewness
KINDS = ("lost bright", "lost dark", "new bright", "new dark")


@dataclass(frozen=True)
class Worst:
    """A block that fails: its place in the plane and the power of its smoothed residual.

    Attributes
    ----------
    y, x
        First sample and one past the last.
    times_noise
        Deviation of the residual, smoothed to the size of small structures, over that of noise.
    """

    y: tuple[int, int]
    x: tuple[int, int]
    times_noise: float


@dataclass(frozen=True)
class Spot:
    """The most conspicuous spot of one kind in a plane: place, height in counts."""

    y: int
    x: int
    height: float


@dataclass(frozen=True)
class PlaneLoss:
    """What `examine` finds in a plane.

    Attributes
    ----------
    blocks, failed
        Number of blocks, and of those whose residual is more than noise.
    worst
        Up to four of these, worst first.
    bright, dark
        How many small bright spots and dark holes the original has.
    counts
        How many of each of `KINDS`: lost ones, and ones that only the decoded image has.
    heights
        Sum of their heights per kind, counts.
    highest
        The highest of each kind.
    """

    blocks: int
    failed: int
    worst: tuple[Worst, ...]
    bright: int
    dark: int
    counts: tuple[int, ...]
    heights: tuple[float, ...]
    highest: tuple[Spot | None, ...]


def most_of_noise(n: float, sigmas: float = SURE) -> float:
    """The mean of n squared normal values that one `sigmas` out exceeds (Wilson-Hilferty)."""
    part = 2 / (9 * n)
    return float((1 - part + sigmas * math.sqrt(part)) ** 3)


def least_variance(dtype: np.dtype, size: float) -> float:
    """The least variance taken for noise: that of rounding, and of a thousandth of the range."""
    return max(1 / 12 if dtype.kind in "iu" else 0.0, (FLOOR * size) ** 2, 1e-30)


def examine(
    original: np.ndarray, decoded: np.ndarray, noise: NoiseModel | None, least: float
) -> PlaneLoss:
    """Look for structure in the residual of a plane.

    Parameters
    ----------
    original, decoded
        (rows, columns) of any real dtype, at least 16 × 16.
    noise
        That of the original; None where it is not known: then `least` stands for it.
    least
        Least variance of the noise, counts²: `least_variance`. No block fails whose structured
        error is smaller, or smaller than half a count.
    """
    offset = _offset(original, decoded)
    smallest = least if original.dtype.kind == "f" else max(least, 0.25)
    rows, columns = _edges(original.shape[0]), _edges(original.shape[1])
    parts = [
        _strip(original, decoded, noise, least, smallest, offset, some, columns)
        for some in _grouped(rows, original.shape[1])
    ]
    power = np.concatenate([p.failed for p in parts])
    spots = [_together([p.spots[k] for p in parts]) for k in range(len(KINDS))]
    return PlaneLoss(
        blocks=power.size,
        failed=int(np.count_nonzero(power)),
        worst=_worst(power, rows, columns),
        bright=sum(p.bright for p in parts),
        dark=sum(p.dark for p in parts),
        counts=tuple(s[0] for s in spots),
        heights=tuple(s[1] for s in spots),
        highest=tuple(s[2] for s in spots),
    )


@dataclass(frozen=True)
class _Found:
    """Of a strip: times_noise of the blocks that fail (else 0), spots there and spots changed."""

    failed: np.ndarray
    bright: int
    dark: int
    spots: list[tuple[int, float, Spot | None]]


def _strip(
    original: np.ndarray,
    decoded: np.ndarray,
    noise: NoiseModel | None,
    least: float,
    smallest: float,
    offset: float,
    rows: np.ndarray,
    columns: np.ndarray,
) -> _Found:
    """Some rows of blocks, with what surrounds them."""
    first, last = int(rows[0]), int(rows[-1])
    top = max(0, first - _HALO)
    part = slice(top, last + _HALO)
    own = slice(first - top, last - top)
    a, b = original[part].astype(np.float32), decoded[part].astype(np.float32)
    fine_a, coarse_a = smooth(a, FINE, "edge"), smooth(a, COARSE, "edge")
    fine_b, coarse_b = smooth(b, FINE, "edge"), smooth(b, COARSE, "edge")
    variance = np.full(a.shape, least, np.float32)
    if noise is not None:
        np.maximum(noise.variance(coarse_a), least, out=variance, casting="same_kind")
    deviation = np.sqrt(variance)
    q = (a - b - np.float32(offset)) / deviation
    fine_q, coarse_q = smooth(q, FINE, "constant"), smooth(q, COARSE, "constant")
    detail_a, detail_b = fine_a - coarse_a, fine_b - coarse_b
    power = _blocks(
        q[own],
        fine_q[own],
        coarse_q[own],
        detail_b[own],
        variance[own],
        smallest,
        rows - first,
        columns,
    )
    deviation *= np.float32(norm_of_detail())
    spots = _Spots(
        detail_a / deviation,
        detail_b / deviation,
        (fine_q - coarse_q) / np.float32(norm_of_detail()),
        (detail_a, detail_b),
        deviation,
        0.0 if noise is None else noise.gain * norm_of_detail(),
        own,
        top,
    )
    bright, lost_bright = spots.changed(1, lost=True)
    dark, lost_dark = spots.changed(-1, lost=True)
    new = [spots.changed(sign, lost=False)[1] for sign in (1, -1)]
    return _Found(power, bright, dark, [lost_bright, lost_dark, *new])


def _blocks(
    q: np.ndarray,
    fine: np.ndarray,
    coarse: np.ndarray,
    detail: np.ndarray,
    variance: np.ndarray,
    smallest: float,
    rows: np.ndarray,
    columns: np.ndarray,
) -> np.ndarray:
    """times_noise of each block that fails a test, 0 of the others: (block rows, columns)."""
    n = np.outer(np.diff(rows), np.diff(columns)).astype(np.float64)

    def total(values: np.ndarray) -> np.ndarray:
        down = np.add.reduceat(values, rows[:-1], axis=0, dtype=np.float64)
        out: np.ndarray = np.add.reduceat(down, columns[:-1], axis=1)
        return out

    squares = total(q * q)
    as_it_is = squares / n
    small = total(fine * fine) / n / norm(FINE)
    large = total(coarse * coarse) / n / norm(COARSE)
    # An estimate that is too low makes all of them larger alike; structure does not.
    level = np.maximum(as_it_is, 1.0)
    fails = as_it_is > STRONGER * _limit(n, 0.0)
    fails |= small > TOLERANCE * level * _limit(n, FINE)
    fails |= large > TOLERANCE * level * _limit(n, COARSE)
    mean = total(detail) / n
    spread = np.sqrt(np.maximum(total(detail * detail) / n - mean**2, 1e-300) * as_it_is)
    together = total(q * detail) / n - total(q) / n * mean
    follows = np.abs(together) > np.maximum(FOLLOWS, SURE / np.sqrt(n)) * spread
    fails |= follows & (as_it_is > 0.1)
    beyond = np.maximum(total(fine * fine) / n - norm(FINE), as_it_is - 1)
    fails &= beyond * total(variance) / n > smallest
    return np.where(fails, np.sqrt(np.maximum(small, as_it_is)), 0.0)


@dataclass(frozen=True)
class _Spots:
    """What spots are made from, arrays of one shape.

    `detail` of both images in counts; the same over the `deviation` that noise has in it (`before`,
    `after`), and that of the residual (`removed`). `own` are the rows that are the strip's, `top`
    is the plane's row of the first.
    """

    before: np.ndarray
    after: np.ndarray
    removed: np.ndarray
    detail: tuple[np.ndarray, np.ndarray]
    deviation: np.ndarray
    gain: float
    own: slice
    top: int

    def changed(self, sign: int, *, lost: bool) -> tuple[int, tuple[int, float, Spot | None]]:
        """How many spots (holes, if sign is -1) one image has; those that the other lacks."""
        here, there = (self.before, self.after) if lost else (self.after, self.before)
        y, x = _peaks(sign * here, SPOT, self.own)
        height = sign * here[y, x]
        around = _highest_around(sign * there, y, x, 1)
        missing = (sign if lost else -sign) * self.removed[y, x]
        # A few photons are more often far above their mean than far below.
        beyond = REMOVED + _SKEW * self.gain / self.deviation[y, x]
        gone = (around < KEPT * height) & (missing > beyond)
        many = len(y)
        # Around a lost spot the filter sees a faint ring of the other sign: that is no loss.
        y, x, missing = y[gone], x[gone], missing[gone]
        opposite = -sign * self.removed if lost else sign * self.removed
        main = _highest_around(opposite, y, x, _RING) < missing
        y, x = y[main], x[main]
        if not len(y):
            return many, (0, 0.0, None)
        counts = np.abs(self.detail[0 if lost else 1][y, x]) / height_of_detail()
        best = int(counts.argmax())
        highest = Spot(int(y[best]) + self.top, int(x[best]), float(counts[best]))
        return many, (len(y), float(counts.sum()), highest)


def _peaks(values: np.ndarray, threshold: float, own: slice) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of values above a threshold that no neighbour exceeds; ties: the first."""
    y, x = np.nonzero(values[own] > threshold)
    y += own.start
    around = _around(values, y, x, 1)
    here = around[:, 1, 1]
    keep = np.ones(len(y), bool)
    for i, j in np.ndindex(3, 3):
        if (i, j) != (1, 1):
            other = around[:, i, j]
            keep &= here > other if (i, j) < (1, 1) else here >= other
    return y[keep], x[keep]


def _highest_around(values: np.ndarray, y: np.ndarray, x: np.ndarray, reach: int) -> np.ndarray:
    """The highest value in a square around each place."""
    out: np.ndarray = _around(values, y, x, reach).max((1, 2))
    return out


def _around(values: np.ndarray, y: np.ndarray, x: np.ndarray, reach: int) -> np.ndarray:
    """The square around each place, -infinity outside; (places, side, side)."""
    side = np.arange(2 * reach + 1)
    if not len(y):
        return np.empty((0, len(side), len(side)), values.dtype)
    wide = np.pad(values, reach, constant_values=-np.inf)
    return wide[y[:, None, None] + side[:, None], x[:, None, None] + side]


def _together(
    parts: list[tuple[int, float, Spot | None]],
) -> tuple[int, float, Spot | None]:
    spots = [s for _, _, s in parts if s is not None]
    highest = max(spots, key=lambda s: s.height) if spots else None
    return sum(n for n, _, _ in parts), sum(h for _, h, _ in parts), highest


def _worst(power: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> tuple[Worst, ...]:
    """The blocks of most power, none next to another."""
    left = power.copy()
    found: list[Worst] = []
    while len(found) < PER_PLANE and left.max() > 0:
        i, j = (int(k) for k in np.unravel_index(left.argmax(), left.shape))
        y, x = (int(rows[i]), int(rows[i + 1])), (int(columns[j]), int(columns[j + 1]))
        found.append(Worst(y, x, float(power[i, j])))
        left[max(0, i - 1) : i + 2, max(0, j - 1) : j + 2] = 0
    return tuple(found)


def _offset(original: np.ndarray, decoded: np.ndarray) -> float:
    """Mean of original - decoded: a change of all samples alike is not structure."""
    return float(original.mean(dtype=np.float64)) - float(decoded.mean(dtype=np.float64))


def _edges(length: int) -> np.ndarray:
    """Where blocks begin along an axis, and its end."""
    starts = list(range(0, length, BLOCK))
    if len(starts) > 1 and length - starts[-1] < BLOCK // 2:
        starts.pop()
    return np.array([*starts, length])


def _grouped(edges: np.ndarray, columns: int) -> Iterator[np.ndarray]:
    """Edges of rows of blocks, as many at once as a strip may have."""
    step = max(1, _STRIP // (BLOCK * columns))
    for i in range(0, len(edges) - 1, step):
        yield edges[i : i + step + 1]


def _limit(n: np.ndarray, sigma: float) -> np.ndarray:
    """What the mean square of smoothed white noise over n samples hardly ever exceeds."""
    independent = np.maximum(n / max(1.0, 2 * math.pi * sigma**2), 1.0)
    sizes, where = np.unique(independent, return_inverse=True)
    limits = np.array([most_of_noise(float(s)) for s in sizes])
    return limits[where].reshape(n.shape)
