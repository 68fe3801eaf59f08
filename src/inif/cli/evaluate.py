"""``inif evaluate``: how far is a decoded file from its original, with figures and a report."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from inif.cli.common import (
    ADVANCED,
    EVERYDAY,
    AxesOption,
    JsonFlag,
    QuietFlag,
    SeriesOption,
    emit_json,
    note,
    read_input,
)
from inif.cli.evaluate_many import are_folders, evaluate_all
from inif.cli.many import JobsOption, SummaryOption
from inif.cli.outputs import ForceFlag, check_outputs
from inif.errors import MissingExtraError


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("evaluate", rich_help_panel=EVERYDAY)(evaluate)


def evaluate(
    original: Annotated[
        str, typer.Argument(metavar="ORIGINAL", help="The original image, or a folder of them.")
    ],
    compressed: Annotated[
        str,
        typer.Argument(
            metavar="FILE.inif",
            help="The file compressed from it, or the folder that --out-dir named.",
        ),
    ],
    figure: Annotated[
        Path | None,
        typer.Option(
            metavar="F.png",
            help="Write original, decoded and residual side by side (needs the extra plot).",
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="R.html",
            help="Write a report of one HTML page; its pictures need the extra plot.",
        ),
    ] = None,
    task: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[:HOW]",
            help="Measure what an analysis still finds, instead of spots and noise: mask, objects, "
            "spots, intensity, frc, noise, perceptual or clean:FILE, as in objects:otsu, "
            "mask:ridge, intensity:labels=cells.tif, objects:python:module:function "
            "(docs/metrics.md). May be repeated.",
        ),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="OTHER.inif",
            help="Another file compressed from the original; its figures are put beside.",
            rich_help_panel=ADVANCED,
        ),
    ] = None,
    quick: Annotated[
        bool,
        typer.Option(
            "--quick",
            help="Leave out spots, noise and the search for places where structure was lost.",
        ),
    ] = False,
    verbose: Annotated[
        bool,
        typer.Option("--verbose", "-v", help="Also show how the encoder chose its settings."),
    ] = False,
    axes: AxesOption = None,
    series: SeriesOption = 0,
    jobs: JobsOption = None,
    summary: SummaryOption = None,
    force: ForceFlag = False,
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Compare a file with its original: how good it is, and where structure was lost."""
    alone = {
        "--figure": figure,
        "--report": report,
        "--against": against,
        "--series": series,
        "--verbose": verbose,
    }
    if are_folders(original, compressed, alone=alone, many={"--jobs": jobs, "--summary": summary}):
        evaluate_all(
            original,
            compressed,
            tasks=task or (),
            quick=quick,
            axes=axes,
            jobs=jobs,
            summary=summary,
            force=force,
            quiet=quiet,
            as_json=as_json,
        )
        return
    check_outputs(
        [("--figure", figure), ("--report", report)],
        force=force,
        inputs=[original, compressed, against],
    )

    if figure is not None and find_spec("matplotlib") is None:
        raise MissingExtraError("matplotlib", "plot", need="--figure")

    import inif
    from inif.metrics.tasks import parse_tasks

    tasks = parse_tasks(task) if task else None
    image = read_input(original, axes, series)
    result = inif.evaluate(image, compressed, tasks=tasks, against=against, quick=quick)
    if figure is not None:
        from inif.metrics.figure import figure as draw

        draw(result, figure, overwrite=force)
        note(f"wrote {figure}", quiet=quiet)
    if report is not None:
        from inif.metrics.html import html_report

        html_report(result, report, overwrite=force)
        note(f"wrote {report}", quiet=quiet)
    if as_json:
        emit_json(result.to_json())
    elif not quiet:
        from rich.console import Console

        from inif.metrics.text import render

        Console().print(render(result, verbose=verbose))
