"""The outcome of an evaluation as plain data: what the text, HTML, figure and JSON are made from.

Kept apart from the measuring (`report`) so that a renderer needs nothing but this.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from inif.metrics.detail import Peaks, ResidualFigures
from inif.metrics.fidelity import finite, psnr_json
from inif.metrics.places import ChannelPlaces, Place
from inif.metrics.profiles import Profile
from inif.metrics.spectrum import Spectrum
from inif.metrics.tasks.task import TaskResult

RANGE_NOTE = (
    "[min, max] of each channel of the original without its outliers; errors are divided by "
    "max - min (by 1 where a channel is constant)"
)


@dataclass(frozen=True)
class Slice:
    """One plane: its place by axis name, and how good it is (PSNR in dB, infinite if exact)."""

    index: dict[str, int]
    psnr: float
    ssim: float | None

    def to_json(self) -> dict[str, Any]:
        """``{"index": {"z": 31}, "psnr": 33.1, "lossless": false, "ssim": 0.87}``."""
        return {"index": self.index, **psnr_json(self.psnr), "ssim": self.ssim}


@dataclass(frozen=True)
class Resolution:
    """The finest detail kept: ring correlation and transfer both ≥ 0.5 (`inif.metrics.spectrum`).

    Attributes
    ----------
    cycles_per_pixel
        Spatial frequency, 0 … 0.5; 0 if none is kept.
    frc_cycles_per_pixel
        The same by ring correlation alone, which does not see blur.
    period_pixels
        Its period, 1 / frequency; None if there is none.
    period, unit
        The period in physical units, where the pixel size is known; else `note` says why not.
    note
        Why there is no physical figure.
    """

    cycles_per_pixel: float
    frc_cycles_per_pixel: float
    period_pixels: float | None
    period: float | None
    unit: str | None
    note: str | None


@dataclass(frozen=True)
class ChannelReport:
    """All figures of one channel; errors in counts, see `inif.metrics.fidelity`."""

    index: int
    name: str
    range: tuple[float, float]
    psnr: float
    ssim: float | None
    nrmse: float
    max_error: float
    mean_error: float
    median_slice_psnr: float
    worst_slice: Slice
    residual: ResidualFigures
    peaks: Peaks
    spectrum: Spectrum | None
    resolution: Resolution | None
    places: ChannelPlaces | None = None

    @property
    def constant(self) -> bool:
        """Whether the original has a single value in this channel."""
        return self.range[0] == self.range[1]


@dataclass(frozen=True)
class Panel:
    """A plane of both images for the figure, thinned to a displayable size, and a zoom into it.

    Attributes
    ----------
    channel, title
        Index of the channel, and "middle slice", "worst slice" or both.
    slice
        Which plane it is.
    original, decoded
        (rows, columns) in the image's dtype, every `step`-th pixel.
    zoom_original, zoom_decoded
        A crop at full resolution, where the squared error is largest.
    zoom_at
        (row, column) of the crop's first pixel in the plane.
    step
        Pixels of the plane per pixel shown.
    """

    channel: int
    title: str
    slice: Slice
    original: np.ndarray
    decoded: np.ndarray
    zoom_original: np.ndarray
    zoom_decoded: np.ndarray
    zoom_at: tuple[int, int]
    step: int


@dataclass(frozen=True)
class Crop:
    """One of the worst blocks of both images, with what surrounds it, for the figure.

    Attributes
    ----------
    channel, place
        Which block.
    original, decoded
        (rows, columns) in the image's dtype, at full resolution.
    at
        (row, column) of the crop's first pixel in the plane.
    """

    channel: int
    place: Place
    original: np.ndarray
    decoded: np.ndarray
    at: tuple[int, int]


@dataclass(frozen=True)
class Evaluation:
    """How good a compressed image is, against its original.

    Attributes
    ----------
    original, compressed
        Where they came from; None for arrays.
    axes, shape, dtype
        Of both images.
    raw_bytes
        Voxels × itemsize.
    file_bytes
        Size of the compressed file on disk; None where there is no file.
    psnr, ssim, nrmse, max_error, mean_error
        Pooled figures (`inif.metrics.fidelity`); dB, -, -, counts, counts.
    ssim_window, ssim_note
        Side of the SSIM window; why it is not 7, or why there is no SSIM.
    worst_slice
        The plane with the lowest PSNR.
    channels
        One report per channel.
    warnings
        Plain sentences: in what respects the compressed image is worse than the original.
    spectrum_note
        Why there is no spectrum, if there is none.
    pixel_size
        ((Y step, X step), unit) where known.
    provenance
        The file's record of how it was made, if it is an ``.inif`` file.
    panels, crops
        Planes and places for the figure; not part of the JSON.
    profiles
        Quality along Z, T and other axes that number planes, per channel.
    slice_axes, slice_psnr, slice_ssim
        The axes that number the planes, and quality of every plane as nested lists along them.
    places_note
        Why structure was not looked for by place, if it was not.
    tasks
        What an analysis still finds (`inif.metrics.tasks`), one entry per task asked for.
    against
        The evaluation of another compressed version of the same original, with the same tasks.
    explain
        One sentence for each figure, by its name in the JSON (`inif.metrics.explain`).
    """

    original: str | None
    compressed: str | None
    axes: str
    shape: tuple[int, ...]
    dtype: str
    raw_bytes: int
    file_bytes: int | None
    psnr: float
    ssim: float | None
    ssim_window: int | None
    ssim_note: str | None
    nrmse: float
    max_error: float
    mean_error: float
    worst_slice: Slice
    channels: tuple[ChannelReport, ...]
    warnings: tuple[str, ...] = ()
    spectrum_note: str | None = None
    pixel_size: tuple[tuple[float, float], str | None] | None = None
    provenance: Mapping[str, Any] | None = None
    panels: tuple[Panel, ...] = field(default=(), repr=False, compare=False)
    crops: tuple[Crop, ...] = field(default=(), repr=False, compare=False)
    profiles: tuple[Profile, ...] = ()
    slice_axes: str = ""
    slice_psnr: Any = None
    slice_ssim: Any = None
    places_note: str | None = None
    tasks: tuple[TaskResult, ...] = ()
    against: Evaluation | None = None
    explain: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)

    @property
    def ratio(self) -> float | None:
        """raw_bytes / file_bytes; None where there is no file."""
        return self.raw_bytes / self.file_bytes if self.file_bytes else None

    @property
    def bits_per_voxel(self) -> float | None:
        """Bits of the file per voxel; None where there is no file."""
        return 8 * self.file_bytes / math.prod(self.shape) if self.file_bytes else None

    @property
    def lossless(self) -> bool:
        """Whether every voxel is exact."""
        return math.isinf(self.psnr)

    def to_json(self) -> dict[str, Any]:
        """A strict JSON object (no NaN, no infinity): an infinite PSNR is null, and lossless true.

        Ranges and largest errors of integer images are integers.
        """
        whole = self.dtype.startswith(("int", "uint"))
        return {
            "original": self.original,
            "compressed": self.compressed,
            "axes": self.axes,
            "shape": list(self.shape),
            "dtype": self.dtype,
            "raw_bytes": self.raw_bytes,
            "file_bytes": self.file_bytes,
            "ratio": self.ratio,
            "bits_per_voxel": self.bits_per_voxel,
            "psnr": {
                "pooled": finite(self.psnr),
                "lossless": self.lossless,
                "per_channel": [{"channel": c.name, **psnr_json(c.psnr)} for c in self.channels],
            },
            "psnr_range": {
                "per_channel": [_counts(c.range, whole) for c in self.channels],
                "note": RANGE_NOTE,
            },
            "ssim": self.ssim,
            "ssim_per_channel": [c.ssim for c in self.channels],
            "ssim_window": self.ssim_window,
            "ssim_note": self.ssim_note,
            "nrmse": self.nrmse,
            "max_error": _counts((self.max_error,), whole)[0],
            "mean_error": self.mean_error,
            "worst_slice": self.worst_slice.to_json(),
            "channels": [_channel_json(c, whole) for c in self.channels],
            "spectrum_note": self.spectrum_note,
            "places_note": self.places_note,
            "profiles": [p.to_json() for p in self.profiles],
            "slices": {
                "axes": self.slice_axes,
                "psnr": _nested(self.slice_psnr),
                "ssim": self.slice_ssim,
            },
            "provenance": None if self.provenance is None else dict(self.provenance),
            "warnings": list(self.warnings),
            "explain": dict(self.explain),
            "tasks": [t.to_json([c.name for c in self.channels]) for t in self.tasks],
            "against": None if self.against is None else self.against.to_json(),
        }


def _nested(values: Any) -> Any:
    """Nested lists with None for what is infinite."""
    if isinstance(values, list):
        return [_nested(v) for v in values]
    return None if values is None else finite(values)


def _counts(values: tuple[float, ...], whole: bool) -> list[float]:
    return [int(v) for v in values] if whole else list(values)


def _channel_json(c: ChannelReport, whole: bool) -> dict[str, Any]:
    return {
        "index": c.index,
        "channel": c.name,
        "range": _counts(c.range, whole),
        **psnr_json(c.psnr),
        "ssim": c.ssim,
        "nrmse": c.nrmse,
        "max_error": _counts((c.max_error,), whole)[0],
        "mean_error": c.mean_error,
        "median_slice_psnr": finite(c.median_slice_psnr),
        "worst_slice": c.worst_slice.to_json(),
        "residual": dataclasses.asdict(c.residual),
        "peaks": dataclasses.asdict(c.peaks),
        "detail": _detail_json(c),
        "places": None
        if c.places is None
        else c.places.to_json(c.range[1] - c.range[0] if not c.constant else 1.0),
    }


def _detail_json(c: ChannelReport) -> dict[str, Any] | None:
    if c.spectrum is None or c.resolution is None:
        return None
    return {
        "resolution": dataclasses.asdict(c.resolution),
        "octaves": [
            {"from": low, "to": high, "power_ratio": ratio}
            for low, high, ratio in c.spectrum.octaves
        ],
        "rings": {
            "cycles_per_pixel": list(c.spectrum.ring_frequency),
            "correlation": list(c.spectrum.ring_correlation),
            "transfer": list(c.spectrum.ring_transfer),
        },
        "planes": c.spectrum.planes,
    }
