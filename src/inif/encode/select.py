"""By what the encoder judges a frame: the codec's own against the repaired one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from inif.errors import InputError

Criterion = Callable[[np.ndarray, np.ndarray], float]
"""Original and decoded (Y, X) planes in values from 0 to 1 → higher is better."""


def by_psnr(original: np.ndarray, decoded: np.ndarray) -> float:
    """Less squared error."""
    step = decoded - original
    return -float(np.einsum("yx,yx->", step, step, dtype=np.float64))


def by_ssim(original: np.ndarray, decoded: np.ndarray) -> float:
    """Mean structural similarity over the range 0 … 1; small planes go by squared error."""
    from inif.metrics.fidelity import ssim_map

    values = ssim_map(original.astype(np.float64), decoded.astype(np.float64), 1.0)
    return float(values.mean()) if values.size else by_psnr(original, decoded)


def by_spots(original: np.ndarray, decoded: np.ndarray) -> float:
    """F1 of the spots found again; where they tie, less squared error."""
    from inif.metrics.spots import find_again, reference_spots

    found = find_again(reference_spots(original), decoded)
    return found.f1 + 1e-6 * by_psnr(original, decoded) / original.size


CRITERIA: dict[str, Criterion] = {"psnr": by_psnr, "ssim": by_ssim, "spots": by_spots}


def criterion(name: str) -> Criterion:
    """A criterion by its name.

    Raises
    ------
    InputError
        No such criterion.
    """
    if name not in CRITERIA:
        raise InputError(
            "no such criterion", field="select", expected=" or ".join(CRITERIA), got=name
        )
    return CRITERIA[name]
