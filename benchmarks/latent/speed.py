"""Seconds that latent fields take, everything included: the best of some runs of each.

    INIF_DATA=/path/to/images python benchmarks/latent/speed.py [names]

Encoding at effort 1 (`--method latent`) and by default (`--method auto`, effort 3), decoding the
whole, at 128×, with all cores. Written to benchmarks/results/latent_speed.json.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from record import data_dir, images, save

import inif
from inif.io import read_image

RATIO, RUNS = 128.0, 3


def best(task: Callable[[], Any], runs: int = RUNS) -> tuple[Any, float, float]:
    """A result, and seconds of the wall and of processors, of the fastest run."""
    found = None
    for _ in range(runs):
        wall, cpu = time.perf_counter(), time.process_time()
        result = task()
        spent = time.perf_counter() - wall, time.process_time() - cpu
        if found is None or spent[0] < found[1]:
            found = (result, *spent)
    assert found is not None
    return found


def measured(path: Path) -> dict[str, Any]:
    """The figures of an image."""
    image = read_image(path)
    mega = image.raw_bytes / 1e6
    row: dict[str, Any] = {"megabytes": round(mega, 2)}
    ways = {"effort 1": ("latent", 1), "default": ("auto", 3)}
    for name, (method, effort) in ways.items():

        def encode(method: str = method, effort: int = effort) -> inif.File:
            return inif.compress(image, ratio=RATIO, method=method, effort=effort)

        file, wall, cpu = best(encode)
        data = file.to_bytes()

        def decode(data: bytes = data) -> np.ndarray:
            with inif.open(data) as opened:
                return np.asarray(opened)

        _, decoding, decoding_cpu = best(decode)
        row[name] = {
            "method": file.header["lossy"]["method"],
            "encode s/MB": round(wall / mega, 3),
            "encode cpu s/MB": round(cpu / mega, 3),
            "decode MB/s": round(mega / decoding, 1),
            "decode cpu s/MB": round(decoding_cpu / mega, 4),
        }
    return row


def main() -> None:
    """Every image asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="beginnings of names; all if there are none")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    rows = {}
    for path in images(data_dir()):
        name = path.name.removesuffix(".ome.tif")
        if given.names and not any(name.startswith(part) for part in given.names):
            continue
        rows[name] = measured(path)
        print(name, rows[name], flush=True)
    save("latent_speed", {"ratio": RATIO, "best of": RUNS, "images": rows})


if __name__ == "__main__":
    main()
