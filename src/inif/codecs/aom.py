"""AV1 by libaom: 10 bits, monochrome, tuned for PSNR; run as FFmpeg, in a process of its own.

It makes single pictures smaller than SVT-AV1 does (docs/decisions/0009). libaom takes whole CRFs
only, so for what lies between two of them levels are made a little smaller before they are coded;
the first byte of a block says by how much. Decoded by dav1d.
"""

from __future__ import annotations

import math
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import IO, Any

import numpy as np

from inif.codecs import headers, obu, pyav
from inif.codecs.av1 import Av1
from inif.codecs.base import Codec, Shape, Task
from inif.codecs.knob import Knob
from inif.codecs.libraries import ffmpeg, missing_av, missing_ffmpeg
from inif.codecs.pace import LOAD, Load, Pace

_LEAST = (16, 16)
_PIXELS = "gray10le"
_STEPS = 16
_LAST = 63
_OCTAVES = 0.107
"""Of the quantiser, between two CRFs above the lowest."""

_LOOK = "19"
"""Frames that the encoder looks ahead: with 12 to 16 it makes other, much worse, groups."""

_VOXEL, _BIT = 1.2, 7.0
"""Microseconds of one thread at speed 3, about: for each voxel, and for each bit of the file."""

_PACE = Pace(
    per_mb=(0.12, 0.2, 0.45, 0.8, 1.5, 3.0, 6.0, 15.0, 40.0),
    floor=(0.2, 0.5, 2.0, 6.0, 12.0, 24.0, 48.0, 96.0, 200.0),
    slowness={0: 16.0, 1: 5.0, 2: 2.3, 3: 1.0, 4: 0.7, 5: 0.42},
    fallback=5,
)
"""Of two encodes at once; slowness by that of speed 3."""

_QUICK = 18.0
"""Time of speed 3 over that of the trial's encoder."""

_MOVIE = 1.4
"""Of the time that movies may take: what they gain, they gain at speed 3 (docs/decisions/0009)."""

_TICK = 0.1
"""Seconds between two looks at whether the program is still wanted."""

_STILL = 3
"""The slowest for single pictures, which 2 and 1 make larger."""


@dataclass(frozen=True)
class Aom(Codec):
    """AV1; a byte for the scale of the levels, and one stream of OBUs, per block.

    Attributes
    ----------
    speed
        libaom's ``cpu-used``, 0 (very slow) to 6; chosen are 0 to 5.
    packed
        As `Av1` has it.
    rail
        How many whole CRFs to take off, with smaller levels for each.
    check
        As `stopping` takes it.
    """

    speed: int = 3
    packed: bool = True
    rail: int = 0
    check: Callable[[], None] | None = field(default=None, compare=False, repr=False)

    kind = "aom"
    title = "AV1 (libaom)"
    bits = 10
    suffix = ".obu"
    exact = True
    package = "av"
    apart = True
    _microseconds = (0.8, 0.01)

    def missing(self, task: Task = "encode") -> str | None:
        """Why it cannot run here, or None."""
        reason = missing_av("libdav1d", "r")
        if task == "encode":
            reason = reason or self.quick.missing() or missing_ffmpeg("libaom-av1", _PIXELS)
        return reason

    def knob(self, frames: int) -> Knob:
        """CRF; its fractions scale the levels."""
        return Knob("crf", coarse=_LAST + 2.0, fine=1.0, step=1 / _STEPS, start=42.0)

    @property
    def quick(self) -> Codec:
        """SVT-AV1, which knows the same CRFs and takes a small part of the time."""
        return Av1(packed=self.packed).quick

    @property
    def slowdown(self) -> float:
        """Measured on planes."""
        return _QUICK * _PACE.slowness.get(self.speed, 0.4)

    def thrift(self, frames: int) -> float:
        """Measured on planes."""
        return 0.86

    def for_effort(self, effort: int, load: Load = LOAD) -> Codec:
        """The slowest speed that keeps to the time; for single pictures that is never below 3."""
        still = load.frames == 1
        allowed = _PACE.allowed(effort, load) * (1.0 if still else _MOVIE)
        speed = _PACE.slowest(load.seconds(_VOXEL, _BIT), allowed)
        return replace(self, speed=max(speed, _STILL) if still else speed)

    def alike(self, *, noise: bool) -> tuple[Codec, ...]:
        """A CRF less, that smaller levels make up for: other sizes, nearly as good."""
        return (replace(self, rail=1),)

    def within(self, seconds: float, quick_seconds: float) -> Codec:
        """A faster one where this takes too long."""
        return replace(self, speed=max(self.speed, _PACE.slowest(_QUICK * quick_seconds, seconds)))

    def stopping(self, check: Callable[[], None]) -> Codec:
        """The program is ended where `check` raises."""
        return replace(self, check=check)

    def streams(self, data: bytes, shape: Shape) -> list[bytes]:
        """The stream of OBUs."""
        return [headers.unpack(data[1:], shape[0], pyav.padded_sides(shape[1:], _LEAST))]

    def _encode(
        self, levels: np.ndarray, quality: float, threads: int, settings: Mapping[str, Any]
    ) -> bytes:
        crf, less = _split(quality, self.rail)
        peak = self.peak - less
        scaled = (2 * levels.astype(np.uint32) * peak + self.peak) // (2 * self.peak)
        frames = pyav.padded(scaled, _LEAST)
        tools = {"deltaq-mode": 0, "tune-content": "screen" if sparse(scaled) else "default"}
        tools |= settings
        y, x = frames.shape[1:]
        command = [
            *(ffmpeg(), "-nostdin", "-hide_banner", "-loglevel", "error"),
            *("-f", "rawvideo", "-pixel_format", _PIXELS, "-video_size", f"{x}x{y}"),
            *("-framerate", "25", "-i", "pipe:0", "-c:v", "libaom-av1", "-tune", "psnr"),
            *("-cpu-used", str(self.speed), "-crf", str(crf), "-b:v", "0"),
            *("-g", "9999", "-lag-in-frames", _LOOK, "-threads", str(threads), "-row-mt", "1"),
            *("-still-picture", str(int(len(frames) == 1))),
            *("-aom-params", ":".join(f"{k}={v}" for k, v in tools.items())),
            *("-f", "obu", "pipe:1"),
        ]
        raw = frames.astype("<u2").tobytes()
        stream = _run(command, raw, self.check)
        return bytes([less]) + (headers.pack(stream, (y, x)) if self.packed else stream)

    def _decode(self, data: bytes, shape: Shape, threads: int) -> np.ndarray:
        full = pyav.padded_sides(shape[1:], _LEAST)
        (stream,) = self.streams(data, shape)
        packets = obu.temporal_units(stream, shape[0], full)
        coded = pyav.decode("libdav1d", packets, shape, threads, _PIXELS, full)
        peak = self.peak - data[0]
        levels = (2 * coded.astype(np.uint32) * self.peak + peak) // (2 * peak)
        return np.minimum(levels, self.peak, out=levels).astype(np.uint16)


def _run(command: list[str], data: bytes, check: Callable[[], None] | None) -> bytes:
    """What a program makes of its input; it is ended where `check` raises."""
    with (
        tempfile.TemporaryFile() as given,  # a pipe that is not emptied in time would be forgotten
        _started(command, given, data) as child,
    ):
        while True:
            try:
                out, said = child.communicate(timeout=_TICK)
                break
            except subprocess.TimeoutExpired:
                pass
            try:
                if check:
                    check()
            except BaseException:
                child.kill()
                raise
    if child.returncode or not out:
        raise RuntimeError(said.decode(errors="replace").strip()[:300])
    return out


def _started(command: list[str], given: IO[bytes], data: bytes) -> subprocess.Popen[bytes]:
    """A program that reads data from a file."""
    given.write(data)
    given.seek(0)
    return subprocess.Popen(command, stdin=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def sparse(levels: np.ndarray) -> bool:
    """Whether most levels (unsigned, any shape) are one: ion counts, masked background."""
    return bool(np.bincount(levels.ravel()).max() > levels.size / 2)


def _split(quality: float, rail: int = 0) -> tuple[int, int]:
    """A CRF that the encoder takes, and by how much the largest level is lowered for the rest."""
    whole = min(math.floor(quality + 0.5 / _STEPS), _LAST)
    octaves = max(quality - whole, 0.0) * _octaves(whole)
    crf = max(whole - rail, 1)
    octaves += sum(_octaves(c) for c in range(crf, whole))
    return crf, min(round(((1 << Aom.bits) - 1) * (1 - 2**-octaves)), 255)


def _octaves(crf: int) -> float:
    """Of the quantiser, from a CRF to the next; the lowest are 18 apart."""
    return max(_OCTAVES, math.log2((6 * crf + 1) / (6 * crf - 5)))
