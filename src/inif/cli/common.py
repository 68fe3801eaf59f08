"""What the commands share: exit codes, the common options, JSON and table output, sizes."""

from __future__ import annotations

import json
import logging
import math
import re
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from inif.errors import InputError, RemarkWarning
from inif.errors import format_size as format_size

if TYPE_CHECKING:
    from inif.image import Image

GOOD, INTERNAL, BAD_INPUT, PARTIAL, INTERRUPTED = 0, 1, 2, 3, 130
# Panels of the help, in this order: commands, and options after those that have no panel.
EVERYDAY, MORE, ADVANCED = "Everyday commands", "More commands", "Advanced"

JsonFlag = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on stdout and nothing else there.")
]
QuietFlag = Annotated[
    bool,
    typer.Option(
        "--quiet", "-q", help="Print nothing but errors and warnings (and the JSON, if asked)."
    ),
]
VerboseFlag = Annotated[
    bool, typer.Option("--verbose", "-v", help="Also print how it was made, in all detail.")
]
AxesOption = Annotated[
    str | None,
    typer.Option(
        metavar="ZYX",
        help="Axes of the image, letters of TCZYX in the order of its array; needed where the "
        "file does not name them.",
    ),
]
SeriesOption = Annotated[
    int,
    typer.Option(min=0, metavar="N", help="Which image of a file that holds several, from 0 on."),
]

_IMAGES = (".tif", ".tiff", ".npy", ".npz", ".png", ".czi", ".nd2", ".lif", ".zarr")
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "ki": 2**10, "mi": 2**20, "gi": 2**30}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmg]i?)?b?", re.ASCII | re.IGNORECASE)


class StoppedError(Exception):
    """Ctrl-C, with what the user must know of what is left; exit code 130."""


def emit_json(body: Mapping[str, Any]) -> None:
    """One JSON object on stdout, standard JSON only: NaN and infinities become null."""
    print(json.dumps(_plain(body), ensure_ascii=False, allow_nan=False))


def emit_table(title: str, rows: Sequence[tuple[str, object]]) -> None:
    """Names and values on stdout, for people."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", show_header=False, box=None, padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(Text(name), Text(str(value)))
    Console(soft_wrap=False).print(table)


def parse_size(text: str, field: str = "--size") -> int:
    """Bytes from ``"20000"``, ``"20kB"``, ``"1.5MB"``, ``"64KiB"`` (k = 1000, Ki = 1024).

    Parameters
    ----------
    field
        The option, for the message.

    Raises
    ------
    InputError
        Not a size, or less than one byte.
    """
    match = _SIZE.fullmatch(text.strip())
    count = int(Decimal(match[1]) * _UNITS[(match[2] or "").lower()]) if match else 0
    if count < 1:
        raise InputError(
            "this size cannot be read",
            field=field,
            expected="bytes, as in 20000, 20kB, 1.5MB or 64KiB",
            got=text,
        )
    return count


def read_input(source: str, axes: str | None, series: int) -> Image:
    """Read the image that a user named."""
    from inif.io import read_image

    return read_image(source, axes=axes, scene=series)


def find_images(folder: Path, parts: Sequence[str] = ()) -> tuple[Path, ...]:
    """Images of a folder by name, all or those whose name contains one of `parts`.

    Raises
    ------
    InputError
        No such folder, or nothing in it fits.
    """
    if not folder.is_dir():
        raise InputError("there is no such folder of images", file=folder, field="--data")
    names = sorted(p for p in folder.iterdir() if p.name.lower().endswith(_IMAGES))
    found = tuple(p for p in names if not parts or any(part in p.name for part in parts))
    if not found:
        raise InputError(
            "no image fits",
            file=folder,
            field="--images",
            expected=", ".join(p.name for p in names) or "an image in the folder",
            got=", ".join(parts) or "none",
        )
    return found


def note(message: str, *, quiet: bool) -> None:
    """A remark for people, on stderr."""
    if not quiet:
        print(message, file=sys.stderr)


@contextmanager
def remarks_noted(*, quiet: bool) -> Iterator[list[str]]:
    """Yield the list of the remarks made inside; each is also a line on stderr, at once.

    They show with ``--quiet`` too: what was not kept must not go unnoticed. What a server is
    waited for shows without it only.
    """
    remarks: list[str] = []
    with warnings.catch_warnings(), _waits_noted(quiet=quiet):
        warnings.simplefilter("always", RemarkWarning)
        usual = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
            if issubclass(category, RemarkWarning):
                remarks.append(str(message))
                print(f"warning: {message}", file=sys.stderr)
            else:
                usual(message, category, *where, **more)

        warnings.showwarning = show
        yield remarks


@contextmanager
def _waits_noted(*, quiet: bool) -> Iterator[None]:
    log, handler = logging.getLogger("inif"), logging.StreamHandler(sys.stderr)
    level = log.level
    if not quiet:
        log.addHandler(handler)
        log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(level)


def words(text: str | None) -> tuple[str, ...]:
    """The parts of ``"a, b"`` without spaces around them; none for None."""
    return tuple(word.strip() for word in (text or "").split(",") if word.strip())


def decibels(value: float | None) -> str:
    """A PSNR for people."""
    if value is None:
        return "not known"
    return "lossless" if math.isinf(value) else f"{value:.2f} dB"


def _plain(value: Any) -> Any:
    """Builtin JSON types from NumPy scalars and arrays, tuples and paths."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, bool | int | str) or value is None:
        return value
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value)
