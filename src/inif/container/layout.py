"""The two layouts of a file's index, numbered by the format's major version.

A small image at a high ratio makes a file of a few kilobytes, of which the index of version 1 is
several per cent; version 2 states the same in half the bytes. Whatever does not fit the narrow
numbers of version 2, and every file of many bricks, is of version 1.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

from inif.container import spec


@dataclass(frozen=True)
class Layout:
    """How the index of one major version is written.

    Attributes
    ----------
    major, minor
        The version.
    prelude
        magic, major, minor, stored header length, header JSON length, section count, crc32c.
    entry
        One entry of the section table, as an array's element.
    dictionary
        Preset dictionary of the header's raw DEFLATE stream.
    most_header, most_sections
        Limits: bytes of the header, stored or inflated; sections.
    """

    major: int
    minor: int
    prelude: struct.Struct
    entry: np.dtype[np.void]
    dictionary: bytes
    most_header: int
    most_sections: int

    @property
    def whole_file(self) -> int:
        """The brick number that says that a section belongs to no single brick."""
        return int(np.iinfo(self.entry["brick"]).max)

    def rows(self, stored: bytes, start: int) -> np.ndarray:
        """The section table as an array of `spec.TABLE_DTYPE`; sections begin at byte `start`."""
        found = np.frombuffer(stored, self.entry)
        if self.entry == spec.TABLE_DTYPE:  # which states offsets, levels and flags of its own
            return found
        rows = np.zeros(len(found), spec.TABLE_DTYPE)
        for name in self.entry.names or ():
            rows[name] = found[name]
        rows["brick"][found["brick"] == self.whole_file] = spec.WHOLE_FILE
        return tiled(rows, start)

    def table(self, rows: np.ndarray) -> bytes:
        """The section table of an array of `spec.TABLE_DTYPE`: the inverse of `rows`."""
        out = np.zeros(len(rows), self.entry)
        for name in self.entry.names or ():
            out[name] = rows[name]
        out["brick"][rows["brick"] == spec.WHOLE_FILE] = self.whole_file
        return out.tobytes()

    def holds(self, stored: int, length: int, rows: np.ndarray) -> bool:
        """Whether a header of these lengths and a table of these rows can be written."""
        whole = rows["brick"] == spec.WHOLE_FILE
        return bool(
            max(stored, length) <= self.most_header
            and len(rows) <= self.most_sections
            and (rows["length"] <= np.iinfo(self.entry["length"]).max).all()
            and (whole | (rows["brick"] < self.whole_file)).all()
            and ("level" in (self.entry.names or ()) or not rows["level"].any())
        )

    def index(self, stored: bytes, length: int, rows: np.ndarray) -> bytes:
        """Prelude, stored header and section table, as the file begins."""
        body = stored + self.table(rows)
        numbers = (spec.MAGIC, self.major, self.minor, len(stored), length, len(rows))
        crc = spec.crc32c(body, spec.crc32c(self.prelude.pack(*numbers, 0)[:-4]))
        return self.prelude.pack(*numbers, crc) + body


LONG = Layout(
    major=1,
    minor=0,
    prelude=struct.Struct("<8sHHIIII"),
    entry=spec.TABLE_DTYPE,
    dictionary=spec.DICTIONARY,
    most_header=spec.MAX_HEADER,
    most_sections=spec.MAX_SECTIONS,
)
"""Version 1."""

SHORT = Layout(
    major=2,
    minor=0,
    prelude=struct.Struct("<8sBBHHBI"),
    entry=np.dtype([("kind", "S4"), ("brick", "<u2"), ("length", "<u4"), ("crc", "<u4")]),
    dictionary=spec.DICTIONARY_2,
    most_header=(1 << 16) - 1,
    most_sections=(1 << 8) - 1,
)
"""Version 2: sections have no level, and each begins where the one before ends."""

SHORT_SECTIONS = 64
"""Files of more sections are of version 1: what version 2 saves is nothing to them."""


def tiled(rows: np.ndarray, start: int) -> np.ndarray:
    """A section table whose sections follow each other from byte `start` on; changed in place."""
    rows["offset"] = start + np.cumsum(rows["length"], dtype=np.uint64) - rows["length"]
    return rows


def layout_of(version: int) -> Layout | None:
    """The layout that bytes 8 and 9 of a file name, as one number; None if it is not known."""
    if version == LONG.major:
        return LONG
    return SHORT if version & 0xFF == SHORT.major else None  # its minor version is byte 9


def layout_for(sections: int) -> Layout:
    """The layout that writers use for so many sections, if it holds what they state."""
    return SHORT if sections <= SHORT_SECTIONS else LONG
