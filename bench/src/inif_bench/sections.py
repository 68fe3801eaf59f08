"""The parts of the page about single images and cells: scores, costs, and what is not there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from statistics import median
from typing import Any

from inif_bench.summary import NONE, View, digits, figure_name, speed, table


def per_image(view: View) -> Iterator[str]:
    """Figures, PSNR, SSIM and worst slice of every image, ratio by ratio."""
    yield "## Every image"
    yield (
        "The best number of a column is bold. “– (41×)”: the target is out of reach, and the arm's"
        " smallest file is at that ratio. “missing” and “failed” are explained above; an empty cell"
        " was not run. Figures of crops show the window with the most contrast; the PSNR written"
        " into a crop is that of the whole image, and errors are cut where the grey range ends."
    )
    for image in view.images:
        name = image["name"]
        yield f"### {name}"
        yield f"![Rate and distortion of {name}](figures/{figure_name('rd', name)})"
        if has_panel(view, name):
            yield f"![Crops and errors of {name}](figures/{figure_name('panel', name)})"
        yield "PSNR, dB:"
        yield _score_table(view, name, lambda cell: cell["psnr"], 2)
        yield "SSIM:"
        yield _score_table(view, name, lambda cell: cell["ssim"], 4)
        yield "PSNR of the worst slice, dB, and which it is:"
        yield _score_table(view, name, lambda cell: cell["worst_slice"]["psnr"], 2, _slice)


def has_panel(view: View, image: str) -> bool:
    """Whether there are crops to show of an image."""
    records = [r for r in view.records if r.image["name"] == image]
    return any("crop_png" in cell for r in records for cell in r.met().values())


def _slice(cell: dict[str, Any]) -> str:
    index = ", ".join(f"{axis}={at}" for axis, at in cell["worst_slice"]["index"].items())
    return f" ({index})" if index else ""


def _score_table(
    view: View,
    image: str,
    score: Callable[[dict[str, Any]], float | None],
    places: int,
    note: Callable[[dict[str, Any]], str] = lambda cell: "",
) -> str:
    ratios = view.ratios(image)
    best = {}
    for ratio in ratios:
        cells = [c for a in view.arms if (c := view.met(image, a["name"], ratio)) is not None]
        best[ratio] = max(
            (round(s, places) for c in cells if (s := score(c)) is not None), default=None
        )
    rows = []
    for arm in view.arms:
        if view.record(image, arm["name"]) is None:
            continue
        row = [arm["title"]]
        for ratio in ratios:
            cell = view.cell(image, arm["name"], ratio)
            if cell is None or cell["status"] != "done":
                row.append(_no_score(cell))
                continue
            value = score(cell)
            text = _written(cell, value, places)
            bold = value is not None and round(value, places) == best[ratio]
            row.append((f"**{text}**" if bold else text) + note(cell))
        rows.append(row)
    return table(["arm", *(f"{ratio:g}×" for ratio in ratios)], rows)


def _written(cell: dict[str, Any], value: float | None, places: int) -> str:
    if value is not None:
        return f"{value:.{places}f}"
    return "exact" if cell["psnr"] is None else NONE


def _no_score(cell: dict[str, Any] | None) -> str:
    if cell is None:
        return ""
    if cell["status"] == "unreachable":
        return f"{NONE} ({cell['ratio']:.0f}×)"
    return str(cell["status"])


def costs(view: View) -> Iterator[str]:
    """Times and memory of each arm."""
    yield "## Time and memory"
    yield (
        "Medians over all files of an arm, per megabyte of raw samples. *Search* is the time of all"
        " encodes that it took to meet the target, of which *encodes* is the number; a field is"
        " fitted once. Memory is the largest peak of the process, encoding and decoding, with"
        " Python and the image itself."
    )
    rows = []
    for arm in view.arms:
        scored = view.scored(arm["name"])
        encode, decode = speed(view, arm["name"])
        if not scored:
            rows.append([arm["title"], *[NONE] * 5])
            continue
        search = median(cell["search_s"] / size for size, cell in scored)
        encodes = median(cell["encodes"] for _, cell in scored)
        memory = max(cell["peak_memory_bytes"] for _, cell in scored)
        rows.append(
            [arm["title"], encode, digits(search), f"{encodes:g}", decode, f"{memory / 1e6:.0f}"]
        )
    head = ["arm", "encode, s/MB", "search, s/MB", "encodes", "decode, MB/s", "peak memory, MB"]
    yield table(head, rows)


def not_met(view: View) -> Iterator[str]:
    """Every arm without a number somewhere, by name, and why."""
    found: dict[tuple[str, str, str], dict[str, dict[str, list[str]]]] = {}
    for arm in view.arms:
        for image in view.images:
            for ratio in view.ratios(image["name"]):
                cell = view.cell(image["name"], arm["name"], ratio)
                if cell is not None and cell["status"] == "done":
                    continue
                status = "not run" if cell is None else cell["status"]
                reason = "" if cell is None else (cell.get("reason") or "")
                smallest = ""
                if cell is not None and status == "unreachable":
                    smallest = f" (smallest: {cell['ratio']:.0f}×)"
                places = found.setdefault((arm["name"], status, reason), {}).setdefault(
                    image["name"], {}
                )
                places.setdefault(smallest, []).append(f"{ratio:g}×")
    if not found:
        return
    yield "## Targets that were not met"
    rows = [
        [
            f"`{arm}`",
            status,
            reason,
            sum(len(ratios) for groups in places.values() for ratios in groups.values()),
            "; ".join(
                f"{image} {', '.join(ratios)}{smallest}"
                for image, groups in places.items()
                for smallest, ratios in groups.items()
            ),
        ]
        for (arm, status, reason), places in found.items()
    ]
    yield table(["arm", "what", "reason", "cells", "where"], rows)


def references(view: View, originals: Mapping[str, dict[str, Any]]) -> Iterator[str]:
    """Distance to a second, cleaner exposure of the same field."""
    images = [image for image in view.images if image["reference"]]
    if not images:
        return
    yield "## Against a second exposure"
    yield (
        "A compressed noisy image may be closer to the truth than its original is. These are PSNRs"
        " in dB to a second, cleaner exposure of the same field, on that exposure's range, after"
        " fitting scale and offset by least squares."
    )
    for image in images:
        name = image["name"]
        own = originals.get(name, {}).get("reference_psnr")
        if own is not None:
            yield f"{name} against {image['reference']}; the original itself: {own:.2f} dB."
        else:
            yield f"{name} against {image['reference']}."
        yield _score_table(view, name, _to_reference, 2)


def _to_reference(cell: dict[str, Any]) -> float | None:
    return cell["reference"]["psnr"] if cell["reference"] else None


def spots(view: View) -> Iterator[str]:
    """Spots that each arm keeps, where they were searched for."""
    names = [i["name"] for i in view.images if _with_spots(view, i["name"])]
    if not names:
        return
    yield "## Spots"
    yield (
        "Puncta found again by a Laplacian-of-Gaussian detector whose scale and threshold are fixed"
        " on the original ([metrics.md](metrics.md)): recall / precision. The best recall of a"
        " column is bold. Washing spots out lowers recall; inventing them lowers precision."
    )
    for name in names:
        first = _with_spots(view, name)[0]
        for channel, facts in enumerate(first["spots"]):
            which = f", channel {channel}" if len(first["spots"]) > 1 else ""
            yield f"{name}{which}: {facts['original']} spots in the original."
            yield _spot_table(view, name, channel)


def _with_spots(view: View, image: str) -> list[dict[str, Any]]:
    cells = [view.met(image, a["name"], r) for a in view.arms for r in view.ratios(image)]
    return [c for c in cells if c is not None and "spots" in c]


def _spot_table(view: View, image: str, channel: int) -> str:
    ratios = view.ratios(image)
    rows = []
    best = {
        ratio: max(
            (
                c["spots"][channel]["recall"]
                for a in view.arms
                if (c := view.met(image, a["name"], ratio)) and "spots" in c
            ),
            default=None,
        )
        for ratio in ratios
    }
    for arm in view.arms:
        cells = [view.met(image, arm["name"], ratio) for ratio in ratios]
        if not any(c and "spots" in c for c in cells):
            continue
        row = [arm["title"]]
        for ratio, cell in zip(ratios, cells, strict=True):
            if not cell or "spots" not in cell:
                row.append(NONE)
                continue
            found = cell["spots"][channel]
            recall = f"{found['recall']:.3f}"
            bold = found["recall"] == best[ratio]
            row.append(f"{f'**{recall}**' if bold else recall} / {found['precision']:.3f}")
        rows.append(row)
    return table(["arm", *(f"{ratio:g}×" for ratio in ratios)], rows)


def lossless(view: View) -> Iterator[str]:
    """What a lossless codec reaches on each image."""
    records = [r for r in view.records if r.arm["family"] == "lossless"]
    rows = [
        [record.image["name"], record.arm["title"], f"{cell['ratio']:.2f}×"]
        for image in view.images
        for record in records
        if record.image["name"] == image["name"]
        for cell in record.scored().values()
    ]
    if rows:
        yield "## Without loss"
        yield "The ratio at which nothing is lost, as a measure of how compressible each image is."
        yield table(["image", "codec", "ratio"], rows)
