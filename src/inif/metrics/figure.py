"""A picture to judge with one's eyes: original, decoded and error, of the middle and worst slice.

The grey window is the same for original and decoded, and the error's scale is written down in
counts: a picture that stretches each panel on its own hides what was lost.
"""

from __future__ import annotations

import io
import math
import os
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from inif.errors import InputError, MissingExtraError
from inif.metrics import figure_places
from inif.metrics.evaluation import ChannelReport, Crop, Evaluation, Panel
from inif.outputs import write_file

WINDOW = (0.5, 99.8)
ERROR_PERCENTILE = 99.5
INK = "#1a1a1a"
FAINT = "#666666"
ACCENT = "#e69f00"

# The page, in inches.
SIDE, GAP, SLOT_GAP, MARGIN, BAR = 2.2, 0.05, 0.2, 0.15, 0.85
HEADLINE, LABEL, ZOOM_LABEL, GROUP_GAP = 0.45, 0.32, 0.24, 0.22


def figure(
    evaluation: Evaluation,
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
) -> Path:
    """Write the picture of an evaluation as a PNG file.

    Parameters
    ----------
    evaluation
        What `evaluate` returned.
    path
        Where to write; the file appears whole or not at all.
    overwrite
        Whether an existing file is replaced.

    Raises
    ------
    InputError
        The image has no Y and X axes, or the file exists or cannot be written.
    MissingExtraError
        matplotlib is not installed (extra "plot").
    """
    write_file(path, figure_png(evaluation), overwrite=overwrite)
    return Path(path)


def figure_png(evaluation: Evaluation, dpi: int = 110) -> bytes:
    """The picture as the bytes of a PNG file; errors as for `figure`."""
    if not evaluation.panels:
        raise InputError(
            "there is no picture of this image",
            field="axes",
            expected="Y and X among them",
            got=evaluation.axes,
        )
    try:
        import matplotlib
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("matplotlib", "plot", need="a figure") from error
    with matplotlib.rc_context({"font.size": 8, "font.family": "DejaVu Sans"}):
        groups = _by_channel(evaluation)
        slots = max(len(panels) for panels in groups)
        tall = _tall(evaluation.panels)
        title = 0.25 if len(evaluation.channels) > 1 else 0.0
        each = title + LABEL + SIDE * tall + ZOOM_LABEL + SIDE + GROUP_GAP
        width = MARGIN + 3 * slots * (SIDE + GAP) + (slots - 1) * SLOT_GAP + BAR
        legend = textwrap.fill(_legend(evaluation), int(width * 17))
        footer = 0.1 + 0.14 * (legend.count("\n") + 1)
        upper = HEADLINE + len(groups) * each
        lower = figure_places.height(evaluation, width)
        fig = Figure(figsize=(width, upper + footer + lower))
        FigureCanvasAgg(fig)
        page = _Page(fig)
        page.text(MARGIN, 0.12, _headline(evaluation), size=11, weight="bold")
        for n, panels in enumerate(groups):
            _draw_channel(page, panels, evaluation, HEADLINE + n * each, title)
        page.text(MARGIN, upper, legend, size=7, color=FAINT)
        figure_places.draw(page, evaluation, upper + footer, MARGIN, _draw_crop)
        out = io.BytesIO()
        fig.savefig(out, format="png", dpi=dpi, facecolor="white", metadata={"Software": "inif"})
        return out.getvalue()


def grey_window(plane: np.ndarray) -> tuple[float, float]:
    """Black and white points for a plane: percentiles 0.5 and 99.8, or min and max if they meet."""
    low, high = (float(v) for v in np.percentile(plane, WINDOW))
    if high <= low:
        low, high = float(plane.min()), float(plane.max())
    return low, high if high > low else low + 1.0


def bar_length(pixels: int, step: float) -> float:
    """A round length (1, 2 or 5 times a power of ten) of about a quarter of `pixels`."""
    wish = pixels * step / 4
    power = 10.0 ** math.floor(math.log10(wish))
    return max(k * power for k in (1, 2, 5) if k * power <= wish * (1 + 1e-9))


class _Page:
    """A figure addressed in inches from its top left corner."""

    def __init__(self, fig: Any) -> None:
        self.fig = fig
        self.width, self.height = fig.get_size_inches()

    def axes(self, x: float, y: float, width: float, height: float) -> Any:
        box = (x / self.width, 1 - (y + height) / self.height)
        ax = self.fig.add_axes((*box, width / self.width, height / self.height))
        ax.set_axis_off()
        return ax

    def text(
        self, x: float, y: float, text: str, *, size: float = 8, color: str = INK, weight: str = ""
    ) -> None:
        self.fig.text(
            x / self.width,
            1 - y / self.height,
            text,
            fontsize=size,
            color=color,
            fontweight=weight or "normal",
            va="top",
            parse_math=False,
        )


def _tall(panels: Sequence[Panel]) -> float:
    """Height over width of the whole slices, within reason for a page."""
    rows, columns = panels[0].original.shape
    return float(min(2.0, max(0.25, rows / columns)))


def _draw_channel(page: _Page, panels: list[Panel], e: Evaluation, y: float, title: float) -> None:
    """One channel: a row of whole slices above a row of zooms, three columns per slice."""
    channel = e.channels[panels[0].channel]
    limit = error_limit(panels)
    if title:
        page.text(MARGIN, y, _channel_title(channel), size=9, weight="bold")
    tall = SIDE * _tall(panels)
    top = y + title + LABEL
    bottom = top + tall + ZOOM_LABEL
    image = None
    x = MARGIN
    for panel in panels:
        xs = [x + k * (SIDE + GAP) for k in range(3)]
        window = grey_window(panel.original)
        whole = [page.axes(left, top, SIDE, tall) for left in xs]
        zooms = [page.axes(left, bottom, SIDE, SIDE) for left in xs]
        image = _draw_three(whole, panel.original, panel.decoded, window, limit)
        _draw_three(zooms, panel.zoom_original, panel.zoom_decoded, window, limit)
        for left, text in zip(xs, _labels(panel, window, limit), strict=True):
            page.text(left, y + title, text)
        side = panel.zoom_original.shape[0]
        row, column = panel.zoom_at
        zoom = f"zoom: {side} × {side} pixels from y={row}, x={column}"
        page.text(x, bottom - 0.17, zoom, color=FAINT)
        for ax in whole:
            _outline(ax, column / panel.step, row / panel.step, side / panel.step)
        if e.pixel_size is not None:
            _scale_bar(whole[0], panel.original.shape, e.pixel_size, panel.step)
            _scale_bar(zooms[0], panel.zoom_original.shape, e.pixel_size, 1)
        x = xs[-1] + SIDE + GAP + SLOT_GAP
    bar_axes = page.axes(x - SLOT_GAP + 0.03, top, 0.11, bottom + SIDE - top)
    bar_axes.set_axis_on()
    bar = page.fig.colorbar(image, cax=bar_axes)
    bar.set_label("decoded − original, counts", color=INK)
    bar.outline.set_visible(False)


def error_limit(panels: list[Panel]) -> float:
    """Limit of the error's colour scale in counts: percentile 99.5 of |error| over the panels."""
    errors = [np.abs(p.decoded.astype(np.float64) - p.original).ravel() for p in panels]
    limit = float(np.percentile(np.concatenate(errors), ERROR_PERCENTILE))
    return limit if limit > 0 else max(1.0, max(float(e.max()) for e in errors))


def _draw_three(
    axes: Any, a: np.ndarray, b: np.ndarray, window: tuple[float, float], limit: float
) -> Any:
    options = {"interpolation": "nearest", "aspect": "equal"}
    for ax, plane in ((axes[0], a), (axes[1], b)):
        ax.imshow(plane, cmap="gray", vmin=window[0], vmax=window[1], **options)
    error = b.astype(np.float64) - a
    return axes[2].imshow(error, cmap="RdBu_r", vmin=-limit, vmax=limit, **options)


def _draw_crop(axes: Any, crop: Crop, limit: float) -> None:
    """A place in the grey window of its block, so that what is faint there can be seen."""
    (top, bottom), (left, right) = crop.place.y, crop.place.x
    y, x = crop.at
    block = crop.original[top - y : bottom - y, left - x : right - x]
    _draw_three(axes, crop.original, crop.decoded, grey_window(block), limit)


def _labels(panel: Panel, window: tuple[float, float], limit: float) -> tuple[str, str, str]:
    where = ", ".join(f"{k}={v}" for k, v in panel.slice.index.items() if k != "c")
    name = f"{panel.title} ({where})" if where else panel.title
    quality = "exact" if math.isinf(panel.slice.psnr) else f"{panel.slice.psnr:.2f} dB"
    ssim = "" if panel.slice.ssim is None else f", SSIM {panel.slice.ssim:.3f}"
    low, high = (counts(v) for v in window)
    return (
        f"{name}\noriginal, {low} … {high} counts",
        f"decoded, same window\n{quality}{ssim}",
        f"decoded − original\nscale ±{counts(limit)} counts",
    )


def counts(value: float) -> str:
    """A number of counts for people: whole from 100 on, else three digits."""
    return f"{value:.0f}" if 100 <= abs(value) < 1e6 else f"{value:.3g}"


def _outline(ax: Any, x: float, y: float, side: float) -> None:
    from matplotlib.patches import Rectangle

    ax.add_patch(
        Rectangle((x - 0.5, y - 0.5), side, side, fill=False, edgecolor=ACCENT, linewidth=0.9)
    )


def _scale_bar(
    ax: Any, shape: tuple[int, ...], pixel_size: tuple[tuple[float, float], str | None], step: int
) -> None:
    """A horizontal bar of round length at the lower right."""
    from matplotlib.patches import Rectangle
    from matplotlib.patheffects import withStroke

    x_step = pixel_size[0][1] * step
    length = bar_length(shape[1], x_step)
    width, thick = length / x_step, max(1.0, 0.018 * shape[0])
    x, y = shape[1] * 0.96 - width, shape[0] * 0.95 - thick
    ax.add_patch(
        Rectangle(
            (x - 0.5, y - 0.5), width, thick, facecolor="white", edgecolor="black", linewidth=0.4
        )
    )
    text = ax.text(
        x + width / 2,
        y - 0.015 * shape[0],
        f"{length:g} {pixel_size[1] or ''}".strip(),
        color="white",
        ha="center",
        va="bottom",
    )
    text.set_path_effects([withStroke(linewidth=1.5, foreground="black")])


def _by_channel(e: Evaluation) -> list[list[Panel]]:
    channels = dict.fromkeys(p.channel for p in e.panels)
    return [[p for p in e.panels if p.channel == c] for c in channels]


def _headline(e: Evaluation) -> str:
    parts = ["lossless" if e.lossless else f"PSNR {e.psnr:.2f} dB"]
    if e.ssim is not None:
        parts.append(f"SSIM {e.ssim:.3f}")
    if e.ratio is not None:
        parts.append(f"{e.ratio:.1f}× smaller ({e.raw_bytes:,} → {e.file_bytes:,} bytes)")
    return "   ·   ".join(parts)


def _channel_title(c: ChannelReport) -> str:
    quality = "exact" if math.isinf(c.psnr) else f"{c.psnr:.2f} dB"
    return f"Channel {c.name}: {quality}, range {c.range[0]:g} … {c.range[1]:g} counts"


def _legend(e: Evaluation) -> str:
    shown = len(_by_channel(e))
    text = (
        f"Grey window: percentiles {WINDOW[0]} and {WINDOW[1]} of the original slice, the same for "
        f"both. Error scale: ± percentile {ERROR_PERCENTILE} of |error| in the channel's slices. "
        "Zoom: where the squared error is largest."
    )
    if shown < len(e.channels):
        text += f" The {shown} worst of {len(e.channels)} channels."
    step = max(p.step for p in e.panels)
    if step > 1:
        text += f" Whole slices show one pixel in {step}."
    return text
