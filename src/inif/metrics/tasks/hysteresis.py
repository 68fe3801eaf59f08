"""Two thresholds for filters that answer to lines and spots, fixed on the original.

Thin things are faint at their ends and at gaps: parts above the lower threshold count if they
somewhere exceed the higher one (Canny 1986, IEEE Trans. Pattern Anal. 8:679).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from inif.image import scale_of
from inif.metrics.tasks.segment import Fixed, components, otsu_threshold, renumbered

LOW = 0.5
"""The lower threshold over the higher one."""

FAINTEST = 1e-3
"""Least threshold, of the original's range: less is rounding."""


def fixed_on(
    original: np.ndarray, response: Callable[[np.ndarray], np.ndarray], smallest: int
) -> Fixed:
    """A segmentation by a filter, with thresholds that suit the original.

    The higher one is Otsu's, over the positive responses of the original; without any, it is the
    range (1 if constant).

    Parameters
    ----------
    original
        (Y, X) or (Z, Y, X), any real dtype.
    response
        The filter: float32 less the original's minimum in, the same shape out, 0 or more.
    smallest
        Fewest samples of a part.
    """
    low, high = float(original.min()), float(original.max())

    def filtered(image: np.ndarray) -> np.ndarray:
        return response(image.astype(np.float32) - np.float32(low))  # small numbers round less

    values = filtered(original)
    positive = values[values > FAINTEST * (high - low)]
    some = positive.size > 0 and positive.max() > positive.min()
    threshold = otsu_threshold(positive) if some else scale_of((low, high))
    return lambda image: hysteresis(filtered(image), LOW * threshold, threshold, smallest)


def hysteresis(values: np.ndarray, low: float, high: float, smallest: int = 1) -> np.ndarray:
    """Connected parts above `low` that somewhere exceed `high`: int32 labels from 1."""
    labels = components(values > low, smallest, corners=True)
    keep = np.zeros(int(labels.max(initial=0)) + 1, bool)
    keep[np.unique(labels[values > high])] = True
    keep[0] = False
    return renumbered(labels, keep)
