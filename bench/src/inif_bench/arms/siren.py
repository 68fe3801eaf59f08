"""A SIREN fitted as its paper does (Sitzmann et al. 2020): one network for a whole image.

Coordinates of every axis in [-1, 1] go in, one intensity in [-1, 1] comes out; hidden layers are
sin(ω (W h + b)), whose frequency ω is folded into the weights that are kept. The shape of the
network and its decoding are those of inif's field; the fit has nothing of inif's.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from inif.fields.field import count_weights
from inif.fields.siren import Siren
from inif.frames import Geometry

if TYPE_CHECKING:
    import jax
    import optax

_CHUNK = 2048
"""Points of one pass through the network: what a cache holds."""
_BLOCK = 16
"""Steps between two looks at the clock."""
_WARM_UP = 0.05
"""Share of the work over which the rate rises."""
_HELD = 32768
"""Samples by which the best weights are chosen."""


def widest(inputs: int, size: int) -> Siren:
    """The widest network whose float32 weights take at most `size` bytes."""
    width = 1
    while 4 * count_weights(Siren(inputs, 1, width + 1)) <= size:
        width += 1
    return Siren(inputs, 1, width)


@dataclass(frozen=True)
class Fit:
    """What a fit ends with.

    Attributes
    ----------
    weights
        (weights,) float32, frequency folded in.
    steps
        Steps done.
    frequency
        The frequency that was learned.
    """

    weights: np.ndarray
    steps: int
    frequency: float


def fit(
    network: Siren,
    data: np.ndarray,
    geometry: Geometry,
    optimizer: optax.GradientTransformation,
    *,
    omega: float,
    learnable: bool,
    points: int,
    seconds: float = math.inf,
    steps: int = 1_000_000,
    seed: int = 0,
) -> Fit:
    """Fit a network to an image by random samples; the best weights seen are kept.

    Parameters
    ----------
    data
        Samples in counts, in the axes of `geometry`.
    optimizer
        Whose rate rises over the first 5 % of `steps` or `seconds`, whichever ends first, then
        falls to 0 along a cosine. The norm of gradients is clipped at 1 before it.
    points
        Samples of each step.
    """
    import jax
    import jax.numpy as jnp
    import optax

    from inif.fields.sine import sine

    def error(params: Any, x: jax.Array, y: jax.Array) -> jax.Array:
        (*matrices, last, biases, end), frequency = params
        for matrix, bias in zip(matrices, biases, strict=True):
            x = sine((frequency if learnable else omega) * (x @ matrix.T + bias))
        return jnp.mean((x @ last.T + end - y[:, None]) ** 2)

    def chunked(x: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array]:
        return x.reshape(-1, min(_CHUNK, len(x)), x.shape[1]), y.reshape(-1, min(_CHUNK, len(y)))

    def step(state: Any, given: Any) -> tuple[Any, None]:
        params, memory = state
        x, y, rate = given
        parts = jax.lax.map(lambda p: jax.grad(error)(params, *p), chunked(x, y))
        grads = jax.tree.map(lambda g: g.mean(0), parts)
        changes, memory = optimizer.update(grads, memory, params)
        changes = jax.tree.map(lambda c: rate * c, changes)
        return (optax.apply_updates(params, changes), memory), None

    @jax.jit
    def block(state: Any, x: jax.Array, y: jax.Array, rates: jax.Array) -> Any:
        return jax.lax.scan(step, state, (x, y, rates))[0]

    @jax.jit
    def judged(params: Any, x: jax.Array, y: jax.Array) -> jax.Array:
        return jnp.mean(jax.lax.map(lambda p: error(params, *p), chunked(x, y)))

    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optimizer)
    rng, targets = np.random.default_rng([seed, 1]), _targets(data, geometry)
    held = _drawn(rng, targets, _HELD)
    params = _start(network, omega, seed), np.float32(omega)
    state = jax.tree.map(jnp.asarray, (params, optimizer.init(params)))
    first = [np.stack(a) for a in zip(*[_drawn(rng, targets, points)] * _BLOCK, strict=True)]
    ready = block.lower(state, *first, np.zeros(_BLOCK, np.float32)).compile()
    best, least = state[0], float(judged(state[0], *held))
    done, share, begun = 0, 0.0, time.monotonic()
    while share < 1:
        drawn = [_drawn(rng, targets, points) for _ in range(_BLOCK)]
        x, y = (np.stack(a) for a in zip(*drawn, strict=True))
        shares = np.clip([max(share, (done + i) / steps) for i in range(_BLOCK)], 0, 1)
        state = ready(state, x, y, _rates(shares))
        done += _BLOCK
        if (found := float(judged(state[0], *held))) < least:
            best, least = state[0], found
        share = max(done / steps, (time.monotonic() - begun) / seconds)
    (*matrices, last, biases, end), frequency = jax.tree.map(np.asarray, best)
    frequency = frequency if learnable else np.float32(omega)
    groups = [*(frequency * m for m in matrices), last, frequency * biases, end]
    return Fit(np.concatenate([g.ravel() for g in groups]), done, float(frequency))


def decoded(network: Siren, weights: np.ndarray, geometry: Geometry) -> np.ndarray:
    """Every sample of an image out of its network's weights, in counts."""
    sizes = [math.prod(shape) for shape in network.group_shapes]
    parts = np.split(weights.astype(np.float32), np.cumsum(sizes)[:-1])
    groups = [p.reshape(s) for p, s in zip(parts, network.group_shapes, strict=True)]
    axes = [_spread(np.arange(n), n) for n in geometry.shape]
    values = ((network.grid(groups, axes)[0] + 1) / 2).reshape(geometry.shape)
    axis = geometry.axes.find("C")
    if axis < 0:
        return geometry.counts(values, 0)
    channels = [geometry.counts(v, c) for c, v in enumerate(np.moveaxis(values, axis, 0))]
    return np.stack(channels, axis)


def _start(network: Siren, omega: float, seed: int) -> tuple[np.ndarray, ...]:
    """Random weights as in the paper's public code, but for the last bias, which is 0."""
    rng = np.random.default_rng(seed)
    out = []
    for number, (rows, columns) in enumerate(network.group_shapes[: network.layers]):
        limit = 1 / columns if number == 0 else math.sqrt(6 / columns) / omega
        out.append(rng.uniform(-limit, limit, (rows, columns)))
    inputs = np.array([network.inputs, *[network.width] * (network.layers - 2)])
    biases = rng.uniform(-1, 1, (network.layers - 1, network.width)) / np.sqrt(inputs)[:, None]
    return tuple(np.asarray(g, np.float32) for g in (*out, biases, np.zeros(1)))


def _rates(shares: np.ndarray) -> np.ndarray:
    """Multipliers of the optimizer's rate by the share of the work that is done, float32."""
    left = (np.clip(shares, _WARM_UP, 1) - _WARM_UP) / (1 - _WARM_UP)
    rates = np.minimum(np.maximum(shares, 1e-3) / _WARM_UP, 0.5 + 0.5 * np.cos(np.pi * left))
    return np.asarray(rates, np.float32)


def _targets(data: np.ndarray, geometry: Geometry) -> np.ndarray:
    """Every sample in [-1, 1] over its channel's range, float32."""
    axis = geometry.axes.find("C")
    channels = [data] if axis < 0 else np.moveaxis(data, axis, 0)
    scaled = [2 * geometry.scaled(one, c) - 1 for c, one in enumerate(channels)]
    return scaled[0] if axis < 0 else np.stack(scaled, axis)


def _drawn(
    rng: np.random.Generator, targets: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates (count, D) and values (count,) of random samples."""
    flat = rng.integers(0, targets.size, count)
    return _coordinates(flat, targets.shape), targets.ravel()[flat]


def _coordinates(flat: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Where samples lie, (N, D) float32, by their number in C order."""
    index = np.unravel_index(flat, shape)
    return np.stack([_spread(i, n) for i, n in zip(index, shape, strict=True)], 1)


def _spread(index: np.ndarray, length: int) -> np.ndarray:
    """Coordinates from -1 to 1 of samples along an axis, float32."""
    return np.asarray(index * (2 / max(length - 1, 1)) - 1, np.float32)
