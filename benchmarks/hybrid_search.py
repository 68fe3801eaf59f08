"""What the simple rate control of hybrids costs against the patient search of before.

python benchmarks/hybrid_search.py BEFORE    (needs INIF_DATA; goes on where it stopped)

BEFORE is the ``src`` folder of a checkout of commit 9d27bd7, built. Files of the default effort at
four ratios; the settings were chosen on half of the images, the other half is what is reported.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from record import data_dir, load, save

import inif

CHOSEN_ON = ("brain", "cellpainting", "mitosis")
REPORTED = ("codex", "hipsc", "vesicles")
RATIOS = (32, 64, 128, 256)

WORK = """
import json, resource, sys, time
import inif
from inif.io import read_image
image = read_image(sys.argv[1])
begun, cpu = time.perf_counter(), time.process_time()
file = inif.compress(image, ratio=float(sys.argv[2]), effort=3, method="hybrid")
cpu, seconds = time.process_time() - cpu, time.perf_counter() - begun
print(json.dumps({
    "psnr": file.header["lossy"]["psnr"],
    "bytes": file.file_bytes,
    "cpu_s_per_mb": round(cpu / image.raw_bytes * 1e6, 2),
    "s_per_mb": round(seconds / image.raw_bytes * 1e6, 2),
}))
"""


def main() -> None:
    folder = data_dir()
    roots = {"before": Path(sys.argv[1]), "now": Path(inif.__file__).parents[1]}
    rows: dict[str, Any] = load("hybrid_search").get("files", {})
    for name in (*CHOSEN_ON, *REPORTED):
        (path,) = folder.glob(f"{name}*")
        for ratio in RATIOS:
            for which, root in roots.items():
                key = f"{name} {ratio} {which}"
                if key not in rows:
                    rows[key] = made(root, path, ratio)
                    print(key, rows[key], flush=True)
    halves = {"chosen on": CHOSEN_ON, "reported": REPORTED}
    found = {half: {name: compared(rows, name) for name in names} for half, names in halves.items()}
    print(save("hybrid_search", {"images": found, "files": rows}))


def made(root: Path, path: Path, ratio: float) -> dict[str, Any]:
    """A file by one version of inif, in a process of its own."""
    words = [sys.executable, "-c", WORK, str(path), str(ratio)]
    done = subprocess.run(
        words, env=os.environ | {"PYTHONPATH": str(root)}, stdout=subprocess.PIPE, check=True
    )
    out: dict[str, Any] = json.loads(done.stdout)
    return out


def compared(rows: dict[str, Any], name: str) -> dict[str, float]:
    """Bytes at equal PSNR against before, in per cent, and processor seconds per raw MB of both."""
    curves = {}
    for which in ("before", "now"):
        own = [rows[f"{name} {ratio} {which}"] for ratio in RATIOS]
        curves[which] = sorted((row["psnr"], np.log2(row["bytes"])) for row in own)
    ends = [(curve[0][0], curve[-1][0]) for curve in curves.values()]
    at = np.linspace(max(low for low, _ in ends), min(high for _, high in ends), 50)
    logs = {which: np.interp(at, *zip(*curve, strict=True)) for which, curve in curves.items()}
    more = float(np.mean(logs["now"] - logs["before"]))
    seconds = {
        which: float(np.mean([rows[f"{name} {r} {which}"]["cpu_s_per_mb"] for r in RATIOS]))
        for which in curves
    }
    return {
        "bytes_percent": round(100 * (2**more - 1), 1),
        **{f"{which}_cpu_s_per_mb": round(value, 2) for which, value in seconds.items()},
    }


if __name__ == "__main__":
    main()
