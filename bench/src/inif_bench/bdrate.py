"""How many more bytes for the same PSNR: Bjøntegaard's delta rate, and single points of a curve.

G. Bjøntegaard, "Calculation of average PSNR differences between RD-curves", VCEG-M33, 2001: the
mean difference of the logarithm of the rate over the PSNR that both curves cover. As is usual now,
the cubic fit of that document is replaced by monotone piecewise-cubic (PCHIP) interpolation (F. N.
Fritsch & R. E. Carlson, 1980), which cannot overshoot between points.

A *curve* here is a sequence of (bytes, PSNR in dB), in any order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Pairs = Sequence[tuple[float, float]]

MEASURED = 5  # distinct points that a curve must have
MONOTONE = 4  # of which this many must be left on the Pareto front


@dataclass(frozen=True)
class BdRate:
    """Result of a comparison of two curves.

    Attributes
    ----------
    percent
        Mean change in bytes at equal PSNR; negative: the tested curve needs fewer.
    low_db, high_db
        The PSNR interval that was integrated: what both curves cover.
    overlap
        That interval as a share of the reference curve's PSNR span, 0 … 1.
    points
        Points used of the reference and of the tested curve.
    dropped
        Points left out of each, because a smaller file of the same curve has a PSNR as high.
    """

    percent: float
    low_db: float
    high_db: float
    overlap: float
    points: tuple[int, int]
    dropped: tuple[int, int]

    @property
    def log2_ratio(self) -> float:
        """The same as a mean of log2(bytes / reference bytes), which may be averaged."""
        return math.log2(1 + self.percent / 100)


@dataclass(frozen=True)
class Crossing:
    """The ratio at which a curve reaches a PSNR.

    Attributes
    ----------
    ratio
        Raw bytes over file bytes.
    bound
        "" where the curve crosses the PSNR; ">" where its smallest file is still better, so that
        the ratio is larger than this one; "<" where its largest file is worse.
    """

    ratio: float
    bound: str


@dataclass(frozen=True)
class Pchip:
    """Monotone piecewise-cubic interpolation.

    Attributes
    ----------
    x, y, slopes
        float64 arrays of one length ≥ 2; x ascending.
    """

    x: np.ndarray
    y: np.ndarray
    slopes: np.ndarray

    @classmethod
    def through(cls, x: Sequence[float], y: Sequence[float]) -> Pchip:
        """The interpolant of two or more points, x strictly ascending."""
        xs, ys = np.array(x, np.float64), np.array(y, np.float64)
        return cls(xs, ys, _slopes(np.diff(xs), np.diff(ys) / np.diff(xs)))

    def at(self, x: float) -> float:
        """The value at x, which must lie within the points."""
        k = self._piece(x)
        value, first, second, third = self._powers(k)
        t = x - float(self.x[k])
        return value + t * (first + t * (second + t * third))

    def integral(self, low: float, high: float) -> float:
        """The exact integral from `low` to `high`, both within the points."""
        return self._until(high) - self._until(low)

    def _until(self, x: float) -> float:
        """The integral from the first point to x."""
        last = self._piece(x)
        ends = [*self.x[1 : last + 1], x]
        total = 0.0
        for k, end in enumerate(ends):
            value, first, second, third = self._powers(k)
            t = float(end - self.x[k])
            total += t * (value + t * (first / 2 + t * (second / 3 + t * third / 4)))
        return total

    def _piece(self, x: float) -> int:
        found = int(np.searchsorted(self.x, x, side="right")) - 1
        return min(max(found, 0), len(self.x) - 2)

    def _powers(self, k: int) -> tuple[float, float, float, float]:
        """Coefficients of piece k in powers of x − x[k]."""
        h = self.x[k + 1] - self.x[k]
        mean = (self.y[k + 1] - self.y[k]) / h
        d0, d1 = self.slopes[k], self.slopes[k + 1]
        second = (3 * mean - 2 * d0 - d1) / h
        third = (d0 + d1 - 2 * mean) / h**2
        return float(self.y[k]), float(d0), float(second), float(third)


def bd_rate(reference: Pairs, test: Pairs) -> BdRate | str:
    """Mean change in bytes of `test` against `reference` at equal PSNR.

    Returns
    -------
    The result, or a sentence that says why there is none: too few points, or no PSNR in common.
    """
    fronts = []
    for label, curve in (("reference", reference), ("tested", test)):
        distinct, front = len(set(curve)), pareto(curve)
        if distinct < MEASURED:
            return f"the {label} curve has {distinct} of the {MEASURED} distinct points it needs"
        if len(front) < MONOTONE:
            return (
                f"of the {label} curve's {distinct} points only {len(front)} get better with more"
                f" bytes, and {MONOTONE} are needed"
            )
        fronts.append(front)
    low = max(front[0][1] for front in fronts)
    high = min(front[-1][1] for front in fronts)
    if high <= low:
        return "the two curves have no PSNR in common"
    base, other = (_log_bytes(front).integral(low, high) for front in fronts)
    percent = 100 * (2 ** ((other - base) / (high - low)) - 1)
    span = fronts[0][-1][1] - fronts[0][0][1]
    dropped = [len(set(c)) - len(f) for c, f in zip((reference, test), fronts, strict=True)]
    return BdRate(
        percent,
        low,
        high,
        (high - low) / span,
        (len(fronts[0]), len(fronts[1])),
        (dropped[0], dropped[1]),
    )


def pareto(curve: Pairs) -> list[tuple[float, float]]:
    """The points that no smaller or equal file matches, by ascending bytes and PSNR."""
    front: list[tuple[float, float]] = []
    for size, psnr in sorted(set(curve), key=lambda point: (point[0], -point[1])):
        if not front or psnr > front[-1][1]:
            front.append((size, psnr))
    return front


def rate_at(curve: Pairs, psnr: float) -> float | None:
    """Bytes at which a curve reaches a PSNR in dB, interpolated; None outside its points."""
    front = pareto(curve)
    exact = [size for size, known in front if known == psnr]
    if exact:
        return exact[0]
    if not front or not front[0][1] < psnr < front[-1][1]:
        return None
    return float(2 ** _log_bytes(front).at(psnr))


def crossing(curve: Pairs, psnr: float, raw_bytes: int) -> Crossing | None:
    """The ratio at which a curve still reaches a PSNR in dB; None for a curve without points."""
    front = pareto(curve)
    if not front:
        return None
    size = rate_at(front, psnr)
    if size is not None:
        return Crossing(raw_bytes / size, "")
    if psnr < front[0][1]:
        return Crossing(raw_bytes / front[0][0], ">")
    return Crossing(raw_bytes / front[-1][0], "<")


def _log_bytes(front: Pairs) -> Pchip:
    """log2(bytes) as a function of PSNR."""
    return Pchip.through([psnr for _, psnr in front], [math.log2(size) for size, _ in front])


def _slopes(h: np.ndarray, secants: np.ndarray) -> np.ndarray:
    """Slopes at the points: the weighted harmonic mean of the secants on both sides."""
    if len(h) == 1:
        return np.repeat(secants, 2)
    slopes = np.zeros(len(h) + 1)
    for k in range(1, len(h)):
        left, right = secants[k - 1], secants[k]
        if left * right > 0:
            w0, w1 = 2 * h[k] + h[k - 1], h[k] + 2 * h[k - 1]
            slopes[k] = (w0 + w1) / (w0 / left + w1 / right)
    slopes[0] = _end(h[0], h[1], secants[0], secants[1])
    slopes[-1] = _end(h[-1], h[-2], secants[-1], secants[-2])
    return slopes


def _end(h0: float, h1: float, near: float, far: float) -> float:
    """Slope at an end: one-sided through three points, limited so that the piece stays monotone."""
    slope = ((2 * h0 + h1) * near - h0 * far) / (h0 + h1)
    if slope * near <= 0:
        return 0.0
    if near * far <= 0 and abs(slope) > 3 * abs(near):
        return 3 * near
    return slope
