"""A latent field with corrections, so that no sample is off by more than a bound.

The field alone says what can be foretold; what is then still off by more than the bound is noise,
mostly, and takes bits by the sample. How fine the field is, is tried on a sample of each channel.
What this way cannot hold, or would take more bytes for, is stored exactly: that holds any bound.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import numpy as np

from inif.bricks import BrickGrid
from inif.coding import leb128
from inif.config import Window
from inif.container.spec import CORRECTIONS
from inif.container.writer import Packed
from inif.decode import apart
from inif.decode.brick import Intensities
from inif.decode.check import check_of, little_endian
from inif.decode.corrections import ALONE, FOLDED, KIND, SIGNED, Base, Widths, slabs
from inif.decode.latent import FEATURE
from inif.decode.latent_samples import outputs_of
from inif.decode.latent_spec import TABLES, LatentSpec
from inif.encode.advice import AS_SMALL, estimate
from inif.encode.job import Job
from inif.encode.latent.coder import PLANE_PRICE, PRICE, LatentCoder
from inif.encode.latent.plan import USUAL, classes, part_of, solved
from inif.encode.lossless import encode_lossless
from inif.encode.rate.coder import Coded
from inif.encode.record import errors_of, facts, totals, with_record
from inif.fields.parallel import in_order
from inif.image import BOUNDED_DTYPES, LazyImage, Region
from inif.latent import corrections
from inif.latent.layout import SCALE, from_five, to_five
from inif.latent.plan import Plan, plane_levels
from inif.latent.sections import COARSE, FINE
from inif.latent.stream import Coder, Rates
from inif.latent.tables import load
from inif.latent.transform import analyse
from inif.outliers import Outliers

_MOST_WIDTHS = 1 << 18
"""In a channel's range, so that corrections stay below `corrections.MOST`."""

_ULPS = 4
"""A bound is at least so many units in the last place of the largest sample."""

_LARGEST, _SMALLEST = 1e30, 1e-30
"""Of the magnitudes of samples, and of their range."""

_SAMPLE, _LEAST = 1 << 18, 1 << 15
"""Voxels on which steps are tried, of all channels together, and at least of one."""

_FIELD_BITS = 0.2
"""Per voxel: about what the best field takes, where the search for it begins."""

_MOST_MOVES = 6
_COARSEST = 1e6
"""The step of a field that says next to nothing."""

_MOST_FINER = 20
"""Octaves by which the step of a channel may be below that of another."""

_ALSO = 2
"""How many times the memory of a latent field a brick takes, while it is corrected too."""

_KINDS = (COARSE, FINE, KIND)
"""Of sections, in the order of the file."""


@dataclass(frozen=True)
class Bounds:
    """What is asked for of each channel.

    Attributes
    ----------
    errors
        The largest error allowed, of the samples' type.
    widths
        Of corrections: errors of half a width are allowed, or all but.
    """

    errors: tuple[float | int, ...]
    widths: tuple[float | int, ...]


def encode_bound(job: Job) -> Packed:
    """The smallest file found in which no sample is off by more than the target's bound.

    Raises
    ------
    KeyboardInterrupt
        Ctrl-C.
    """
    bounds = bounds_of(job)
    if (why := unfit(job, bounds)) is not None:
        return _exact(job, why if any(bounds.errors) else None)
    data = _corrected(job, bounds)
    if data is None:
        return _exact(job, "too many samples are no numbers or have too few digits for the bound")
    if any(bounds.errors) and estimate(job.image) > AS_SMALL * data.size:
        return data
    exact = encode_lossless(job)
    return data if data.size < exact.size else exact


def bounds_of(job: Job) -> Bounds:
    """The bound of each channel, in the samples' unit."""
    target, dtype = job.target, job.image.dtype
    assert target is not None
    errors: list[float | int] = []
    widths: list[float | int] = []
    for low, high in job.ranges:
        share = target.max_error_share
        error = float(target.max_error or 0) if share is None else share * (float(high) - low)
        if dtype.kind != "f":
            error = min(math.floor(error), int(high) - int(low))
            errors.append(error)
            widths.append(2 * error + 1)
            continue
        ulp = float(np.spacing(np.array(max(abs(low), abs(high)), dtype)))
        errors.append(error)
        widths.append(2 * (error - ulp) if error > ulp else ulp or 1.0)
    return Bounds(tuple(errors), tuple(widths))


def unfit(job: Job, bounds: Bounds) -> str | None:
    """Why an image of these bounds cannot be a latent field with corrections; None if it can."""
    dtype = job.image.dtype
    if dtype.name not in BOUNDED_DTYPES:
        return f"samples of type {dtype.name} are not bounded otherwise"
    if not job.varied:
        return "there is nothing to leave out"
    for (low, high), error, width in zip(job.ranges, bounds.errors, bounds.widths, strict=True):
        if low == high:
            continue
        span, largest = float(high) - float(low), max(abs(float(low)), abs(float(high)))
        if largest > _LARGEST or span < _SMALLEST:
            return f"a range from {low:g} to {high:g} is too large or too small for the bound"
        ulp = float(np.spacing(dtype.type(largest))) if dtype.kind == "f" else 0.0
        if span > _MOST_WIDTHS * width or error < _ULPS * ulp:
            return f"a bound of {error:g} is too fine for a range from {low:g} to {high:g}"
    return None


def _exact(job: Job, why: str | None) -> Packed:
    """The very samples, and a remark on it where that is more than was asked for."""
    if why is not None:
        job.warn(f"the samples are kept exactly: {why}")
    return encode_lossless(job)


def _corrected(job: Job, bounds: Bounds) -> Packed | None:
    """The file by field and corrections; None where too many samples would have to be given."""
    job = _finite(job)
    coder = LatentCoder(job, job.image.raw_bytes, repairs=False)
    found = [
        _best(job, coder, bounds.widths[c], c) if low < high else (_COARSEST, SIGNED)
        for c, (low, high) in enumerate(job.ranges)
    ]
    knob = np.log2([2 * SCALE / step for step, _ in found])
    knob = np.minimum(knob, knob.min() + _MOST_FINER)
    widths = Widths(bounds.widths, tuple(way for _, way in found))
    header, extra = coder.header(knob)
    header |= {
        "field": header["field"] | widths.to_json(),
        "requires": [FEATURE, CORRECTIONS],
    }
    done: list[Coded] = []
    bricks, workers = range(len(coder.grid)), max(coder.workers // _ALSO, 1)

    def made(brick: int) -> Coded | None:
        return _made(job, coder, knob, bounds, widths, header, brick)

    for brick, one in enumerate(in_order(made, bricks, workers=workers)):
        if one is None:
            return None
        done.append(one)
        job.step("correct", brick + 1, len(bricks))
    header["lossy"]["bound"] = list(bounds.errors)
    sections = [section for one in done for section in one.sections]
    ordered = sorted(sections, key=lambda section: _KINDS.index(section.kind))
    record = facts(job, totals(job, coder.grid, [one.errors for one in done]))
    return with_record(header, [*extra, *ordered], record, Window(0, 0))


def _finite(job: Job) -> Job:
    """The job where what is coded has the lowest sample in place of what is no number."""
    image, low = job.coded, job.ranges[0][0]
    if image.dtype.kind != "f":
        return job

    def read(region: Region) -> np.ndarray:
        samples = image.read(region)
        return np.where(np.isfinite(samples), samples, samples.dtype.type(low))

    filled = LazyImage(image.axes, image.shape, image.dtype, read, image.meta, image.source)
    return replace(job, surveyed=replace(job.survey, image=filled))


def _made(
    job: Job,
    coder: LatentCoder,
    knob: np.ndarray,
    bounds: Bounds,
    widths: Widths,
    header: Mapping[str, Any],
    brick: int,
) -> Coded | None:
    """A brick decoded as every reader will, corrected and checked."""
    axes, channels = coder.axes, coder.channels(brick)
    where = coder.grid.slices(brick)
    original, wanted = job.image.read(where), job.coded.read(where)
    coded, five = coder.at(brick, knob)
    outputs = from_five(five, axes)
    steps, samples = np.empty(wanted.shape, np.int32), np.empty_like(wanted)
    for part in slabs(wanted.shape, axes):
        base = Base.of(outputs[part], channels, axes, job.intensities, widths)
        steps[part] = base.steps(wanted[part])
        samples[part] = base.corrected(steps[part])
    broken = broken_at(original, samples, bounds.errors, channels, axes)
    if len(broken) > apart.MAX_COUNT:
        return None
    given = b""
    if len(broken):
        values = original.reshape(-1)[broken]
        samples.flat[broken] = values
        given = apart.pack(Outliers(broken, values))
    stream, _ = corrections.encoded(to_five(steps, axes), five, TABLES)
    check = check_of(samples, header, brick, [little_endian(samples)])
    sections = *coder.kept(brick, coded, check), job.keep(KIND, leb128.join([given], stream), brick)
    finite = np.where(np.isfinite(samples), samples, wanted)
    size = sum(len(section.data) for section in sections)
    return Coded(sections, size, 1.0, errors_of(finite, wanted, channels, job))


def broken_at(
    wanted: np.ndarray,
    found: np.ndarray,
    errors: Sequence[float | int],
    channels: range,
    axes: str,
) -> np.ndarray:
    """Numbers, in C order, of the samples that are off by more than is allowed: int64, rising."""
    if wanted.dtype.kind == "f":
        with np.errstate(invalid="ignore", over="ignore"):
            off = np.abs(found.astype(np.float64) - wanted.astype(np.float64))
    else:
        off = np.abs(found.astype(np.int64) - wanted.astype(np.int64)).astype(np.float64)
    return np.flatnonzero(~(off <= _each(errors, channels, axes)))


def _each(values: Sequence[float | int], channels: range, axes: str) -> np.ndarray:
    """Of each channel of a brick, as it broadcasts against its samples; whole numbers stay so."""
    own = np.array(values)[channels.start : channels.stop]
    return own.reshape([-1 if a == "C" else 1 for a in axes]) if "C" in axes else own[0]


def _best(job: Job, coder: LatentCoder, width: float | int, channel: int) -> tuple[float, int]:
    """The step of a channel's field, and the way of its corrections, for the fewest bits."""
    five = _sample(job, coder.grid, channel)
    low, high = job.ranges[channel]
    values = ((five - np.float64(low)) * (2 * SCALE / (high - low))).astype(np.float32)
    sizes = values.shape
    spec = LatentSpec(1.0, _fitting(coder.chosen.levels, sizes), coder.chosen.kinds)
    plan = Plan((*sizes,), (*spec.levels, plane_levels(sizes)), spec.kinds)
    coefficients, one = analyse(values, plan), range(1)
    intensities = Intensities(np.array([[low, high]], np.float64), five.dtype)
    price = PRICE if math.prod(sizes[1:3]) > 1 else PLANE_PRICE

    @cache
    def field(step: float) -> tuple[np.ndarray, float]:
        _, latents, bits, _ = Coder(plan, load(TABLES)).encode(
            coefficients, Rates(step, price), writes=False
        )
        return outputs_of(replace(spec, step=step), latents, plan, one), bits

    def cost(step: float, way: int) -> float:
        outputs, bits = field(step)
        base = Base.of(outputs, one, "CTZYX", intensities, Widths((width,), (way,)))
        return bits + corrections.encoded(base.steps(five), outputs, TABLES, writes=False)[1]

    finest = 2 * SCALE * float(width) / (float(high) - float(low))
    bits = _FIELD_BITS * values.size / USUAL
    begin = math.log2(max(solved(classes(coefficients[0]), bits), finest))
    found = [
        (*_descent(partial(cost, way=way), begin, math.log2(_COARSEST)), way)
        for way in (FOLDED, ALONE)
    ]
    found.append((cost(2 ** found[0][1], SIGNED), found[0][1], SIGNED))
    _, best, way = min(found)
    job.step("trial", channel + 1, len(job.ranges))
    return float(2**best), way


def _descent(cost: Callable[[float], float], begin: float, most: float) -> tuple[float, float]:
    """The least cost(2**x), about, and x: by octaves from `begin`, half of one, or at `most`."""
    costs: dict[float, float] = {}

    def at(x: float) -> float:
        x = min(max(x, -9.0), most)
        if x not in costs:
            costs[x] = cost(2**x)
        return costs[x]

    best = min(begin, most)
    for move in (1.0, -1.0):
        for _ in range(_MOST_MOVES):
            if at(best + move) >= at(best):
                break
            best = min(max(best + move, -9.0), most)
    at(best + 0.5), at(best - 0.5), at(most)
    return min((value, x) for x, value in costs.items())


def _sample(job: Job, grid: BrickGrid, channel: int) -> np.ndarray:
    """Some samples of a channel, from the middle of a brick in the middle: (1, T, Z, Y, X)."""
    axes = job.image.axes
    axis = axes.find("C")
    own = [b for b in range(len(grid)) if channel in grid.channels(b, axis)]
    brick = own[len(own) // 2]
    five = to_five(job.coded.read(grid.slices(brick)), axes)
    first = channel - grid.channels(brick, axis).start
    return part_of(five[first : first + 1], max(_SAMPLE // len(job.ranges), _LEAST))


def _fitting(levels: tuple[int, int], sizes: tuple[int, ...]) -> tuple[int, int]:
    """Levels along T and Z of a sample, which may be shorter there."""
    t, z = (min(n, int(math.log2(s))) for n, s in zip(levels, sizes[1:3], strict=True))
    return t, z
