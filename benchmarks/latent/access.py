"""What an overview and a slice of a latent field cost, beside the whole.

    INIF_DATA=/path/to/images python benchmarks/latent/access.py [--image hipsc_dna] [--keep FOLDER]

The first stack of that name is tiled to 60 × 1024 × 1024 samples. Seconds are of this process's
processors; bytes are those that a file object was asked for. Written to
benchmarks/results/latent_access.json.
"""

from __future__ import annotations

import argparse
import io
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from record import data_dir, images, load, save

import inif
from inif.io import read_image

SHAPE = (60, 1024, 1024)


class Counted(io.BytesIO):
    """A file object that counts what is read of it."""

    asked, calls = 0, 0

    def read(self, size: int | None = -1, /) -> bytes:
        """See `io.BytesIO`."""
        data = super().read(size)
        self.asked += len(data)
        self.calls += 1
        return data


def tiled(data: np.ndarray) -> np.ndarray:
    """A stack (Z, Y, X) side by side with its mirror images, cut to `SHAPE`."""
    for axis, n in enumerate(SHAPE):
        parts = [np.flip(data, axis) if i % 2 else data for i in range(-(-n // data.shape[axis]))]
        data = np.concatenate(parts, axis)
        data = data.take(range(n), axis)
    return np.ascontiguousarray(data)


def cost(data: bytes, call: Callable[[inif.File], Any]) -> dict[str, Any]:
    """Seconds and bytes of a call on a file that was just opened."""
    source = Counted(data)
    begun, wall = time.process_time(), time.perf_counter()
    with inif.open(source) as file:
        call(file)
        row = {"cpu_s": time.process_time() - begun, "s": time.perf_counter() - wall}
    return row | {"bytes": source.asked, "reads": source.calls}


def main() -> None:
    """One stack, at each ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--image", default="hipsc_dna")
    parser.add_argument("--ratios", type=float, nargs="*", default=[128.0])
    parser.add_argument("--keep", type=Path, help="where files are kept, to measure them again")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    path = next(p for p in images(data_dir()) if p.name.startswith(given.image))
    stack = tiled(np.squeeze(read_image(path).data).reshape(-1, *read_image(path).data.shape[-2:]))
    out = load("latent_access").get("runs", {})
    for ratio in given.ratios:
        kept = given.keep / f"{given.image}_{ratio:g}.inif" if given.keep else None
        if kept and kept.is_file():
            data = kept.read_bytes()
        else:
            data = inif.compress(stack, axes="ZYX", method="latent", ratio=ratio).to_bytes()
            if kept:
                kept.write_bytes(data)
        calls: dict[str, Callable[[inif.File], Any]] = {
            "whole": np.asarray,
            "eighth": lambda f: f.preview(SHAPE[1] // 8),
            "quarter": lambda f: f.preview(SHAPE[1] // 4),
            "slice": lambda f: f[30],
            "two slices": lambda f: (f[30], f[31]),
            "corner of a slice": lambda f: f[30, :256, :256],
        }
        inif.open(data)[0, :8, :8]  # tables are loaded
        rows = {name: cost(data, call) for name, call in calls.items()}
        for row in rows.values():
            row["share"] = round(row["cpu_s"] / rows["whole"]["cpu_s"], 4)
        mega = stack.nbytes / 1e6
        rows["whole"]["MB_per_cpu_s"] = mega / rows["whole"]["cpu_s"]
        out[f"{path.name.removesuffix('.ome.tif')}, {ratio:g}"] = {"file": len(data), "cost": rows}
        for name, row in rows.items():
            print(name, {k: round(v, 4) for k, v in row.items()}, flush=True)
        save("latent_access", {"shape": SHAPE, "runs": out})


if __name__ == "__main__":
    main()
