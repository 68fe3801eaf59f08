"""Which lifting along T and Z an image gets: an estimate of all, and a trial of the best few."""

from __future__ import annotations

import math

import numpy as np

from inif.bricks import BrickGrid
from inif.decode.latent import TABLES
from inif.encode.job import Job
from inif.fields.parallel import in_order
from inif.latent.layout import SCALE, sizes_of, to_five
from inif.latent.plan import CDF97, HAAR, Plan, plane_levels
from inif.latent.stream import Coder, Latents, Rates, coefficients_of
from inif.latent.tables import load
from inif.latent.transform import Bands, analyse

PRICE, PLANE_PRICE = 0.1, 0.08
"""λ in squared steps per bit, of stacks and series, and of planes. Chosen in a study on the
development images: from 0.06 to 0.13 the sizes differ by less than 2 %."""

_TRIED = 3
"""Plans that are tried, of those that the estimate likes best."""

_SAMPLE = 1 << 20
"""Voxels on which plans are tried."""

SPREAD = 4
"""Bricks by which a plan's step is estimated."""

_PER_OCTAVE = 1.6
"""Bits that a latent takes for each factor of two in 1 + (c/step)², its place included."""

Coefficients = tuple[list[Bands], np.ndarray]


def chosen_plan(job: Job, grid: BrickGrid) -> tuple[tuple[int, int], tuple[int, int]]:
    """Levels and kinds of lifting along T and Z: the best of a few tried on part of a brick."""
    _, times, depths, _, _ = sizes_of(job.image.axes, grid.brick)
    if len(only := candidates(times, depths)) == 1:
        return only[0]
    spread = np.linspace(0, len(grid) - 1, min(len(grid), SPREAD)).astype(int)
    bricks = [scaled(job, grid, int(b)) for b in spread]
    crop = part_of(bricks[len(bricks) // 2])
    sizes = crop.shape
    plans = [
        Plan((*sizes,), (*levels, plane_levels(sizes)), kinds)
        for levels, kinds in candidates(sizes[1], sizes[2])
    ]
    made = [analyse(crop, plan) for plan in plans]
    ratio = job.target.ratio if job.target and job.target.ratio else 128.0
    whole = [analyse(x, Plan((*x.shape,), (0, 0, plane_levels(x.shape)))) for x in bricks]
    voxels = sum(x.size for x in bricks)
    step = solved(whole, 8 * job.image.data.dtype.itemsize * voxels / ratio)
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


def solved(bricks: list[Coefficients], bits: float) -> float:
    """The step for which the estimates of bricks come to so many bits, to 5 %."""
    low, high = 1.0, 1e5
    while high / low > 1.05:
        middle = math.sqrt(low * high)
        if sum(estimate(levels, middle) for levels, _ in bricks) > bits:
            low = middle
        else:
            high = middle
    return math.sqrt(low * high)
