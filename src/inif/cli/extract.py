"""``inif extract-codec``: the standard streams of a hybrid file, for ordinary players."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from inif.cli.common import MORE, JsonFlag, QuietFlag, emit_json, emit_table, format_size


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("extract-codec", rich_help_panel=MORE)(extract)


def extract(
    source: Annotated[str, typer.Argument(metavar="FILE.inif", help="A path or a URL.")],
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A new folder to write.")],
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Write the streams of the codec in a hybrid file as files of their own.

    AV1 comes as .obu and HEVC as .hevc, which FFmpeg plays; pictures as .jxl, .avif or .j2k.

    They show the codec's own picture, before the repair.
    """
    from inif.decode.extract import extract_codec

    files = extract_codec(source, folder)
    total = sum(file.stat().st_size for file in files)
    if as_json:
        emit_json({"folder": str(folder), "files": [f.name for f in files], "bytes": total})
    elif not quiet:
        emit_table(str(folder), [("streams", len(files)), ("size", format_size(total))])
