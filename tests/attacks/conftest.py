"""Forging files: any bytes in any place, with checksums that hold, so that later checks are met."""

from __future__ import annotations

import json
import struct
import time
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from inif.container import WHOLE_FILE, open_container, spec
from inif.container.layout import LONG, SHORT, Layout
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


_ENTRY = struct.Struct("<4sIHHQQI")
_SHORT_ENTRY = struct.Struct("<4sHII")


def deflate(text: bytes, layout: Layout = LONG) -> bytes:
    """`text` as a stored header."""
    stream = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zdict=layout.dictionary)
    return stream.compress(text) + stream.flush()


def entry(
    kind: bytes = b"QWTS",
    brick: int = 0,
    level: int = 0,
    flags: int = 0,
    offset: int = 0,
    length: int = 0,
    crc: int = 0,
) -> bytes:
    """One entry of the section table of version 1."""
    return _ENTRY.pack(kind, brick, level, flags, offset, length, crc)


def short_entry(kind: bytes = b"QWTS", brick: int = 0, length: int = 0, crc: int = 0) -> bytes:
    """One entry of the section table of version 2."""
    return _SHORT_ENTRY.pack(kind, brick, length, crc)


def forge(
    header: object = HEADER,
    *,
    text: bytes | None = None,
    stored: bytes | None = None,
    length: int | None = None,
    table: Callable[[int], list[bytes]] = lambda start: [],
    count: int | None = None,
    body: bytes = b"",
    stored_length: int | None = None,
    version: tuple[int, int] | None = None,
    magic: bytes = spec.MAGIC,
    layout: Layout = LONG,
) -> bytes:
    """A file with the given parts, the rest consistent; `table` gets the end of the table."""
    if text is None:
        text = json.dumps(header).encode()
    if stored is None:
        stored = deflate(text, layout)
    rows = len(table(1 << 10))
    start = layout.prelude.size + len(stored) + rows * layout.entry.itemsize
    index = stored + b"".join(table(start))
    prelude = layout.prelude.pack(
        magic,
        *(version or (layout.major, layout.minor)),
        len(stored) if stored_length is None else stored_length,
        len(text) if length is None else length,
        rows if count is None else count,
        0,
    )[:-4]
    crc = spec.crc32c(index, spec.crc32c(prelude))
    return prelude + crc.to_bytes(4, "little") + index + body


def small_file(layout: Layout = LONG) -> tuple[bytes, list[int]]:
    """A sound file of three sections, and the offset of each boundary in it."""
    parts = [(b"QWTS", 0, b"first brick"), (b"QWTS", 1, b"2nd"), (b"OMEX", WHOLE_FILE, b"<OME/>")]
    edges: list[int] = []

    def table(start: int) -> list[bytes]:
        rows = []
        edges[:] = [start]
        for kind, brick, data in parts:
            crc = spec.crc32c(data)
            if layout is LONG:
                rows.append(entry(kind, brick, 0, 0, edges[-1], len(data), crc))
            else:
                rows.append(short_entry(kind, min(brick, 65535), len(data), crc))
            edges.append(edges[-1] + len(data))
        return rows

    return forge(table=table, body=b"".join(data for *_, data in parts), layout=layout), edges


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
    short_entry = staticmethod(short_entry)
    small_file = staticmethod(small_file)
    refused = staticmethod(refused)


@pytest.fixture(scope="session")
def kit() -> type[Forge]:
    """Helpers for forging files."""
    return Forge


@pytest.fixture(params=[LONG, SHORT], ids=["version 1", "version 2"])
def layout(request: pytest.FixtureRequest) -> Layout:
    """Each version of the index."""
    return request.param  # type: ignore[no-any-return]
