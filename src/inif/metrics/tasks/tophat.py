"""A segmenter for filaments and puncta by size alone: the white top-hat, and two thresholds.

What an opening by a disc takes away is what the disc does not fit into: everything bright and thin.
No curvature is involved, so it is a fair judge of guides and filters that are built on one.
The transform: Meyer 1979, J. Histochem. Cytochem. 27:128.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from inif.metrics.tasks.hysteresis import fixed_on
from inif.metrics.tasks.segment import Fixed, image_tools

SMALLEST = 8
"""Puncta are small."""


@dataclass(frozen=True)
class Tophat:
    """A white top-hat of the smoothed image, and hysteresis.

    Attributes
    ----------
    radius
        Of the disc, or the ball in 3-D, in samples: wider things than twice that are background.
    sigma
        Of the smoothing before, in samples.
    smallest
        Fewest samples of a part.
    """

    radius: float = 4.0
    sigma: float = 1.0
    smallest: int = SMALLEST

    def __post_init__(self) -> None:
        image_tools()

    @property
    def about(self) -> str:
        """How it segments, for the report."""
        return (
            f"white top-hat (radius {self.radius:g}) after Gaussian smoothing (σ = "
            f"{self.sigma:g}), hysteresis with an Otsu threshold of the original and half of it, "
            f"connected parts of at least {self.smallest} samples"
        )

    def fix(self, original: np.ndarray) -> Fixed:
        """Set both thresholds on the original."""
        return fixed_on(original, self._response, self.smallest)

    def _response(self, image: np.ndarray) -> np.ndarray:
        return response(image, self.radius, self.sigma)


def response(image: np.ndarray, radius: float, sigma: float) -> np.ndarray:
    """The smoothed image less its opening: float32 ≥ 0 in the image's own units.

    Parameters
    ----------
    image
        (Y, X) or (Z, Y, X) float32.
    radius, sigma
        Of the disc or ball, and of the Gaussian, in samples.
    """
    tools = image_tools()
    smooth = tools.gaussian_filter(image, sigma, mode="nearest")
    out: np.ndarray = smooth - tools.grey_opening(
        smooth, footprint=ball(radius, image.ndim), mode="nearest"
    )
    return out


def ball(radius: float, dims: int) -> np.ndarray:
    """Samples within a radius of the middle one: booleans, one axis per dimension."""
    reach = math.floor(radius)
    axes = np.ogrid[(slice(-reach, reach + 1),) * dims]
    return np.asarray(sum(a * a for a in axes) <= radius * radius)
