"""The SIREN as it is trained: initialisation, learnable frequency, and the fold that a file stores.

Training uses sin(w (W h + b)) with one learnable frequency w per brick, as in the paper; the file
stores w·W and w·b. Parameters of all bricks are stacked along a leading axis.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from inif.fields.sine import sine
from inif.fields.siren import Siren


class Parameters(NamedTuple):
    """A SIREN in training; with a leading brick axis on every array when stacked.

    Attributes
    ----------
    matrices
        One per layer, (out, in).
    biases
        (layers - 1, width).
    last_bias
        (outputs,).
    shift
        What was added to the starting frequency, ().
    """

    matrices: tuple[jax.Array, ...]
    biases: jax.Array
    last_bias: jax.Array
    shift: jax.Array


def initialize(
    key: jax.Array, field: Siren, omega: float | jax.Array, mean: jax.Array
) -> Parameters:
    """Start values for one brick (SIREN, Sitzmann et al. 2020, section 3.2).

    The first layer covers frequencies up to omega, hidden layers keep the distribution of
    activations, phases are spread over a full turn, and the output starts near the data's mean.

    Parameters
    ----------
    mean
        (outputs,) mean of the targets.
    """
    keys = jax.random.split(key, field.layers + 1)
    matrices = []
    for index, shape in enumerate(field.group_shapes[: field.layers]):
        limit = 1 / max(shape[1], 1) if index == 0 else np.sqrt(6 / shape[1]) / omega
        matrices.append(jax.random.uniform(keys[index], shape, minval=-limit, maxval=limit))
    first = jax.random.uniform(keys[-1], (1, field.width), minval=-np.pi, maxval=np.pi) / omega
    biases = jnp.concatenate([first, jnp.zeros((field.layers - 2, field.width))])
    return Parameters(tuple(matrices), biases, mean, jnp.zeros(()))


def fold(params: Parameters, omega: float | jax.Array) -> tuple[jax.Array, ...]:
    """Weight groups in the order of the file, frequency folded in (`Siren.group_shapes`)."""
    frequency = omega + params.shift
    hidden = tuple(m * frequency for m in params.matrices[:-1])
    return (*hidden, params.matrices[-1], params.biases * frequency, params.last_bias)


def evaluate(groups: Sequence[jax.Array], coords: jax.Array) -> jax.Array:
    """Outputs (N, outputs) at coordinates (N, D) in [-1, 1]; `groups` as `fold` gives them."""
    *matrices, biases, last_bias = groups
    h = coords
    for matrix, bias in zip(matrices[:-1], biases, strict=True):
        h = sine(h @ matrix.T + bias)
    return h @ matrices[-1].T + last_bias


def round_through(groups: Sequence[jax.Array], steps: jax.Array) -> tuple[jax.Array, ...]:
    """Weight groups rounded to multiples of their step; gradients pass unchanged.

    Parameters
    ----------
    steps
        (groups,) step sizes; 0 leaves a group as it is.
    """

    def rounded(group: jax.Array, step: jax.Array) -> jax.Array:
        safe = jnp.where(step > 0, step, 1)
        return jnp.where(step > 0, jnp.round(group / safe) * safe, group)

    return tuple(
        g + jax.lax.stop_gradient(rounded(g, s) - g) for g, s in zip(groups, steps, strict=True)
    )
