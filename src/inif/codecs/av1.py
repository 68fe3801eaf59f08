"""AV1 by SVT-AV1: 10 bits, 4:2:0 with constant chroma (the encoder has no monochrome).

Tuned for PSNR, because that is what the field starts from. Decoded by dav1d.
"""

from __future__ import annotations

import io
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from inif.codecs import headers, obu, pyav
from inif.codecs.base import Codec, Shape, Task
from inif.codecs.knob import Knob
from inif.codecs.libraries import missing_av
from inif.codecs.pace import LOAD, Load, Pace

_RATE = Fraction(25, 1)
_LEAST = (64, 64)
_PIXELS = "yuv420p10le"
_MOVIE, _STILL = (0.35, 2.0), (0.6, 2.0)
"""Microseconds of one encode by preset 1, about, on two cores: for each voxel, for each bit."""

_PACE = Pace(
    per_mb=(0.12, 0.2, 0.43, 0.6, 1.0, 2.0, 4.0, 12.0, 30.0),
    floor=(0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0),
    slowness={-1: 16.0, 0: 2.8, 1: 1.0, 2: 0.5, 3: 0.4, 4: 0.22},
    fallback=4,
)
"""Of one encode; slowness by that of preset 1."""

_SLOWDOWN = {-1: 110.0, 0: 25.0, 1: 9.0, 2: 4.5, 3: 2.4, 4: 1.4, 5: 1.0, 6: 0.8, 7: 0.7, 8: 0.6}
_ALIKE, _RAILS = (4,), (1, -1, 2)
_QUICK, _SHORT = 5, 12
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
    filtered
        Whether frames that others refer to are smoothed along time before they are coded.
    rail
        How many quarters of a CRF to add, with a smaller multiplier for each.
    packed
        Whether blocks are packed streams (docs/format.md, "Packed AV1") instead of standard ones.
    """

    preset: int = 4
    fine: bool = False
    filtered: bool = False
    rail: int = 0
    packed: bool = True

    kind = "av1"
    title = "AV1"
    bits = 10
    suffix = ".obu"
    exact = True
    package = "av"
    _microseconds = (0.2, 0.01)

    def missing(self, task: Task = "encode") -> str | None:
        """Why it cannot run here, or None."""
        return missing_av("libsvtav1", "w") if task == "encode" else missing_av("libdav1d", "r")

    def knob(self, frames: int) -> Knob:
        """SVT-AV1 takes quarters of a CRF through its own parameters."""
        step = _QUARTER / _PARTS if self.fine else _QUARTER
        return Knob("crf", coarse=70.0, fine=1.0, step=step, start=38.0)

    @property
    def quick(self) -> Codec:
        """Preset 5, the fastest whose sizes tell those of slow ones (docs/decisions/0012)."""
        return replace(self, preset=_QUICK, fine=False)

    @property
    def slowdown(self) -> float:
        """Measured on stacks and planes, two threads."""
        return _SLOWDOWN.get(self.preset, 1.0)

    def thrift(self, frames: int) -> float:
        """Measured on planes, on stacks and movies, and on those of few or of filtered frames."""
        if self.preset >= _QUICK:
            return 1.0
        if frames == 1:
            return 0.98
        return 0.95 if self.filtered or frames < _SHORT else 1.2

    def for_effort(self, effort: int, load: Load = LOAD) -> Codec:
        """The slowest of presets 4 to -1 that keeps to the time; small images get slower ones."""
        usual = load.seconds(*(_MOVIE if load.frames > 1 else _STILL))
        return replace(self, preset=_PACE.slowest(usual, _PACE.allowed(effort, load)), fine=True)

    def variants(self, frames: int) -> tuple[Codec, ...]:
        """Filtering helps some noisy movies, and costs elsewhere."""
        return (self, replace(self, filtered=True)) if frames > 1 else (self,)

    @property
    def brisk(self) -> Codec:
        """Preset 5: on noise slower ones end on the same line of PSNR against bytes."""
        return replace(self, preset=max(self.preset, _QUICK))

    def alike(self, *, noise: bool) -> tuple[Codec, ...]:
        """Quarters of a CRF that the multiplier makes up for; on noise preset 4 too."""
        presets = [p for p in _ALIKE if noise and p != self.preset]
        rails = _RAILS if self.fine else ()
        return (
            *(replace(self, preset=p) for p in presets),
            *(replace(self, rail=r) for r in rails),
        )

    def within(self, seconds: float, quick_seconds: float) -> Codec:
        """A faster preset where this one takes too long."""
        fits = [p for p, s in _SLOWDOWN.items() if s * quick_seconds <= seconds]
        return replace(self, preset=max(self.preset, min(fits, default=8)))

    def streams(self, data: bytes, shape: Shape) -> list[bytes]:
        """The stream of OBUs."""
        return [headers.unpack(data, shape[0], pyav.padded_sides(shape[1:], _LEAST))]

    def _encode(
        self, levels: np.ndarray, quality: float, threads: int, settings: Mapping[str, Any]
    ) -> bytes:
        import av

        os.environ["SVT_LOG"] = "0"  # the encoder prints even errors to stderr, and asks only here
        tools: dict[str, Any] = {"tune": 1, "scm": 0, "keyint": -1}
        tools |= {"enable-tf": int(self.filtered), **settings, "lp": threads, "crf": quality}
        if self.fine:
            tools["crf"], multiplier = _split(quality, self.rail)
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


def _split(quality: float, rail: int) -> tuple[float, int]:
    """A CRF that the encoder takes, and the multiplier (128: its own) for what is left."""
    above = math.ceil(quality / _QUARTER - 1e-6) * _QUARTER
    steps = (above - quality) / (_QUARTER / _PARTS) * _WIDE.get(above, 1.0)
    return above + rail * _QUARTER, 114 - round(steps) - rail * _PARTS


def _fill(picture: Any, luma: np.ndarray) -> None:
    """Write luma, and grey into both chroma planes."""
    for index, plane in enumerate(picture.planes):
        rows = np.full((plane.height, plane.line_size // 2), 512, np.uint16)
        if index == 0:
            rows[:, : luma.shape[1]] = luma
        plane.update(rows.tobytes())
