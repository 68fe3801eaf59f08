"""``inif compress IN -o OUT.ome.zarr``: images of any size, shard by shard, resumable."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from inif.cli.common import (
    StoppedError,
    decibels,
    emit_json,
    emit_table,
    format_size,
    parse_size,
    remarks_noted,
)
from inif.cli.progress import progress_bar
from inif.errors import InputError
from inif.progress import format_time

PANEL = "Stores (OUT.ome.zarr)"

WorkersOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="Processes that do the work, of 1.5 GB each (default: threads of this one).",
        rich_help_panel=PANEL,
    ),
]
SchedulerOption = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="A running dask cluster that does the work, as tcp://host:8786; it must see the same "
        "files.",
        rich_help_panel=PANEL,
    ),
]
ChunksOption = Annotated[
    str | None,
    typer.Option(
        metavar="z=8,y=1024,…", help="Samples that are coded at once.", rich_help_panel=PANEL
    ),
]
ShardsOption = Annotated[
    str | None,
    typer.Option(
        metavar="z=64,y=2048,…",
        help="Samples that are one file, whole chunks (default: about 256 MB).",
        rich_help_panel=PANEL,
    ),
]
CheckFlag = Annotated[
    bool,
    typer.Option(
        "--verify",
        help="Read everything back and decode it before the store gets its name.",
        rich_help_panel=PANEL,
    ),
]
LogOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Add a line of JSON for every shard to a file.", rich_help_panel=PANEL
    ),
]

_ONLY_FILES = {
    "method": "auto",
    "share": 0.0,
    "optimizer": "auto",
    "codec": None,
    "select": "psnr",
    "guide": None,
    "seed": 0,
    "time_limit": None,
    "keep_partial": False,
    "out_dir": None,
    "jobs": None,
    "skip_existing": False,
    "dry_run": False,
    "summary_table": None,
}
_ONLY_STORES = ("workers", "scheduler", "chunks", "shards", "verify", "log")
_LENGTH = re.compile(r"\s*([tczyx])\s*=\s*(\d+)\s*", re.IGNORECASE)


def check_file(asked: Mapping[str, Any]) -> None:
    """Refuse options that only stores have.

    Raises
    ------
    InputError
        One of them is given.
    """
    for name in _ONLY_STORES:
        if asked[name]:
            raise InputError(
                "only a store has this option",
                field=f"--{name}",
                fix="name a store as the output: -o OUT.ome.zarr",
            )


def compress_store(asked: Mapping[str, Any], target: Mapping[str, Any]) -> None:
    """Compress to a store, and say how it went.

    Parameters
    ----------
    asked
        The arguments of ``inif compress``, by name.
    target
        What `inif.compress_zarr` takes of them.

    Raises
    ------
    InputError
        An option that stores do not have; whatever `inif.compress_zarr` raises.
    StoppedError
        Ctrl-C.
    """
    for name, usual in _ONLY_FILES.items():
        if asked[name] != usual:
            raise InputError(
                "a store has no such option",
                field="--" + name.removesuffix("_table").replace("_", "-"),
                fix="leave it out",
            )
    if len(asked["sources"]) != 1:
        raise InputError(
            "a store is made of one input",
            field="IN",
            expected="one path, URL or pattern",
            got=len(asked["sources"]),
        )
    import inif

    quiet, memory = asked["quiet"], asked["memory"]
    try:
        with remarks_noted(quiet=quiet) as remarks, progress_bar(quiet=quiet) as progress:
            facts = inif.compress_zarr(
                asked["sources"][0],
                asked["out"],
                **target,
                lossless=asked["lossless"],
                effort=asked["effort"],
                axes=asked["axes"],
                scene=asked["series"] or None,
                chunks=_lengths("--chunks", asked["chunks"]),
                shards=_lengths("--shards", asked["shards"]),
                workers=asked["workers"],
                scheduler=asked["scheduler"],
                memory=None if memory is None else parse_size(memory),
                overwrite=asked["force"],
                verify=asked["verify"],
                progress=progress,
                log=asked["log"],
            )
    except KeyboardInterrupt as stop:
        raise StoppedError(str(stop)) from None
    for remark in facts["remarks"]:
        print(f"warning: {remark}", file=sys.stderr)
    if asked["as_json"]:
        emit_json(facts | {"remarks": [*remarks, *facts["remarks"]]})
    elif not quiet:
        _show(facts)


def _show(facts: Mapping[str, Any]) -> None:
    sizes = f"{format_size(facts['raw_bytes'])} → {format_size(facts['file_bytes'])}"
    psnrs = [f"{name}: {decibels(value)}" for name, value in facts["psnr"].items()]
    rows = [("size", f"{sizes}, {facts['ratio']:.2f} : 1")]
    if facts["exact_bytes"]:
        rows.append(("stored exactly", f"{format_size(facts['exact_bytes'])} besides"))
    rows.append(("quality", ", ".join(psnrs) or "every sample is exact"))
    again = f", {facts['again']} of them coded again" if facts["again"] else ""
    before = f", {facts['resumed']} by an earlier run" if facts["resumed"] else ""
    rows.append(("shards", f"{facts['shards']}{before}{again}"))
    if facts["retries"]:
        rows.append(("failures", f"{facts['retries']}, tried again"))
    emit_table(facts["file"], [*rows, ("time", format_time(facts["seconds"]))])


def _lengths(option: str, text: str | None) -> dict[str, int] | None:
    """Samples by axis, of ``"z=8,y=1024"``."""
    if text is None:
        return None
    found = [_LENGTH.fullmatch(part) for part in text.split(",")]
    if not all(found):
        raise InputError(
            "these lengths cannot be read", field=option, expected="as in z=8,y=512,x=512", got=text
        )
    return {match[1].lower(): int(match[2]) for match in found if match}
