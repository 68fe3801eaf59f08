"""Whether CZI and ND2 files give every plane that they say they hold.

Their readers fill a plane that is missing with one value and say nothing.
"""

from __future__ import annotations

import math
import struct
from importlib import import_module
from typing import Any

from inif.errors import InputError

_MOST_BLOCKS = 1 << 24
_PLANE = "VIHRCZT"  # dimensions of a CZI other than scenes, mosaic tiles and samples in a plane
_ENTRY = struct.Struct("<4siifi")


def check_czi(path: str, scene: int, name: str) -> int:
    """Compare the subblocks of a scene with the sizes of its dimensions.

    Returns
    -------
    scenes
        How many the file has blocks of; 0 if it cannot be told.

    Raises
    ------
    InputError
        A combination of channel, plane and time point has no subblock, or one that lies beyond the
        end of the file.
    """
    found: dict[int, set[tuple[tuple[str, int], ...]]] = {}
    with open(path, "rb") as file:
        size = file.seek(0, 2)
        for place, sizes in _blocks(file):
            if place >= size:
                raise _incomplete(name, f"a block at byte {place} of {size}", "every block")
            index = tuple(sorted((d, start) for d, (start, _) in sizes.items() if d in _PLANE))
            found.setdefault(sizes.get("S", (0, 1))[0], set()).add(index)
    if not found:
        return 0
    planes = found[sorted(found)[scene]] if scene < len(found) else next(iter(found.values()))
    values: dict[str, set[int]] = {}
    for index in planes:
        for dimension, start in index:
            values.setdefault(dimension, set()).add(start)
    lengths = {d: max(v) - min(v) + 1 for d, v in values.items()}
    stated = math.prod(lengths.values())
    if len(planes) < stated:
        said = " × ".join(f"{d} {n}" for d, n in lengths.items() if n > 1)
        raise _incomplete(name, f"{len(planes)} planes", f"{stated} planes ({said})")
    return len(found)


def _blocks(file: Any) -> Any:
    """Of each subblock at full resolution: where it lies, and start and size per dimension."""
    file.seek(32)
    head = file.read(80)
    if len(head) < 80:
        return
    (directory,) = struct.unpack_from("<q", head, 52)
    file.seek(max(directory, 0))
    segment = file.read(32 + 128)
    if len(segment) < 160 or not segment.startswith(b"ZISRAWDIRECTORY"):
        return
    (count,) = struct.unpack_from("<i", segment, 32)
    for _ in range(min(count, _MOST_BLOCKS)):
        entry = file.read(32)
        if len(entry) < 32 or entry[:2] != b"DV":
            return
        (place,) = struct.unpack_from("<q", entry, 6)
        (dimensions,) = struct.unpack_from("<i", entry, 28)
        if not 0 <= dimensions <= 64:
            return
        body = file.read(dimensions * _ENTRY.size)
        if len(body) < dimensions * _ENTRY.size:
            return
        sizes, full = {}, True
        for code, start, size, _, stored in _ENTRY.iter_unpack(body):
            letter = code.rstrip(b"\0").decode("ascii", "replace")
            sizes[letter] = (start, size)
            full &= stored in (0, size)
        if full:
            yield place, sizes


def check_nd2(path: str, name: str) -> None:
    """Compare the frames of an ND2 file with what its dimensions ask for.

    Raises
    ------
    InputError
        Frames are missing, or lie beyond the end of the file.
    """
    try:
        with import_module("nd2").ND2File(path) as file:
            places = dict(file._rdr._frame_offsets)
            stated = math.prod(n for a, n in file.sizes.items() if a not in "CYXS")
    except Exception:  # another version of the library or of the format: reading it will tell
        return
    with open(path, "rb") as raw:
        end = raw.seek(0, 2)
    there = sum(0 < place < end for index, place in places.items() if index < stated)
    if there < stated:
        raise _incomplete(name, f"{there} frames", f"{stated} frames")


def _incomplete(name: str, got: str, expected: str) -> InputError:
    return InputError(
        "this file is not complete",
        file=name,
        expected=expected,
        got=got,
        fix="get it again from its source, or export the part that was taken",
    )
