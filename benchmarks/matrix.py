"""Every image at every ratio: exact budgets, whole round trips, quality and time.

INIF_DATA=folder python benchmarks/matrix.py [--effort 1] [--only NAME …]
8-bit images at 32 to 256, others at 64 to 512. Runs already in the result file are kept unless
--again is given, so an interrupted study goes on where it stopped.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from record import data_dir, images, load, save

import inif
from inif.io import read_image, write_image
from inif.metrics.fidelity import fidelity


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--effort", type=int, default=1)
    options.add_argument("--only", nargs="*", default=[])
    options.add_argument("--ratios", nargs="*", type=int)
    options.add_argument("--again", action="store_true")
    args = options.parse_args()
    name = f"matrix_effort{args.effort}"
    runs: dict[str, Any] = {} if args.again else load(name).get("runs", {})
    for path in images(data_dir()):
        if args.only and not any(part in path.name for part in args.only):
            continue
        image = read_image(path)
        ratios = args.ratios or (
            (32, 64, 128, 256) if image.data.dtype.itemsize == 1 else (64, 128, 256, 512)
        )
        for ratio in ratios:
            key = f"{path.name} {ratio}"
            if key in runs:
                continue
            runs[key] = one(path, ratio, args.effort)
            print(key, runs[key], flush=True)
            save(name, {"method": "siren", "effort": args.effort, **summary(runs), "runs": runs})
    print(save(name, {"method": "siren", "effort": args.effort, **summary(runs), "runs": runs}))


def one(path: Path, ratio: int, effort: int) -> dict[str, Any]:
    """Compress, decompress to OME-TIFF, read back, compare."""
    image = read_image(path)
    start = time.perf_counter()
    file = inif.compress(path, ratio=ratio, method="siren", effort=effort)
    encode = time.perf_counter() - start
    start = time.perf_counter()
    decoded = file.to_image()
    decode = time.perf_counter() - start
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "decoded.ome.tif"
        write_image(decoded, target)
        back = read_image(target)
    score = fidelity(image.data, decoded.data, image.axes)
    psnr = score.psnr.pooled
    return {
        "ratio": round(file.ratio, 3),
        "exact": ratio <= file.ratio <= 1.01 * ratio,
        "file_bytes": file.file_bytes,
        "psnr": round(psnr, 3) if np.isfinite(psnr) else None,
        "ssim": None if score.ssim.mean is None else round(score.ssim.mean, 4),
        "encode_s": round(encode, 1),
        "decode_s": round(decode, 2),
        "bricks": len(file.grid),
        "width": file.header["field"]["width"],
        "channels": file.header["field"].get("channels"),
        "same_samples": bool(np.array_equal(back.data, decoded.data)),
        "same_shape_dtype_axes": (back.data.shape, back.data.dtype, back.axes)
        == (image.data.shape, image.data.dtype, image.axes),
        "same_metadata": back.meta.to_json() == image.meta.to_json(),
    }


def summary(runs: dict[str, Any]) -> dict[str, Any]:
    """Counts over all runs."""
    kept = list(runs.values())
    checks = ("exact", "same_samples", "same_shape_dtype_axes", "same_metadata")
    return {
        "count": len(kept),
        **{f"all_{c}": all(r[c] for r in kept) for c in checks},
        "mean_psnr": round(float(np.mean([r["psnr"] for r in kept])), 3),
    }


if __name__ == "__main__":
    main()
