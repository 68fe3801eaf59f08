"""A few samples that lie far from all others: hot pixels, no-data values, a wrong byte.

One such sample can span a channel's range, so that everything else falls into a few levels of it.
What counts as an outlier is said here, for encoder and report alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FAR = 3.0
"""How far from the others an outlier lies at least, in units of their range: without it the range
is a quarter or less of what it was, which is 12 dB. A bright spot, however small, has a flank in
between; a hot pixel has none."""

SHARE = 10_000
LEAST, MOST = 16, 1024
"""Of the samples of a channel at most one in `SHARE` is an outlier, but `LEAST` may be, and no more
than `MOST`."""


class Extremes:
    """The lowest and highest samples of one channel, fed part by part.

    Parameters
    ----------
    size
        Samples of the channel.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._most = min(max(size // SHARE, LEAST), MOST, max(size // 4 - 1, 0))
        self._low = np.empty(0)
        self._high = np.empty(0)

    def add(self, samples: np.ndarray) -> None:
        """Take in some samples, finite, in any shape."""
        self._low = self._kept(self._low, samples.reshape(-1))
        self._high = -self._kept(-self._high, samples.reshape(-1), sign=-1)

    @property
    def inner(self) -> tuple[float, float]:
        """Lowest and highest sample of those that are no outliers."""
        low, high = self._low, self._high
        most = min(self._most, len(low) - 1)
        least = high[most] - low[most]  # no choice of outliers leaves a smaller range
        below, above = (_wide(np.abs(np.diff(ends[: most + 1])), least) for ends in (low, high))
        i, j = (np.concatenate([[0], k]) for k in (below, above))
        rest = high[j] - low[i][:, None]
        far = FAR * np.maximum(rest, 0)
        good = (rest >= 0) & (np.add.outer(i, j) <= most)
        good &= np.where(i > 0, low[i] - low[i - 1], np.inf)[:, None] >= far
        good &= np.where(j > 0, high[j - 1] - high[j], np.inf) >= far
        rest = np.where(good, rest, np.inf)
        at, to = np.unravel_index(int(rest.argmin()), rest.shape)
        return float(low[i[at]]), float(high[j[to]])

    def _kept(self, lowest: np.ndarray, samples: np.ndarray, sign: int = 1) -> np.ndarray:
        """The lowest of what is kept and of new samples (times `sign`), sorted, float64."""
        count = self._most + 1
        if len(lowest) == count:  # most samples are told apart without sorting
            limit = sign * lowest[-1]
            samples = samples[samples < limit] if sign > 0 else samples[samples > limit]
        if len(samples) > count:
            at = count - 1 if sign > 0 else len(samples) - count
            samples = np.partition(samples, at)
            samples = samples[:count] if sign > 0 else samples[-count:]
        found: np.ndarray = np.sort(np.concatenate([lowest, sign * samples.astype(np.float64)]))
        return found[:count]


def far_values(
    low: float, high: float, inner: tuple[float, float] | None
) -> tuple[list[float], float, float]:
    """Which of the lowest and highest value of a channel lie far from all other values.

    These are no outliers, for they may fill any share of the image: no-data and saturated values.

    Parameters
    ----------
    low, high
        Of the channel.
    inner
        Lowest and highest of the samples between those; None where there are none.

    Returns
    -------
    values
        None, one or both of the two.
    lowest, highest
        Of the other samples.
    """
    if inner is None:
        return [], low, high
    choices: list[tuple[list[float], float, float]] = [
        ([low], inner[0], high),
        ([high], low, inner[1]),
        ([low, high], *inner),
    ]
    good = [
        (values, a, b)
        for values, a, b in choices
        if a < b and all(max(a - v, v - b) >= FAR * (b - a) for v in values)
    ]
    return min(good, key=lambda choice: choice[2] - choice[1], default=([], low, high))


def _wide(steps: np.ndarray, least: float) -> np.ndarray:
    """How many samples lie beyond each step that may set outliers apart."""
    return np.flatnonzero((steps > 0) & (steps >= FAR * least)) + 1


@dataclass(frozen=True)
class Outliers:
    """Samples that are kept exactly, apart from all others.

    Attributes
    ----------
    positions
        (N,) int64, rising: numbers of samples of the whole image in C order.
    values
        (N,) of the image's dtype.
    """

    positions: np.ndarray
    values: np.ndarray

    def put(self, out: np.ndarray, ranges: tuple[range, ...], shape: tuple[int, ...]) -> None:
        """Write those that a selection holds into its samples.

        Parameters
        ----------
        out
            Of the lengths of `ranges`.
        ranges, shape
            What is selected along each axis of an image of this shape.
        """
        places = np.unravel_index(self.positions, shape)
        rows, inside = [], np.ones(len(self.positions), bool)
        for place, picked in zip(places, ranges, strict=True):
            row, over = np.divmod(place - picked.start, picked.step)
            inside &= (over == 0) & (row >= 0) & (row < len(picked))
            rows.append(row)
        out[tuple(row[inside] for row in rows)] = self.values[inside]

    def put_at(self, out: np.ndarray, where: np.ndarray, shape: tuple[int, ...]) -> None:
        """Write those that lie at (N, D) positions into the samples there, (N,)."""
        whole = np.flatnonzero((where == np.floor(where)).all(axis=1))
        flat = np.ravel_multi_index(tuple(where[whole].astype(np.int64).T), shape)
        found = np.searchsorted(self.positions, flat)
        hit = np.append(self.positions, -1)[found] == flat
        out[whole[hit]] = self.values[found[hit]]


NO_OUTLIERS = Outliers(np.empty(0, np.int64), np.empty(0))
