"""Forging files: any bytes in any place, with checksums that hold, so that later checks are met."""

from __future__ import annotations

import itertools
import json
import time
import tracemalloc
import zlib
from collections.abc import Sequence
from typing import Any

import pytest

from inif.container import WHOLE_FILE, open_container, spec
from inif.errors import FormatError, UnsupportedError

HEADER: dict[str, Any] = {
    "axes": "YX",
    "shape": [4, 6],
    "dtype": "uint8",
    "range": [[0, 9]],
    "brick": [2, 6],
    "field": {"kind": "siren"},
    "requires": [],
}


def deflate(text: bytes) -> bytes:
    """`text` as a stored header."""
    stream = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zdict=spec.DICTIONARY)
    return stream.compress(text) + stream.flush()


def number(value: int) -> bytes:
    """A number of any size, seven bits a byte, lowest first."""
    low, value = value & 127, value >> 7
    return bytes([low | 128]) + number(value) if value else bytes([low])


def entry(
    kind: bytes = b"QWTS", brick: int = 0, level: int = 0, length: int = 0, crc: int = 0
) -> tuple[bytes, int, int, int, int]:
    """One section as a table states it."""
    return kind, brick, level, length, crc


def table_of(entries: Sequence[tuple[bytes, int, int, int, int]]) -> bytes:
    """A section table of runs of one section each."""
    kinds = list(dict.fromkeys(kind for kind, *_ in entries))
    out, due = bytes([len(kinds)]) + b"".join(kinds), 0
    for kind, brick, level, *_ in entries:
        step = 0
        if brick != WHOLE_FILE:
            away, due = brick - due, brick + 1
            step = 1 + (2 * away if away >= 0 else -2 * away - 1)
        out += number(kinds.index(kind) + len(kinds) * level) + number(step) + number(1)
    out += b"".join(number(length) for *_, length, _ in entries)
    return out + b"".join(crc.to_bytes(4, "little") for *_, crc in entries)


def forge(
    header: object = HEADER,
    *,
    text: bytes | None = None,
    stored: bytes | None = None,
    entries: Sequence[tuple[bytes, int, int, int, int]] = (),
    table: bytes | None = None,
    count: int | None = None,
    body: bytes = b"",
    lengths: tuple[int | None, int | None] = (None, None),
    version: int = 1,
    magic: bytes = spec.MAGIC,
) -> bytes:
    """A file with the given parts, the rest consistent; `lengths` are those of header and table."""
    if stored is None:
        stored = deflate(json.dumps(header).encode() if text is None else text)
    if table is None:
        table = table_of(entries) if entries else b""
    first = magic + bytes([version])
    numbers = [
        len(part) if length is None else length
        for part, length in zip((stored, table), lengths, strict=True)
    ]
    numbers.append(len(entries) if count is None else count)
    rest = b"".join(map(number, numbers)) + stored + table
    return first + spec.crc32c(first + rest).to_bytes(4, "little") + rest + body


def small_file() -> tuple[bytes, list[int]]:
    """A sound file of three sections, and the offset of each boundary in it."""
    parts = [(b"QWTS", 0, b"first brick"), (b"QWTS", 1, b"2nd"), (b"OMEX", WHOLE_FILE, b"<OME/>")]
    rows = [entry(kind, b, 0, len(data), spec.crc32c(data)) for kind, b, data in parts]
    data = forge(entries=rows, body=b"".join(data for *_, data in parts))
    ends = list(itertools.accumulate(len(part) for *_, part in parts))
    return data, [len(data) - ends[-1] + end for end in (0, *ends)]


def refused(data: bytes, limit: int = 100 << 20) -> FormatError | UnsupportedError:
    """The one error that opening and reading `data` gives, within 2 s and `limit` bytes."""
    tracemalloc.start()
    began = time.process_time()  # not the clock: other work may share the machine
    try:
        with pytest.raises((FormatError, UnsupportedError)) as caught:
            _read(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert time.process_time() - began < 2 * 5  # tracing slows the parser several times
    assert peak < limit + 2 * len(data)
    error = caught.value
    assert isinstance(error.rejection, spec.Rejection)
    assert str(error).isprintable()
    return error


def _read(data: bytes) -> None:
    container = open_container(data)
    for section in container.sections:
        container.read(section)


class Forge:
    """The helpers above, as a fixture."""

    header = HEADER
    forge = staticmethod(forge)
    deflate = staticmethod(deflate)
    entry = staticmethod(entry)
    table_of = staticmethod(table_of)
    number = staticmethod(number)
    small_file = staticmethod(small_file)
    refused = staticmethod(refused)


@pytest.fixture(scope="session")
def kit() -> type[Forge]:
    """Helpers for forging files."""
    return Forge
