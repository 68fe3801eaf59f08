"""`evaluate`: one honest comparison of a compressed image with its original.

It reads the original twice (its range must be known before errors can be scaled) and decodes the
compressed image once, plane by plane; the few planes of the figure are decoded once more. Tasks
that are asked for read both once more, a volume at a time; the default ones some planes.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from inif.errors import InputError
from inif.image import Metadata
from inif.metrics.detail import PeakAccumulator, ResidualAccumulator
from inif.metrics.evaluation import ChannelReport, Crop, Evaluation, Panel, Resolution, Slice
from inif.metrics.explain import explain
from inif.metrics.fidelity import Fidelity, FidelityAccumulator, Ranges, channel_ranges
from inif.metrics.findings import findings
from inif.metrics.holes import without_holes
from inif.metrics.places import PlaceAccumulator
from inif.metrics.planes import PlaneLayout, plane_layout, read_plane, strips, walk
from inif.metrics.profiles import profiles
from inif.metrics.sides import Side, agree, load_pair, load_third
from inif.metrics.spectrum import Spectrum, SpectrumAccumulator
from inif.metrics.tasks import (
    DEFAULT,
    Task,
    TaskResult,
    measure,
    parse_tasks,
    prepare,
    sample_of,
)

__all__ = ["Evaluation", "evaluate"]

SHOWN_CHANNELS = 4
SHOWN_SIDE = 1024
ZOOM_SIDE = 96
CROPS = 6
CROP_MARGIN = 16

PixelSize = tuple[tuple[float, float], str | None]


def evaluate(
    original: Any,
    compressed: Any,
    *,
    axes: str | None = None,
    tasks: str | Task | Sequence[str | Task] | None = None,
    against: Any = None,
    quick: bool = False,
) -> Evaluation:
    """Measure what compression did to an image.

    Parameters
    ----------
    original
        Path of an image, `inif.image.Image`, or array.
    compressed
        Path of an ``.inif`` file or of any image, `inif.File`, `Image`, or array.
    axes
        One letter of "TCZYX" per axis, for arrays and files that do not name their axes; one side
        naming them is enough.
    tasks
        What to look for in both images, as in ``("objects:otsu", "spots")``: docs/metrics.md,
        "Tasks". By default spots and noise, on a sample of planes.
    against
        Another compressed version of the same original, whose figures are put beside.
    quick
        Leave out the default tasks and the search for places where structure was lost.

    Raises
    ------
    InputError
        Axes, shape or dtype of the images differ, a sample is NaN or infinite in one of them (what
        both have is left out, and told), or a task cannot be done.
    MissingExtraError
        A task needs SciPy.
    AxesError
        Neither side names its axes.
    """
    asked = None if tasks is None else parse_tasks(tasks)
    with contextlib.ExitStack() as stack:
        first, second = load_pair(original, compressed, axes)
        stack.callback(first.close)
        stack.callback(second.close)
        files = [second]
        if against is not None:
            files.append(load_third(against, axes, first.axes or second.axes))
            stack.callback(files[1].close)
        common = agree(first, second)
        for file in files[1:]:
            agree(dataclasses.replace(first, axes=common), file)
        shape = tuple(first.samples.shape)
        sample = sample_of(common, shape) if asked is None and not quick else None
        ready = prepare(asked or (() if sample is None else DEFAULT), common, shape)
        holes = 0
        try:
            ranges = channel_ranges(first.samples, common)
        except InputError:
            (first, *files), holes = without_holes((first, *files), common)
            if not holes:
                raise
            ranges = channel_ranges(first.samples, common)
        found = [_evaluate(first, file, common, ranges, quick=quick) for file in files]
        if holes:
            text = f"{holes} samples are NaN or infinite, the same in both, and not measured"
            found = [dataclasses.replace(e, warnings=(*e.warnings, text)) for e in found]
        copies = [f.samples for f in files]
        results = measure(ready, first.samples, copies, common, ranges, sample)
    done = [_with_tasks(e, r) for e, r in zip(found, results, strict=True)]
    return done[0] if len(done) == 1 else dataclasses.replace(done[0], against=done[1])


def _with_tasks(evaluation: Evaluation, results: tuple[TaskResult, ...]) -> Evaluation:
    """The evaluation with the outcome of its tasks, and a sentence for each figure."""
    whole = dataclasses.replace(evaluation, tasks=results)
    return dataclasses.replace(whole, explain=explain(whole))


def _evaluate(
    original: Side, compressed: Side, axes: str, ranges: Ranges, *, quick: bool
) -> Evaluation:
    lay = plane_layout(axes, original.samples.shape)
    dtype = np.dtype(original.samples.dtype)
    total = FidelityAccumulator(lay, ranges)
    residual = ResidualAccumulator(lay, ranges, dtype)
    peaks = PeakAccumulator(lay)
    detail = SpectrumAccumulator(lay)
    places = None if quick else PlaceAccumulator(original.samples, lay, ranges)
    for plane in walk(original.samples, compressed.samples, lay):
        for strip in strips(plane):
            total.add(strip)
            residual.add(strip)
            peaks.add(strip)
        detail.add(plane)
        if places is not None:
            places.add(plane)
    figures = total.result()
    spectra = detail.result()
    lost = None if places is None else places.result()
    pixel_size = _pixel_size(original.meta) or _pixel_size(compressed.meta)
    names = _names(original.meta, compressed.meta, lay.n_channels)
    channels = tuple(
        ChannelReport(
            index=c,
            name=names[c],
            range=ranges[c],
            psnr=figures.psnr.per_channel[c],
            ssim=figures.ssim.per_channel[c],
            nrmse=figures.nrmse_per_channel[c],
            max_error=figures.max_error_per_channel[c],
            mean_error=figures.mean_error_per_channel[c],
            median_slice_psnr=float(np.median(_of_channel(figures.slice_psnr, lay, c))),
            worst_slice=_slice(figures, _worst_of(figures, c)),
            residual=stats,
            peaks=peak,
            spectrum=None if spectra is None else spectra[c],
            resolution=None if spectra is None else resolution(spectra[c], pixel_size),
            places=None if lost is None else lost[c],
        )
        for c, (stats, peak) in enumerate(zip(residual.result(), peaks.result(), strict=True))
    )
    out = Evaluation(
        original=original.name,
        compressed=compressed.name,
        axes=axes,
        shape=lay.shape,
        dtype=dtype.newbyteorder("=").name,
        raw_bytes=math.prod(lay.shape) * dtype.itemsize,
        file_bytes=compressed.file_bytes,
        psnr=figures.psnr.pooled,
        ssim=figures.ssim.mean,
        ssim_window=figures.ssim.window,
        ssim_note=figures.ssim.note,
        nrmse=figures.nrmse,
        max_error=figures.max_error,
        mean_error=figures.mean_error,
        worst_slice=_slice(figures, figures.worst),
        channels=channels,
        spectrum_note=detail.note,
        pixel_size=pixel_size,
        provenance=compressed.lossy,
        panels=_panels(original, compressed, figures),
        crops=_crops(original, compressed, lay, channels),
        profiles=profiles(figures),
        slice_axes="".join(axes[i].lower() for i in lay.slots),
        slice_psnr=figures.slice_psnr.tolist(),
        slice_ssim=None if figures.slice_ssim is None else figures.slice_ssim.tolist(),
        places_note="not asked for" if places is None else places.note,
    )
    return dataclasses.replace(out, warnings=findings(out))


def resolution(spectrum: Spectrum, pixel_size: PixelSize | None) -> Resolution:
    """The resolution kept, in pixels and, for square pixels of known size, in physical units."""
    frequency = spectrum.resolution
    pixels = 1.0 / frequency if frequency > 0 else None
    period, unit, note = None, None, None
    if pixel_size is None:
        note = "the pixel size is not known"
    else:
        (y, x), unit = pixel_size
        if abs(y - x) > 0.01 * max(y, x):
            unit, note = None, "the pixels are not square"
        elif pixels is not None:
            period = pixels * x
    return Resolution(frequency, spectrum.correlated, pixels, period, unit, note)


def _pixel_size(meta: Metadata) -> PixelSize | None:
    if "Y" not in meta.scale or "X" not in meta.scale:
        return None
    (y, y_unit), (x, x_unit) = meta.scale["Y"], meta.scale["X"]
    return ((y, x), x_unit) if y_unit == x_unit and y > 0 and x > 0 else None


def _names(first: Metadata, second: Metadata, n: int) -> list[str]:
    """A name for each channel: the original's, else the other's, else its number."""
    names = []
    for i in range(n):
        known = [m.channels[i].name for m in (first, second) if i < len(m.channels)]
        names.append(next((k for k in known if k), str(i)))
    return names


def _of_channel(values: np.ndarray, lay: PlaneLayout, c: int) -> np.ndarray:
    return values if lay.channel_slot is None else np.take(values, c, axis=lay.channel_slot)


def _worst_of(figures: Fidelity, c: int) -> tuple[int, ...]:
    """The slot with the lowest PSNR in one channel."""
    values = _of_channel(figures.slice_psnr, figures.layout, c)
    slot = [int(i) for i in np.unravel_index(np.argmin(values), values.shape)]
    if figures.layout.channel_slot is not None:
        slot.insert(figures.layout.channel_slot, c)
    return tuple(slot)


def _slice(figures: Fidelity, slot: tuple[int, ...]) -> Slice:
    structure = figures.slice_ssim
    return Slice(
        index=figures.layout.index_json(slot),
        psnr=float(figures.slice_psnr[slot]),
        ssim=None if structure is None else float(structure[slot]),
    )


def _panels(original: Side, compressed: Side, figures: Fidelity) -> tuple[Panel, ...]:
    """The middle and the worst slice of up to four channels: the worst four, in their order."""
    lay = figures.layout
    if not lay.is_picture:
        return ()
    by_quality = sorted(range(lay.n_channels), key=lambda c: figures.psnr.per_channel[c])
    panels = []
    for c in sorted(by_quality[:SHOWN_CHANNELS]):
        middle = tuple(
            c if i == lay.channel_slot else (n - 1) // 2 for i, n in enumerate(lay.slot_shape)
        )
        worst = _worst_of(figures, c)
        wanted = {"middle slice": middle, "worst slice": worst}
        if len(lay.slots) == (lay.channel_slot is not None):
            wanted = {"the only slice": middle}
        elif middle == worst:
            wanted = {"middle and worst slice": middle}
        for title, slot in wanted.items():
            a = read_plane(original.samples, lay, slot)
            b = read_plane(compressed.samples, lay, slot)
            panels.append(_panel(c, title, _slice(figures, slot), a, b))
    return tuple(panels)


def _crops(
    original: Side, compressed: Side, lay: PlaneLayout, channels: Sequence[ChannelReport]
) -> tuple[Crop, ...]:
    """The worst blocks of the image with what surrounds them, the worst first."""
    every = [(p, c.index) for c in channels if c.places is not None for p in c.places.worst]
    every.sort(key=lambda pair: -pair[0].times_noise)
    out = []
    letters = [lay.axes[i].lower() for i in lay.slots]
    for place, c in every[:CROPS]:
        slot = [c if a == "c" else place.index[a] for a in letters]
        top, left = max(0, place.y[0] - CROP_MARGIN), max(0, place.x[0] - CROP_MARGIN)
        part = (slice(top, place.y[1] + CROP_MARGIN), slice(left, place.x[1] + CROP_MARGIN))
        a, b = (read_plane(s.samples, lay, slot)[part].copy() for s in (original, compressed))
        out.append(Crop(c, place, a, b, (top, left)))
    return tuple(out)


def _panel(c: int, title: str, place: Slice, a: np.ndarray, b: np.ndarray) -> Panel:
    step = math.ceil(max(a.shape) / SHOWN_SIDE)
    top, left, side = _zoom(a, b)
    crop = (slice(top, top + side), slice(left, left + side))
    thin = (slice(None, None, step), slice(None, None, step))
    return Panel(
        channel=c,
        title=title,
        slice=place,
        original=a[thin].copy(),
        decoded=b[thin].copy(),
        zoom_original=a[crop].copy(),
        zoom_decoded=b[crop].copy(),
        zoom_at=(top, left),
        step=step,
    )


def _zoom(a: np.ndarray, b: np.ndarray) -> tuple[int, int, int]:
    """First row and column, and side, of the tile with the largest squared error."""
    side = max(1, min(ZOOM_SIDE, max(a.shape) // 3, *a.shape))
    best, at = -1.0, (0, 0)
    for top in range(0, a.shape[0] - side + 1, side):
        rows = slice(top, top + side)
        n = a.shape[1] // side
        error = b[rows, : n * side].astype(np.float64) - a[rows, : n * side]
        energy = np.square(error).reshape(side, n, side).sum(axis=(0, 2))
        if energy.max() > best:
            best, at = float(energy.max()), (top, int(energy.argmax()) * side)
    return *at, side
