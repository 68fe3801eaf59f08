"""What guides gain in a latent field, at the same bytes, by the judges of benchmarks/guidance.py.

    INIF_DATA=/path/to/images python benchmarks/latent/guidance.py [names]

Figures of nuclei and spots are means over several budgets, see there. Written to
benchmarks/results/latent_guidance.json; goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from guidance import LINES, NUCLEI, figures, mean, rounded
from record import RESULTS, data_dir, save

import inif
from inif.image import Image
from inif.io import read_image
from inif.metrics.fidelity import channel_ranges, psnr
from inif.metrics.tasks.by_name import parse_tasks
from inif.metrics.tasks.run import measure, prepare

NAME = "latent_guidance"
AROUND = (-1, 0, 1)
"""Per cent around a budget."""

CASES = (
    ("microtubules_zyx_u8", "filaments", (128, 256), LINES),
    ("bpae_pair_avg_cyx_u8", "filaments", (64, 128), LINES),
    ("nuclei_pair_high_yx_u16", "blobs", (256, 512), NUCLEI),
    ("hipsc_dna_zyx_u16", "blobs", (256, 512), NUCLEI),
    ("speckles_h2ax_cyx_u16", "blobs:sigma=2", (256, 512), ("spots",)),
)
KEPT = ("iou", "f1", "recall")


def main() -> None:
    """Every case asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="beginnings of names; all if there are none")
    names = parser.parse_args().names
    out = RESULTS / f"{NAME}.json"
    rows: dict[str, Any] = json.loads(out.read_text())["rows"] if out.is_file() else {}
    for image, guide, ratios, tasks in CASES:
        if names and not any(image.startswith(name) for name in names):
            continue
        original = read_image(data_dir() / f"{image}.ome.tif")
        around = (0,) if guide == "filaments" else AROUND
        for ratio in ratios:
            key = f"{image} {ratio} {guide}"
            if key not in rows:
                sizes = [original.raw_bytes * (100 + p) // (100 * ratio) for p in around]
                rows[key] = mean([judged(original, size, guide, tasks) for size in sizes])
                print(key, json.dumps(rows[key]), flush=True)
                save(NAME, {"rows": rows})


def judged(image: Image, size: int, guide: str, tasks: tuple[str, ...]) -> dict[str, Any]:
    """Both files at one size: bytes, seconds, and what the judges say of each channel."""
    out: dict[str, Any] = {}
    ranges = channel_ranges(image.data, image.axes)
    ready = prepare(parse_tasks(tasks), image.axes, image.data.shape)
    decoded = []
    for arm, guides in (("unguided", ()), ("guided", (guide,))):
        begin = time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # an idle guide would make the comparison empty
            file = inif.compress(image, size=size, method="latent", guide=guides)
        seconds = round(time.process_time() - begin, 1)
        decoded.append(np.asarray(file))
        fidelity = rounded(psnr(image.data, decoded[-1], image.axes, ranges).pooled)
        out[arm] = {"bytes": file.file_bytes, "encode_cpu_s": seconds, "psnr": fidelity}
    outcome = measure(ready, image.data, decoded, image.axes, ranges)
    for arm, results in zip(("unguided", "guided"), outcome, strict=True):
        for task, result in zip(tasks, results, strict=True):
            out[arm][task] = [
                {k: rounded(v) for k, v in figures(one).items() if k in KEPT}
                for one in result.channels
            ]
    return out


if __name__ == "__main__":
    main()
