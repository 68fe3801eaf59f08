"""Is an output there already? It is if it is whole, was made as is asked now, and is newer.

Only its header is read: that the file has all its bytes, and that its beginning and its table are
sound, is part of opening it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any

from inif.axes import plane_name
from inif.config import Target
from inif.container.reader import open_container
from inif.errors import InifError
from inif.many.result import SKIPPED, Result

if TYPE_CHECKING:
    from inif.many.find import Input

_EFFORT = 3
"""That of `inif.compress` where none is named."""


def existing_at(
    one: Input, output: str, series: int | None, options: Mapping[str, Any]
) -> tuple[Result | None, bool]:
    """The result of an output that need not be made again; whether it was asked for otherwise."""
    target = target_of(options)
    asked = None if target is None else target.to_json()
    worth, found = _kept(output, one.changed, asked, options.get("effort", _EFFORT))
    if worth is _Kept.WHOLE:
        return Result(one.path, output, SKIPPED, series, **found), False
    return None, worth is _Kept.OTHER


def target_of(options: Mapping[str, Any]) -> Target | None:
    """The target among the options of `inif.compress`."""
    names = ("ratio", "size", "psnr", "max_error", "lossless")
    return Target.of_options(**{n: options[n] for n in names if n in options})


class _Kept(Enum):
    """What an existing output is worth."""

    WHOLE = "it need not be made again"
    STALE = "it is damaged, or older than its input"
    OTHER = "it was made with another target or effort"
    NONE = "there is none"


def _kept(
    output: str, changed: int, target: Mapping[str, float] | None, effort: int
) -> tuple[_Kept, dict[str, Any]]:
    """What an output is worth, and its facts for the summary.

    Parameters
    ----------
    changed
        When its input last changed, in nanoseconds.
    target, effort
        What is asked for; a target of None stands for exact samples.
    """
    try:
        found = os.stat(output)
    except FileNotFoundError:
        return _Kept.NONE, {}
    if found.st_mtime_ns <= changed:
        return _Kept.STALE, {}
    try:
        with open_container(output) as container:
            header, size = container.header, container.file_bytes
    except InifError:
        return _Kept.STALE, {}
    lossy = header.get("lossy") or {}
    same = lossy.get("effort") == effort and lossy.get("target") == target
    if target is None:
        same = same and "lossless" in header
    return (_Kept.WHOLE if same else _Kept.OTHER), facts(header, size)


def facts(header: Mapping[str, Any], size: int) -> dict[str, Any]:
    """What a header says for the summary: fields of `Result`."""
    from numpy import dtype

    lossy = header.get("lossy") or {}
    worst = lossy.get("worst_slice")
    return {
        "raw_bytes": math.prod(header["shape"]) * dtype(header["dtype"]).itemsize,
        "file_bytes": size,
        "psnr": lossy.get("psnr"),
        "max_error": lossy.get("max_error"),
        "worst_slice": worst and plane_name(worst),
        "worst_slice_psnr": worst and worst["psnr"],
        "remarks": tuple(lossy.get("remarks", ())),
    }
