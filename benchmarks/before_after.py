"""Two versions of inif on the same images: bytes, quality and processor time, run by turns.

python benchmarks/before_after.py BEFORE AFTER --save    # folders of two checkouts
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from record import data_dir, save

IMAGES = (
    "hipsc_dna_zyx_u16",
    "mitosis_tzcyx_u16",
    "bpae_pair_avg_cyx_u8",
    "microtubules_zyx_u8",
)
"""A noisy stack, a movie of several channels, planes of several channels, a stack of 8 bits."""


def measured(checkout: Path, image: Path, ratio: float, effort: int) -> dict[str, float]:
    """One file by one version, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        words = ["compress", str(image), "-o", f"{folder}/out.inif", "--ratio", f"{ratio:g}"]
        words += ["--effort", str(effort), "--json", "--quiet"]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [sys.executable, "-m", "inif", *words],
            env={**os.environ, "PYTHONPATH": str(checkout / "src")},
            stdout=subprocess.PIPE,
            check=True,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    facts = json.loads(done.stdout)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    megabytes = facts["raw_bytes"] / 1e6
    return {
        "bytes": facts["file_bytes"],
        "psnr": round(facts["psnr"], 3),
        "processor_seconds_per_mb": round(spent / megabytes, 3),
        "seconds_per_mb": round(facts["seconds"] / megabytes, 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--ratio", type=float, default=128)
    parser.add_argument("--effort", type=int, default=3)
    parser.add_argument("--save", action="store_true")
    args = parser.parse_args()
    folder, rows = data_dir(), {}
    for name in IMAGES:
        image = folder / f"{name}.ome.tif"
        rows[name] = {
            version: measured(checkout, image, args.ratio, args.effort)
            for version, checkout in (("before", args.before), ("after", args.after))
        }
        print(name, rows[name], flush=True)
    if args.save:
        save("before_after", {"ratio": args.ratio, "effort": args.effort, "images": rows})


if __name__ == "__main__":
    main()
