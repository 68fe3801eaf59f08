"""What was lost, beyond one number: noise or structure, fine detail, bright spots.

PSNR cannot tell a decoder that removed noise from one that removed the cells. The figures here can:

- the residual: noise that was dropped is small, follows no structure and is not smooth;
  structure that was dropped correlates with the image and is smooth;
- the brightest voxels: small bright spots are the first to be flattened;
- the spectrum (`spectrum.py`): how much detail of each size is left.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from inif.image import scale_of
from inif.metrics.fidelity import Ranges
from inif.metrics.planes import PlaneLayout, Strip

SHARES = (0.01, 0.05, 0.10)
PEAK_SHARE = 0.001


@dataclass(frozen=True)
class ResidualFigures:
    """Statistics of decoded - original in one channel.

    Attributes
    ----------
    std
        Standard deviation, in counts.
    off_by_1_percent, off_by_5_percent, off_by_10_percent
        Share of voxels (0 … 1) whose error is larger than that part of the channel's range.
    lost_correlation
        Pearson correlation of what was lost (original - decoded) with the original. Near 1: the
        signal itself is missing. Dropping pure noise gives std(noise) / std(original). None if
        either does not vary.
    kept_correlation
        Pearson correlation of what was lost with the decoded image: near 0 for a decoder that is
        as bright in bright places as it should be, positive where contrast is too low.
    lag1_y, lag1_x
        Correlation of the residual with itself one sample further along each image axis: near 0
        for noise, near 1 for smooth, structured errors. None where it does not exist.
    saturated_original, saturated_decoded
        Share of voxels at the largest value of an integer dtype; None for floats.
    """

    std: float
    off_by_1_percent: float
    off_by_5_percent: float
    off_by_10_percent: float
    lost_correlation: float | None
    kept_correlation: float | None
    lag1_y: float | None
    lag1_x: float | None
    saturated_original: float | None
    saturated_decoded: float | None


@dataclass(frozen=True)
class Peaks:
    """The brightest 0.1 % of a channel's voxels in the original, and what became of them.

    Attributes
    ----------
    voxels
        How many they are, at least 1. Voxels that tie with the dimmest of them count in reading
        order until the number is full.
    threshold
        The dimmest of them, in counts.
    original_mean, decoded_mean
        Mean value of these voxels in each image, in counts.
    bias_percent
        (decoded_mean - original_mean) / (original_mean - mean of the whole channel) · 100:
        negative where peaks are flattened. None for a constant channel. In noisy images a part of
        it is noise, because the brightest voxels are partly bright by chance.
    """

    voxels: int
    threshold: float
    original_mean: float
    decoded_mean: float
    bias_percent: float | None


def correlation(
    n: float, sum_a: float, sum_b: float, sum_aa: float, sum_bb: float, sum_ab: float
) -> float | None:
    """Pearson correlation from sums over n pairs; None if either side does not vary."""
    if n < 2:
        return None
    var_a = sum_aa / n - (sum_a / n) ** 2
    var_b = sum_bb / n - (sum_b / n) ** 2
    floor_a, floor_b = 1e-12 * sum_aa / n, 1e-12 * sum_bb / n  # rounding, not variation
    if var_a <= floor_a or var_b <= floor_b:
        return None
    value = (sum_ab / n - sum_a / n * sum_b / n) / math.sqrt(var_a) / math.sqrt(var_b)
    return max(-1.0, min(1.0, value))


class ResidualAccumulator:
    """Sums for `ResidualFigures` per channel, by strips; values are shifted by the minimum."""

    _NAMES = ("e", "a", "ee", "aa", "ae", "top_a", "top_b")
    _LAGS = ("n", "a", "b", "aa", "bb", "ab")

    def __init__(self, lay: PlaneLayout, ranges: Ranges, dtype: np.dtype) -> None:
        self._layout = lay
        self._ranges = ranges
        self._ceiling = float(np.iinfo(dtype).max) if dtype.kind in "iu" else None
        self._sums = {name: np.zeros(lay.n_channels) for name in self._NAMES}
        self._off = np.zeros((len(SHARES), lay.n_channels))
        self._lags = np.zeros((2, len(self._LAGS), lay.n_channels))

    def add(self, strip: Strip) -> None:
        """Take in one strip."""
        c = strip.channel
        low, scale = self._ranges[c][0], scale_of(self._ranges[c])
        e = strip.error[: strip.rows]
        a = strip.original[: strip.rows] - low
        sums = self._sums
        sums["e"][c] += e.sum()
        sums["a"][c] += a.sum()
        sums["ee"][c] += np.square(e).sum()
        sums["aa"][c] += np.square(a).sum()
        sums["ae"][c] += (a * e).sum()
        size = np.abs(e)
        for row, share in enumerate(SHARES):
            self._off[row, c] += np.count_nonzero(size > share * scale)
        if self._ceiling is not None:
            sums["top_a"][c] += np.count_nonzero(a == self._ceiling - low)
            sums["top_b"][c] += np.count_nonzero(strip.decoded[: strip.rows] == self._ceiling)
        wide = strip.error[: strip.rows + 1]
        self._add_lag(0, c, wide[:-1], wide[1:])
        self._add_lag(1, c, e[:, :-1], e[:, 1:])

    def result(self) -> list[ResidualFigures]:
        """One `ResidualFigures` per channel."""
        return [self._channel(c) for c in range(self._layout.n_channels)]

    def _channel(self, c: int) -> ResidualFigures:
        n = float(self._layout.voxels_per_channel)
        e, a, ee, aa, ae, top_a, top_b = (float(self._sums[k][c]) for k in self._NAMES)
        b, bb, be = a + e, aa + 2 * ae + ee, ae + ee
        lags = [correlation(*(float(v) for v in self._lags[k, :, c])) for k in (0, 1)]
        lost, kept = correlation(n, a, e, aa, ee, ae), correlation(n, b, e, bb, ee, be)
        picture = self._layout.is_picture
        return ResidualFigures(
            std=math.sqrt(max(0.0, ee / n - (e / n) ** 2)),
            off_by_1_percent=float(self._off[0, c]) / n,
            off_by_5_percent=float(self._off[1, c]) / n,
            off_by_10_percent=float(self._off[2, c]) / n,
            lost_correlation=None if lost is None else -lost,
            kept_correlation=None if kept is None else -kept,
            lag1_y=lags[0] if picture else None,
            lag1_x=lags[1] if picture else None,
            saturated_original=None if self._ceiling is None else top_a / n,
            saturated_decoded=None if self._ceiling is None else top_b / n,
        )

    def _add_lag(self, axis: int, c: int, first: np.ndarray, second: np.ndarray) -> None:
        if first.size:
            self._lags[axis, :, c] += (
                first.size,
                first.sum(),
                second.sum(),
                np.square(first).sum(),
                np.square(second).sum(),
                (first * second).sum(),
            )


class PeakAccumulator:
    """Keeps the brightest voxels of each channel, and their decoded values, strip by strip."""

    def __init__(self, lay: PlaneLayout, share: float = PEAK_SHARE) -> None:
        self._n = lay.voxels_per_channel
        self._keep = max(1, math.ceil(share * self._n))
        self._found: list[list[np.ndarray]] = [[] for _ in range(lay.n_channels)]
        self._size = [0] * lay.n_channels
        self._above = [-math.inf] * lay.n_channels
        self._sum = [0.0] * lay.n_channels

    def add(self, strip: Strip) -> None:
        """Take in one strip."""
        c = strip.channel
        a = strip.original[: strip.rows]
        self._sum[c] += float(a.sum())
        bright = a > self._above[c]
        self._found[c].append(np.stack([a[bright], strip.decoded[: strip.rows][bright]]))
        self._size[c] += self._found[c][-1].shape[1]
        if self._size[c] > 2 * self._keep:
            self._trim(c)

    def result(self) -> list[Peaks]:
        """One `Peaks` per channel."""
        out = []
        for c in range(len(self._found)):
            self._trim(c)
            a, b = self._found[c][0]
            out.append(_peaks(a, b, self._sum[c] / self._n))
        return out

    def _trim(self, c: int) -> None:
        pairs = np.concatenate(self._found[c], axis=1)
        if pairs.shape[1] >= self._keep:
            pairs = pairs[:, _brightest(pairs[0], self._keep)]
            self._above[c] = float(pairs[0].min())
        self._found[c] = [pairs]
        self._size[c] = pairs.shape[1]


def _brightest(values: np.ndarray, keep: int) -> np.ndarray:
    """Positions, ascending, of the `keep` largest values; of ties the first ones."""
    if keep >= values.size:
        return np.arange(values.size)
    limit = np.partition(values, values.size - keep)[values.size - keep]
    above = np.flatnonzero(values > limit)
    ties = np.flatnonzero(values == limit)[: keep - above.size]
    return np.sort(np.concatenate([above, ties]))


def _peaks(a: np.ndarray, b: np.ndarray, mean: float) -> Peaks:
    height = float(a.mean()) - mean
    bias = float(b.mean()) - float(a.mean())
    return Peaks(
        voxels=a.size,
        threshold=float(a.min()),
        original_mean=float(a.mean()),
        decoded_mean=float(b.mean()),
        bias_percent=100.0 * bias / height if height > 0 else None,
    )
