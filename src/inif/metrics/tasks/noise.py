"""The task ``noise``: does what was removed look like noise? Denoising by compression, as such.

A codec that smooths a noisy image may make it better, or take structure along with the noise. Which
of the two it was shows in the residual, original less decoded: noise is no stronger than the noise
of the original (`inif.metrics.noise`), follows nothing in the image, and is as strong in one place
and at one fineness as its model says. What exceeds that, anywhere, is structure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from inif.metrics.detail import correlation
from inif.metrics.noise import NoiseModel, estimate, local_mean
from inif.metrics.spectrum import MIN_SIDE
from inif.metrics.structure import most_of_noise
from inif.metrics.tasks.task import Figure, Figures, Unit, length, require_planes, share

TILE = 8
"""Side of the squares whose cosine transforms say where and how fine the residual is."""

TOLERANCE = 1.3
"""Variance over the model's that is still noise: a deviation is known to 10 to 15 %."""

LIKE_NOISE, MIXED = 0.95, 0.5
"""Scores from which the residual looks like noise, and like noise in part."""

FOLLOWS = 0.1
"""Correlation from which the residual is said to follow the image."""

HARDLY = 0.1
"""Deviation of the residual over that of the noise below which nothing much was removed."""

_SIGMAS = 3.0
_NORMAL = 3.09  # standard deviations that one in a thousand exceeds
_LAGS = "ZYX"
_SUMS = 6  # n, a, b, aa, bb, ab

Sums = tuple[float, float, float, float, float, float]


@dataclass(frozen=True)
class Removed:
    """Sums over the residual of a unit; deviations are in those of the noise's model.

    Attributes
    ----------
    model
        Of the noise; None where it cannot be estimated: then only the first four sums are there.
    samples, total, squares
        Number of samples, sum and sum of squares of the residual, counts.
    level, steep
        `Sums` of deviation and local mean of the decoded image, and of the deviation's magnitude
        and that mean's gradient.
    lags
        `Sums` of neighbouring deviations along Z, Y and X.
    noise
        Sum of the model's variance, counts².
    beyond
        Samples that deviate by more than three.
    power
        (8, 8) sum over tiles of the squared cosine coefficients, rows and columns by frequency.
    tiles
        How many.
    excess
        Sum over tiles of the power that noise does not explain there.
    """

    model: NoiseModel | None
    samples: int
    total: float
    squares: float
    level: np.ndarray
    steep: np.ndarray
    lags: np.ndarray
    noise: float
    beyond: int
    power: np.ndarray
    tiles: int
    excess: float


def cosine(side: int = TILE) -> np.ndarray:
    """The orthonormal cosine transform (DCT-II) as a matrix: (frequencies, samples)."""
    k = np.arange(side)
    out: np.ndarray = math.sqrt(2 / side) * np.cos(np.pi * k[:, None] * (k + 0.5) / side)
    out[0] /= math.sqrt(2)
    return out


def rings(side: int = TILE) -> np.ndarray:
    """Ring of each coefficient, 0 … side - 1, in steps of 1 / (2 side) cycles/pixel: (side, side).

    The corners, finer than 0.5 cycles/pixel, are in the last ring.
    """
    k = np.arange(side)
    return np.minimum(np.rint(np.hypot(k[:, None], k)), side - 1).astype(np.int64)


_BANDS = tuple((rings() >= low) & (rings() <= high) for low, high in ((0, 1), (2, 3), (4, TILE)))


@dataclass(frozen=True)
class NoiseTask:
    """How much of what was removed the noise of the original explains."""

    name: str = "noise"
    dims: int = 3

    @property
    def about(self) -> str:
        """What is compared, and how."""
        return (
            "What was removed (original - decoded) against the noise of the original, which is "
            "estimated from it: variance = gain · level + variance at 0, no correlation between "
            "pixels. Score: share of the removed power that such noise explains, everywhere in "
            "the image and at every fineness."
        )

    def ready_for(self, axes: str, shape: tuple[int, ...]) -> NoiseTask:
        """Itself.

        Raises
        ------
        InputError
            The planes are too small.
        """
        require_planes(axes, shape, MIN_SIDE, "to tell noise")
        return self

    def reference(self, unit: Unit) -> tuple[NoiseModel | None, np.ndarray]:
        """The noise, and the original as planes: (Z, Y, X)."""
        return estimate(unit.original), unit.original.reshape(-1, *unit.original.shape[-2:])

    def compare(
        self, reference: tuple[NoiseModel | None, np.ndarray], decoded: np.ndarray
    ) -> Removed:
        """Sums over the residual."""
        model, original = reference
        total, squares, noise, beyond, tiles, excess = 0.0, 0.0, 0.0, 0, 0, 0.0
        level, steep, lags = np.zeros(_SUMS), np.zeros(_SUMS), np.zeros((len(_LAGS), _SUMS))
        power, before = np.zeros((TILE, TILE)), None
        for a, b in zip(original, decoded.reshape(original.shape), strict=True):
            residual = a.astype(np.float64) - b
            total += float(residual.sum())
            squares += float(np.square(residual).sum())
            if model is None:
                continue
            variance = np.maximum(model.variance(local_mean(a)), _least(original.dtype))
            noise += float(variance.sum())
            z = residual / np.sqrt(variance)
            beyond += int(np.count_nonzero(np.abs(z) > _SIGMAS))
            mean = local_mean(b)
            level += sums(z, mean)
            steep += sums(np.abs(z), np.hypot(*np.gradient(mean)))
            pairs = [(z[:-1], z[1:]), (z[:, :-1], z[:, 1:])]
            for lag, pair in zip((1, 2), pairs, strict=True):
                lags[lag] += sums(*pair)
            if before is not None:
                lags[0] += sums(before, z)
            before = z
            coefficients = np.square(spectra(z))
            power += coefficients.sum(axis=0)
            tiles += len(coefficients)
            excess += unexplained(coefficients)
        return Removed(
            *(model, original.size, total, squares, level, steep, lags),
            *(noise, beyond, power, tiles, excess),
        )

    def figures(self, parts: Sequence[Removed]) -> Figures:
        """Figures of the residual of all units together that have an estimate of their noise."""
        known = [(p, p.model) for p in parts if p.model is not None]
        n, samples = sum(p.samples for p, _ in known), sum(p.samples for p in parts)
        judged = [p for p, _ in known] or parts
        squares, total = sum(p.squares for p in judged), sum(p.total for p in judged)
        count = n or samples
        deviation = math.sqrt(max(0.0, squares / count - (total / count) ** 2))
        noise = math.sqrt(sum(p.noise for p, _ in known) / n) if n else None
        score = explained([p for p, _ in known]) if n else None
        score = 1.0 if squares == 0 else score
        level, steep = (
            correlation(*_pooled([getattr(p, k) for p, _ in known])) for k in ("level", "steep")
        )
        lags = [correlation(*_pooled([p.lags[i] for p, _ in known])) for i in range(len(_LAGS))]
        ratio = deviation / noise if noise else None
        words = verdict(squares, ratio, score, level, steep)
        gain, at_zero = (
            sum(p.samples * getattr(m, k) for p, m in known) / n if n else None
            for k in ("gain", "at_zero")
        )
        used = sum(p.samples * m.used for p, m in known) / samples
        rows = (
            Figure("verdict", "What was removed", None, words),
            share("ratio", "Its deviation over that of the noise", ratio),
            length("removed_std", "Its standard deviation", deviation, "counts"),
            length("noise_std", "Standard deviation of the noise", noise, "counts"),
            length("gain", "Gain of the noise", gain, "counts"),
            length("variance_at_zero", "Variance of the noise at 0", at_zero, "counts²"),
            share("level_correlation", "Correlation with the decoded level", level),
            share("gradient_correlation", "Correlation of its size with the gradient", steep),
            share("flatness", "Flatness of its spectrum", flatness([p for p, _ in known])),
            *(
                share(f"lag1_{a.lower()}", f"Correlation of neighbours along {a}", value)
                for a, value in zip(_LAGS, lags, strict=True)
            ),
            Figure(
                "beyond_3_sigma",
                "Beyond 3 σ (noise: 0.27 %)",
                *_shown(sum(p.beyond for p, _ in known) / n if n else None),
            ),
            share("used", "Share of samples that show noise", used),
        )
        return Figures(score, rows, {"verdict": words})


def sums(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """What a correlation of two arrays needs: n and sums of a, b, a², b² and a·b; (6,)."""
    return np.array([a.size, a.sum(), b.sum(), np.vdot(a, a), np.vdot(b, b), np.vdot(a, b)])


def spectra(plane: np.ndarray) -> np.ndarray:
    """Cosine coefficients of all whole tiles of a (Y, X) plane: (tiles, 8, 8)."""
    rows, columns = (n // TILE for n in plane.shape)
    tiles = plane[: rows * TILE, : columns * TILE].reshape(rows, TILE, columns, TILE)
    turn = cosine()
    out: np.ndarray = turn @ tiles.transpose(0, 2, 1, 3).reshape(-1, TILE, TILE) @ turn.T
    return out


def unexplained(power: np.ndarray) -> float:
    """Power above 1 of the bands of tiles that exceed noise by more than chance and tolerance.

    Parameters
    ----------
    power
        (tiles, 8, 8) squared coefficients; of noise, 1 on average.
    """
    found = 0.0
    for band in _BANDS:
        n = int(band.sum())
        means = power[:, band].mean(axis=1)
        strong = means > TOLERANCE * most_of_noise(n, _NORMAL)
        found += n * float((means[strong] - 1).sum())
    return found


def explained(parts: Sequence[Removed]) -> float:
    """Share of the residual's power that noise explains: in every tile, and over all tiles."""
    tiles = sum(p.tiles for p in parts)
    power = np.sum([p.power for p in parts], axis=0)
    everywhere = power / tiles
    strong = everywhere > TOLERANCE * most_of_noise(tiles, _NORMAL)
    excess = max(sum(p.excess for p in parts), tiles * float((everywhere[strong] - 1).sum()))
    total = float(power.sum())
    return 1 - excess / total if total else 1.0


def flatness(parts: Sequence[Removed]) -> float | None:
    """Geometric over arithmetic mean of the power on rings: 1 for white noise; None for nothing."""
    tiles = sum(p.tiles for p in parts)
    if not tiles:
        return None
    power = np.sum([p.power for p in parts], axis=0).ravel()
    ring = rings().ravel()
    means = np.bincount(ring, power) / np.bincount(ring) / tiles
    if not means.max() > 0:
        return None
    means = np.maximum(means / means.mean(), 1e-12)
    return float(np.exp(np.log(means).mean()))


def verdict(
    squares: float,
    ratio: float | None,
    score: float | None,
    level: float | None,
    steep: float | None,
) -> str:
    """The figures in words; the criterion is in docs/metrics.md, "Tasks"."""
    if squares == 0:
        return "nothing: every sample is exact"
    if score is None or ratio is None:
        return "cannot be said: the noise of the original cannot be estimated"
    follows = abs(level or 0.0) > FOLLOWS or (steep or 0.0) > FOLLOWS
    if score < MIXED:
        return "mostly structure"
    if score < LIKE_NOISE or (follows and ratio >= HARDLY):
        return "partly structure"
    return "hardly anything" if ratio < HARDLY else "looks like noise"


def _least(dtype: np.dtype) -> float:
    """Least variance of a sample: that of rounding; of floats, next to nothing."""
    return 1 / 12 if dtype.kind in "iu" else 1e-30


def _pooled(parts: Sequence[np.ndarray]) -> Sums:
    n, a, b, aa, bb, ab = (float(v) for v in np.sum([np.zeros(_SUMS), *parts], axis=0))
    return n, a, b, aa, bb, ab


def _shown(value: float | None) -> tuple[float | None, str]:
    return value, "-" if value is None else f"{100 * value:.3g} %"
