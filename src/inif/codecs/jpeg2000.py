"""JPEG 2000 by OpenJPEG and, for high throughput, by OpenJPH: one codestream per frame.

Both irreversible (9/7 wavelets), 16-bit grey.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from inif.codecs.base import Damaged, Task
from inif.codecs.knob import Knob
from inif.codecs.libraries import missing_imagecodec
from inif.codecs.stills import StillCodec

_SOC, _SIZ, _CAP, _COD, _QCD, _COM = 0xFF4F, 0xFF51, 0xFF50, 0xFF52, 0xFF5C, 0xFF64
_TLM, _SOT, _SOD, _EOC = 0xFF55, 0xFF90, 0xFF93, 0xFFD9
_MAIN = {_CAP, _COD, _QCD, _COM, _TLM}
_SIZ_FORM, _SOT_FORM = struct.Struct(">HIIIIIIIIHBBB"), struct.Struct(">HIBB")
_LEAST_PRECINCT = 6
_DECIBELS = 6.02
"""Of PSNR, that errors half as large gain."""


@dataclass(frozen=True)
class Jpeg2000(StillCodec):
    """JPEG 2000; every frame of a block gets the same PSNR."""

    kind = "jpeg2000"
    title = "JPEG 2000"
    bits = 16
    suffix = ".j2k"
    library = "JPEG2K"

    def knob(self, frames: int) -> Knob:
        """PSNR over all 16 bits, in decibels; continuous."""
        return Knob(
            "psnr", coarse=14.0, fine=96.0, step=0.01, start=38.0, octave=_DECIBELS, steep=25.0
        )

    def _encode_picture(
        self, picture: np.ndarray, quality: float, threads: int, settings: Mapping[str, Any]
    ) -> bytes:
        import imagecodecs

        encode: Any = imagecodecs.jpeg2k_encode  # its stub knows whole levels only
        return bytes(
            encode(
                picture,
                level=quality,
                codecformat="j2k",
                reversible=False,
                numthreads=threads,
                **settings,
            )
        )

    def _decode_picture(self, data: bytes, sides: tuple[int, int], threads: int) -> np.ndarray:
        return _openjpeg(data, sides, threads)


@dataclass(frozen=True)
class Htj2k(StillCodec):
    """High-throughput JPEG 2000: encoded by OpenJPH, on one thread, decoded by OpenJPEG.

    OpenJPH 0.26 crashes on damaged streams; OpenJPEG does not, and gives the same levels but for
    rounding.
    """

    kind = "htj2k"
    title = "HTJ2K"
    bits = 16
    suffix = ".j2c"
    library = "HTJ2K"

    def missing(self, task: Task = "encode") -> str | None:
        """Why it cannot run here, or None."""
        return missing_imagecodec(self.library if task == "encode" else Jpeg2000.library)

    def knob(self, frames: int) -> Knob:
        """Base step of the quantiser, relative to the range of the samples."""
        return Knob("step", coarse=0.5, fine=2e-5, step=0.01, start=0.02, octave=-1.0, log=True)

    def _encode_picture(
        self, picture: np.ndarray, quality: float, threads: int, settings: Mapping[str, Any]
    ) -> bytes:
        import imagecodecs

        return bytes(imagecodecs.htj2k_encode(picture, level=quality, reversible=False, **settings))

    def _decode_picture(self, data: bytes, sides: tuple[int, int], threads: int) -> np.ndarray:
        return _openjpeg(data, sides, threads)


def _openjpeg(data: bytes, sides: tuple[int, int], threads: int) -> np.ndarray:
    import imagecodecs

    check_codestream(data, sides)
    return np.asarray(imagecodecs.jpeg2k_decode(data, numthreads=threads))


def check_codestream(data: bytes, sides: tuple[int, int]) -> None:
    """Refuse a codestream that is not one tile of 16-bit grey of these sides (height, width).

    Also refused: markers that no encoder here writes, precincts so small that their number would be
    a burden, and tile parts that do not fill the codestream exactly.

    Source: ITU-T T.800, annex A.

    Raises
    ------
    Damaged
        It is something else.
    """
    if data[:4] != struct.pack(">HH", _SOC, _SIZ) or len(data) < 64:
        raise Damaged(data[:4].hex(), "a JPEG 2000 codestream, ff4fff51")
    _, width, height, *rest = _SIZ_FORM.unpack_from(data, 6)
    if (height, width) != sides:
        raise Damaged(f"a picture of {(height, width)}", f"a picture of {sides}")
    if rest != [0, 0, width, height, 0, 0, 1, 15, 1, 1]:
        raise Damaged("another layout", "one tile of 16-bit grey")
    at = 4 + struct.unpack_from(">H", data, 4)[0]
    seen = set()
    for marker, start, end in _segments(data, at, _SOT):
        if marker not in _MAIN:
            raise Damaged(f"marker {marker:#x} in the header", "those of a plain picture")
        if marker == _COD:
            _check_coding(data[start:end])
        seen.add(marker)
        at = end
    if not seen >= {_COD, _QCD}:
        raise Damaged("a header without coding style", "one with")
    while data[at : at + 2] != _EOC.to_bytes(2, "big"):
        at = _after_tile_part(data, at)
    if at + 2 != len(data):
        raise Damaged(f"{len(data) - at - 2} bytes after the end")


def _segments(data: bytes, at: int, until: int) -> Iterator[tuple[int, int, int]]:
    """Marker, start and end of what each segment holds, up to a marker."""
    while True:
        if at + 4 > len(data):
            raise Damaged("a header that ends too early")
        marker, length = struct.unpack_from(">HH", data, at)
        if marker == until:
            return
        if length < 2 or at + 2 + length > len(data):
            raise Damaged(f"a segment of {length} bytes")
        yield marker, at + 4, at + 2 + length
        at += 2 + length


def _check_coding(segment: bytes) -> None:
    """Coding style: few layers and levels, large precincts."""
    if len(segment) < 10:
        raise Damaged("a coding style that ends too early")
    layers, levels, precincts = int.from_bytes(segment[2:4], "big"), segment[5], segment[10:]
    small = any(min(p & 15, p >> 4) < _LEAST_PRECINCT for p in precincts)
    if not 1 <= layers <= 16 or levels > 32 or small:
        raise Damaged(f"{layers} layers, {levels} levels, precincts {precincts.hex()}")


def _after_tile_part(data: bytes, at: int) -> int:
    """The offset behind a tile part of tile 0, whose header must hold comments at most."""
    if at + 14 > len(data) or struct.unpack_from(">HH", data, at) != (_SOT, 10):
        raise Damaged("no tile part where one should be")
    tile, length, _, _ = _SOT_FORM.unpack_from(data, at + 4)
    if tile != 0 or not 14 <= length <= len(data) - at:
        raise Damaged(f"a part of tile {tile}, {length} bytes", f"tile 0, {len(data) - at} left")
    for marker, _, _ in _segments(data, at + 12, _SOD):
        if marker != _COM:
            raise Damaged(f"marker {marker:#x} in a tile part", "those of a plain picture")
    return at + int(length)
