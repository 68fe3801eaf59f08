"""Spots found again: a Laplacian-of-Gaussian detector, fixed on the original, run on the copy.

Scale and threshold are set on the original alone and then used unchanged, so that a codec which
washes puncta out is seen to lose them. Definitions: docs/metrics.md, "Spots".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

SIGMA = 1.5
"""Of a spot, in samples."""

RADIUS = 2.0
"""Farthest that a spot may have moved and still be the same one, in samples."""

DEVIATIONS = 6.0
_TO_SIGMA = 1.4826  # from the median absolute deviation, for normally distributed values
_REACH = 4.0
_CHUNK = 1024


@dataclass(frozen=True)
class Spots:
    """Spots of an original, and how they were found.

    Attributes
    ----------
    positions
        (N, D) float64, in samples.
    threshold
        Of the detector's response.
    sigma
        Of the detector, in samples, the same along all axes.
    """

    positions: np.ndarray
    threshold: float
    sigma: float = SIGMA


@dataclass(frozen=True)
class FoundSpots:
    """What became of the spots of an original.

    Attributes
    ----------
    original, decoded, matched
        How many spots there were, are, and are the same.
    error
        Mean distance of matched spots in samples; None where there are none.
    """

    original: int
    decoded: int
    matched: int
    error: float | None

    @property
    def recall(self) -> float:
        """Share of the original's spots that are still there; 1 where it had none."""
        return self.matched / self.original if self.original else 1.0

    @property
    def precision(self) -> float:
        """Share of the decoded spots that the original had; 1 where there are none."""
        return self.matched / self.decoded if self.decoded else 1.0

    @property
    def f1(self) -> float:
        """Harmonic mean of recall and precision."""
        both = self.original + self.decoded
        return 2 * self.matched / both if both else 1.0


def response(image: np.ndarray, sigma: float = SIGMA) -> np.ndarray:
    """-σ² times the Laplacian of the Gaussian-smoothed (Y, X) or (Z, Y, X) image: float32."""
    smooth, second = _kernels(sigma)
    values = np.asarray(image, np.float32)
    out = np.zeros(values.shape, np.float32)
    for bent in range(values.ndim):
        part = values
        for axis in range(values.ndim):
            part = _along(part, second if axis == bent else smooth, axis)
        out -= part
    out *= np.float32(sigma**2)
    return out


def reference_spots(image: np.ndarray, sigma: float = SIGMA) -> Spots:
    """The spots of an original: maxima more than six robust deviations above the background.

    Parameters
    ----------
    image
        (Y, X) or (Z, Y, X), any real dtype.
    sigma
        Of a spot, in samples.
    """
    values = response(image, sigma)
    middle = float(np.median(values))
    deviation = _TO_SIGMA * float(np.median(np.abs(values - np.float32(middle))))
    span = float(np.max(image)) - float(np.min(image))
    threshold = middle + max(DEVIATIONS * deviation, 1e-3 * span)
    return Spots(_maxima(values, threshold), threshold, sigma)


def find_again(spots: Spots, decoded: np.ndarray, radius: float = RADIUS) -> FoundSpots:
    """Run the original's detector on a decoded image of the same shape, and pair spots one to one.

    A pair are two spots each of which is the other's nearest, no farther apart than `radius`.
    """
    found = _maxima(response(decoded, spots.sigma), spots.threshold)
    there = spots.positions
    if not len(found) or not len(there):
        return FoundSpots(len(there), len(found), 0, None)
    forth, distance = _nearest(there, found)
    back, _ = _nearest(found, there)
    same = (back[forth] == np.arange(len(there))) & (distance <= radius)
    matched = int(same.sum())
    error = float(distance[same].mean()) if matched else None
    return FoundSpots(len(there), len(found), matched, error)


def _kernels(sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """A Gaussian and its second derivative, sampled; the latter sums to zero."""
    reach = math.ceil(_REACH * sigma)
    x = np.arange(-reach, reach + 1)
    smooth = np.exp(-(x**2) / (2 * sigma**2))
    smooth /= smooth.sum()
    second = smooth * (x**2 - sigma**2) / sigma**4
    second -= second.mean()
    return smooth.astype(np.float32), second.astype(np.float32)


def _along(values: np.ndarray, kernel: np.ndarray, axis: int) -> np.ndarray:
    """Correlation along an axis; the edges are repeated."""
    reach, length = len(kernel) // 2, values.shape[axis]
    pad = [(reach, reach) if a == axis else (0, 0) for a in range(values.ndim)]
    wide = np.moveaxis(np.pad(values, pad, mode="edge"), axis, 0)
    out = np.zeros((length, *wide.shape[1:]), np.float32)
    for i, weight in enumerate(kernel):
        out += weight * wide[i : i + length]
    return np.ascontiguousarray(np.moveaxis(out, 0, axis))


def _maxima(values: np.ndarray, threshold: float) -> np.ndarray:
    """Positions (N, D) of values above a threshold that no neighbour exceeds; ties: the first."""
    wide = np.pad(values, 1, constant_values=-np.inf)
    peak = values > threshold
    shape = values.shape
    for number, step in enumerate(product((0, 1, 2), repeat=values.ndim)):
        if step == (1,) * values.ndim:
            continue
        there = wide[tuple(slice(s, s + n) for s, n in zip(step, shape, strict=True))]
        before = number < 3**values.ndim // 2
        peak &= values > there if before else values >= there
    return np.argwhere(peak).astype(np.float64)


def _nearest(points: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each of (N, D) points the nearest of (M, D) others: index and distance."""
    index = np.empty(len(points), np.int64)
    distance = np.empty(len(points))
    power = (others**2).sum(axis=1)
    for start in range(0, len(points), _CHUNK):
        part = points[start : start + _CHUNK]
        squares = power - 2 * part @ others.T + (part**2).sum(axis=1)[:, None]
        nearest = squares.argmin(axis=1)
        index[start : start + _CHUNK] = nearest
        distance[start : start + _CHUNK] = np.sqrt(
            np.maximum(squares[np.arange(len(part)), nearest], 0)
        )
    return index, distance


def pooled(parts: Sequence[FoundSpots]) -> FoundSpots:
    """Several planes or volumes counted together."""
    matched = sum(p.matched for p in parts)
    error = sum(p.matched * (p.error or 0.0) for p in parts) / matched if matched else None
    return FoundSpots(sum(p.original for p in parts), sum(p.decoded for p in parts), matched, error)
