"""``inif-bench fetch``: public data sets of the paper, downloaded and checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from inif.cli.common import ADVANCED, JsonFlag, QuietFlag, emit_json, note
from inif.errors import InputError

if TYPE_CHECKING:
    from inif_bench.datasets import DataFile, Dataset


def register(app: typer.Typer) -> None:
    """Add the command to ``inif-bench``."""
    app.command("fetch")(fetch_command)


def fetch_command(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="The data set; see --list.")
    ] = None,
    folder: Annotated[
        Path, typer.Option("--folder", "-o", metavar="DIR", help="Where the files go.")
    ] = Path("inif-data"),
    listing: Annotated[
        bool, typer.Option("--list", help="List the data sets, licences and sources.")
    ] = False,
    manifest: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.json", help="Your own list of data sets.", rich_help_panel=ADVANCED
        ),
    ] = None,
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Download a data set of the paper; run again to resume."""
    from inif_bench.datasets import find_dataset, load_manifest

    known = load_manifest(manifest)
    if listing:
        _list(known, as_json)
        return
    if name is None:
        names = ", ".join(d.name for d in known)
        raise InputError("name a data set", field="NAME", expected=names, fix="see --list")
    dataset = find_dataset(name, known)
    from inif_bench.fetch import fetch

    note(f"{dataset.title}\nlicence: {dataset.licence}. {dataset.licence_note}", quiet=quiet)
    with _progress(quiet=quiet or as_json) as show:
        found = fetch(dataset, folder, show)
    if as_json:
        files = [{"path": str(f.path), "sha256": f.sha256, "checked": f.checked} for f in found]
        emit_json({"name": dataset.name, "files": files, "how": dataset.how})
        return
    for file in found:
        word = "checked" if file.checked else "no checksum was published; kept for next time"
        note(f"{file.path}: sha256 {file.sha256} ({word})", quiet=quiet)
    ratios = ",".join(f"{r:g}" for r in dataset.ratios)
    note(f"{dataset.how}\nnext: inif-bench run --data {folder} --ratios {ratios}", quiet=quiet)


def _list(known: tuple[Dataset, ...], as_json: bool) -> None:
    if as_json:
        keys = ("name", "title", "used_for", "axes", "source", "licence", "licence_note", "how")
        rows = [{**{k: getattr(d, k) for k in keys}, "files": len(d.files)} for d in known]
        emit_json({"datasets": rows})
        return
    for d in known:
        count = f"{len(d.files)} file{'s' * (len(d.files) != 1)}" if d.files else "by hand"
        print(f"{d.name} ({count})\n  {d.title}\n  {d.used_for}\n  {d.source}\n  {d.licence}")


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Callable[[DataFile, int, int | None], None] | None]:
    """A bar on a terminal: bytes, speed, time left."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield None
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("connecting", total=None)

        def update(file: DataFile, done: int, total: int | None) -> None:
            bar.update(task, description=file.path, completed=done, total=total)

        yield update
