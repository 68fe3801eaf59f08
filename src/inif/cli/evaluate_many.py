"""``inif evaluate`` for two folders: every file against its original, and where to look twice."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from inif.cli.common import format_size
from inif.cli.many import check_summary, finish, refuse
from inif.errors import InputError
from inif.many.result import EVALUATED, FAILED, MEASURED, Result, Totals, printable
from inif.outputs import ZARR_MARKERS


def are_folders(
    original: str, compressed: str, *, alone: Mapping[str, object], many: Mapping[str, object]
) -> bool:
    """Whether a command line is about two folders; refused where it is so by half.

    Parameters
    ----------
    alone, many
        Options that only one pair can have, and those of many, by their names; what is falsy is not
        given.

    Raises
    ------
    InputError
        An option of the one with the other, or a folder and a file.
    """
    folders = [_is_folder(original), _is_folder(compressed)]
    if not any(folders):
        refuse(many, "this option is for two folders", "leave it out, or name two folders")
        return False
    if not all(folders):
        raise InputError(
            "a folder is compared with a folder",
            file=compressed if folders[0] else original,
            fix="name two folders, or two files",
        )
    refuse(alone, "this option is for one pair of files", "leave it out, or name two files")
    return True


def evaluate_all(
    originals: str,
    compressed: str,
    *,
    tasks: Sequence[str],
    quick: bool,
    axes: str | None,
    jobs: int | None,
    summary: Path | None,
    force: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Measure the files of a folder; ends in `typer.Exit` where one failed.

    Raises
    ------
    InputError
        What is wrong before the work.
    """
    from inif.many import evaluate_many

    check_summary(summary, replaces=force)
    finish(
        lambda watch: evaluate_many(
            originals,
            compressed,
            tasks=tasks,
            quick=quick,
            axes=axes,
            jobs=jobs,
            progress=watch,
        ),
        EVALUATED,
        (MEASURED, FAILED),
        show=_show,
        summary=summary,
        quiet=quiet,
        as_json=as_json,
    )


def _show(results: Sequence[Result], totals: Totals) -> None:
    """A row for each pair, the worst first, and what to look at twice."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for head in ("file", "file size", "ratio", "PSNR", "worst slice", "look twice"):
        left = head == "file"
        table.add_column(head, justify="left" if left else "right", overflow="fold")
    measured = [r for r in results if r.status == MEASURED]
    measured.sort(key=lambda r: r.worst_slice_psnr or float("inf"))
    for r in measured:
        worst = "" if r.worst_slice_psnr is None else f"{r.worst_slice_psnr:.2f} dB"
        place = "" if r.worst_slice in (None, "the only slice") else f", {r.worst_slice}"
        row = (
            printable(r.output or ""),
            format_size(r.file_bytes or 0),
            f"{r.ratio:.2f}" if r.ratio else "",
            "exact" if r.psnr is None else f"{r.psnr:.2f} dB",
            worst + (place if worst else ""),
            str(len(r.look_twice) or ""),
        )
        table.add_row(*map(Text, row))
    out = Console()
    out.print(table)
    for r in measured:
        for sentence in r.look_twice:
            out.print(Text(f"{printable(r.output or '')}: {printable(sentence)}"), soft_wrap=True)
    print(", ".join(f"{totals.counts[s]} {s}" for s in (MEASURED, FAILED) if totals.counts[s]))


def _is_folder(path: str) -> bool:
    """Whether a path is a folder that is no Zarr store."""
    store = any(os.path.exists(os.path.join(path, marker)) for marker in ZARR_MARKERS)
    return os.path.isdir(path) and not store
