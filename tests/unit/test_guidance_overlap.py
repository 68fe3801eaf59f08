"""The loss of two masks that overlap."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from arithmetic import tolerance
from jax.test_util import check_grads

from inif.guidance.segmentation import iou_loss

pytestmark = pytest.mark.numerical


def two(seed: int = 0, shape: tuple[int, ...] = (12, 14)) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.random(shape) < 0.4, rng.random(shape) < 0.5


@pytest.mark.parametrize("shape", [(12, 14), (5, 6, 7)])
def test_on_hard_masks_it_is_the_usual_one(shape: tuple[int, ...]) -> None:
    a, b = two(0, shape)
    both, either = np.sum(a & b), np.sum(a | b)
    off = tolerance(a.size)
    assert iou_loss(jnp.asarray(a), jnp.asarray(b)) == pytest.approx(1 - both / either, abs=off)
    assert iou_loss(jnp.asarray(a), jnp.asarray(a)) == pytest.approx(0, abs=off)
    assert iou_loss(jnp.asarray(a), jnp.asarray(~a)) == pytest.approx(1, abs=off)


def test_empty_masks() -> None:
    none, some = jnp.zeros((4, 5)), jnp.zeros((4, 5)).at[1, 2].set(1)
    value, slope = jax.value_and_grad(iou_loss)(none, none)
    assert value == 0
    assert np.isfinite(slope).all()
    for a, b in ((none, some), (some, none), (none + 1e-30, none)):
        value, slope = jax.value_and_grad(iou_loss)(a, b)
        assert 0 <= value <= 1
        assert np.isfinite(slope).all()


def test_gradients_of_overlap() -> None:
    rng = np.random.default_rng(0)
    soft = jnp.asarray(rng.uniform(0.1, 0.9, (4, 5)), jnp.float32)
    wanted = jnp.asarray(rng.random((4, 5)) < 0.5, jnp.float32)
    check_grads(iou_loss, (soft, wanted), order=1, modes=["rev"], eps=1e-2, atol=1e-3, rtol=5e-3)


def test_one_loss_for_each_patch() -> None:
    a, b = (jnp.asarray(m, jnp.float32) for m in two(1, (3, 6, 7)))
    each = jax.jit(jax.vmap(iou_loss))(a, b)
    assert each.shape == (3,)
    assert each[1] == pytest.approx(float(iou_loss(a[1], b[1])), abs=tolerance(42))
