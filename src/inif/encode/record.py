"""The record of a file's errors: measured brick by brick, as the encoder decodes its own work."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from inif.axes import plane_axes, slot_axes
from inif.bricks import BrickGrid
from inif.config import Window
from inif.container.padding import padded
from inif.container.writer import Packed, Section, assemble
from inif.encode.job import Job
from inif.encode.rate.coder import Errors
from inif.errors import BudgetError


def psnr_of(mse: float) -> float:
    """PSNR in dB from a squared error in units of half the range."""
    return float(10 * np.log10(4 / min(max(mse, 1e-20), 1e20)))


def errors_of(decoded: np.ndarray, original: np.ndarray, channels: range, job: Job) -> Errors:
    """The errors of a brick.

    Parameters
    ----------
    decoded, original
        A brick's samples, in the image's axes.
    channels
        Of the image, that are in the brick.
    """
    c, squares, worst = job.image.channel_axis, np.zeros(job.image.n_channels), 0.0
    inside = plane_axes(job.image.axes)
    planes = np.zeros([1 if i in inside else n for i, n in enumerate(decoded.shape)])
    for place in np.ndindex(planes.shape):  # without a copy of the whole in float64
        at = tuple(slice(None) if i in inside else k for i, k in enumerate(place))
        difference = decoded[at].astype(np.float64) - original[at]
        planes[place] = np.vdot(difference, difference)
        squares[channels[0 if c is None else place[c]]] += planes[place]
        worst = max(worst, float(np.abs(difference).max()))
    return Errors(squares, worst, planes)


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


def worst_slice(job: Job, planes: np.ndarray) -> dict[str, float] | None:
    """The plane of the least PSNR: its place by axis, as in ``{"z": 31, "psnr": 33.1}``.

    None where there is one plane, or no error.

    Parameters
    ----------
    planes
        As `Errors` has them, of the whole image.
    """
    image, c = job.image, job.image.channel_axis
    if planes.size < 2 or not planes.any():
        return None
    spans = np.array([float(high) - float(low) for low, high in job.ranges])
    each = spans.reshape([-1 if i == c else 1 for i in range(planes.ndim)])
    relative = planes / np.where(each > 0, each, np.inf) ** 2
    place = np.unravel_index(np.argmax(relative), planes.shape)
    psnr = psnr_of(4 * float(relative[place]) * planes.size / math.prod(image.shape))
    found: dict[str, float] = {image.axes[i].lower(): int(place[i]) for i in slot_axes(image.axes)}
    return found | {"psnr": round(psnr, 2)}


def facts(job: Job, errors: Errors) -> dict[str, Any]:
    """What the header records: PSNR in dB over all channels, None if exact; the largest error.

    Also the worst plane; and where a quality was asked for, the least PSNR of several channels.
    """
    image, (squares, worst, planes) = job.image, errors
    each = math.prod(image.shape) / image.n_channels
    span = np.array([float(high) - float(low) for low, high in job.ranges])
    error = float((squares / np.where(span > 0, span, 1) ** 2).mean() / each)
    psnr = psnr_of(4 * error) if worst else None
    floats = image.dtype.kind == "f"
    out: dict[str, Any] = {
        "psnr": psnr,
        "max_error": float(f"{worst:.8g}") if floats else int(worst),
        "worst_slice": worst_slice(job, planes),
    }
    channels = channel_psnrs(job, squares, np.full(image.n_channels, each))
    if job.asks_quality and len(channels) > 1 and psnr is not None:
        out["psnr_least"] = math.floor(min(channels.values()) * 1000) / 1000
    return out


def totals(job: Job, grid: BrickGrid, bricks: Sequence[Errors]) -> Errors:
    """The errors of an image, from those of all its bricks."""
    inside = plane_axes(job.image.axes)
    planes = np.zeros([1 if i in inside else n for i, n in enumerate(job.image.shape)])
    for brick, one in enumerate(bricks):
        where = enumerate(grid.slices(brick))
        planes[tuple(slice(1) if i in inside else at for i, at in where)] += one.planes
    squares = np.sum([one.squares for one in bricks], axis=0)
    return Errors(squares, max(one.worst for one in bricks), planes)


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
    psnr, room = found["psnr"], "worst_slice" in header["lossy"]
    header["lossy"] |= found | {"psnr": psnr and round(psnr, 3)}
    if found["worst_slice"] is None or not room:
        del header["lossy"]["worst_slice"]
    return assemble(header, sections) if psnr is None else padded(header, sections, window)


def recorded_psnr(data: Packed) -> float:
    """The PSNR in dB that a file states, of its worst channel if it does; infinite if exact."""
    lossy = data.header["lossy"]
    value = lossy.get("psnr_least", lossy["psnr"])
    return math.inf if value is None else float(value)
