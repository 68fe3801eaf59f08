"""LEB128: whole numbers in as few bytes as they need, for tables of lengths in small files.

Seven bits a byte, lowest first; the high bit says that another byte follows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_LARGEST = 1 << 56
_MOST_BYTES = 8


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


def write_all(values: np.ndarray) -> bytes:
    """The bytes of many numbers, one after the other.

    Parameters
    ----------
    values
        (n,) int64, from 0 to 2**56 - 1.
    """
    sizes = np.ones(len(values), np.int64)
    for k in range(1, _MOST_BYTES):
        sizes += values >> (7 * k) > 0
    ends = np.cumsum(sizes)
    out = np.zeros(int(ends[-1]) if len(ends) else 0, np.uint8)
    for k in range(int(sizes.max(initial=0))):
        some = sizes > k
        more = np.where(sizes[some] > k + 1, 0x80, 0)
        out[(ends - sizes)[some] + k] = values[some] >> (7 * k) & 0x7F | more
    return out.tobytes()


def read_all(data: bytes, most: int) -> np.ndarray:
    """All numbers that fewer than 2**31 bytes hold: (n,) int64, n at most `most`.

    Raises
    ------
    ValueError
        There are more numbers, the last has no end, or one has more than eight bytes.
    """
    raw = np.frombuffer(data, np.uint8)
    last = raw < 0x80
    count = int(np.count_nonzero(last))  # before anything larger than the data is allocated
    if count > most:
        raise ValueError(f"{count} numbers, at most {most} expected")
    if len(raw) and not last[-1]:
        raise ValueError("the last number has no end")
    ends = np.flatnonzero(last).astype(np.int32)
    sizes = np.diff(ends, prepend=np.int32(-1))
    starts = ends - sizes + 1
    if sizes.max(initial=0) > _MOST_BYTES:
        raise ValueError("a number is too large")
    values = np.zeros(count, np.int64)
    for k in range(int(sizes.max(initial=0))):
        some = np.flatnonzero(sizes > k) if k else slice(None)
        values[some] |= (raw[starts[some] + k] & 0x7F).astype(np.int64) << (7 * k)
    return values
