"""Putting a file together; `inif.outputs` puts it onto the disk.

Sections may wait in a spool (`inif.container.spool`): a file is written piece by piece, so that no
second copy of its sections is ever in memory.
"""

from __future__ import annotations

import io
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from inif.container import spec
from inif.container.header import encode_header
from inif.container.index import ROW, write_index, write_table
from inif.container.reader import NOTHING, check_index
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
    known: Mapping[str, Any] = NOTHING,
) -> Packed:
    """A whole file, sections in the order given; `blanks` follow the header's JSON.

    The header may lack fields that are `known` to its readers from elsewhere.

    The reader checks the index of the file here, so nothing that it would refuse is written.

    Raises
    ------
    FormatError, UnsupportedError
        The header or the sections break the format.
    """
    parts = tuple(sections)
    packed = Packed(header, parts, _index(header, parts, [part.crc for part in parts], blanks))
    check_index(packed.index, packed.size, name, supported=supported, kinds=kinds, known=known)
    return packed


def pack(header: dict[str, Any], sections: Iterable[Section], **options: Any) -> bytes:
    """The bytes of a whole file, where it is small; see `assemble`."""
    return assemble(header, sections, **options).to_bytes()


def packed_size(header: dict[str, Any], sections: Iterable[Section], blanks: bytes = b"") -> int:
    """The size in bytes of what `assemble` gives; only the lengths of the sections' bytes count."""
    parts = tuple(sections)
    index = _index(header, parts, [0] * len(parts), blanks)
    return len(index) + sum(len(part.data) for part in parts)


def _index(
    header: dict[str, Any], parts: Sequence[Section], crcs: Sequence[int], blanks: bytes
) -> bytes:
    rows = np.zeros(len(parts), ROW)
    if parts:
        rows["kind"] = [part.kind for part in parts]
        rows["brick"] = [part.brick for part in parts]
        rows["level"] = [part.level for part in parts]
        rows["length"] = [len(part.data) for part in parts]
        rows["crc"] = crcs
    return write_index(encode_header(header, blanks), write_table(rows), len(parts))
