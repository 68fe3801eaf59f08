"""``inif convert``: networks pickled by the method's first authors, as safe ``.inif`` files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from inif.cli.common import (
    MORE,
    AxesOption,
    JsonFlag,
    QuietFlag,
    emit_json,
    emit_table,
    format_size,
    parse_size,
)
from inif.cli.outputs import ForceFlag, check_outputs
from inif.errors import InputError


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("convert", rich_help_panel=MORE)(convert)


def convert(
    legacy: Annotated[Path, typer.Argument(metavar="LEGACY.pkl", help="The pickled network.")],
    out: Annotated[Path, typer.Argument(metavar="OUT.inif", help="The file to write.")],
    psnr: Annotated[
        float | None,
        typer.Option(metavar="DB", help="Quality to keep, against the network's own decode."),
    ] = None,
    size: Annotated[
        str | None, typer.Option(metavar="BYTES", help="Size of the file instead: 36kB.")
    ] = None,
    axes: AxesOption = None,
    force: ForceFlag = False,
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Convert a network pickled by the authors' own program.

    The pickle is read by an unpickler that allows arrays and nothing else: no code in it can run.
    """
    if psnr is not None and size is not None:
        raise InputError(
            "a file has one target", field="--psnr --size", expected="one of them", got="both"
        )
    check_outputs([("OUT.inif", out)], force=force, inputs=[legacy])
    count = None if size is None else parse_size(size)

    from inif.encode.siren.convert import convert as convert_legacy

    with convert_legacy(legacy, out, psnr=psnr, size=count, axes=axes, overwrite=force) as file:
        facts = {
            "file": str(out),
            "legacy_bytes": legacy.stat().st_size,
            "file_bytes": file.file_bytes,
            "raw_bytes": file.raw_bytes,
            "ratio": file.ratio,
            "axes": file.axes,
            "shape": list(file.shape),
            "psnr": file.header.get("lossy", {}).get("psnr"),
        }
    if as_json:
        emit_json(facts)
    elif not quiet:
        sizes = f"{format_size(facts['legacy_bytes'])} → {format_size(facts['file_bytes'])}"
        emit_table(str(out), [("size", sizes)])
