"""Guides in a hybrid: coefficients of the repair that serve an analysis, for a little PSNR.

A repair is linear in its coefficients, so the squared error is a known bowl around its solution by
least squares, and a guide needs no more than its derivative by the decoded samples. Coefficients
move where the guides fall fastest, as far as a fixed loss of PSNR allows. The file format and
decoders know nothing of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np

from inif.bricks import BrickGrid
from inif.encode.hybrid.repair import Pair, damped
from inif.encode.job import Job
from inif.fields.neighbourhood import CORE, Blocks, Surroundings, Volume
from inif.fields.parallel import one_blas_thread
from inif.fields.repair import STEP, Network, Repair
from inif.frames import sizes_of
from inif.guidance.boxes import Boxes
from inif.guidance.guide import Guidance, box_sides
from inif.guidance.guides import usable
from inif.guidance.perceptual import Perceptual

PRICE = 0.25
"""Decibels above the least squared error that guides may cost."""

PRICES_CLEAN = (PRICE, 1.0, 3.0)
"""The same where the guides know the scene without its noise, so that the error to the original
says little: that of these which serves them best. Files of a stated PSNR keep to the first."""

_SIDES = {2: {"Y": 256, "X": 256}, 3: {"Z": 12, "Y": 96, "X": 96}}
_SAMPLES, _LEAST_REGIONS = 1 << 19, 2
_ROUNDS, _DAMPING = 6, 0.5
_BLOCKS, _PLANES = 64.0, 100.0
"""How much shifted means count against squared error."""


def region_sides(
    depths: int, height: int, width: int, *, planar: bool = False
) -> Mapping[str, int] | None:
    """`inif.guidance.guide.box_sides` of a brick, of whole blocks of 2 × 2 samples."""
    sides = box_sides("ZYX", np.array([[depths, height, width]]), planar=planar, most=_SIDES)
    return sides and {a: n if a == "Z" else n // 2 * 2 for a, n in sides.items()}


@dataclass(frozen=True)
class Region:
    """Some of a channel that guides see, (Z, Y, X) or (Y, X) float32.

    Attributes
    ----------
    original, codec
        In values from 0 to 1.
    bases
        (K, …) what each coefficient adds.
    extras
        (guides, …) what guides need besides.
    """

    original: np.ndarray
    codec: np.ndarray
    bases: np.ndarray
    extras: np.ndarray


def _blocks(values: np.ndarray) -> np.ndarray:
    """Means of blocks of 8 × 8 (…, Y, X), the rest at the edges left out."""
    side = min(8, *values.shape[-2:])
    rows, columns = (n // side for n in values.shape[-2:])
    cut = values[..., : rows * side, : columns * side]
    means: np.ndarray = cut.reshape(*values.shape[:-2], rows, side, columns, side).mean((-3, -1))
    return means


@dataclass(frozen=True)
class Bowl:
    """The squared error around the coefficients by least squares.

    Attributes
    ----------
    best
        (size,) where it is least.
    least
        The mean squared error there.
    gram
        (size, size) what moving away costs: squared error, and the squared change of means of
        blocks and planes, which count more, because guides should not shift intensities.
    """

    best: np.ndarray
    least: float
    gram: np.ndarray

    @classmethod
    def of(cls, network: Network, regions: Sequence[Region], size: int) -> Bowl:
        """Measured on regions, for the first `size` coefficients."""
        k = network.bases
        gram, right, power, means = np.zeros((k, k)), np.zeros(k), 0.0, np.zeros((k, k))
        for region in regions:
            missing = (region.original - region.codec).ravel()
            flat, blocks = region.bases.reshape(k, -1), _blocks(region.bases).reshape(k, -1)
            planes = region.bases.mean((-2, -1)).reshape(k, -1)
            gram += flat @ flat.T / missing.size
            right += flat @ missing / missing.size
            power += float(missing @ missing) / missing.size
            means += _BLOCKS / blocks.shape[1] * (blocks @ blocks.T)
            means += _PLANES / planes.shape[1] * (planes @ planes.T)
        count = len(regions)
        gram, right, power, means = gram / count, right / count, power / count, means / count
        spread = network.spread[:, :size].astype(np.float64)
        turned = damped(spread.T @ gram @ spread)
        best = np.linalg.solve(turned, spread.T @ (right - gram @ network.mean))
        mix = network.mean + spread @ best
        least = power - float(2 * mix @ right - mix @ gram @ mix)
        return cls(best, max(least, 0.0), turned + spread.T @ means @ spread)

    def lowest_on_rim(self, slopes: np.ndarray, price: float) -> np.ndarray:
        """Where guides of these slopes (guides, size) are least, so many dB above the bottom.

        Each slope counts in the unit that the bowl gives it, so none needs a weight.
        """
        down = np.zeros_like(self.best)
        for slope in slopes:
            steepest = np.linalg.solve(self.gram, slope)
            size = float(slope @ steepest)
            down -= steepest / np.sqrt(size) if size > 0 else 0.0
        room = self.least * (10 ** (price / 10) - 1)
        size = float(down @ self.gram @ down)
        return self.best + down * np.sqrt(room / size) if size > 0 else self.best


@dataclass(frozen=True)
class Guided:
    """The guides of a hybrid.

    Attributes
    ----------
    guidance
        At least one guide.
    names
        As the user named them.
    axes
        Of the image.
    sides
        Of the regions that guides see.
    prices
        Decibels that they may cost; each is tried.
    """

    guidance: Guidance
    names: tuple[str, ...]
    axes: str
    sides: Mapping[str, int]
    prices: tuple[float, ...] = (PRICE,)

    @classmethod
    def of(cls, job: Job, grid: BrickGrid) -> Guided | None:
        """Those that were asked for; a warning for each guide that has nothing to say."""
        axes = job.image.axes
        extents = np.array([grid.extent(b) for b in range(len(grid))]).min(axis=0)
        _, _, depths, height, width = sizes_of(axes, tuple(int(n) for n in extents))
        sides = region_sides(depths, height, width)
        ranges = np.array(job.ranges, np.float64)
        guidance, names = usable(job.guides, job.image, ranges, sides)
        if guidance is None:
            return None
        sides = region_sides(depths, height, width, planar=guidance.planar)
        assert sides is not None
        clean = [isinstance(g, Perceptual) and g.registered for g in guidance.guides]
        sized = job.target is None or job.target.psnr is None
        prices = PRICES_CLEAN if all(clean) and sized else (PRICE,)
        return cls(guidance, names, axes, sides, prices)

    @property
    def price(self) -> float:
        """`PRICE`, for those who do not import JAX."""
        return PRICE

    @cached_property
    def losses(self) -> list[Callable[..., tuple[jax.Array, jax.Array]]]:
        """Loss and derivative of each guide, compiled once."""
        return [jax.jit(jax.value_and_grad(guide.loss)) for guide in self.guidance.guides]

    def repairs(
        self,
        network: Network,
        channels: Sequence[Pair],
        repairs: Sequence[Repair],
        origin: tuple[int, ...],
        first: int,
        most: int,
        share: float,
        seed: int,
    ) -> list[Repair]:
        """The repairs of a brick's channels with `most` coefficients each, those that serve guides.

        Parameters
        ----------
        repairs
            By least squares; their error codes and partners are kept.
        origin, first
            First sample of the brick along each axis of the image, and its first channel.
        share
            Of all the samples of regions that each channel of this brick gets, 0 to 1.
        """
        size = min(most, network.bases)
        if size == 0:
            return list(repairs)
        voxels = int(np.prod(list(self.sides.values())))
        wanted = max(_LEAST_REGIONS, round(share * _SAMPLES / voxels))
        out = []
        for c, (channel, repair) in enumerate(zip(channels, repairs, strict=True)):
            count = min(wanted, math.ceil(channel.target.size / voxels))
            partner = None if repair.partner is None else channels[repair.partner].volume
            rng = np.random.default_rng([seed, 3])
            with one_blas_thread():
                regions = [
                    self._region(network, channel, partner, origin, first + c, rng)
                    for _ in range(count)
                ]
                stated = self._descended(network, regions, size, first + c)
            whole = np.clip(np.rint(stated / STEP), -127, 127).astype(np.int64)
            out.append(Repair(repair.error_code, repair.partner, tuple(whole.tolist())))
        return out

    def _descended(
        self, network: Network, regions: Sequence[Region], size: int, channel: int
    ) -> np.ndarray:
        """What to state: the best of a few steps toward the rim of the bowl."""
        bowl = Bowl.of(network, regions, size)
        spread = network.spread[:, :size].astype(np.float64)

        def measured(stated: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            """(guides,) losses and (guides, size) slopes, summed over regions."""
            mix = (network.mean + spread @ stated).astype(np.float32)
            values = np.zeros(len(self.losses))
            slopes = np.zeros((len(self.losses), size))
            for region in regions:
                decoded = (region.codec + np.tensordot(mix, region.bases, 1)).clip(0, 1)
                given = jnp.asarray(decoded), jnp.asarray(region.original), jnp.int32(channel)
                for i, loss in enumerate(self.losses):
                    value, slope = loss(*given, jnp.asarray(region.extras[i]))
                    by_sample = np.nan_to_num(np.asarray(slope))
                    values[i] += float(value)
                    slopes[i] += spread.T @ np.tensordot(region.bases, by_sample, by_sample.ndim)
            return values, slopes

        best, least = bowl.best, 1.0
        first, downhill = measured(best)
        for price in self.prices:
            stated, slopes = bowl.best, downhill
            for _ in range(_ROUNDS):
                stated = stated + _DAMPING * (bowl.lowest_on_rim(slopes, price) - stated)
                values, slopes = measured(stated)
                ratio = float(np.mean(values / np.where(first > 0, first, 1)))
                if ratio < least:
                    least, best = ratio, stated
        return best

    def _region(
        self,
        network: Network,
        channel: Pair,
        partner: Volume | None,
        origin: tuple[int, ...],
        number: int,
        rng: np.random.Generator,
    ) -> Region:
        """A region of a brick's channel, at random."""
        times, depths, height, width = channel.target.shape
        deep, rows, columns = self.sides.get("Z", 1), self.sides["Y"] // 2, self.sides["X"] // 2
        t, z = int(rng.integers(times)), int(rng.integers(depths - deep + 1))
        top = int(rng.integers(height // 2 - rows + 1))
        left = int(rng.integers(width // 2 - columns + 1))
        blocks = Blocks(top, top + rows, left, left + columns)
        planes = []
        for depth in range(z, z + deep):
            x, unit = Surroundings.of(channel.volume, partner, t, depth, blocks).inputs(blocks)
            values = network.basis_values(x) * np.sqrt(unit * np.float32(channel.volume.error))
            whole = np.empty((network.bases, rows, 2, columns, 2), np.float32)
            for sample, (dy, dx) in enumerate(CORE):
                whole[:, :, dy, :, dx] = values[sample].reshape(-1, rows, columns)
            planes.append(whole.reshape(-1, 2 * rows, 2 * columns))
        key = (
            t,
            slice(z, z + deep),
            slice(2 * top, 2 * (top + rows)),
            slice(2 * left, 2 * (left + columns)),
        )
        codec = channel.volume.levels[key] * np.float32(1 / channel.volume.peak)
        original, bases = channel.target[key], np.stack(planes, 1)
        if "Z" not in self.sides:
            codec, original, bases = codec[0], original[0], bases[:, 0]
        starts = {"T": t, "Z": z, "Y": 2 * top, "X": 2 * left}
        extras = self.guidance.extras(self.boxes(origin, starts, number))[:, 0]
        return Region(original, codec, bases, extras.reshape(-1, *original.shape))

    def boxes(self, origin: tuple[int, ...], starts: Mapping[str, int], channel: int) -> Boxes:
        """A region as guides of pure fields know it: one box, its voxels in the order Z, Y, X."""
        lengths = tuple(self.sides.get(a, 1) for a in "TZYX")
        steps = dict(zip("TZYX", np.indices(lengths).reshape(4, -1), strict=True))
        voxels = len(steps["X"])
        return Boxes(
            tuple(self.sides.get(a, 1) for a in self.axes),
            np.zeros((1, voxels, 0), np.float32),
            np.zeros((1, voxels, 1), np.float32),
            np.array([channel]),
            tuple(
                (origin[i] + starts[a] + steps[a])[None]
                for i, a in enumerate(self.axes)
                if a != "C"
            ),
        )
