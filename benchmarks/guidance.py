"""What guidance gains: guided against unguided and against HEVC at the same bytes, by other judges.

Filaments and nuclei by segmenters that are not those that guide (and, for filaments, by the guiding
filter as well); a noisy exposure against the clean one of the same field. The shipped start of
the hybrid's field is always one that did not learn from the image. Where HEVC has no file between
its steps, all arms get the bytes of its own. A few bytes more or less change which nuclei are found
by more than guides do, so nuclei are means over several budgets, and the unguided file is as
much smaller as the guide's name takes, which gives both the same streams.

INIF_DATA=folder python benchmarks/guidance.py
"""

from __future__ import annotations

import argparse
import json
import os
import time
import warnings
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from record import RESULTS, data_dir, load, save

import inif
from inif.encode.siren.plan import header_bytes
from inif.guidance import filaments
from inif.image import Image
from inif.io import read_image
from inif.metrics.fidelity import channel_ranges, psnr
from inif.metrics.tasks.by_name import parse_tasks
from inif.metrics.tasks.mask import overlap
from inif.metrics.tasks.run import measure, prepare
from inif_bench.arms import find_arms
from inif_bench.arms.base import Options
from inif_bench.unseen import unseen

NAME = "guidance"
EFFORT, EFFORT_FIELD = 3, 1
"""Of hybrids, and of pure fields, which take minutes even so."""

LINES = ("mask:tophat", "mask:ridge", "mask:ridge,sigma=1")
FINE = 1.0
"""Scale in samples at which the guiding filter itself judges: half of that at which it guides."""

NUCLEI = ("objects:otsu", "objects:otsu,sigma=1", "objects:otsu,sigma=4")
AROUND = (-2, -1, 0, 1, 2)
"""Per cent around a budget at which nuclei are counted."""

CLEAN = "nuclei_pair_high_yx_u16.ome.tif"
NOISY = ("clean:{folder}/" + CLEAN, "noise")

Case = tuple[str, str, tuple[int, ...], tuple[str, ...]]
CASES: tuple[Case, ...] = (
    ("microtubules_zyx_u8", "filaments", (128, 256), LINES),
    ("bpae_pair_avg_cyx_u8", "filaments", (64, 128), LINES),
    ("cellpainting_6ch_cyx_u16", "filaments", (128, 256), LINES),
    ("hipsc_dna_zyx_u16", "blobs", (256, 512), NUCLEI),
    ("nuclei_pair_high_yx_u16", "blobs", (256, 512), NUCLEI),
    ("speckles_h2ax_cyx_u16", "blobs", (256, 512), (*NUCLEI, "spots")),
    ("nuclei_pair_low_yx_u16", "perceptual:{folder}/" + CLEAN, (64, 128, 256), NOISY),
    ("nuclei_pair_low_yx_u16", "perceptual", (64, 128, 256), NOISY),
)
FIELDS: tuple[Case, ...] = (("microtubules_zyx_u8", "filaments", (128, 256), LINES),)
"""Cases for the pure field as well."""


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--images", nargs="*", help="parts of names")
    options.add_argument("--fields", action="store_true", help="pure fields instead of hybrids")
    options.add_argument("--again", action="store_true", help="run rows again that are there")
    options.add_argument("--out", type=Path, default=RESULTS / f"{NAME}.json")
    args = options.parse_args()
    folder = data_dir()
    before = json.loads(args.out.read_text()) if args.out.exists() else load(NAME)
    rows: dict[str, Any] = before.get("rows", {})
    for image, guide, ratios, tasks in FIELDS if args.fields else CASES:
        path = folder / f"{image}.ome.tif"
        chosen = args.images is None or any(n in image for n in args.images)
        if not path.exists() or not chosen:
            continue
        for ratio in ratios:
            key = f"{image} {ratio} {'siren' if args.fields else 'hybrid'} {guide.split('/')[0]}"
            if key in rows and not args.again:
                continue
            begin = time.monotonic()
            rows[key] = row(path, guide, ratio, tasks, "siren" if args.fields else "hybrid")
            print(f"{key}: {time.monotonic() - begin:.0f} s", flush=True)
            save(NAME, {"effort": EFFORT, "rows": rows}, args.out)
    print(save(NAME, {"effort": EFFORT, "rows": rows}, args.out))


def row(path: Path, guide: str, ratio: int, tasks: Sequence[str], method: str) -> dict[str, Any]:
    """All arms of one image at one ratio: bytes, seconds, and what the judges say."""
    budget = read_image(path).raw_bytes // ratio
    if guide != "blobs":
        return judged(path, guide, budget, tasks, method)
    return mean([judged(path, guide, budget * (100 + p) // 100, tasks, method) for p in AROUND])


def mean(parts: list[Any]) -> Any:
    """The mean of numbers in alike nested structures; None where one is missing."""
    first = parts[0]
    if isinstance(first, dict):
        return {k: mean([p[k] for p in parts]) for k in first if all(k in p for p in parts)}
    if isinstance(first, list):
        return [mean(list(each)) for each in zip(*parts, strict=True)]
    return None if None in parts else rounded(float(np.mean(parts)))


def judged(
    path: Path, guide: str, budget: int, tasks: Sequence[str], method: str
) -> dict[str, Any]:
    """All arms at one budget."""
    image, folder = read_image(path), str(path.parent)
    named = tuple(t.format(folder=folder) for t in tasks)
    versions = {}
    if method == "hybrid":
        versions["hevc"] = rival(path, budget)
        budget = min(budget, versions["hevc"][1])
    guided = compressed(path, budget, method, guide.format(folder=folder))
    first = compressed(path, budget, method)
    more = header_bytes(guided[3]) - header_bytes(first[3])
    versions["unguided"] = compressed(path, budget - more, method)[:3]
    versions["guided"] = guided[:3]
    arms: dict[str, dict[str, Any]] = {
        name: {"bytes": size, "seconds": seconds} for name, (_, size, seconds) in versions.items()
    }
    decoded = [data for data, *_ in versions.values()]
    ranges = channel_ranges(image.data, image.axes)
    ready = prepare(parse_tasks(named), image.axes, image.data.shape)
    outcome = measure(ready, image.data, decoded, image.axes, ranges)
    for arm, data, results in zip(arms.values(), decoded, outcome, strict=True):
        arm["psnr"] = rounded(psnr(image.data, data, image.axes, ranges).pooled)
        for task, result in zip(tasks, results, strict=True):
            arm[task.split("/")[0]] = [
                {k: rounded(v) for k, v in figures(one).items()} for one in result.channels
            ]
        if guide == "filaments":
            arm["guide_iou"] = [rounded(v) for v in own_overlap(image, data)]
        if path.name.startswith("nuclei_pair_low"):
            arm["lpips_to_clean"] = rounded(lpips_to_clean(data, path.parent / CLEAN))
    if path.name.startswith("nuclei_pair_low"):
        arms["original"] = {
            "lpips_to_clean": rounded(lpips_to_clean(image.data, path.parent / CLEAN))
        }
    return arms


def figures(channel: Any) -> dict[str, float]:
    """The numbers of one channel."""
    out = {"score": channel.score, **{f.key: f.value for f in channel.figures}}
    return {k: v for k, v in out.items() if isinstance(v, int | float)}


@cache
def hevc(path: Path) -> tuple[Any, Any]:
    """The arm, and its encodes of an image, shared between budgets."""
    image, (arm,) = read_image(path), find_arms(["hevc"])
    ranges = channel_ranges(image.data, image.axes)
    return arm, arm.start(image, ranges, Options(threads=os.cpu_count() or 1))


@cache
def rival(path: Path, budget: int) -> tuple[np.ndarray, int, float]:
    """HEVC's best at so many bytes: decoded samples, bytes, seconds."""
    arm, encodes = hevc(path)
    begin = time.monotonic()
    found = encodes.encode(budget)
    seconds = round(time.monotonic() - begin, 1)
    return arm.decode(found.data, os.cpu_count() or 1), len(found.data), seconds


@cache
def compressed(
    path: Path, size: int, method: str, guide: str | None = None
) -> tuple[np.ndarray, int, float, dict[str, Any]]:
    """An image by inif: decoded samples, bytes, seconds, header."""
    image, guides = read_image(path), () if guide is None else (guide,)
    settings = {"network": unseen(image.data)}
    effort = EFFORT if method == "hybrid" else EFFORT_FIELD
    begin = time.monotonic()
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # an idle guide would make the comparison empty
        file = inif.compress(
            image, size=size, method=method, effort=effort, settings=settings, guide=guides
        )
    seconds = round(time.monotonic() - begin, 1)
    return np.asarray(file), file.file_bytes, seconds, file.header


def own_overlap(image: Image, data: np.ndarray) -> list[float]:
    """IoU of the masks of the guiding filter, by channel."""
    return [overlap(found, wanted).iou for wanted, found in own_masks(image, data)]


def own_masks(image: Image, data: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Masks of the guiding filter at the scale `FINE`, fixed on the original: its, and `data`'s."""
    settings = filaments.Filaments(sigmas=(FINE,))
    for c, (low, high) in enumerate(channel_ranges(image.data, image.axes)):
        one, other = (
            (channel(v, image.axes, c).astype(np.float32) - low) / max(high - low, 1e-9)
            for v in (image.data, data)
        )
        fixed = filaments.fix(one, settings)
        wanted, found = (np.asarray(filaments.hard(v, fixed, settings)) for v in (one, other))
        yield wanted, found


def lpips_to_clean(data: np.ndarray, clean: Path) -> float:
    """LPIPS of a plane to the clean exposure, after least-squares matching of intensities."""
    from inif.metrics.matching import line
    from inif.perceptual import weights
    from inif.perceptual.lpips import plane_distance

    wanted = np.asarray(read_image(clean).data, np.float64)
    gain, offset = line(data.astype(np.float64), wanted)
    low, high = np.percentile(wanted, [0, 99.9])
    one, other = (
        ((v - low) / (high - low)).clip(0, 1).astype(np.float32)
        for v in (gain * data + offset, wanted)
    )
    return float(plane_distance(weights.load(), one, other))


def channel(data: np.ndarray, axes: str, c: int) -> np.ndarray:
    """One channel."""
    return data.take(c, axis=axes.index("C")) if "C" in axes else data


def rounded(value: float | None) -> float | None:
    """To what the noise of a run leaves."""
    return None if value is None or not np.isfinite(value) else round(float(value), 4)


if __name__ == "__main__":
    main()
