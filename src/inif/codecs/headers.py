"""AV1 without what repeats: the headers of its units, coded by a model that knows them.

A frame of a stack at high ratios is often 20 to 200 bytes, of which 22 are headers that say nearly
the same in every file. So units' kinds, lengths and first bytes are coded apart, by adaptive bits
that were primed on streams of made-up pictures; the rest follows as it is. The standard stream
comes back byte for byte. See docs/format.md, "Packed AV1".
"""

from __future__ import annotations

from functools import cache
from importlib import resources

import numpy as np

from inif.codecs import obu
from inif.codecs.base import Damaged
from inif.coding import leb128
from inif.coding.bitwise import Decoder, Encoder, Model, Primed

HEAD = 20
"""First bytes of a unit that are coded; most headers have 16 or 17."""

MIXERS = HEAD + 3
SHA256 = "cacc2b3a15de435c24d2918dea70de43d203449361c79f62121b5137c6ceeb7e"
"""Of the shipped start."""

_END = 0
_PACKABLE = {obu.SEQUENCE, obu.DELIMITER, obu.FRAME_HEADER, obu.FRAME}
_KIND, _LENGTH, _BITS = HEAD, HEAD + 1, HEAD + 2
_MOST_BITS = 28
_UNITS = 6
"""Most units for each frame."""


def pack(data: bytes, sides: tuple[int, int]) -> bytes:
    """A stream of units, smaller; as it is where it holds anything unusual.

    Parameters
    ----------
    data
        AV1, low-overhead format.
    sides
        Height and width of the frames, as the sequence header has them.
    """
    coder = Encoder(shipped())
    try:
        tails = code_headers(coder, data, sides)
    except (Damaged, ValueError):
        return data
    coded = coder.finish()
    out = leb128.write(2 * len(coded) + 1) + coded + tails
    return min(out, data, key=len)


def unpack(data: bytes, frames: int, sides: tuple[int, int]) -> bytes:
    """The standard stream of something packed, or of a stream that is not.

    Parameters
    ----------
    data
        From `pack`, or from anywhere.
    frames
        That the stream shows: no more units are read than so many can need.
    sides
        As in `pack`.

    Raises
    ------
    Damaged
        These bytes are neither.
    """
    if not data or not data[0] & 1:  # a unit's first byte is even
        return data
    try:
        twice, at = leb128.read(data, 0)
    except ValueError as error:
        raise Damaged(error) from None
    length = twice // 2
    if length > len(data) - at:
        raise Damaged(f"headers of {length} bytes, {len(data) - at} left")
    walk = _Walk(coder := Decoder(shipped(), data[at : at + length]))
    at += length
    out = bytearray()
    for _ in range(_UNITS * frames + _UNITS):
        kind = walk.kind()
        if kind == _END:
            break
        if kind not in _PACKABLE or coder.over:
            raise Damaged("headers that make no sense")
        head, size = walk.unit(kind)
        tail = size - len(head)
        if tail > len(data) - at:
            raise Damaged(f"a unit of {size} bytes, {len(data) - at} left")
        payload = head + data[at : at + tail]
        at += tail
        if kind == obu.SEQUENCE:
            payload = obu.masked_sequence(payload, sides)
        out += _unit(kind, payload)
    else:
        raise Damaged(f"more than {_UNITS * frames} units", f"{frames} frames")
    if at != len(data):
        raise Damaged(f"{len(data) - at} bytes after the last unit")
    return bytes(out)


@cache
def shipped() -> Primed:
    """The start that the package holds; part of the format, never changed."""
    with (
        resources.files("inif.codecs").joinpath("headers.npz").open("rb") as file,
        np.load(file, allow_pickle=False) as stored,
    ):
        keys = np.cumsum(stored["steps"]).tolist()
        states = dict(zip(keys, stored["states"].tolist(), strict=True))
        return Primed(states, stored["weights"].tolist())


def code_headers(coder: Encoder, data: bytes, sides: tuple[int, int]) -> bytes:
    """Code the headers of a stream; what is left of its units.

    Raises
    ------
    Damaged, ValueError
        It holds anything unusual.
    """
    walk, tails = _Walk(coder), []
    for kind, start, payload in obu.units(data):
        usual = _unit(kind, payload)
        if kind not in _PACKABLE or data[start : start + len(usual)] != usual:
            raise ValueError(f"unit {kind}")
        if kind == obu.SEQUENCE:
            payload = obu.masked_sequence(payload, sides)
        walk.kind(kind)
        head, _ = walk.unit(kind, payload)
        tails.append(payload[len(head) :])
    walk.kind(_END)
    return b"".join(tails)


def _unit(kind: int, payload: bytes) -> bytes:
    """A unit without extension, its length in as few bytes as it needs."""
    return bytes([kind << 3 | 2]) + leb128.write(len(payload)) + payload


class _Walk:
    """One way through the headers, for writing and for reading."""

    def __init__(self, coder: Model) -> None:
        self._coder = coder
        self._before = (0, 0)
        self._frames = self._shown = 0
        self._any = bytes(HEAD)
        self._like: dict[tuple[int, int], bytes] = {}
        self._bits: dict[int, int] = {}

    def kind(self, value: int = 0) -> int:
        """What kind of unit comes."""
        last, one_before = self._before
        contexts = (
            _context(_KIND, 0, last, one_before),
            _context(_KIND, 1, self._frames & 15, last),
        )
        found = self._coder.number(3, contexts, _KIND, value)
        self._before = (found, last)
        return found

    def unit(self, kind: int, payload: bytes = b"") -> tuple[bytes, int]:
        """The first bytes of a unit, and how long all of it is."""
        if kind == obu.DELIMITER:
            if payload:
                raise ValueError("a delimiter with content")
            return b"", 0
        size = self._size(kind, len(payload)) if kind == obu.SEQUENCE else 0
        first = self._first(kind, payload[0] if payload else 0)
        size = size or self._size(kind << 8 | first, len(payload))
        head = bytearray([first])
        like = self._like.get((kind, first), bytes(HEAD))
        for i in range(1, min(size, HEAD)):
            head.append(self._byte(kind, i, head, like, payload[i] if payload else 0))
        found = bytes(head)
        if kind == obu.FRAME:
            self._like[kind, first] = self._any = found.ljust(HEAD, b"\0")
            self._frames += 1
        elif kind == obu.FRAME_HEADER:
            self._shown = first
        return found, size

    def _first(self, kind: int, value: int) -> int:
        at = kind << 5
        contexts = (
            _context(at, 0, self._any[0], self._any[1]),
            _context(at, 1, self._shown, self._before[1]),
            _context(at, 2, self._frames & 15),
        )
        return self._coder.number(8, contexts, 0, value)

    def _byte(self, kind: int, i: int, head: bytearray, like: bytes, value: int) -> int:
        at = kind << 5 | i
        contexts = (
            _context(at, 0, head[0], like[i], self._any[i]),
            _context(at, 1, head[i - 1], like[i - 1], like[i]),
            _context(at, 2, head[0], head[i - 1]),
        )
        return self._coder.number(8, contexts, i, value)

    def _size(self, group: int, value: int) -> int:
        """A length: how many bits it has, and these."""
        before = self._bits.get(group, 0)
        contexts = (
            _context(_LENGTH, 0, group >> 8, group & 255),
            _context(_LENGTH, 1, group & 255, before),
        )
        bits = value.bit_length()
        if bits > _MOST_BITS:
            raise ValueError(f"a unit of {value} bytes")
        bits = self._coder.number(5, contexts, _LENGTH, bits)
        self._bits[group] = bits
        if not 0 < bits <= _MOST_BITS:
            raise Damaged(f"a length of {bits} bits")
        known = min(bits - 1, 2)
        rest = bits - 1 - known
        contexts = (_context(_BITS, 0, bits), _context(_BITS, 1, bits, group & 255))
        top = self._coder.number(known, contexts, _BITS, value >> rest & (1 << known) - 1)
        return (1 << known | top) << rest | self._coder.plain(rest, value & (1 << rest) - 1)


def _context(place: int, which: int, a: int = 0, b: int = 0, c: int = 0) -> int:
    """A place, which of its contexts, and up to three bytes, as one number."""
    return ((place << 2 | which) << 8 | a) << 16 | b << 8 | c
