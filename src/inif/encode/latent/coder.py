"""Bricks of a latent field, as the rate control turns them.

A brick is read, lifted, and coded twice: the first pass writes nothing, and says which blocks are
empty and what each block takes. The second keeps to a number of bits. Then it is decoded as every
reader will. A brick's coefficients are kept only where it stands for others.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from threading import Lock, RLock
from typing import Any

import numpy as np

from inif.bricks import BrickGrid
from inif.coding.check import SIZE as CHECK_SIZE
from inif.coding.check import Check
from inif.container.writer import Section, packed_size
from inif.decode.check import check_of, little_endian
from inif.decode.latent import FEATURE
from inif.decode.latent_samples import Repaired, corrected, outputs_of
from inif.decode.latent_samples import samples_of as decoded_of
from inif.decode.latent_spec import OCTAVE, TABLES, LatentSpec
from inif.encode.job import TINY, Job, draft_header, extra_sections, guides_record
from inif.encode.latent.held import Held, places
from inif.encode.latent.plan import (
    Chosen,
    Coefficients,
    chosen_plan,
    classes,
    on_scale,
    plane_estimate,
    samples_of,
    solved,
)
from inif.encode.rate.coder import Coded, Errors, Trial
from inif.encode.rate.control import SAMPLED, spread
from inif.encode.record import channel_psnrs, errors_of
from inif.fields.parallel import cores
from inif.latent.decoder import Latents
from inif.latent.layout import MOST_VOXELS, SCALE, from_five, latent_grid
from inif.latent.plan import Plan
from inif.latent.repair import MOST_GAIN, gains_of, products
from inif.latent.sections import COARSE, COARSE_LEVEL, FINE, packed, streams_of
from inif.latent.stream import Coder, Pass, Rates
from inif.latent.tables import load
from inif.latent.transform import analyse, synthesise

PRICE, PLANE_PRICE = 0.1, 0.08
"""λ in squared steps per bit, of stacks and series, and of planes. Chosen in a study on the
development images: from 0.06 to 0.13 the sizes differ by less than 2 %."""

_OCTAVES = 1.6
"""Octaves of bits for one of the step, between two passes."""

_ALIKE = 0.35
"""Octaves of the step within which an earlier pass tells what a brick takes."""

_FINER = 0.1
"""Octaves by which a pass that others follow is finer than the first of them."""

_ROUGH, _NEAR, _CAREFUL_EFFORT = 0.3, 0.05, 2
"""How near to the wanted size trials come, in octaves, at effort 1 and from `_CAREFUL_EFFORT`."""

_SLACK = 6
"""Bytes by which a header may still grow when its record is filled in: 5 in 27 000 trials."""

_LENGTHS = 8
"""Bytes of the lengths of a brick's streams, about."""

BYTES = 30
"""Of memory for each voxel of a brick that is being coded: samples, coefficients, latents of two
passes, outputs."""


Prepare = Callable[[int, Coefficients], Held]


class LatentCoder:
    """A `BrickCoder`: knobs are octaves of the step below the whole range of a channel.

    Parameters
    ----------
    job
        What is asked for.
    budget
        Bytes of the file, about, for what its header has room for.
    repairs
        Whether decoded samples are repaired.
    chosen
        How the image is lifted, where that and the knob are known: then what a brick takes and
        reaches follows from the knob alone, not from earlier passes or a number of bits.
    once
        Whether a brick that takes what its knob gives is coded by one pass instead of two: in half
        the time, and at ratios beyond 100 in up to 2 % more bytes.
    """

    encodes, final = 16, False

    def __init__(
        self,
        job: Job,
        budget: int = TINY,
        *,
        repairs: bool = True,
        chosen: Chosen | None = None,
        once: bool = False,
    ) -> None:
        self.job, self.budget, self.repairs = job, budget, repairs
        self.known, self.once = chosen is not None, once
        self.axes, shape = job.image.axes, job.image.shape
        self.grid: BrickGrid = latent_grid(self.axes, shape)
        self.chosen: Chosen = chosen or chosen_plan(job, self.grid)
        self.near = _NEAR if (job.effort or 3) >= _CAREFUL_EFFORT else _ROUGH
        each = BYTES * min(math.prod(self.grid.brick), MOST_VOXELS)
        self.workers = max(min(cores(), job.memory // each), 1)
        self._prepare: Prepare = lambda brick, coefficients: Held(coefficients)
        self._most = max(SAMPLED, job.memory // (2 * each))
        self._held: OrderedDict[int, Held] = OrderedDict()
        self._squares = np.zeros(job.image.n_channels)
        self._voxels = np.zeros(job.image.n_channels)
        self._alike = 0.0 if job.asks_quality or self.known else _ALIKE  # as qualities must
        self._gains: dict[bytes, tuple[int, ...]] = {}
        self._headers: dict[bytes, tuple[dict[str, Any], list[Section]]] = {}
        self._lock, self._settling = Lock(), RLock()

    def prepares(self, prepare: Prepare) -> None:
        """From now on, let this make of a brick's coefficients what is coded."""
        self._prepare = prepare
        self._held.clear()

    @property
    def apart(self) -> bool:
        """Whether coarse streams have sections of their own."""
        return len(self.grid) > 1

    @property
    def psnr(self) -> float | None:
        """Mean PSNR in dB of the channels that vary, in the bricks so far; None before any."""
        with self._lock:
            seen = channel_psnrs(self.job, self._squares, self._voxels)
            found = [value for c, value in seen.items() if self._voxels[c]]
        return sum(found) / len(found) if found else None

    def report(self, stage: str, done: int, of: int) -> None:
        """Say how far the work is, and how good."""
        self.job.step(stage, done, of, self.psnr)

    def channels(self, brick: int) -> range:
        """The image's channels in a brick."""
        return self.grid.channels(brick, self.axes.find("C"))

    def plan(self, brick: int) -> Plan:
        """Of a brick."""
        spec = LatentSpec(1.0, self.chosen.levels, self.chosen.kinds)
        return spec.plan(self.axes, self.grid, brick)

    def spec(self, knob: np.ndarray, *, gains: bool = True) -> LatentSpec:
        """The header's field for a knob."""
        step = stated(2 * SCALE * 2.0 ** -float(knob.min()))
        finer = np.rint((knob - knob.min()) * OCTAVE).astype(int).tolist()
        own = self.gains(knob) if gains else ()
        levels, kinds = self.chosen.levels, self.chosen.kinds
        return LatentSpec(step, levels, kinds, tuple(finer) if any(finer) else (), own)

    def guess(self, size: float) -> float:
        """As of every coder; by the magnitudes of the coefficients of a few bricks."""
        some = spread(self.grid)
        counts = np.sum([classes(self._take(b).coefficients[0]) for b in some], axis=0)
        bits = 8 * size * self._weights[some].sum() / self._weights.sum()
        return math.log2(2 * SCALE / solved(counts, bits / self.chosen.factor))

    def slope(self, knob: float) -> float:
        """As of every coder."""
        return _OCTAVES

    def weight(self, brick: int) -> float:
        """As of every coder; by a look at a few planes, where there are more bricks than trials."""
        return float(self._weights[brick])

    @cached_property
    def _weights(self) -> np.ndarray:
        if len(self.grid) <= SAMPLED:
            return self.grid.voxels
        return plane_estimate(self.job, self.grid, self.chosen)

    def trial(self, brick: int, knob: np.ndarray, *, errors: bool = False) -> Trial:
        """As of every coder, by a pass that writes nothing."""
        held = self._take(brick)
        if self._alike and not self._covers(brick, held, knob):
            held.free_knob = knob + _FINER
            spec = self.spec(held.free_knob, gains=False)
            held.free = places(self._pass(brick, held, spec, writes=False).latents, np.int8)
        first = self.first(brick, held, knob)
        squares = np.zeros(self.job.image.n_channels)
        if errors:
            spec = self.spec(knob, gains=False)
            if self.repairs:
                spec = replace(spec, gains=self._gains_of([brick], knob))
            samples = self._samples(spec, first.latents, brick, held.repaired)
            squares = self._errors(samples, brick, held).squares
        return Trial(first.bits / 8, squares)

    def encode(self, brick: int, knob: np.ndarray, stretch: float = 1.0) -> Coded:
        """As of every coder."""
        self.settle(knob)
        held, spec = self._take(brick), self.spec(knob)
        first = self.first(brick, held, knob, near=self._alike)
        assert held.knob is not None
        own = self.channels(brick)
        moved = float((knob - held.knob)[own.start : own.stop].mean())
        share, made = stretch * 2 ** (_OCTAVES * moved), first
        if not self.once or share != 1:
            pace = None if self.known and share == 1 else first.pace(share)
            made = self._pass(brick, held, spec, most=first.latents, pace=pace)
        repaired = held.repaired if made is first else None
        samples = self._samples(spec, made.latents, brick, repaired)
        errors = self._errors(samples, brick, held)
        with self._lock:
            self._squares += errors.squares
            self._voxels[own.start : own.stop] += samples.size / len(own)
        header = self.header(knob)[0]
        check = check_of(samples, header, brick, [little_endian(samples), self.job.outlier_section])
        sections = self.kept(brick, made, check)
        return Coded(sections, sum(len(s.data) for s in sections), stretch, errors)

    def at(self, brick: int, knob: np.ndarray) -> tuple[Pass, np.ndarray]:
        """A brick at a knob, whatever bytes that takes.

        Returns
        -------
        Its streams, and the decoded field's outputs in [-1, 1], (C, T, Z, Y, X) float32.
        """
        held, spec = self._take(brick), self.spec(knob)
        most = self.first(brick, held, knob).latents
        made = self._pass(brick, held, spec, most=most)
        return made, outputs_of(spec, made.latents, self.plan(brick), self.channels(brick))

    def kept(self, brick: int, made: Pass, check: Check) -> tuple[Section, ...]:
        """The sections of a brick's streams, kept."""
        few = streams_of(self.plan(brick), COARSE_LEVEL) if self.apart else 0
        parts = [(COARSE, packed(made.streams[:few]))] if self.apart else []
        parts.append((FINE, check.pack() + packed(made.streams[few:])))
        return tuple(self.job.keep(kind, data, brick) for kind, data in parts)

    def finish(self, brick: int, coded: Coded) -> Coded:
        """As of every coder; all is done."""
        return coded

    def total(self, knob: np.ndarray, bricks: Sequence[Coded]) -> int:
        """As of every coder."""
        header, extra = self.header(knob)
        own = [section for one in bricks for section in one.sections]
        if not bricks:
            check = bytes(CHECK_SIZE + _LENGTHS)
            own = [Section(FINE, check, brick) for brick in range(len(self.grid))]
            own += [Section(COARSE, b"", one.brick) for one in own if self.apart]
        return packed_size(header, [*extra, *own]) + _SLACK

    def header(self, knob: np.ndarray) -> tuple[dict[str, Any], list[Section]]:
        """The header as far as it is known, and the sections of the whole file."""
        key = knob.tobytes() + bytes(knob.tobytes() in self._gains)
        if key not in self._headers:
            job, budget = replace(self.job, method="latent"), self.budget
            header = draft_header(job, budget) | {
                "field": self.spec(knob).to_json(),
                "requires": [FEATURE],
            }
            if job.guides:
                header["lossy"] |= {"guides": guides_record(job.guides, short=budget < TINY)}
            del header["lossy"]["seed"]  # nothing is random
            header["lossy"].pop("stopped", None)
            if len(self.grid) > 1:
                header |= {"brick": list(self.grid.brick)}
            self._headers[key] = header, extra_sections(job, budget)
        header, extra = self._headers[key]
        return header | {"lossy": dict(header["lossy"])}, extra

    def gains(self, knob: np.ndarray) -> tuple[int, ...]:
        """The gain of each channel's repair that leaves the least squared error, on some bricks.

        Before they are settled there are stand-ins, of the size of any.
        """
        none = (MOST_GAIN,) * self.job.image.n_channels
        return self._gains.get(knob.tobytes(), none) if self.repairs else ()

    def settle(self, knob: np.ndarray) -> None:
        """Find the gains for a knob, by the bricks that stand for all."""
        with self._settling:
            if self.repairs and knob.tobytes() not in self._gains:
                self._gains[knob.tobytes()] = self._gains_of(spread(self.grid), knob)
                if len(self.grid) > self._most:  # few of many bricks: room is worth more than time
                    with self._lock:
                        self._held.clear()

    def _gains_of(self, bricks: Sequence[int], knob: np.ndarray) -> tuple[int, ...]:
        found = np.zeros((2, self.job.image.n_channels))
        seen = np.zeros(self.job.image.n_channels, bool)
        for brick in bricks:
            held, channels = self._take(brick), self.channels(brick)
            latents = self.first(brick, held, knob, near=self._alike).latents
            assert held.knob is not None
            spec = self.spec(held.knob, gains=False)
            values = synthesise(latents.levels, latents.low, self.plan(brick), step=spec.step)
            wanted = on_scale(self.job, self._read(brick, held), channels) * spec.scales(channels)
            added = corrected(values, spec.step)
            if self.once:
                held.repaired = values, added
            found[:, channels.start : channels.stop] += products(wanted, values, added)
            seen[channels.start : channels.stop] = True
        found[:, ~seen] = found[:, seen].sum(axis=1, keepdims=True)  # as all others
        return tuple(gains_of(found).tolist())

    def first(self, brick: int, held: Held, knob: np.ndarray, near: float = 0.0) -> Pass:
        """A pass that writes nothing, or the last one where it was near enough."""
        own = slice(self.channels(brick).start, self.channels(brick).stop)
        apart = math.inf if held.knob is None else np.abs(knob - held.knob)[own].max()
        covered = self._covers(brick, held, knob)
        if held.last is not None and apart <= near and (covered or apart <= _FINER):
            return held.last
        most = places(held.free, np.int32) if covered and held.free else None
        spec = self.spec(knob, gains=False)
        held.repaired = None
        held.last = self._pass(brick, held, spec, most=most, writes=self.once)
        held.knob = knob.copy()
        if most is None:
            held.free_knob, held.free = held.knob, places(held.last.latents, np.int8)
        return held.last

    def _covers(self, brick: int, held: Held, knob: np.ndarray) -> bool:
        """Whether what is empty in the last free pass may be taken for empty at a knob."""
        if held.free_knob is None or not self._alike:
            return False
        own = slice(self.channels(brick).start, self.channels(brick).stop)
        coarser = (held.free_knob - knob)[own]
        return bool(coarser.min() >= 0 and coarser.max() <= self._alike)

    def _take(self, brick: int) -> Held:
        """A brick's coefficients: kept, or made, and then kept if it stands for others."""
        with self._lock:
            if brick in self._held:
                self._held.move_to_end(brick)
                return self._held[brick]
        samples = samples_of(self.job, self.grid, brick)
        coded = on_scale(self.job, samples, self.channels(brick))
        held = self._prepare(brick, analyse(coded, self.plan(brick)))
        if len(self.grid) > self._most and brick not in spread(self.grid):
            held.samples = samples
        else:
            with self._lock:
                self._held[brick] = held
                while len(self._held) > self._most:
                    self._held.popitem(last=False)
        return held

    def _pass(self, brick: int, held: Held, spec: LatentSpec, **options: Any) -> Pass:
        levels, low = held.coefficients
        if spec.finer:
            scale = spec.scales(self.channels(brick))
            levels = [{k: v * scale for k, v in bands.items()} for bands in levels]
            low = low * scale
        plan = self.plan(brick)
        price = PRICE if math.prod(plan.sizes[1:3]) > 1 else PLANE_PRICE
        rates = Rates(spec.step, held.thrift * price)
        coder = Coder(plan, load(TABLES))
        self.job.interrupt.check()
        return coder.encode((levels, low), rates, weights=held.weights, **options)

    def _samples(
        self, spec: LatentSpec, latents: Latents, brick: int, repaired: Repaired | None = None
    ) -> np.ndarray:
        """A brick's samples as every reader has them."""
        own = self.plan(brick), self.channels(brick), self.job.intensities
        return from_five(decoded_of(spec, latents, *own, repaired=repaired), self.axes)

    def _read(self, brick: int, held: Held) -> np.ndarray:
        """The samples of a brick as they are coded."""
        if held.samples is not None:
            return held.samples
        return samples_of(self.job, self.grid, brick)

    def _errors(self, samples: np.ndarray, brick: int, held: Held) -> Errors:
        shown = tuple(slice(n) for n in self.plan(brick).shown)  # coded is a little more
        original = from_five(self._read(brick, held)[shown], self.axes)
        return errors_of(samples, original, self.channels(brick), self.job)


def stated(step: float) -> float:
    """A step as the header states it: five digits."""
    return float(f"{min(max(step, 1e-3), 1e6):.5g}")
