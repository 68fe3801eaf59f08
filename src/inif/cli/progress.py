"""One progress bar on stderr for a whole job: what is going on, quality so far, time left.

It appears only on a terminal. Elsewhere nothing is printed until the result: a script has
``--json``, and a log needs no bars.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from inif.errors import format_size
from inif.progress import WORDS, Overall, format_time

if TYPE_CHECKING:
    from inif.config import ProgressEvent


@contextmanager
def progress_bar(
    *, quiet: bool, by_psnr: bool = False, counted: bool = False
) -> Iterator[Callable[[ProgressEvent], None] | None]:
    """Yield what ``inif.compress`` and writers take as `progress`; None where nobody is watching.

    `by_psnr` and `counted` are those of `Overall`.

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
        TextColumn("{task.fields[rate]}"),
        TextColumn("{task.fields[eta]}"),
    )
    overall, begun = Overall(by_psnr=by_psnr, counted=counted), time.monotonic()
    with Progress(*columns, console=console, transient=True) as progress:
        first = WORDS["write" if counted else "read"]
        task = progress.add_task(first, total=1.0, psnr="", rate="", eta="")

        def update(event: ProgressEvent) -> None:
            done = overall.update(event)
            left = overall.left(time.monotonic() - begun)
            progress.update(
                task,
                completed=done,
                description=WORDS.get(event.stage, event.stage),
                eta="" if left is None else f"about {format_time(left)} left",
            )
            if event.psnr is not None and math.isfinite(event.psnr):
                progress.update(task, psnr=f"{event.psnr:.1f} dB")
            if event.rate is not None:
                progress.update(task, rate=f"{format_size(event.rate)}/s")

        yield update
