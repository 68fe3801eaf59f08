"""docs/results.md from the JSON in benchmarks/results: python benchmarks/table.py."""

from __future__ import annotations

import itertools
import textwrap
from pathlib import Path
from typing import Any

from record import load

TARGET = Path(__file__).resolve().parent.parent / "docs" / "results.md"


def main() -> None:
    parts = [
        "# Measured",
        wrapped(
            "`python benchmarks/table.py` writes this page from `benchmarks/results/*.json`, which"
            " hold the commands, versions and dates. All of it was measured on two CPU cores"
            " without a GPU, with other work on them, so times are upper bounds, and only ratios"
            " within one run mean much. PSNR is pooled over channels, each on its own range."
        ),
        *matrix(load("matrix_effort1")),
        *published(load("field_vs_published")),
        *legacy(load("legacy")),
        *speed(load("speed")),
        *hybrids(load("hybrid")),
        *pretrained(load("pretrain")),
        *fuzz(load("fuzz")),
    ]
    TARGET.write_text("\n\n".join(parts) + "\n")
    print(TARGET)


def table(head: list[str], rows: list[list[Any]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def wrapped(text: str) -> str:
    """A paragraph in lines of at most 100 characters."""
    return textwrap.fill(text, 100, break_long_words=False, break_on_hyphens=False)


def taken(result: dict[str, Any]) -> str:
    """The sentence on when something was measured."""
    return f" Measured on {result['date']}."


def matrix(result: dict[str, Any]) -> list[str]:
    """PSNR of every image at every ratio."""
    if not result:
        return []
    by_image: dict[str, dict[int, Any]] = {}
    for key, run in result["runs"].items():
        name, ratio = key.rsplit(" ", 1)
        by_image.setdefault(name, {})[int(ratio)] = run
    ratios = sorted({r for runs in by_image.values() for r in runs})
    rows = []
    for name, runs in by_image.items():
        scores = [f"{runs[r]['psnr']:.2f}" if r in runs else "" for r in ratios]
        slowest = max(run["encode_s"] for run in runs.values())
        rows.append([name.removesuffix(".ome.tif"), *scores, f"{slowest:.0f}"])
    exact = "all files are" if result["all_exact"] else "not all files are"
    same = (
        "the same"
        if result["all_same_samples"]
        and result["all_same_shape_dtype_axes"]
        and result["all_same_metadata"]
        else "not always the same"
    )
    done = wrapped(
        f"Of {result['count']} runs, {exact} within target … 1.01 × target. Samples, shape, type,"
        f" axes and metadata are {same} after decompression to OME-TIFF." + taken(result)
    )
    worse = [
        f"{name.removesuffix('.ome.tif')} has {runs[low]['psnr']:.2f} dB at {low}× and"
        f" {runs[high]['psnr']:.2f} dB at {high}×"
        for name, runs in by_image.items()
        for low, high in itertools.pairwise(sorted(runs))
        if runs[low]["psnr"] < runs[high]["psnr"] - 0.05
    ]
    if worse:
        done += "\n\n" + wrapped(
            "More bytes mean more networks to fit, and at a low effort each network gets too little"
            " work: " + "; ".join(worse) + ". There a higher effort pays more than a lower ratio."
        )
    head = ["image", *(f"{r}×" for r in ratios), "slowest encode, s"]
    return ["## Every image at every ratio, `--method siren --effort 1`", table(head, rows), done]


def published(result: dict[str, Any]) -> list[str]:
    """Our field against a SIREN as published."""
    if not result:
        return []
    rows = [
        [
            r["effort"],
            r["steps"],
            r["file_bytes"],
            r["inif_psnr"],
            r["published_psnr"],
            r["gain_db"],
        ]
        for r in result["rows"]
    ]
    head = ["effort", "steps", "bytes", "inif, dB", "as published, dB", "gain, dB"]
    return [
        f"## Against a SIREN as published ({result['image']} at {result['ratio']}×)",
        wrapped(
            "“As published” means one network with float32 weights in the same bytes, ω = 30, and"
            " Adam at 1e-3 with a cosine schedule. Both see the same number of steps and voxels."
            + taken(result)
        ),
        table(head, rows),
    ]


def legacy(result: dict[str, Any]) -> list[str]:
    """The authors' networks, converted."""
    if not result:
        return []
    rows = [
        [r["file"], r["pickle_bytes"], r["inif_bytes"], r["psnr_to_own_decode"]]
        for r in result["rows"]
    ]
    head = ["network", "pickle, bytes", ".inif, bytes", "dB to its own float32 decode"]
    words = "Networks that the first authors fitted, converted by `inif convert`." + taken(result)
    return ["## The authors' networks, converted", wrapped(words), table(head, rows)]


def speed(result: dict[str, Any]) -> list[str]:
    """Inner loop, access and memory."""
    if not result:
        return []
    loop, access = result["inner_loop"], result.get("access", {})
    rows = [
        [
            "forward + gradient, 7×64 SIREN, 100 000 points: plain / ours, s",
            f"{loop['plain_s']} / {loop['inif_s']} (× {loop['ratio']})",
        ],
        *[[key.replace("_", " "), value] for key, value in access.items()],
        *[
            [
                f"peak memory, MB, {m['image']} ({m['raw'] / 1e6:.0f} MB raw)",
                f"{m['peak'] / 1e6:.0f}",
            ]
            for m in result.get("memory", [])
        ],
    ]
    words = "`make bench-fit` measures a pure field." + taken(result)
    return ["## Speed and memory", wrapped(words), table(["what", "measured"], rows)]


def hybrids(result: dict[str, Any]) -> list[str]:
    """Effort 1 beside the rivals' searches, one slice, and threads."""
    if not result:
        return []
    rows = [
        [
            row["image"].removesuffix(".ome.tif"),
            row["effort1_s"],
            row["av1_search_s"],
            row["hevc_search_s"],
            row["times"],
        ]
        for row in result["images"]
    ]
    apart = max(row["threads_differ"] for row in result["images"])
    access = result["access"]
    return [
        f"## Hybrids at effort 1, {result['ratio']}× (8 bits: {result['ratio_8bit']}×)",
        wrapped(
            "Seconds of a hybrid at effort 1, beside those that the rivals of the benchmark take to"
            " search their own knob; the last column is ours over the slower of both."
            + taken(result)
        ),
        table(["image", "hybrid, s", "AV1, s", "HEVC, s", "ours / slower rival"], rows),
        wrapped(
            f"Decoded by one thread and by two, samples differ by at most {apart:g}. Of a stack of"
            f" 60 slices at 128×, a slice takes {access['slice_of_60_ms']:g} ms, the next one"
            f" {access['next_slice_ms']:g} ms, and the whole stack {access['whole_ms']:g} ms."
        ),
    ]


def pretrained(result: dict[str, Any]) -> list[str]:
    """The repair on images that it has not seen."""
    if not result:
        return []
    rows, rates = [], []
    for name, image in result["images"].items():
        rate = image["bd_rate"]
        if isinstance(rate, float):
            rates.append(rate)
        rows.append(
            [
                name,
                image["start"],
                ", ".join(f"{c['gain']:+.3f}" for c in image["cells"]),
                ", ".join(str(c["repair_bytes"]) for c in image["cells"]),
                f"{rate:+.1f} %" if isinstance(rate, float) else "–",
            ]
        )
    head = ["image", "network", "gain, dB", "bytes of the repair", "BD-rate"]
    return [
        "## The shipped repair, on images left out of its training",
        wrapped(
            f"What the repair gains after {result['codec']}, at about the ratios of the benchmark,"
            " lowest first. Each image is judged by the one of four networks that has not seen it"
            f" ({result['steps']} steps of training). BD-rate is bytes at equal PSNR against the"
            " codec alone, with the bytes of the repair counted; its mean over the"
            f" {len(rates)} images that have one is {sum(rates) / len(rates):+.1f} %."
            + taken(result)
        ),
        table(head, rows),
    ]


def fuzz(result: dict[str, Any]) -> list[str]:
    """Damaged files."""
    if not result:
        return []
    keys = ("count", "outcomes", "failures", "max_seconds", "max_bytes")
    rows = [[key.replace("_", " "), result[key]] for key in keys if key in result]
    words = "`make fuzz` gives the reader damaged and forged files." + taken(result)
    return ["## Damaged and forged files", wrapped(words), table(["what", "measured"], rows)]


if __name__ == "__main__":
    main()
