"""The page docs/benchmark.md out of the records: what all images say together, and what is missing.

A file that missed its target ratio is never shown as a PSNR at that ratio. Figures of single images
are in the CSV files beside the page (`tables`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from inif_bench.bdrate import MEASURED, MONOTONE
from inif_bench.compare import ALL, BEST, CROSSING_RATIO, HEVC, KIND_NAMES, KINDS, kind_of
from inif_bench.store import Record
from inif_bench.summary import (
    NONE,
    View,
    figure_name,
    has_panel,
    percent,
    plural,
    prose,
    summary_table,
    table,
)

TABLES = "benchmark"
"""Folder of the CSV files, beside the page."""

_NOT_TESTED = (
    "**Hardware.** Everything ran on {cores} CPU cores without a GPU, which would change the times"
    " of fields far more than those of codecs, and allow longer fits. Other work may have run"
    " beside a measurement, so times are upper bounds.",
    "**Chance.** There is one seed. Fields differ from seed to seed; that spread was not measured.",
    "**Size.** Images have {smallest} to {largest} MB, and many are crops of larger ones. Nothing"
    " here says how an arm does on a terabyte.",
    "**What quality means.** PSNR and SSIM are not biology. No segmentation, count or intensity"
    " measurement was repeated on the decoded images.",
    "**Sample types.** Samples are integers of 8 and 16 bits. Floating-point images were not run.",
    "**Rate.** Files are up to 1 % smaller than the budget, and smaller still where a codec's"
    " quality steps are coarse. Nothing was padded, so such an arm is judged at slightly fewer"
    " bytes than the others. BD-rates use the real bytes.",
    "**Codecs that were not run.** There is no VVC, no ECM, no AVM, no video by libaom, and no"
    " learned codec for natural images. Other presets, or tuning for one image, may do better.",
    "**As published.** The paper's learned optimizer (VeLO) was not run with its authors' weights."
    " Fits as published had seconds where the paper's had minutes to hours on a GPU: they show a"
    " lower bound of their quality.",
)


def page(records: Sequence[Record], notes: str = "") -> str:
    """The text of docs/benchmark.md.

    Parameters
    ----------
    records
        Every record of the benchmark.
    notes
        What readers should know about these results, as Markdown.
    """
    view = View(records)
    parts = [*_head(view), *([notes.strip()] if notes.strip() else ())]
    parts += [*_summary(view), *_rates(view), *_images(view), *_details(), *_limits(view)]
    return "\n\n".join(parts) + "\n"


def _head(view: View) -> Iterator[str]:
    kinds = [kind_of(image) for image in view.images]
    count = ", ".join(f"{kinds.count(k)} {KIND_NAMES[k]}" for k in KINDS if k in kinds)
    yield "# Benchmark"
    yield prose(
        f"This page compares {plural(len(view.arms), 'way')} to compress an image with loss"
        f" (“arms”) on {plural(len(view.images), 'image')} ({count}). Every arm gets the same"
        " budget: the raw bytes of the image over a target ratio. What counts is the whole file on"
        " disk, decoded from its bytes alone. PSNR and SSIM are computed on the range of each"
        " channel, from its smallest to its largest sample ([metrics.md](metrics.md))."
        " `inif-bench report` writes this page from the JSON results; do not edit it."
    )
    yield _bullets(f"**{name}**: {text}." for name, text in _facts(view))


def _bullets(texts: Iterable[str]) -> str:
    return "\n".join(prose(f"- {text}", "  ") for text in texts)


def _facts(view: View) -> Iterator[tuple[str, str]]:
    """When, with what and on what the figures were measured."""
    runs = [r.run for r in view.records if r.run]
    dates = sorted({run["date"] for run in runs if "date" in run})
    if dates:
        yield "Measured", dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
    versions: dict[str, set[str]] = {}
    for run in runs:
        for key, value in run.get("versions", {}).items():
            versions.setdefault(key, set()).add(str(value))
    if versions:
        named = [f"{k} {' or '.join(sorted(v))}" for k, v in sorted(versions.items())]
        yield "Versions", ", ".join(named)
    threads = sorted({run["threads"] for run in runs if "threads" in run})
    seeds = sorted({run["seed"] for run in runs if "seed" in run})
    if threads:
        yield (
            "Machine",
            f"{_cores(view)} cores; {' or '.join(map(str, threads))} threads for each arm;"
            f" seed {' or '.join(map(str, seeds))}",
        )


def _cores(view: View) -> str:
    machines = [r.run.get("machine", {}) for r in view.records]
    cores = sorted({str(m["cores"]) for m in machines if "cores" in m})
    return " or ".join(cores) or "some"


def _summary(view: View) -> Iterator[str]:
    yield "## Summary"
    yield summary_table(view.records)
    yield f"![Rate and distortion of every image](figures/{figure_name('rd')})"
    yield f"![PSNR and SSIM across images](figures/{figure_name('box')})"


def _rates(view: View) -> Iterator[str]:
    yield "## Bytes at equal quality"
    yield prose(
        "A BD-rate says by how many per cent bytes change at equal PSNR (Bjøntegaard, VCEG-M33,"
        " with PCHIP in place of the cubic fit); less is better. The reference is the best codec of"
        " each image: ratio by ratio the better of HEVC and AV1, for planes also of AVIF and JPEG"
        " XL. A"
        f" curve needs {MEASURED} points, of which {MONOTONE} get better with more bytes; a point"
        " is left out where a smaller file is as good. Means are taken over the logarithm of the"
        " rate; the number of images that allow a BD-rate stands in brackets."
    )
    found = [(a["name"], a["title"]) for a in view.arms if view.comparison.mean(a["name"], BEST)]
    rows = [[title, *_mean_cells(view, name)] for name, title in found]
    yield table(["arm", *(KIND_NAMES[k] for k in (*KINDS, ALL)), "range"], rows)
    without = [a["title"] for a in view.arms if a["name"] not in dict(found)]
    if without:
        yield prose(f"No image allows one for {'; '.join(without)}.")
    hevc = [(a["title"], view.comparison.mean(a["name"], HEVC)) for a in view.arms]
    ours = [a["title"] for a in view.arms if a["family"] == "inif"]
    named = [f"{t} {percent(m.percent)} ({m.images})" for t, m in hevc if m and t in ours]
    if named:
        yield prose(f"Against HEVC alone: {'; '.join(named)}.")


def _mean_cells(view: View, arm: str) -> list[str]:
    means = [view.comparison.mean(arm, BEST, kind) for kind in (*KINDS, ALL)]
    cells = [f"{_number(m.percent)} ({m.images})" if m else NONE for m in means]
    whole = means[-1]
    assert whole is not None
    spread = f"{_number(whole.lowest)} … {_number(whole.highest)}"
    return [*cells, spread if whole.images > 1 else NONE]


def _number(value: float) -> str:
    return percent(value).removesuffix(" %")


def _images(view: View) -> Iterator[str]:
    yield "## Images"
    yield prose(
        "Curves show PSNR over the ratio. Crops show the window with the most contrast and its"
        " errors, cut where the grey range ends; the PSNR in a crop is that of the whole image."
    )
    lines = []
    for image in view.images:
        name = image["name"]
        lines.append(f"{name}: [curves](figures/{figure_name('rd', name)})")
        if has_panel(view, name):
            lines[-1] += f", [crops](figures/{figure_name('panel', name)})"
    yield _bullets(lines)


def _details() -> Iterator[str]:
    yield "## Tables"
    names = {
        "files": "every file: size, PSNR, SSIM, worst slice, spots found again, PSNR to a second"
        " exposure of the same field (after fitting scale and offset), times, memory, and why a"
        " target was not met",
        "bd-rates": "BD-rates against HEVC and against the best codec, or why there is none",
        "crossings": f"the ratio at which an arm has the PSNR of HEVC at {CROSSING_RATIO:g}×",
        "images": "the images, what a lossless codec reaches on them, and digests",
        "arms": "the settings of every arm",
    }
    yield _bullets(f"[{n}.csv]({TABLES}/{n}.csv): {text}." for n, text in names.items())


def _limits(view: View) -> Iterator[str]:
    yield "## What is not tested"
    sizes = [round(image["raw_bytes"] / 1e6) for image in view.images]
    limits = {"smallest": min(sizes), "largest": max(sizes), "cores": _cores(view)}
    yield _bullets(text.format(**limits) for text in _NOT_TESTED)
