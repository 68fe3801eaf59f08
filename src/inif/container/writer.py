"""Putting a file together; `inif.outputs` puts it onto the disk."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from inif.container import spec
from inif.container.header import encode_header
from inif.container.layout import LONG, Layout, layout_for, tiled
from inif.container.reader import open_container
from inif.container.source import BytesSource


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
    blanks: bytes = b"",
) -> bytes:
    """The bytes of a whole file, sections in the order given; `blanks` follow the header's JSON.

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
    layout, stored, length = _laid_out(header, rows, blanks)
    start = layout.prelude.size + len(stored) + len(parts) * layout.entry.itemsize
    index = layout.index(stored, length, tiled(rows, start))
    out = b"".join([index, *(part.data for part in parts)])
    open_container(BytesSource(out, name), supported=supported, kinds=kinds)
    return out


def packed_size(header: dict[str, Any], section_lengths: Sequence[int], blanks: bytes = b"") -> int:
    """The size in bytes that `pack` gives for sections of these lengths, all of level 0."""
    rows = np.zeros(len(section_lengths), spec.TABLE_DTYPE)
    rows["length"] = section_lengths
    layout, stored, _ = _laid_out(header, rows, blanks)
    table = len(rows) * layout.entry.itemsize
    return layout.prelude.size + len(stored) + table + sum(section_lengths)


def _laid_out(header: dict[str, Any], rows: np.ndarray, blanks: bytes) -> tuple[Layout, bytes, int]:
    """The layout that suits a header and a section table, and the header as it stores it."""
    layout = layout_for(len(rows))
    stored, length = encode_header(header, layout.dictionary, blanks)
    if not layout.holds(len(stored), length, rows):
        layout = LONG
        stored, length = encode_header(header, layout.dictionary, blanks)
    return layout, stored, length
