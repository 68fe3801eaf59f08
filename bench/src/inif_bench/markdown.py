"""The page docs/benchmark.md out of the records: every number, and every arm that has none.

A file that missed its target ratio is never shown as a PSNR at that ratio: the tables say which
ratio was reached instead.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from inif_bench.bdrate import MEASURED, MONOTONE
from inif_bench.compare import ALL, ANCHORS, BEST, CROSSING_RATIO, HEVC, KINDS, kind_of
from inif_bench.sections import costs, lossless, not_met, per_image, references, spots
from inif_bench.store import Record
from inif_bench.summary import (
    NONE,
    View,
    figure_name,
    percent,
    plural,
    summary_table,
    table,
)

__all__ = ["page", "summary_table"]

_NOT_TESTED = """\
These numbers say how some programs did on some images, no more:

- **Hardware**: two CPU cores and no GPU. A GPU changes the times of the fields by far more than
  those of the codecs, and allows longer fits, which may change their quality too.
- **Chance**: one seed. Fields differ from seed to seed; that spread was not measured.
- **Size**: images of {smallest} to {largest} MB, many of them crops of larger ones. Nothing here
  says how an arm does on a terabyte.
- **What quality means**: PSNR and SSIM are not biology. No segmentation, count or intensity
  measurement was repeated on the decoded images.
- **Sample types**: 8 and 16 bit integers. Floating-point images were not run.
- **Rate**: files are up to 1 % smaller than the budget, and further below it where a codec's
  quality steps are coarse (a step of CRF can be several per cent of a small file). Nothing was
  padded, so such an arm is judged at slightly fewer bytes than the others; BD-rates use the real
  bytes.
- **Codecs not run**: no VVC, no AV1 by libaom for video, no ECM or AVM, no learned codec for
  natural images. Encoders at other presets, and codecs tuned by hand for one image, may do better.
- **As published**: the learned optimizer (VeLO) of the paper was not run with its authors' weights,
  and the fits as published had seconds (how many stands behind their names in the first table),
  where the paper's had minutes to hours on a GPU: a lower bound of their quality, not their best.
- **Machine**: other work may have run beside a measurement; times are upper bounds.
"""


def page(records: Sequence[Record], originals: Mapping[str, dict[str, Any]] | None = None) -> str:
    """The text of docs/benchmark.md.

    Parameters
    ----------
    records
        Every record of the benchmark.
    originals
        Image name → what `store.load_original` gives; for the score of the original against its
        second exposure.
    """
    view = View(records)
    sections: list[Iterator[str]] = [
        _head(view),
        _arms(view),
        _images(view),
        _rates(view),
        _crossings(view),
        spots(view),
        costs(view),
        references(view, originals or {}),
        lossless(view),
        not_met(view),
        per_image(view),
    ]
    parts = [part for section in sections for part in section]
    sizes = [round(image["raw_bytes"] / 1e6) for image in view.images]
    limits = _NOT_TESTED.strip().format(smallest=min(sizes), largest=max(sizes))
    return "\n\n".join([*parts, "## What is not tested", limits]) + "\n"


def _head(view: View) -> Iterator[str]:
    kinds = [kind_of(image) for image in view.images]
    count = ", ".join(f"{_KIND_NAMES[k]}: {kinds.count(k)}" for k in KINDS if k in kinds)
    yield "# Benchmark"
    yield (
        f"{plural(len(view.images), 'image')} ({count}), {plural(len(view.arms), 'lossy arm')}."
        " Every arm gets the same budget in bytes: raw bytes over the target ratio. What counts is"
        " the whole file on disk, decoded from its bytes alone. PSNR and SSIM are computed on each"
        " channel's own range, max − min ([metrics.md](metrics.md)). This page is written from the"
        " JSON of the benchmark; do not edit it."
    )
    yield table(["run", ""], _facts(view))
    commands = sorted({r.run["command"] for r in view.records if r.run.get("command")})
    if commands:
        yield "```\n" + "\n".join(commands) + "\n```"
    yield "## Summary"
    yield summary_table(view.records)
    yield f"![Rate and distortion of every image](figures/{figure_name('rd')})"
    yield f"![PSNR and SSIM across images](figures/{figure_name('box')})"


_KIND_NAMES = {
    "stack": "single-channel stacks",
    "multi": "time series or multi-channel stacks",
    "plane": "planes",
    ALL: "all",
}


def _facts(view: View) -> list[list[str]]:
    runs = [r.run for r in view.records if r.run]
    rows = []
    dates = sorted({run["date"] for run in runs if "date" in run})
    if dates:
        rows.append(["date", dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"])
    for group in ("machine", "versions"):
        found: dict[str, set[str]] = {}
        for run in runs:
            for key, value in run.get(group, {}).items():
                found.setdefault(key, set()).add(str(value))
        if found:
            text = ", ".join(f"{k} {' or '.join(sorted(v))}" for k, v in sorted(found.items()))
            rows.append([group, text])
    for key in ("threads", "jobs", "seed"):
        values = sorted({run[key] for run in runs if key in run})
        if values:
            rows.append([key, " or ".join(map(str, values))])
    return rows


def _arms(view: View) -> Iterator[str]:
    yield "## How each arm was run"
    lines = []
    for arm in view.arms:
        settings: dict[str, list[str]] = {}
        for record in view.records:
            if record.arm["name"] == arm["name"]:
                text = "; ".join(f"{k} {_value(v)}" for k, v in record.arm["settings"].items())
                settings.setdefault(text or "no settings", []).append(record.image["name"])
        if len(settings) > 1:
            texts = [f"{', '.join(images)}: {text}" for text, images in settings.items()]
        else:
            texts = list(settings)
        lines.append(f"- **{arm['title']}** (`{arm['name']}`, {arm['family']}): {'. '.join(texts)}")
    yield "\n".join(lines)


def _value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _images(view: View) -> Iterator[str]:
    yield "## Images"
    rows = [
        [
            image["name"],
            image["axes"],
            " × ".join(map(str, image["shape"])),
            image["dtype"],
            f"{image['raw_bytes'] / 1e6:.1f}",
            _KIND_NAMES[kind_of(image)],
        ]
        for image in view.images
    ]
    yield table(["image", "axes", "shape", "type", "raw, MB", "counted among"], rows)


def _rates(view: View) -> Iterator[str]:
    yield "## BD-rate"
    yield (
        "Mean change in bytes at equal PSNR (Bjøntegaard, VCEG-M33, with PCHIP in place of the"
        f" cubic fit); negative is better. A curve needs {MEASURED} distinct points, of which"
        f" {MONOTONE} get better with more bytes; points that a smaller file matches are left out."
        " Files that missed their target are points too. *Overlap* is the share of the reference"
        " curve's PSNR span that both curves cover: a number over a small overlap says little."
        " Means are taken over log2 of the rate, and the best codec of an image is, ratio by ratio,"
        " the best of HEVC and AV1, for planes also of AVIF and JPEG XL."
    )
    for anchor, title in ((HEVC, "HEVC"), (BEST, "the best codec of each image")):
        yield f"### Against {title}"
        names = [(a["name"], a["title"]) for a in view.arms if a["name"] != anchor]
        if anchor != BEST:
            names.append((BEST, "best codec"))
        rows = [[label, *_mean_cells(view, name, anchor)] for name, label in names]
        yield table(["arm", *(_KIND_NAMES[k] for k in (*KINDS, ALL)), "range", "overlap ≥"], rows)
        yield "Per image, with the overlap in brackets:"
        head = ["image", *(name for name, _ in names)]
        singles = [
            [image["name"], *(_gain_cell(view, image["name"], name, anchor) for name, _ in names)]
            for image in view.images
        ]
        if anchor == BEST:
            head.append("the best codec")
            for row in singles:
                row.append(_winners(view, row[0]))
        yield table(head, singles)
    yield from _reasons(view)


def _mean_cells(view: View, arm: str, anchor: str) -> list[str]:
    means = [view.comparison.mean(arm, anchor, kind) for kind in (*KINDS, ALL)]
    cells = [f"{percent(m.percent)} ({m.images} of {m.of})" if m else NONE for m in means]
    whole = means[-1]
    if whole is None:
        return [*cells, NONE, NONE]
    spread = f"{percent(whole.lowest)} … {percent(whole.highest)}"
    return [*cells, spread, f"{100 * whole.overlap:.0f} %"]


def _gain_cell(view: View, image: str, arm: str, anchor: str) -> str:
    gain = view.comparison.gain(image, arm, anchor)
    if gain is None or gain.bd is None:
        return NONE
    return f"{percent(gain.bd.percent)} ({100 * gain.bd.overlap:.0f} %)"


def _winners(view: View, image: str) -> str:
    """Which codec is the best one, and at which ratios."""
    curve = view.comparison.curve(image, BEST)
    ratios: dict[str, list[str]] = {}
    for point in curve.points if curve else ():
        ratios.setdefault(point.arm, []).append(f"{point.target:g}×")
    return "; ".join(f"{arm} at {', '.join(at)}" for arm, at in ratios.items()) or NONE


def _reasons(view: View) -> Iterator[str]:
    """Why a BD-rate is missing, and how many points were left out of those that are there."""
    reasons: dict[tuple[str, str], dict[str, list[str]]] = {}
    for gain in view.comparison.gains:
        if gain.reason is not None:
            places = reasons.setdefault((gain.arm, gain.reason), {})
            places.setdefault(gain.image, []).append(gain.anchor)
    if reasons:
        yield "No BD-rate:"
        yield "\n".join(
            f"- `{arm}`: {reason}: " + ", ".join(_against(arm, *place) for place in places.items())
            for (arm, reason), places in reasons.items()
        )
    dropped = [
        f"`{g.arm}` on {g.image} ({g.bd.dropped[1]})"
        for g in view.comparison.gains
        if g.bd and g.bd.dropped[1] and g.anchor == ANCHORS[-1]
    ]
    if dropped:
        yield f"Points left out, because a smaller file is as good: {', '.join(dropped)}."


def _against(arm: str, image: str, anchors: list[str]) -> str:
    every = [anchor for anchor in ANCHORS if anchor != arm]
    return image if anchors == every else f"{image} (against {' and '.join(anchors)})"


def _crossings(view: View) -> Iterator[str]:
    found = {(c.image, c.arm): c for c in view.comparison.crossings}
    if not found:
        return
    yield f"## Ratio at the PSNR of HEVC at {CROSSING_RATIO:g}×"
    yield (
        f"How small a file may be and still have the PSNR that HEVC has at {CROSSING_RATIO:g}×;"
        " larger is better. > : better than that even at the largest ratio tried; < : worse even at"
        " the smallest."
    )
    names = [a["name"] for a in view.arms]
    rows = []
    for image in view.images:
        hevc = found.get((image["name"], HEVC))
        if hevc is not None:
            mine = [found.get((image["name"], name)) for name in names]
            ratios = [f"{c.crossing.bound}{c.crossing.ratio:.0f}×" if c else NONE for c in mine]
            rows.append([image["name"], f"{hevc.psnr:.2f}", *ratios])
    yield table(["image", "PSNR, dB", *names], rows)
