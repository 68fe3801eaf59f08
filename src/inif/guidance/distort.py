"""What goes wrong with slices, in many strengths: what LPIPS is tuned and judged on.

Five kinds: blur, noise, blocks, and what JPEG (cosines) and JPEG 2000 (wavelets) leave out. How bad
each is, is measured, not read off a knob: `damage` puts all kinds on one scale.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from inif.metrics.fidelity import fidelity
from inif.metrics.tasks.reused import FrcTask
from inif.metrics.tasks.task import Unit

STRENGTHS = 5
"""Of each kind, per slice."""


def _blurred(plane: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Gaussian of `strength` samples."""
    del rng
    import jax.numpy as jnp

    from inif.guidance.smoothing import gaussian

    return np.asarray(gaussian(jnp.asarray(plane), jnp.float32(strength)))


def _noisy(plane: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Normal noise of that standard deviation."""
    noisy: np.ndarray = plane + rng.normal(0, strength, plane.shape)
    return noisy


def _blocky(plane: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Nearer to the means of blocks of 8 × 8 by a share."""
    del rng
    rows, columns = (-(-n // 8) for n in plane.shape)
    pad = [(0, 8 * n - m) for n, m in zip((rows, columns), plane.shape, strict=True)]
    blocks = np.pad(plane, pad, mode="edge").reshape(rows, 8, columns, 8)
    means = np.broadcast_to(blocks.mean(axis=(1, 3), keepdims=True), blocks.shape)
    flat = means.reshape(8 * rows, 8 * columns)[: plane.shape[0], : plane.shape[1]]
    blocky: np.ndarray = plane + strength * (flat - plane)
    return blocky


def _jpeg(plane: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """JPEG of quality 100 less `strength`."""
    del rng
    import imagecodecs

    levels = np.rint(255 * plane.clip(0, 1)).astype(np.uint8)
    data = imagecodecs.jpeg8_encode(levels, level=round(100 - strength))
    return np.asarray(imagecodecs.jpeg8_decode(data), np.float32) / 255


def _jpeg2000(plane: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """JPEG 2000 at a PSNR of 60 dB less `strength`."""
    del rng
    import imagecodecs

    levels = np.rint(4095 * plane.clip(0, 1)).astype(np.uint16)
    decibels: Any = 60 - strength  # whole ones are not needed, whatever its types say
    data = imagecodecs.jpeg2k_encode(
        levels, level=decibels, bitspersample=12, reversible=False, codecformat="j2k"
    )
    return np.asarray(imagecodecs.jpeg2k_decode(data), np.float32) / 4095


_Distortion = Callable[[np.ndarray, float, np.random.Generator], np.ndarray]
KINDS: dict[str, tuple[_Distortion, float, float]] = {
    "blur": (_blurred, 0.4, 6.0),
    "noise": (_noisy, 0.005, 0.2),
    "blocks": (_blocky, 0.1, 1.0),
    "jpeg": (_jpeg, 10.0, 97.0),
    "jpeg2000": (_jpeg2000, 12.0, 40.0),
}
"""By name: the distortion, and its least and greatest strength."""


def distorted(
    plane: np.ndarray, rng: np.random.Generator, strengths: int = STRENGTHS
) -> list[tuple[str, np.ndarray]]:
    """A plane made worse in every way: (kind, plane) with strengths rising within each kind.

    Parameters
    ----------
    plane
        (Y, X) float32 from 0 to 1.
    rng
        Chooses strengths, one in each of as many equal parts of the range (of its logarithm).

    Returns
    -------
    float32 planes of the same shape.
    """
    out = []
    for kind, (distort, least, most) in KINDS.items():
        parts = (np.arange(strengths) + rng.random(strengths)) / strengths
        for part in parts:
            strength = least * (most / least) ** part
            worse = distort(plane, float(strength), rng)
            out.append((kind, np.asarray(worse, np.float32)))
    return out


def damage(plane: np.ndarray, worse: np.ndarray) -> float | None:
    """How bad a distorted plane is, 0 to about 1: the mean of lost detail and lost structure.

    None where the plane has no detail.

    Parameters
    ----------
    plane, worse
        (Y, X), at least 16 × 16.
    """
    detail, structure = detail_lost(plane, worse), structure_lost(plane, worse)
    return None if detail is None else (detail + structure) / 2


def structure_lost(plane: np.ndarray, worse: np.ndarray) -> float:
    """One less the SSIM on the range from 0 to 1."""
    mean = fidelity(plane, worse, "YX", ((0.0, 1.0),)).ssim.mean
    assert mean is not None  # planes are large enough
    return 1 - mean


def detail_lost(plane: np.ndarray, worse: np.ndarray) -> float | None:
    """One less the score of the task ``frc``; None where the plane has no detail."""
    task = FrcTask()
    unit = Unit(plane, (0.0, 1.0), {})
    score = task.figures([task.compare(task.reference(unit), worse)]).score
    return None if score is None else 1 - score
