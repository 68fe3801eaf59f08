"""The network in training is the network in the file; its sine is a sine."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from arithmetic import tolerance

from inif.fields.siren import Siren

pytestmark = pytest.mark.numerical

FIELD = Siren(3, 2, 24, 7, "outputs")


@pytest.fixture(scope="module")
def params() -> Any:
    import jax
    import jax.numpy as jnp

    from inif.fields.network import initialize

    return initialize(jax.random.key(3), FIELD, 30.0, jnp.array([0.2, -0.4]))


def test_training_and_decoding_agree(params: Any) -> None:
    import jax

    from inif.fields.network import evaluate, fold

    groups = fold(params._replace(shift=params.shift + 1.5), 30.0)
    assert tuple(g.shape for g in groups) == FIELD.group_shapes
    coords = np.random.default_rng(0).uniform(-1, 1, (500, 3)).astype(np.float32)
    trained = np.asarray(jax.jit(evaluate)(groups, coords)).T
    decoded = FIELD.points([np.asarray(g) for g in groups], coords.T)
    assert np.ptp(decoded) > 0.1
    # Each is as near to the exact value as the format asks: a part of the range, which is 2.
    np.testing.assert_allclose(trained, decoded, rtol=0, atol=2 * 1e-5 * 2)


def test_a_network_starts_near_the_mean_and_is_alive(params: Any) -> None:
    from inif.fields.network import evaluate, fold

    coords = np.random.default_rng(0).uniform(-1, 1, (2000, 3)).astype(np.float32)
    out = np.asarray(evaluate(fold(params, 30.0), coords))
    assert np.abs(out.mean(axis=0) - [0.2, -0.4]).max() < 0.2
    assert (out.std(axis=0) > 0.01).all()
    assert (out.std(axis=0) < 1).all()


def test_the_sine_is_a_sine() -> None:
    import jax

    from inif.fields.sine import sine

    x = np.linspace(-300, 300, 400_001).astype(np.float32)
    wanted = np.sin(x.astype(np.float64))
    assert np.abs(np.asarray(jax.jit(sine)(x)) - wanted).max() < tolerance(4)
    small = np.linspace(-1e-3, 1e-3, 1001).astype(np.float32)
    np.testing.assert_allclose(np.asarray(jax.jit(sine)(small)), np.sin(small), rtol=tolerance(4))


def test_its_derivative_is_a_cosine() -> None:
    import jax
    import jax.numpy as jnp

    from inif.fields.sine import sine

    x = np.linspace(-300, 300, 100_001).astype(np.float32)
    slope = jax.jit(jax.grad(lambda v: jnp.sum(sine(v))))(x)
    # The argument is shifted in float32, so its rounding is allowed for.
    assert np.abs(np.asarray(slope) - np.cos(x.astype(np.float64))).max() < tolerance(1, 300)
    twice = jax.grad(jax.grad(sine))(0.7)
    assert float(twice) == pytest.approx(-np.sin(0.7), abs=tolerance(8))


@pytest.mark.slow
def test_rounding_lets_gradients_through() -> None:
    import jax
    import jax.numpy as jnp

    from inif.fields.network import round_through

    groups = (jnp.linspace(-1, 1, 12).reshape(3, 4), jnp.linspace(0, 1, 5))
    steps = jnp.array([0.25, 0.0])
    rounded = round_through(groups, steps)
    np.testing.assert_allclose(rounded[0], np.round(np.asarray(groups[0]) / 0.25) * 0.25)
    np.testing.assert_array_equal(rounded[1], groups[1])

    def weighted(g: Any) -> Any:
        return sum(
            jnp.sum(jnp.arange(a.size).reshape(a.shape) * a) for a in round_through(g, steps)
        )

    for grad, group in zip(jax.grad(weighted)(groups), groups, strict=True):
        np.testing.assert_array_equal(grad, np.arange(group.size).reshape(group.shape))
