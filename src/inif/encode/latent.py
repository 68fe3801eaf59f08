"""The latent job: an image and a budget in, a file of quantised grids out.

Coefficients are worked out once. What costs time is coding them, so the step that meets the budget
is found by a few passes: the first ones on some bricks, the last ones on all.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from inif.bricks import BrickGrid
from inif.coding import leb128
from inif.coding.check import SIZE as CHECK_SIZE
from inif.config import ProgressEvent, Window
from inif.container.writer import Section, packed_size
from inif.decode.check import check_of, little_endian
from inif.decode.latent import FEATURE, KIND, TABLES, LatentSpec, corrected, outputs_of
from inif.encode.finish import with_record
from inif.encode.job import Job, draft_header, extra_sections
from inif.encode.plan import SLACK
from inif.encode.tally import Tally
from inif.errors import BudgetError
from inif.fields.parallel import in_order
from inif.latent.layout import SCALE, from_five, latent_grid, to_five
from inif.latent.plan import CDF97, HAAR, Plan, plane_levels
from inif.latent.repair import GAIN_PARTS, MOST_GAIN
from inif.latent.stream import Coder, Latents, Rates, coefficients_of
from inif.latent.tables import load
from inif.latent.transform import Bands, analyse, synthesise

PRICE, PLANE_PRICE = 0.1, 0.08
"""λ in squared steps per bit, of stacks and series, and of planes. Chosen in a study on half of the
development images; from 0.06 to 0.13 the sizes differ by less than 2 %."""

_TRIED = 3
"""Plans that are tried, of those that the estimate likes best."""

_SAMPLE = 1 << 20
"""Voxels on which plans are tried."""

_SPREAD = 4
"""Bricks by which a plan's step is estimated."""

_SLOPE = 1.6
"""How much ln(bytes) falls with ln(step), before two passes have measured it."""

_MOST_PASSES, _MOST_ROUNDS = 8, 3
_TWO_PASS = 0.92
"""Bytes of the second pass over those that the first estimates, before one has measured it."""

_PER_OCTAVE = 1.6
"""Bits that a latent takes for each factor of two in 1 + (c/step)², its place included."""

_MORE, _NEAR = 0.03, 0.025
"""How much larger than the budget needs the pass is that names the candidates, and how near to that
it must be, in ln(bytes): latents may only be left out of it, so more are wanted than are kept."""

REPAIR_EFFORT = 2
"""From which latents are repaired: it makes decoding slower by half."""

Coefficients = tuple[list[Bands], np.ndarray]


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
    frame = packed_size(header, [*[len(s.data) for s in extra], *[0] * len(work.grid)])
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


def scaled(job: Job, grid: BrickGrid, brick: int) -> np.ndarray:
    """A brick's samples, 0 … 65535 over each channel's range: (C, T, Z, Y, X) float32."""
    axes = job.image.axes
    five = to_five(job.image.data[grid.slices(brick)], axes)
    out = np.empty(five.shape, np.float32)
    for i, channel in enumerate(grid.channels(brick, axes.find("C"))):
        low, high = job.intensities.ranges[channel]
        span = (high - low) or 1.0
        out[i] = (five[i] - low) * (2 * SCALE / span)
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
    """Bricks coded with a step: bytes of the file, payloads of the sections, and latents."""

    size: int
    step: float
    payloads: list[bytes]
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
        payloads = [leb128.join(streams[:-1], streams[-1]) for streams, _, _ in coded]
        lengths = [len(s.data) for s in extra] + [CHECK_SIZE + len(p) for p in payloads]
        size = packed_size(header | {"field": work.spec(step).to_json()}, lengths)
        return cls(size, step, payloads, [latents for _, latents, _ in coded])


def finished(
    work: Work, window: Window, header: dict[str, Any], extra: list[Section], coded: Coded
) -> tuple[bytes, dict[int, float]]:
    """The file, decoded as every reader will and checked; and each varied channel's PSNR in dB."""
    if work.gains:
        work.gains = found_gains(work, coded)
    job, spec = work.job, work.spec(coded.step)
    header |= {"field": spec.to_json()}
    tally, sections = Tally(job.image, job.intensities), list(extra)
    for brick, latents in enumerate(coded.latents):
        samples = decoded_samples(work, spec, latents, brick)
        tally.add(samples, work.grid, brick)
        check = check_of(samples, header, brick, [little_endian(samples), job.outlier_section])
        sections.append(Section(KIND, check.pack() + coded.payloads[brick], brick))
        work.report("check", brick + 1, len(coded.latents))
    facts = tally.facts(each=job.asks_quality)
    return with_record(header, sections, facts, window), tally.channels


def found_gains(work: Work, coded: Coded) -> tuple[int, ...]:
    """The gain of each channel's repair that leaves the least squared error, on some bricks."""
    spec = replace(work.spec(coded.step), gains=())
    axis, count = work.job.image.axes.find("C"), len(work.job.ranges)
    found = np.zeros((2, count))
    some = min(len(work.grid), count * _SPREAD)
    for brick in map(int, np.linspace(0, len(work.grid) - 1, some)):
        channels = work.grid.channels(brick, axis)
        levels, low = coefficients_of(coded.latents[brick], spec.step)
        values = synthesise(levels, low, work.plan(brick))
        wanted = scaled(work.job, work.grid, brick) * spec.scales(channels)
        added = corrected(values, spec.step)
        for i, channel in enumerate(channels):
            found[0, channel] += np.vdot(added[i], wanted[i] - values[i])
            found[1, channel] += np.vdot(added[i], added[i])
    best = np.rint(GAIN_PARTS * found[0] / np.where(found[1] > 0, found[1], np.inf))
    return tuple(int(g) for g in np.clip(best, 0, MOST_GAIN))


def decoded_samples(work: Work, spec: LatentSpec, latents: Latents, brick: int) -> np.ndarray:
    """A brick's samples as every reader has them."""
    job, grid = work.job, work.grid
    axes = job.image.axes
    channels = grid.channels(brick, axes.find("C"))
    outputs = from_five(outputs_of(spec, latents, work.plan(brick), channels), axes)
    c = axes.find("C")
    shape = [-1 if i == c else 1 for i in range(len(axes))]
    numbers = np.array(channels).reshape(shape) if c >= 0 else 0
    return job.intensities.samples(outputs, numbers)


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


def chosen_plan(job: Job, grid: BrickGrid) -> tuple[tuple[int, int], tuple[int, int]]:
    """Levels and kinds of lifting along T and Z: the best of a few tried on part of a brick."""
    spread = np.linspace(0, len(grid) - 1, min(len(grid), _SPREAD)).astype(int)
    bricks = {int(b): scaled(job, grid, int(b)) for b in spread}
    crop = part_of(bricks[int(spread[len(spread) // 2])])
    sizes = crop.shape
    plans = [
        Plan((*sizes,), (*levels, plane_levels(sizes)), kinds)
        for levels, kinds in candidates(sizes[1], sizes[2])
    ]
    if len(plans) == 1:
        return plans[0].levels[:2], plans[0].kinds
    made = [analyse(crop, plan) for plan in plans]
    ratio = job.target.ratio if job.target and job.target.ratio else 128.0
    whole = [analyse(x, Plan((*x.shape,), (0, 0, plane_levels(x.shape)))) for x in bricks.values()]
    voxels = sum(x.size for x in bricks.values())
    step = _solved(whole, 8 * job.image.data.dtype.itemsize * voxels / ratio)
    estimates = [estimate(levels, step) for levels, _ in made]
    best = np.argsort(estimates, kind="stable")[:_TRIED]
    model = load(TABLES)

    def cost(i: int) -> float:
        rates = Rates(step, PRICE)
        _, latents, spent = Coder(plans[i], model).encode(made[i], rates, writes=False)
        return spent * PRICE + distortion(made[i], latents, step)

    costs = dict(zip(best, in_order(cost, [int(i) for i in best]), strict=True))
    won = plans[min(costs, key=lambda i: costs[i])]
    return won.levels[:2], won.kinds


def candidates(times: int, depths: int) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Levels and kinds along T and Z that an image of so many time points and planes may have."""
    both = (CDF97, CDF97)
    out = [((0, 0), both)]
    for t, z, kind_t, kind_z in (
        (0, 1, CDF97, CDF97), (0, 1, CDF97, HAAR), (0, 2, CDF97, CDF97), (0, 2, CDF97, HAAR),
        (0, 3, CDF97, CDF97), (1, 0, CDF97, CDF97), (1, 0, HAAR, CDF97), (2, 0, CDF97, CDF97),
        (2, 0, HAAR, CDF97), (3, 0, CDF97, CDF97), (1, 1, CDF97, CDF97), (2, 1, CDF97, CDF97),
        (3, 1, CDF97, CDF97), (3, 2, CDF97, CDF97), (4, 2, CDF97, CDF97),
    ):  # fmt: skip
        if times >= max(4 * t, 2 * (t > 0)) and depths >= max(4 * z, 2 * (z > 0)):
            out.append(((t, z), (kind_t, kind_z)))
    return out


def part_of(x: np.ndarray) -> np.ndarray:
    """The middle of an array (C, T, Z, Y, X), at most `_SAMPLE` voxels: planes are cut first."""
    sizes = list(x.shape)
    while math.prod(sizes) > _SAMPLE:
        if sizes[0] > 1:
            sizes[0] = 1
        elif max(sizes[3:]) > 96:
            axis = 3 if sizes[3] > sizes[4] else 4
            sizes[axis] = max(sizes[axis] // 2, 64)
        else:
            axis = 1 if sizes[1] > sizes[2] else 2
            sizes[axis] = -(-sizes[axis] // 2)
    starts = [(n - s) // 2 for n, s in zip(x.shape, sizes, strict=True)]
    cut = tuple(slice(a, a + s) for a, s in zip(starts, sizes, strict=True))
    return np.ascontiguousarray(x[cut])


def estimate(levels: list[Bands], step: float) -> float:
    """Bits that coefficients would take, roughly: a multiple of Σ log2(1 + (c/step)²)."""
    one = np.float32(1 / step)
    total = 0.0
    for bands in levels:
        for values in bands.values():
            ratio = values * one
            total += float(np.log2(1 + ratio * ratio).sum(dtype=np.float64))
    return _PER_OCTAVE * total


def distortion(coefficients: Coefficients, latents: Latents, step: float) -> float:
    """Squared error of latents in squared steps."""
    levels, _ = coefficients_of(latents, step)
    return sum(
        float(np.square(levels[i][key] - values).sum(dtype=np.float64)) / step**2
        for i, bands in enumerate(coefficients[0])
        for key, values in bands.items()
    )


def _guess(work: Work, room: float) -> float:
    """A step for a budget in bytes, by the estimate on one brick."""
    middle = len(work.grid) // 2
    share = float(work.grid.voxels[middle] / work.grid.voxels.sum())
    return stated(_solved([work.coefficients[middle]], 8 * room * share))


def _solved(bricks: list[Coefficients], bits: float) -> float:
    """The step for which the estimates of bricks come to so many bits, to 5 %."""
    low, high = 1.0, 1e5
    while high / low > 1.05:
        middle = math.sqrt(low * high)
        if sum(estimate(levels, middle) for levels, _ in bricks) > bits:
            low = middle
        else:
            high = middle
    return math.sqrt(low * high)
