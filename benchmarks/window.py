"""Random sizes and ratios, with real files: all inside the window.

    python benchmarks/window.py [--count 1000] [--seconds 1200]

Small images of random shapes, axes and sample types, by random methods: files of hundreds of bytes
are the hard ones. Written to benchmarks/results/window.json.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

import inif
from inif.errors import BudgetError, RemarkWarning

OUT = Path(__file__).parent / "results" / "window.json"
AXES = ("YX", "ZYX", "CYX", "TCYX")
DTYPES = ("uint8", "uint16", "int16", "float32")
METHODS: tuple[tuple[dict[str, Any], float], ...] = (
    ({"method": "latent"}, 0.4),
    ({"method": "auto"}, 0.05),
    ({"codec": "av1"}, 0.08),
    ({"codec": "jpeg2000"}, 0.32),
    ({"codec": "hevc"}, 0.04),
    ({"codec": "jpegxl"}, 0.1),
    ({"method": "siren", "optimizer": "adam", "settings": {"steps": 8, "points": 128}}, 0.01),
)


def image_of(rng: np.random.Generator) -> tuple[np.ndarray, str]:
    """Smooth shapes and some noise."""
    axes = str(rng.choice(AXES))
    shape = [int(rng.integers(40, 160)) if a in "YX" else int(rng.integers(1, 5)) for a in axes]
    grids = np.meshgrid(*(np.linspace(0, 1, n) for n in shape), indexing="ij")
    wave = sum(rng.normal() * np.sin(rng.uniform(1, 12) * g + rng.uniform(0, 6)) for g in grids)
    wave = wave + rng.uniform(0, 0.5) * rng.normal(size=shape)
    wave = (wave - wave.min()) / np.ptp(wave)
    dtype = np.dtype(str(rng.choice(DTYPES)))
    most = {"uint8": 255, "uint16": 4000, "int16": 3000, "float32": 1}[dtype.name]
    return (wave * most).astype(dtype), axes


def tried(rng: np.random.Generator) -> dict[str, Any]:
    """One random file: what was asked for, and whether it is inside."""
    data, axes = image_of(rng)
    shares = [share for _, share in METHODS]
    method = METHODS[int(rng.choice(len(METHODS), p=shares))][0]
    ratio = round(float(np.exp(rng.uniform(np.log(2), np.log(max(3.0, data.nbytes / 350))))), 3)
    by_size = rng.random() < 0.3
    size = max(1, int(data.nbytes / ratio))
    target: dict[str, Any] = {"size": size} if by_size else {"ratio": ratio}
    row = {"raw": data.nbytes, "axes": axes, "dtype": data.dtype.name, **target, "how": method}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RemarkWarning)
        try:
            file = inif.compress(data, axes=axes, effort=1, **target, **method)
        except BudgetError as error:
            return {**row, "refused": error.problem}
    made = file.file_bytes
    if by_size:
        inside = made <= size and made * 101 >= size * 100
    else:
        inside = ratio <= data.nbytes / made <= 1.01 * ratio
    exact = file.header["lossy"]["max_error"] == 0
    return {**row, "bytes": made, "exact": exact, "inside": inside or (exact and made <= size)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng, begin = np.random.default_rng(options.seed), time.monotonic()
    rows: list[dict[str, Any]] = []
    refused: Counter[str] = Counter()
    while len(rows) < options.count and time.monotonic() - begin < options.seconds:
        row = tried(rng)
        if "refused" in row:
            refused[row["refused"]] += 1
            continue
        rows.append(row)
        if not row["inside"]:
            print("outside:", row, flush=True)
        if len(rows) % 50 == 0:
            print(len(rows), sum(r["inside"] for r in rows), dict(refused), flush=True)
    result = {
        "files": len(rows),
        "inside": sum(row["inside"] for row in rows),
        "exact and smaller": sum(row["exact"] for row in rows),
        "below 1000 bytes": sum(row["bytes"] < 1000 for row in rows),
        "smallest": min(row["bytes"] for row in rows),
        "refused before any work": dict(refused),
        "outside": [row for row in rows if not row["inside"]],
    }
    OUT.write_text(json.dumps(result, indent=1) + "\n")
    print(result)


if __name__ == "__main__":
    main()
