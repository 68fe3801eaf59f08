"""The record of a file's errors: measured brick by brick, as the encoder decodes its own work."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from inif.config import Window
from inif.container.padding import padded
from inif.container.writer import Packed, Section, assemble
from inif.encode.job import Job
from inif.encode.rate.coder import Coded
from inif.errors import BudgetError


def psnr_of(mse: float) -> float:
    """PSNR in dB from a squared error in units of half the range."""
    return float(10 * np.log10(4 / min(max(mse, 1e-20), 1e20)))


def errors_of(
    decoded: np.ndarray, original: np.ndarray, channels: range, job: Job
) -> tuple[np.ndarray, float]:
    """Sums of the squared errors of each channel of the image, (C,) float64, and the largest error.

    Parameters
    ----------
    decoded, original
        A brick's samples, in the image's axes.
    channels
        Of the image, that are in the brick.
    """
    c, squares, worst = job.image.channel_axis, np.zeros(job.image.n_channels), 0.0
    for i, channel in enumerate(channels):
        pick = (slice(None),) * (c or 0) + (i,) if c is not None else ()
        # Plane by plane, without a copy of the whole in float64.
        plane = (-1, *decoded[pick].shape[-2:])
        pairs = zip(decoded[pick].reshape(plane), original[pick].reshape(plane), strict=True)
        for got, wanted in pairs:
            difference = got.astype(np.float64) - wanted
            squares[channel] += float(np.vdot(difference, difference))
            worst = max(worst, float(np.abs(difference).max()))
    return squares, worst


def channel_psnrs(job: Job, squares: np.ndarray, voxels: np.ndarray) -> dict[int, float]:
    """PSNR in dB of each channel that varies.

    Parameters
    ----------
    squares, voxels
        Sums of squared errors, and of how many samples each is: (C,) float64.
    """
    found = {}
    for channel, (low, high) in enumerate(job.ranges):
        if low < high:
            total, span = float(squares[channel]), float(high) - float(low)
            mse = 4 * total / max(float(voxels[channel]), 1.0) / span**2
            found[channel] = psnr_of(mse) if total else math.inf
    return found


def facts(job: Job, squares: np.ndarray, worst: float) -> dict[str, Any]:
    """What the header records: PSNR in dB over all channels, None if exact, and the largest error.

    Where a quality was asked for, the least PSNR of any channel of several too.
    """
    image = job.image
    each = math.prod(image.shape) / image.n_channels
    span = np.array([float(high) - float(low) for low, high in job.ranges])
    error = float((squares / np.where(span > 0, span, 1) ** 2).mean() / each)
    psnr = psnr_of(4 * error) if worst else None
    floats = image.dtype.kind == "f"
    out: dict[str, Any] = {
        "psnr": psnr,
        "max_error": float(f"{worst:.8g}") if floats else int(worst),
    }
    channels = channel_psnrs(job, squares, np.full(image.n_channels, each))
    if job.asks_quality and len(channels) > 1 and psnr is not None:
        out["psnr_least"] = math.floor(min(channels.values()) * 1000) / 1000
    return out


def totals(bricks: Iterable[Coded]) -> tuple[np.ndarray, float]:
    """Squared errors of each channel and the largest error, of all bricks."""
    bricks = list(bricks)
    return np.sum([one.squares for one in bricks], axis=0), max(one.worst for one in bricks)


def unreached(
    job: Job, problem: str, decibels: float, reached: Mapping[int, float], fix: str
) -> BudgetError:
    """The error for a PSNR in dB that channels do not have; it names the best that there is."""
    return BudgetError(
        problem,
        file=job.image.source,
        field="psnr",
        expected=f"at most {min(reached.values()):.2f} dB",
        got=f"{decibels} dB",
        fix=fix,
    )


def too_small(job: Job, problem: str, budget: int, smallest: int) -> BudgetError:
    """The error for a budget in bytes below the smallest file."""
    image = job.image
    return BudgetError(
        problem,
        file=image.source,
        field="target",
        expected=f"at least {smallest} bytes for this image",
        got=f"{budget} bytes",
        fix=f"the largest possible ratio is about {image.raw_bytes / smallest:.3g};"
        " --method siren can go further",
    )


def with_record(
    header: dict[str, Any], sections: Sequence[Section], found: dict[str, Any], window: Window
) -> Packed:
    """The file with the record of its errors, padded up to the window unless it is exact."""
    psnr = found["psnr"]
    header["lossy"] |= found | {"psnr": psnr and round(psnr, 3)}
    return assemble(header, sections) if psnr is None else padded(header, sections, window)


def recorded_psnr(data: Packed) -> float:
    """The PSNR in dB that a file states, of its worst channel if it does; infinite if exact."""
    lossy = data.header["lossy"]
    value = lossy.get("psnr_least", lossy["psnr"])
    return math.inf if value is None else float(value)
