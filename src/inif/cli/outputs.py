"""Names of outputs: what a command writes where none is named, and the options that name one."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from inif.errors import InputError
from inif.outputs import check_target, default_output, is_url

ForceFlag = Annotated[
    bool, typer.Option("--force", help="Replace an existing output (never an input).")
]


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
