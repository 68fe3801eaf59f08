"""Putting a file together; `inif.outputs` puts it onto the disk.

Sections may wait in a spool (`inif.container.spool`): a file is written piece by piece, so that no
second copy of its sections is ever in memory.
"""

from __future__ import annotations

import io
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from inif.container import spec
from inif.container.header import encode_header
from inif.container.layout import LONG, Layout, layout_for, tiled
from inif.container.reader import check_index
from inif.container.spool import Stored


@dataclass(frozen=True)
class Section:
    """One section to write: its kind (4 ASCII bytes), bytes, brick and level."""

    kind: bytes
    data: bytes | Stored
    brick: int = spec.WHOLE_FILE
    level: int = 0

    @property
    def crc(self) -> int:
        """The CRC-32C of its bytes."""
        return self.data.crc if isinstance(self.data, Stored) else spec.crc32c(self.data)

    def read(self) -> bytes:
        """Its bytes, from wherever they are."""
        return self.data.read() if isinstance(self.data, Stored) else self.data


@dataclass(frozen=True)
class Packed:
    """A whole file, ready to be written: `assemble` makes it.

    Attributes
    ----------
    header
        What the file says of itself.
    sections
        In the order of the file.
    index
        The bytes before the first section.
    """

    header: dict[str, Any]
    sections: tuple[Section, ...]
    index: bytes

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return len(self.index) + sum(len(section.data) for section in self.sections)

    def write_to(self, file: BinaryIO) -> None:
        """Write the file, one section after the other.

        Raises
        ------
        InputError
            A section cannot be read from its spool.
        OSError
            The file cannot be written.
        """
        file.write(self.index)
        for section in self.sections:
            file.write(section.read())

    def to_bytes(self) -> bytes:
        """The file in memory."""
        out = io.BytesIO()
        self.write_to(out)
        return out.getvalue()


def assemble(
    header: dict[str, Any],
    sections: Iterable[Section],
    *,
    supported: Collection[str] = spec.SUPPORTED,
    kinds: Collection[bytes] = spec.SUPPORTED_KINDS,
    name: str = "<new file>",
    blanks: bytes = b"",
) -> Packed:
    """A whole file, sections in the order given; `blanks` follow the header's JSON.

    The reader checks the index of the file here, so nothing that it would refuse is written.

    Raises
    ------
    FormatError, UnsupportedError
        The header or the sections break the format.
    """
    parts = tuple(sections)
    rows = np.array(
        [(p.kind, p.brick, p.level, 0, 0, len(p.data), p.crc) for p in parts], spec.TABLE_DTYPE
    )
    layout, stored, length = _laid_out(header, rows, blanks)
    start = layout.prelude.size + len(stored) + len(parts) * layout.entry.itemsize
    packed = Packed(header, parts, layout.index(stored, length, tiled(rows, start)))
    check_index(packed.index, packed.size, name, supported=supported, kinds=kinds)
    return packed


def pack(header: dict[str, Any], sections: Iterable[Section], **options: Any) -> bytes:
    """The bytes of a whole file, where it is small; see `assemble`."""
    return assemble(header, sections, **options).to_bytes()


def packed_size(header: dict[str, Any], sections: Iterable[Section], blanks: bytes = b"") -> int:
    """The size in bytes of what `assemble` gives; only the lengths of the sections' bytes count."""
    parts = list(sections)
    rows = np.array(
        [(p.kind, p.brick, p.level, 0, 0, len(p.data), 0) for p in parts], spec.TABLE_DTYPE
    )
    layout, stored, _ = _laid_out(header, rows, blanks)
    table = len(rows) * layout.entry.itemsize
    return layout.prelude.size + len(stored) + table + sum(len(p.data) for p in parts)


def _laid_out(header: dict[str, Any], rows: np.ndarray, blanks: bytes) -> tuple[Layout, bytes, int]:
    """The layout that suits a header and a section table, and the header as it stores it."""
    layout = layout_for(len(rows))
    stored, length = encode_header(header, layout.dictionary, blanks)
    if not layout.holds(len(stored), length, rows):
        layout = LONG
        stored, length = encode_header(header, layout.dictionary, blanks)
    return layout, stored, length
