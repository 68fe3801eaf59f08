"""Putting a file together, and onto the disk without ever leaving half of one there."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from inif.container import spec
from inif.container.header import encode_header
from inif.container.layout import LONG, Layout, layout_for, tiled
from inif.container.reader import open_container
from inif.container.source import BytesSource
from inif.errors import InputError

_O_BINARY: int = getattr(os, "O_BINARY", 0)  # Windows needs it; elsewhere every file is binary


@dataclass(frozen=True)
class Section:
    """One section to write: its kind (4 ASCII bytes), bytes, brick and level."""

    kind: bytes
    data: bytes
    brick: int = spec.WHOLE_FILE
    level: int = 0


def pack(
    header: dict[str, Any],
    sections: Iterable[Section],
    *,
    supported: Collection[str] = spec.SUPPORTED,
    kinds: Collection[bytes] = spec.SUPPORTED_KINDS,
    name: str = "<new file>",
) -> bytes:
    """The bytes of a whole file, sections in the order given.

    The result is opened again before it is returned, so nothing that the reader refuses is written.

    Raises
    ------
    FormatError, UnsupportedError
        The header or the sections break the format.
    """
    parts = list(sections)
    rows = np.array(
        [(p.kind, p.brick, p.level, 0, 0, len(p.data), spec.crc32c(p.data)) for p in parts],
        spec.TABLE_DTYPE,
    )
    layout, stored, length = _laid_out(header, rows)
    start = layout.prelude.size + len(stored) + len(parts) * layout.entry.itemsize
    index = layout.index(stored, length, tiled(rows, start))
    out = b"".join([index, *(part.data for part in parts)])
    open_container(BytesSource(out, name), supported=supported, kinds=kinds)
    return out


def packed_size(header: dict[str, Any], section_lengths: Sequence[int]) -> int:
    """The size in bytes that `pack` gives for sections of these lengths, all of level 0."""
    rows = np.zeros(len(section_lengths), spec.TABLE_DTYPE)
    rows["length"] = section_lengths
    layout, stored, _ = _laid_out(header, rows)
    table = len(rows) * layout.entry.itemsize
    return layout.prelude.size + len(stored) + table + sum(section_lengths)


def _laid_out(header: dict[str, Any], rows: np.ndarray) -> tuple[Layout, bytes, int]:
    """The layout that suits a header and a section table, and the header as it stores it."""
    layout = layout_for(len(rows))
    stored, length = encode_header(header, layout.dictionary)
    if not layout.holds(len(stored), length, rows):
        layout = LONG
        stored, length = encode_header(header, layout.dictionary)
    return layout, stored, length


def write_file(path: str | os.PathLike[str], data: bytes, *, sync: bool = False) -> None:
    """Write `data` beside the target under another name, then rename: all of it or nothing.

    A symbolic link is followed. With `sync` the data is on the disk when this returns.

    Raises
    ------
    InputError
        The folder is missing, the disk is full, permission is denied, or the target is no file.
    """
    try:
        target = os.path.realpath(path)
        _write(target, data, sync)
    except (OSError, ValueError) as error:
        raise InputError(
            "the file cannot be written",
            file=os.fspath(path),
            got=getattr(error, "strerror", None) or error,
            fix="check that the folder exists, may be written to, and has room",
        ) from error


def _write(target: str, data: bytes, sync: bool) -> None:
    if os.path.exists(target) and not os.path.isfile(target):
        raise InputError("the output is not a file", file=target, expected="the path of a file")
    temporary = os.path.join(os.path.dirname(target), f".{secrets.token_hex(8)}.part")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _O_BINARY, 0o666)
    try:
        with open(handle, "wb") as file:
            file.write(data)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
