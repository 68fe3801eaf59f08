"""The latent job: an image and a budget in, a file of quantised grids out.

Coefficients are worked out once. What costs time is coding them, so the step that meets the budget
is found by a few passes.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from inif.bricks import BrickGrid
from inif.coding.check import SIZE as CHECK_SIZE
from inif.config import ProgressEvent, Window
from inif.container.writer import Section, packed_size
from inif.decode.brick import along_channels
from inif.decode.check import check_of, little_endian
from inif.decode.latent import FEATURE, TABLES, LatentSpec, corrected, outputs_of
from inif.encode.finish import with_record
from inif.encode.job import TINY, Job, draft_header, extra_sections, guides_record
from inif.encode.latent_plan import (
    PLANE_PRICE,
    PRICE,
    SPREAD,
    USUAL,
    Coefficients,
    chosen_plan,
    classes,
    scaled,
    solved,
    spread,
)
from inif.encode.plan import SLACK
from inif.encode.tally import Tally
from inif.errors import BudgetError
from inif.fields.parallel import in_order
from inif.latent.layout import from_five, latent_grid
from inif.latent.plan import Plan
from inif.latent.repair import MOST_GAIN, gains_of, products
from inif.latent.sections import COARSE, COARSE_LEVEL, FINE, packed, streams_of
from inif.latent.stream import Coder, Latents, Pass, Rates
from inif.latent.tables import load
from inif.latent.transform import Bands, analyse, synthesise

_SLOPE = 1.6
"""How much ln(bits) falls with ln(step), before two passes have measured it."""

_MOST_PASSES = 8
_NEAR = 0.2
"""How near to the wanted ln(bits) the first pass must be. The second then takes a step by `_SLOPE`
and keeps to a number of bits: for a difference x its price changes by 4 x."""

_SPARE, _LEFT, _FEW = 0.0006, 0.003, 8
"""Of the budget, that is aimed to be left; and shares of it or bytes that are not worth a pass."""

CAREFUL_EFFORT = 2
"""From which a pass more says which step takes the wanted bits at the usual price."""


def encode_latent(job: Job, window: Window) -> bytes:
    """The file's bytes, as many as the window allows.

    Raises
    ------
    BudgetError
        The coarsest latents do not fit.
    KeyboardInterrupt
        Ctrl-C.
    """
    work = Work.of(job)
    if job.guides:
        from inif.encode.latent_guided import guide

        work.job = replace(job, guides=guide(work, job.guides, window.most))
    header, extra = draft(work, window.most)
    frame = packed_size(header, [*extra, *_sections(work, len(work.grid) * [b""])])
    room = window.most - SLACK - frame - CHECK_SIZE * len(work.grid)
    if room < 2 * len(work.grid):
        raise too_small(work, window.most, window.most - room + 2 * len(work.grid))
    step, passes = first_pass(work, 8 * room)
    done = landed(work, window, header, extra, step, passes)
    if done.size > window.most:
        raise too_small(work, window.most, done.size)
    return finished(work, window, header, extra, done)[0]


@dataclass
class Work:
    """An image as coefficients.

    Attributes
    ----------
    job, grid
        What is asked for, and the bricks.
    levels, kinds
        Of lifting along T and Z.
    finer, gains
        Of each channel, see `LatentSpec`. Until gains are known, stand-ins of their size.
    factor
        Bits for each of the estimate.
    coefficients
        Of each brick.
    weights
        What the squared errors of these count; empty for 1.
    thrift
        λ, beside its usual value.
    """

    job: Job
    grid: BrickGrid
    levels: tuple[int, int]
    kinds: tuple[int, int]
    finer: tuple[int, ...] = ()
    gains: tuple[int, ...] = ()
    factor: float = USUAL
    coefficients: list[Coefficients] = field(default_factory=list)
    weights: list[list[Bands]] = field(default_factory=list)
    thrift: float = 1.0
    begun: float = field(default_factory=time.monotonic)

    @classmethod
    def of(cls, job: Job) -> Work:
        """The work of an image."""
        image = job.image
        grid = latent_grid(image.axes, image.data.shape)
        levels, kinds, factor = chosen_plan(job, grid)
        gains = (MOST_GAIN,) * image.n_channels
        work = cls(job, grid, levels, kinds, gains=gains, factor=factor)

        def made(brick: int) -> Coefficients:
            return analyse(scaled(job, grid, brick), work.plan(brick))

        for done, item in enumerate(in_order(made, range(len(grid)))):
            work.coefficients.append(item)
            work.report("transform", done + 1, len(grid))
        return work

    @property
    def effort(self) -> int:
        """1 … 9."""
        return self.job.effort or 3

    def report(self, stage: str, done: int, of: int) -> None:
        """Say how far a stage is; where the work can be interrupted."""
        seconds = time.monotonic() - self.begun
        self.job.report(ProgressEvent(stage, done, of, None, seconds, None))

    def spec(self, step: float) -> LatentSpec:
        """The header's field for a step."""
        return LatentSpec(step, self.levels, self.kinds, self.finer, self.gains)

    def plan(self, brick: int) -> Plan:
        """Of a brick."""
        return self.spec(1.0).plan(self.job.image.axes, self.grid, brick)

    @property
    def apart(self) -> bool:
        """Whether coarse streams have sections of their own."""
        return len(self.grid) > 1

    @property
    def price(self) -> float:
        """λ."""
        planes = math.prod(self.plan(0).sizes[1:3])
        return self.thrift * (PRICE if planes > 1 else PLANE_PRICE)

    def coded(
        self,
        step: float,
        before: list[Pass] | None = None,
        *,
        bits: float | None = None,
        writes: bool = True,
    ) -> list[Pass]:
        """A pass over all bricks, after an earlier one; of so many bits, if that is said."""
        model, rates, spec = load(TABLES), Rates(step, self.price), self.spec(step)
        axis = self.job.image.axes.find("C")
        share = bits / max(sum(one.bits for one in before), 1.0) if bits and before else None

        def one(brick: int) -> Pass:
            levels, low = self.coefficients[brick]
            if self.finer:
                scale = spec.scales(self.grid.channels(brick, axis))
                levels = [{k: v * scale for k, v in bands.items()} for bands in levels]
                low = low * scale
            coder = Coder(self.plan(brick), model)
            last = before[brick] if before else None
            pace = last.pace(share) if last and share else None
            most = last.latents if last else None
            counts = self.weights[brick] if self.weights else None
            return coder.encode(
                (levels, low), rates, most=most, weights=counts, writes=writes, pace=pace
            )

        out = []
        for done, item in enumerate(in_order(one, range(len(self.grid)))):
            out.append(item)
            self.report("encode" if writes else "estimate", done + 1, len(self.grid))
        return out


def draft(work: Work, budget: int) -> tuple[dict[str, Any], list[Section]]:
    """The header as far as it is known, and the sections of the whole file."""
    job = replace(work.job, method="latent")
    header = draft_header(job, budget) | {
        "field": work.spec(1234.5).to_json(),
        "requires": [FEATURE],
    }
    if job.guides:
        header["lossy"] |= {"guides": guides_record(job.guides, short=budget < TINY)}
    del header["lossy"]["seed"]  # nothing is random
    header["lossy"].pop("stopped", None)
    if len(work.grid) > 1:
        header |= {"brick": list(work.grid.brick)}
    return header, extra_sections(job, budget)


def first_pass(work: Work, bits: float) -> tuple[float, list[Pass]]:
    """A pass that says which blocks are empty, and the step for a second of so many bits."""
    counts = np.sum([classes(levels) for levels, _ in work.coefficients], axis=0)
    step, found = stated(solved(counts, bits / work.factor)), Secant(math.log(bits), _SLOPE)
    for _ in range(_MOST_PASSES):
        passes = work.coded(step, writes=False)
        size = max(sum(one.bits for one in passes), 8.0)
        off = found.add(math.log(step), math.log(size))
        following = stated(math.exp(found.next()))
        if abs(off) < _NEAR or following == step:
            break
        step = following
    if work.effort >= CAREFUL_EFFORT:
        passes = work.coded(following, passes, writes=False)
        off = math.log(max(sum(one.bits for one in passes), 8.0) / bits)
        following = stated(following * math.exp(off / _SLOPE))
    return following, passes


def landed(
    work: Work,
    window: Window,
    header: dict[str, Any],
    extra: list[Section],
    step: float,
    passes: list[Pass],
) -> Coded:
    """Passes that keep to a number of bits, until one is of the window: the best of them."""
    goal = window.most - SLACK - _SPARE * window.most
    least = min(max(window.least, goal - _LEFT * window.most), goal - _FEW)
    frame = Coded.of(work, header, extra, step, passes).size  # nothing is written yet
    bits, tried = 8 * (goal - frame), []
    for _ in range(_MOST_PASSES):
        passes = work.coded(step, passes, bits=bits)
        now = Coded.of(work, header, extra, step, passes)
        tried.append(now)
        if least <= now.size <= window.most - SLACK:
            return now
        bits += 8 * (goal - now.size)
        miss = math.log(now.size / goal)
        if abs(miss) > _NEAR / 4 or len(tried) > 2:
            step = stated(step * math.exp(miss / _SLOPE))
    fitting = [one for one in tried if one.size <= window.most - SLACK]
    return max(fitting or tried, key=lambda one: one.size if fitting else -one.size)


@dataclass(frozen=True)
class Coded:
    """Bricks coded with a step: bytes of the file, payloads of the sections, and latents.

    Where coarse streams are not apart, their payloads are missing.
    """

    size: int
    step: float
    coarse: list[bytes]
    fine: list[bytes]
    latents: list[Latents]

    @classmethod
    def of(
        cls,
        work: Work,
        header: dict[str, Any],
        extra: list[Section],
        step: float,
        passes: list[Pass],
    ) -> Coded:
        """What passes give."""
        coarse, fine = [], []
        for brick, one in enumerate(passes):
            few = streams_of(work.plan(brick), COARSE_LEVEL) if work.apart else 0
            if work.apart:
                coarse.append(packed(one.streams[:few]))
            fine.append(packed(one.streams[few:]))
        sections = _sections(work, [bytes(CHECK_SIZE) + p for p in fine], coarse)
        size = packed_size(header | {"field": work.spec(step).to_json()}, [*extra, *sections])
        return cls(size, step, coarse, fine, [one.latents for one in passes])


def _sections(work: Work, fine: list[bytes], coarse: list[bytes] | None = None) -> list[Section]:
    """The sections of all bricks, in the order of the file; `coarse` is empty if it is left out."""
    apart = (coarse or len(fine) * [b""]) if work.apart else []
    return [
        Section(kind, data, brick)
        for kind, parts in ((COARSE, apart), (FINE, fine))
        for brick, data in enumerate(parts)
    ]


def finished(
    work: Work, window: Window, header: dict[str, Any], extra: list[Section], coded: Coded
) -> tuple[bytes, dict[int, float]]:
    """The file, decoded as every reader will and checked; and each varied channel's PSNR in dB."""
    if work.gains:
        work.gains = found_gains(work, coded)
    job, spec = work.job, work.spec(coded.step)
    header |= {"field": spec.to_json()}
    tally, sections = Tally(job.image, job.intensities), list(extra)
    sections += [Section(COARSE, data, brick) for brick, data in enumerate(coded.coarse)]
    for brick, latents in enumerate(coded.latents):
        samples = decoded_samples(work, spec, latents, brick)
        tally.add(samples, work.grid, brick)
        check = check_of(samples, header, brick, [little_endian(samples), job.outlier_section])
        sections.append(Section(FINE, check.pack() + coded.fine[brick], brick))
        work.report("check", brick + 1, len(coded.latents))
    facts = tally.facts(each=job.asks_quality)
    return with_record(header, sections, facts, window), tally.channels


def found_gains(work: Work, coded: Coded) -> tuple[int, ...]:
    """The gain of each channel's repair that leaves the least squared error, on some bricks."""
    spec = replace(work.spec(coded.step), gains=())
    axis, count = work.job.image.axes.find("C"), len(work.job.ranges)
    found = np.zeros((2, count))
    for brick in spread(work.grid, count * SPREAD):
        channels = work.grid.channels(brick, axis)
        latents = coded.latents[brick]
        values = synthesise(latents.levels, latents.low, work.plan(brick), step=spec.step)
        wanted = scaled(work.job, work.grid, brick) * spec.scales(channels)
        added = corrected(values, spec.step)
        found[:, channels.start : channels.stop] += products(wanted, values, added)
    return tuple(gains_of(found).tolist())


def decoded_samples(work: Work, spec: LatentSpec, latents: Latents, brick: int) -> np.ndarray:
    """A brick's samples as every reader has them."""
    job, grid = work.job, work.grid
    axes = job.image.axes
    channels = grid.channels(brick, axes.find("C"))
    outputs = from_five(outputs_of(spec, latents, work.plan(brick), channels), axes)
    return job.intensities.samples(outputs, along_channels(np.array(channels), axes))


class Secant:
    """A falling curve's argument for a wanted value, from the points tried so far."""

    def __init__(self, wanted: float, slope: float) -> None:
        self._wanted, self._slope = wanted, slope
        self._points: list[tuple[float, float]] = []

    def add(self, x: float, y: float) -> float:
        """Note a point; how far above the wanted value it lies."""
        self._points.append((x, y - self._wanted))
        return y - self._wanted

    def next(self) -> float:
        """The argument to try next: between the nearest points on both sides, else beyond."""
        above = [p for p in self._points if p[1] > 0]
        below = [p for p in self._points if p[1] <= 0]
        if above and below:
            (x0, y0), (x1, y1) = max(above), min(below)
            share = min(max(y0 / (y0 - y1), 0.05), 0.95)
            return x0 + share * (x1 - x0)
        if len(self._points) > 1:
            (x0, y0), (x1, y1) = sorted(self._points, key=lambda p: abs(p[1]))[:2]
            if x1 != x0 and (y0 - y1) / (x1 - x0) > 0.2:
                self._slope = (y0 - y1) / (x1 - x0)
        x, y = min(self._points, key=lambda p: abs(p[1]))
        return x + min(max(y / self._slope, -2.0), 2.0)


def stated(step: float) -> float:
    """A step as the header states it: five digits."""
    return float(f"{min(max(step, 1e-3), 1e6):.5g}")


def too_small(work: Work, budget: int, smallest: int) -> BudgetError:
    """The error for a budget below what is needed."""
    image = work.job.image
    return BudgetError(
        "the budget does not hold the coarsest latents",
        file=image.source,
        field="target",
        expected=f"at least {smallest} bytes for this image",
        got=f"{budget} bytes",
        fix=f"the largest possible ratio is about {image.raw_bytes / smallest:.3g};"
        " --method siren can go further",
    )
