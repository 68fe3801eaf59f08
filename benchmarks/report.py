"""Time of the default report, and of the quick one, on images of three kinds.

python benchmarks/report.py [--before SRC]    (needs INIF_DATA)

`SRC` is the `src` folder of an earlier version, whose default report is timed beside. The decoded
image is the original, smoothed: no time is spent on decoding. Seconds are those of the processor.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from typing import Any

from record import data_dir, save

IMAGES = (
    "hipsc_dna_zyx_u16.ome.tif",
    "mitosis_tzcyx_u16.ome.tif",
    "microtubules_zyx_u8.ome.tif",
)
REPEATS = 2
TIME = """
import sys, time
import numpy as np
import inif
from inif.io import read_image
image = read_image(sys.argv[1])
data = image.data.astype(np.float32)
wide = np.pad(data, [(0, 0)] * (data.ndim - 2) + [(1, 1)] * 2, mode="edge")
rows, columns = data.shape[-2:]
parts = [wide[..., i : i + rows, j : j + columns] for i in range(3) for j in range(3)]
decoded = np.rint(sum(parts) / 9).astype(image.data.dtype)
options = {"quick": True} if "quick" in sys.argv[2] else {}
start = time.process_time()
inif.evaluate(image, decoded, axes=image.axes, **options)
print(time.process_time() - start, image.data.nbytes)
"""


def seconds(path: str, options: dict[str, Any], src: str | None) -> tuple[float, int]:
    """Best of some runs of one report, each in a process of its own, and the image's bytes."""
    env = dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    if src is not None:
        env["PYTHONPATH"] = src
    found = []
    for _ in range(REPEATS):
        command = [sys.executable, "-c", TIME, path, repr(options)]
        words = subprocess.run(command, env=env, check=True, capture_output=True).stdout.split()
        found.append((float(words[0]), int(words[1])))
    return min(found)


def main() -> None:
    """Time every image and keep the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", metavar="SRC")
    before = parser.parse_args().before
    folder = data_dir()
    results = []
    for name in IMAGES:
        took, size = seconds(str(folder / name), {}, None)
        row: dict[str, Any] = {"image": name, "bytes": size, "default_seconds": round(took, 2)}
        row["quick_seconds"] = round(seconds(str(folder / name), {"quick": True}, None)[0], 2)
        if before is not None:
            row["before_seconds"] = round(seconds(str(folder / name), {}, before)[0], 2)
        results.append(row)
        print(row, flush=True)
    save("report", {"processor_seconds": results})


if __name__ == "__main__":
    main()
