"""AV1 by SVT-AV1: 10 bits, 4:2:0 with constant chroma (the encoder has no monochrome).

Tuned for PSNR, because that is what the field starts from. Decoded by dav1d.
"""

from __future__ import annotations

import io
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from inif.codecs import headers, obu, pyav
from inif.codecs.base import Codec, Shape, Task
from inif.codecs.knob import Knob
from inif.codecs.libraries import missing_av

_RATE = Fraction(25, 1)
_LEAST = (64, 64)
_PIXELS = "yuv420p10le"
_OCTAVE = -9.3
"""CRFs that make the quantiser half as large, above the lowest ones, which lie further apart."""

_QUARTER = 0.25
_LAMBDAS = 7
_PARTS = 7
"""Of a quarter of a CRF; each lowers the multiplier by 1 of 128."""

_WIDE = {62.0: 3.0, 63.0: 4.0}
"""CRFs whose quantiser is further from that of the quarter below."""


@dataclass(frozen=True)
class Av1(Codec):
    """AV1; one stream of OBUs per block.

    Attributes
    ----------
    preset
        SVT-AV1's, -1 (very slow) to 13.
    fine
        Whether the Lagrangian multiplier gives sizes between two quarters of a CRF. It costs no
        quality at equal size (docs/decisions/0006).
    packed
        Whether blocks are packed streams (docs/format.md, "Packed AV1") instead of standard ones.
    """

    preset: int = 4
    fine: bool = False
    packed: bool = True

    kind = "av1"
    title = "AV1"
    bits = 10
    suffix = ".obu"
    exact = True
    package = "av"

    def missing(self, task: Task = "encode") -> str | None:
        """Why it cannot run here, or None."""
        return missing_av("libsvtav1", "w") if task == "encode" else missing_av("libdav1d", "r")

    def knob(self, frames: int) -> Knob:
        """SVT-AV1 takes quarters of a CRF through its own parameters."""
        step = _QUARTER / _PARTS if self.fine else _QUARTER
        return Knob("crf", coarse=70.0, fine=1.0, step=step, start=38.0, octave=_OCTAVE)

    def streams(self, data: bytes, shape: Shape) -> list[bytes]:
        """The stream of OBUs."""
        return [headers.unpack(data, shape[0], pyav.padded_sides(shape[1:], _LEAST))]

    def _encode(
        self, levels: np.ndarray, quality: float, threads: int, settings: Mapping[str, Any]
    ) -> bytes:
        import av

        os.environ["SVT_LOG"] = "0"  # the encoder prints even errors to stderr, and asks only here
        tools: dict[str, Any] = {"tune": 1, "scm": 0, "keyint": -1, "enable-tf": 0}
        tools |= {**settings, "lp": threads, "crf": quality}
        if self.fine:
            tools["crf"], multiplier = _split(quality)
            tools["lambda-scale-factors"] = ",".join([str(multiplier)] * _LAMBDAS)
        frames = pyav.padded(levels, _LEAST)
        target = io.BytesIO()
        with av.open(target, "w", format="obu") as container:
            stream: Any = container.add_stream("libsvtav1", rate=_RATE)
            stream.height, stream.width = frames.shape[1:]
            stream.pix_fmt = _PIXELS
            stream.options = {
                "preset": str(self.preset),
                "crf": str(max(1, min(63, round(quality)))),  # only to choose CRF at all
                "svtav1-params": ":".join(f"{k}={v}" for k, v in tools.items()),
            }
            for number, frame in enumerate(frames):
                picture = av.VideoFrame(stream.width, stream.height, _PIXELS)
                _fill(picture, frame)
                picture.pts = number
                container.mux(stream.encode(picture))
            container.mux(stream.encode(None))
        data = target.getvalue()
        return headers.pack(data, frames.shape[1:]) if self.packed else data

    def _decode(self, data: bytes, shape: Shape, threads: int) -> np.ndarray:
        full = pyav.padded_sides(shape[1:], _LEAST)
        (stream,) = self.streams(data, shape)
        packets = obu.temporal_units(stream, shape[0], full)
        return pyav.decode("libdav1d", packets, shape, threads, _PIXELS, full)


def _split(quality: float) -> tuple[float, int]:
    """A CRF that the encoder takes, and the multiplier (128: its own) for what is left."""
    above = math.ceil(quality / _QUARTER - 1e-6) * _QUARTER
    steps = (above - quality) / (_QUARTER / _PARTS) * _WIDE.get(above, 1.0)
    return above, 114 - round(steps)


def _fill(picture: Any, luma: np.ndarray) -> None:
    """Write luma, and grey into both chroma planes."""
    for index, plane in enumerate(picture.planes):
        rows = np.full((plane.height, plane.line_size // 2), 512, np.uint16)
        if index == 0:
            rows[:, : luma.shape[1]] = luma
        plane.update(rows.tobytes())
