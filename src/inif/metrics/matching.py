"""Intensities of two exposures of one scene differ in scale and offset: the line between them."""

from __future__ import annotations

import numpy as np


def line(image: np.ndarray, reference: np.ndarray) -> tuple[float, float]:
    """The a and b for which a · image + b is nearest to `reference`, by least squares.

    Parameters
    ----------
    image, reference
        Arrays of one shape, any real dtype; a constant image gives a = 0.
    """
    x, y = image.astype(np.float64), reference.astype(np.float64)
    middle, mean = float(x.mean()), float(y.mean())
    x -= middle
    y -= mean
    spread = float(np.vdot(x, x))
    a = float(np.vdot(x, y)) / spread if spread > 0 else 0.0
    return a, mean - a * middle
