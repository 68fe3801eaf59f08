"""The bundled stack at 16 to 512 : 1: what becomes of it, for docs/which-ratio.md.

python benchmarks/which_ratio.py [--files FOLDER]    (some minutes)

It writes benchmarks/results/which_ratio.json and docs/figures/which-ratio.png: one crop of one
plane, the original's and each file's, with the error below. `FOLDER` keeps the files, and those
that are there are not made again.
"""

from __future__ import annotations

import argparse
import io
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image as Picture
from record import save

import inif
from inif.io import read_image
from inif.outputs import write_file

ROOT = Path(__file__).resolve().parents[1]
IMAGE = ROOT / "examples" / "hipsc_dna_zyx_u16.ome.tif"
PICTURE = ROOT / "docs" / "figures" / "which-ratio.png"
RATIOS = (16, 32, 64, 128, 256, 512)
METHOD, EFFORT = "latent", 1
TASK = "objects:otsu"
PLANE, ROWS, COLUMNS = 30, slice(96, 208), slice(96, 208)


def made(ratio: int, folder: Path) -> inif.File:
    """The stack at a ratio: the file of the folder, or a new one."""
    path = folder / f"{ratio}.inif"
    if path.exists():
        return inif.open(path)
    return inif.compress(IMAGE, out=path, ratio=ratio, method=METHOD, effort=EFFORT)


def figures(ratio: int, file: inif.File) -> dict[str, Any]:
    """What the report says of a file, as far as the page shows it."""
    report = inif.evaluate(IMAGE, file, tasks=TASK).to_json()
    (channel,) = report["channels"]
    (objects,) = report["tasks"][0]["channels"]
    places = channel["places"]
    spots = next((s for s in places["spots"] if s["kind"] == "lost bright"), None)
    return {
        "ratio": ratio,
        "file_bytes": report["file_bytes"] or len(file.to_bytes()),
        "psnr": round(report["psnr"]["pooled"], 2),
        "ssim": round(report["ssim"], 3),
        "blocks": places["blocks"],
        "blocks_failed": places["failed"],
        "spots_lost": spots["changed"] if spots else 0,
        "spots": spots["original"] if spots else None,
        "finest_um": round(channel["detail"]["resolution"]["period"], 2),
        "objects_ap_mean": round(objects["ap_mean"], 3),
        "objects_mean_iou": round(objects["mean_iou"], 3),
    }


def drawn(crop: np.ndarray, decoded: list[np.ndarray], rows: list[dict[str, Any]]) -> bytes:
    """The picture as PNG: bands of three ratios, each crop above its error, beside the original."""
    low, high = np.percentile(crop, (0.5, 99.8))
    errors = [d - crop for d in decoded]
    most = float(np.percentile(np.abs(errors[-1]), 99.5))
    side, gap, title = 2 * crop.shape[0], 8, 26  # pixels; two for a sample
    width, height = 4 * side + 3 * gap, 2 * (title + 2 * side + 2 * gap)
    figure = Figure(figsize=(width / 100, height / 100), dpi=100, facecolor="white")
    FigureCanvasAgg(figure)

    def panel(row: int, column: int, wide: int = side) -> Axes:
        """Place number `column` of a row; rows 0 and 2 hold crops, 1 and 3 their errors."""
        top = (row // 2) * (height // 2) + title + (row % 2) * (side + gap)
        left = column * (side + gap)
        return figure.add_axes(
            (left / width, (height - top - side) / height, wide / width, side / height)
        )

    def grey(row: int, column: int, samples: np.ndarray, words: str) -> None:
        axis = panel(row, column)
        axis.imshow(samples, cmap="gray", vmin=low, vmax=high, interpolation="nearest")
        axis.set_title(words, fontsize=11)
        axis.set_axis_off()

    for number, (row, samples, error) in enumerate(zip(rows, decoded, errors, strict=True)):
        band, column = divmod(number, 3)
        grey(2 * band, 1 + column, samples, f"{row['ratio']} : 1, {row['psnr']:.1f} dB")
        axis = panel(2 * band + 1, 1 + column)
        shown = axis.imshow(error, cmap="RdBu_r", vmin=-most, vmax=most, interpolation="nearest")
        axis.set_axis_off()
    for band in (0, 1):
        grey(2 * band, 0, crop, "original")
        bar = figure.colorbar(shown, cax=panel(2 * band + 1, 0, 20))
        bar.set_label("error: decoded − original, counts", fontsize=9)
        bar.ax.tick_params(labelsize=8)
    raw, small = io.BytesIO(), io.BytesIO()
    figure.savefig(raw, format="png", dpi=100)
    picture = Picture.open(raw).convert("RGB")
    picture.quantize(256, dither=Picture.Dither.NONE).save(small, "PNG", optimize=True)
    return small.getvalue()


def main() -> None:
    """Make the files, judge them, draw them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", metavar="FOLDER", type=Path)
    kept = parser.parse_args().files
    place = (PLANE, ROWS, COLUMNS)
    crop = read_image(IMAGE).data[place].astype(np.float64)
    rows, decoded = [], []
    with tempfile.TemporaryDirectory() as scratch:
        for ratio in RATIOS:
            with made(ratio, kept or Path(scratch)) as file:
                rows.append(figures(ratio, file))
                decoded.append(file[place].astype(np.float64))
            print(rows[-1], flush=True)
    save(
        "which_ratio",
        {
            "image": IMAGE.name,
            "method": METHOD,
            "effort": EFFORT,
            "task": TASK,
            "crop": {"z": PLANE, "y": [ROWS.start, ROWS.stop], "x": [COLUMNS.start, COLUMNS.stop]},
            "files": rows,
        },
    )
    write_file(PICTURE, drawn(crop, decoded, rows), overwrite=True)
    print(PICTURE)


if __name__ == "__main__":
    main()
