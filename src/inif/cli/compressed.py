"""What ``inif compress`` says of a file that it has made."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inif.cli.common import decibels, emit_table, format_size
from inif.cli.plain import stated_bound, stated_worst, stored_psnr
from inif.progress import format_time

if TYPE_CHECKING:
    from inif import File

_DETAILS = ("method", "codec", "layers", "width", "auto", "effort", "steps", "optimizer", "seed")


def summary(file: File, out: Path, *, seconds: float) -> dict[str, Any]:
    """The facts of ``inif compress --json`` and of its table."""
    lossy = dict(file.header.get("lossy", {}))
    target = dict(lossy.get("target", {}))
    field = file.header.get("field", {})
    facts = {
        "file": str(out),
        "raw_bytes": file.raw_bytes,
        "file_bytes": file.file_bytes,
        "ratio": file.ratio,
        "target_ratio": target.get("ratio"),
        "target": target,
        "method": lossy.get("method"),
        "seconds": round(seconds, 3),
        "psnr": lossy.get("psnr"),
        "psnr_range": file.header.get("range"),
        "max_error": lossy.get("max_error"),
        "bits_per_voxel": 8 * file.file_bytes / file.size,
        "codec": file.header.get("codec", {}).get("kind"),
        "layers": field.get("layers"),
        "width": field.get("width"),
        "seed": lossy.get("seed"),
    }
    extra = (
        "psnr_least",
        "bound",
        "worst_slice",
        "auto",
        "steps",
        "effort",
        "optimizer",
        "guides",
        "select",
        "stopped",
    )
    if "lossless" in file.header:
        facts |= file.header["lossless"]
    return facts | {name: lossy[name] for name in extra if name in lossy}


def show(facts: dict[str, Any], way: str, quality: str, *, verbose: bool) -> None:
    """The table, for people."""
    sizes = f"{format_size(facts['raw_bytes'])} → {format_size(facts['file_bytes'])}"
    rows = [
        ("size", f"{sizes}, {facts['ratio']:.2f} : 1, {facts['bits_per_voxel']:.3g} bits/voxel"),
        ("quality", quality),
        *([("worst slice", stated_worst(facts))] if "worst_slice" in facts else []),
        ("stored as", way),
        *([("guided by", ", ".join(facts["guides"]))] if "guides" in facts else []),
        *([("judged by", facts["select"])] if "select" in facts else []),
        ("time", format_time(facts["seconds"])),
    ]
    if verbose:
        rows += [(name, facts[name]) for name in _DETAILS if facts.get(name) is not None]
    emit_table(facts["file"], rows)


def quality_of(header: Mapping[str, Any], *, outliers: bool) -> str:
    """How good the file is, in words; `outliers` as `stored_psnr` has it."""
    lossy = header.get("lossy", {})
    if lossy.get("max_error") == 0:
        return "every sample is exact"
    whole = stored_psnr(header, outliers=outliers)
    if (bound := stated_bound(lossy)) is not None:
        return f"{bound}, {whole}"
    if "psnr_least" not in lossy:
        return whole
    return f"{whole}, at least {decibels(lossy['psnr_least'])} in every channel"
