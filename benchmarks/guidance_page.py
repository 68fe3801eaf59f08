"""docs/guidance.md's tables and pictures from benchmarks/results/guidance.json.

python benchmarks/guidance_page.py            the tables
INIF_DATA=folder python benchmarks/guidance_page.py    and the picture, made anew
"""

from __future__ import annotations

import os
import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from guidance import AROUND, EFFORT, EFFORT_FIELD, FINE, LINES, NAME, compressed, own_masks, rival
from record import load
from table import table, wrapped

from inif.io import read_image
from inif_bench.drawing import png

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGE, PICTURE = DOCS / "guidance.md", DOCS / "figures" / "guidance.png"
BEGIN, END = "<!-- measured -->", "<!-- end of measured -->"
ARMS = ("hevc", "unguided", "guided")
SHOWN, RATIO, SIDE = "microtubules_zyx_u8", 256, 160
METHODS = {"hybrid": "hybrid", "siren": "pure field"}
Rows = dict[str, dict[str, dict[str, Any]]]


def main() -> None:
    result = load(NAME)
    head, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, tail = rest.partition(END)
    parts = [BEGIN, *measured(result["rows"], result), END]
    PAGE.write_text(head + "\n\n".join(parts) + tail)
    folder = os.environ.get("INIF_DATA")
    if folder:
        masks = agreement(Path(folder) / f"{SHOWN}.ome.tif")
        PICTURE.write_bytes(png(lambda figure: draw(figure, masks), 7.2, 2.7))
    print(PAGE, PICTURE)


def measured(rows: Rows, result: dict[str, Any]) -> list[str]:
    """The tables."""
    parts = [
        wrapped(
            f"`{result['command']}` ran on {result['date']}, at effort {EFFORT} (pure fields at"
            f" effort {EFFORT_FIELD}). All arms have the same bytes. HEVC is x265 slow, tuned for"
            " PSNR, at its best knob; where it has no file between its steps, the others get as few"
            " bytes as it took. Figures are means over channels."
        ),
    ]
    lines, nuclei, noisy = [], [], []
    for key, arms in rows.items():
        image, ratio, method, guide = key.split(" ")
        for name in ARMS:
            if name not in arms:
                continue
            arm = arms[name]
            title = name if name == "hevc" else f"{METHODS[method]}, {name}"
            first = [image, f"{ratio}×", title, number(arm["psnr"], 2)]
            if guide == "filaments":
                means = [number(score(arm, task), 4) for task in LINES]
                lines.append([*first, number(statistics.fmean(arm["guide_iou"]), 3), *means])
            elif guide == "blobs":
                found = [number(score(arm, t, k), 3) for t, k in NUCLEI_FIGURES]
                nuclei.append([*first, counts(arm), *found])
            else:
                title = name if name != "guided" else guide.replace("perceptual:{folder}", "clean")
                noisy.append([f"{ratio}×", title, str(arm["bytes"]), *to_clean(arm)])
        if guide.startswith("perceptual"):
            noisy.append(
                [f"{ratio}×", "the noisy original", "", *to_clean(arms["guided"], original=arms)]
            )
    parts += [
        wrapped(
            "**Filaments.** The table shows the IoU of masks that are fixed on the original: of the"
            f" guiding filter at half the scale at which it guides (σ = {FINE:g}), and of"
            " segmenters that do not guide."
        ),
        table(["image", "ratio", "arm", "PSNR (dB)", "guide's IoU", *LINES], lines),
        "![Agreement of masks](figures/guidance.png)",
        wrapped(
            f"The figure shows one plane of `{SHOWN}` at {RATIO}× with masks of the guiding filter"
            f" (σ = {FINE:g}): black and white agree with the original, cyan is missed, and magenta"
            " is false."
        ),
        wrapped(
            "**Nuclei and foci.** The table shows which objects are found again (`objects:otsu`,"
            " smoothing σ = 2): their number in the decoded and in the original image, F1 at an IoU"
            " of 0.5, mean average precision over 0.5 … 0.9, F1 with σ = 1 and 4, and F1 of"
            f" `spots`. Figures are means over {len(AROUND)} budgets around each ratio."
        ),
        table(
            [
                "image",
                "ratio",
                "arm",
                "PSNR (dB)",
                "objects",
                "F1",
                "mean AP",
                "F1, σ = 1",
                "F1, σ = 4",
                "spots F1",
            ],
            nuclei,
        ),
        wrapped(
            "**Noise.** `nuclei_pair_low` is compressed and compared with the clean exposure of the"
            " field, after intensities are matched by least squares."
        ),
        table(
            ["ratio", "arm", "bytes", "PSNR to clean (dB)", "SSIM to clean", "LPIPS to clean"],
            noisy,
        ),
    ]
    return parts


NUCLEI_FIGURES = (
    ("objects:otsu", "f1"),
    ("objects:otsu", "score"),
    ("objects:otsu,sigma=1", "f1"),
    ("objects:otsu,sigma=4", "f1"),
    ("spots", "score"),
)


def score(arm: dict[str, Any], task: str, key: str = "score") -> float | None:
    """A task's figure, mean over channels."""
    values = [c[key] for c in arm.get(task, []) if c.get(key) is not None]
    return statistics.fmean(values) if values else None


def counts(arm: dict[str, Any]) -> str:
    """Decoded of original objects, all channels."""
    channels = arm["objects:otsu"]
    return " / ".join(
        f"{sum(c.get(k) or 0 for c in channels):.3g}" for k in ("decoded", "original")
    )


def to_clean(arm: dict[str, Any], original: dict[str, Any] | None = None) -> list[str]:
    """PSNR, SSIM and LPIPS to the clean image, of the decoded image or of the original."""
    prefix, lpips = ("original_", original["original"]) if original else ("", arm)
    keys = (f"{prefix}psnr_to_clean", f"{prefix}ssim_to_clean")
    figures = [number(score(arm, "clean:{folder}", k), 2 + i) for i, k in enumerate(keys)]
    return [*figures, number(lpips["lpips_to_clean"], 3)]


def number(value: float | None, digits: int) -> str:
    """As the tables show it."""
    return "–" if value is None else f"{value:.{digits}f}"


def agreement(path: Path) -> dict[str, np.ndarray]:
    """Pictures (SIDE, SIDE, 3) of the masks of each arm against the original's."""
    image = read_image(path)
    size = image.raw_bytes // RATIO
    versions = {
        "HEVC": rival(path, size),
        "unguided": compressed(path, size, "hybrid"),
        "guided": compressed(path, size, "hybrid", "filaments"),
    }
    key = (len(image.data) // 2, slice(100, 100 + SIDE), slice(100, 100 + SIDE))
    out = {}
    for name, (data, *_) in versions.items():
        ((wanted, found),) = own_masks(image, data)
        there, here = wanted[key], found[key]
        out[name] = np.stack([here, there, here | there], -1).astype(float)
    return {"original": np.stack([there] * 3, -1).astype(float), **out}


def draw(figure: Figure, masks: dict[str, np.ndarray]) -> None:
    """The pictures side by side."""
    for column, (name, picture) in enumerate(masks.items()):
        axes = figure.add_subplot(1, len(masks), column + 1)
        axes.imshow(picture, interpolation="nearest")
        axes.set_title(name)
        axes.set_axis_off()
    figure.tight_layout()


if __name__ == "__main__":
    main()
