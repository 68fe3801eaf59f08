"""The section table: checked as a whole with array arithmetic, looked up without Python objects.

A table may hold a million entries, so it stays the array it is in the file; a `SectionEntry` is
made only for the entry that somebody asks for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple, overload

import numpy as np

from inif.container.spec import WHOLE_FILE, Rejection
from inif.errors import FormatError, UnsupportedError


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
    """The sections of a file, in its order, from an array of `spec.TABLE_DTYPE`."""

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
        kind, brick, level, _, offset, length, crc = self._rows[index].item()
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

    def check(
        self, *, start: int, end: int, bricks: int, kinds: Collection[bytes], name: str
    ) -> None:
        """Every rule of format.md, "Section table": sections tile ``start … end`` exactly.

        Raises
        ------
        FormatError, UnsupportedError
            With the first rule broken, in the order of the checks below.
        """
        rows = self._rows
        self._check_kinds(kinds, name)
        self._refuse(rows["flags"] != 0, Rejection.SECTION_FLAGS, "flags 0", "flags", name)
        bad = (rows["brick"] >= bricks) & (rows["brick"] != WHOLE_FILE)
        expected = f"brick 0 … {bricks - 1}, or {WHOLE_FILE} for the whole file"
        self._refuse(bad, Rejection.SECTION_BRICK, expected, "brick", name)
        order = self._order
        same = self._sorted[1:] == self._sorted[:-1]
        same &= rows["level"][order[1:]] == rows["level"][order[:-1]]
        twice = np.zeros(len(rows), bool)
        twice[order[1:][same]] = True
        expected = "each kind, brick and level once"
        self._refuse(twice, Rejection.SECTION_DUPLICATE, expected, "level", name)
        # Bounds first: after them no sum can overflow.
        size = np.uint64(end)
        beyond = rows["offset"] > size
        beyond |= rows["length"] > size - np.minimum(rows["offset"], size)
        self._refuse(beyond, Rejection.TRUNCATED, f"an end within {end} bytes", "length", name)
        ends = rows["offset"] + rows["length"]
        due = np.concatenate([np.array([start], np.uint64), ends])
        wrong = rows["offset"] != due[:-1]
        first = int(np.argmax(wrong)) if len(wrong) else 0
        hole = bool(wrong.any()) and rows["offset"][first] > due[first]
        why = Rejection.SECTION_HOLE if hole else Rejection.SECTION_OVERLAP
        self._refuse(wrong, why, f"offset {int(due[first])}", "offset", name)
        if int(due[-1]) != end:
            raise FormatError(
                "the file goes on after its last section",
                file=name,
                expected=f"{int(due[-1])} bytes",
                got=f"{end} bytes",
                fix="get the file again from its source",
                rejection=Rejection.TRAILING_BYTES,
            )

    def _check_kinds(self, kinds: Collection[bytes], name: str) -> None:
        codes = np.frombuffer(self._rows["kind"].tobytes(), np.uint8).reshape(-1, 4)
        upper = (codes >= ord("A")) & (codes <= ord("Z"))
        letter = upper | ((codes >= ord("a")) & (codes <= ord("z")))
        digit = (codes >= ord("0")) & (codes <= ord("9"))
        bad = ~letter[:, 0] | ~(letter | digit).all(axis=1)
        if bad.any():
            raise FormatError(
                "a section has no valid kind",
                file=name,
                field=f"section table, entry {int(np.argmax(bad))}",
                expected="an ASCII letter and 3 letters or digits",
                got=codes[np.argmax(bad)].tobytes(),
                rejection=Rejection.SECTION_KIND,
            )
        unknown = upper[:, 0] & ~np.isin(self._rows["kind"], np.array(sorted(kinds), "S4"))
        if unknown.any():
            index = int(np.argmax(unknown))
            raise UnsupportedError(
                "the file needs a kind of section that this release cannot read",
                file=name,
                field=f"section table, entry {index}",
                expected=" or ".join(k.decode("ascii") for k in sorted(kinds)),
                got=self[index].kind.decode("ascii"),
                fix="update inif",
                rejection=Rejection.UNKNOWN_SECTION,
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
