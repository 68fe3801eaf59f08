"""The bytes of a file before its first section: prelude, stored header and section table.

The table is small where sections are few, and where they are many: sections of one kind and level
whose bricks follow each other are one run of three numbers. It is written and read by arithmetic of
whole arrays, for there may be a million sections. docs/format.md ("Prelude", "Section table") says
what is written here.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import numpy as np

from inif.coding import leb128
from inif.container import spec
from inif.container.spec import Rejection
from inif.errors import FormatError, UnsupportedError

ROW = np.dtype(
    [
        ("kind", "S4"),
        ("brick", "<u4"),
        ("level", "<u2"),
        ("offset", "<u8"),
        ("length", "<u8"),
        ("crc", "<u4"),
    ]
)
"""A section in memory."""

FIRST_BYTES = 13
"""Magic, version and checksum; three LEB128 numbers follow."""

LONGEST_PRELUDE = 13 + 3 * 4
"""No number of a valid prelude takes more than four bytes."""

TABLE_BYTES, ENTRY_BYTES = 1024, 32
"""A section table has at most so many bytes, and so many for each section."""

MAX_KINDS = 255
_MAX_LEVEL = (1 << 16) - 1
_MAX_STEP = 1 << 26
_RUN = 3


class Prelude(NamedTuple):
    """The beginning of a file.

    Attributes
    ----------
    crc
        CRC-32C of the rest of the index.
    stored, table, sections
        Bytes of the stored header and of the section table, and the number of sections.
    size
        Bytes of the prelude.
    """

    crc: int
    stored: int
    table: int
    sections: int
    size: int

    @property
    def end(self) -> int:
        """Where the first section begins."""
        return self.size + self.stored + self.table


def read_prelude(head: bytes, name: str) -> Prelude:
    """The prelude of a file of which at least `LONGEST_PRELUDE` bytes are given, or all.

    Raises
    ------
    FormatError
        HEADER_TOO_LARGE or TABLE_TOO_LARGE; TRUNCATED if the bytes end in it.
    """
    numbers, at = [], FIRST_BYTES
    for _ in range(3):
        part = head[at : at + 4]
        try:
            got, length = leb128.read(part, 0)
        except ValueError:
            if len(part) < 4:
                raise truncated(name, len(head) + 1, len(head)) from None
            got, length = 1 << 28, 4
        numbers.append(got)
        at += length
    stored, table, sections = numbers
    for field, got, limit, why in (
        ("stored header length", stored, spec.MAX_HEADER, Rejection.HEADER_TOO_LARGE),
        ("section count", sections, spec.MAX_SECTIONS, Rejection.TABLE_TOO_LARGE),
        (
            "section table length",
            table,
            TABLE_BYTES + ENTRY_BYTES * sections,
            Rejection.TABLE_TOO_LARGE,
        ),
    ):
        if got > limit:
            raise FormatError(
                "the prelude holds a number beyond the limits of the format",
                file=name,
                field=field,
                expected=f"at most {limit}",
                got=got,
                rejection=why,
            )
    return Prelude(int.from_bytes(head[9:FIRST_BYTES], "little"), stored, table, sections, at)


def index_crc(index: bytes) -> int:
    """The checksum of an index: of all its bytes but the checksum's own."""
    return spec.crc32c(index[FIRST_BYTES:], spec.crc32c(index[:9]))


def write_index(stored: bytes, table: bytes, count: int) -> bytes:
    """The index of a file."""
    first = spec.MAGIC + bytes([spec.VERSION])
    rest = b"".join([*map(leb128.write, (len(stored), len(table), count)), stored, table])
    return first + spec.crc32c(rest, spec.crc32c(first)).to_bytes(4, "little") + rest


def write_table(rows: np.ndarray) -> bytes:
    """The section table of an array of `ROW`; where sections begin follows from their lengths."""
    if not len(rows):
        return b""
    kinds, place = np.unique(rows["kind"], return_inverse=True)
    if len(kinds) > MAX_KINDS:
        raise FormatError(
            "the file has too many kinds of sections",
            expected=f"at most {MAX_KINDS}",
            got=len(kinds),
            rejection=Rejection.BAD_TABLE,
        )
    what = place + len(kinds) * rows["level"].astype(np.int64)
    brick = rows["brick"].astype(np.int64)
    whole = brick == spec.WHOLE_FILE
    goes_on = (what[1:] == what[:-1]) & (brick[1:] == brick[:-1] + 1) & ~whole[1:] & ~whole[:-1]
    first = np.flatnonzero(np.concatenate([[True], ~goes_on]))
    count = np.diff(np.append(first, len(rows)))
    # Each run states how far its first brick is from the one after the last run's.
    inside = ~whole[first]
    begins, ends = brick[first][inside], (brick[first] + count)[inside]
    step = np.zeros(len(first), np.int64)
    step[inside] = 1 + _zigzag(begins - np.concatenate([[0], ends[:-1]]))
    runs = np.stack([what[first], step, count], axis=1)
    numbers = np.concatenate([runs.ravel(), rows["length"].astype(np.int64)])
    head = bytes([len(kinds)]) + kinds.tobytes()
    return head + leb128.write_all(numbers) + rows["crc"].tobytes()


def read_table(
    stored: bytes, count: int, *, start: int, bricks: int, known: Collection[bytes], name: str
) -> np.ndarray:
    """The section table as an array of `ROW`.

    Parameters
    ----------
    start
        Where the first section begins in the file.
    bricks
        How many the image has.
    known
        The critical kinds that are read.

    Raises
    ------
    FormatError, UnsupportedError
        BAD_TABLE, SECTION_KIND, UNKNOWN_SECTION or SECTION_BRICK.
    """
    listed = stored[0] if stored else 0
    at, crcs = 1 + 4 * listed, len(stored) - 4 * count
    if not count or not listed or at > crcs:
        if stored or count:
            raise _bad(name, f"{len(stored)} bytes for {count} sections of {listed} kinds")
        return np.zeros(0, ROW)
    kinds = np.frombuffer(stored[1:at], "S4")
    for place in range(1, at, 4):
        _check_kind(stored[place : place + 4], known, name)
    try:
        numbers = leb128.read_all(stored[at:crcs], (_RUN + 1) * count)
    except ValueError as error:
        raise _bad(name, str(error)) from None
    if len(numbers) < count or (len(numbers) - count) % _RUN:
        raise _bad(name, f"{len(numbers)} numbers for {count} sections")
    what, step, runs = numbers[: len(numbers) - count].reshape(-1, _RUN).T
    if not (runs.all() and runs.max(initial=0) <= count and int(runs.sum()) == count):
        raise _bad(name, "runs of other sections than the file has")
    if what.max() >= (_MAX_LEVEL + 1) * listed:
        raise _bad(name, f"level {int(what.max()) // listed}")
    brick = _bricks(step, runs, bricks, name)
    rows = np.zeros(count, ROW)
    rows["kind"] = np.repeat(kinds[what % listed], runs)
    rows["level"] = np.repeat(what // listed, runs)
    rows["brick"] = brick
    rows["length"] = numbers[len(numbers) - count :]
    rows["offset"] = start + np.cumsum(rows["length"]) - rows["length"]
    rows["crc"] = np.frombuffer(stored[crcs:], "<u4")
    return rows


def _check_kind(kind: bytes, known: Collection[bytes], name: str) -> None:
    if not (kind.isalnum() and kind[:1].isalpha()):  # of bytes: ASCII only
        raise FormatError(
            "a section has no valid kind",
            file=name,
            field="section table, kinds",
            expected="an ASCII letter and 3 letters or digits",
            got=kind,
            rejection=Rejection.SECTION_KIND,
        )
    if kind[:1].isupper() and kind not in known:
        raise UnsupportedError(
            "the file needs a kind of section that this release cannot read",
            file=name,
            field="section table, kinds",
            expected=" or ".join(k.decode("ascii") for k in sorted(known)),
            got=kind.decode("ascii"),
            fix="update inif",
            rejection=Rejection.UNKNOWN_SECTION,
        )


def _bricks(step: np.ndarray, runs: np.ndarray, bricks: int, name: str) -> np.ndarray:
    """The brick of each section of some runs."""
    whole = step == 0
    if (runs[whole] > 1).any():
        raise _bad(name, "a run of sections of the whole file")
    if step.max() > _MAX_STEP:
        raise _no_brick(name, bricks, f"a step of {int(step.max())}")
    steps = np.where(whole, 0, _unzigzag(step - 1))
    taken = np.where(whole, 0, runs)
    first = np.cumsum(steps) + np.cumsum(taken) - taken
    bad = ~whole & ((first < 0) | (first + runs > bricks))
    if bad.any():
        worst = int(np.argmax(bad))
        raise _no_brick(name, bricks, f"{int(first[worst])} … {int((first + runs)[worst]) - 1}")
    first[whole] = spec.WHOLE_FILE
    ends = np.cumsum(runs)
    return np.asarray(np.arange(ends[-1]) + np.repeat(first - ends + runs, runs))


def _zigzag(values: np.ndarray) -> np.ndarray:
    return np.asarray(np.where(values < 0, -2 * values - 1, 2 * values))


def _unzigzag(values: np.ndarray) -> np.ndarray:
    return np.asarray(np.where(values & 1, -(values >> 1) - 1, values >> 1))


def truncated(name: str, expected: int, got: int) -> FormatError:
    """The error for a file that is too short."""
    return FormatError(
        "the file is truncated",
        file=name,
        expected=f"at least {expected} bytes",
        got=f"{got} bytes",
        fix="get the file again from its source",
        rejection=Rejection.TRUNCATED,
    )


def _bad(name: str, got: str) -> FormatError:
    return FormatError(
        "the section table is not valid",
        file=name,
        field="section table",
        expected="kinds, runs, lengths and checksums of all sections",
        got=got,
        fix="get the file again from its source",
        rejection=Rejection.BAD_TABLE,
    )


def _no_brick(name: str, bricks: int, got: str) -> FormatError:
    return FormatError(
        "the section table names bricks that the file does not have",
        file=name,
        field="section table, brick",
        expected=f"0 … {bricks - 1}",
        got=got,
        rejection=Rejection.SECTION_BRICK,
    )
