"""Streams of a prior for all bricks of an image: encoded, searched, judged.

Every encode is kept, so that trial, search and sharing out never encode the same thing twice.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from inif.bricks import BrickGrid
from inif.coding import leb128
from inif.coding.qweights import Check
from inif.config import ProgressEvent
from inif.container.spec import ENTRY_SIZE
from inif.decode.hybrid import HybridBrick
from inif.decode.prior import HEAD, MAX_BRICK, PriorSpec
from inif.encode.job import Job
from inif.encode.search import LOOSE, MOST, TOLERANCE, Found, Probe, Search
from inif.encode.tally import Tally
from inif.encode.trial import Judged, Trial
from inif.frames import Geometry, orders, restored, sizes_of
from inif.priors.base import Prior
from inif.priors.pace import Load

_BRICK_SIDE = 4096
_BRICK_SAMPLES = 1 << 25
_ENOUGH = 0.005
_FAIR = 0.1
_FRAMES, _STREAMS, _FAR, _CLEAR = 32, 3, 80, 0.003
_STEEP = 6.0
_ALIKE_MOST = 6
"""Encodes for each setting that is as good as the one of the effort."""

_JUDGED, _ROUGH, _NEAR = 8, 0.1, 0.5
"""Encodes by which a setting is judged, how much they may leave empty, and the most in octaves."""

_LOSSLESS = 200.0


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
    """One image's blocks, and what encoding them gave so far.

    `interrupted` says that Ctrl-C ended the work early, and that the best so far is to be kept.
    """

    job: Job
    grid: BrickGrid
    begun: float = field(default_factory=time.monotonic)
    interrupted: bool = False
    _made: dict[tuple[Any, ...], list[bytes]] = field(default_factory=dict)
    _levels: dict[tuple[str, int], list[np.ndarray]] = field(default_factory=dict)

    @property
    def fixed_bytes(self) -> int:
        """Bytes besides header and streams: table, checks, lengths."""
        lengths = len(leb128.write(1 << 20)) * (self.channels + 1)
        return len(self.grid) * (ENTRY_SIZE + HEAD.size + lengths)

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

    def encode(self, prior: Prior, order: str, knob: float, stage: str = "encode") -> list[bytes]:
        """All streams at one knob value, brick by brick, channel by channel."""
        self.prepare(prior, order, [knob], stage)
        return self._made[prior, order, knob]

    def prepare(
        self, prior: Prior, order: str, knobs: Sequence[float], stage: str = "encode"
    ) -> None:
        """Make all streams at some knob values, at once where the codec gains by it."""
        values = [k for k in dict.fromkeys(knobs) if (prior, order, k) not in self._made]
        if not values:
            return
        blocks = self.levels(order, prior.bits)
        jobs = [(block, k) for k in values for block in blocks]
        most = os.cpu_count() or 1
        together = prior.apart and len(jobs) > 1
        threads = 1 if together else most

        def encoded(job: tuple[np.ndarray, float]) -> bytes:
            return prior.encode(job[0], job[1], threads)

        out = []
        with ThreadPoolExecutor(most) if together else nullcontext() as pool:
            made = iter(pool.map(encoded, jobs) if pool else map(encoded, jobs))
            for number in range(len(jobs)):
                self.report(stage, number, len(jobs))
                out.append(next(made))
        for at, k in enumerate(values):
            self._made[prior, order, k] = out[at * len(blocks) : (at + 1) * len(blocks)]

    def trial(self, prior: Prior, room: int) -> Trial:
        """The best order of frames by the codec's fast setting, each at about `room` bytes."""
        first, *others = orders(self.job.image.axes, self.job.image.data.shape)
        trials = [self.tried(prior, first, room)]
        trials += [self.compared(prior, order, room, trials[0]) for order in others]
        return max(trials, key=lambda trial: trial.score)

    def tried(self, prior: Prior, order: str, room: int, most: int = 8) -> Trial:
        """One order, by the codec's fast setting."""
        quick = prior.quick
        search = self._searcher(quick, order, "trial")
        found = self._run(search, room, None, most)
        size, score = len(found.probe.data), self._psnr(quick, order, found.probe.value)
        others = [p for p in search.probes.values() if abs(math.log2(len(p.data) / size)) > _FAIR]
        octave = 1.0
        if others and not self.interrupted:
            other = min(others, key=lambda p: abs(len(p.data) - size))
            rise = score - self._psnr(quick, order, other.value)
            octave = min(max(rise / math.log2(size / len(other.data)), 0.0), _STEEP)
        score += octave * math.log2(room / size)
        self.report("trial", 1, 1, score)
        slope = search.measured_slope(room)
        return Trial(order, found, score, slope, octave, found.probe.seconds)

    def compared(self, prior: Prior, order: str, room: int, first: Trial) -> Trial:
        """Another order, by one encode at the knob value of the first."""
        if self.interrupted:
            return first
        quick, value = prior.quick, first.found.probe.value
        begin = time.perf_counter()
        data = b"".join(self.encode(quick, order, value, "trial"))
        seconds = time.perf_counter() - begin
        score = self._psnr(quick, order, value)
        score += first.octave * math.log2(room / len(data))
        self.report("trial", 1, 1, score)
        found = Found(Probe(value, data, seconds), len(data) <= room)
        return Trial(order, found, score, first.slope, first.octave, seconds)

    def variant(self, prior: Prior, trial: Trial) -> Prior:
        """The variant of a codec that does best on frames in the middle of some streams."""
        variants = prior.variants(self.frames)
        if len(variants) < 2 or self.interrupted:
            return prior
        every = self.levels(trial.order, prior.bits)
        some = np.unique(np.linspace(0, len(every) - 1, _STREAMS).astype(int))
        blocks = [_middle(every[i]) for i in some]
        threads = os.cpu_count() or 1

        def measured(one: Prior, knob: float) -> tuple[float, float]:
            """(log2 of the bytes, PSNR in dB but for a constant)."""
            size, squares = 0, 0.0
            for block in blocks:
                data = one.encode(block, knob, threads)
                error = one.decode(data, block.shape, threads).astype(np.float64) - block
                size, squares = size + len(data), squares + float(np.mean(error**2))
            return math.log2(size), -10 * math.log10(max(squares, 1e-9))

        knob, value = prior.knob(self.frames), trial.found.probe.value
        coarser = knob.from_unit(knob.to_unit(value) - _FAR * knob.unit_step)
        self.report("trial", 0, 1)
        points = [measured(one.brisk, value) for one in variants]
        size, psnr = measured(variants[0].brisk, coarser)
        octave = (points[0][1] - psnr) / max(points[0][0] - size, 1e-3)
        gains = [p - points[0][1] + octave * (points[0][0] - s) for s, p in points]
        best = int(np.argmax(gains))
        return variants[best] if gains[best] > _CLEAR else prior

    def search(self, prior: Prior, trial: Trial, room: int, few: int = MOST) -> Found:
        """The knob value at which a slower setting fills `room` bytes."""
        search = self._slow_searcher(prior, trial, "encode")
        return self._run(search, room, self.start(prior, trial), MOST, few)

    def fuller(self, prior: Prior, trial: Trial, room: int, found: Found) -> tuple[Prior, Found]:
        """Where sizes jump, as those of noise do: the fullest of what settings alike find."""
        best, enough = (prior, found), 1 - (TOLERANCE if trial.noisy else LOOSE)
        for other in prior.alike(noise=trial.noisy):
            if len(best[1].probe.data) >= enough * room or self.interrupted:
                break
            search = self._slow_searcher(other, trial, "encode")
            one = self._run(search, room, found.probe.value, _ALIKE_MOST)
            if one.fits and len(one.probe.data) > len(best[1].probe.data):
                best = (other, one)
        return best

    def start(self, prior: Prior, trial: Trial) -> float:
        """The knob value at which a slower setting should make what the fast one did."""
        value, move = trial.found.probe.value, self.job.offset
        if move is None:
            if trial.slope is None:
                return value
            move = -math.log(prior.thrift) / trial.slope * self._stretch(prior)
        knob = prior.knob(self.frames)
        return knob.from_unit(knob.to_unit(value) + move)

    def _stretch(self, prior: Prior) -> float:
        """Length of the knob of a codec's fast setting over that of its own, in the same values."""
        knob, quick = prior.knob(self.frames), prior.quick.knob(self.frames)
        return (knob.unit_step / knob.step) / (quick.unit_step / quick.step)

    def judged(self, prior: Prior, trial: Trial, room: int) -> Judged | None:
        """A setting at about `room` bytes, by few encodes; None if they are far off."""
        search = self._slow_searcher(prior, trial, "trial")
        self._run(search, room, self.start(prior, trial), _JUDGED, 2, _ROUGH)
        near = min(search.probes.values(), key=lambda p: abs(math.log2(len(p.data) / room)))
        octaves = math.log2(room / len(near.data))
        if abs(octaves) > _NEAR:
            return None
        score = self._psnr(prior, trial.order, near.value) + trial.octave * octaves
        if not search.slope:
            return Judged(score, None)
        knob, quick = prior.knob(self.frames), trial.found.probe
        apart = knob.to_unit(near.value) - knob.to_unit(quick.value)
        return Judged(score, apart + math.log(len(quick.data) / len(near.data)) / search.slope)

    def shared_out(self, prior: Prior, trial: Trial, found: Found, room: int) -> list[bytes]:
        """The found streams, some of them at the next finer knob value while they fit."""
        streams = list(self.encode(prior, trial.order, found.probe.value))
        left = room - sum(map(len, streams))
        if len(streams) == 1 or left < _ENOUGH * room:
            return streams
        knob = prior.knob(self.frames)
        unit = knob.to_unit(found.probe.value) + 1.01 * knob.unit_step
        if unit > 1 or self.interrupted:
            return streams
        finer = self.encode(prior, trial.order, knob.from_unit(unit))
        for i in sorted(range(len(streams)), key=lambda i: len(streams[i]) - len(finer[i])):
            more = len(finer[i]) - len(streams[i])
            if 0 < more <= left:
                streams[i], left = finer[i], left - more
        return streams

    def _psnr(self, prior: Prior, order: str, knob: float) -> float:
        streams = self.encode(prior, order, knob, "trial")
        return min(self.quality(prior.kind, order, streams), _LOSSLESS)

    def quality(self, kind: str, order: str, streams: list[bytes]) -> float:
        """Pooled PSNR of the decoded streams in dB."""
        tally, _ = self.tally(self.bricks(PriorSpec(kind, order), streams))
        return tally.psnr or math.inf

    def tally(self, bricks: list[HybridBrick]) -> tuple[Tally, list[Check]]:
        """The errors of the decoded bricks, and the fingerprint of each."""
        tally = Tally(self.job.image, self.job.intensities)
        checks = []
        for b, brick in enumerate(bricks):
            checks.append(tally.add(brick.grid([np.arange(n) for n in brick.extent]), self.grid, b))
        return tally, checks

    def bricks(self, spec: PriorSpec, streams: list[bytes]) -> list[HybridBrick]:
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
        if self.job.progress:
            seconds = time.monotonic() - self.begun
            self.job.progress(ProgressEvent(stage, step, steps, psnr, seconds, None))

    def _searcher(self, prior: Prior, order: str, stage: str) -> Search:
        def encode(value: float) -> bytes:
            return b"".join(self.encode(prior, order, value, stage))

        def ahead(values: Sequence[float]) -> None:
            self.prepare(prior, order, values, stage)

        return Search(encode, prior.knob(self.frames), ahead=ahead if prior.apart else None)

    def _slow_searcher(self, prior: Prior, trial: Trial, stage: str) -> Search:
        """A search by a slower setting, with the slope that the trial measured."""
        search = self._searcher(prior, trial.order, stage)
        if trial.slope is not None:
            search.slope = trial.slope / self._stretch(prior)
        return search

    def _run(
        self,
        search: Search,
        room: int,
        start: float | None,
        most: int,
        few: int = MOST,
        loose: float = LOOSE,
    ) -> Found:
        try:
            return search.run(room, start, most, few, loose)
        except KeyboardInterrupt:
            fitting = [p for p in search.probes.values() if len(p.data) <= room]
            if not (self.job.settings.keep_partial and fitting):
                raise
            self.interrupted = True
            return Found(max(fitting, key=lambda p: len(p.data)), True)


def _middle(block: np.ndarray) -> np.ndarray:
    """Some frames in the middle of a stream."""
    start = max(0, (len(block) - _FRAMES) // 2)
    return np.ascontiguousarray(block[start : start + _FRAMES])
