"""Streams of a codec for all bricks of an image: encoded, searched, judged.

Every encode is kept, so that trial, search and sharing out never encode the same thing twice.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from inif.bricks import BrickGrid
from inif.codecs.base import Codec
from inif.codecs.pace import Load
from inif.coding import leb128
from inif.coding.check import SIZE
from inif.config import ProgressEvent
from inif.decode.check import crc_of
from inif.decode.codec import MAX_BRICK, CodecSpec
from inif.decode.hybrid import HybridBrick
from inif.encode import mix
from inif.encode.job import Job
from inif.encode.search import MOST, TOLERANCE, Found, Probe, Search
from inif.encode.tally import Tally
from inif.encode.trial import CLIFF, Judged, Trial, along
from inif.frames import Geometry, orders, restored, sizes_of

_BRICK_SIDE = 4096
_BRICK_SAMPLES = 1 << 25
_NEAR_TRIAL = 0.06
"""How near, in the logarithm of the size, a trial comes to its room."""

_FULL = 0.035
"""How much of the room may be left empty before settings are tried that are alike."""

_FAIR = 0.1
_CLEAR = 0.01
"""In dB, by which a variant must be ahead."""

_ALIKE_MOST = (6, 2)
"""Encodes for each setting that is as good as the one of the effort; pairs of them."""

_WIDE = 0.3
"""How far from the room a trial looks, at least, in the logarithm of the size."""

_JUDGED, _ROUGH, _NEAR = 8, 0.05, 0.5
"""Most encodes by which a setting is judged, how far from the room one of them is enough (of the
logarithm of the size), and how far all may be (in octaves)."""

_LOSSLESS = 200.0
_WORTH = 0.9
"""How much of the room streams must fill to be kept when Ctrl-C ends the work."""

_GRACE = 0.5
"""Seconds for encoders that can be stopped to stop."""


def hybrid_grid(axes: str, shape: tuple[int, ...]) -> BrickGrid:
    """Bricks that a codec decodes in a moment; all channels together, so that they can help."""
    brick = list(shape)
    for i, a in enumerate(axes):
        if a in "YX":
            brick[i] = math.ceil(shape[i] / math.ceil(shape[i] / _BRICK_SIDE))
    c = axes.find("C")
    rows = [i for i, a in enumerate(axes) if a in "TZ"]
    while math.prod(n for i, n in enumerate(brick) if i != c) > _BRICK_SAMPLES and rows:
        longest = max(rows, key=lambda i: brick[i])
        if brick[longest] < 2:
            break
        brick[longest] = math.ceil(brick[longest] / 2)
    if c >= 0:
        most = max(1, MAX_BRICK // math.prod(n for i, n in enumerate(brick) if i != c))
        brick[c] = math.ceil(shape[c] / math.ceil(shape[c] / most))
    return BrickGrid(shape, tuple(brick))


def load_of(job: Job, budget: int) -> Load:
    """What a codec has to do for an image."""
    image = job.image
    _, t, z, _, _ = sizes_of(image.axes, image.data.shape)
    return Load(image.data.size, image.raw_bytes, budget, t * z)


@dataclass
class Streams:
    """One image's blocks, and what encoding them gave so far."""

    job: Job
    grid: BrickGrid
    begun: float = field(default_factory=time.monotonic)
    _made: dict[tuple[Any, ...], dict[int, bytes]] = field(default_factory=dict)
    _levels: dict[tuple[str, int], list[np.ndarray]] = field(default_factory=dict)

    @property
    def fixed_bytes(self) -> int:
        """Bytes of the bricks' sections besides streams: checks and lengths."""
        lengths = len(leb128.write(1 << 20)) * (self.channels + 1)
        return len(self.grid) * (SIZE + lengths)

    @property
    def channels(self) -> int:
        """Streams of a brick, at most."""
        c = self.job.image.channel_axis
        return 1 if c is None else self.grid.brick[c]

    @property
    def frames(self) -> int:
        """Frames of a stream, at most."""
        _, t, z, _, _ = sizes_of(self.job.image.axes, self.grid.brick)
        return t * z

    def geometry(self, brick: int, order: str) -> Geometry:
        """A brick as the codec takes it."""
        image, c = self.job.image, self.job.image.channel_axis
        channels = self.grid.channels(brick, c)
        ranges = self.job.intensities.ranges[channels.start : channels.stop]
        pairs = tuple((float(low), float(high)) for low, high in ranges)
        return Geometry(image.axes, self.grid.extent(brick), image.data.dtype.name, pairs, order)

    def levels(self, order: str, bits: int) -> list[np.ndarray]:
        """What a codec is given, (N, Y, X) per stream; kept for what was asked for last."""
        if (order, bits) not in self._levels:
            self._levels.clear()
            out = []
            for b in range(len(self.grid)):
                geometry = self.geometry(b, order)
                stacks = geometry.stacks(self.job.image.data[self.grid.slices(b)])
                out += [geometry.levels(stack, c, bits) for c, stack in enumerate(stacks)]
            self._levels[order, bits] = out
        return self._levels[order, bits]

    def targets(self, brick: int) -> list[np.ndarray]:
        """The original of each channel of a brick, (T, Z, Y, X) float32 from 0 to 1."""
        geometry = self.geometry(brick, "TZ")
        _, t, z, _, _ = geometry.sizes
        stacks = geometry.stacks(self.job.image.data[self.grid.slices(brick)])
        return [restored(geometry.scaled(s, c), t, z, "TZ") for c, s in enumerate(stacks)]

    @cached_property
    def places(self) -> list[tuple[int, int]]:
        """Brick and channel of the image of each stream, in order."""
        c = self.job.image.channel_axis
        return [(b, i) for b in range(len(self.grid)) for i in self.grid.channels(b, c)]

    def encode(self, codec: Codec, order: str, knob: float, stage: str = "encode") -> list[bytes]:
        """All streams at one knob value, brick by brick, channel by channel."""
        return self.make(codec, order, [(i, knob) for i in range(len(self.places))], stage)

    def prepare(
        self, codec: Codec, order: str, knobs: Sequence[float], stage: str = "encode"
    ) -> None:
        """Make all streams at some knob values, at once where the codec gains by it."""
        wanted = [(i, k) for k in dict.fromkeys(knobs) for i in range(len(self.places))]
        self.make(codec, order, wanted, stage)

    def make(
        self, codec: Codec, order: str, wanted: Sequence[tuple[int, float]], stage: str = "encode"
    ) -> list[bytes]:
        """Some streams, by their numbers, each at a knob value of its own."""
        todo = [(i, k) for i, k in wanted if i not in self._made.get((codec, order, k), ())]
        if todo:
            self._encode(codec, order, todo, stage)
        return [self._made[codec, order, k][i] for i, k in wanted]

    def _encode(
        self, codec: Codec, order: str, todo: Sequence[tuple[int, float]], stage: str
    ) -> None:
        blocks = self.levels(order, codec.bits)
        jobs = [(blocks[i], k) for i, k in todo]
        most = os.cpu_count() or 1
        together = codec.apart and len(jobs) > 1
        threads = 1 if together else most
        interrupt = self.job.interrupt
        stoppable = codec.stopping(interrupt.check)

        def encoded(job: tuple[np.ndarray, float]) -> bytes:
            interrupt.check()
            return stoppable.encode(job[0], job[1], threads)

        pool = ThreadPoolExecutor(most if together else 1)  # whose threads may be left alone
        made = [pool.submit(encoded, job) for job in jobs]
        out = []
        try:
            for number, future in enumerate(made):
                self.report(stage, number, len(jobs))
                out.append(interrupt.wait(future))
        except KeyboardInterrupt:
            interrupt.ask()
            pool.shutdown(wait=False, cancel_futures=True)
            wait(made, _GRACE)
            raise
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
        for (i, k), data in zip(todo, out, strict=True):
            self._made.setdefault((codec, order, k), {})[i] = data

    def trial(self, codec: Codec, room: int) -> Trial:
        """The best order of frames by the codec's fast setting, each at about `room` bytes."""
        first, *others = orders(self.job.image.axes, self.job.image.data.shape)
        trials = [self.tried(codec, first, room, self.job.hints.begin)]
        trials += [self.compared(codec, order, room, trials[0]) for order in others]
        return max(trials, key=lambda trial: trial.score)

    def tried(
        self, codec: Codec, order: str, room: int, start: float | None = None, most: int = 8
    ) -> Trial:
        """One order, by the codec's fast setting."""
        quick = codec.quick
        search = self._searcher(quick, order, "trial")
        search.run(room, start, most, near=_NEAR_TRIAL)
        near = search.nearest(room)
        search.widen(near, _WIDE)
        others = [p for p in search.probes.values() if abs(_octaves(p, near)) > _FAIR]
        probes = [near]
        probes += sorted((p for p in others if _octaves(p, near) < 0), key=_size)[-1:]
        probes += sorted((p for p in others if _octaves(p, near) > 0), key=_size)[:1]
        points = tuple((math.log2(_size(p)), self._psnr(quick, order, p.value)) for p in probes)
        score, octave = along(points, math.log2(room))
        self.report("trial", 1, 1, score)
        slope = search.measured_slope(room)
        noisy = self.job.hints.noisy or max(search.steepest(), slope or 0.0) > CLIFF
        return Trial(order, near, score, slope, octave, points, noisy)

    def compared(self, codec: Codec, order: str, room: int, first: Trial) -> Trial:
        """Another order or variant, by one encode at the knob value of the first."""
        quick, value = codec.quick, first.near.value
        begin = time.perf_counter()
        data = b"".join(self.encode(quick, order, value, "trial"))
        near = Probe(value, data, time.perf_counter() - begin)
        ahead = self._psnr(quick, order, value) - along(first.points, math.log2(len(data)))[0]
        score = along(first.points, math.log2(room))[0] + ahead
        self.report("trial", 1, 1, score)
        return replace(first, order=order, near=near, score=score)

    def variant(self, codec: Codec, trial: Trial, room: int) -> Codec:
        """The variant of a codec that does best, by one encode of each at its fast setting."""
        best, most = codec, trial.score + _CLEAR
        for one in codec.variants(self.frames)[1:]:
            score = self.compared(one, trial.order, room, trial).score
            if score > most:
                best, most = one, score
        return best

    def search(self, codec: Codec, trial: Trial, room: int, few: int = MOST) -> Found:
        """The knob value at which a slower setting fills `room` bytes."""
        search = self._slow_searcher(codec, trial, "encode", mix.apart(trial.octave))
        return search.run(room, self.start(codec, trial, room), MOST, few)

    def fuller(self, codec: Codec, trial: Trial, room: int, found: Found) -> tuple[Codec, Found]:
        """Where sizes jump, as those of noise do: the fullest of what settings alike find."""
        best, enough = (codec, found), 1 - (TOLERANCE if trial.noisy else _FULL)
        for other in codec.alike(noise=trial.noisy):
            filled = sum(map(len, self.mixed(best[0], trial, room)))
            if filled >= enough * room:
                break
            search = self._slow_searcher(other, trial, "encode", mix.apart(trial.octave))
            one = search.run(room, found.probe.value, _ALIKE_MOST[bool(search.ahead)], few=1)
            if one.fits and sum(map(len, self.mixed(other, trial, room))) > filled:
                best = (other, one)
        return best

    def start(self, codec: Codec, trial: Trial, room: int) -> float:
        """The knob value at which a slower setting should fill `room` bytes."""
        value, move = trial.near.value, self.job.hints.offset
        if trial.slope is None:
            return value
        per_unit = trial.slope / self._stretch(codec)
        if move is None:
            move = -math.log(codec.thrift(self.frames)) / per_unit
        move += math.log(room / len(trial.near.data)) / per_unit
        knob = codec.knob(self.frames)
        return knob.from_unit(knob.to_unit(value) + move)

    def _stretch(self, codec: Codec) -> float:
        """Length of the knob of a codec's fast setting over that of its own, in the same values."""
        knob, quick = codec.knob(self.frames), codec.quick.knob(self.frames)
        return (knob.unit_step / knob.step) / (quick.unit_step / quick.step)

    def judged(self, codec: Codec, trial: Trial, room: int) -> Judged | None:
        """A setting at about `room` bytes, by few encodes; None if they are far off."""
        search = self._slow_searcher(codec, trial, "trial")
        search.run(room, self.start(codec, trial, room), _JUDGED, near=_ROUGH)
        near = search.nearest(room)
        octaves = math.log2(room / len(near.data))
        if abs(octaves) > _NEAR:
            return None
        score = self._psnr(codec, trial.order, near.value) + trial.octave * octaves
        if not search.slope:
            return Judged(score, None)
        knob, quick = codec.knob(self.frames), trial.near
        apart = knob.to_unit(near.value) - knob.to_unit(quick.value)
        return Judged(score, apart + math.log(len(quick.data) / len(near.data)) / search.slope)

    def mixed(self, codec: Codec, trial: Trial, room: int) -> list[bytes]:
        """The fullest set of streams of at most `room` bytes, from all encodes of a setting."""
        return mix.mixed(self._encodes(codec, trial.order), room, mix.apart(trial.octave))

    def worth_keeping(self, room: int) -> tuple[Codec, str, list[bytes]] | None:
        """The last setting that has filled most of the room, its order and its streams."""
        for codec, order in reversed(list(dict.fromkeys((p, o) for p, o, _ in self._made))):
            streams = mix.mixed(self._encodes(codec, order), room)
            if sum(map(len, streams)) >= _WORTH * room:
                return codec, order, streams
        return None

    def _encodes(self, codec: Codec, order: str) -> list[list[bytes]]:
        """All that was made by a setting, as far as it is whole."""
        count = len(self.places)
        return [
            [made[i] for i in range(count)]
            for (p, o, _), made in self._made.items()
            if (p, o) == (codec, order) and len(made) == count
        ]

    def _psnr(self, codec: Codec, order: str, knob: float) -> float:
        streams = self.encode(codec, order, knob, "trial")
        return min(self.quality(codec.kind, order, streams), _LOSSLESS)

    def quality(self, kind: str, order: str, streams: list[bytes]) -> float:
        """Pooled PSNR of the decoded streams in dB."""
        return self.tally(self.bricks(CodecSpec(kind, order), streams))[0].psnr or math.inf

    def tally(self, bricks: list[HybridBrick]) -> tuple[Tally, list[int]]:
        """The errors of the decoded bricks, and the CRC-32C of each one's samples."""
        tally = Tally(self.job.image, self.job.intensities)
        digests = []
        for b, brick in enumerate(bricks):
            samples = brick.grid([np.arange(n) for n in brick.extent])
            tally.add(samples, self.grid, b)
            digests.append(crc_of(samples))
        return tally, digests

    def bricks(self, spec: CodecSpec, streams: list[bytes]) -> list[HybridBrick]:
        """The bricks as a reader will have them, not repaired."""
        out, at = [], 0
        for b in range(len(self.grid)):
            channels = self.grid.channels(b, self.job.image.channel_axis)
            out.append(
                HybridBrick(
                    spec,
                    tuple(streams[at : at + len(channels)]),
                    self.job.image.axes,
                    self.grid.extent(b),
                    channels.start,
                    self.job.intensities,
                    os.cpu_count() or 1,
                )
            )
            at += len(channels)
        return out

    def report(self, stage: str, step: int, steps: int, psnr: float | None = None) -> None:
        """Tell the caller how far it is."""
        seconds = time.monotonic() - self.begun
        self.job.report(ProgressEvent(stage, step, steps, psnr, seconds, None))

    def _searcher(self, codec: Codec, order: str, stage: str, apart: float = mix.APART) -> Search:
        def encode(value: float) -> bytes:
            return b"".join(self.encode(codec, order, value, stage))

        def ahead(values: Sequence[float]) -> None:
            self.prepare(codec, order, values, stage)

        def filled(room: int) -> int:
            return sum(map(len, mix.mixed(self._encodes(codec, order), room, apart)))

        single = len(self.grid) * self.channels == 1
        return Search(
            encode,
            codec.knob(self.frames),
            ahead=ahead if codec.apart and single else None,
            filled=None if single else filled,
        )

    def _slow_searcher(
        self, codec: Codec, trial: Trial, stage: str, apart: float = mix.APART
    ) -> Search:
        """A search by a slower setting, with the slope that the trial measured."""
        search = self._searcher(codec, trial.order, stage, apart)
        if trial.slope is not None:
            search.slope = trial.slope / self._stretch(codec)
        return search


def _size(probe: Probe) -> int:
    return len(probe.data)


def _octaves(probe: Probe, other: Probe) -> float:
    """By how much one is larger than the other."""
    return math.log2(_size(probe) / _size(other))
