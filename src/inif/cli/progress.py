"""A progress bar on stderr, fed by the encoder's `ProgressEvent`: stage, PSNR so far, time left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inif.config import ProgressEvent


@contextmanager
def progress_bar(*, quiet: bool) -> Iterator[Callable[[ProgressEvent], None] | None]:
    """Yield the callback for ``inif.compress(progress=…)``; None where nobody is watching.

    The bar appears only on a terminal, and disappears at the end.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield None
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[psnr]}"),
        TextColumn("{task.fields[eta]}"),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("reading", total=None, psnr="", eta="")

        def update(event: ProgressEvent) -> None:
            progress.update(
                task,
                description=event.stage,
                completed=event.step,
                total=event.steps,
                psnr="" if event.psnr is None else f"{event.psnr:.2f} dB",
                eta="" if event.eta is None else f"{format_time(event.eta)} left",
            )

        yield update


def format_time(seconds: float) -> str:
    """Seconds for people: ``"8 s"``, ``"3:05"``, ``"1:02:40"``."""
    total = max(0, round(seconds))
    if total < 60:
        return f"{total} s"
    hours, rest = divmod(total, 3600)
    minutes, second = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{second:02}" if hours else f"{minutes}:{second:02}"
