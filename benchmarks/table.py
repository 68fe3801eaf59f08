"""docs/results.md from the JSON in benchmarks/results: python benchmarks/table.py."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

from record import load

TARGET = Path(__file__).resolve().parent.parent / "docs" / "results.md"


def main() -> None:
    parts = [
        "# Measured",
        "Written by `python benchmarks/table.py` from `benchmarks/results/*.json`, which hold the"
        " commands, versions and dates. Two CPU cores, no GPU, with other work on them: times are"
        " upper bounds, and only ratios within one run mean much. PSNR is pooled, on each channel's"
        " own range.",
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
    done = (
        f"{result['count']} runs at effort {result['effort']}: all within target … 1.01 × target:"
        f" {result['all_exact']}; samples, shape, type, axes and metadata the same after"
        " decompression to OME-TIFF: "
        f"{result['all_same_samples'] and result['all_same_shape_dtype_axes']},"
        f" {result['all_same_metadata']}."
    )
    worse = [
        f"{name.removesuffix('.ome.tif')} {low}× ({runs[low]['psnr']:.2f} dB) is worse than {high}×"
        f" ({runs[high]['psnr']:.2f} dB)"
        for name, runs in by_image.items()
        for low, high in itertools.pairwise(sorted(runs))
        if runs[low]["psnr"] < runs[high]["psnr"] - 0.05
    ]
    if worse:
        done += (
            "\n\nMore bytes mean more networks to fit, and at a low effort each gets too little"
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
        "As published: float32 weights at the same bytes, one network, omega 30, Adam 1e-3 with a"
        " cosine; the same steps and voxels.",
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
    return ["## The authors' networks, converted", table(head, rows)]


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
    return ["## Speed and memory", table(["what", "measured"], rows)]


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
        table(["image", "effort 1, s", "search of AV1, s", "of HEVC, s", "of the slower"], rows),
        f"Decoded by one thread and by two, samples differ by at most {apart:g}. Of a stack of 60"
        f" (128×) a slice takes {access['slice_of_60_ms']:g} ms, the next one"
        f" {access['next_slice_ms']:g} ms, the whole {access['whole_ms']:g} ms.",
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
    head = ["image", "start", "gain at falling size, dB", "bytes of the repair", "BD-rate"]
    return [
        "## The shipped repair, on images left out of its training",
        f"After {result['codec']}, about the ratios of the benchmark, lowest first; each image"
        " judged by the one of four networks that has not seen it"
        f" ({result['steps']} steps of training). BD-rate: bytes at equal PSNR against the codec"
        " alone, the bytes of the repair counted; mean of the"
        f" {len(rates)} images that have one: {sum(rates) / len(rates):+.1f} %.",
        table(head, rows),
    ]


def fuzz(result: dict[str, Any]) -> list[str]:
    """Damaged files."""
    if not result:
        return []
    keys = ("count", "outcomes", "failures", "max_seconds", "max_bytes")
    rows = [[key.replace("_", " "), result[key]] for key in keys if key in result]
    return ["## Damaged and forged files", table(["what", "measured"], rows)]


if __name__ == "__main__":
    main()
