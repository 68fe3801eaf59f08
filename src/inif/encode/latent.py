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
from inif.encode.job import Job, draft_header, extra_sections
from inif.encode.latent_plan import (
    PLANE_PRICE,
    PRICE,
    SPREAD,
    Coefficients,
    chosen_plan,
    scaled,
    solved,
)
from inif.encode.plan import SLACK
from inif.encode.tally import Tally
from inif.errors import BudgetError
from inif.fields.parallel import in_order
from inif.latent.layout import from_five, latent_grid
from inif.latent.plan import Plan
from inif.latent.repair import gains_of, products
from inif.latent.sections import COARSE, COARSE_LEVEL, FINE, packed, streams_of
from inif.latent.stream import Coder, Latents, Rates
from inif.latent.tables import load
from inif.latent.transform import analyse, synthesise

_SLOPE = 1.6
"""How much ln(bytes) falls with ln(step), before two passes have measured it."""

_MOST_PASSES, _MOST_ROUNDS = 8, 3
_TWO_PASS = 0.92
"""Bytes of the second pass over those that the first estimates, before one has measured it."""

_MORE, _NEAR = 0.03, 0.025
"""How much larger than the budget needs the pass is that names the candidates, and how near to that
it must be, in ln(bytes): latents may only be left out of it, so more are wanted than are kept."""

REPAIR_EFFORT = 2
"""From which latents are repaired: it makes decoding slower by half."""


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
    header, extra = draft(work, window.most)
    empty = [0] * (len(work.grid) * (1 + work.apart))
    frame = packed_size(header, [*[len(s.data) for s in extra], *empty])
    room = window.most - frame - CHECK_SIZE * len(work.grid)
    if room < 2 * len(work.grid):
        raise too_small(work, window.most, window.most - room + 2 * len(work.grid))
    shrinks = _TWO_PASS
    for _ in range(_MOST_ROUNDS):
        step, size, candidates = first_pass(work, room / shrinks)
        done, last = landed(work, window, header, extra, step, candidates)
        if done is not None:
            break
        shrinks = min((last.size - frame) / size, shrinks * 0.98)
    else:
        done = last
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
    coefficients
        Of each brick.
    """

    job: Job
    grid: BrickGrid
    levels: tuple[int, int]
    kinds: tuple[int, int]
    finer: tuple[int, ...] = ()
    gains: tuple[int, ...] = ()
    coefficients: list[Coefficients] = field(default_factory=list)
    begun: float = field(default_factory=time.monotonic)

    @classmethod
    def of(cls, job: Job) -> Work:
        """The work of an image."""
        image = job.image
        grid = latent_grid(image.axes, image.data.shape)
        levels, kinds = chosen_plan(job, grid)
        gains = (99,) * image.n_channels if (job.effort or 3) >= REPAIR_EFFORT else ()
        work = cls(job, grid, levels, kinds, gains=gains)

        def made(brick: int) -> Coefficients:
            return analyse(scaled(job, grid, brick), work.plan(brick))

        for done, item in enumerate(in_order(made, range(len(grid)))):
            work.coefficients.append(item)
            work.report("transform", done + 1, len(grid))
        return work

    def report(self, stage: str, done: int, of: int) -> None:
        """Say how far a stage is; where the work can be interrupted."""
        seconds = time.monotonic() - self.begun
        self.job.report(ProgressEvent(stage, done, of, None, seconds, None))

    def spec(self, step: float) -> LatentSpec:
        """The header's field for a step."""
        return LatentSpec(step, self.levels, self.kinds, self.finer, self.gains)

    def plan(self, brick: int) -> Plan:
        """Of a brick."""
        return self.spec(1.0).plan(self.job.image.axes, self.grid.extent(brick))

    @property
    def apart(self) -> bool:
        """Whether coarse streams have sections of their own."""
        return len(self.grid) > 1

    @property
    def price(self) -> float:
        """λ."""
        planes = math.prod(self.plan(0).sizes[1:3])
        return PRICE if planes > 1 else PLANE_PRICE

    def coded(
        self, step: float, bricks: list[int], most: list[Latents] | None, *, writes: bool
    ) -> list[tuple[list[bytes], Latents, float]]:
        """Some bricks coded: streams, latents and bits of each."""
        model, rates, spec = load(TABLES), Rates(step, self.price), self.spec(step)
        axis = self.job.image.axes.find("C")

        def one(index: int) -> tuple[list[bytes], Latents, float]:
            brick = bricks[index]
            levels, low = self.coefficients[brick]
            if self.finer:
                scale = spec.scales(self.grid.channels(brick, axis))
                levels = [{k: v * scale for k, v in bands.items()} for bands in levels]
                low = low * scale
            coder = Coder(self.plan(brick), model)
            limit = most[index] if most else None
            return coder.encode((levels, low), rates, most=limit, writes=writes)

        out = []
        for done, item in enumerate(in_order(one, range(len(bricks)))):
            out.append(item)
            self.report("encode" if writes else "estimate", done + 1, len(bricks))
        return out


def draft(work: Work, budget: int) -> tuple[dict[str, Any], list[Section]]:
    """The header as far as it is known, and the sections of the whole file."""
    job = replace(work.job, method="latent")
    header = draft_header(job, budget) | {
        "field": work.spec(1234.5).to_json(),
        "requires": [FEATURE],
    }
    del header["lossy"]["seed"]  # nothing is random
    header["lossy"].pop("stopped", None)
    if len(work.grid) > 1:
        header |= {"brick": list(work.grid.brick)}
    return header, extra_sections(job, budget)


def first_pass(work: Work, wanted: float) -> tuple[float, float, list[Latents]]:
    """A pass of a little more than the wanted bytes: its step, its bytes, and its latents."""
    bricks = list(range(len(work.grid)))
    step, found = _guess(work, wanted), Secant(math.log(wanted) + _MORE, _SLOPE)
    for _ in range(_MOST_PASSES):
        passes = work.coded(step, bricks, None, writes=False)
        size = max(sum(bits for _, _, bits in passes) / 8, 1.0)
        off = found.add(math.log(step), math.log(size))
        following = stated(math.exp(found.next()))
        if abs(off) < _NEAR or following == step:
            break
        step = following
    return step, size, [latents for _, latents, _ in passes]


def landed(
    work: Work,
    window: Window,
    header: dict[str, Any],
    extra: list[Section],
    finest: float,
    candidates: list[Latents],
) -> tuple[Coded | None, Coded]:
    """Passes with candidates until one lies in the window: that one, and the last one or the best.

    None lies there if the candidates, of the step `finest`, are too few.
    """
    most, least = window.most - SLACK, min(window.least + SLACK, window.most - SLACK)
    found = Secant(math.log((most + least) / 2), _SLOPE)
    bricks, step, best = list(range(len(work.grid))), stated(finest * (1 + _MORE / _SLOPE)), None
    for _ in range(_MOST_PASSES):
        now = Coded.of(work, header, extra, step, work.coded(step, bricks, candidates, writes=True))
        if least <= now.size <= most:
            return now, now
        if now.size <= most and (best is None or now.size > best.size):
            best = now
        found.add(math.log(step), math.log(now.size))
        following = max(stated(math.exp(found.next())), finest)
        if following == step:
            break
        step = following
    return None, best or now


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
        coded: list[tuple[list[bytes], Latents, float]],
    ) -> Coded:
        """What passes give."""
        coarse, fine = [], []
        for brick, (streams, _, _) in enumerate(coded):
            few = streams_of(work.plan(brick), COARSE_LEVEL) if work.apart else 0
            if work.apart:
                coarse.append(packed(streams[:few]))
            fine.append(packed(streams[few:]))
        lengths = [len(s.data) for s in extra] + [len(p) for p in coarse]
        lengths += [CHECK_SIZE + len(p) for p in fine]
        size = packed_size(header | {"field": work.spec(step).to_json()}, lengths)
        return cls(size, step, coarse, fine, [latents for _, latents, _ in coded])


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
    some = min(len(work.grid), count * SPREAD)
    for brick in map(int, np.linspace(0, len(work.grid) - 1, some)):
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


def _guess(work: Work, room: float) -> float:
    """A step for a budget in bytes, by the estimate on one brick."""
    middle = len(work.grid) // 2
    share = float(work.grid.voxels[middle] / work.grid.voxels.sum())
    return stated(solved([work.coefficients[middle]], 8 * room * share))
