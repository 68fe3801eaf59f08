"""Hybrid files: effort 1 against rivals' searches, a slice against the whole, 1 thread against 2.

python benchmarks/hybrid.py            (needs INIF_DATA; on a machine with nothing else to do)
python benchmarks/hybrid.py --access   only a slice against the whole, the rest as it was
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from record import clock, data_dir, images, load, save

import inif
from inif.image import Image
from inif.io import read_image
from inif.metrics.fidelity import channel_ranges
from inif_bench.arms import find_arms
from inif_bench.arms.base import Options

RIVALS = ("av1", "hevc")
THREADS = 2
RATIO, RATIO_8BIT = 128, 64
STACK = "hipsc_dna_zyx_u16.ome.tif"
REPEATS = 3

DECODE = """
import os, sys
import numpy as np
os.cpu_count = lambda: int(sys.argv[1])
import inif
from threadpoolctl import threadpool_limits
with threadpool_limits(int(sys.argv[1])), inif.open(sys.argv[2]) as file:
    np.save(sys.argv[3], np.asarray(file))
"""


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--access", action="store_true", help="only a slice against the whole")
    folder = data_dir()
    if options.parse_args().access:
        rows = load("hybrid")["images"]
    else:
        rows = [measured(path) for path in images(folder)]
    body = {"ratio": RATIO, "ratio_8bit": RATIO_8BIT, "images": rows, "access": access(folder)}
    print(save("hybrid", body))


def measured(path: Path) -> dict[str, Any]:
    """Effort 1 of an image beside the searches of the rivals, and its decode by 1 and 2 threads."""
    image = read_image(path)
    ratio = RATIO_8BIT if image.data.dtype == np.uint8 else RATIO
    searches = {name: searched(name, image, ratio) for name in RIVALS}
    with tempfile.TemporaryDirectory() as work:
        target = Path(work) / "a.inif"
        seconds = clock(
            lambda: inif.compress(path, out=target, overwrite=True, ratio=ratio, effort=1).close()
        )
        decoded = [threaded(target, n, Path(work)) for n in (1, THREADS)]
    apart = np.abs(decoded[0].astype(np.float64) - decoded[1]).max()
    row = {
        "image": path.name,
        "effort1_s": round(seconds, 2),
        **{f"{name}_search_s": round(s, 2) for name, s in searches.items()},
        "times": round(seconds / max(searches.values()), 2),
        "threads_differ": float(apart),
    }
    print(row, flush=True)
    return row


def searched(name: str, image: Image, ratio: float) -> float:
    """Seconds that a rival takes to find the file of a ratio."""
    (arm,) = find_arms([name])
    session = arm.start(image, channel_ranges(image.data, image.axes), Options(threads=THREADS))
    return clock(lambda: session.encode(int(image.raw_bytes / ratio)))


def threaded(path: Path, threads: int, work: Path) -> np.ndarray:
    """The whole image, decoded by a process of its own with so many threads."""
    out = work / f"{threads}.npy"
    command = [sys.executable, "-c", DECODE, str(threads), str(path), str(out)]
    subprocess.run(command, check=True)
    return np.load(out)


def access(folder: Path) -> dict[str, float]:
    """One slice and the whole of a stack, each from a file just opened."""
    with tempfile.TemporaryDirectory() as work:
        target = Path(work) / "a.inif"
        inif.compress(folder / STACK, out=target, ratio=RATIO).close()
        part, whole, again = [], [], []
        for _ in range(REPEATS):
            with inif.open(target) as file:
                part.append(clock(lambda f=file: f[32]))
                again.append(clock(lambda f=file: f[33]))
            with inif.open(target) as file:
                whole.append(clock(lambda f=file: np.asarray(f)))
    return {
        "slice_of_60_ms": round(1e3 * min(part), 1),
        "next_slice_ms": round(1e3 * min(again), 1),
        "whole_ms": round(1e3 * min(whole), 1),
        "slice_share": round(min(part) / min(whole), 3),
    }


if __name__ == "__main__":
    main()
