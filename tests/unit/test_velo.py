"""VeLO: the reference's trajectory, and that it runs wherever optax's optimizers run."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from arithmetic import tolerance

from inif.errors import InputError
from inif.optim import velo as module
from inif.optim.velo import velo
from inif.optim.weights import HIDDEN, layout

pytestmark = pytest.mark.numerical

TERMS = 256  # of the longest chain of sums in a network of a few units, with room

GOLDEN = Path(__file__).parents[1] / "golden" / "velo_trajectory.npz"
SHAPES: dict[str, tuple[int, ...]] = {
    "a": (5,),
    "b": (7, 3),
    "c": (5,),
    "d": (4, 4),
    "e": (2, 3, 1, 2),
    "f": (),
}
SCALES = {"lstm_init_state": 0.3, "ff_mod_stack": 0.5, "linear": 0.5, "linear_1": 0.3}
SCALES |= {"linear_2": 0.3, "rnn/linear": 0.08, "rnn_to_controls": 0.03, "step_size": 2.0}


def uniform(rng: np.random.Generator, scale: float, shape: tuple[int, ...]) -> np.ndarray:
    return (scale * (2 * rng.random(shape) - 1)).astype(np.float32)


def make_theta(seed: int, hidden: int = 512, bank: int = 256) -> dict[str, Any]:
    """Weights whose steps are a few per cent, so that every part of the network is seen."""
    rng = np.random.Generator(np.random.PCG64(seed))
    theta: dict[str, Any] = {}
    for keys, shape in sorted(layout(hidden, bank).items()):
        scale = SCALES[keys[0] if keys[0] in SCALES else keys[1]]
        value = scale * (2 * rng.random(shape) - 1)
        if keys[-1] == "w2":
            value[..., 1] *= 50
        if keys[1:] == ("step_size", "b"):
            value += 30
        inner = theta
        for key in keys[:-1]:
            inner = inner.setdefault(key, {})
        inner[keys[-1]] = value.astype(np.float32)
    return theta


def make_problem(seed: int, steps: int = 30) -> tuple[Any, list[Any], list[np.float32]]:
    """Parameters, gradients and losses, with a spike in each, a zero in one and tiny parameters."""
    rng = np.random.Generator(np.random.PCG64(seed))
    params = {k: uniform(rng, 1e-5 if k == "c" else 0.5, s) for k, s in SHAPES.items()}
    scales = [10.0 ** (i % 4 - 2) for i in range(len(SHAPES))]
    gradients = [
        {k: uniform(rng, scale, s) for (k, s), scale in zip(SHAPES.items(), scales, strict=True)}
        for _ in range(steps)
    ]
    losses = [
        np.float32(2 * 0.9**t + 0.3 * rng.random() + (20 if t == 11 else 0)) for t in range(steps)
    ]
    gradients[4]["d"] *= 1000
    gradients[0]["d"] *= 0
    gradients[0]["f"] *= 0
    return params, gradients, losses


@cache
def small() -> dict[str, Any]:
    return make_theta(3, hidden=8, bank=4)


def pair(seed: int) -> dict[str, np.ndarray]:
    rng = np.random.Generator(np.random.PCG64(seed))
    return {"w": uniform(rng, 1, (4, 3)), "b": uniform(rng, 1, (3,))}


def stacked(trees: list[Any]) -> Any:
    return jax.tree.map(lambda *x: np.stack(x), *trees)


@pytest.mark.slow
def test_the_reference_takes_the_same_steps() -> None:
    with np.load(GOLDEN, allow_pickle=False) as golden:
        expected = {k: golden[k] for k in SHAPES}
        seeds = int(golden["theta_seed"]), int(golden["problem_seed"])
    params, gradients, losses = make_problem(seeds[1])
    opt = velo(make_theta(seeds[0]), steps=len(losses))
    update = jax.jit(lambda g, s, p, loss: opt.update(g, s, p, value=loss))
    state, got = opt.init(params), [params]
    for gradient, loss in zip(gradients, losses, strict=True):
        updates, state = update(gradient, state, params, loss)
        params = optax.apply_updates(params, updates)
        got.append(jax.tree.map(np.asarray, params))
    for name, path in expected.items():
        assert path.shape == (31, *SHAPES[name])
        axes = tuple(range(1, path.ndim))
        size = np.sqrt(np.mean(np.square(path), axes, keepdims=True))
        moved = np.abs(np.diff(path, axis=0)) / size[1:]
        assert moved.mean() > 3e-3, "steps so small would prove nothing"
        error = np.abs(np.stack([p[name] for p in got]) - path) / size
        # Each step is off by the rounding of a sum of HIDDEN terms, and errors of steps add up.
        off = tolerance(HIDDEN, len(losses) * float(moved.max())) + tolerance(len(losses))
        assert error.max() <= off, (name, error.max(axis=axes))


def test_the_published_layout() -> None:
    assert sum(math.prod(shape) for shape in layout().values()) == 2_320_385
    assert len(layout()) == 33


@pytest.mark.slow
def test_the_state_scans_and_maps_over_a_leading_axis() -> None:
    opt = velo(small(), steps=20)
    many, gradient = [pair(i) for i in range(3)], pair(9)
    losses = np.float32([3, 2, 1])

    def go(params: Any, loss: Any) -> Any:
        def step(carry: Any, t: Any) -> Any:
            p, s = carry
            updates, s = opt.update(gradient, s, p, value=loss * 0.9**t)
            return (optax.apply_updates(p, updates), s), None

        return jax.lax.scan(step, (params, opt.init(params)), jnp.arange(4.0))[0]

    together, states = jax.jit(jax.vmap(go))(stacked(many), losses)
    assert np.asarray(states.iteration).tolist() == [4, 4, 4]
    update = jax.jit(lambda g, s, p, loss: opt.update(g, s, p, value=loss))
    for i, params in enumerate(many):
        state = opt.init(params)
        for t in range(4):
            updates, state = update(gradient, state, params, losses[i] * 0.9**t)
            params = optax.apply_updates(params, updates)
        for name, value in params.items():
            off = tolerance(4 * TERMS, float(np.abs(value).max()))
            np.testing.assert_allclose(together[name][i], value, rtol=0, atol=off)


@pytest.mark.slow
def test_done_takes_the_place_of_the_count() -> None:
    opt, params, gradient = velo(small(), steps=10), pair(0), pair(1)
    update = jax.jit(lambda s, done: opt.update(gradient, s, params, value=1.0, done=done)[0]["w"])
    counted = jax.jit(lambda s: opt.update(gradient, s, params, value=1.0)[0]["w"])
    state = opt.init(params)._replace(iteration=jnp.int32(4))
    np.testing.assert_array_equal(update(state, np.float32(0.4)), counted(state))
    assert np.abs(update(state, np.float32(0.9)) - counted(state)).max() > 1e-6


@pytest.mark.slow
def test_long_runs_average_their_gradients() -> None:
    steps = 2 * module.LONGEST + 1
    opt, inner = velo(small(), steps=steps), velo(small(), steps=steps // 3)
    params, gradients, losses = pair(0), [pair(i) for i in range(1, 7)], np.arange(6, dtype="f4")
    update = jax.jit(lambda g, s, p, loss, done: opt.update(g, s, p, value=loss, done=done))
    once = jax.jit(lambda g, s, p, loss, done: inner.update(g, s, p, value=loss, done=done))
    state, behind = opt.init(params), inner.init(params)
    for first in (0, 3):
        for i in (first, first + 1):
            updates, state = update(gradients[i], state, params, losses[i], 0.5)
            assert all(not np.any(u) for u in updates.values())
        updates, state = update(gradients[first + 2], state, params, losses[first + 2], 0.5)
        mean = jax.tree.map(lambda *x: sum(x) / 3, *gradients[first : first + 3])
        loss = losses[first : first + 3].mean()
        expected, behind = once(mean, behind, params, loss, 0.5)
        for name, value in updates.items():
            assert np.any(value)
            off = tolerance(TERMS, float(np.abs(value).max()))
            np.testing.assert_allclose(value, expected[name], rtol=0, atol=off)
    assert isinstance(velo(small(), steps=module.LONGEST).init(params), module.VeloState)


@pytest.mark.slow
def test_any_tree_and_type_of_parameters_within_a_chain() -> None:
    params = {"x": [np.float32(0.5), (np.ones((2, 2), jnp.bfloat16),)], "none": None}
    opt = optax.chain(optax.clip_by_global_norm(1.0), velo(small(), steps=5))
    updates, _ = jax.jit(opt.update)(params, opt.init(params), params, value=1.0, other=2.0)
    assert jax.tree.structure(updates) == jax.tree.structure(params)
    for update, leaf in zip(jax.tree.leaves(updates), jax.tree.leaves(params), strict=True):
        assert (update.shape, update.dtype) == (leaf.shape, leaf.dtype)
        assert np.isfinite(np.float32(update)).all()


def test_weights_can_be_traced() -> None:
    params = {"b": pair(0)["b"]}

    def first(theta: Any) -> Any:
        opt = velo(theta, steps=5)
        return opt.update(params, opt.init(params), params, value=1.0)[0]["b"]

    go, theta = jax.jit(first), small()
    rest = theta["rnn_params"]
    unused = {**rest, "linear": jax.tree.map(np.zeros_like, rest["linear"])}
    doubled = {**rest, "step_size": jax.tree.map(lambda w: 2 * w, rest["step_size"])}
    step = go(theta)
    assert np.abs(step).min() > 0
    np.testing.assert_array_equal(go({**theta, "rnn_params": unused}), step)
    again = go({**theta, "rnn_params": doubled})
    off = tolerance(TERMS, 2 * float(np.abs(step).max()))
    np.testing.assert_allclose(again, 2 * step, rtol=0, atol=off)


def test_what_cannot_be_used_is_refused() -> None:
    with pytest.raises(InputError, match="steps"):
        velo(small(), steps=0)
    with pytest.raises(InputError, match="params/lstm_init_state/hidden"):
        velo({**small(), "lstm_init_state": {}}, steps=5)
    bank = {"~": {**small()["ff_mod_stack"]["~"], "w1": np.zeros((4, 4), np.float32)}}
    with pytest.raises(InputError, match="ff_mod_stack/~/w1"):
        velo({**small(), "ff_mod_stack": bank}, steps=5)
    with pytest.raises(InputError):
        velo({"rnn_params": {"rnn_to_controls": {"w": np.zeros((HIDDEN, 3))}}}, steps=5)
    opt = velo(small(), steps=5)
    for params in ({"n": np.arange(3)}, {"n": np.zeros((0, 3), np.float32)}):
        with pytest.raises(InputError, match="real parameters"):
            opt.init(params)
    with pytest.raises(ValueError, match="needs the parameters"):
        opt.update(pair(0), opt.init(pair(0)), value=1.0)
