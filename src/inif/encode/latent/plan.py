"""Which lifting along T and Z an image gets, and which step its bits: estimates, and few trials.

The estimate of a number of bits is Σ log2(1 + (c/step)²) over the coefficients c, times a factor
that a trial on a sample gives.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from inif.bricks import BrickGrid
from inif.decode.latent_spec import TABLES
from inif.encode.job import Job
from inif.encode.rate.control import spread
from inif.fields.parallel import in_order
from inif.latent.decoder import Latents, coefficients_of
from inif.latent.layout import SCALE, coded_slices, to_five
from inif.latent.plan import CDF97, HAAR, Plan, plane_levels
from inif.latent.stream import Coder, Rates
from inif.latent.tables import load
from inif.latent.transform import Bands, analyse

_PRICE = 0.1
"""λ at which plans are compared, in squared steps per bit."""

_TRIED = 3
"""Plans that are tried, of those that the estimate likes best."""

_SAMPLE = 1 << 19
"""Voxels on which plans are tried."""

_EVERY = 5
"""Of so many coefficients one is looked at for an estimate."""

USUAL = 1.6
"""Bits for each of the estimate, before a trial says how many: a latent's place is included."""

_LEAST_BITS = 100.0
"""Of any brick."""

_CLASSES = 4096
"""Of magnitudes: sixteen for each factor of two."""

Coefficients = tuple[list[Bands], np.ndarray]


@dataclass(frozen=True)
class Chosen:
    """How an image is lifted.

    Attributes
    ----------
    levels, kinds
        Of lifting along T and Z.
    factor
        Bits for each of the estimate.
    step
        About the step of the target.
    """

    levels: tuple[int, int]
    kinds: tuple[int, int]
    factor: float
    step: float


def chosen_plan(job: Job, grid: BrickGrid) -> Chosen:
    """The best of a few ways of lifting that are tried on part of a brick."""
    crops = [part_of(scaled(job, grid, b)) for b in spread(grid)]
    ratio = job.target.ratio if job.target and job.target.ratio else 128.0
    flat = [analyse(x, Plan((*x.shape,), (0, 0, plane_levels(x.shape)))) for x in crops]
    voxels = sum(x.size for x in crops)
    bits = 8 * job.image.dtype.itemsize * voxels / ratio
    step = solved(np.sum([classes(levels) for levels, _ in flat], axis=0), bits / USUAL)
    return plan_at(crops[len(crops) // 2], step)


def plan_at(crop: np.ndarray, step: float, tried: int = _TRIED) -> Chosen:
    """The best way of lifting part of a brick, at a step.

    Parameters
    ----------
    crop
        (C, T, Z, Y, X) float32, from 0 to 65535 over each channel's range.
    tried
        How many ways are tried, of those that the estimate likes best.
    """
    sizes = crop.shape
    plans = [
        Plan((*sizes,), (*levels, plane_levels(sizes)), kinds)
        for levels, kinds in candidates(sizes[1], sizes[2])
    ]
    made = [analyse(crop, plan) for plan in plans]
    estimates = [estimate(classes(levels), step) for levels, _ in made]
    best = np.argsort(estimates, kind="stable")[:tried]
    model = load(TABLES)

    def cost(i: int) -> tuple[float, float]:
        rates = Rates(step, _PRICE)
        found = Coder(plans[i], model).encode(made[i], rates, writes=False)
        return found.bits * _PRICE + distortion(made[i], found.latents, step), found.bits

    costs = dict(zip(best, in_order(cost, [int(i) for i in best]), strict=True))
    won = min(costs, key=lambda i: costs[i][0])
    factor = costs[won][1] / max(estimates[won], 1.0)
    factor = min(max(factor, 0.2), 5.0)
    return Chosen(plans[won].levels[:2], plans[won].kinds, factor, step)


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
        if times >= 4 * t and depths >= 4 * z:
            out.append(((t, z), (kind_t, kind_z)))
    return out


def part_of(x: np.ndarray, most: int = _SAMPLE) -> np.ndarray:
    """The middle of an array (C, T, Z, Y, X), at most so many voxels: planes are cut first."""
    sizes = list(x.shape)
    while math.prod(sizes) > most:
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


def classes(levels: list[Bands]) -> np.ndarray:
    """How many coefficients there are of each class of magnitudes: (`_CLASSES`,) int64.

    A class is exponent and first four digits of a float32.
    """
    out = np.zeros(_CLASSES, np.int64)
    for bands in levels:
        for values in bands.values():
            some = values.reshape(-1)[::_EVERY].view(np.uint32)
            found = np.bincount((some >> 19) & (_CLASSES - 1), minlength=_CLASSES)
            out += np.rint(found * (values.size / max(some.size, 1))).astype(np.int64)
    return out


def estimate(counts: np.ndarray, step: float) -> float:
    """Bits that coefficients of such classes would take, but for a factor."""
    middles = ((np.arange(_CLASSES, dtype=np.uint32) << 19) + (1 << 18)).view(np.float32)
    usual = middles < 1e12  # no coefficient is larger, and none is no number
    ratio = middles[usual].astype(np.float64) / step
    return float(counts[usual] @ np.log2(1 + ratio * ratio))


def distortion(coefficients: Coefficients, latents: Latents, step: float) -> float:
    """Squared error of latents in squared steps."""
    levels, _ = coefficients_of(latents, step)
    return sum(
        float(np.square(levels[i][key] - values).sum(dtype=np.float64)) / step**2
        for i, bands in enumerate(coefficients[0])
        for key, values in bands.items()
    )


def samples_of(job: Job, grid: BrickGrid, brick: int) -> np.ndarray:
    """The samples that are coded for a brick, (C, T, Z, Y, X), of the image's dtype."""
    axes = job.image.axes
    return to_five(job.coded.read(coded_slices(axes, grid, brick)), axes)


def scaled(job: Job, grid: BrickGrid, brick: int) -> np.ndarray:
    """What is coded for a brick, 0 … 65535 over each channel's range: (C, T, Z, Y, X) float32."""
    channels = grid.channels(brick, job.image.axes.find("C"))
    return on_scale(job, samples_of(job, grid, brick), channels)


def on_scale(job: Job, five: np.ndarray, channels: range) -> np.ndarray:
    """Samples of some channels, (C, T, Z, Y, X), as they are coded: float32."""
    out = np.empty(five.shape, np.float32)
    for i, channel in enumerate(channels):
        low, high = job.intensities.ranges[channel]
        factor = 2 * SCALE / ((high - low) or 1.0)
        if five.dtype.kind in "iu" and five.dtype.itemsize <= 2:  # exact but for the factor
            np.subtract(five[i], np.float32(low), out=out[i], dtype=np.float32)
            out[i] *= np.float32(factor)
        else:
            out[i] = (five[i] - low) * factor
    return out


def solved(counts: np.ndarray, bits: float) -> float:
    """The step for which the estimate comes to so many bits, to 1 %."""
    low, high = 1.0, 1e5
    while high / low > 1.01:
        middle = math.sqrt(low * high)
        if estimate(counts, middle) > bits:
            low = middle
        else:
            high = middle
    return math.sqrt(low * high)


def plane_estimate(job: Job, grid: BrickGrid, chosen: Chosen) -> np.ndarray:
    """Bits that each brick takes beside the others, by a look at a few of its planes: (bricks,)."""
    axes = job.image.axes

    def one(brick: int) -> float:
        where = list(coded_slices(axes, grid, brick))
        for i, axis in enumerate(axes):
            if axis in "TZ":
                middle = (where[i].start + where[i].stop) // 2
                where[i] = slice(middle, middle + 1)
        five = to_five(job.coded.read(tuple(where)), axes)
        x = on_scale(job, five, grid.channels(brick, axes.find("C")))
        levels, _ = analyse(x, Plan((*x.shape,), (0, 0, plane_levels(x.shape))))
        share = x.size / float(grid.voxels[brick])
        return estimate(classes(levels), chosen.step) / share + _LEAST_BITS

    return np.array(list(in_order(one, range(len(grid)))))
