"""LEB128: whole numbers in as few bytes as they need, for tables of lengths in small files.

Seven bits a byte, lowest first; the high bit says that another byte follows.
"""

from __future__ import annotations

_LARGEST = 1 << 56


def write(value: int) -> bytes:
    """The bytes of a number from 0 to 2**56 - 1."""
    out = bytearray()
    while True:
        value, low = value >> 7, value & 0x7F
        out.append(low | (0x80 if value else 0))
        if not value:
            return bytes(out)


def read(data: bytes, at: int) -> tuple[int, int]:
    """The number at an offset, and the offset after it.

    Raises
    ------
    ValueError
        The data end inside the number, or it is too large.
    """
    value = shift = 0
    while at < len(data):
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if value >= _LARGEST or shift > 56:
            break
        if byte < 0x80:
            return value, at
    raise ValueError("no length where one should be")
