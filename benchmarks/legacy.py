"""The authors' own networks, quantised and coded: bytes, and quality against their own decode.

python benchmarks/legacy.py FOLDER_OF_PICKLES   (takes minutes: each is decoded whole once)
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from record import save

from inif.axes import coordinates
from inif.encode.siren.convert import convert
from inif.legacy import read_legacy

POINTS = 200_000


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("folder", type=Path)
    rows = [one(path) for path in sorted(options.parse_args().folder.glob("*.pkl"))]
    print(save("legacy", {"rows": rows}))


def one(path: Path) -> dict[str, float | int | str]:
    """Convert one network; judge it on voxels that the conversion did not look at."""
    network = read_legacy(path)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        file = convert(path, Path(folder) / "c.inif")
        seconds = time.perf_counter() - start
        rng = np.random.default_rng(12345)
        index = np.stack([rng.integers(0, n, POINTS) for n in network.shape], axis=1)
        coords = np.stack([coordinates(n, index[:, i]) for i, n in enumerate(network.shape)])
        span = network.high - network.low
        own = (file.field.points(network.groups, coords)[0].astype(np.float64) + 1) / 2 * span
        got = file.points(index).astype(np.float64) - network.low
        error = float(np.mean((got - np.clip(own, 0, span)) ** 2))
        row: dict[str, float | int | str] = {
            "file": path.name,
            "pickle_bytes": path.stat().st_size,
            "inif_bytes": file.file_bytes,
            "psnr_to_own_decode": round(10 * np.log10(span**2 / error), 2),
            "seconds": round(seconds, 1),
        }
        file.close()
    print(row, flush=True)
    return row


if __name__ == "__main__":
    main()
