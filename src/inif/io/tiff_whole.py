"""Whether a TIFF file gives all that it says it holds.

tifffile stops at a page that it cannot find, fills what is missing with zeros, and says so in its
log only. Planes that are lost, and zeros that nobody measured, must not be compressed as if they
were the image, so all that a file states is compared with what is there before anything is read.
"""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Mapping, Sequence
from typing import Any

from inif.errors import InputError
from inif.io.common import one_line

_MOST_TAGS = 4096
_VALUE_BYTES = {4: 4, 13: 4, 16: 8, 18: 8}  # types of a SubIFDs tag: LONG, IFD, LONG8, IFD8
_TYPES = range(1, 19)
_WIDTH, _SUBIFDS = 256, 330


def check_chain(tif: Any, name: str) -> None:
    """Follow every page to the next, and to the pages under it.

    Raises
    ------
    InputError
        A page lies beyond the end of the file, is cut off, is no page, or leads back to one before.
    """
    try:
        _follow(tif, name)
    except InputError as error:
        if tif.pages and tif.is_imagej:  # its description says how many planes there should be
            page = tif.pages.first
            stated = ImageJCounts(tif.imagej_metadata or {}, page.samplesperpixel)
            expected = f"{stated.stated} planes (ImageJ's description: {stated.text})"
            raise incomplete(name, str(error.got), expected) from None
        raise


def _follow(tif: Any, name: str) -> None:
    seen: dict[int, int] = {}
    number, offset = 0, _first(tif)
    while offset:
        number += 1
        if offset in seen:
            raise incomplete(
                name, f"page {number - 1} points back to page {seen[offset]}, in a circle"
            )
        seen[offset] = number
        label = f"page {number}"
        before = f"page {number - 1} points to {label}" if number > 1 else label
        below, offset = _page(tif, offset, name, label, before)
        for index, inner in enumerate(below):
            if inner >= 8:  # 0 stands for a level that is not there
                where = f"page {index + 1} under {label}"
                _page(tif, inner, name, where, f"{label} points to {where}")


def _first(tif: Any) -> int:
    handle, tiff = tif.filehandle, tif.tiff
    handle.seek(8 if tiff.version == 43 else 4)
    return int(struct.unpack(tiff.offsetformat, handle.read(tiff.offsetsize))[0])


def _page(tif: Any, offset: int, name: str, label: str, before: str) -> tuple[Sequence[int], int]:
    """The offsets of the pages under the page at `offset`, and of the next page."""
    handle, tiff = tif.filehandle, tif.tiff
    size = handle.size
    if not 8 <= offset < size:
        what = f"beyond the end of the file ({size} bytes)" if offset >= size else "in the header"
        raise incomplete(name, f"{before}, which lies {what}, at byte {offset}")
    handle.seek(offset)
    raw = handle.read(tiff.tagnosize)
    count = struct.unpack(tiff.tagnoformat, raw)[0] if len(raw) == tiff.tagnosize else 0
    length = count * tiff.tagsize
    body = handle.read(length + tiff.offsetsize) if count <= _MOST_TAGS else b""
    if not count or len(body) < length + tiff.offsetsize:
        raise incomplete(name, f"{before}, and at byte {offset} there is no whole page")
    order = tiff.byteorder
    entries = {}
    for start in range(0, length, tiff.tagsize):
        code, kind = struct.unpack_from(order + "HH", body, start)
        entries[code] = kind, body[start + 4 : start + tiff.tagsize]
    if _WIDTH not in entries and any(kind not in _TYPES for kind, _ in entries.values()):
        raise incomplete(name, f"{before}, and at byte {offset} there is no page")
    below = _offsets(tif, *entries[_SUBIFDS], name, label) if _SUBIFDS in entries else ()
    after = struct.unpack(tiff.offsetformat, body[length : length + tiff.offsetsize])[0]
    return below, int(after)


def _offsets(tif: Any, kind: int, rest: bytes, name: str, label: str) -> Sequence[int]:
    """The values of a SubIFDs tag: `rest` is its count, and its value or where that lies."""
    handle, tiff = tif.filehandle, tif.tiff
    width = len(rest) // 2
    if kind not in _VALUE_BYTES or width not in (4, 8):
        return ()
    word = tiff.byteorder + ("I" if width == 4 else "Q")
    (count,) = struct.unpack(word, rest[:width])
    length = count * _VALUE_BYTES[kind]
    if length <= width:
        raw = rest[width : width + length]
    else:
        (where,) = struct.unpack(word, rest[width:])
        if where + length > handle.size:
            raise incomplete(name, f"the pages under {label} lie beyond the end of the file")
        handle.seek(where)
        raw = handle.read(length)
    return struct.unpack(f"{tiff.byteorder}{count}{'I' if _VALUE_BYTES[kind] == 4 else 'Q'}", raw)


def check_pages(series: Any, name: str, missing: Sequence[str] = ()) -> None:
    """Refuse a series with a page, tile or strip that is missing or lies beyond its file's end.

    `missing` are the files that it names and that are not there, for the message.
    """
    if series.dataoffset is not None:  # one run of uncompressed samples
        there = series.parent.filehandle.size - series.dataoffset
        if there < series.nbytes:
            planes, per_plane = planes_of(series), series.keyframe.nbytes
            raise incomplete(
                name,
                "the file ends before its samples do: "
                f"{max(there, 0) // per_plane} whole planes, {there} bytes",
                f"{planes} planes of {series.keyframe.shape}, {series.nbytes} bytes",
            )
        return
    for index, page in enumerate(series):
        where = f"page {index + 1} of {len(series)}"
        if page is None:
            files = f", as are the files {', '.join(missing)}" if missing else ""
            there = sum(page is not None for page in series)
            raise incomplete(
                name, f"{there} of {len(series)} pages; {where} is missing{files}", "all pages"
            )
        size = page.parent.filehandle.size
        offsets, counts = page.dataoffsets, page.databytecounts
        keyframe = page.keyframe
        needed = math.prod(keyframe.chunked)
        if min(len(offsets), len(counts)) < needed:
            raise incomplete(
                name,
                f"tiles or strips of {where} are missing: {min(len(offsets), len(counts))}",
                f"{needed} tiles or strips",
            )
        for offset, count in zip(offsets, counts, strict=False):
            if offset <= 0 or count <= 0:
                raise incomplete(name, f"a tile or strip of {where} is missing")
            if offset + count > size:
                raise incomplete(
                    name,
                    f"{where} lies beyond the end of its file: a tile or strip ends at byte "
                    f"{offset + count} of {size}",
                )
        whole_bytes = keyframe.bitspersample == 8 * keyframe.dtype.itemsize  # else they are packed
        if keyframe.compression == 1 and whole_bytes and sum(counts) < keyframe.nbytes:
            raise incomplete(
                name,
                f"the tiles or strips of {where} hold {sum(counts)} bytes",
                f"{keyframe.nbytes} bytes for {keyframe.shape}, {keyframe.dtype}",
            )


def planes_of(series: Any) -> int:
    """How many pages' worth of samples a series is."""
    return int(math.prod(series.shape) // max(math.prod(series.keyframe.shape), 1))


def check_shaped(series: Any, name: str) -> None:
    """Compare a series with the shape that tifffile's own description states."""
    said = series.keyframe.shaped_description
    if not said:
        return
    shape = _shape(said)
    if shape and math.prod(shape) > math.prod(series.shape):
        per_plane = max(math.prod(series.keyframe.shape), 1)
        raise incomplete(
            name,
            f"{planes_of(series)} of them that can be read",
            f"{math.prod(shape) // per_plane} planes (shape {shape} in the description)",
        )


def _shape(said: str) -> tuple[int, ...] | None:
    try:
        if said.startswith("shape="):
            return tuple(int(n) for n in re.findall(r"\d+", said))
        return tuple(int(n) for n in json.loads(said)["shape"])
    except (ValueError, TypeError, KeyError):
        return None


class ImageJCounts:
    """How many planes an ImageJ description states, and how many there are.

    Attributes
    ----------
    stated
        Planes that the file must give: channels × slices × frames, or images where that says
        nothing.
    by_images
        Whether only ``images=`` states them, so that their axis is not named.
    text
        What the description says, for messages.
    """

    def __init__(self, info: Mapping[str, Any], samples: int) -> None:
        counts = {k: info.get(k, 1) for k in ("channels", "slices", "frames")}
        bad = [v for v in counts.values() if not isinstance(v, int) or isinstance(v, bool) or v < 1]
        images = info.get("images", 1)
        images = images if isinstance(images, int) and images > 0 else 1
        product = 1 if bad else math.prod(counts.values())
        if samples > 1 and counts["channels"] == samples:  # RGB, whose samples are called channels
            images = images // samples if images == product else images
            product //= samples
        self.by_images = product == 1 and images > 1
        self.stated = images if self.by_images else product
        said = [f"{k} {v}" for k, v in counts.items() if k in info]
        self.text = f"images {images}" if self.by_images else ", ".join(said) or "one image"


def check_imagej(tif: Any, series: Any, counts: ImageJCounts, name: str) -> None:
    """Compare what an ImageJ description states with the planes there are.

    Those are pages, or one run of samples behind a single page, as ImageJ writes more than 4 GB.

    Raises
    ------
    InputError
        Fewer than the description states.
    """
    there = len(tif.pages)
    if series.kind == "imagej" and series.dataoffset is not None:
        there = max(there, planes_of(series))
    if _single_run(tif):
        page = tif.pages.first
        there = max(there, (tif.filehandle.size - page.dataoffsets[0]) // page.nbytes)
    if there < counts.stated:
        raise incomplete(
            name,
            f"{there} whole planes in the file",
            f"{counts.stated} planes (ImageJ's description: {counts.text})",
        )


def _single_run(tif: Any) -> bool:
    """Whether one page has plain samples, so that more may follow them."""
    page = tif.pages.first
    plain = page.compression == 1 and page.predictor == 1 and page.is_final and page.nbytes > 0
    return bool(len(tif.pages) == 1 and plain and page.dataoffsets)


def incomplete(name: str, got: str, expected: str = "every page, tile and strip") -> InputError:
    """The error for a file that gives less than it says."""
    return InputError(
        "this TIFF image is not complete",
        file=name,
        expected=one_line(expected, 150),
        got=one_line(got, 190),
        fix="get the file, with all the files that it names, again from its source",
    )
