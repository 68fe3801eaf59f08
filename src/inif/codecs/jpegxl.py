"""JPEG XL (libjxl), lossy, 16-bit grey, one codestream without container per frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from inif.codecs.base import Damaged
from inif.codecs.bits import Bits
from inif.codecs.knob import Knob
from inif.codecs.stills import StillCodec

_SIDES = ((9, 1), (13, 1), (18, 1), (30, 1))
_RATIOS = ((1, 1), (6, 5), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
_GREY = 1


@dataclass(frozen=True)
class JpegXl(StillCodec):
    """JPEG XL; settings: ``effort`` (5 is sometimes better than 7, and 9 no better in PSNR)."""

    kind = "jpegxl"
    title = "JPEG XL"
    bits = 16
    suffix = ".jxl"
    library = "JPEGXL"

    def knob(self, frames: int) -> Knob:
        """Distance in just-noticeable differences, at most 25."""
        return Knob(
            "distance", coarse=25.0, fine=0.05, step=0.005, start=8.0, octave=-1.0, log=True
        )

    def _defaults(self, frames: int) -> dict[str, Any]:
        return {"effort": 7}

    def _encode_picture(
        self, picture: np.ndarray, quality: float, threads: int, settings: Mapping[str, Any]
    ) -> bytes:
        import imagecodecs

        data = imagecodecs.jpegxl_encode(
            picture, distance=quality, usecontainer=False, numthreads=threads, **settings
        )
        return bytes(data)

    def _decode_picture(self, data: bytes, sides: tuple[int, int], threads: int) -> np.ndarray:
        import imagecodecs

        check_header(data, sides)
        return np.asarray(imagecodecs.jpegxl_decode(data, numthreads=threads))


def check_header(data: bytes, sides: tuple[int, int], wanted: int = 16) -> None:
    """Refuse a codestream that is not one grey picture of these sides (height, width) and depth.

    Source: ISO/IEC 18181-1, size header and image metadata.

    Raises
    ------
    Damaged
        It is something else, or has a preview, an animation, a colour profile or more channels.
    """
    if data[:2] != b"\xff\x0a":
        raise Damaged(data[:2].hex(), "a JPEG XL codestream, ff0a")
    bits = Bits(data[2:], "little")
    small = bits.take(1)
    height = 8 * bits.take(5) + 8 if small else _choice(bits, _SIDES)
    if ratio := bits.take(3):
        above, below = _RATIOS[ratio - 1]
        width = height * above // below
    else:
        width = 8 * bits.take(5) + 8 if small else _choice(bits, _SIDES)
    if (height, width) != sides:
        raise Damaged(f"a picture of {(height, width)}", f"a picture of {sides}")
    plain = bits.take(3) == 0  # own metadata; no extra fields; whole numbers
    depth = _choice(bits, ((0, 8), (0, 10), (0, 12), (6, 1)))
    bits.take(1)
    plain &= _choice(bits, ((0, 0), (0, 1), (4, 2), (12, 1))) == 0  # extra channels
    bits.take(1)
    plain &= bits.take(2) == 0  # own colour encoding, no profile
    grey = _choice(bits, ((0, 0), (0, 1), (4, 2), (6, 18))) == _GREY
    if not (plain and grey) or depth != wanted:
        raise Damaged(f"{depth} bits, of another kind", f"one plain picture, {wanted}-bit grey")


def _choice(bits: Bits, ways: tuple[tuple[int, int], ...]) -> int:
    """A number in one of four ways: so many bits, plus an offset."""
    count, offset = ways[bits.take(2)]
    return bits.take(count) + offset
