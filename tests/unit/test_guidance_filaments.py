"""Filaments: the mask of an independent NumPy version, gradients that can be trusted, patches."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from arithmetic import tolerance
from scipy import ndimage
from skimage.filters import threshold_otsu

from inif.errors import InputError
from inif.guidance import filaments
from inif.guidance.curvature import hessian, strongest
from inif.guidance.filaments import Filaments, Fixed, fix, hard, reach, response, soft
from inif.guidance.segmentation import iou_loss
from inif.guidance.smoothing import diffuse, gaussian, radius, steepness
from inif.guidance.threshold import otsu

pytestmark = pytest.mark.numerical

PLANE, STACK = (40, 44), (12, 22, 24)
FINE = Filaments(sigmas=(1.0,))


def threads(shape: tuple[int, ...], seed: int = 0, lines: int = 7) -> np.ndarray:
    """Blurred random lines with noise, as counts of a camera: float64."""
    rng = np.random.default_rng(seed)
    image = np.zeros(shape)
    for _ in range(lines):
        ends = rng.uniform(0, np.array(shape) - 1, (2, len(shape)))
        points = ends[0] + np.linspace(0, 1, 200)[:, None] * (ends[1] - ends[0])
        image[tuple(np.rint(points).astype(int).T)] += rng.uniform(0.5, 1)
    image = ndimage.gaussian_filter(image, 1.0)
    return 100 + 900 * image / image.max() + rng.normal(0, 5, shape)


# The filter once more, in float64, pixel by pixel as the papers put it.


def clipped(image: np.ndarray, original: np.ndarray, below: float, above: float) -> np.ndarray:
    mean, sd = original.mean(), original.std()
    low, high = mean - below * sd, mean + above * sd
    return (np.clip(image, low, high) - low) / (high - low)


def diffused(
    image: Any, squares: Any = None, iterations: int = 10, xp: Any = np
) -> tuple[Any, list[float]]:
    """Perona and Malik: each sample exchanges with its 2 D neighbours, edges repeated."""
    axes, shape = range(image.ndim), image.shape
    seen = []
    for iteration in range(iterations):
        wide = xp.pad(image, 2, mode="edge")

        def at(*moves: tuple[int, int], wide: Any = wide) -> Any:
            where = [2] * wide.ndim
            for axis, by in moves:
                where[axis] += by
            return wide[tuple(slice(w, w + n) for w, n in zip(where, shape, strict=True))]

        central = [(at((i, 1)) - at((i, -1))) / 2 for i in axes]
        seen.append(sum(c**2 for c in central).mean())
        m = seen[iteration] if squares is None else squares[iteration]
        change = xp.zeros_like(image)
        for i, sign in product(axes, (1, -1)):
            steep = at((i, sign)) - image
            square = steep**2
            for j in axes:
                if j != i:
                    there = (at((i, sign), (j, 1)) - at((i, sign), (j, -1))) / 2
                    square = square + ((central[j] + there) / 2) ** 2
            change = change + steep * xp.exp(-square / (2 * 1.2**2 * m))
        image = image + 0.0625 * change
    return image, seen


def each_sigma(sigma: float, z: float | None, axes: int) -> np.ndarray:
    sigmas = np.full(axes, sigma)
    if z is not None and z != 1 and axes == 3:
        sigmas[0] = max(sigma / z, min(0.5, sigma))
    return sigmas


def curvatures(image: np.ndarray, sigma: float, z: float | None = None) -> np.ndarray:
    """Eigenvalues, sorted by magnitude, weakest first."""
    sigmas = each_sigma(sigma, z, image.ndim)
    smooth = ndimage.gaussian_filter(image, sigmas, mode="nearest", truncate=3)
    slopes = np.gradient(smooth)
    rows = [[np.gradient(s, axis=a) for a in range(image.ndim)] for s in slopes]
    matrices = np.moveaxis(np.array(rows), (0, 1), (-2, -1)) * np.outer(sigmas, sigmas)
    return by_magnitude(np.linalg.eigvalsh(matrices))


def by_magnitude(values: np.ndarray) -> np.ndarray:
    return np.take_along_axis(values, np.abs(values).argsort(-1), -1)


def vesselness(values: np.ndarray, least: float, tau: float) -> np.ndarray:
    third, second = values[..., -1], values[..., -2 if values.shape[-1] == 3 else -1]
    rho = third.copy()
    rho[(third < 0) & (third > tau * least)] = tau * least
    apart = np.abs(rho - second)
    below = (2 * np.abs(second) + apart) ** 3
    out = 27 * second**2 * apart / np.where(below == 0, 1, below)
    out[second < rho / 2] = 1
    out[(second >= 0) | (third >= 0)] = 0
    return out


def by_the_book(
    image: np.ndarray, original: np.ndarray, settings: Filaments
) -> tuple[np.ndarray, list[float]]:
    """The response, and the minima of the original."""
    values, minima = by_radius(image, original, settings)
    found = [vesselness(v, m, settings.tau) for v, m in zip(values, minima, strict=True)]
    return np.max(found, axis=0), minima


def by_radius(
    image: np.ndarray, original: np.ndarray, settings: Filaments
) -> tuple[list[np.ndarray], list[float]]:
    """The curvatures of each radius, and the minima of the original."""
    first, squares = diffused(clipped(original, original, *settings.contrast))
    same, _ = diffused(clipped(image, original, *settings.contrast), squares)
    minima = [float(curvatures(first, s, settings.z)[..., -1].min()) for s in settings.sigmas]
    return [curvatures(same, s, settings.z) for s in settings.sigmas], minima


# What float32 may make of it.


def rounding(sigma: float, settings: Filaments, axes: int) -> float:
    """How far an eigenvalue may be from the exact one.

    The image is scaled to 0 … 1. Each iteration of the diffusion exchanges with 2 D neighbours, a
    Gaussian of radius r is 2 r + 1 products along an axis, its weights one exponential and a sum of
    r. An entry of the Hessian adds four smoothed values, σ² / 4 times; an eigenvalue is off by the
    norm of what the D² entries are off by, and by Jacobi's rotations.
    """
    sigmas = each_sigma(sigma, settings.z, axes)
    smoothing = sum(3 * radius(s) + 5 for s in sigmas)
    terms = 8 + settings.iterations * DIFFUSION[axes] + smoothing + JACOBI[axes]
    return tolerance(terms, axes * float(max(sigmas)) ** 2)


DIFFUSION = {axes: 4 * axes + 3 for axes in (1, 2, 3)}  # operations of one iteration
JACOBI = {2: 8, 3: 3 * 3 * 8}  # of all rotations


def range_of_responses(
    image: np.ndarray, original: np.ndarray, settings: Filaments
) -> tuple[np.ndarray, np.ndarray]:
    """Between what a response in float32 may be: where curvatures are next to nothing, anything."""
    found = []
    for values, least, sigma in zip(
        *by_radius(image, original, settings), settings.sigmas, strict=True
    ):
        off = rounding(sigma, settings, image.ndim)
        near = [
            vesselness(by_magnitude(values + off * np.array(signs)), least, settings.tau)
            for signs in product((-1, 0, 1), repeat=image.ndim)
        ]
        slack = 3.4 * off / abs(settings.tau * least)  # the steepest a response gets
        found.append((np.min(near, axis=0) - slack, np.max(near, axis=0) + slack))
    low, high = np.max(found, axis=0)
    return low, high


def steepest(settings: Filaments, fixed: Fixed, axes: int) -> float:
    """How much, relatively, a soft mask may be off."""
    return max(
        3.4 * rounding(s, settings, axes) / abs(settings.tau * m) / fixed.width
        for s, m in zip(settings.sigmas, fixed.minima, strict=True)
    )


@pytest.mark.parametrize(
    ("shape", "settings"),
    [
        (PLANE, Filaments(cutoff=0.01)),
        (PLANE, Filaments(sigmas=(1.0, 2.0), cutoff=0.3, tau=0.75)),
        pytest.param(STACK, Filaments(cutoff=0.01), marks=pytest.mark.slow),
        pytest.param(
            STACK, Filaments(sigmas=(1.0, 1.5), cutoff=0.1, z=1.8), marks=pytest.mark.slow
        ),
        (STACK, Filaments(cutoff=0.1, z=5.0)),
    ],
)
@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_the_mask_is_that_of_an_independent_version(
    shape: tuple[int, ...], settings: Filaments, seed: int
) -> None:
    original = threads(shape, seed)
    fixed = fix(original, settings)
    worse = ndimage.gaussian_filter(original, 0.7)
    for image in (original, worse):
        wanted, minima = by_the_book(image, original, settings)
        for own, minimum, sigma in zip(fixed.minima, minima, settings.sigmas, strict=True):
            assert own == pytest.approx(minimum, abs=rounding(sigma, settings, image.ndim))
        ours = np.asarray(hard(jnp.asarray(image, jnp.float32), fixed, settings))
        low, high = range_of_responses(image, original, settings)
        sure = (low > fixed.cutoff) | (high < fixed.cutoff)
        assert np.mean(~sure) < 1e-2
        np.testing.assert_array_equal(ours[sure], (wanted > fixed.cutoff)[sure])
        assert 0.005 < ours.mean() < 0.6


@pytest.mark.parametrize("shape", [PLANE, STACK])
def test_diffusion_is_perona_and_maliks(shape: tuple[int, ...]) -> None:
    image = np.random.default_rng(0).uniform(0, 1, shape)
    wanted, squares = diffused(image)
    start = jnp.asarray(image, jnp.float32)
    ours = steepness(start, 10, 1.2, 0.0625)
    off = tolerance(10 * DIFFUSION[image.ndim])
    np.testing.assert_allclose(ours, squares, rtol=2 * off / np.sqrt(min(squares)))
    np.testing.assert_allclose(diffuse(start, ours, 1.2, 0.0625), wanted, rtol=0, atol=off)


def test_diffusion_keeps_edges_and_the_mean() -> None:
    image = np.zeros((16, 16), np.float32)
    image[:, 8:] = 1
    noisy = image + np.random.default_rng(0).normal(0, 0.02, image.shape).astype(np.float32)
    start = jnp.asarray(noisy)
    out = np.asarray(diffuse(start, steepness(start, 10, 0.5, 0.0625), 0.5, 0.0625))
    assert out.mean() == pytest.approx(noisy.mean(), abs=tolerance(10 * DIFFUSION[2]))
    assert np.std(out[:, :7]) < 0.7 * np.std(noisy[:, :7])
    assert np.mean(out[:, 8] - out[:, 7]) > 0.95


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(2, 6), pytest.param((2, 4, 5), marks=pytest.mark.slow)])
def test_gradients_of_diffusion_are_those_that_jax_derives(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    start = jnp.asarray(rng.uniform(0, 1, shape), jnp.float32)
    weights = jnp.asarray(rng.normal(0, 1, shape), jnp.float32)
    squares = steepness(start, 2, 1.2, 0.0625)
    ours = jax.grad(lambda image: jnp.sum(weights * diffuse(image, squares, 1.2, 0.0625)))
    plain = jax.grad(lambda image: jnp.sum(weights * diffused(image, squares, 2, xp=jnp)[0]))
    off = tolerance(2 * 2 * DIFFUSION[len(shape)], float(np.abs(weights).max()))
    np.testing.assert_allclose(jax.jit(ours)(start), jax.jit(plain)(start), rtol=0, atol=off)


@pytest.mark.parametrize("sigma", [0.4, 1.0, 1.5, 4.0])
@pytest.mark.parametrize("shape", [(20, 600), (7, 20, 3), (1, 12)])
def test_the_gaussian_is_scipys(shape: tuple[int, ...], sigma: float) -> None:
    image = np.random.default_rng(0).uniform(0, 1, shape)
    wanted = ndimage.gaussian_filter(image, sigma, mode="nearest", truncate=3)
    start = jnp.asarray(image, jnp.float32)
    off = tolerance(len(shape) * (3 * radius(sigma) + 5))
    np.testing.assert_allclose(gaussian(start, sigma), wanted, rtol=0, atol=off)
    np.testing.assert_allclose(jax.jit(gaussian)(start, sigma), wanted, rtol=0, atol=off)


@pytest.mark.slow
@pytest.mark.parametrize("size", [2, 3])
def test_eigenvalues_of_any_matrix(size: int) -> None:
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.normal(size=(400, size, size)))[0]
    own = rng.normal(size=(400, size))
    own[100:200, 1] = own[100:200, 0]  # twice the same
    own[200:300] = own[200:300, :1]  # all the same
    own[300:350] = 0
    own *= 10 ** rng.uniform(-6, 3, (400, 1))
    matrices = np.einsum("nij,nj,nkj->nik", basis, own, basis).astype(np.float32)
    pairs = [(i, j) for i in range(size) for j in range(i, size)]
    entries = {(i, j): jnp.asarray(matrices[:, i, j]) for i, j in pairs}
    values = np.sort(np.abs(np.linalg.eigvalsh(matrices.astype(np.float64))), axis=1)[:, ::-1]
    for k, found in enumerate(strongest(entries)):
        error = np.abs(np.abs(found) - values[:, k])
        assert np.all(error <= tolerance(JACOBI[size]) * values[:, 0])
    slopes = jax.grad(lambda e: sum(jnp.sum(v) for v in strongest(e)))(entries)
    assert all(np.isfinite(s).all() for s in slopes.values())


@pytest.mark.slow
@pytest.mark.parametrize("size", [2, 3])
def test_gradients_of_eigenvalues_are_finite_differences_in_float64(size: int) -> None:
    rng = np.random.default_rng(1)
    pairs = [(i, j) for i in range(size) for j in range(i, size)]
    start = {p: rng.normal(size=5).astype(np.float32) for p in pairs}
    way = {p: rng.normal(size=5).astype(np.float32) for p in pairs}

    def exactly(step: float) -> np.ndarray:
        matrices = np.zeros((5, size, size))
        for i, j in pairs:
            matrices[:, i, j] = matrices[:, j, i] = start[i, j] + step * way[i, j].astype(float)
        return by_magnitude(np.linalg.eigvalsh(matrices))[:, ::-1].T

    numeric = ((exactly(1e-6) - exactly(-1e-6)) / 2e-6)[:2]
    values = np.sort(exactly(0), axis=0)
    apart = np.diff(values, axis=0).min(axis=0)  # eigenvectors are as exact as this is large
    off = tolerance(JACOBI[size]) * np.abs(values).max(axis=0) / apart
    size_of_way = np.sqrt(sum((1 if i == j else 2) * w**2 for (i, j), w in way.items()))
    _, forward = jax.jvp(strongest, (start,), (way,))
    for k in range(2):
        assert np.all(np.abs(forward[k] - numeric[k]) <= 2 * off * size_of_way)
        back = jax.grad(lambda e, k=k: jnp.sum(strongest(e)[k]))(start)
        turned = sum(np.asarray(back[p]) * way[p] for p in pairs)
        assert np.all(np.abs(turned - numeric[k]) <= 2 * off * size_of_way)


def test_the_hessian_is_numpys() -> None:
    image = np.random.default_rng(0).uniform(0, 1, (5, 6, 7))
    ours = hessian(jnp.asarray(image, jnp.float32))
    for (i, j), entry in ours.items():
        wanted = np.gradient(np.gradient(image, axis=i), axis=j)
        np.testing.assert_allclose(entry, wanted, rtol=0, atol=tolerance(8))


@partial(jax.jit, static_argnames="settings")
def slope(image: jax.Array, fixed: Fixed, wanted: jax.Array, settings: Filaments) -> Any:
    """The loss of the soft mask, and its gradient."""
    return jax.value_and_grad(lambda x: iou_loss(soft(x, fixed, settings), wanted))(image)


@pytest.mark.slow
@pytest.mark.parametrize("shape", [PLANE, pytest.param(STACK, marks=pytest.mark.slow)])
def test_gradients_are_those_of_finite_differences_in_float64(shape: tuple[int, ...]) -> None:
    original = threads(shape)
    settings = FINE
    fixed = replace(fix(original, settings), width=0.1)
    wanted = np.asarray(hard(jnp.asarray(original, jnp.float32), fixed, settings), np.float64)
    start = ndimage.gaussian_filter(original, 0.5)

    def loss(image: np.ndarray) -> float:
        found = by_the_book(image, original, settings)[0]
        mask = 1 / (1 + np.exp(-(found - fixed.cutoff) / fixed.width))
        both = np.sum(mask * wanted)
        return float(1 - both / (mask.sum() + wanted.sum() - both))

    value, gradient = slope(
        jnp.asarray(start, jnp.float32), fixed, jnp.asarray(wanted, jnp.float32), settings
    )
    near = steepest(settings, fixed, len(shape))
    assert value == pytest.approx(loss(start), rel=near)
    gradient = np.asarray(gradient, np.float64)
    rng = np.random.default_rng(0)
    for _ in range(3):
        way = rng.normal(size=shape) + gradient / np.abs(gradient).std()
        numeric = (loss(start + 1e-4 * way) - loss(start - 1e-4 * way)) / 2e-4
        assert numeric == pytest.approx(float(np.sum(gradient * way)), rel=near)


@pytest.mark.slow
@pytest.mark.parametrize("shape", [PLANE, STACK])
@pytest.mark.parametrize("kind", ["zero", "constant", "spot", "ramp", "line"])
def test_gradients_are_finite_on_degenerate_images(shape: tuple[int, ...], kind: str) -> None:
    settings = FINE
    middle = tuple(n // 2 for n in shape)
    image = np.zeros(shape, np.float32)
    if kind == "constant":
        image += 7
    elif kind == "spot":
        image[middle] = 1000
    elif kind == "ramp":
        image += np.arange(shape[-1], dtype=np.float32)
    elif kind == "line":
        image[..., middle[-1]] = 500
    for original in (image, threads(shape, lines=3)):
        fixed = fix(original, settings)
        for wanted in (np.zeros(shape), image > 0):
            start, mask = jnp.asarray(image), jnp.asarray(wanted, jnp.float32)
            value, gradient = slope(start, fixed, mask, settings)
            assert np.isfinite(value)
            assert np.isfinite(gradient).all()
    if kind in ("zero", "constant"):
        fixed = fix(image, settings)
        for same in (image, threads(shape)):
            assert not np.asarray(hard(jnp.asarray(same, jnp.float32), fixed, settings)).any()


@pytest.mark.slow
def test_the_soft_mask_becomes_the_hard_one() -> None:
    original = threads(PLANE)
    settings = FINE
    fixed = fix(original, settings)
    image = jnp.asarray(original, jnp.float32)
    mask = np.asarray(hard(image, fixed, settings))
    errors = []
    for width in (0.3, 0.03, 1e-3, 1e-7):
        sharper = Fixed(**{**vars(fixed), "width": width})
        errors.append(np.abs(np.asarray(soft(image, sharper, settings)) - mask).mean())
    assert errors == sorted(errors, reverse=True)
    low, high = range_of_responses(original, original, settings)
    assert errors[-1] <= np.mean((low <= fixed.cutoff) & (fixed.cutoff <= high))


@pytest.mark.parametrize(
    ("shape", "sigmas", "exact"),
    [
        ((64, 64), (1.0,), True),
        ((64, 64), (1.0,), False),
        pytest.param((40, 40, 40), (0.5,), True, marks=pytest.mark.slow),
    ],
)
def test_a_patch_with_its_margin_is_judged_as_the_whole(
    shape: tuple[int, ...], sigmas: tuple[float, ...], exact: bool
) -> None:
    settings = Filaments(sigmas=sigmas)
    original = threads(shape, lines=20)
    fixed = fix(original, settings)
    whole = np.asarray(response(jnp.asarray(original, jnp.float32), fixed, settings))
    margin = reach(settings, exact=exact)
    inside = tuple(slice(margin + 1, n - margin - 2) for n in shape)
    patch = tuple(slice(1, n - 2) for n in shape)
    core = tuple(slice(margin, -margin) for _ in shape)
    ours = np.asarray(response(jnp.asarray(original[patch], jnp.float32), fixed, settings))[core]
    assert ours.size
    low, high = range_of_responses(original, original, settings)
    near = (high - low)[inside] + (0 if exact else 1e-5)  # what the smaller margin may cost
    assert np.all(np.abs(ours - whole[inside]) <= near)
    assert np.median(near) < 1e-2


def test_a_smaller_margin_is_not_enough() -> None:
    settings = FINE
    original = threads((64, 64), lines=20)
    fixed = fix(original, settings)
    whole = np.asarray(response(jnp.asarray(original, jnp.float32), fixed, settings))[22:42, 22:42]
    patch = jnp.asarray(original[20:44, 20:44], jnp.float32)
    assert np.abs(np.asarray(response(patch, fixed, settings))[2:-2, 2:-2] - whole).max() > 1e-3
    assert reach(settings) == 15
    assert reach(settings, exact=False) == 9


@pytest.mark.slow
def test_patches_and_channels_in_one_go() -> None:
    settings = FINE
    images = [threads(PLANE, seed) for seed in (0, 1)]
    each = [fix(image, settings) for image in images]
    stacked = jax.tree.map(lambda *a: jnp.stack([jnp.asarray(v) for v in a]), *each)
    batch = jnp.asarray(np.stack(images), jnp.float32)
    wanted = jnp.asarray(np.stack([image > 400 for image in images]), jnp.float32)
    values, gradients = jax.vmap(partial(slope, settings=settings))(batch, stacked, wanted)
    for i, fixed in enumerate(each):
        value, gradient = slope(batch[i], fixed, wanted[i], settings)
        near = steepest(settings, fixed, len(PLANE))
        assert float(values[i]) == pytest.approx(float(value), rel=near)
        scale = float(jnp.abs(gradient).max())
        np.testing.assert_allclose(gradients[i], gradient, rtol=0, atol=near * scale)


def test_the_unit_of_intensities_does_not_matter() -> None:
    settings = FINE
    original = threads(PLANE)
    fixed, other = fix(original, settings), fix(original / 1000 - 3, settings)
    assert other.cutoff == pytest.approx(fixed.cutoff, rel=2e-2)
    assert other.minima == pytest.approx(fixed.minima, rel=1e-3)


@pytest.mark.slow
def test_the_cutoff_is_otsus_unless_given() -> None:
    original = threads(STACK)
    settings = FINE
    fixed = fix(original, settings)
    found = np.asarray(response(jnp.asarray(original, jnp.float32), fixed, settings))
    assert fixed.cutoff == pytest.approx(threshold_otsu(found[found > 0]), abs=1.5 / 256)
    assert fixed.width == pytest.approx(fixed.cutoff / 10)
    assert fix(original, Filaments(cutoff=0.01, width=0.5)).cutoff == 0.01
    assert fix(original, Filaments(cutoff=0.01, width=0.5)).width == 0.5


@pytest.mark.parametrize("seed", range(3))
def test_otsu(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = np.concatenate([rng.normal(0, 1, 500), rng.normal(6, 1, 200)])
    assert otsu(values) == pytest.approx(threshold_otsu(values), abs=np.ptp(values) / 128)
    assert otsu(np.zeros(0)) == 0
    assert otsu(np.full(5, 3.0)) == 3


@pytest.mark.slow
def test_threads_are_found_and_noise_is_left() -> None:
    shape = (16, 40, 40)
    clean = np.zeros(shape)
    clean[8, 20, :] = 1
    clean[:, 10, 12] = 1
    truth = ndimage.binary_dilation(clean > 0)
    image = 100 + 2000 * ndimage.gaussian_filter(clean, 1)
    image += np.random.default_rng(0).normal(0, 5, shape)
    settings = FINE
    fixed = fix(image, settings)
    mask = np.array(hard(jnp.asarray(image, jnp.float32), fixed, settings))
    labels, _ = ndimage.label(mask)
    mask &= (np.bincount(labels.ravel()) >= 20)[labels]
    assert np.mean(mask[clean > 0]) > 0.9
    assert np.mean(ndimage.binary_dilation(truth, iterations=2)[mask]) == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sigmas", ()),
        ("sigmas", (0.0,)),
        ("cutoff", 1.5),
        ("width", 0.0),
        ("contrast", (1.0, -1.0)),
        ("iterations", -1),
        ("conductance", 0.0),
        ("step", 0.3),
        ("tau", 0.2),
    ],
)
def test_settings_that_cannot_be_used(name: str, value: Any) -> None:
    with pytest.raises(InputError) as caught:
        Filaments(**{name: value})
    assert caught.value.field == name


@pytest.mark.parametrize("shape", [(9,), (1, 9), (2, 2, 2, 2)])
def test_arrays_that_are_no_plane_or_volume(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"\(Z, Y, X\)"):
        fix(np.zeros(shape), Filaments())
    with pytest.raises(InputError, match=r"\(Z, Y, X\)"):
        response(jnp.zeros(shape), fix(threads(PLANE), Filaments()), Filaments())


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite(bad: float) -> None:
    image = threads(PLANE)
    image[3, 4] = bad
    with pytest.raises(InputError, match="finite"):
        fix(image, Filaments())


def test_no_smoothing_and_any_real_dtype() -> None:
    settings = Filaments(sigmas=(1.0,), iterations=0)
    original = threads(PLANE).astype(np.uint16)
    fixed = fix(original, settings)
    assert fixed.squares == ()
    assert reach(settings) == 5
    flat = curvatures(clipped(original, original, 1.5, 10.5), 1.0)
    wanted = vesselness(flat, flat[..., -1].min(), 1.0)
    ours = filaments.response(jnp.asarray(original), fixed, settings)
    np.testing.assert_allclose(ours, wanted, atol=1e-4)
