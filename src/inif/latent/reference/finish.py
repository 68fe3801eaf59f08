"""From an image's values to outputs or samples, in plain NumPy, one rounded operation at a time."""

from __future__ import annotations

import numpy as np


def finish(
    values: np.ndarray,
    added: np.ndarray | None,
    gain: float,
    scale: float,
    unit: float,
    limits: np.ndarray | None,
    out: np.ndarray,
) -> None:
    """As `inif.latent._core.finish` says."""
    one = np.float32
    found = values.copy() if added is None else added * one(gain) + values
    if one(scale) != 1:
        found = found / one(scale)
    found = found * one(unit) - one(1)
    if limits is None:
        out[:] = found
        return
    half, middle, low, high = limits
    samples = found * half + middle
    samples = np.where(samples > low, samples, low)  # also if it is no number
    samples = np.where(samples < high, samples, high)
    out[:] = np.rint(samples)
