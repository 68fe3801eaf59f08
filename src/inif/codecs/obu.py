"""The little of AV1's syntax that has to be read before a decoder may: units, and frame sizes.

Source: AV1 Bitstream & Decoding Process Specification, sections 5.3 to 5.5.
"""

from __future__ import annotations

from collections.abc import Iterator

from inif.codecs.base import Damaged
from inif.codecs.bits import Bits
from inif.coding import leb128

SEQUENCE, DELIMITER, FRAME_HEADER, FRAME = 1, 2, 3, 6
_KNOWN = {SEQUENCE, DELIMITER, FRAME_HEADER, 4, 5, FRAME, 7, 15}


def units(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Every unit's kind, offset and payload.

    Raises
    ------
    Damaged
        The data are not a row of whole units that say how long they are.
    """
    at = 0
    while at < len(data):
        start, head = at, data[at]
        kind = head >> 3 & 15
        if head & 0x80 or not head & 2 or kind not in _KNOWN:
            raise Damaged(f"a unit that begins with {head:#04x}", "AV1 units with their lengths")
        try:
            length, at = leb128.read(data, at + (2 if head & 4 else 1))
        except ValueError as error:
            raise Damaged(error) from None
        if length > len(data) - at:
            raise Damaged(f"a unit of {length} bytes, {len(data) - at} left")
        yield kind, start, data[at : at + length]
        at += length


def check_sequence(payload: bytes, sides: tuple[int, int]) -> None:
    """Refuse a sequence header for frames of other sides than these (height, width).

    No frame may be larger than its sequence header says.

    Raises
    ------
    Damaged
        Other sides, or a header that cannot be read.
    """
    bits = _at_sides(payload)
    widths, heights = bits.take(4) + 1, bits.take(4) + 1
    width, height = bits.take(widths) + 1, bits.take(heights) + 1
    if (height, width) != sides:
        raise Damaged(f"frames of {(height, width)}", f"frames of {sides}")


def masked_sequence(payload: bytes, sides: tuple[int, int]) -> bytes:
    """A sequence header with its sides as the bits that differ from (height, width), or back."""
    numbers = [side - 1 for side in reversed(sides)]
    lengths = [max(n.bit_length(), 1) for n in numbers]
    try:
        skip = _at_sides(payload).at
    except Damaged:
        return payload
    rest = 8 * len(payload) - skip - 8 - sum(lengths)
    if rest < 0:
        return payload
    pattern = 0
    for value, count in zip([n - 1 for n in lengths] + numbers, [4, 4, *lengths], strict=True):
        pattern = pattern << count | value & (1 << count) - 1
    return (int.from_bytes(payload, "big") ^ pattern << rest).to_bytes(len(payload), "big")


def _at_sides(payload: bytes) -> Bits:
    """A sequence header, read up to the sides of its frames."""
    bits = Bits(payload, "big")
    bits.take(4)  # profile, still picture
    if bits.take(1):  # reduced header of a still picture
        bits.take(5)
        return bits
    if bits.take(1):
        raise Damaged("timing information in the sequence header")
    delays = bits.take(1)
    for _ in range(bits.take(5) + 1):
        bits.take(12)
        if bits.take(5) > 7:
            bits.take(1)
        if delays and bits.take(1):
            bits.take(4)
    return bits


def temporal_units(data: bytes, frames: int, sides: tuple[int, int]) -> list[bytes]:
    """The stream cut at its temporal delimiters, after a look at all that it declares.

    Raises
    ------
    Damaged
        Another number of frames than `frames`, other `sides` (height, width), or no such stream.
    """
    starts, coded, sequences = [], 0, 0
    for kind, start, payload in units(data):
        if kind == DELIMITER:
            starts.append(start)
        elif kind == SEQUENCE:
            check_sequence(payload, sides)
            sequences += 1
        elif kind in (FRAME, FRAME_HEADER):
            coded += 1
    if len(starts) != frames or starts[0] != 0 or not sequences:
        raise Damaged(f"{len(starts)} temporal units", f"{frames} temporal units")
    if coded > 2 * frames:  # one to show each frame, and hidden ones for reference
        raise Damaged(f"{coded} coded frames", f"at most {2 * frames}")
    return [data[a:b] for a, b in zip(starts, [*starts[1:], len(data)], strict=True)]
