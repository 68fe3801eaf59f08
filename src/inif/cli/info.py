"""``inif info``: what a file says about itself, from its header alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from inif.cli.common import (
    JsonFlag,
    QuietFlag,
    decibels,
    emit_json,
    emit_table,
    format_size,
    remarks_noted,
)
from inif.web import public

_PROVENANCE = (
    "method",
    "auto",
    "target",
    "reference",
    "optimizer",
    "steps",
    "stopped",
    "seed",
    "encoder",
    "sha256",
)


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("info")(info)


def info(
    source: Annotated[str, typer.Argument(metavar="FILE.inif", help="A path or a URL.")],
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Show what a file holds. Reads its header only; nothing is decoded."""
    import inif

    with remarks_noted(quiet=quiet) as remarks:
        facts = inif.inspect(source)
    if remarks:
        facts["remarks"] = remarks
    if as_json:
        emit_json(facts)
    elif not quiet:
        emit_table(public(source), rows(facts))


def rows(facts: Mapping[str, Any]) -> list[tuple[str, object]]:
    """The facts of `inif.inspect` for people, those that the file states."""
    header = facts.get("header", facts)
    meta, lossy, field = (header.get(k) or {} for k in ("meta", "lossy", "field"))
    shape = " × ".join(
        f"{axis} {n}" for axis, n in zip(header["axes"], header["shape"], strict=True)
    )
    table: list[tuple[str, object]] = []
    if meta.get("name"):
        table.append(("name", meta["name"]))
    table.append(("image", f"{shape}, {header['dtype']}"))
    if meta.get("scale"):
        steps = (f"{a} {step:g} {unit or ''}".strip() for a, (step, unit) in meta["scale"].items())
        table.append(("spacing", ", ".join(steps)))
    if meta.get("channels"):
        names = (name or str(i) for i, name in enumerate(meta["channels"]))
        table.append(("channels", ", ".join(names)))
    if facts.get("raw_bytes") and facts.get("file_bytes"):
        raw, stored = facts["raw_bytes"], facts["file_bytes"]
        sizes = f"{format_size(raw)} → {format_size(stored)}, {raw / stored:.2f} : 1"
        table.append(("size", sizes))
    bounds = (f"{_number(lo)} … {_number(hi)}" for lo, hi in header["range"])
    table.append(("range", "; ".join(bounds)))
    if "prior" in header:
        table.append(("prior", ", ".join(f"{k} {v}" for k, v in header["prior"].items())))
    if "lossless" in header:
        table.append(("lossless", ", ".join(header["lossless"]["codecs"])))
    else:
        table.append(("field", ", ".join(f"{k} {v}" for k, v in field.items())))
    if lossy.get("psnr") is not None:
        worst = "" if lossy.get("max_error") is None else f", largest error {lossy['max_error']:g}"
        table.append(("quality", f"{decibels(lossy['psnr'])} PSNR on the image's own range{worst}"))
    table += [(name, _text(lossy[name])) for name in _PROVENANCE if name in lossy]
    table.append(("requires", ", ".join(header["requires"])))
    return table


def _number(value: float) -> str:
    """A number for people; whole ones with all digits, because they may be labels."""
    return str(value) if isinstance(value, int) else f"{value:g}"


def _text(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(
            f"{k} {v:g}" if isinstance(v, float) else f"{k} {v}" for k, v in value.items()
        )
    return str(value)
