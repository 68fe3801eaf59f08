"""How much each weight group matters to the output: what decides its step size."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from inif.fields.network import evaluate

CHUNKS = 32
POINTS = 128


def sensitivity(groups: Sequence[jax.Array], coords: jax.Array) -> jax.Array:
    """Mean squared derivative of the outputs by one weight of each group: (groups,).

    Random signs make one backward pass give the sum over points and outputs of squared
    derivatives, in expectation (Hutchinson's estimator).

    Parameters
    ----------
    groups
        Weight groups as `inif.fields.network.fold` gives them.
    coords
        (N, D) points to average over; at most the first 4096 are used.
    """
    points = min(POINTS, coords.shape[0] // CHUNKS)
    used = coords[: points * CHUNKS].reshape(CHUNKS, points, coords.shape[1])
    outputs = groups[-1].shape[0]

    def part(total: jax.Array, given: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, None]:
        chunk, key = given
        signs = jax.random.rademacher(key, (points, outputs), jnp.float32)
        grads = jax.grad(lambda g: jnp.sum(signs * evaluate(g, chunk)))(tuple(groups))
        return total + jnp.stack([jnp.mean(g**2) for g in grads]), None

    keys = jax.random.split(jax.random.key(0), CHUNKS)
    total, _ = jax.lax.scan(part, jnp.zeros(len(groups)), (used, keys))
    return total / (CHUNKS * points * outputs)
