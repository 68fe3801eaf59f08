"""A segmenter for filaments: a multi-scale ridge filter and two thresholds.

Nuclei are bright areas, filaments bright lines: what tells a line is how the intensity bends across
it. The filter is that of Sato et al. 1998, Med. Image Anal. 2:143: per scale the geometric mean of
the curvatures across the line (one in 2-D, two in 3-D) times σ², and of all scales the largest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np

from inif.metrics.tasks.hysteresis import fixed_on
from inif.metrics.tasks.segment import SMALLEST, Fixed, image_tools

SCALES = (1.0, 1.5, 2.0)
"""Of the filter, times `Ridge.sigma`."""

_SLAB = 1 << 18  # voxels whose curvatures are computed at once, in float64


@dataclass(frozen=True)
class Ridge:
    """A ridge filter and hysteresis: parts above half a threshold that somewhere exceed it.

    The threshold is Otsu's, over the positive responses of the original. Parts touch across
    corners.

    Attributes
    ----------
    sigma
        Smallest scale of the filter, in samples; the others are 1.5 and 2 times that.
    smallest
        Fewest samples of a part.
    """

    sigma: float = 1.5
    smallest: int = SMALLEST

    def __post_init__(self) -> None:
        image_tools()

    @property
    def about(self) -> str:
        """How it segments, for the report."""
        scales = ", ".join(f"{s:g}" for s in self._scales)
        return (
            f"ridge filter (Sato; σ = {scales}), hysteresis with an Otsu threshold of the original "
            f"and half of it, connected parts of at least {self.smallest} samples"
        )

    def fix(self, original: np.ndarray) -> Fixed:
        """Set both thresholds on the original."""
        return fixed_on(original, self._response, self.smallest)

    @property
    def _scales(self) -> tuple[float, ...]:
        return tuple(self.sigma * s for s in SCALES)

    def _response(self, image: np.ndarray) -> np.ndarray:
        return response(image, self._scales)


def response(image: np.ndarray, scales: tuple[float, ...]) -> np.ndarray:
    """Sato's response to bright lines: float32 ≥ 0 in the image's own units.

    Parameters
    ----------
    image
        (Y, X) or (Z, Y, X), any real dtype.
    scales
        Standard deviations of the Gaussian derivatives, in samples.
    """
    values = np.asarray(image, np.float32)
    best = np.zeros(values.shape, np.float32)
    for scale in scales:
        bends = {
            pair: _bend(values, pair, scale)
            for pair in combinations_with_replacement(range(values.ndim), 2)
        }
        step = max(1, _SLAB // max(1, math.prod(values.shape[1:])))
        for start in range(0, values.shape[0], step):
            part = slice(start, start + step)
            slab = {pair: bend[part].astype(np.float64) for pair, bend in bends.items()}
            across = _across_plane(slab) if values.ndim == 2 else _across_volume(slab)
            np.maximum(best[part], scale**2 * across, out=best[part], casting="unsafe")
    return best


def _bend(values: np.ndarray, pair: tuple[int, int], scale: float) -> np.ndarray:
    """A second derivative of the smoothed image."""
    order = [pair.count(axis) for axis in range(values.ndim)]
    bend: np.ndarray = image_tools().gaussian_filter(values, scale, order=order, mode="nearest")
    return bend


def _across_plane(h: dict[tuple[int, int], np.ndarray]) -> np.ndarray:
    """Minus the lower eigenvalue of a 2 × 2 Hessian, 0 where that is negative."""
    half = (h[0, 0] - h[1, 1]) / 2
    lower = (h[0, 0] + h[1, 1]) / 2 - np.hypot(half, h[0, 1])
    out: np.ndarray = np.maximum(-lower, 0)
    return out


def _across_volume(h: dict[tuple[int, int], np.ndarray]) -> np.ndarray:
    """Geometric mean of minus the two lower eigenvalues of a 3 × 3 Hessian.

    Eigenvalues of a symmetric matrix by trigonometry: Smith 1961, Commun. ACM 4:168.
    """
    mean = (h[0, 0] + h[1, 1] + h[2, 2]) / 3
    a, b, c = h[0, 0] - mean, h[1, 1] - mean, h[2, 2] - mean
    d, e, f = h[0, 1], h[0, 2], h[1, 2]
    spread = np.sqrt((a * a + b * b + c * c + 2 * (d * d + e * e + f * f)) / 6)
    determinant = a * (b * c - f * f) - d * (d * c - f * e) + e * (d * f - b * e)
    cube = spread**3
    turn = np.divide(determinant, 2 * cube, out=np.zeros_like(cube), where=cube > 0)
    angle = np.arccos(np.clip(turn, -1, 1)) / 3
    highest = mean + 2 * spread * np.cos(angle)
    lowest = mean + 2 * spread * np.cos(angle + 2 * math.pi / 3)
    middle = 3 * mean - highest - lowest
    out: np.ndarray = np.sqrt(np.maximum(-lowest, 0) * np.maximum(-middle, 0))
    return out
