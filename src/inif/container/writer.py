"""Putting a file together, and onto the disk without ever leaving half of one there."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from inif.container import spec
from inif.container.header import encode_header
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
    stored, length = encode_header(header)
    offset = spec.PRELUDE.size + len(stored) + len(parts) * spec.ENTRY_SIZE
    table = bytearray()
    for part in parts:
        crc = spec.crc32c(part.data)
        table += spec.ENTRY.pack(part.kind, part.brick, part.level, 0, offset, len(part.data), crc)
        offset += len(part.data)
    prelude = spec.PRELUDE.pack(
        spec.MAGIC, spec.MAJOR, spec.MINOR, len(stored), length, len(parts), 0
    )[:-4]
    body = stored + bytes(table)
    crc = spec.crc32c(body, spec.crc32c(prelude))
    out = b"".join([prelude, crc.to_bytes(4, "little"), body, *(part.data for part in parts)])
    open_container(BytesSource(out, name), supported=supported, kinds=kinds)
    return out


def packed_size(header: dict[str, Any], section_lengths: Sequence[int]) -> int:
    """The size in bytes that `pack` would give for sections of these lengths."""
    stored, _ = encode_header(header)
    table = len(section_lengths) * spec.ENTRY_SIZE
    return spec.PRELUDE.size + len(stored) + table + sum(section_lengths)


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
