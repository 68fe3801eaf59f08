"""Blobs: the mask of an independent SciPy version, gradients that can be trusted, patches."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from arithmetic import tolerance
from scipy import ndimage

from inif.errors import InputError
from inif.guidance.blobs import Blobs, Fixed, fix, hard, reach, response, soft
from inif.guidance.segmentation import iou_loss
from inif.guidance.smoothing import radius

pytestmark = pytest.mark.numerical

PLANE, STACK = (48, 52), (12, 28, 30)


def nuclei(
    shape: tuple[int, ...], size: float = 4.0, seed: int = 0, count: int = 5, noise: float = 5
) -> tuple[np.ndarray, np.ndarray]:
    """Discs or balls of a radius on an uneven background, as counts; and where they are."""
    rng = np.random.default_rng(seed)
    places = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"))
    truth = np.zeros(shape, bool)
    for _ in range(count):
        centre = rng.uniform(size, np.array(shape) - size, len(shape))
        apart = places - centre.reshape(-1, *[1] * len(shape))
        truth |= (apart**2).sum(axis=0) < size**2
    image = 100 + places[-1] + 300 * ndimage.gaussian_filter(truth.astype(float), 0.7)
    return image + rng.normal(0, noise, shape), truth


def each_sigma(image: np.ndarray, fixed: Fixed, settings: Blobs) -> np.ndarray:
    sigmas = np.full(image.ndim, fixed.sigma)
    if settings.z is not None and settings.z != 1 and image.ndim == 3:
        sigmas[0] = max(fixed.sigma / settings.z, min(0.5, fixed.sigma))
    return sigmas


def rounding(image: np.ndarray, fixed: Fixed, settings: Blobs) -> float:
    """How far a response in float32 may be from the exact one.

    A Gaussian of radius r is 2 r + 1 products along an axis, its weights one exponential and a sum
    of r. Differences along each axis add four smoothed values, σ² times.
    """
    sigmas = each_sigma(image, fixed, settings)
    size = float(np.abs(image).max() / fixed.deviation)
    terms = [sum(3 * radius(w * s) + 5 for s in sigmas) for w in (settings.surround, 1)]
    contrast = tolerance(2 * terms[0], 2 * size)
    return max(contrast, tolerance(terms[1] + 4 * len(sigmas), 4 * float(sum(sigmas**2)) * size))


def by_the_book(image: np.ndarray, fixed: Fixed, settings: Blobs) -> np.ndarray:
    """The response in float64."""
    smooth = partial(ndimage.gaussian_filter, mode="nearest", truncate=3)
    image = (image - fixed.mean) / fixed.deviation
    sigmas = each_sigma(image, fixed, settings)
    own = smooth(image, settings.smoothing * sigmas) if settings.smoothing else image
    contrast = own - smooth(image, settings.surround * sigmas)
    wide = smooth(np.pad(image, 1, mode="edge"), sigmas)
    bends = [s**2 * ndimage.correlate1d(wide, [1, -2, 1], a) for a, s in enumerate(sigmas)]
    bend = -sum(bends)[(slice(1, -1),) * image.ndim]
    return np.minimum(contrast - fixed.offset, bend)


@pytest.mark.parametrize(
    ("shape", "settings"),
    [
        (PLANE, Blobs()),
        (PLANE, Blobs(sigma=2.5, offset=0.5, smoothing=0.0, surround=2.0)),
        pytest.param(STACK, Blobs(), marks=pytest.mark.slow),
        pytest.param(STACK, Blobs(sigma=2.5, z=2.5), marks=pytest.mark.slow),
        (STACK, Blobs(z=8.0, offset=0.5)),
        (STACK, Blobs(sigma=2.0, z=0.5, smoothing=0.0)),
    ],
)
@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_the_mask_is_that_of_an_independent_version(
    shape: tuple[int, ...], settings: Blobs, seed: int
) -> None:
    original, _ = nuclei(shape, seed=seed)
    fixed = fix(original, settings)
    for image in (original, ndimage.gaussian_filter(original, 1.0)):
        wanted = by_the_book(image, fixed, settings)
        start = jnp.asarray(image, jnp.float32)
        near = rounding(image, fixed, settings)
        found = np.asarray(response(start, fixed, settings))
        np.testing.assert_allclose(found, wanted, rtol=0, atol=near)
        ours = found > 0
        sure = np.abs(wanted) > near
        assert np.mean(~sure) < 1e-2
        np.testing.assert_array_equal(ours[sure], (wanted > 0)[sure])
        assert 0.005 < ours.mean() < 0.5


def found(original: np.ndarray, settings: Blobs, smallest: int = 20) -> np.ndarray:
    """The hard mask without objects of fewer samples."""
    fixed = fix(original, settings)
    mask = np.asarray(hard(jnp.asarray(original, jnp.float32), fixed, settings))
    labels, _ = ndimage.label(mask)
    return mask & (np.bincount(labels.ravel()) >= smallest)[labels]


@pytest.mark.parametrize("shape", [(96, 96), pytest.param((20, 48, 48), marks=pytest.mark.slow)])
def test_nuclei_are_found(shape: tuple[int, ...]) -> None:
    original, truth = nuclei(shape, size=6.0)
    mask = found(original, Blobs())
    assert np.count_nonzero(mask & truth) / np.count_nonzero(mask | truth) > 0.7
    assert ndimage.label(mask)[1] == ndimage.label(truth)[1]


@pytest.mark.parametrize("size", [4.0, 8.0, 14.0])
def test_the_scale_is_the_blobs(size: float) -> None:
    original, _ = nuclei((160, 160), size=size, count=4)
    sigma = fix(original, Blobs()).sigma
    assert size / np.sqrt(2) / 1.5 < sigma < 1.5 * size / np.sqrt(2)
    assert fix(original, Blobs(sigma=3.0)).sigma == 3


@pytest.mark.slow
@pytest.mark.parametrize("z", [2.0, 4.0])
def test_long_voxels_are_the_same_scene(z: float) -> None:
    whole, truth = nuclei((64, 80, 80), size=12.0, count=4, noise=0)
    thin, there = whole[:: int(z)], truth[:: int(z)]
    known = Blobs(z=z)
    assert fix(thin, known).sigma == pytest.approx(fix(whole, Blobs()).sigma, rel=0.01)
    overlaps = []
    for settings in (known, Blobs(sigma=fix(thin, known).sigma, z=1)):
        mask = found(thin, settings, smallest=5)
        overlaps.append(np.count_nonzero(mask & there) / np.count_nonzero(mask | there))
    assert overlaps[0] > 0.7
    assert overlaps[0] > overlaps[1]


@pytest.mark.slow
def test_the_scale_is_searched_where_something_is() -> None:
    original = np.zeros((300, 520))
    original[:40, 480:] = nuclei((40, 40), size=4.0, noise=0)[0]
    assert 2 <= fix(original, Blobs()).sigma <= 4


@pytest.mark.slow
def test_noise_alone_has_few_blobs() -> None:
    noise = np.random.default_rng(0).normal(100, 10, (100, 100))
    assert found(noise, Blobs()).mean() < 0.05


@partial(jax.jit, static_argnames="settings")
def slope(image: jax.Array, fixed: Fixed, wanted: jax.Array, settings: Blobs) -> Any:
    """The loss of the soft mask, and its gradient."""
    return jax.value_and_grad(lambda x: iou_loss(soft(x, fixed, settings), wanted))(image)


@pytest.mark.slow
@pytest.mark.parametrize("shape", [PLANE, STACK])
def test_gradients_are_those_of_finite_differences_in_float64(shape: tuple[int, ...]) -> None:
    settings = Blobs()
    original, truth = nuclei(shape)
    fixed = fix(original, settings)
    start = ndimage.gaussian_filter(original, 1.0)

    def loss(image: np.ndarray) -> float:
        mask = 1 / (1 + np.exp(-by_the_book(image, fixed, settings) / fixed.width))
        both = np.sum(mask * truth)
        return float(1 - both / (mask.sum() + truth.sum() - both))

    mask = jnp.asarray(truth, jnp.float32)
    value, gradient = slope(jnp.asarray(start, jnp.float32), fixed, mask, settings)
    near = rounding(start, fixed, settings) / fixed.width
    assert value == pytest.approx(loss(start), rel=near)
    gradient = np.asarray(gradient, np.float64)
    rng = np.random.default_rng(0)
    for _ in range(3):
        way = rng.normal(size=shape) + gradient / np.abs(gradient).std()
        numeric = (loss(start + 1e-4 * way) - loss(start - 1e-4 * way)) / 2e-4
        assert numeric == pytest.approx(float(np.sum(gradient * way)), rel=near)


@pytest.mark.slow
@pytest.mark.parametrize("shape", [PLANE, (6, 16, 16), (1, 9, 12)])
@pytest.mark.parametrize("kind", ["zero", "constant", "spot"])
def test_gradients_are_finite_on_degenerate_images(shape: tuple[int, ...], kind: str) -> None:
    settings = Blobs() if shape == PLANE else Blobs(sigma=2.0)
    image = np.zeros(shape, np.float32)
    if kind == "constant":
        image += 7
    elif kind == "spot":
        image[tuple(n // 2 for n in shape)] = 1000
    for original in (image, np.random.default_rng(0).normal(0, 1, shape)):
        fixed = fix(original, settings)
        for wanted in (np.zeros(shape), image > 0):
            mask = jnp.asarray(wanted, jnp.float32)
            value, gradient = slope(jnp.asarray(image), fixed, mask, settings)
            assert np.isfinite(value)
            assert np.isfinite(gradient).all()
    if kind != "spot":
        fixed = fix(image, settings)
        for same in (image, image + np.arange(shape[-1], dtype=np.float32)):
            assert not np.asarray(hard(jnp.asarray(same), fixed, settings)).any()


@pytest.mark.slow
def test_the_soft_mask_becomes_the_hard_one() -> None:
    original, _ = nuclei(PLANE)
    settings = Blobs()
    fixed = fix(original, settings)
    image = jnp.asarray(original, jnp.float32)
    mask = np.asarray(hard(image, fixed, settings))
    errors = []
    for width in (1.0, 0.1, 1e-3, 1e-7):
        sharper = Fixed(**{**vars(fixed), "width": width})
        errors.append(np.abs(np.asarray(soft(image, sharper, settings)) - mask).mean())
    assert errors == sorted(errors, reverse=True)
    found = np.asarray(response(image, fixed, settings))
    unsure = np.abs(found) < rounding(original, fixed, settings)
    np.testing.assert_array_equal(mask[~unsure], (found > 0)[~unsure])
    assert errors[-1] <= unsure.mean() < 1e-2


@pytest.mark.parametrize(
    ("shape", "z"),
    [((72, 72), None), ((72, 72), 3.0), pytest.param((44, 44, 44), 3.0, marks=pytest.mark.slow)],
)
def test_a_patch_with_its_margin_is_judged_as_the_whole(
    shape: tuple[int, ...], z: float | None
) -> None:
    settings = Blobs(sigma=2.0, z=z)
    original, _ = nuclei(shape)
    fixed = fix(original, settings)
    margin = reach(settings, fixed)
    assert margin == 18
    whole = np.asarray(response(jnp.asarray(original, jnp.float32), fixed, settings))
    inside = tuple(slice(margin + 1, n - margin - 2) for n in shape)
    patch = tuple(slice(1, n - 2) for n in shape)
    core = tuple(slice(margin, -margin) for _ in shape)
    ours = np.asarray(response(jnp.asarray(original[patch], jnp.float32), fixed, settings))[core]
    assert ours.size
    near = rounding(original, fixed, settings)
    np.testing.assert_allclose(ours, whole[inside], rtol=0, atol=near)


@pytest.mark.slow
def test_patches_and_channels_in_one_go() -> None:
    settings = Blobs()
    images, truths = zip(*[nuclei(PLANE, size, noise=1) for size in (3.5, 7.0)], strict=True)
    each = [fix(image, settings) for image in images]
    assert each[0].sigma != each[1].sigma
    stacked = jax.tree.map(lambda *a: jnp.stack([jnp.asarray(v) for v in a]), *each)
    batch = jnp.asarray(np.stack(images), jnp.float32)
    wanted = jnp.asarray(np.stack(truths), jnp.float32)
    values, gradients = jax.vmap(partial(slope, settings=settings))(batch, stacked, wanted)
    for i, fixed in enumerate(each):
        value, gradient = slope(batch[i], fixed, wanted[i], settings)
        near = rounding(images[i], fixed, settings) / fixed.width
        assert float(values[i]) == pytest.approx(float(value), rel=near)
        scale = float(jnp.abs(gradient).max())
        np.testing.assert_allclose(gradients[i], gradient, rtol=0, atol=near * scale)


def test_the_edge_is_a_fifth_of_the_offset() -> None:
    fixed = fix(nuclei(PLANE)[0], Blobs(sigma=2.0))
    assert fixed.width == pytest.approx(fixed.offset / 5)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sigma", 0.0),
        ("offset", -1.0),
        ("smoothing", -1.0),
        ("surround", 0.0),
        ("width", 0.0),
        ("z", 0.0),
    ],
)
def test_settings_that_cannot_be_used(name: str, value: Any) -> None:
    with pytest.raises(InputError) as caught:
        Blobs(**{name: value})
    assert caught.value.field == name


@pytest.mark.parametrize("shape", [(9,), (0, 9), (2, 2, 2, 2)])
def test_arrays_that_are_no_plane_or_volume(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"\(Z, Y, X\)"):
        fix(np.zeros(shape), Blobs())


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite(bad: float) -> None:
    image, _ = nuclei(PLANE)
    image[3, 4] = bad
    with pytest.raises(InputError, match="finite"):
        fix(image, Blobs())
