"""Many files in one command: options, progress of all, and the summary of ``inif compress``.

Exit codes: 0 where nothing failed, 2 where anything did, 3 after Ctrl-C with outputs written.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from inif.cli.common import BAD_INPUT, INTERRUPTED, PARTIAL
from inif.cli.many_show import grouped, overall_bar, report, show
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
)
from inif.outputs import check_target, write_file

if TYPE_CHECKING:
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
        refuse(many, "this option is for many files", "name a folder for outputs: --out-dir OUT")
        if len(sources) > 1:
            raise InputError(
                "several inputs need a folder for their outputs",
                field="--out-dir",
                got=f"{len(sources)} inputs",
                fix="name one: --out-dir OUT",
            )
        return False
    refuse(
        alone,
        "with --out-dir, this option cannot be used",
        "leave it out, or compress the file by itself: -o FILE",
    )
    return True


def refuse(options: Mapping[str, object], problem: str, fix: str) -> None:
    """Refuse options that are given, by their names; what is falsy is not.

    Raises
    ------
    InputError
        One is.
    """
    given = [name for name, value in options.items() if value]
    if given:
        raise InputError(problem, field=" ".join(given), fix=fix)


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
        show=show,
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
    show: Callable[[Sequence[Result], Totals], None],
    others: int = 0,
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
    for sentence, count, first in grouped(results):
        more = f" and {count - 1} more" if count > 1 else ""
        print(f"warning: {first}{more}: {sentence}", file=sys.stderr)
    if as_json:
        print(json.dumps(totals.to_json(*statuses), ensure_ascii=False))
    elif not quiet:
        show(results, totals)
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
