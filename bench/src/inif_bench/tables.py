"""What the benchmark found, image by image, as CSV files: a row per file, and more."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from typing import Any

from inif_bench.compare import BEST, KIND_NAMES, kind_of
from inif_bench.summary import View

Row = dict[str, Any]


def tables(view: View, originals: Mapping[str, dict[str, Any]]) -> dict[str, str]:
    """The CSV files beside the page: file name → text.

    Parameters
    ----------
    view
        Every record of the benchmark.
    originals
        Image name → what `store.load_original` gives; for the score of the original against its
        second exposure.
    """
    every = {
        "images.csv": _images(view, originals),
        "arms.csv": _arms(view),
        "files.csv": _files(view),
        "bd-rates.csv": _bd_rates(view),
        "crossings.csv": _crossings(view),
    }
    return {name: _text(list(rows)) for name, rows in every.items()}


def _text(rows: list[Row]) -> str:
    out = io.StringIO()
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(out, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _images(view: View, originals: Mapping[str, dict[str, Any]]) -> Iterator[Row]:
    for image in view.images:
        yield {
            "image": image["name"],
            "axes": image["axes"],
            "shape": " ".join(map(str, image["shape"])),
            "dtype": image["dtype"],
            "raw_bytes": image["raw_bytes"],
            "kind": KIND_NAMES[kind_of(image)],
            "lossless_ratio": _lossless_ratio(view, image["name"]),
            "second_exposure": image["reference"],
            "psnr_to_second_exposure_db": originals.get(image["name"], {}).get("reference_psnr"),
            "sha256": image["sha256"],
        }


def _lossless_ratio(view: View, image: str) -> float | None:
    """The ratio at which nothing is lost, as a measure of how compressible an image is."""
    records = [r for r in view.records if r.image["name"] == image]
    exact = [r for r in records if r.arm["family"] == "lossless"]
    return max((cell["ratio"] for r in exact for cell in r.scored().values()), default=None)


def _arms(view: View) -> Iterator[Row]:
    """One row per arm; more where its settings differ between images."""
    for arm in view.every_arm:
        found: dict[str, list[str]] = {}
        for record in view.records:
            if record.arm["name"] == arm["name"]:
                text = "; ".join(f"{k}: {_value(v)}" for k, v in record.arm["settings"].items())
                found.setdefault(text, []).append(record.image["name"])
        for text, images in found.items():
            yield {
                "arm": arm["name"],
                "title": arm["title"],
                "family": arm["family"],
                "images": "all" if len(found) == 1 else " ".join(images),
                "settings": text,
            }


def _value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _files(view: View) -> Iterator[Row]:
    for image in view.images:
        name = image["name"]
        best = view.comparison.curve(name, BEST)
        winners = {(p.arm, p.target) for p in best.points} if best else set()
        for arm in view.every_arm:
            record = view.record(name, arm["name"])
            lossless = arm["family"] == "lossless"
            if record is None and lossless:
                continue
            for ratio in (1.0,) if lossless else view.ratios(name):
                cell = None if record is None else record.cells.get(f"{ratio:g}")
                row = {"image": name, "arm": arm["name"], "target_ratio": f"{ratio:g}"}
                row["best_codec"] = "yes" if (arm["name"], ratio) in winners else ""
                yield row | (_cell(cell) if cell else {"status": "not run"})


def _cell(cell: dict[str, Any]) -> Row:
    row = {key: cell.get(key) for key in ("status", "reason", "file_bytes", "ratio")}
    row |= {"bits_per_voxel": cell.get("bits_per_voxel"), "psnr_db": cell.get("psnr")}
    row |= {key: cell.get(key) for key in ("ssim", "nrmse", "max_error")}
    worst = cell.get("worst_slice") or {}
    place = worst.get("index", {})
    row["worst_slice"] = " ".join(f"{axis}={at}" for axis, at in place.items())
    row["worst_slice_psnr_db"] = worst.get("psnr")
    row["psnr_to_second_exposure_db"] = (cell.get("reference") or {}).get("psnr")
    for key in ("original", "recall", "precision"):
        row[f"spots_{key}"] = " ".join(str(channel[key]) for channel in cell.get("spots", ()))
    times = ("encode_s", "search_s", "encodes", "decode_s", "peak_memory_bytes", "date")
    return row | {key: cell.get(key) for key in times}


def _bd_rates(view: View) -> Iterator[Row]:
    for gain in view.comparison.gains:
        bd = gain.bd
        yield {
            "image": gain.image,
            "arm": gain.arm,
            "against": gain.anchor,
            "bd_rate_percent": bd and round(bd.percent, 2),
            "overlap_percent": bd and round(100 * bd.overlap),
            "points_left_out": bd and bd.dropped[1],
            "reason": gain.reason,
        }


def _crossings(view: View) -> Iterator[Row]:
    for one in view.comparison.crossings:
        yield {
            "image": one.image,
            "arm": one.arm,
            "psnr_db": round(one.psnr, 2),
            "bound": one.crossing.bound,
            "ratio": round(one.crossing.ratio, 1),
        }
