"""The hybrid job: an image and a budget in, a file of standard streams (and their repair) out.

trial of frame orders and encoder settings with a fast preset → search of the quality knob with the
slow one → streams shared out between two neighbouring knob values → check → file.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from inif.bricks import BrickGrid
from inif.coding import leb128
from inif.coding.qweights import Check
from inif.config import ProgressEvent
from inif.container.spec import ENTRY_SIZE
from inif.container.writer import Section
from inif.decode.hybrid import FEATURE, HEAD, KIND, BrickData, HybridBrick, PriorSpec
from inif.encode.budget import WINDOW
from inif.encode.finish import inexact, with_record
from inif.encode.job import Job, draft_header, ome_section
from inif.encode.plan import SLACK, header_bytes
from inif.encode.search import Found, Search
from inif.encode.tally import Tally
from inif.errors import BudgetError
from inif.frames import Geometry, check_planes, orders, sizes_of
from inif.priors import load_prior
from inif.priors.base import Prior

_PRESETS = (4, 3, 2, 2, 1, 1, 0, 0, 0)
_TRIAL_PRESET = 8
_BRICK_SIDE = 4096
_BRICK_SAMPLES = 1 << 25
_CHANNEL_SHARE = 0.002

Settings = dict[str, Any]


def encode_hybrid(job: Job, budget: int) -> bytes:
    """The file's bytes, at most `budget` of them and at least 99 % of that.

    Raises
    ------
    BudgetError
        The codec's smallest streams do not fit.
    InputError
        The image has no planes.
    KeyboardInterrupt
        Ctrl-C, unless the settings keep partial results and there is one.
    """
    image, kind = job.image, job.prior
    check_planes(image.axes, file=image.source, fix="use --method siren")
    header = draft_header(job) | {
        "field": {"kind": "none"},
        "prior": PriorSpec(kind, "TZ~").to_json(),
        "requires": [FEATURE, load_prior(kind).feature],
    }
    grid = hybrid_grid(image.axes, image.data.shape, budget)
    if len(grid) > 1:
        header |= {"brick": list(grid.brick)}
    extra = ome_section(image, budget)
    work = _Work(job, grid)

    def room_left() -> int:
        overhead = header_bytes(header, [len(s.data) for s in extra]) + SLACK + work.fixed_bytes
        if overhead >= budget:
            raise _too_small(job, budget, overhead)
        return budget - overhead

    header["lossy"] |= {"knob": load_prior(kind).knob(work.frames).start}
    trial = work.trial(room_left())
    header["prior"] = PriorSpec(kind, trial.order).to_json()
    header["lossy"] |= trial.record
    room = room_left()
    found = work.search(trial, room)
    if not found.fits:
        raise _too_small(job, budget, budget - room + len(found.probe.data))
    streams = work.shared_out(trial, found, room)
    header["lossy"] |= {"knob": found.probe.value}
    return _finish(work, trial.order, streams, header, extra, budget)


def hybrid_grid(axes: str, shape: tuple[int, ...], budget: int) -> BrickGrid:
    """Bricks that a codec decodes in a moment; channels apart where the budget hardly notices."""
    brick = list(shape)
    for i, a in enumerate(axes):
        if a in "YX":
            brick[i] = math.ceil(shape[i] / math.ceil(shape[i] / _BRICK_SIDE))
    c = axes.find("C")
    if c >= 0 and shape[c] * (ENTRY_SIZE + HEAD.size) <= _CHANNEL_SHARE * budget:
        brick[c] = 1
    rows = [i for i, a in enumerate(axes) if a in "TZ"]
    while math.prod(n for i, n in enumerate(brick) if i != c) > _BRICK_SAMPLES and rows:
        longest = max(rows, key=lambda i: brick[i])
        if brick[longest] < 2:
            break
        brick[longest] = math.ceil(brick[longest] / 2)
    return BrickGrid(shape, tuple(brick))


@dataclass(frozen=True)
class Trial:
    """What the fast preset found: the order of frames, the encoder's settings, where to begin."""

    order: str
    settings: Settings
    start: float

    @property
    def record(self) -> Settings:
        """For the header."""
        return {"settings": self.settings} if self.settings else {}


@dataclass
class _Work:
    """One image's blocks, and what encoding them gave so far."""

    job: Job
    grid: BrickGrid
    streams: dict[tuple[Any, ...], list[bytes]] = field(default_factory=dict)
    _levels: dict[str, list[np.ndarray]] = field(default_factory=dict)

    @property
    def preset(self) -> int:
        """The encoder's preset for the effort."""
        return _PRESETS[(self.job.effort or 3) - 1]

    @property
    def fixed_bytes(self) -> int:
        """Bytes besides header and streams: table, checks, lengths."""
        lengths = len(leb128.write(1 << 20)) * self.channels
        return len(self.grid) * (ENTRY_SIZE + HEAD.size + lengths)

    @property
    def channels(self) -> int:
        """Streams of a brick."""
        c = self.job.image.channel_axis
        return 1 if c is None else self.grid.brick[c]

    @property
    def frames(self) -> int:
        """Frames of a stream."""
        _, t, z, _, _ = sizes_of(self.job.image.axes, self.grid.brick)
        return t * z

    def geometry(self, brick: int, order: str) -> Geometry:
        """A brick as the codec takes it."""
        image, c = self.job.image, self.job.image.channel_axis
        channels = self.grid.channels(brick, c)
        ranges = self.job.intensities.ranges[channels.start : channels.stop]
        pairs = tuple((float(low), float(high)) for low, high in ranges)
        return Geometry(image.axes, self.grid.extent(brick), image.data.dtype.name, pairs, order)

    def levels(self, order: str) -> list[np.ndarray]:
        """What the codec is given, (N, Y, X) per stream; kept for the order that is in use."""
        if order not in self._levels:
            self._levels.clear()
            bits = load_prior(self.job.prior).bits
            out = []
            for b in range(len(self.grid)):
                geometry = self.geometry(b, order)
                stacks = geometry.stacks(self.job.image.data[self.grid.slices(b)])
                out += [geometry.levels(stack, c, bits) for c, stack in enumerate(stacks)]
            self._levels[order] = out
        return self._levels[order]

    def encode(self, prior: Prior, order: str, settings: Settings, knob: float) -> list[bytes]:
        """All streams at one knob value, brick by brick, channel by channel."""
        key = (prior, order, tuple(sorted(settings.items())), knob)
        if key not in self.streams:
            threads = os.cpu_count() or 1
            self.streams[key] = [
                prior.encode(levels, knob, threads, **settings) for levels in self.levels(order)
            ]
        return self.streams[key]

    def trial(self, room: int) -> Trial:
        """The best order and settings by a fast preset, each at about `room` bytes."""
        quick = self.prior(_TRIAL_PRESET)
        ways = orders(self.job.image.axes, self.job.image.data.shape)
        start: float | None = None
        best: tuple[float, Trial] | None = None
        choices: list[tuple[str | None, Settings]] = [(w, {}) for w in ways]
        if self.job.prior == "av1" and self.frames > 1:
            choices.append((None, {"enable-tf": 1}))
        for number, (way, settings) in enumerate(choices):
            self._report("trial", number, len(choices))
            order = way or (best[1].order if best else ways[0])
            found = self._search(quick, order, settings, room, start, 8)
            start = found.probe.value
            score = 0.0
            if len(choices) > 1:
                streams = self.encode(quick, order, settings, start)
                score = self.quality(order, streams)
                score += math.log2(room / len(found.probe.data))  # a decibel per doubling
            if best is None or score > best[0]:
                best = score, Trial(order, settings, start)
        assert best is not None
        return best[1]

    def search(self, trial: Trial, room: int) -> Found:
        """The knob value at which the slow preset fills `room` bytes."""
        self._report("encode", 0, 1)
        return self._search(
            self.prior(self.preset), trial.order, trial.settings, room, trial.start, 5
        )

    def shared_out(self, trial: Trial, found: Found, room: int) -> list[bytes]:
        """The found streams, some of them at the next finer knob value while they fit."""
        prior = self.prior(self.preset)
        streams = list(self.encode(prior, trial.order, trial.settings, found.probe.value))
        left = room - sum(map(len, streams))
        if len(streams) == 1 or left < 0.005 * room:
            return streams
        knob = prior.knob(self.frames)
        unit = knob.to_unit(found.probe.value) + 1.01 * knob.unit_step
        if unit > 1:
            return streams
        finer = self.encode(prior, trial.order, trial.settings, knob.from_unit(unit))
        for i in sorted(range(len(streams)), key=lambda i: len(streams[i]) - len(finer[i])):
            more = len(finer[i]) - len(streams[i])
            if 0 < more <= left:
                streams[i], left = finer[i], left - more
        return streams

    def prior(self, preset: int) -> Prior:
        """The codec at a preset, where it has presets."""
        kind = self.job.prior
        return load_prior(kind, **({"preset": preset} if kind == "av1" else {}))

    def quality(self, order: str, streams: list[bytes]) -> float:
        """Pooled PSNR of the decoded streams in dB."""
        tally, _ = self.tally(self.bricks(order, streams))
        return tally.psnr or math.inf

    def tally(self, bricks: list[HybridBrick]) -> tuple[Tally, list[Check]]:
        """The errors of the decoded bricks, and the fingerprint of each."""
        tally = Tally(self.job.image, self.job.intensities)
        checks = [
            tally.add(brick.grid([np.arange(n) for n in brick.extent]), self.grid, b)
            for b, brick in enumerate(bricks)
        ]
        return tally, checks

    def bricks(self, order: str, streams: list[bytes]) -> list[HybridBrick]:
        """The bricks as a reader will have them."""
        out, at = [], 0
        for b in range(len(self.grid)):
            channels = self.grid.channels(b, self.job.image.channel_axis)
            out.append(
                HybridBrick(
                    PriorSpec(self.job.prior, order),
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

    def _search(
        self,
        prior: Prior,
        order: str,
        settings: Settings,
        room: int,
        start: float | None,
        most: int,
    ) -> Found:
        def encode(value: float) -> bytes:
            return b"".join(self.encode(prior, order, settings, value))

        search = Search(encode, prior.knob(self.frames))
        try:
            return search.run(room, start, most)
        except KeyboardInterrupt:
            fitting = [p for p in search.probes.values() if len(p.data) <= room]
            if not (self.job.settings.keep_partial and fitting):
                raise
            return Found(max(fitting, key=lambda p: len(p.data)), True)

    def _report(self, stage: str, step: int, steps: int) -> None:
        if self.job.progress:
            self.job.progress(ProgressEvent(stage, step, steps, None, 0.0, None))


def _finish(
    work: _Work,
    order: str,
    streams: list[bytes],
    header: dict[str, Any],
    extra: list[Section],
    budget: int,
) -> bytes:
    """Check the decode, and land inside the window: what is left over becomes padding."""
    bricks = work.bricks(order, streams)
    tally, checks = work.tally(bricks)
    rest = b""
    for _ in range(3):
        sections = [
            Section(KIND, BrickData(brick.streams, check, rest if b == 0 else b"").pack(), b)
            for b, (brick, check) in enumerate(zip(bricks, checks, strict=True))
        ]
        data = with_record(header, [*extra, *sections], tally.facts, budget)
        if len(data) <= budget <= len(data) * WINDOW or tally.psnr is None:
            return data
        rest = bytes(max(0, len(rest) + budget - len(data)))
    raise inexact(work.job, budget, len(data))


def _too_small(job: Job, budget: int, smallest: int) -> BudgetError:
    return BudgetError(
        "the budget does not hold the smallest streams of the prior",
        file=job.image.source,
        field="target",
        expected=f"at least {smallest} bytes for this image",
        got=f"{budget} bytes",
        fix=f"the largest possible ratio is about {job.image.raw_bytes / smallest:.3g};"
        " --method siren can go further",
    )
