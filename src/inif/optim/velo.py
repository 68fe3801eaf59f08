"""VeLO, an optimizer that was itself learned (arXiv 2211.09760; its network is called HyperV2).

An LSTM looks at every tensor of the parameters and blends a tiny network for it out of a bank of
256; that network turns moments of the gradient into the tensor's update. Nothing is left to tune,
but the number of steps must be known. Weights are the published ones (`inif.optim.weights`), so
every oddity that they were learned with is kept here, each marked "as learned".

Arrays for several decay rates have the decays first: the momentum of a tensor is [3, *shape].
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from inif.errors import InputError
from inif.optim.weights import GROUPS, Keys, check_layout, flatten, layout

LONGEST = 150_000  # steps that the weights were learned for; longer runs average gradients
_MOMENTUM = np.array([0.9, 0.99, 0.999], np.float32)
_RMS = np.array([0.999], np.float32)
_TIMES = np.array([0.03, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 1.0, 1.1], np.float32)
_LOSSES = 10
_RANKS = 5
_STEP = 0.001  # scales both outputs of the tiny network


class Moments(NamedTuple):
    """What is kept of one tensor's gradients; `second` is factored where the tensor is a matrix."""

    momentum: jax.Array
    rms: jax.Array
    second: tuple[jax.Array, ...]


class VeloState(NamedTuple):
    """State of `velo`: tensors of one shape are stacked, as `_by_shape` orders them."""

    iteration: jax.Array
    moments: tuple[Moments, ...]  # one for each shape
    hidden: jax.Array  # [tensors, width], as cell
    cell: jax.Array
    loss_means: jax.Array  # [10], as loss_lowest
    loss_lowest: jax.Array


class AveragedState(NamedTuple):
    """State of `velo` for long runs: sums since the last update, and the state behind them."""

    inner: VeloState
    calls: jax.Array
    gradients: Any
    loss: jax.Array


def velo(theta: Mapping[str, Any], *, steps: int) -> optax.GradientTransformationExtraArgs:
    """VeLO with the weights `theta`, for a run of `steps` steps.

    Its ``update(gradients, state, params, *, value, done=None)`` needs the parameters, and the loss
    as `value`. `done`, the share of the work that is done in [0, 1], replaces the count of steps
    where a run may end by time. Updates are zero in most calls of a run of more than `LONGEST`
    steps: gradients and losses of several calls are averaged for one update.

    Parameters
    ----------
    theta
        Weights as `inif.optim.weights.load` returns them; other widths of the LSTM and sizes of
        the bank are taken too. They may be traced, for learning them.
    steps
        How often `update` will be called.

    Raises
    ------
    InputError
        `theta` has other names or shapes, or `steps` is not positive.
    """
    if steps < 1:
        raise InputError("a run needs steps", field="steps", expected="1 or more", got=steps)
    leaves = flatten(theta)
    sizes = getattr(leaves.get(("rnn_params", "rnn_to_controls", "w")), "shape", ())
    check_layout(leaves, layout(*sizes) if len(sizes) == 2 else layout())
    weights = {keys: jnp.asarray(value, jnp.float32) for keys, value in leaves.items()}
    calls = -(-steps // LONGEST)
    single = _every_step(weights, steps // calls)
    return single if calls == 1 else _averaged(single, calls)


def _every_step(weights: dict[Keys, jax.Array], steps: int) -> Any:
    bank = {keys[-1]: value for keys, value in weights.items() if keys[0] == "ff_mod_stack"}

    def init(params: Any) -> VeloState:
        tensors = [_at_least_1d(p) for p in jax.tree.leaves(params)]
        if any(not p.size or not jnp.issubdtype(p.dtype, jnp.floating) for p in tensors):
            raise InputError("VeLO needs real parameters, and none of them empty", field="params")
        start = (weights["lstm_init_state", name] for name in ("hidden", "cell"))
        hidden, cell = (jnp.tile(row, (len(tensors), 1)) for row in start)
        return VeloState(
            iteration=jnp.zeros((), jnp.int32),
            moments=tuple(_no_moments(len(g), shape) for shape, g in _by_shape(tensors).items()),
            hidden=hidden,
            cell=cell,
            loss_means=jnp.zeros(_LOSSES, jnp.float32),
            loss_lowest=jnp.full(_LOSSES, 1e12, jnp.float32),
        )

    def update(
        gradients: Any,
        state: VeloState,
        params: Any = None,
        *,
        value: Any,
        done: Any = None,
        **_: Any,
    ) -> tuple[Any, VeloState]:
        if params is None:
            raise ValueError("VeLO needs the parameters: update(gradients, state, params, value=…)")
        leaves, tree = jax.tree.flatten(params)
        if not leaves:
            return gradients, state
        tensors = [_at_least_1d(p).astype(jnp.float32) for p in leaves]
        slopes = [_at_least_1d(g).astype(jnp.float32) for g in jax.tree.leaves(gradients)]
        slopes = [jnp.clip(g, -1000, 1000) for g in slopes]
        groups = list(_by_shape(tensors).values())
        p = [jnp.stack([tensors[i] for i in group]) for group in groups]
        g = [jnp.stack([slopes[i] for i in group]) for group in groups]

        means, lowest, losses = _losses(state, jnp.asarray(value, jnp.float32), steps)
        share = state.iteration / jnp.float32(steps) if done is None else done
        common = jnp.concatenate([jnp.tanh(10 * (jnp.float32(share) - _TIMES)), losses])
        # As learned: the LSTM sees the moments before this step's gradient.
        see = jax.vmap(_view, (0, 0, None))
        views = [see(*pair, common) for pair in zip(p, state.moments, strict=True)]
        hidden, cell = _lstm(weights, jnp.concatenate(views), state.hidden, state.cell)
        controls = _linear(weights, "rnn_to_controls", hidden)
        scales = _linear(weights, "step_size", hidden)[:, 0]
        # The tiny networks, [tensors, …]. As learned: a hundred times the mean over the bank.
        networks = {name: _dot(controls, w) * (100 / len(w)) for name, w in bank.items()}

        moments = tuple(jax.vmap(_follow)(m, x) for m, x in zip(state.moments, g, strict=True))
        updates: list[Any] = [None] * len(leaves)
        first = 0
        for k, group in enumerate(groups):
            rows = slice(first, first + len(group))
            net = {name: w[rows] for name, w in networks.items()}
            paths = jax.vmap(_step)(net, p[k], g[k], moments[k])
            for i, scale, step in zip(group, scales[rows], paths, strict=True):
                updates[i] = (-scale * step).reshape(leaves[i].shape).astype(leaves[i].dtype)
            first += len(group)
        after = VeloState(state.iteration + 1, moments, hidden, cell, means, lowest)
        return jax.tree.unflatten(tree, updates), after

    return optax.GradientTransformationExtraArgs(init, update)


def _averaged(single: Any, calls: int) -> Any:
    """One update of `single` for `calls` calls, from the means of their gradients and losses."""

    def init(params: Any) -> AveragedState:
        zeros = jax.tree.map(jnp.zeros_like, params)
        count, loss = jnp.zeros((), jnp.int32), jnp.zeros((), jnp.float32)
        return AveragedState(single.init(params), count, zeros, loss)

    def update(
        gradients: Any, state: AveragedState, params: Any = None, *, value: Any, **extra: Any
    ) -> tuple[Any, AveragedState]:
        gradients = jax.tree.map(lambda a, g: a + g.astype(a.dtype), state.gradients, gradients)
        loss = state.loss + jnp.asarray(value, jnp.float32)
        count = state.calls + 1

        def move() -> tuple[Any, AveragedState]:
            mean = jax.tree.map(lambda g: g / calls, gradients)
            updates, inner = single.update(mean, state.inner, params, value=loss / calls, **extra)
            none = jax.tree.map(jnp.zeros_like, gradients)
            return updates, AveragedState(inner, jnp.zeros_like(count), none, jnp.zeros_like(loss))

        def wait() -> tuple[Any, AveragedState]:
            none = jax.tree.map(jnp.zeros_like, gradients)
            return none, AveragedState(state.inner, count, gradients, loss)

        return jax.lax.cond(count == calls, move, wait)  # type: ignore[no-any-return]

    return optax.GradientTransformationExtraArgs(init, update)


def _losses(
    state: VeloState, loss: jax.Array, steps: int
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Means of the loss over ten spans, their lowest values, and the nine features of both."""
    spans = jnp.logspace(1, jnp.log10(jnp.float32(steps)), _LOSSES, dtype=jnp.float32)
    decays = jnp.exp(-1 / spans)
    weight = 1 - decays ** (state.iteration + 1)
    # As learned: the old means are corrected as if they held this loss already.
    highest = jnp.max(state.loss_means / weight)
    highest = jnp.where(state.iteration == 0, loss, highest)
    loss = jnp.minimum(2 * jnp.abs(highest), loss)

    means = state.loss_means * decays + loss * (1 - decays)
    corrected = means / weight
    lowest = jnp.minimum(state.loss_lowest, corrected)
    above = corrected[:-1] - lowest[:-1]
    features = jnp.clip(above / jnp.maximum(1e-8, corrected[1:] - lowest[:-1]) - 1, -1, 1)
    return means, lowest, jnp.where(state.iteration < 2, 0.0, features)


def _view(p: jax.Array, moments: Moments, common: jax.Array) -> jax.Array:
    """What the LSTM sees of a tensor, [30]; the order is that of the published weights."""
    axes = tuple(range(1, p.ndim + 1))
    scale = jax.lax.rsqrt(jnp.maximum(1e-9, jnp.mean(p * p)))
    momentum, rms = moments.momentum * scale, moments.rms * scale  # as learned: not scale²
    mean = jnp.mean(momentum, axes, keepdims=True)
    spread = jnp.mean(jnp.square(momentum - mean), axes)
    rms_spread = jnp.mean(jnp.square(rms - mean), axes)  # as learned: around the momenta's mean
    rank = jax.nn.one_hot(sum(n > 1 for n in p.shape), _RANKS, dtype=jnp.float32)
    parts = [common, _log(jnp.mean(rms, axes)), rank, _log(spread), _log(rms_spread)]
    return jnp.concatenate(parts)


def _log(x: jax.Array) -> jax.Array:
    return 0.5 * jnp.clip(jnp.log(1e-8 + jnp.abs(10 * x)), -5, 5)


def _lstm(
    weights: dict[Keys, jax.Array], views: jax.Array, hidden: jax.Array, cell: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """One step of the LSTM for all tensors, which first see the largest of each other."""
    # As learned: the layer called "linear" is not used.
    others = jnp.max(jax.nn.relu(_linear(weights, "linear_1", views)), axis=0, keepdims=True)
    x = _linear(weights, "linear_2", views) + others
    gates = _linear(weights, "rnn/linear", jnp.concatenate([x, hidden], axis=1))
    enter, new, keep, show = jnp.split(gates, 4, axis=1)
    cell = jax.nn.sigmoid(keep + 1) * cell + jax.nn.sigmoid(enter) * jnp.tanh(new)
    return jax.nn.sigmoid(show) * jnp.tanh(cell), cell


def _linear(weights: dict[Keys, jax.Array], name: str, x: jax.Array) -> jax.Array:
    return _dot(x, weights["rnn_params", name, "w"]) + weights["rnn_params", name, "b"]


def _dot(a: jax.Array, b: jax.Array) -> jax.Array:
    """Full float32 on every device."""
    return jnp.tensordot(a, b, axes=1, precision="highest")


def _by_shape(tensors: list[jax.Array]) -> dict[tuple[int, ...], list[int]]:
    """Indices of the tensors of each shape: stacked, they compile as one and run as one."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for i, tensor in enumerate(tensors):
        groups.setdefault(tensor.shape, []).append(i)
    return groups


def _no_moments(count: int, shape: tuple[int, ...]) -> Moments:
    sizes = [shape]
    if len(shape) > 1:
        sizes = [tuple(1 if i == axis else n for i, n in enumerate(shape)) for axis in _two(shape)]
    second = tuple(jnp.zeros((count, len(_MOMENTUM), *size), jnp.float32) for size in sizes)
    momentum = jnp.zeros((count, len(_MOMENTUM), *shape), jnp.float32)
    return Moments(momentum, jnp.zeros((count, len(_RMS), *shape), jnp.float32), second)


def _two(shape: tuple[int, ...]) -> tuple[int, int]:
    """The axes of the largest and of the second largest size; of equal ones the later is larger."""
    order = np.argsort(shape, kind="stable")
    return int(order[-1]), int(order[-2])


def _follow(old: Moments, g: jax.Array) -> Moments:
    """The moments with one more gradient."""
    square = g * g + 1e-30
    second = [square]
    if g.ndim > 1:
        second = [jnp.mean(square, axis, keepdims=True) for axis in _two(g.shape)]
    return Moments(
        _roll(old.momentum, g, _MOMENTUM),
        _roll(old.rms, g * g, _RMS),
        tuple(_roll(a, b, _MOMENTUM) for a, b in zip(old.second, second, strict=True)),
    )


def _roll(old: jax.Array, new: jax.Array, decays: np.ndarray) -> jax.Array:
    decay = jnp.asarray(decays.reshape(-1, *[1] * new.ndim))
    return decay * old + (1 - decay) * new


def _step(net: dict[str, jax.Array], p: jax.Array, g: jax.Array, moments: Moments) -> jax.Array:
    """The tiny network's step for every parameter of a tensor, before the tensor's scale."""
    features = _features(p, g, moments)
    x = _tall(net["b0"], p)
    for i, feature in enumerate(features):
        x = x + _apply(net[f"w0__{i}"], _normalised(feature))
    x = jax.nn.relu(x)
    x = jax.nn.relu(_apply(net["w1"], x) + _tall(net["b1"], p))
    outputs = _apply(net["w2"], x) + _tall(net["b2"], p)
    direction, size = outputs[0], outputs[1]  # as learned: the third is not used
    scale = jnp.sqrt(jnp.mean(p * p) + 1e-9)
    return direction * (scale * jnp.exp(_STEP * size)) * _STEP


def _features(p: jax.Array, g: jax.Array, moments: Moments) -> list[jax.Array]:
    """The groups of features, each [its size, *shape] or what can be broadcast to it."""
    momentum, rms, second = moments
    row, column = second[0], second[-1]
    by_rms = jax.lax.rsqrt(rms + 1e-6)
    if len(second) == 1:
        gradient = g * _safe_rsqrt(row + 1e-9)
        momenta = momentum * jax.lax.rsqrt(row)
    else:
        shorter = _two(p.shape)[1] + 1
        rows = _safe_rsqrt(row / (jnp.mean(row, shorter, keepdims=True) + 1e-9))
        columns = _safe_rsqrt(column)
        gradient, momenta = g * rows * columns, momentum * rows * columns
    groups = [
        g[None],
        jnp.clip(g, -0.1, 0.1)[None],
        p[None],
        momentum,
        rms,
        momentum * by_rms,
        by_rms,
        gradient,
        g * by_rms,
        row,
        column,
        jax.lax.rsqrt(row + 1e-8),
        jax.lax.rsqrt(column + 1e-8),
        momenta,
    ]
    assert tuple(len(x) for x in groups) == GROUPS
    return groups


def _normalised(x: jax.Array) -> jax.Array:
    axes = tuple(range(1, x.ndim))
    return x * jax.lax.rsqrt(1e-5 + jnp.mean(x * x, axes, keepdims=True))


def _apply(w: jax.Array, x: jax.Array) -> jax.Array:
    """[inputs, outputs] times [inputs, *shape], summed term by term so that it can be fused."""
    total = _tall(w[0], x[0]) * x[0]
    for k in range(1, len(x)):
        total = total + _tall(w[k], x[k]) * x[k]
    return total


def _tall(b: jax.Array, p: jax.Array) -> jax.Array:
    return b.reshape(-1, *[1] * p.ndim)


def _safe_rsqrt(x: jax.Array) -> jax.Array:
    return jax.lax.rsqrt(jnp.maximum(x, 1e-9))


def _at_least_1d(x: Any) -> jax.Array:
    array = jnp.asarray(x)
    return array.reshape(array.shape or (1,))
