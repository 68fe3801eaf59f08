"""Every optimizer passes this: a new one needs no new test."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

from inif.errors import InputError
from inif.optim.optimizers import LEARNED, build, names, parse

pytestmark = pytest.mark.numerical

SIZE = {"inif-lopt": 0.05, "prodigy": 0.05}
"""How large the weights are that go down the bowl: these two make small steps at first."""


@pytest.fixture(params=[n for n in names() if n != "velo"])
def name(request: pytest.FixtureRequest) -> str:
    """All that are ready; VeLO, whose weights are the user's, has tests of its own."""
    return str(request.param)


def tree(seed: int = 0, size: float = 1.0) -> Any:
    """Weights as a SIREN has them: matrices large and small, biases, a scalar."""
    import jax.numpy as jnp

    from inif.fields.network import Parameters

    rng = np.random.default_rng(seed)

    def draw(*shape: int) -> Any:
        return jnp.asarray(rng.normal(0, size, shape), jnp.float32)

    return Parameters((draw(12, 3), draw(12, 12), draw(1, 12)), draw(2, 12), draw(1), draw())


def test_updates_fit_the_weights_and_are_finite(name: str) -> None:
    import jax
    import jax.numpy as jnp

    params = tree()
    optimizer = build(parse(name), steps=10)
    state = jax.jit(optimizer.init)(params)
    update = jax.jit(optimizer.update)
    for scale in (0.0, 1e-12, 1.0, 1e12):
        grads = jax.tree.map(lambda p, s=scale: s * jnp.ones_like(p), params)
        updates, after = update(grads, state, params, value=jnp.float32(scale), done=0.5)
        assert jax.tree.structure(updates) == jax.tree.structure(params)
        assert jax.tree.structure(after) == jax.tree.structure(state)
        for u, p in zip(jax.tree.leaves(updates), jax.tree.leaves(params), strict=True):
            assert (u.shape, u.dtype) == (p.shape, p.dtype)
            assert np.isfinite(np.asarray(u)).all()
        for a, b in zip(jax.tree.leaves(after), jax.tree.leaves(state), strict=True):
            assert (a.shape, a.dtype) == (b.shape, b.dtype)


@cache
def descend(name: str, *, steps: int, rate: float, batch: int | None = None) -> tuple[Any, Any]:
    """Squared length of the weights before and after some steps down it; one value per batch."""
    import jax
    import jax.numpy as jnp
    import optax

    rates = "" if name in LEARNED or name == "prodigy" else f":{rate}"
    optimizer = build(parse(name + rates), steps)
    trees = [tree(s, SIZE.get(name, 1.0)) for s in range(batch or 1)]
    params = jax.tree.map(lambda *p: jnp.stack(p), *trees) if batch else trees[0]

    def loss(p: Any) -> Any:
        return sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(p))

    def one(p: Any, state: Any) -> Any:
        value, grads = jax.value_and_grad(loss)(p)
        updates, state = optimizer.update(grads, state, p, value=value)
        return optax.apply_updates(p, updates), state

    init, step, value = optimizer.init, one, loss
    if batch:
        init, step, value = (jax.vmap(f) for f in (init, one, loss))

    @jax.jit
    def run(p: Any) -> Any:
        carry = jax.lax.fori_loop(0, steps, lambda _, c: step(*c), (p, init(p)))
        return value(p), value(carry[0])

    before, after = run(params)
    return np.asarray(before), np.asarray(after)


@pytest.mark.slow
def test_it_goes_down_a_bowl(name: str) -> None:
    before, after = descend(name, steps=200, rate=0.02)
    assert after < 0.5 * before


@pytest.mark.slow
def test_it_maps_over_bricks(name: str) -> None:
    before, after = descend(name, steps=200, rate=0.02, batch=2)
    assert before.shape == (2,)
    assert (after < 0.5 * before).all()
    alone = descend(name, steps=200, rate=0.02)[1]
    np.testing.assert_allclose(after[0], alone, rtol=1e-3, atol=1e-4 * before[0])


def test_a_name_needs_no_rate(name: str) -> None:
    spec = parse(name)
    assert spec.name == name
    if name in LEARNED:
        assert spec.learning_rate is None
        assert not spec.scheduled
    else:
        assert spec.learning_rate is not None
        assert 0 < spec.learning_rate <= 1
        assert parse(f"{name}:0.25").learning_rate == 0.25


@pytest.mark.parametrize("rate", ["0", "-1", "nan", "inf", "x", "1:2", "1e9", " "])
def test_bad_rates(name: str, rate: str) -> None:
    with pytest.raises(InputError, match="optimizer"):
        parse(f"{name}:{rate}")
