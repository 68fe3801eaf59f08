"""Bricks coded by a codec, as the rate control asks for them, and finished by a repair.

A brick is read when it is coded, and only the streams of a few bricks are kept. What the repair
may take is set aside in a brick's size before there is one, so that finishing changes no size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from inif.bricks import BrickGrid
from inif.codecs import Codec
from inif.coding.check import Check
from inif.container.writer import Section, packed_size
from inif.decode.check import crc_of, digest
from inif.decode.codec import KIND, BrickData, CodecSpec, Content
from inif.decode.hybrid import HybridBrick
from inif.decode.residual import Rest
from inif.encode.hybrid import repair
from inif.encode.hybrid.bricks import Bricks, frame_order, hybrid_grid, textures
from inif.encode.hybrid.guess import Texture, bits, guess, slope
from inif.encode.hybrid.presets import ENCODES, codec_for
from inif.encode.hybrid.select import Criterion, criterion
from inif.encode.job import Job
from inif.encode.rate.coder import Coded, Errors, Trial
from inif.encode.rate.control import spread
from inif.encode.record import errors_of
from inif.fields.parallel import cores, in_order
from inif.fields.repair import NO_REPAIR, Network, Repair, load_network

if TYPE_CHECKING:  # guides need JAX; hybrids do not
    from inif.encode.hybrid.guided import Guided

REPAIR_SHARE, MOST_COEFFICIENTS = 0.006, 12
"""Of the bytes of a brick's streams, that coefficients of its repair may take; and at most."""

WORTH = 1.5
"""PSNR in dB that twice the bytes of streams gain, about, where 0.2 (noise) to 6 (nearly lossless)
were measured: what a coefficient must beat."""

_WORTH_KEEPING = 0.9
"""How much of its window a file must fill to be kept when Ctrl-C ends the work."""

_SLACK = 12
"""Bytes by which a header may still grow when its numbers are filled in."""

MEMORY = 600 << 20
"""Bytes of a brick that is being coded, encoder included, at most."""

_KEPT = 8
"""Bricks whose streams are kept, those that were asked for last."""

_NEAR = 0.06
_APART = 0.02
"""Octaves of a knob between two points that tell a slope."""

Streams = dict[tuple[int, float], bytes]


@dataclass
class HybridCoder:
    """Codes the bricks of one image; see `inif.encode.rate.coder.BrickCoder`.

    Attributes
    ----------
    job, bricks, grid, codec
        What is coded, and how.
    workers
        Bricks at once.
    header, extra
        Of the file, but for its record, and its sections that belong to no brick.
    size
        Bytes of the file, about.
    guided
        What guides the repair besides squared error, or None.
    rest
        The field for what bricks lack, once there is one.
    """

    job: Job
    bricks: Bricks
    grid: BrickGrid
    codec: Codec
    workers: int
    header: dict[str, Any]
    extra: list[Section]
    size: float
    guided: Guided | None = None
    rest: Rest | None = None
    near: float = _NEAR
    encodes: int = ENCODES
    final: bool = True
    _made: dict[int, Streams] = field(default_factory=dict)
    _known: dict[int, list[tuple[float, float]]] = field(default_factory=dict)
    _last: dict[int, Coded] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    @property
    def threads(self) -> int:
        """Of one encoder, or decoder."""
        return max(1, cores() // self.workers)

    def channels(self, brick: int) -> range:
        """The image's channels in a brick."""
        return self.bricks.channels(brick)

    def guess(self, size: float) -> float:
        """The knob, the same for all channels, at which the bricks take so many bytes, about."""
        some = spread(self.grid)
        share = self.grid.voxels[some].sum() / self.grid.voxels.sum()
        found, counts = self._seen(some)
        return guess(self.codec, self.bricks.frames(0), found, counts, max(share * size, 1.0))

    def slope(self, knob: float) -> float:
        """Octaves of bytes for one of the knob, about, near a knob."""
        return slope(self.codec, *self._seen(spread(self.grid)), knob)

    def weight(self, brick: int) -> float:
        """Bytes that a brick takes beside others at the same knob, in any unit."""
        knob = np.array([self._usual])
        return sum(
            self._count(brick) * float(bits(self.codec, texture, knob)[0])
            for texture in self._textures[brick]
        )

    def trial(self, brick: int, knob: np.ndarray, *, errors: bool = False) -> Trial:
        """What a brick takes at a knob, and with `errors` what it reaches without a repair."""
        coded = self.encode(brick, knob)
        squares = np.zeros(len(knob))
        if errors:
            squares = self._errors(brick, self._decoded(brick, coded)).squares
        return Trial(coded.size, squares)

    def encode(self, brick: int, knob: np.ndarray, stretch: float = 1.0) -> Coded:
        """A brick at a knob, of `stretch` times the bytes that the knob gives, about."""
        own = knob[self.channels(brick).start : self.channels(brick).stop]
        own = own + self._shift(brick, float(own[0]), math.log2(stretch))
        streams = self._streams(brick, own)
        frames, total = self.bricks.frames(brick), sum(map(len, streams))
        data = BrickData(streams, Check(), _reserved(len(streams), total)).pack(frames)
        with self._lock:
            self._known.setdefault(brick, []).append((float(own[0]), math.log2(len(data))))
        unknown = Errors(np.full(len(knob), math.nan), math.nan, np.array(math.nan))
        sections = (self.job.keep(KIND, data, brick),)
        coded = Coded(sections, len(data), stretch, unknown)
        before = self._last.get(brick)
        if before is None or len(self.grid) > 1 or not self._is_fuller(before, coded):
            self._last[brick] = coded
        return coded

    def _is_fuller(self, one: Coded, other: Coded) -> bool:
        """Whether a file of one brick fits as one, and does not or is less full as the other."""
        if self.total(np.zeros(1), [one]) > self.size:
            return False
        return other.size < one.size or self.total(np.zeros(1), [other]) > self.size

    def finish(self, brick: int, coded: Coded) -> Coded:
        """The same repaired, decoded as every reader will, and checked."""
        held = self._held(brick, coded)
        hybrid = self._hybrid(brick, held.streams)
        repairs = held.repairs if self.rest else self._repairs(brick, hybrid)
        hybrid = replace(hybrid, network=self.job.settings.network, repairs=repairs)
        if self.rest:
            hybrid = replace(hybrid, rest=self.rest, origin=self.grid.origin(brick))
        samples = hybrid.grid([np.arange(n) for n in hybrid.extent])
        errors = self._errors(brick, samples)
        inputs = [*hybrid.inputs(), self.job.outlier_section]
        check = Check(crc_of(samples), digest(self.header, brick, inputs))
        data = BrickData(held.streams, check, repairs).pack(self.bricks.frames(brick))
        return replace(
            coded,
            sections=(self.job.keep(KIND, data, brick),),
            size=len(data),
            errors=errors,
        )

    def total(self, knob: np.ndarray, bricks: Sequence[Coded]) -> int:
        """Bytes of the file with these bricks; without any, what it takes besides payloads."""
        own = [section for one in bricks for section in one.sections]
        if not bricks:
            own = [Section(KIND, b"", brick) for brick in range(len(self.grid))]
        return packed_size(self.header, [*self.extra, *own]) + _SLACK

    def complete(self, most: int) -> list[Coded] | None:
        """What is there of every brick, if a file of it has at most so many bytes, and nearly."""
        if len(self._last) < len(self.grid):
            return None
        found = [self._last[b] for b in range(len(self.grid))]
        return found if _WORTH_KEEPING * most <= self.total(np.zeros(1), found) <= most else None

    def missing(self, brick: int, coded: Coded) -> np.ndarray:
        """What a finished brick lacks, in units of outputs: (C, T, Z, Y, X) float32."""
        held = self._held(brick, coded)
        hybrid = replace(
            self._hybrid(brick, held.streams),
            network=self.job.settings.network,
            repairs=held.repairs,
        )
        out = np.stack(self.bricks.targets(brick))
        channels, times, depths, height, width = out.shape
        for c, t, z in np.ndindex(channels, times, depths):
            decoded = hybrid.outputs(c, t, z, np.arange(height), np.arange(width))
            out[c, t, z] = 2 * out[c, t, z] - 1 - decoded
        return out

    @cached_property
    def _textures(self) -> list[list[Texture]]:
        """Of each channel of each brick."""
        return [textures(self.bricks.middle(b)) for b in range(len(self.grid))]

    @cached_property
    def _usual(self) -> float:
        """The knob that is guessed for the whole file."""
        return self.guess(self.size)

    @cached_property
    def _network(self) -> Network:
        return load_network(self.job.settings.network)

    @cached_property
    def _better(self) -> Criterion:
        return criterion(self.job)

    @cached_property
    def _order(self) -> str:
        """The order of frames, as the header has it."""
        return CodecSpec.from_json(self.header["codec"], file=None).frame_order

    def _seen(self, some: Sequence[int]) -> tuple[list[Texture], list[int]]:
        """Texture and number of samples of each stream of some bricks."""
        found = [(t, self._count(b)) for b in some for t in self._textures[b]]
        return [t for t, _ in found], [n for _, n in found]

    def _count(self, brick: int) -> int:
        """Samples of a channel of a brick."""
        return int(self.grid.voxels[brick]) // len(self.channels(brick))

    def _shift(self, brick: int, knob: float, octaves: float) -> float:
        """How much finer than a knob a brick takes so many octaves of bytes more, about.

        Between encodes that are smaller and larger; else beyond the last of them, so that sizes
        which stay the same for a while are left behind.
        """
        rise = self._slope(brick, knob)
        points = self._known.get(brick, [])
        if not octaves or not points:
            return octaves / rise
        near, size = min(points, key=lambda p: abs(p[0] - knob))
        goal = size + rise * (knob - near) + octaves
        below, above = ([p for p in points if (p[1] > goal) is larger] for larger in (False, True))
        if below and above and max(below) < min(above):
            (x0, y0), (x1, y1) = max(below), min(above)
            return x0 + (goal - y0) / (y1 - y0) * (x1 - x0) - knob
        x, y = min(above) if octaves < 0 and above else max(below or above)
        return x + (goal - y) / rise - knob

    def _slope(self, brick: int, knob: float) -> float:
        """Octaves of bytes for each octave of the knob, near one."""
        points = sorted(self._known.get(brick, []), key=lambda p: abs(p[0] - knob))
        for x, y in points[1:]:
            if abs(x - points[0][0]) > _APART and (y - points[0][1]) * (x - points[0][0]) > 0:
                return (y - points[0][1]) / (x - points[0][0])
        return slope(self.codec, *self._seen([brick]), knob)

    def _streams(self, brick: int, knob: np.ndarray) -> tuple[bytes, ...]:
        """The streams of a brick's channels, each at its knob."""
        scale = self.codec.knob(self.bricks.frames(brick))
        wanted = [(c, scale.at_octave(float(x))) for c, x in enumerate(knob)]
        with self._lock:
            made = self._made.pop(brick, {})
            self._made[brick] = made  # the last
            while len(self._made) > _KEPT:
                del self._made[next(iter(self._made))]
        todo = [key for key in wanted if key not in made]
        if todo:
            levels = self.bricks.levels(brick, self._order, self.codec.bits)
            together = min(len(todo), self.threads)

            def one(key: tuple[int, float]) -> bytes:
                self.job.interrupt.check()
                return self.codec.encode(levels[key[0]], key[1], self.threads // together)

            made |= zip(todo, in_order(one, todo, workers=together), strict=True)
        return tuple(made[key] for key in wanted)

    def _held(self, brick: int, coded: Coded) -> BrickData:
        content = Content(len(self.channels(brick)), self.bricks.frames(brick), self._network.bases)
        return BrickData.unpack(coded.sections[0].read(), content, file=None, brick=brick)

    def _hybrid(self, brick: int, streams: tuple[bytes, ...]) -> HybridBrick:
        """A brick as a reader will have it, not repaired."""
        return HybridBrick(
            CodecSpec(self.codec.kind, self._order),
            streams,
            self.bricks.axes,
            self.grid.extent(brick),
            self.channels(brick).start,
            self.job.intensities,
            self.threads,
        )

    def _decoded(self, brick: int, coded: Coded) -> np.ndarray:
        hybrid = self._hybrid(brick, self._held(brick, coded).streams)
        return hybrid.grid([np.arange(n) for n in hybrid.extent])

    def _errors(self, brick: int, decoded: np.ndarray) -> Errors:
        return errors_of(decoded, self.bricks.samples(brick), self.channels(brick), self.job)

    def _repairs(self, brick: int, hybrid: HybridBrick) -> tuple[Repair, ...]:
        """The repair that pays; frames in which it does not are left plain.

        A guided repair serves more than squared error, so by that alone no frame is left plain.
        After Ctrl-C there is none: it takes its time.
        """
        count = len(hybrid.streams)
        if self.job.interrupt.kept:
            return (NO_REPAIR,) * count
        job, network, total = self.job, self._network, sum(map(len, hybrid.streams))
        most = _coefficients(count, total)
        targets = self.bricks.targets(brick)
        pairs = [
            repair.Pair.of(hybrid.volume(c), self.codec.peak, target)
            for c, target in enumerate(targets)
        ]
        found = repair.choose(network, pairs, most, total, job.settings.seed, WORTH)
        origin = self.grid.origin(brick)
        if self.guided:
            share = 1 / (len(self.grid) * count)
            first, seed = hybrid.channel_start, job.settings.seed
            found = self.guided.repairs(network, pairs, found, origin, first, most, share, seed)
        if not self.guided or job.select != "psnr":
            place = dict(zip(self.bricks.axes, origin, strict=True))
            found = repair.keep_or_drop(network, pairs, found, self._better, place)
        return tuple(repair.without_idle(found))


def coder_of(job: Job, size: float, header: dict[str, Any], extra: list[Section]) -> HybridCoder:
    """A coder for a file of about so many bytes; the header gets bricks and codec."""
    image = job.image
    bricks = Bricks(job, hybrid_grid(image.axes, image.shape))
    limit = job.settings.time_limit
    codec = codec_for(job.codec, job.effort or 3, image.raw_bytes, limit)
    order = frame_order([bricks.middle(b) for b in spread(bricks.grid)])
    header["codec"] = CodecSpec(job.codec, order).to_json()
    if len(bricks.grid) > 1:
        header["brick"] = list(bricks.grid.brick)
    workers = max(min(cores(), len(bricks.grid), job.memory // MEMORY), 1)
    return HybridCoder(job, bricks, bricks.grid, codec, workers, header, extra, size)


def _coefficients(channels: int, total: int) -> int:
    """How many coefficients each channel of a brick may have, by the bytes of its streams."""
    return min(MOST_COEFFICIENTS, max(0, int(REPAIR_SHARE * total / channels) - 4))


def _reserved(channels: int, total: int) -> tuple[Repair, ...]:
    """The largest repairs that there may be."""
    stated = (0,) * _coefficients(channels, total)
    one = Repair(1, 0 if channels > 1 else None, stated, frozenset({0}))
    return (one,) * channels
