"""The lower part of the figure: the places where most was lost, and quality along Z and T."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from inif.metrics.evaluation import Crop, Evaluation
from inif.metrics.findings_places import block_name
from inif.metrics.profiles import Profile

THUMB, GAP, BETWEEN, LABEL = 1.05, 0.04, 0.28, 0.3
TITLE, PLOT, PLOT_GAP, AXIS = 0.32, 1.5, 0.75, 0.45
LINES = 6
"""Most channels of a plot: the worst ones."""

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
INK, FAINT = "#1a1a1a", "#666666"

Draw = Callable[[Any, Crop, float], None]


def height(e: Evaluation, width: float) -> float:
    """How much room both parts take, in inches; `width` is that of the page."""
    rows = math.ceil(len(e.crops) / _per_row(width))
    crops = TITLE + rows * (LABEL + THUMB) + (rows - 1) * 0.08 if rows else 0.0
    axes = _axes(e)
    plots = TITLE + len(_rows(axes, width)) * (PLOT + AXIS) if axes else 0.0
    return crops + plots + (0.15 if crops else 0.0) + (0.1 if plots else 0.0)


def draw(page: Any, e: Evaluation, top: float, margin: float, three: Draw) -> None:
    """Draw both parts from `top` on; `three` fills the axes of original, decoded and error."""
    if e.crops:
        page.text(margin, top, "Where structure was lost most", size=9, weight="bold")
        top += TITLE
        per_row = _per_row(page.width)
        limits = {c: _limit([k for k in e.crops if k.channel == c]) for c in range(len(e.channels))}
        for n, crop in enumerate(e.crops):
            row, column = divmod(n, per_row)
            x = margin + column * (3 * (THUMB + GAP) + BETWEEN)
            y = top + row * (LABEL + THUMB + 0.08)
            page.text(x, y, _name(e, crop), size=7)
            page.text(x, y + 0.13, "original, decoded, error", size=6, color=FAINT)
            boxes = [page.axes(x + i * (THUMB + GAP), y + LABEL, THUMB, THUMB) for i in range(3)]
            three(boxes, crop, limits[crop.channel])
            for ax in boxes:
                _outline(ax, crop)
        rows = math.ceil(len(e.crops) / per_row)
        top += rows * (LABEL + THUMB + 0.08) + 0.07
    axes = _axes(e)
    if axes:
        page.text(margin, top, "Quality along the stack", size=9, weight="bold")
        top += TITLE
        for line in _rows(axes, page.width):
            each = (page.width - 2 * margin) / len(line)
            for n, axis in enumerate(line):
                left = margin + 0.45 + n * each
                _plot(page.axes(left, top, each - 0.45 - PLOT_GAP, PLOT), e, axis)
            top += PLOT + AXIS


def _name(e: Evaluation, crop: Crop) -> str:
    name = f"{block_name(crop.place)}: {crop.place.times_noise:.1f} × noise"
    if len(e.channels) < 2:
        return name
    channel = e.channels[crop.channel].name
    return f"{channel if len(channel) < 12 else channel[:11] + '…'}: {name}"


def _limit(crops: list[Crop]) -> float:
    errors = [np.abs(c.decoded.astype(np.float64) - c.original).ravel() for c in crops]
    limit = float(np.percentile(np.concatenate(errors), 99.5)) if errors else 0.0
    return limit if limit > 0 else 1.0


def _outline(ax: Any, crop: Crop) -> None:
    from matplotlib.patches import Rectangle

    y, x = crop.place.y[0] - crop.at[0], crop.place.x[0] - crop.at[1]
    wide, tall = (b - a for a, b in (crop.place.x, crop.place.y))
    ax.add_patch(
        Rectangle((x - 0.5, y - 0.5), wide, tall, fill=False, edgecolor="#e69f00", linewidth=0.8)
    )


def _plot(ax: Any, e: Evaluation, axis: str) -> None:
    """PSNR (lines) and, on the right, SSIM (dots) along an axis; the worst index is named."""
    ax.set_axis_on()
    chosen = sorted((p for p in e.profiles if p.axis == axis), key=lambda p: _low(p))[:LINES]
    chosen.sort(key=lambda p: p.channel)
    right = ax.twinx() if any(p.ssim is not None for p in chosen) else None
    for n, p in enumerate(chosen):
        colour = COLOURS[n % len(COLOURS)]
        values = np.array([v if math.isfinite(v) else np.nan for v in p.psnr])
        where = np.arange(len(values))
        ax.plot(where, values, color=colour, linewidth=1.2, label=e.channels[p.channel].name[:16])
        if len(values) < 40:
            ax.plot(where, values, ".", color=colour, markersize=3)
        if not np.isnan(values).all():
            worst = int(np.nanargmin(values))
            ax.plot([worst], [values[worst]], "v", color=colour, markersize=5)
        if right is not None and p.ssim is not None:
            right.plot(where, p.ssim, ":", color=colour, linewidth=0.9)
    worst_of = [f"{axis}={p.worst()}" for p in chosen if math.isfinite(min(p.psnr))]
    ax.set_title(
        f"Along {axis.upper()}: worst at {', '.join(dict.fromkeys(worst_of)) or 'none'}",
        fontsize=7,
        loc="left",
        color=INK,
    )
    ax.set_xlabel(f"{axis} (index)", fontsize=7, labelpad=1)
    ax.set_ylabel("PSNR, dB (line)", fontsize=7)
    ax.margins(x=0.02, y=0.1)
    for side in (ax, right):
        if side is not None:
            side.tick_params(labelsize=6, length=2)
            side.spines["top"].set_visible(False)
    if right is not None:
        right.set_ylabel("SSIM (dotted)", fontsize=7)
        right.margins(y=0.1)
    else:
        ax.spines["right"].set_visible(False)
    from matplotlib.ticker import MaxNLocator

    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    if len(chosen) > 1:
        ax.legend(fontsize=6, frameon=False, loc="best", ncols=2)


def _low(p: Profile) -> float:
    return min(p.psnr)


def _axes(e: Evaluation) -> list[str]:
    return list(dict.fromkeys(p.axis for p in e.profiles))


def _rows(axes: list[str], width: float) -> list[list[str]]:
    """Axes by rows of plots: two beside each other where the page is wide."""
    step = 2 if width > 9 else 1
    return [axes[i : i + step] for i in range(0, len(axes), step)]


def _per_row(width: float) -> int:
    return max(1, int((width - 0.3 + BETWEEN) // (3 * (THUMB + GAP) + BETWEEN)))
