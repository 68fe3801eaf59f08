"""What is shown of many files: one bar for all, a line for each, and the table at the end."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from inif.cli.common import format_size
from inif.many.result import DONE, FAILED, SKIPPED, Result, Totals, printable
from inif.progress import format_time

if TYPE_CHECKING:
    from rich.console import Console

    from inif.many.status import Status

_HEADS = (
    "file",
    "status",
    "samples",
    "file size",
    "ratio",
    "PSNR",
    "worst slice",
    "remarks",
    "time",
)


def report(
    result: Result, columns: Sequence[str], console: Console | None, *, as_json: bool
) -> None:
    """What became of an image: a line of JSON on stdout, or for a failure one line on stderr."""
    if as_json:
        print(json.dumps(result.to_json(columns), ensure_ascii=False), flush=True)
    elif result.status == FAILED:
        name, error = result.input or result.output or "", result.error or ""
        series = "" if result.series is None else f" (series {result.series})"
        said = f"file: {name}" in error and not series
        line = printable(f"error: {error}" if said else f"error: {name}{series}: {error}")
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


def show(results: Sequence[Result], totals: Totals) -> None:
    """The summary for people, on stdout."""
    show_table(results, totals)
    counts = [
        f"{totals.counts[name]} {name}" for name in (DONE, SKIPPED, FAILED) if totals.counts[name]
    ]
    if totals.others:
        counts.append(f"{totals.others} other files in the folders")
    print(", ".join(counts))


def show_table(results: Sequence[Result], totals: Totals | None = None) -> None:
    """A row for each image, and one for all of them."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for head in _HEADS:
        left = head in ("file", "status")
        table.add_column(head, justify="left" if left else "right", overflow="fold")
    for result in results:
        name = printable(result.output or result.input)
        table.add_row(*map(Text, (name, result.status, *_cells(result))))
    if totals is not None and len(results) > 1:
        whole = Result("", None, "", None, totals.raw_bytes, totals.file_bytes)
        sizes = _cells(whole)[:3]
        rest = ("",) * (len(_HEADS) - 6)
        table.add_row(*map(Text, ("all", "", *sizes, *rest, format_time(totals.seconds))))
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
        of(result.worst_slice_psnr, f"{{:.2f}} dB, {result.worst_slice}"),
        str(len(result.remarks) or ""),
        of(result.seconds, "{:.1f} s"),
    )


def grouped(results: Iterable[Result]) -> list[tuple[str, int, str]]:
    """Every remark on what was done: its sentence, how many images have it, and the first."""
    found: dict[str, tuple[int, str]] = {}
    for result in (r for r in results if r.status == DONE):
        for remark in result.remarks:
            text = printable(remark).removeprefix(f"{printable(result.input)}: ")
            count, first = found.get(text, (0, printable(result.input)))
            found[text] = count + 1, first
    return [(text, count, first) for text, (count, first) in found.items()]
