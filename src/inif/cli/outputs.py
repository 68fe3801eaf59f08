"""Names of outputs: what a command writes where none is named, and the options that name one."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Annotated
from urllib.parse import unquote

import typer

from inif.errors import InputError
from inif.outputs import check_target, is_url

ForceFlag = Annotated[
    bool, typer.Option("--force", help="Replace an existing output (never an input).")
]

# An ending is what names a format; in "day.2024" it is no ending.
_ENDING = re.compile(r"(\.ome)?(\.zarr)?(\.zip)?$|(\.ome)?\.[a-z][a-z0-9]{0,7}$", re.IGNORECASE)


def default_output(source: str, series: int = 0, ending: str = ".inif") -> Path:
    """The input's name with another ending, beside the input (here, for a remote input).

    The number of the series is added unless it is 0. An image inside a Zarr store is named after
    the store and its place in it, and is written beside the store.

    Raises
    ------
    InputError
        The input has no name, as the root of a file system.
    """
    if is_url(source):
        address = re.split(r"[?#]", source.split("://", 1)[-1])[0]
        parts = [unquote(part).replace("/", "_") for part in address.split("/") if part]
        folder, names = Path(), _from_store(parts)
    else:
        path = Path(source)
        if path.name in ("", ".."):  # ".", "a/.."
            path = Path(os.path.realpath(source))
        full = Path(os.path.realpath(path.parent), path.name)
        names = _from_store(full.parts[1:])
        folder = path.parent
        if len(names) > 1 or path.name != Path(source).name:
            folder = full.parents[max(len(names), 1) - 1]
            folder = folder if os.path.isabs(source) else Path(os.path.relpath(folder))
    if not names:
        raise InputError("this input has no name to write beside", file=source, fix="name one: -o")
    name = "_".join([_stem(names[0]), *names[1:-1], *map(_stem, names[1:][-1:])])
    return folder / (name + (f"_series{series}" if series else "") + ending)


def inif_output(given: str | None, source: str, series: int = 0, *, force: bool) -> Path:
    """Where ``inif compress`` writes: the file or the folder given, or the default; checked.

    Raises
    ------
    InputError
        As `inif.outputs.check_target`.
    """
    if given is None:
        out = default_output(source, series)
    elif not is_url(given) and (os.path.isdir(given) or given.endswith(("/", os.sep))):
        out = Path(given) / default_output(source, series).name
    else:
        out = Path(given)
    # As text: a path would lose the double slash of a URL.
    text = given if given is not None and is_url(given) else str(out)
    check_outputs([(None if given is None else "-o", text)], force=force, inputs=[source])
    return out


def check_outputs(
    outputs: Iterable[tuple[str | None, str | os.PathLike[str] | None]],
    *,
    force: bool,
    inputs: Iterable[object] = (),
) -> None:
    """Refuse the outputs of a command, as far as there are any, before its work.

    Parameters
    ----------
    outputs
        Option and path of each.

    Raises
    ------
    InputError
        As `inif.outputs.check_target`; or two are one file.
    """
    seen: dict[str, str | None] = {}
    for option, path in outputs:
        if path is None:
            continue
        check_target(path, overwrite=force, field=option, inputs=inputs)
        target = os.path.realpath(path)
        if target in seen:
            raise InputError(
                "two outputs have one name",
                file=path,
                field=f"{seen[target]} {option}",
                expected="a name for each",
            )
        seen[target] = option


def _from_store(parts: Iterable[str]) -> list[str]:
    """The last part of a path; from the Zarr store on, where one lies above it."""
    parts = list(parts)
    stores = [i for i, p in enumerate(parts[:-1]) if PurePosixPath(p).suffix.lower() == ".zarr"]
    return parts[stores[0] if stores else -1 :]


def _stem(name: str) -> str:
    return _ENDING.sub("", name, count=1) or name
