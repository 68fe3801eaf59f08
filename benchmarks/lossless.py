"""Bytes of exact samples: our lossless files beside JPEG XL and zstd as they are usually run.

INIF_DATA=folder python benchmarks/lossless.py [--effort 3] [--only NAME …]

Images already in the result file are kept unless --again is given. JPEG XL: plane by plane, its
default effort 7, codestreams alone. Zstd: the whole image after a byte shuffle, level 9.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from record import data_dir, images, load, save

import inif
from inif.io import read_image

JXL_EFFORT = 7
LEVELS = (9,)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--effort", type=int, default=3)
    options.add_argument("--only", nargs="*", default=[])
    options.add_argument("--again", action="store_true")
    args = options.parse_args()
    runs: dict[str, Any] = {} if args.again else load("lossless").get("runs", {})
    for path in images(data_dir()):
        wanted = not args.only or any(part in path.name for part in args.only)
        if wanted and path.name not in runs:
            runs[path.name] = one(path, args.effort)
            print(path.name, runs[path.name], flush=True)
            body = {"effort": args.effort, **settings(), **summary(runs), "runs": runs}
            print(save("lossless", body))


def settings() -> dict[str, Any]:
    """How the rivals are run."""
    return {
        "rivals": {
            "jpegxl": f"plane by plane, lossless, effort {JXL_EFFORT}",
            **{f"zstd_{n}": f"whole image, byte shuffle, level {n}" for n in LEVELS},
        },
        "imagecodecs": imagecodecs.__version__,
    }


def one(path: Path, effort: int) -> dict[str, Any]:
    """Sizes of one image; ours is decoded again and compared."""
    image = read_image(path)
    data = image.data
    begin = time.perf_counter()
    file = inif.compress(image, lossless=True, effort=effort)
    encode = time.perf_counter() - begin
    begin = time.perf_counter()
    decoded = file[...]
    decode = time.perf_counter() - begin
    middle = [
        slice(None) if a in "YX" else n // 2 for a, n in zip(image.axes, data.shape, strict=True)
    ]
    again = inif.open(file.to_bytes())
    begin = time.perf_counter()
    again[tuple(middle)]
    plane = time.perf_counter() - begin
    planes = np.moveaxis(data, [image.axes.index(a) for a in "YX"], [-2, -1])
    shuffled = (
        np.ascontiguousarray(data).view(np.uint8).reshape(-1, data.dtype.itemsize).T.tobytes()
    )
    return {
        "raw": data.nbytes,
        "inif": file.file_bytes,
        "jpegxl": sum(len(jpegxl(plane)) for plane in planes.reshape(-1, *planes.shape[-2:])),
        **{f"zstd_{n}": len(imagecodecs.zstd_encode(shuffled, n)) for n in LEVELS},
        "codecs": file.header["lossless"]["codecs"],
        "exact": bool(np.array_equal(decoded, data)),
        "encode_s": round(encode, 2),
        "decode_s": round(decode, 2),
        "plane_s": round(plane, 3),
        "planes": int(np.prod(planes.shape[:-2])),
    }


def jpegxl(plane: np.ndarray) -> bytes:
    """One plane as JPEG XL."""
    plane = np.ascontiguousarray(plane)
    return bytes(
        imagecodecs.jpegxl_encode(plane, lossless=True, effort=JXL_EFFORT, usecontainer=False)
    )


def summary(runs: dict[str, Any]) -> dict[str, Any]:
    """Geometric means of the ratios."""
    names = ("inif", "jpegxl", *(f"zstd_{n}" for n in LEVELS))
    means = {
        name: round(float(np.exp(np.mean([np.log(r["raw"] / r[name]) for r in runs.values()]))), 3)
        for name in names
    }
    return {
        "images": len(runs),
        "ratios": means,
        "all_exact": all(r["exact"] for r in runs.values()),
    }


if __name__ == "__main__":
    main()
