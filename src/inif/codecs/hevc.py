"""HEVC by x265: main 12-bit profile without chroma; single planes are intra pictures.

Tuned for PSNR: x265's visual defaults cost half a decibel.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from inif.codecs import pyav
from inif.codecs.base import Codec, Damaged, Shape, Task
from inif.codecs.bits import Bits
from inif.codecs.knob import Knob
from inif.codecs.libraries import missing_av

_RATE = Fraction(25, 1)
_BLOCK = 64  # coded sides are multiples of a block of at most this many samples
_SPS = 33
_AFTER = {36, 37, 38, 40}  # units that belong to the picture before them


@dataclass(frozen=True)
class Hevc(Codec):
    """HEVC; one elementary stream per block.

    Attributes
    ----------
    preset
        x265's, "ultrafast" to "placebo".
    """

    preset: str = "slow"

    kind = "hevc"
    title = "HEVC"
    bits = 12
    suffix = ".hevc"
    exact = True
    package = "av"

    def missing(self, task: Task = "encode") -> str | None:
        """Why it cannot run here, or None."""
        return missing_av("libx265", "w") if task == "encode" else missing_av("hevc", "r")

    def knob(self, frames: int) -> Knob:
        """CRF is continuous in x265, but the quantiser of a single picture is a whole number."""
        step = 0.04 if frames > 1 else 0.25
        return Knob("crf", coarse=51.0, fine=-12.0, step=step, start=26.0, octave=-6.0)

    def _encode(
        self, levels: np.ndarray, quality: float, threads: int, settings: Mapping[str, Any]
    ) -> bytes:
        import av

        fixed = f"no-info=1:log-level=none:frame-threads=1:{pools(threads)}"
        more = "".join(f":{k}={v}" for k, v in settings.items())
        frames = pyav.padded(levels, least(len(levels)))
        context: Any = av.CodecContext.create("libx265", "w")
        context.height, context.width = frames.shape[1:]
        context.pix_fmt = "gray12le"
        context.time_base, context.framerate = 1 / _RATE, _RATE
        context.options = {
            "preset": self.preset,
            "tune": "psnr",
            "x265-params": f"crf={quality:.4f}:{fixed}{more}",
        }
        out = []
        for number, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(frame, format="gray12le")
            picture.pts = number
            out += [bytes(packet) for packet in context.encode(picture)]
        out += [bytes(packet) for packet in context.encode(None)]
        return b"".join(out)

    def _decode(self, data: bytes, shape: Shape, threads: int) -> np.ndarray:
        full = pyav.padded_sides(shape[1:], least(shape[0]))
        packets = _pictures(data, shape[0], full)
        return pyav.decode("hevc", packets, shape, threads, "gray12le", full)


def least(frames: int) -> pyav.Sides:
    """The smallest height and width that x265 is given.

    It takes 32 and more. But where a stack is one coding block (64 samples) wide, version 4.2 gives
    bytes that depend on what its memory held before, and at 34 to 48 it writes beyond its memory.
    """
    return (32, 66) if frames > 1 else (32, 32)


def pools(threads: int) -> str:
    """x265's option for a number of threads."""
    return f"pools={threads}" if threads > 1 else "pools=none"


def _pictures(data: bytes, frames: int, sides: tuple[int, int]) -> list[bytes]:
    """The stream cut into coded pictures, after a look at all that it declares."""
    cuts, pictures, parameters, open_picture = [0], 0, 0, False
    for kind, start, unit in _units(data):
        if kind == _SPS:
            _check_parameters(unit, sides)
            parameters += 1
        slice_unit = kind < 32
        begins = slice_unit and len(unit) > 2 and bool(unit[2] & 0x80)
        pictures += begins
        if open_picture and (begins or not (slice_unit or kind in _AFTER)):
            cuts.append(start)
            open_picture = False
        open_picture |= slice_unit
    if pictures != frames or not parameters:
        raise Damaged(f"{pictures} pictures", f"{frames} pictures")
    return [data[a:b] for a, b in zip(cuts, [*cuts[1:], len(data)], strict=True)]


def _units(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Every NAL unit's type, offset (of its start code) and bytes without start code."""
    at = data.find(b"\0\0\1")
    if at not in (0, 1) or any(data[:at]):
        raise Damaged("no start code", "an HEVC byte stream")
    while at >= 0:
        after = data.find(b"\0\0\1", at + 3)
        unit = data[at + 3 : after if after >= 0 else len(data)]
        if len(unit) < 2:
            raise Damaged("an empty unit")
        yield unit[0] >> 1 & 63, at, unit
        at = after


def _check_parameters(unit: bytes, sides: tuple[int, int]) -> None:
    """Refuse a sequence parameter set for pictures of other sides (H.265, 7.3.2.2)."""
    bits = Bits(unit[2:].replace(b"\0\0\3", b"\0\0"), "big")
    bits.take(4)
    if bits.take(3):
        raise Damaged("temporal sub-layers")
    bits.take(1 + 96)  # nesting; profile, tier and level
    bits.exp_golomb()
    if chroma := bits.exp_golomb():
        raise Damaged(f"chroma format {chroma}", "monochrome")
    width, height = bits.exp_golomb(), bits.exp_golomb()
    y, x = sides
    if not (y <= height < y + _BLOCK and x <= width < x + _BLOCK):
        raise Damaged(f"pictures of {(height, width)}", f"pictures of {sides}")
