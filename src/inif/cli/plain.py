"""How a file holds its image, and how well, in words for people who know no codecs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# What `auto` records where it tried codecs: their quality in dB, or in tiny files only that it did.
_TRIED = re.compile(r"trial|[a-z0-9]+ -?[0-9.]+(, .*)?")
_LOSSLESS = {"jpegxl": "JPEG XL"}


def stored_as(header: Mapping[str, Any]) -> str:
    """What stands in the file, and why that where nobody named it.

    Parameters
    ----------
    header
        Of an ``.inif`` file, or with the same keys ``codec``, ``lossless`` and ``lossy``.
    """
    if "lossless" in header:
        names = [_LOSSLESS.get(c, c) for c in header["lossless"]["codecs"]]
        return f"the exact samples, by {' and '.join(names)}"
    if "codec" in header:
        way = f"{_title(header['codec']['kind'])}, repaired by a small neural network"
    elif header.get("field", {}).get("kind") == "latent":
        way = "a field of latents"
        if "widths" in header["field"]:
            way += " and corrections"
    else:
        way = "a neural network alone"
    reason = (header.get("lossy") or {}).get("auto")
    if reason is None:
        return way
    if _TRIED.fullmatch(reason):
        return f"{way} (the best of what was tried on this image)"
    return f"{way} ({reason})"


def stored_psnr(header: Mapping[str, Any], *, outliers: bool) -> str:
    """The PSNR that a file states, and what it is relative to.

    Parameters
    ----------
    header
        Of an ``.inif`` file.
    outliers
        Whether the file keeps samples apart (docs/format.md, "Outliers"): its range, and with it
        the PSNR, is then of the others.
    """
    from inif.cli.common import decibels

    of = "range without its outliers, which are exact" if outliers else "own range"
    return f"{decibels(header['lossy']['psnr'])} PSNR on the image's {of}"


def stated_worst(lossy: Mapping[str, Any]) -> str | None:
    """The plane of the lowest PSNR, as a file's record has it; None where it states none."""
    from inif.axes import plane_name
    from inif.cli.common import decibels

    worst = lossy.get("worst_slice")
    return None if worst is None else f"{plane_name(worst)}: {decibels(worst['psnr'])}"


def stated_bound(lossy: Mapping[str, Any]) -> str | None:
    """By how much samples may be off, as a file's record has it; None where it has no bound.

    Parameters
    ----------
    lossy
        The header's record.
    """
    bounds = lossy.get("bound")
    if not bounds:
        return None
    low, high = min(bounds), max(bounds)
    if not high:
        return "every sample is exact"
    within = f"{high:g}" if low == high else f"{low:g} … {high:g}, by channel"
    reached = lossy.get("max_error")
    return f"every sample within {within}" + ("" if reached is None else f"; {reached:g} reached")


def _title(kind: str) -> str:
    """A codec by its own name; one that this release does not know by the file's."""
    from inif.codecs import load_codec
    from inif.errors import InifError

    try:
        return load_codec(kind).title
    except InifError:
        return kind
