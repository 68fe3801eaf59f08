"""The section table: checked as a whole with array arithmetic, looked up without Python objects.

A table may hold a million entries, so it stays an array; a `SectionEntry` is
made only for the entry that somebody asks for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, overload

import numpy as np

from inif.container.spec import WHOLE_FILE, Rejection
from inif.errors import FormatError


class SectionEntry(NamedTuple):
    """Where one section lies: kind (4 ASCII bytes), brick, level, offset and length in bytes."""

    kind: bytes
    brick: int
    level: int
    offset: int
    length: int
    crc: int

    @property
    def label(self) -> str:
        """The section as messages name it."""
        brick = "whole file" if self.brick == WHOLE_FILE else f"brick {self.brick}"
        return f"section {self.kind.decode('ascii')}, {brick}, level {self.level}"


class SectionTable(Sequence[SectionEntry]):
    """The sections of a file, in its order, from an array of `inif.container.index.ROW`."""

    def __init__(self, rows: np.ndarray) -> None:
        self._rows = rows
        kind = np.frombuffer(rows["kind"].tobytes(), ">u4").astype(np.uint64)
        self._keys = kind << np.uint64(32) | rows["brick"]
        self._order = np.lexsort((rows["level"], self._keys))
        self._sorted = self._keys[self._order]

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> SectionEntry: ...
    @overload
    def __getitem__(self, index: slice) -> list[SectionEntry]: ...
    def __getitem__(self, index: int | slice) -> SectionEntry | list[SectionEntry]:
        if isinstance(index, slice):
            return [self[i] for i in range(len(self))[index]]
        kind, brick, level, offset, length, crc = self._rows[index].item()
        return SectionEntry(kind, brick, level, offset, length, crc)

    def __iter__(self) -> Iterator[SectionEntry]:
        return (self[i] for i in range(len(self)))

    def find(self, kind: bytes, brick: int = WHOLE_FILE, level: int = 0) -> SectionEntry | None:
        """The section of this kind, brick and level, or None. O(log n)."""
        key = np.uint64(int.from_bytes(kind, "big") << 32 | brick)
        first = np.searchsorted(self._sorted, key, side="left")
        last = np.searchsorted(self._sorted, key, side="right")
        for position in self._order[first:last]:
            if self._rows["level"][position] == level:
                return self[int(position)]
        return None

    def check(self, *, start: int, end: int, name: str) -> None:
        """Refuse sections that are there twice, or do not fill the bytes from `start` to `end`.

        Raises
        ------
        FormatError
            SECTION_DUPLICATE, TRUNCATED or TRAILING_BYTES.
        """
        rows, order = self._rows, self._order
        same = self._sorted[1:] == self._sorted[:-1]
        same &= rows["level"][order[1:]] == rows["level"][order[:-1]]
        twice = np.zeros(len(rows), bool)
        twice[order[1:][same]] = True
        expected = "each kind, brick and level once"
        self._refuse(twice, Rejection.SECTION_DUPLICATE, expected, "level", name)
        ends = rows["offset"] + rows["length"]
        rough = np.cumsum(rows["length"], dtype=np.float64)  # which no sum of lengths overflows
        beyond = (ends > np.uint64(end)) | (rough > 2.0 * end)
        self._refuse(beyond, Rejection.TRUNCATED, f"an end within {end} bytes", "length", name)
        due = int(ends[-1]) if len(rows) else start
        if due != end:
            raise FormatError(
                "the file goes on after its last section",
                file=name,
                expected=f"{due} bytes",
                got=f"{end} bytes",
                fix="get the file again from its source",
                rejection=Rejection.TRAILING_BYTES,
            )

    def _refuse(
        self,
        bad: np.ndarray[tuple[int, ...], np.dtype[np.bool_]],
        why: Rejection,
        expected: str,
        column: str,
        name: str,
    ) -> None:
        if not bad.any():
            return
        index = int(np.argmax(bad))
        truncated = why is Rejection.TRUNCATED
        raise FormatError(
            "the file ends inside a section" if truncated else "the section table is not valid",
            file=name,
            field=f"section table, entry {index} ({self[index].label})",
            expected=expected,
            got=f"{column} {int(self._rows[column][index])}",
            fix="get the file again from its source",
            rejection=why,
        )
