"""``inif compress --dry-run``: what would be done, for people and for scripts."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from inif.cli.common import BAD_INPUT, emit_table, format_size
from inif.cli.many_show import report, show_table
from inif.many.result import COMPRESSED, FAILED, PLANNED, SKIPPED, Totals, printable
from inif.progress import format_time

if TYPE_CHECKING:
    from inif.many.forecast import Forecast


def foretell_one(
    source: str,
    output: Path,
    series: int,
    axes: str | None,
    memory: int | None,
    options: Mapping[str, Any],
    *,
    as_json: bool,
) -> None:
    """The dry run of one file.

    Raises
    ------
    InputError
        As the work would, as far as that needs no samples.
    """
    from inif.encode.asked import check_asked
    from inif.io import open_image
    from inif.many.compress import Plan, shares
    from inif.many.forecast import foretold, look_at

    _, memory = shares(1, memory, 1)
    options = {**options, "memory": memory}
    check_asked(**options)
    folder = os.path.dirname(os.path.realpath(output))
    plan = Plan(folder, (), (), 0, options, axes, 1, overwrite=True, skip=False)
    with open_image(source, axes=axes, scene=series) as image:
        look = look_at(image, source, os.fspath(output), series or None, options)
    show_forecast(foretold([look], (), plan), as_json=as_json)


def show_forecast(forecast: Forecast, *, as_json: bool) -> None:
    """Print a forecast; ends in `typer.Exit` where the work would fail."""
    results = sorted(forecast.results, key=lambda r: (r.input, r.series or 0))
    for result in results:
        report(result, COMPRESSED, None, as_json=as_json)
    totals = Totals.of(results, forecast.others, forecast.seconds or 0.0)
    about = "" if forecast.exact else "about "
    if as_json:
        body = totals.to_json(PLANNED, SKIPPED, FAILED)
        body |= {
            "dry_run": True,
            "raw_bytes": forecast.raw_bytes,
            "file_bytes": forecast.file_bytes,
            "ratio": forecast.raw_bytes / forecast.file_bytes if forecast.file_bytes else None,
            "exact": forecast.exact,
            "seconds": None if forecast.seconds is None else round(forecast.seconds, 1),
            "jobs": forecast.jobs,
            "memory": forecast.memory,
            "needed": forecast.needed,
            "free": forecast.free,
        }
        print(json.dumps(body, ensure_ascii=False))
    else:
        show_table(results)
        seconds = forecast.seconds
        free = "not known" if forecast.free is None else format_size(forecast.free)
        images = f"{totals.counts[PLANNED]} to compress"
        images += "".join(
            f", {totals.counts[name]} {name}" for name in (SKIPPED, FAILED) if totals.counts[name]
        )
        sizes = f"{format_size(forecast.raw_bytes)} → {about}{format_size(forecast.file_bytes)}"
        emit_table(
            "Dry run: nothing was written",
            [
                ("images", images),
                ("size", sizes),
                ("time", "not known" if seconds is None else f"about {format_time(seconds)}"),
                (
                    "memory",
                    f"at most about {format_size(forecast.memory)}, {forecast.jobs} at once",
                ),
                ("disk", f"{about}{format_size(forecast.needed)} needed, {free} free"),
            ],
        )
    if not forecast.fits:
        line = (
            f"error: there is no room for the outputs; expected: {forecast.needed} bytes free; "
            f"got: {forecast.free} bytes free; fix: free some space, or write to another disk"
        )
        print(printable(line), file=sys.stderr)
    if totals.counts[FAILED] or not forecast.fits:
        raise typer.Exit(BAD_INPUT)
