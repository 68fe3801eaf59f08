"""What trials of a codec find out: by its fast setting, and by the one that an effort takes."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from inif.codecs.base import Codec
from inif.encode.search import Probe

_USUAL, _STEEPEST = 1.0, 6.0
"""PSNR in dB per doubling of the size, where nothing is known, and at most."""

CLIFF = 35.0
"""Growth of the logarithm of the size along the whole knob from which an image is noise."""


@dataclass(frozen=True)
class Trial:
    """What the fast setting found.

    Attributes
    ----------
    order
        Of the frames.
    near
        The encode whose size is nearest to the room.
    score
        PSNR in dB at the room's size.
    slope
        Growth of the logarithm of the size along the knob.
    octave
        PSNR in dB per doubling of the size.
    points
        Encodes of the first order that was tried: (log2 of the bytes, PSNR in dB).
    noisy
        Whether an image is mostly noise, by sizes that fall off a cliff along the knob.
    """

    order: str
    near: Probe
    score: float
    slope: float | None
    octave: float
    points: tuple[tuple[float, float], ...]
    noisy: bool

    def settled(self, codec: Codec) -> Codec:
        """A faster setting for noise, which slow ones spend time on and do not make smaller."""
        return codec.brisk if self.noisy else codec


@dataclass(frozen=True)
class Judged:
    """What a slower setting does.

    Attributes
    ----------
    score
        PSNR in dB.
    offset
        How much finer than the fast one's its knob is at the same size, on a scale from 0 to 1.
    """

    score: float
    offset: float | None


def along(points: Sequence[tuple[float, float]], x: float) -> tuple[float, float]:
    """PSNR in dB at the logarithm of a size, and per doubling of it, on lines between points."""
    if len(points) < 2:
        (near, value), octave = points[0], _USUAL
    else:
        ordered = sorted(points)
        right = min(max(bisect_left(ordered, (x,)), 1), len(ordered) - 1)
        ends = ordered[right - 1 : right + 1]
        (x0, y0), (x1, y1) = ends
        octave = min(max((y1 - y0) / (x1 - x0), 0.0), _STEEPEST)
        near, value = min(ends, key=lambda end: abs(end[0] - x))
    return value + octave * (x - near), octave
