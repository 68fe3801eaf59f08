"""The noise of an image, estimated from the image alone: variance = gain · level + variance at 0.

Photons arrive at random, so their noise grows with the signal; the camera adds some of its own
(Poisson-Gaussian noise: Foi et al. 2008, IEEE Trans. Image Process. 17:1737). What is finest in an
image is mostly noise: a filter that answers to nothing smooth is compared with the local level.

Limits: noise that is correlated between pixels (after deconvolution, interpolation, or by a slow
detector) is underestimated, texture as fine as the pixels counts as noise, and counts of a few
photons are no normal distribution.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from inif.metrics.spectrum import spaced

WINDOW = 5
"""Side of the square over which the level of a sample is averaged."""

_TO_SIGMA = 1.4826  # from the median absolute deviation, for normally distributed values
_VARIANCE_OF_MAD = 2.7  # times 2 σ⁴ / n: of a variance from the median absolute deviation
_BINS = 24
_LEAST = 50  # samples of a bin
_MOST = 1 << 20  # samples that are looked at
_SMOOTHEST = 0.5  # of the samples of a bin, by the local gradient
_CLIPPED = 1e-3  # share of samples at the lowest or highest value that may be clipped
_ROUNDS = 8
_SURE = 3.0  # standard errors of a gain


@dataclass(frozen=True)
class NoiseModel:
    """Noise of one plane or volume, as variance by level.

    Attributes
    ----------
    gain
        Growth of the variance with the level, counts; 0 where the image does not show any.
    at_zero
        Variance at level 0, counts²: that of the camera, less gain times its offset. May be
        negative, where no level is that low.
    darkest
        The lowest level that was looked at, counts; what is darker is taken to be as noisy.
    used
        Share of the samples that are neither clipped nor in a constant neighbourhood, 0 … 1.
    """

    gain: float
    at_zero: float
    darkest: float
    used: float

    def variance(self, level: np.ndarray | float) -> np.ndarray:
        """Variance, counts², of samples at these levels; float64 of the same shape."""
        return np.asarray(self.at_zero + self.gain * np.maximum(level, self.darkest))


def estimate(image: np.ndarray) -> NoiseModel | None:
    """The noise of an image; None where too few samples show any.

    Per bin of the local mean: the median absolute value of the mixed fourth difference
    (1, -2, 1) ⊗ (1, -2, 1) / 6 within the smoother half of the samples. All three figures of
    a sample come from other combinations of white noise, so that none biases the other. A line is
    fitted to the bins, with weights by their size that leave out what lies far off.

    Parameters
    ----------
    image
        (Y, X) or (Z, Y, X), any real dtype, planes of at least 7 × 7; up to 16 planes are used.
    """
    planes = image.reshape(-1, *image.shape[-2:])
    if min(planes.shape[1:]) < WINDOW + 2:
        return None
    clipped = [v for v in _piled_up(image) if v is not None]
    chosen = sorted(spaced(len(planes)))
    step = -(-len(chosen) * planes[0].size // _MOST)
    parts = [_of_plane(planes[z], clipped) for z in chosen]
    levels, fine, slopes = (np.concatenate(p)[::step] for p in zip(*parts, strict=True))
    used = sum(len(p[0]) for p in parts) / (len(chosen) * _inner(planes.shape[1:]))
    if len(levels) < _LEAST:
        return None
    bins = _binned(levels, fine, slopes)
    return None if bins is None else _line(*bins, used)


def local_mean(plane: np.ndarray, side: int = WINDOW) -> np.ndarray:
    """Mean over a square around each sample of a (Y, X) plane, edges repeated: float64."""
    wide = np.pad(plane.astype(np.float64), side // 2, mode="edge")
    for axis, length in enumerate(plane.shape):
        shifted = [wide.take(range(i, i + length), axis) for i in range(side)]
        wide = np.add.reduce(shifted) / side
    return wide


def _of_plane(plane: np.ndarray, clipped: list[float]) -> tuple[np.ndarray, ...]:
    """Level, fine detail and steepness of the samples three or more from an edge, (N,) each."""
    values = plane.astype(np.float64)
    level = local_mean(values)
    fine = np.diff(np.diff(values, 2, axis=0), 2, axis=1)[2:-2, 2:-2] / 6
    # Differences of means that overlap leave columns and rows at a distance of three.
    across = level[3:-3, 4:-2] - level[3:-3, 2:-4]
    down = level[4:-2, 3:-3] - level[2:-4, 3:-3]
    steep = np.hypot(across, down)
    near = [values[i : len(values) - 6 + i, 2 + j : values.shape[1] - 4 + j] for i, j in _AROUND]
    high, low = np.maximum.reduce(near), np.minimum.reduce(near)
    good = high > low
    for value in clipped:
        good &= (high != value) & (low != value)
    return level[3:-3, 3:-3][good], np.abs(fine[good]), steep[good]


_AROUND = [(i, j) for i in (2, 3, 4) for j in (0, 1, 2)]


def _inner(shape: tuple[int, ...]) -> int:
    return (shape[0] - 6) * (shape[1] - 6)


def _piled_up(image: np.ndarray) -> tuple[float | None, float | None]:
    """The lowest and the highest value, where more samples have it than its neighbours suggest."""
    found: list[float | None] = []
    for extreme, beyond in ((image.min(), np.greater), (image.max(), np.less)):
        here = image == extreme
        number = int(here.sum())
        others = image[beyond(image, extreme)]
        if number <= _CLIPPED * image.size or not others.size:
            found.append(None)
            continue
        following = others.min() if beyond is np.greater else others.max()
        found.append(float(extreme) if number > 2 * int((others == following).sum()) else None)
    return found[0], found[1]


def _binned(
    levels: np.ndarray, fine: np.ndarray, slopes: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Median level, variance and number of samples per bin of the level."""
    low, high = np.quantile(levels, [0.005, 0.995])
    number = int(np.clip(len(levels) / (4 * _LEAST), 1, _BINS))
    place = np.floor((levels - low) / max(high - low, 1e-300) * number).astype(np.int64)
    rows = []
    for b in range(number):
        # A bin of its own for what is beyond the quantiles would hold next to nothing.
        here = np.flatnonzero(place == b) if high > low else np.arange(len(levels))
        if len(here) < _LEAST:
            continue
        here = here[slopes[here] <= np.quantile(slopes[here], _SMOOTHEST)]
        spread = _TO_SIGMA * float(np.median(fine[here]))
        rows.append((float(np.median(levels[here])), spread**2, float(len(here))))
    if not rows:
        return None
    level, variance, count = (np.array(column) for column in zip(*rows, strict=True))
    return level, variance, count


def _line(level: np.ndarray, variance: np.ndarray, count: np.ndarray, used: float) -> NoiseModel:
    """The model that fits the bins."""
    x, darkest = level - level[0], float(level[0])
    model = np.full_like(variance, float(np.median(variance)))
    gain, dark, trust = 0.0, float(model[0]), np.ones_like(count)
    if not model[0] > 0:
        model += float(variance.mean())
    if not model[0] > 0:
        return NoiseModel(0.0, 0.0, darkest, used)
    for _ in range(_ROUNDS):
        weight = trust * count / (2 * _VARIANCE_OF_MAD * model**2)
        total = float(weight.sum())
        middle = float((weight * x).sum()) / total
        mean = float((weight * variance).sum()) / total
        bent = float((weight * (x - middle) ** 2).sum())
        gain = float((weight * (x - middle) * variance).sum()) / bent if bent > 0 else 0.0
        if gain * math.sqrt(bent) < _SURE:
            gain = 0.0
        dark = max(mean - gain * middle, float(variance.min()) / 4, 1e-3 * mean)
        model = dark + gain * x
        off = np.abs(variance - model) / model
        trust = np.minimum(1.0, 1.5 * max(float(np.median(off)), 0.05) / np.maximum(off, 1e-9))
    return NoiseModel(gain, dark - gain * darkest, darkest, used)
