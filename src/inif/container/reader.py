"""Opening a file: prelude, header and section table are read and checked; sections wait.

Opening costs one read of 4 KiB for most files, so a file on a web server can be asked for one
brick without being downloaded.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from types import MappingProxyType, TracebackType
from typing import Any

from inif.container import spec
from inif.container.header import decode_header
from inif.container.index import (
    FIRST_BYTES,
    LONGEST_PRELUDE,
    index_crc,
    read_prelude,
    read_table,
    truncated,
)
from inif.container.source import ByteSource, open_source, origin
from inif.container.spec import Rejection
from inif.container.table import SectionEntry, SectionTable
from inif.container.validate import grid_shape, validate_header
from inif.errors import FormatError, InifError, UnsupportedError

NOTHING: Mapping[str, Any] = MappingProxyType({})
"""Of a header is known from elsewhere."""

_CHUNK = 1 << 20
_RUN = 8 << 20
"""Bytes of sections that are read together, at most."""

# How the magic looks after text-mode transfers: newlines changed, high bit cut, UTF-8 "repaired".
_TEXT_MODE = (
    b"\x89INIF\n",
    b"\x89INIF\r\r\n",
    b"\x89INIF\r\x1a",
    b"\x89INIF\r\n\n",
    b"\x09INIF",
    b"\xc2\x89INIF",
    b"\xef\xbf\xbdINIF",
    b"?INIF",
)


class Container:
    """An open ``.inif`` file whose header and section table are valid.

    Attributes
    ----------
    header
        The validated header (docs/format.md, "Header fields").
    sections
        Every section, in file order.
    grid
        Bricks along each axis; bricks are numbered in C order.
    """

    def __init__(
        self,
        source: ByteSource,
        head: bytes,
        data_at: int,
        header: dict[str, Any],
        sections: SectionTable,
    ) -> None:
        self._source = source
        self._head = head
        self._data_at = data_at
        self.header = header
        self.sections = sections
        self.grid = grid_shape(header)

    @property
    def name(self) -> str:
        """The file, for messages."""
        return self._source.name

    @property
    def file_bytes(self) -> int:
        """The size of the whole file."""
        return self._source.size

    @property
    def origin(self) -> object:
        """What opens the same file again, in another process too: a path, a URL, or bytes.

        Raises
        ------
        InputError
            The file came as a file object.
        """
        return origin(self._source)

    @property
    def digest(self) -> str:
        """SHA-256 of prelude, header and section table, in which every section has its checksum."""
        return hashlib.sha256(self._head[: self._data_at]).hexdigest()

    def find(
        self, kind: bytes, brick: int = spec.WHOLE_FILE, level: int = 0
    ) -> SectionEntry | None:
        """The section of this kind, brick and level, or None."""
        return self.sections.find(kind, brick, level)

    def require(self, kind: bytes, brick: int = spec.WHOLE_FILE, level: int = 0) -> SectionEntry:
        """As `find`, but FormatError (SECTION_MISSING) where the file has no such section."""
        found = self.find(kind, brick, level)
        if found is None:
            missing = SectionEntry(kind, brick, level, 0, 0, 0)
            raise FormatError(
                "the file lacks a section that its header asks for",
                file=self.name,
                expected=missing.label,
                got="none",
                rejection=Rejection.SECTION_MISSING,
            )
        return found

    def read(self, section: SectionEntry) -> bytes:
        """The bytes of one section, checked against its checksum.

        Raises
        ------
        FormatError
            SECTION_CRC, or TRUNCATED if the file shrank since it was opened.
        InputError
            The source can no longer be read.
        """
        data = self._range(section.offset, section.length)
        self._compare(section, spec.crc32c(data))
        return data

    def read_each(self, sections: Sequence[SectionEntry]) -> Iterator[bytes]:
        """As `read`, of some sections in turn: those that lie side by side are read together."""
        at = 0
        while at < len(sections):
            start, end, last = sections[at].offset, sections[at].offset, at
            while last < len(sections) and sections[last].offset == end:
                following = end + sections[last].length
                if last > at and following - start > _RUN:
                    break
                end, last = following, last + 1
            data = self._range(start, end - start)
            for section in sections[at:last]:
                part = data[section.offset - start : section.offset - start + section.length]
                self._compare(section, spec.crc32c(part))
                yield part
            at = last

    def check_all(self) -> list[InifError]:
        """Read every section, also those of unknown kind; the errors found, one per bad section."""
        problems: list[InifError] = []
        for section in self.sections:
            end, crc = section.offset + section.length, 0
            try:
                for offset in range(section.offset, end, _CHUNK):
                    crc = spec.crc32c(self._range(offset, min(_CHUNK, end - offset)), crc)
                self._compare(section, crc)
            except InifError as error:
                problems.append(error)
        return problems

    def to_bytes(self) -> bytes:
        """The whole file, unchecked."""
        return self._source.read(0, self._source.size)

    def close(self) -> None:
        """Release the source, if this container opened it."""
        self._source.close()

    def __enter__(self) -> Container:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _range(self, offset: int, length: int) -> bytes:
        if offset + length <= len(self._head):
            return self._head[offset : offset + length]
        return self._source.read(offset, length)

    def _compare(self, section: SectionEntry, crc: int) -> None:
        if crc != section.crc:
            raise FormatError(
                "a section is damaged",
                file=self.name,
                field=section.label,
                expected=f"crc32c {section.crc:08x}",
                got=f"crc32c {crc:08x}",
                fix="get the file again from its source",
                rejection=Rejection.SECTION_CRC,
            )


def open_container(
    source: object,
    *,
    supported: Collection[str] = spec.SUPPORTED,
    kinds: Collection[bytes] = spec.SUPPORTED_KINDS,
    known: Mapping[str, Any] = NOTHING,
) -> Container:
    """Open a path, URL, bytes, binary file object or `ByteSource`; no section is read.

    Parameters
    ----------
    supported
        The feature names that the header may require.
    kinds
        The critical section kinds that the file may hold.
    known
        Fields of the header that are known from elsewhere, where the file itself lacks them.

    Raises
    ------
    FormatError, UnsupportedError
        The file breaks the format, or needs more than this release; `rejection` says which rule.
    InputError, MissingExtraError
        The source cannot be opened.
    """
    opened = open_source(source)
    try:
        return _open(opened, supported, kinds, known)
    except BaseException:
        if opened is not source:
            opened.close()
        raise


def check_index(
    index: bytes,
    size: int,
    name: str,
    *,
    supported: Collection[str],
    kinds: Collection[bytes],
    known: Mapping[str, Any] = NOTHING,
) -> None:
    """Check a file of `size` bytes that begins with `index`, before it is written.

    Raises
    ------
    FormatError, UnsupportedError
        As `open_container`.
    """
    _open(_Planned(index, size, name), supported, kinds, known)


class _Planned:
    """A file of which there is only the index so far."""

    def __init__(self, index: bytes, size: int, name: str) -> None:
        self.index, self.size, self.name = index, size, name

    def read(self, offset: int, length: int) -> bytes:
        return self.index[offset : offset + length].ljust(length, b"\0")

    def close(self) -> None:
        pass


def _open(
    source: ByteSource,
    supported: Collection[str],
    kinds: Collection[bytes],
    known: Mapping[str, Any],
) -> Container:
    name, size = source.name, source.size
    head = source.read(0, min(spec.FIRST_READ, size))
    _check_start(head, name)
    prelude = read_prelude(head, name)
    if prelude.end > size:
        raise truncated(name, prelude.end, size)
    if prelude.end > len(head):
        head += source.read(len(head), prelude.end - len(head))
    crc = index_crc(head[: prelude.end])
    if crc != prelude.crc:
        raise FormatError(
            "the beginning of the file is damaged",
            file=name,
            field="prelude, header or section table",
            expected=f"crc32c {prelude.crc:08x}",
            got=f"crc32c {crc:08x}",
            fix="get the file again from its source",
            rejection=Rejection.TABLE_CRC,
        )
    table_at = prelude.size + prelude.stored
    header = {**known, **decode_header(head[prelude.size : table_at], name)}
    validate_header(header, name, supported)
    rows = read_table(
        head[table_at : prelude.end],
        prelude.sections,
        start=prelude.end,
        bricks=math.prod(grid_shape(header)),
        known=kinds,
        name=name,
    )
    table = SectionTable(rows)
    table.check(start=prelude.end, end=size, name=name)
    return Container(source, head, prelude.end, header, table)


def _check_start(head: bytes, name: str) -> None:
    """Refuse what does not begin with the magic and a known version."""
    if head.startswith(spec.MAGIC):
        if len(head) < FIRST_BYTES:
            raise truncated(name, LONGEST_PRELUDE, len(head))
        if head[8] != spec.VERSION:
            raise UnsupportedError(
                "the file was made by a newer inif, or is damaged",
                file=name,
                field="version",
                expected=spec.VERSION,
                got=head[8],
                fix="update inif, or get the file again from its source",
                rejection=Rejection.BAD_VERSION,
            )
        return
    if spec.MAGIC.startswith(head):
        raise truncated(name, LONGEST_PRELUDE, len(head))
    if head.startswith(_TEXT_MODE):
        raise FormatError(
            "the file was transferred in text mode, which changed its bytes",
            file=name,
            field="magic",
            expected=spec.MAGIC.hex(" "),
            got=head[:8].hex(" "),
            fix="transfer it again in binary mode",
            rejection=Rejection.TEXT_MODE_DAMAGE,
        )
    raise FormatError(
        "this is not an .inif file",
        file=name,
        field="magic",
        expected=spec.MAGIC.hex(" "),
        got=head[:8].hex(" "),
        rejection=Rejection.BAD_MAGIC,
    )
