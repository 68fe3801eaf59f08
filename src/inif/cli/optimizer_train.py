"""``inif optimizer train``: meta-train `inif-lopt` on one's own images, over hours."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from inif.cli.common import ADVANCED, JsonFlag, QuietFlag, emit_json, find_images, note, words
from inif.cli.outputs import ForceFlag, check_outputs
from inif.errors import InputError
from inif.progress import format_time


def train_command(
    out: Annotated[
        Path,
        typer.Option("-o", "--out", metavar="FILE.npz", help="Where the weights go."),
    ],
    data: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder of images; without it all are generated."),
    ] = None,
    leave_out: Annotated[
        str | None,
        typer.Option(
            metavar="A,B",
            help="Not images whose name contains one of these.",
            rich_help_panel=ADVANCED,
        ),
    ] = None,
    updates: Annotated[int, typer.Option(min=1, help="Of the weights, in all.")] = 400,
    pairs: Annotated[
        int, typer.Option(min=1, help="Pairs of fits for each update.", rich_help_panel=ADVANCED)
    ] = 24,
    shortest: Annotated[
        int, typer.Option(min=1, help="Steps of the shortest fit.", rich_help_panel=ADVANCED)
    ] = 100,
    longest: Annotated[
        int, typer.Option(min=2, help="Steps of the longest fit.", rich_help_panel=ADVANCED)
    ] = 1000,
    begin: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.npz",
            help="Weights to begin from (default: untrained).",
            rich_help_panel=ADVANCED,
        ),
    ] = None,
    long_only: Annotated[
        bool,
        typer.Option(
            "--long-only",
            help="Only weights that have a say above 1000 steps.",
            rich_help_panel=ADVANCED,
        ),
    ] = False,
    sigma: Annotated[
        float, typer.Option(min=0.001, help="How far weights are moved.", rich_help_panel=ADVANCED)
    ] = 0.1,
    rate: Annotated[
        float,
        typer.Option(min=0.0001, help="Of the weights' own optimizer.", rich_help_panel=ADVANCED),
    ] = 0.02,
    judged: Annotated[
        int, typer.Option(min=1, help="Unseen fits, to judge by.", rich_help_panel=ADVANCED)
    ] = 24,
    hours: Annotated[
        float | None, typer.Option(min=0, help="Stop after so long; the same command goes on.")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Processes (default: the cores).", rich_help_panel=ADVANCED),
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, help="Of everything random.", rich_help_panel=ADVANCED)
    ] = 0,
    force: ForceFlag = False,
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Meta-train the learned optimizer; a run that was stopped goes on where it stopped.

    Beside FILE.npz stand FILE.run (all that is needed to go on) and FILE.jsonl (the curve: gain in
    dB over the weights it began from, on fits that training does not see).
    """
    if out.suffix != ".npz":
        raise InputError("weights are .npz files", field="-o", expected="NAME.npz", got=out)
    run, curve = out.with_suffix(".run"), out.with_suffix(".jsonl")
    goes_on = run.is_file()
    check_outputs(
        [("-o", out), ("-o", curve)],
        force=force or goes_on,
        inputs=[] if goes_on else [begin],
    )
    import os

    from inif.optim import learned, meta_train

    settings = meta_train.MetaSettings(
        updates=updates,
        pairs=pairs,
        seed=seed,
        sigma=sigma,
        rate=rate,
        steps=(min(shortest, longest), longest),
        judged=judged,
        long_only=long_only,
    )
    first = learned.load(begin) if begin else None
    progress = (
        meta_train.Progress.load(run, settings) if goes_on else meta_train.Progress.begin(first)
    )
    mode = "a" if goes_on else "w"
    last: dict[str, Any] = {"update": progress.update}
    sources = list(_sources(data, leave_out))

    def keep() -> None:
        progress.save(run, settings)
        learned.save(meta_train.shaped(progress.theta), out)

    with _shown(settings.updates, quiet=quiet or as_json) as show, curve.open(mode) as lines:

        def report(row: dict[str, Any]) -> None:
            lines.write(json.dumps(row) + "\n")
            lines.flush()
            last.update(row)
            show(last)

        steps = meta_train.train(
            sources,
            settings,
            progress,
            workers=workers or os.cpu_count() or 1,
            begin=first,
            seconds=None if hours is None else 3600 * hours,
            report=report,
        )
        for _ in steps:
            keep()
    keep()
    if as_json:
        emit_json({"out": out, "images": len(sources), **last})
    else:
        note(f"{out}: {progress.update} of {settings.updates} updates", quiet=quiet)


def _sources(data: Path | None, leave_out: str | None) -> Iterator[Any]:
    import numpy as np

    from inif.io import read_image
    from inif.optim.fits import TrainingImage

    parts = words(leave_out)
    for path in find_images(data) if data else ():
        if not any(part in path.name for part in parts):
            image = read_image(str(path))
            yield TrainingImage.of(np.asarray(image.data), image.axes)


@contextmanager
def _shown(updates: int, *, quiet: bool) -> Iterator[Callable[[dict[str, Any]], None]]:
    """A bar on a terminal, lines of what was judged elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    console = Console(stderr=True)
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}", markup=False))
    hidden = quiet or not console.is_terminal
    with Progress(*columns, console=console, disable=hidden) as bar:
        task = bar.add_task("compiling", total=updates)
        begun: list[tuple[int, float]] = []

        def show(row: dict[str, Any]) -> None:
            begun.append((row["update"], row["seconds"]))
            (first, since), (now, seconds) = begun[0], begun[-1]
            each = (seconds - since) / max(now - first, 1)
            gain = f"gain {row['gain']:+.2f} dB, " if "gain" in row else ""
            left = f"{format_time(each * (updates - now))} left"
            bar.update(task, completed=now, description=gain + left)
            if hidden and not quiet and "gain" in row:
                note(f"{now}/{updates} {gain}{left}", quiet=False)

        yield show
