"""Weights of the magnitude that a latent's neighbours let expect, by least squares."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from examples import Example
from scipy.optimize import nnls

from inif.latent.bands import Band
from inif.latent.decoder import parent_of_band
from inif.latent.plan import Level
from inif.latent.reference.contexts import ABOVE, BESIDE, Surroundings
from inif.latent.transform import Bands

NEIGHBOURS = 17
PER_BAND = 2000
"""Places that are looked at in each band of each example."""

FEWEST, MOST = 3000, 200_000
"""Places that a fit needs, and takes."""


def places(latents: np.ndarray, side: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Some of the places that are coded: those in blocks that are not empty."""
    planes, height, width = latents.shape
    down, across = -(-height // side), -(-width // side)
    padded = np.zeros((planes, down * side, across * side), bool)
    padded[:, :height, :width] = latents != 0
    blocks = padded.reshape(planes, down, side, across, side).any((2, 4))
    found = np.argwhere(blocks)
    if not len(found):
        return (np.zeros(0, np.int64),) * 3
    i, by, bx = found[rng.integers(0, len(found), PER_BAND)].T
    y, x = (b * side + rng.integers(0, side, PER_BAND) for b in (by, bx))
    inside = (y < height) & (x < width)
    return i[inside], y[inside], x[inside]


def samples_of_level(
    grid: Level, latents: Bands, done: list[Bands], rng: np.random.Generator
) -> list[np.ndarray]:
    """(places, 2 + 17): row of the weights, magnitude and neighbours, for each band."""
    c, t, z, y, x = grid.largest
    sums = np.zeros((c * t * z + 2, y + 2, x + 2), np.int16)
    out = []
    for band in grid.bands:
        q = latents[band.key].reshape(band.shape)
        out.append(samples_of_band(grid.number, band, q, parent_of_band(band, done), sums, rng))
        _, height, width = band.shape
        part = sums[band.sibling_of, 1 : height + 1, 1 : width + 1]
        sums[band.sibling_of, 1 : height + 1, 1 : width + 1] = np.minimum(part + np.abs(q), 255)
    return out


def samples_of_band(
    level: int,
    band: Band,
    latents: np.ndarray,
    parent: np.ndarray | None,
    sums: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """The samples of one band."""
    around = Surroundings(band.shape, band.earlier, parent, band.parent_of, sums, band.sibling_of)
    _, height, width = band.shape
    inner = (slice(-1), slice(ABOVE, ABOVE + height), slice(BESIDE, BESIDE + width))
    around.latents[inner] = np.clip(latents, -32767, 32767)
    i, y, x = places(latents, band.side, rng)
    columns = [np.full(len(i), min(level, 3) * 8 + band.kind), np.abs(latents[i, y, x])]
    columns += [*around.neighbours(i, y, x), np.ones(len(i))]
    return np.stack(columns, 1).astype(np.float32)


def samples(example: Example, rng: np.random.Generator) -> np.ndarray:
    """Samples of an example."""
    out: list[np.ndarray] = []
    done: list[Bands] = []
    for grid, bands in zip(example.plan.grids, example.latents.levels, strict=True):
        out += samples_of_level(grid, bands, done, rng)
        done.append(bands)
    return np.concatenate(out)


def weights(parts: Sequence[np.ndarray]) -> np.ndarray:
    """(32, 17) int32 in 1/256: non-negative least squares, relative to what is expected."""
    rows = np.concatenate(parts)
    rng = np.random.default_rng(0)
    of_all = fitted(rows[rng.permutation(len(rows))[:MOST]])
    out = []
    for k in range(32):
        own = rows[rows[:, 0] == k]
        own = own[rng.permutation(len(own))[:MOST]]
        out.append(fitted(own) if len(own) >= FEWEST else of_all)
    return np.rint(np.array(out) * 256).astype(np.int32)


def fitted(rows: np.ndarray) -> np.ndarray:
    """Weights of the neighbours for one set of samples."""
    y = np.minimum(rows[:, 1].astype(np.float64), 30)
    x = np.minimum(rows[:, 2:].astype(np.float64), 60)
    expected = np.full(len(y), y.mean())
    out = np.zeros(NEIGHBOURS)
    for _ in range(4):
        relative = x / (expected + 0.05)[:, None]
        normal = relative.T @ x + np.eye(NEIGHBOURS) * len(y) * 1e-5
        normal = (normal + normal.T) / 2
        root = np.linalg.cholesky(normal)
        out, _ = nnls(root.T, np.linalg.solve(root, relative.T @ y))
        expected = x @ out + 0.01
    return out
