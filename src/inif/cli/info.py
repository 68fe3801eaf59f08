"""``inif info``: what a file says about itself, from its header alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from inif.cli.common import (
    EVERYDAY,
    JsonFlag,
    QuietFlag,
    VerboseFlag,
    emit_json,
    emit_table,
    format_size,
    remarks_noted,
)
from inif.cli.plain import stated_bound, stated_worst, stored_as, stored_psnr
from inif.web import public

_RECORD = ("target", "guides", "select", "reference", "stopped", "encoder")
_DETAILS = ("method", "auto", "knob", "effort", "steps", "optimizer", "seed", "sha256")


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("info", rich_help_panel=EVERYDAY)(info)


def info(
    source: Annotated[str, typer.Argument(metavar="FILE.inif", help="A path or a URL.")],
    verbose: VerboseFlag = False,
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
        emit_table(public(source), rows(facts, verbose=verbose))


def rows(facts: Mapping[str, Any], *, verbose: bool = False) -> list[tuple[str, object]]:
    """The facts of `inif.inspect` for people; how the file was made only where `verbose`."""
    header = facts.get("header", facts)
    meta, lossy = (header.get(k) or {} for k in ("meta", "lossy"))
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
    table.append(("stored as", stored_as(header)))
    if lossy.get("psnr") is not None:
        largest = (
            "" if lossy.get("max_error") is None else f", largest error {lossy['max_error']:g}"
        )
        outliers = any(s["kind"] == "OUTL" for s in facts.get("sections", ()))
        table.append(("quality", stored_psnr(header, outliers=outliers) + largest))
    if (worst := stated_worst(lossy)) is not None:
        table.append(("worst slice", worst))
    if (bound := stated_bound(lossy)) is not None:
        table.append(("bound", bound))
    table += [(name, _text(lossy[name])) for name in _RECORD if name in lossy]
    table += [("remark", remark) for remark in lossy.get("remarks", ())]
    if verbose:
        parts = ((name, header.get(name)) for name in ("codec", "field", "lossless"))
        table += [(name, _text(part)) for name, part in parts if part]
        table += [(name, _text(lossy[name])) for name in _DETAILS if name in lossy]
        table.append(("requires", ", ".join(header["requires"])))
    return table


def _number(value: float) -> str:
    """A number for people; whole ones with all digits, because they may be labels."""
    return str(value) if isinstance(value, int) else f"{value:g}"


def _text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    if isinstance(value, Mapping):
        return ", ".join(
            f"{k} {v:g}" if isinstance(v, float) else f"{k} {v}" for k, v in value.items()
        )
    return str(value)
