"""Many files in one command: options, progress of all, and the summary of ``inif compress``.

Exit codes: 0 where nothing failed, 2 where anything did, 3 after Ctrl-C with outputs written.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from inif.cli.common import BAD_INPUT, INTERRUPTED, PARTIAL, format_size
from inif.errors import InputError
from inif.many.result import (
    COMPRESSED,
    DONE,
    FAILED,
    SKIPPED,
    Result,
    Totals,
    as_csv,
    as_json_lines,
    printable,
)
from inif.outputs import check_target, write_file
from inif.progress import format_time

if TYPE_CHECKING:
    from rich.console import Console

    from inif.many.status import Status

MANY = "Many files"

OutDirOption = Annotated[
    str | None,
    typer.Option(
        metavar="OUT",
        help="Write the outputs of many files into this folder; they keep their paths below the "
        "folder that was given.",
        rich_help_panel=MANY,
    ),
]
JobsOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="Work on so many files at once (default: one per core, as memory allows).",
        rich_help_panel=MANY,
    ),
]
SkipFlag = Annotated[
    bool,
    typer.Option(
        "--skip-existing",
        help="Leave outputs that are whole, newer than their input, and of the same target and "
        "effort.",
        rich_help_panel=MANY,
    ),
]
DryRunFlag = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        help="Write nothing; say what would be done: bytes, time, memory, room on the disk.",
        rich_help_panel=MANY,
    ),
]
SummaryOption = Annotated[
    Path | None,
    typer.Option(
        "--summary",
        metavar="F.csv|F.jsonl",
        help="Write what became of each image: a table, or lines of JSON.",
        rich_help_panel=MANY,
    ),
]

_FORMATS = {".csv": as_csv, ".jsonl": as_json_lines}


def is_many(
    sources: Sequence[str],
    out_dir: str | None,
    *,
    alone: Mapping[str, object],
    many: Mapping[str, object],
) -> bool:
    """Whether a command line is about many files; refused where it is so by half.

    Parameters
    ----------
    alone, many
        Options that only one file can have, and those of many, by their names; what is falsy is not
        given.

    Raises
    ------
    InputError
        Many inputs or an option of `many` without a folder for the outputs, or an option of `alone`
        with one.
    """
    if out_dir is None:
        if given := [name for name, value in many.items() if value]:
            raise InputError(
                "this option is for many files",
                field=" ".join(given),
                fix="name a folder for their outputs: --out-dir OUT",
            )
        if len(sources) > 1:
            raise InputError(
                "several inputs need a folder for their outputs",
                field="--out-dir",
                got=f"{len(sources)} inputs",
                fix="name one: --out-dir OUT",
            )
        return False
    given = [name for name, value in alone.items() if value]
    if given:
        raise InputError(
            "with --out-dir, this option cannot be used",
            field=" ".join(given),
            fix="leave it out, or compress the file by itself: -o FILE",
        )
    return True


def compress_all(
    sources: Sequence[str],
    out_dir: str,
    *,
    jobs: int | None,
    skip_existing: bool,
    dry_run: bool,
    summary: Path | None,
    force: bool,
    axes: str | None,
    memory: int | None,
    options: Mapping[str, Any],
    quiet: bool,
    as_json: bool,
) -> None:
    """Compress many files; ends in `typer.Exit` with the code of the whole.

    Raises
    ------
    InputError
        What is wrong before the work.
    """
    from inif.many.compress import plan, run

    check_summary(summary, replaces=force or skip_existing)
    todo = plan(
        sources,
        out_dir,
        jobs=jobs,
        overwrite=force,
        skip_existing=skip_existing,
        axes=axes,
        memory=memory,
        **options,
    )
    if dry_run:
        from inif.cli.forecast import show_forecast
        from inif.many.forecast import foretell

        show_forecast(foretell(todo), as_json=as_json)
        return
    finish(
        lambda watch: run(todo, watch),
        COMPRESSED,
        (DONE, SKIPPED, FAILED),
        others=todo.others,
        summary=summary,
        quiet=quiet,
        as_json=as_json,
    )


def finish(
    work: Callable[[Callable[[Status], None] | None], Iterator[Result]],
    columns: Sequence[str],
    statuses: Sequence[str],
    *,
    others: int,
    summary: Path | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Do the work and report it: lines as images end, at last the summary and the exit code."""
    begun, results, interrupted = time.monotonic(), list[Result](), False
    try:
        with overall_bar(quiet=quiet) as (watch, console):
            for result in work(watch):
                results.append(result)
                report(result, columns, console, as_json=as_json)
    except KeyboardInterrupt:
        interrupted = True
    results.sort(key=lambda r: (r.input, r.series or 0, r.output or ""))
    seconds = time.monotonic() - begun
    totals = Totals.of(results, others, seconds, interrupted=interrupted)
    for sentence, count, first in _grouped(results):
        more = f" and {count - 1} more" if count > 1 else ""
        print(f"warning: {first}{more}: {sentence}", file=sys.stderr)
    if as_json:
        print(json.dumps(totals.to_json(*statuses), ensure_ascii=False))
    elif not quiet:
        show(results, totals, statuses)
    if summary is not None:
        data = _FORMATS[summary.suffix.lower()](results, columns)
        write_file(summary, data, overwrite=True)
    if interrupted:
        written = totals.counts[DONE]
        if not written:
            raise typer.Exit(INTERRUPTED)
        print(f"error: interrupted; {written} files were written, and are whole", file=sys.stderr)
        raise typer.Exit(PARTIAL)
    if totals.counts[FAILED]:
        raise typer.Exit(BAD_INPUT)


def check_summary(summary: Path | None, *, replaces: bool) -> None:
    """Refuse a summary that cannot be written.

    Raises
    ------
    InputError
        Another ending than .csv and .jsonl, or as `inif.outputs.check_target`.
    """
    if summary is None:
        return
    if summary.suffix.lower() not in _FORMATS:
        raise InputError(
            "a summary of this kind cannot be written",
            file=summary,
            field="--summary",
            expected="a name that ends in .csv or .jsonl",
        )
    check_target(summary, overwrite=replaces, field="--summary")


def report(
    result: Result, columns: Sequence[str], console: Console | None, *, as_json: bool
) -> None:
    """What became of an image: a line of JSON on stdout, or for a failure one line on stderr."""
    if as_json:
        print(json.dumps(result.to_json(columns), ensure_ascii=False), flush=True)
    elif result.status == FAILED:
        name = result.input or result.output or ""
        name += "" if result.series is None else f" (series {result.series})"
        line = printable(f"error: {name}: {' '.join((result.error or '').splitlines())}")
        if console is None:
            print(line, file=sys.stderr, flush=True)
        else:
            console.print(line, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def overall_bar(*, quiet: bool) -> Iterator[tuple[Callable[[Status], None] | None, Console | None]]:
    """One bar for all files: images, bytes of input, rate, time left; only on a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield None, None
        return
    begun = time.monotonic()
    columns = (
        TextColumn("{task.fields[images]}"),
        BarColumn(),
        TextColumn("{task.fields[amount]}"),
        TextColumn("{task.fields[left]}"),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=1.0, images="looking at the files", amount="", left="")

        def update(status: Status) -> None:
            seconds = max(time.monotonic() - begun, 1e-3)
            rate = status.bytes / seconds
            share = status.bytes / max(status.of_bytes, 1)
            left = format_time((status.of_bytes - status.bytes) / rate) if share > 0.02 else ""
            bar.update(
                task,
                completed=share,
                images=f"{status.images} of {status.of_images} images",
                amount=f"{format_size(status.bytes)} of {format_size(status.of_bytes)}, "
                f"{format_size(rate)}/s",
                left=left and f"about {left} left",
            )

        yield update, console


def show(results: Sequence[Result], totals: Totals, statuses: Sequence[str]) -> None:
    """The summary for people, on stdout."""
    show_table(results, totals)
    counts = [f"{totals.counts[name]} {name}" for name in statuses if totals.counts[name]]
    if totals.others:
        counts.append(f"{totals.others} other files in the folders")
    print(", ".join(counts))


def show_table(results: Sequence[Result], totals: Totals | None = None) -> None:
    """A row for each image, and one for all of them."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for head in ("file", "status", "samples", "file size", "ratio", "PSNR", "remarks", "time"):
        left = head in ("file", "status")
        table.add_column(head, justify="left" if left else "right", overflow="fold")
    for result in results:
        name = printable(result.output or result.input)
        table.add_row(*map(Text, (name, result.status, *_cells(result))))
    if totals is not None and len(results) > 1:
        whole = Result("", None, "", None, totals.raw_bytes, totals.file_bytes)
        sizes = _cells(whole)[:3]
        table.add_row(*map(Text, ("all", "", *sizes, "", "", format_time(totals.seconds))))
    Console().print(table)


def _cells(result: Result) -> tuple[str, ...]:
    def of(value: float | None, text: str) -> str:
        return "" if value is None else text.format(value)

    exact = result.max_error == 0 and result.psnr is None
    return (
        "" if result.raw_bytes is None else format_size(result.raw_bytes),
        "" if result.file_bytes is None else format_size(result.file_bytes),
        of(result.ratio, "{:.2f}"),
        "exact" if exact else of(result.psnr, "{:.2f} dB"),
        str(len(result.remarks) or ""),
        of(result.seconds, "{:.1f} s"),
    )


def _grouped(results: Iterable[Result]) -> list[tuple[str, int, str]]:
    """Every remark on what was done: its sentence, how many images have it, and the first."""
    found: dict[str, tuple[int, str]] = {}
    for result in (r for r in results if r.status == DONE):
        for remark in result.remarks:
            text = printable(remark).removeprefix(f"{printable(result.input)}: ")
            count, first = found.get(text, (0, os.path.basename(printable(result.input))))
            found[text] = count + 1, first
    return [(text, count, first) for text, (count, first) in found.items()]
