"""Gaussians over planes, and what they leave of white noise and of a spot; NumPy alone."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

FINE, COARSE = 1.0, 2.5
"""Gaussians of these deviations, in samples: as small structures, and as their surroundings."""

REACH = 3.0
"""Where they are cut, in their deviations."""


def smooth(values: np.ndarray, sigma: float, mode: Literal["edge", "constant"]) -> np.ndarray:
    """A Gaussian over both axes, cut at three deviations; outside: the edge, or 0 ("constant")."""
    kernel = kernel_of(sigma).astype(values.dtype)
    reach = len(kernel) // 2
    for axis in (0, 1):
        length = values.shape[axis]
        wide = np.pad(values, [(reach, reach) if a == axis else (0, 0) for a in (0, 1)], mode=mode)
        parts = np.moveaxis(wide, axis, 0)
        out = kernel[reach] * parts[reach : reach + length]
        for i in range(reach):
            pair = parts[i : i + length] + parts[2 * reach - i : 2 * reach - i + length]
            pair *= kernel[i]
            out += pair
        values = np.moveaxis(out, 0, axis)
    return values


def kernel_of(sigma: float) -> np.ndarray:
    """A Gaussian at whole samples, its sum 1."""
    x = np.arange(-math.ceil(REACH * sigma), math.ceil(REACH * sigma) + 1)
    kernel: np.ndarray = np.exp(-(x**2) / (2 * sigma**2))
    kernel /= kernel.sum()
    return kernel


def norm(sigma: float) -> float:
    """Variance of smoothed white noise of variance 1."""
    return float(np.square(kernel_of(sigma)).sum()) ** 2


def norm_of_detail() -> float:
    """Deviation of the difference of both Gaussians of white noise of deviation 1."""
    fine, coarse = kernel_of(FINE), kernel_of(COARSE)
    margin = (len(coarse) - len(fine)) // 2
    cross = float((fine * coarse[margin : margin + len(fine)]).sum()) ** 2
    return math.sqrt(norm(FINE) + norm(COARSE) - 2 * cross)


def height_of_detail() -> float:
    """That difference at the middle of a Gaussian spot of height 1 and of deviation `FINE`."""
    return FINE**2 / (2 * FINE**2) - FINE**2 / (FINE**2 + COARSE**2)
