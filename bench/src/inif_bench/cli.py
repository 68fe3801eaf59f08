"""``inif-bench``: every rival at its best, on your images, at the same bytes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from inif.cli.app import Program
from inif.cli.common import (
    ADVANCED,
    AxesOption,
    JsonFlag,
    QuietFlag,
    decibels,
    emit_json,
    find_images,
    note,
    words,
)
from inif.errors import InputError
from inif.progress import format_time
from inif_bench import cli_fetch

if TYPE_CHECKING:
    from inif_bench.run import CellEvent

RESULTS = Path("bench-results")

ResultsOption = Annotated[
    Path, typer.Option("--results", metavar="DIR", help="Folder of the JSON results.")
]

app = typer.Typer(
    name="inif-bench",
    cls=Program,
    help="Compare inif with codecs at their best, on any images, at the same bytes.",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
cli_fetch.register(app)


@app.command("run")
def run_command(
    data: Annotated[Path, typer.Option(metavar="DIR", help="Folder of images.")],
    images: Annotated[
        str | None,
        typer.Option(metavar="A,B", help="Only images whose name contains one of these."),
    ] = None,
    arms: Annotated[
        str | None,
        typer.Option(metavar="A,B", help="Only these arms; see inif-bench arms (default: all)."),
    ] = None,
    ratios: Annotated[
        str | None,
        typer.Option(
            metavar="R,R", help="Target ratios (default: 64 to 512; 32 to 256 for 8-bit images)."
        ),
    ] = None,
    results: ResultsOption = RESULTS,
    references: Annotated[
        list[str] | None,
        typer.Option(
            "--reference",
            metavar="NAME=PATH",
            help="A second exposure of image NAME, to score against as well; may be repeated.",
            rich_help_panel=ADVANCED,
        ),
    ] = None,
    effort: Annotated[
        int, typer.Option(min=1, max=9, help="Of inif's own methods.", rich_help_panel=ADVANCED)
    ] = 1,
    spots: Annotated[
        str | None,
        typer.Option(
            metavar="A,B",
            help="Search for spots in images whose name contains these.",
            rich_help_panel=ADVANCED,
        ),
    ] = None,
    seconds: Annotated[
        float,
        typer.Option(
            min=1, help="For each fit of the fields as published.", rich_help_panel=ADVANCED
        ),
    ] = 60.0,
    jobs: Annotated[
        int,
        typer.Option(
            min=1,
            help="Arms side by side, each on its share of the cores.",
            rich_help_panel=ADVANCED,
        ),
    ] = 1,
    threads: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="For each arm (default: the cores, shared by jobs).",
            rich_help_panel=ADVANCED,
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, help="Of everything random.", rich_help_panel=ADVANCED)
    ] = 0,
    again: Annotated[
        bool, typer.Option(help="Run cells again that are there.", rich_help_panel=ADVANCED)
    ] = False,
    axes: AxesOption = None,
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Run what is missing: images × arms × ratios. Stopped runs go on where they stopped."""
    from inif_bench.arms import Options, find_arms
    from inif_bench.run import Plan, run

    pairs = [_reference(text) for text in references or ()]
    chosen = find_arms(words(arms) or None)
    plan = Plan(
        images=find_images(data, words(images)),
        arms=tuple(chosen),
        results=results,
        ratios=tuple(_ratio(word) for word in words(ratios)) or None,
        options=Options(
            threads=threads or max(1, (os.cpu_count() or 1) // jobs),
            seed=seed,
            seconds=seconds,
            effort=effort,
        ),
        axes=axes,
        references=dict(pairs),
        jobs=jobs,
        again=again,
        spots=words(spots),
    )
    given = {
        "data": data,
        "images": images,
        "arms": arms,
        "ratios": ratios,
        "results": results,
        "reference": " --reference ".join(f"{n}={p.name}" for n, p in pairs) or None,
        "effort": effort,
        "spots": spots,
        "seconds": seconds,
        "jobs": jobs,
        "threads": threads,
        "seed": seed,
        "again": again,
        "axes": axes,
    }
    with _progress(quiet=quiet or as_json) as show:
        count = run(plan, _command(given), show)
    if as_json:
        emit_json({"cells_run": count, "results": str(results)})
    else:
        note(f"{count} cells run; results in {results}", quiet=quiet)


@app.command("report")
def report_command(
    results: ResultsOption = RESULTS,
    docs: Annotated[
        Path, typer.Option(metavar="DIR", help="Where benchmark.md and figures/ go.")
    ] = Path("bench-report"),
    check: Annotated[
        bool, typer.Option(help="Write nothing; fail where the text is not what the JSON gives.")
    ] = False,
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Tables and figures out of the results."""
    from inif_bench.report import write_report

    written = write_report(results, docs, check=check)
    if as_json:
        emit_json({"written": [str(path) for path in written]})
    else:
        note("\n".join(str(path) for path in written) or "up to date", quiet=quiet)


@app.command("arms")
def arms_command(as_json: JsonFlag = False) -> None:
    """List the arms, how each is run, and which are missing here."""
    from inif_bench.arms import ARMS

    if as_json:
        rows = [
            {"name": a.name, "title": a.title, "family": a.family, "missing": a.missing()}
            | {"settings": a.settings}
            for a in ARMS
        ]
        emit_json({"arms": rows})
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, padding=(0, 2))
    for head in ("arm", "what", "here"):
        table.add_column(head, overflow="fold")
    for arm in ARMS:
        table.add_row(arm.name, arm.title, arm.missing() or "yes", style=None)
    Console().print(table)


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Callable[[CellEvent], None] | None]:
    """A bar on a terminal, lines elsewhere."""
    import time

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    console = Console(stderr=True)
    if quiet:
        yield None
        return
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}", markup=False))
    begin = time.monotonic()
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("reading", total=None)

        def update(event: CellEvent) -> None:
            cell = event.cell
            text = f"{event.image} {event.arm} {event.ratio:g}×: {cell['status']}"
            text += f", {decibels(cell['psnr'])}" if "psnr" in cell else f" ({cell['reason']})"
            left = (time.monotonic() - begin) / event.done * (event.total - event.done)
            bar.update(
                task,
                completed=event.done,
                total=event.total,
                description=f"{text}; {format_time(left)} left",
            )
            if not console.is_terminal:
                note(f"{event.done}/{event.total} {text}", quiet=False)

        yield update


def _ratio(text: str) -> float:
    try:
        value = float(text.rstrip("x×"))
    except ValueError:
        value = 0.0
    if not 1 < value < 1e6:
        raise InputError(
            "this ratio cannot be used", field="--ratios", expected="numbers above 1", got=text
        )
    return value


def _reference(text: str) -> tuple[str, Path]:
    name, _, path = text.partition("=")
    if not name or not path or not Path(path).exists():
        raise InputError(
            "this reference cannot be used",
            field="--reference",
            expected="NAME=PATH of an existing image",
            got=text,
        )
    return name, Path(path)


def _command(options: Mapping[str, object]) -> str:
    """The command line for the record; of folders only the last name."""
    words = []
    for name, value in options.items():
        if value is None or value is False:
            continue
        text = value.name if isinstance(value, Path) else str(value)
        words.append(f"--{name}" if value is True else f"--{name} {text}")
    return " ".join(["inif-bench run", *words])
