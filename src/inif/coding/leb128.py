"""LEB128: whole numbers in as few bytes as they need, for tables of lengths in small files.

Seven bits a byte, lowest first; the high bit says that another byte follows.
"""

from __future__ import annotations

from collections.abc import Sequence

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


def join(parts: Sequence[bytes], rest: bytes) -> bytes:
    """The lengths of some parts, the parts, and what follows them."""
    return b"".join([*(write(len(part)) for part in parts), *parts, rest])


def split(data: bytes, at: int, count: int) -> tuple[list[bytes], bytes]:
    """The inverse of `join` from an offset on, for as many parts.

    Raises
    ------
    ValueError
        The data do not hold so many.
    """
    lengths = []
    for _ in range(count):
        length, at = read(data, at)
        lengths.append(length)
    if sum(lengths) > len(data) - at:
        raise ValueError(f"parts of {sum(lengths)} bytes, {len(data) - at} left")
    parts = []
    for length in lengths:
        parts.append(data[at : at + length])
        at += length
    return parts, data[at:]
