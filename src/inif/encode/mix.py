"""A file put together of several encodes of the same streams: it fills a budget without another.

Two encodes of neighbouring quality differ in bytes by a few per cent; taking some streams from one
and the rest from the other gives every size between.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

APART = 0.08
"""By how much two encodes may differ in bytes: quality that is not quite the same in all streams
then costs a thousandth of the bytes, where twice the bytes gain 3 dB or less."""

_OCTAVE, _LEAST_OCTAVE = 3.0, 0.75


def apart(octave: float) -> float:
    """By how much two encodes may differ in bytes, where twice the bytes gain `octave` dB.

    What mixing costs, in bytes, grows as the octave times the square of the difference; beyond
    3 dB, near lossless, faster.
    """
    share = _OCTAVE / max(octave, _LEAST_OCTAVE)
    return APART * (share if share < 1 else math.sqrt(share))


def mixed(encodes: Sequence[Sequence[bytes]], room: int, apart: float = APART) -> list[bytes]:
    """The fullest set of streams of at most `room` bytes; empty where none is as small as that.

    Parameters
    ----------
    encodes
        The same streams, encoded at several qualities.
    room
        In bytes.
    apart
        By how much two of them may differ in bytes.
    """
    sizes = [[len(stream) for stream in streams] for streams in encodes]
    best: list[bytes] = []
    most = -1
    for low, base in zip(sizes, encodes, strict=True):
        for high, finer in zip(sizes, encodes, strict=True):
            left = room - sum(low)
            if left < 0 or sum(high) > (1 + apart) * sum(low):
                continue
            streams = list(base)
            for i in sorted(range(len(base)), key=lambda i: low[i] - high[i]):
                if 0 < high[i] - low[i] <= left:
                    streams[i], left = finer[i], left - (high[i] - low[i])
            if room - left > most:
                best, most = streams, room - left
    return best
