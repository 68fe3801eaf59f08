"""Landing on the byte: any file can be made larger, by as little as one byte, for every reader.

A file that must not be smaller than asked for gets a section of zeros, which readers skip. Where
already the section's entry in the table would be too much, white space follows the header's JSON.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

from inif.coding import leb128
from inif.config import Window
from inif.container.writer import Packed, Section, assemble, packed_size

KIND = b"fill"
"""Of the section: its first letter is small, so readers need not know it."""

_BLANKS = "".join(random.Random(0).choices(" \t\n\r", k=2048)).encode()
"""White space that deflates badly, so that each character makes a header about a byte longer."""


def padded(header: dict[str, Any], sections: Iterable[Section], window: Window) -> Packed:
    """A whole file, made larger where it is below the window.

    A file above the window is returned as it is.

    Raises
    ------
    FormatError, UnsupportedError
        As `inif.container.writer.assemble`.
    """
    parts = list(sections)
    for count in range(len(_BLANKS) + 1):
        blanks = _BLANKS[:count]
        if count == len(_BLANKS) or packed_size(header, parts, blanks) >= window.least:
            break
        spare = max(0, window.least - packed_size(header, [*parts, Section(KIND, b"")], blanks))
        length = (
            spare - len(leb128.write(spare)) + 1
        )  # which takes more bytes itself if it is large
        for zeros in range(max(0, length - 1), length + 2):
            filled = [*parts, Section(KIND, bytes(zeros))]
            if window.least <= packed_size(header, filled, blanks) <= window.most:
                return assemble(header, filled, blanks=blanks)
    return assemble(header, parts, blanks=blanks)
