"""Qualities as targets: what every channel gets, and what it costs.

    INIF_DATA=/path/to/images python benchmarks/psnr_targets.py

Each image is compressed at every target, decoded, and each channel that varies is measured on its
own range. Written to benchmarks/results/psnr_targets.json; goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

import inif
from inif.errors import InifError, RemarkWarning
from inif.image import Image
from inif.io import read_image

IMAGES = ("hipsc_dna", "microtubules", "mibi", "bpae", "nuclei_pair_low")
TARGETS = (30, 35, 40, 45, 50, 55, 60)
OUT = Path(__file__).parent / "results" / "psnr_targets.json"
TOLERANCE = 0.3


def decibels(image: Image, decoded: np.ndarray) -> list[float | None]:
    """PSNR of each channel that varies; None where it is exact."""
    axis, out = image.channel_axis, []
    both = (image.data, decoded) if axis is not None else (image.data[None], decoded[None])
    for one, other in zip(*(np.moveaxis(a, axis or 0, 0) for a in both), strict=True):
        span = float(one.max()) - float(one.min())
        if span:
            square = np.mean((one.astype(np.float64) - other) ** 2)
            out.append(10 * math.log10(span**2 / square) if square else None)
    return out


def measured(image: Image, target: float, effort: int) -> dict[str, Any]:
    """One file of one image."""
    begin = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", RemarkWarning)
        try:
            file = inif.compress(image, psnr=target, effort=effort)
        except InifError as error:
            return {"target": target, "error": str(error)}
    seconds = time.perf_counter() - begin
    lossy = file.header["lossy"]
    reached = [math.inf if v is None else v for v in decibels(image, np.asarray(file))]
    exact = lossy["method"] == "lossless"
    return {
        "target": target,
        "bytes": file.file_bytes,
        "method": lossy["method"],
        "codec": file.header.get("codec", {}).get("kind"),
        "psnr": lossy["psnr"],
        "least": None if exact else round(min(reached), 3),
        "most": None if exact else round(max(reached), 3),
        "reached": min(reached) >= target,
        "near": exact or max(reached) <= target + TOLERANCE,
        "seconds": round(seconds, 1),
        "remarks": [str(w.message) for w in caught if issubclass(w.category, RemarkWarning)],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--effort", type=int, default=1)
    parser.add_argument("--images", nargs="+", default=IMAGES)
    parser.add_argument("--targets", nargs="+", type=float, default=TARGETS)
    options = parser.parse_args()
    folder = Path(os.environ["INIF_DATA"])
    before = json.loads(OUT.read_text())["images"] if OUT.exists() else {}
    for name in options.images:
        (path,) = sorted(folder.glob(f"{name}*"))[:1]
        image = read_image(path)
        rows = {row["target"]: row for row in before.get(path.name, {}).get("files", [])}
        for target in options.targets:
            if target not in rows:
                rows[target] = measured(image, target, options.effort)
                print(path.name, rows[target], flush=True)
            files = [rows[key] for key in sorted(rows)]
            sizes = [row["bytes"] for row in files if "bytes" in row]
            before[path.name] = {
                "raw_bytes": image.raw_bytes,
                "monotonic": sizes == sorted(sizes),
                "files": files,
            }
            OUT.write_text(
                json.dumps({"effort": options.effort, "images": before}, indent=1) + "\n"
            )


if __name__ == "__main__":
    main()
