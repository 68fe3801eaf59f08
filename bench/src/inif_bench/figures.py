"""Figures of the benchmark: rate and distortion of each image, and the spread over images.

Every figure draws the same arms in the same colours and markers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from inif_bench.drawing import FAINT, INK, png
from inif_bench.panels import panel
from inif_bench.summary import View, figure_name, has_panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


# Colours by Okabe & Ito and by Tol, told apart with every kind of colour vision; markers tell arms
# apart without colours.
_STYLES = {
    "hevc": ("#0072b2", "o"),
    "hevc-veryslow": ("#004466", "P"),
    "av1": ("#e69f00", "s"),
    "jpegxl": ("#009e73", "^"),
    "avif": ("#cc79a7", "v"),
    "jpeg2000": ("#999999", "<"),
    "htj2k": ("#bbbbbb", ">"),
    "sperr": ("#56b4e9", "D"),
    "zfp": ("#aa7744", "p"),
    "sz3": ("#777711", "h"),
    "hevc-as-published": ("#0072b2", "8"),
    "siren-as-published": ("#555555", "d"),
    "inif-as-published": ("#882255", "H"),
}
_OURS = (("#d50000", "*"), ("#7b1fa2", "X"), ("#ff6d00", "P"), ("#33691e", "o"))


@dataclass(frozen=True)
class _Style:
    color: str
    marker: str
    dashed: bool
    width: float

    def options(self) -> dict[str, Any]:
        """Of a line through points."""
        return {
            "color": self.color,
            "marker": self.marker,
            "linestyle": "--" if self.dashed else "-",
            "linewidth": self.width,
            "markersize": 4.5,
        }

    def fill(self) -> dict[str, Any]:
        """Of a box."""
        return {
            "facecolor": self.color,
            "edgecolor": INK,
            "linewidth": 0.6,
            "alpha": 0.8,
            "hatch": "////" if self.dashed else "",
        }


def figures(view: View, originals: Mapping[str, dict[str, Any]]) -> dict[str, bytes]:
    """Every figure of the page: file name → bytes of a PNG.

    Raises
    ------
    MissingExtraError
        matplotlib is not installed (extra "plot").
    """
    found = {figure_name("rd"): contact_sheet(view), figure_name("box"): boxes(view)}
    for image in view.images:
        name = image["name"]
        found[figure_name("rd", name)] = rate_distortion(view, name)
        if has_panel(view, name):
            found[figure_name("panel", name)] = panel(view, image, originals.get(name, {}))
    return found


def rate_distortion(view: View, image: str) -> bytes:
    """PSNR over ratio of every arm on one image; hollow points missed their target ratio."""

    def draw(fig: Figure) -> None:
        axes = fig.add_axes((0.085, 0.13, 0.55, 0.77))
        _curves(axes, view, image)
        axes.set_xlabel("compression ratio")
        axes.set_ylabel("PSNR, dB")
        handles, labels = axes.get_legend_handles_labels()
        fig.legend(handles, labels, loc="center left", bbox_to_anchor=(0.645, 0.53), frameon=False)
        fig.text(0.66, 0.04, "hollow: target ratio out of reach", color=FAINT, fontsize=7)

    return png(draw, 7.6, 3.9)


def contact_sheet(view: View) -> bytes:
    """The curves of all images on one page."""
    columns = min(4, len(view.images))
    rows = math.ceil(len(view.images) / columns)
    legend = 0.17 * math.ceil(len(view.arms) / 3) + 0.15
    height = 2.1 * rows + legend

    def draw(fig: Figure) -> None:
        grid = fig.subplots(rows, columns, squeeze=False)
        top, bottom = 1 - 0.25 / height, (legend + 0.4) / height
        fig.subplots_adjust(0.05, bottom, 0.99, top, wspace=0.22, hspace=0.34)
        known: dict[str, Any] = {}
        for axes in grid.flat[len(view.images) :]:
            axes.set_axis_off()
        for axes, image in zip(grid.flat, view.images, strict=False):
            _curves(axes, view, image["name"])
            handles, labels = axes.get_legend_handles_labels()
            known |= dict(zip(labels, handles, strict=True))
        for axes in grid[:, 0]:
            axes.set_ylabel("PSNR, dB")
        for axes in grid[-1]:
            axes.set_xlabel("compression ratio")
        shown = [a["title"] for a in view.arms if a["title"] in known]
        fig.legend(
            [known[t] for t in shown], shown, loc="lower center", ncols=3, frameon=False, fontsize=8
        )

    return png(draw, max(2.6 * columns, 6.5), height)


def boxes(view: View) -> bytes:
    """PSNR and SSIM over images by ratio: a box for each arm, all over the same images."""
    ratios = view.ratios()
    shares = {ratio: view.shared(ratio) for ratio in ratios}
    arms = [a for a in view.arms if any(a["name"] in s.arms for s in shares.values())]
    foot = 0.17 * math.ceil(len(arms) / 3) + 0.85
    height = 5 + foot

    def draw(fig: Figure) -> None:
        grid = fig.subplots(2, 1, sharex=True)
        fig.subplots_adjust(0.08, foot / height, 0.99, 0.98, hspace=0.08)
        step = 0.84 / max(len(arms), 1)
        for axes, key, label in zip(grid, ("psnr", "ssim"), ("PSNR, dB", "SSIM"), strict=True):
            for n, ratio in enumerate(ratios):
                for k, arm in enumerate(arms):
                    values = _values(view, arm["name"], ratio, shares[ratio].images, key)
                    if arm["name"] in shares[ratio].arms and values:
                        _box(axes, n - 0.42 + (k + 0.5) * step, step, values, _style(view, arm))
            axes.set_ylabel(label)
            axes.grid(axis="y", color="#e5e5e5", linewidth=0.6)
        grid[1].set_xticks(
            range(len(ratios)), [f"{r:g}×, n = {len(shares[r].images)}" for r in ratios]
        )
        grid[1].set_xlim(-0.5, len(ratios) - 0.5)
        from matplotlib.patches import Patch

        handles = [Patch(**_style(view, a).fill()) for a in arms]
        fig.legend(handles, [a["title"] for a in arms], loc="lower center", ncols=3, frameon=False)
        fig.text(0.08, (foot - 0.55) / height, _BOX_NOTE, color=FAINT, fontsize=7)

    return png(draw, 9, height)


_BOX_NOTE = (
    "Box: quartiles; line: median; triangle: mean; whiskers: furthest values within 1.5 box"
    " lengths; circles: images beyond.\nHatched: as published. Boxes stand in the order of the"
    " legend, column by column."
)


def _curves(axes: Axes, view: View, image: str) -> None:
    """The curves of one image, by the ratio that each file really has."""
    for arm in view.arms:
        record = view.record(image, arm["name"])
        cells = [] if record is None else list(record.scored().values())
        points = sorted(
            (c["ratio"], c["psnr"], c["status"] == "done") for c in cells if c["psnr"] is not None
        )
        if not points:
            continue
        style = _style(view, arm)
        x, y, _ = zip(*points, strict=True)
        axes.plot(x, y, label=arm["title"], **style.options(), zorder=2 + style.width)
        full = {(r, psnr) for r, psnr, met in points if met}
        missed = [(r, psnr) for r, psnr, _ in points if (r, psnr) not in full]
        if missed:
            axes.plot(
                *zip(*missed, strict=True),
                style.marker,
                color=style.color,
                markerfacecolor="white",
                markersize=4.5,
                zorder=5,
            )
    axes.set_xscale("log", base=2)
    ticks = [2.0**k for k in range(12) if axes.get_xlim()[0] <= 2**k <= axes.get_xlim()[1]]
    axes.set_xticks(ticks, [f"{t:g}×" for t in ticks])
    axes.minorticks_off()
    axes.set_title(image, fontsize=8, loc="left", parse_math=False)
    axes.grid(color="#e5e5e5", linewidth=0.6)


def _style(view: View, arm: dict[str, Any]) -> _Style:
    name = arm["name"]
    ours = [a["name"] for a in view.arms if a["name"] not in _STYLES]
    color, marker = _STYLES.get(name) or _OURS[ours.index(name) % len(_OURS)]
    return _Style(
        color, marker, arm["family"] == "published", 2.0 if arm["family"] == "inif" else 1.1
    )


def _box(axes: Axes, x: float, step: float, values: list[float], style: _Style) -> None:
    axes.boxplot(
        [values],
        positions=[x],
        widths=[0.8 * step],
        manage_ticks=False,
        patch_artist=True,
        showmeans=True,
        boxprops=style.fill(),
        medianprops={"color": INK, "linewidth": 1.1},
        meanprops={
            "marker": "^",
            "markersize": 3,
            "markerfacecolor": "white",
            "markeredgecolor": INK,
        },
        flierprops={"marker": "o", "markersize": 2.5, "markeredgecolor": style.color},
        whiskerprops={"color": INK, "linewidth": 0.6},
        capprops={"color": INK, "linewidth": 0.6},
    )


def _values(view: View, arm: str, ratio: float, images: tuple[str, ...], key: str) -> list[float]:
    cells = [view.met(image, arm, ratio) for image in images]
    return [cell[key] for cell in cells if cell is not None and cell[key] is not None]
