"""What compression does to an image, to be judged by eye: crops, and their errors on one scale.

In the manner of Fig. 2a of the paper, with the errors beside the crops, because a good rendering of
noise and a good rendering of a cell look alike in grey.
"""

from __future__ import annotations

import base64
import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from inif_bench.compare import kind_of
from inif_bench.drawing import FAINT, png
from inif_bench.summary import View, digits

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ERROR_PERCENTILE = 99.5
_RATIOS = (128.0, 256.0, 512.0)
_MAIN = ("hevc", "av1")
_PLANES = ("avif", "jpegxl")


def panel(view: View, image: dict[str, Any], original: Mapping[str, Any]) -> bytes:
    """Crops of one image: a row for each arm, a pair of decoded and error for each ratio."""
    name = image["name"]
    arms = _arms(view, image)
    tried = view.ratios(name)
    ratios = [r for r in _RATIOS if r in tried] or tried[-3:]
    crop = original.get("crop") or {}
    source = _grey(crop["png"]) if crop else None
    decoded = {
        (arm["name"], ratio): _grey(cell["crop_png"])
        for arm in arms
        for ratio in ratios
        if (cell := view.met(name, arm["name"], ratio)) is not None and "crop_png" in cell
    }
    limit = _error_limit([d - source for d in decoded.values()] if source is not None else [])
    side, gap, left, top, foot = 0.95, 0.04, 1.75, 0.62, 0.75
    width = left + (1 + 2 * len(ratios)) * (side + gap) + 0.12 * len(ratios) + 0.1
    height = top + len(arms) * (side + gap) + foot

    options: dict[str, Any] = {"aspect": "auto", "interpolation": "nearest"}

    def draw(fig: Figure) -> None:
        from matplotlib import colormaps

        # Few enough colours for the palette of the file.
        grey, colors = colormaps["gray"].resampled(128), colormaps["RdBu_r"].resampled(95)

        def place(x: float, y: float, w: float = side, h: float = side) -> Axes:
            axes = fig.add_axes((x / width, 1 - (y + h) / height, w / width, h / height))
            axes.set_xticks([])
            axes.set_yticks([])
            return axes

        def write(x: float, y: float, text: str, **style: Any) -> None:
            fig.text(x / width, 1 - y / height, text, va="center", parse_math=False, **style)

        write(0.1, 0.18, _title(name, crop), fontsize=9)
        write(left + side / 2, top - 0.1, "original", ha="center")
        if source is not None:
            place(left, top).imshow(source, cmap=grey, vmin=0, vmax=255, **options)
        image_of_error = None
        for column, ratio in enumerate(ratios):
            x = left + side + gap + column * (2 * (side + gap) + 0.12) + 0.12
            write(x + side / 2, top - 0.1, f"{ratio:g}×", ha="center")
            write(x + side + gap + side / 2, top - 0.1, "error", ha="center")
            for row, arm in enumerate(arms):
                y = top + row * (side + gap)
                axes = place(x, y)
                found = decoded.get((arm["name"], ratio))
                cell = view.cell(name, arm["name"], ratio)
                if found is None:
                    axes.set_facecolor("#f2f2f2")
                    axes.text(0.5, 0.5, _absent(cell), ha="center", va="center", color=FAINT)
                    continue
                axes.imshow(found, cmap=grey, vmin=0, vmax=255, **options)
                _number(axes, cell)
                if source is not None:
                    image_of_error = place(x + side + gap, y).imshow(
                        found - source, cmap=colors, vmin=-limit, vmax=limit, **options
                    )
        for row, arm in enumerate(arms):
            write(
                left - 0.08, top + row * (side + gap) + side / 2, _wrapped(arm["title"]), ha="right"
            )
        if image_of_error is not None:
            counts = (crop["high"] - crop["low"]) / 255
            axes = place(left, height - foot + 0.22, 3 * side, 0.1)
            bar = fig.colorbar(image_of_error, cax=axes, orientation="horizontal")
            bar.set_ticks(
                [-limit, 0, limit], labels=[_signed(v * counts) for v in (-limit, 0, limit)]
            )
            bar.set_label(
                "error: decoded − original, counts, one scale; dB: the whole image's PSNR"
            )

    return png(draw, width, height)


def _arms(view: View, image: dict[str, Any]) -> list[dict[str, Any]]:
    """The rivals that matter, and every field: more rows than that nobody looks at."""
    wanted = {*_MAIN, *(_PLANES if kind_of(image) == "plane" else ())}
    return [
        arm
        for arm in view.arms
        if (arm["family"] in ("published", "inif") or arm["name"] in wanted)
        and view.record(image["name"], arm["name"]) is not None
    ]


def _title(name: str, crop: Mapping[str, Any]) -> str:
    if not crop:
        return name
    at = [f"{axis}={index}" for axis, index in crop["plane"].items()]
    spans = [f"{axis}={crop[axis][0]}:{crop[axis][1]}" for axis in "yx"]
    window = f"grey from {crop['low']:.4g} to {crop['high']:.4g} counts"
    return f"{name}, {', '.join([*at, *spans])}; {window}"


def _absent(cell: dict[str, Any] | None) -> str:
    if cell is None:
        return "not run"
    if cell["status"] == "unreachable":
        return f"not reached\n({cell['ratio']:.0f}×)"
    return "no crop" if cell["status"] == "done" else str(cell["status"])


def _number(axes: Axes, cell: dict[str, Any] | None) -> None:
    """The image's PSNR, written into its crop."""
    from matplotlib.patheffects import withStroke

    psnr = cell["psnr"] if cell else None
    text = axes.text(
        0.04,
        0.04,
        "exact" if psnr is None else f"{psnr:.1f} dB",
        transform=axes.transAxes,
        color="white",
        fontsize=8,
    )
    text.set_path_effects([withStroke(linewidth=1.8, foreground="black")])


def _grey(png: str) -> np.ndarray:
    """(Y, X) float64 levels 0 … 255 of a grey PNG in base64."""
    import imagecodecs

    return np.asarray(imagecodecs.png_decode(base64.b64decode(png)), np.float64)


def _error_limit(errors: list[np.ndarray]) -> float:
    """Limit of the error's scale, in levels: a high percentile over all crops of the figure."""
    if not errors:
        return 1.0
    magnitude = np.abs(np.concatenate([e.ravel() for e in errors]))
    return max(1.0, float(np.percentile(magnitude, ERROR_PERCENTILE)))


def _wrapped(title: str) -> str:
    return textwrap.fill(title, 24)


def _signed(value: float) -> str:
    """A signed number of counts."""
    return "0" if value == 0 else ("−" if value < 0 else "+") + digits(abs(value))
