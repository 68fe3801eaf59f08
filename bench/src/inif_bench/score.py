"""Scores of one decoded image: the project's own definitions, and how far a second exposure is.

A reference of the same field at a higher exposure differs in scale and offset, so both are fitted
by least squares before comparing; the noisy original is scored the same way.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from inif.frames import CANON, sizes_of
from inif.image import Image
from inif.metrics.fidelity import Ranges, channel_ranges, fidelity, psnr
from inif.metrics.spots import find_again, pooled, reference_spots


def scores(image: Image, decoded: np.ndarray, ranges: Ranges) -> dict[str, Any]:
    """PSNR, SSIM, NRMSE, largest error and worst slice, as in docs/metrics.md; lossless is null."""
    found = fidelity(image.data, decoded, image.axes, ranges)
    worst = float(found.slice_psnr[found.worst])
    return {
        "psnr": _number(found.psnr.pooled, 4),
        "psnr_per_channel": [_number(v, 4) for v in found.psnr.per_channel],
        "ssim": None if found.ssim.mean is None else round(found.ssim.mean, 5),
        "nrmse": float(f"{found.nrmse:.6g}"),
        "max_error": float(f"{found.max_error:.6g}"),
        "worst_slice": {"index": found.layout.index_json(found.worst), "psnr": _number(worst, 4)},
    }


def spots(image: Image, decoded: np.ndarray) -> list[dict[str, Any]]:
    """What became of the spots of each channel: docs/metrics.md, "Spots".

    Volumes are searched in 3-D, each time point on its own.
    """
    letters = [a for a in CANON if a in image.axes]
    moves = [image.axes.index(a) for a in letters]
    sizes = sizes_of(image.axes, image.data.shape)
    before, after = (a.transpose(moves).reshape(sizes) for a in (image.data, decoded))
    out = []
    for a, b in zip(before, after, strict=True):
        parts = []
        for x, y in zip(a, b, strict=True):
            first, second = (x[0], y[0]) if len(x) == 1 else (x, y)
            parts.append(find_again(reference_spots(first), second))
        found = pooled(parts)
        out.append(
            {
                "original": found.original,
                "recall": round(found.recall, 4),
                "precision": round(found.precision, 4),
                "error": None if found.error is None else round(found.error, 3),
            }
        )
    return out


def to_reference(image: np.ndarray, reference: np.ndarray, axes: str) -> float | None:
    """PSNR in dB of `image` to `reference`, matched in scale and offset per channel.

    Parameters
    ----------
    image, reference
        Arrays of one shape, in their own counts.
    axes
        One letter of "TCZYX" per axis.

    Returns
    -------
    PSNR on the reference's own range, pooled over channels; None if it is infinite.
    """
    matched = np.empty(reference.shape, np.float64)
    c = axes.find("C")
    channels = range(image.shape[c]) if c >= 0 else [0]
    for channel in channels:
        index: Any = (slice(None),) * max(c, 0) + ((channel,) if c >= 0 else ())
        a = image[index].astype(np.float64)
        b = reference[index].astype(np.float64)
        spread = a.var()
        scale = float(((a - a.mean()) * (b - b.mean())).mean() / spread) if spread > 0 else 0.0
        matched[index] = scale * (a - a.mean()) + b.mean()
    ranges = channel_ranges(reference, axes)
    return _number(psnr(reference, matched, axes, ranges).pooled, 4)


def _number(value: float, digits: int) -> float | None:
    return round(value, digits) if math.isfinite(value) else None
