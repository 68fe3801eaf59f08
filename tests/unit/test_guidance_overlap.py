"""Overlap of masks, errors weighted by region, small objects."""

from __future__ import annotations

import json

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from arithmetic import tolerance
from hypothesis import given
from hypothesis.extra import numpy as hnp
from jax.test_util import check_grads
from scipy import ndimage
from skimage.morphology import label

from inif.errors import InputError
from inif.guidance.overlap import (
    RegionWeights,
    dice_loss,
    iou,
    iou_loss,
    region_error,
    region_weights,
    without_small,
)

pytestmark = pytest.mark.numerical

MASKS = hnp.arrays(bool, hnp.array_shapes(min_dims=1, max_dims=3, max_side=6))


def two(seed: int = 0, shape: tuple[int, ...] = (12, 14)) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.random(shape) < 0.4, rng.random(shape) < 0.5


@pytest.mark.parametrize("shape", [(12, 14), (5, 6, 7)])
def test_on_hard_masks_they_are_the_usual_ones(shape: tuple[int, ...]) -> None:
    a, b = two(0, shape)
    both, either = np.sum(a & b), np.sum(a | b)
    assert iou(a, b) == both / either
    off = tolerance(a.size)
    assert iou_loss(jnp.asarray(a), jnp.asarray(b)) == pytest.approx(1 - both / either, abs=off)
    dice = 2 * both / (a.sum() + b.sum())
    assert dice_loss(jnp.asarray(a), jnp.asarray(b)) == pytest.approx(1 - dice, abs=off)
    for loss in (iou_loss, dice_loss):
        assert loss(jnp.asarray(a), jnp.asarray(a)) == pytest.approx(0, abs=off)
        assert loss(jnp.asarray(a), jnp.asarray(~a)) == pytest.approx(1, abs=off)


def test_empty_masks() -> None:
    none, some = jnp.zeros((4, 5)), jnp.zeros((4, 5)).at[1, 2].set(1)
    for loss in (iou_loss, dice_loss):
        value, slope = jax.value_and_grad(loss)(none, none)
        assert value == 0
        assert np.isfinite(slope).all()
        for a, b in ((none, some), (some, none), (none + 1e-30, none)):
            value, slope = jax.value_and_grad(loss)(a, b)
            assert 0 <= value <= 1
            assert np.isfinite(slope).all()
    assert iou(np.zeros(3, bool), np.zeros(3, bool)) == 1
    assert iou(np.zeros(3, bool), np.ones(3, bool)) == 0


@pytest.mark.parametrize("loss", [iou_loss, dice_loss])
def test_gradients_of_overlap(loss: object) -> None:
    rng = np.random.default_rng(0)
    soft = jnp.asarray(rng.uniform(0.1, 0.9, (4, 5)), jnp.float32)
    wanted = jnp.asarray(rng.random((4, 5)) < 0.5, jnp.float32)
    check_grads(loss, (soft, wanted), order=1, modes=["rev"], eps=1e-2, atol=1e-3, rtol=5e-3)


def test_one_loss_for_each_patch() -> None:
    a, b = (jnp.asarray(m, jnp.float32) for m in two(1, (3, 6, 7)))
    each = jax.jit(jax.vmap(iou_loss))(a, b)
    assert each.shape == (3,)
    assert each[1] == pytest.approx(float(iou_loss(a[1], b[1])), abs=tolerance(42))


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_a_mask_counts_as_much_as_was_asked_for(share: float) -> None:
    mask = np.zeros((10, 20), bool)
    mask[2:4, 3:7] = True
    weights = region_weights(mask, share)
    assert weights.balanced
    assert np.mean(np.where(mask, weights.inside, weights.outside)) == pytest.approx(1)
    original = np.zeros(mask.shape, np.float32)
    for region, part in ((mask, share), (~mask, 1 - share)):
        decoded = original + 3 * region
        error = region_error(jnp.asarray(decoded), original, jnp.asarray(mask), weights)
        assert error == pytest.approx(9 * part, rel=tolerance(mask.size))


@pytest.mark.parametrize("full", [False, True])
def test_a_mask_of_nothing_or_everything_is_said_to_be(full: bool) -> None:
    mask = np.full((5, 6), full)
    weights = region_weights(mask, 0.8)
    assert weights == RegionWeights(1.0, 1.0, False)
    decoded = np.random.default_rng(0).normal(0, 1, mask.shape).astype(np.float32)
    error = region_error(jnp.asarray(decoded), jnp.zeros(mask.shape), jnp.asarray(mask), weights)
    assert error == pytest.approx(float(np.mean(decoded**2)), rel=tolerance(decoded.size))


def test_the_mean_over_patches_is_the_wholes_error() -> None:
    mask = two()[0]
    weights = region_weights(mask, 0.7)
    decoded = np.random.default_rng(0).normal(0, 1, mask.shape).astype(np.float32)
    parts = [
        region_error(jnp.asarray(decoded[i : i + 3]), jnp.zeros((3, 14)), mask[i : i + 3], weights)
        for i in range(0, 12, 3)
    ]
    whole = region_error(jnp.asarray(decoded), jnp.zeros((12, 14)), jnp.asarray(mask), weights)
    assert np.mean(parts) == pytest.approx(float(whole), rel=tolerance(mask.size))


def test_weights_go_to_json_and_back() -> None:
    weights = region_weights(two()[0], 0.3)
    assert RegionWeights.from_json(json.loads(json.dumps(weights.to_json()))) == weights


@pytest.mark.parametrize("share", [0.0, 1.0, -1.0, float("nan")])
def test_shares_that_cannot_be_used(share: float) -> None:
    with pytest.raises(InputError) as caught:
        region_weights(two()[0], share)
    assert caught.value.field == "share"


def test_masks_are_bool() -> None:
    with pytest.raises(InputError, match="bool"):
        region_weights(np.zeros((3, 3), np.uint8))


@given(MASKS, st.integers(0, 8))
def test_small_objects_are_removed(mask: np.ndarray, smallest: int) -> None:
    labels, count = ndimage.label(mask)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    wanted = mask & (sizes >= smallest)[labels]
    before = mask.copy()
    np.testing.assert_array_equal(without_small(mask, smallest), wanted)
    np.testing.assert_array_equal(mask, before)


@pytest.mark.parametrize("shape", [(200, 220), (20, 60, 60)])
@pytest.mark.parametrize("density", [0.2, 0.45, 0.6])
def test_objects_of_any_shape(shape: tuple[int, ...], density: float) -> None:
    rng = np.random.default_rng(0)
    mask = ndimage.gaussian_filter(rng.normal(size=shape), 1) > 0 if density == 0.45 else None
    mask = rng.random(shape) < density if mask is None else mask
    labels = label(mask, connectivity=1)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    np.testing.assert_array_equal(without_small(mask, 20), (sizes >= 20)[labels])
