"""`inif-lopt`: a learned optimizer for image fields. It asks for no learning rate.

Three good directions per tensor (Adam's, a slower one, an orthogonalized one) are mixed, and
the mix and its length come from a small network that sees how the fit goes: the share of the work
done, how steady the gradients are, how the loss falls, what the tensor is for. The network was
meta-trained on many short fits (`inif.optim.meta_train`); without it this would be Muon with Adam.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from inif.errors import InputError
from inif.optim.schedules import WARM_UP, warm_cosine

ROLES = ("first", "hidden", "last", "bias", "last_bias", "scalar")
"""What a tensor is for, as far as the optimizer tells them apart."""

_TIMES = (0.03, 0.1, 0.3, 0.6, 0.85)
FEATURES = len(_TIMES) + 12 + len(ROLES) + 2
CROSSED = len(ROLES) * (len(_TIMES) + 5)
"""Time, horizon, height of a tensor, and three of long fits, for each role on its own."""

_HORIZON = len(_TIMES) + 1
_LONG, _NARROW = 1000.0, 32
"""Steps above which a fit is long: the horizon stays what it is there. In fields wider than 32,
others speak, wholly from four times that; narrow ones want nothing else."""

_LONGEST = 3.0
"""How much longer than that a fit may seem: longer ones were not tried."""

_FOR_LONG = (2, 3)
"""How many features are 0 in all but long fits: of `FEATURES`, and of those of each role."""

_BASE_RATE = 1e-3
_RATES = (0.1, 0.02, 0.01)
"""One minus the decays of the momenta and of the squares, before meta-training."""

_LARGEST = 1e3
_LAST = 0.01
_EPS = 1e-12
_NEWTON_SCHULZ = (3.4445, -4.775, 2.0315)
_LEAST_SIDE = 8


class Weights(NamedTuple):
    """What was meta-trained: linear maps, because they meta-train on small means.

    Attributes
    ----------
    step
        (FEATURES + CROSSED,) features to the logarithm of a tensor's step.
    mix
        (FEATURES, 3) features to the weights of the three directions.
    decays
        (3,) of the two momenta and of the squares, as changes of log(1 - decay).
    """

    step: jax.Array | np.ndarray
    mix: jax.Array | np.ndarray
    decays: jax.Array | np.ndarray


class State(NamedTuple):
    """How the fit goes.

    Attributes
    ----------
    step
        Steps done, ().
    moments
        (3, N) two momenta and the squares of all N parameters, in the order of the leaves.
    losses
        (3,) logarithms of the loss: a short mean, a longer one, the first.
    """

    step: jax.Array
    moments: jax.Array
    losses: jax.Array


SHAPES = ((FEATURES + CROSSED,), (FEATURES, 3), (3,))
"""Of the `Weights`."""


def start() -> Weights:
    """Weights before meta-training: zeros, so the optimizer is its own base."""
    return Weights(*[jnp.zeros(shape) for shape in SHAPES])


def of_long_fits() -> Weights:
    """Which weights have a say in long fits only: bool arrays of `SHAPES`."""
    every, crossed = (
        np.arange(n) >= n - last
        for n, last in zip((FEATURES, CROSSED // len(ROLES)), _FOR_LONG, strict=True)
    )
    return Weights(
        np.concatenate([every, np.tile(crossed, len(ROLES))]),
        np.tile(every[:, None], (1, 3)),
        np.zeros(3, bool),
    )


def load(path: Path | Traversable) -> Weights:
    """Weights from an .npz file of float32 arrays.

    Raises
    ------
    InputError
        The file is not one, or holds other arrays than `Weights`.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            found = {name: np.asarray(arrays[name], np.float32) for name in Weights._fields}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, EOFError) as error:
        raise _bad(path, f"an .npz file of {', '.join(Weights._fields)}", error) from None
    weights = Weights(**found)  # of NumPy: JAX arrays would belong to the trace that makes them
    for name, wanted, have in zip(Weights._fields, SHAPES, weights, strict=True):
        if have.shape != wanted or not np.isfinite(have).all():
            raise _bad(path, f"finite {name} of shape {wanted}", have.shape)
    return weights


def save(weights: Weights, path: Path) -> None:
    """Write what `load` reads, by writing beside it first."""
    beside = path.with_name(path.name + ".part")
    with beside.open("wb") as file:
        arrays = {name: np.asarray(w, np.float32) for name, w in weights._asdict().items()}
        np.savez(file, **arrays)  # type: ignore[arg-type]
    beside.replace(path)


@cache
def shipped() -> Weights:
    """The meta-trained weights in the package."""
    return load(files("inif.optim") / "lopt.npz")


def roles(params: Any) -> list[tuple[str, float]]:
    """Role of each tensor, and how deep it lies from 0 to 1, in the order of the leaves.

    A field's own names decide (`matrices`, `biases`, `last_bias`); otherwise the shape does.
    """
    leaves = jax.tree_util.tree_leaves_with_path(params)
    matrices = [i for i, (_, p) in enumerate(leaves) if p.ndim == 2 and not _named(_, "bias")]
    out = []
    for i, (path, p) in enumerate(leaves):
        if i in matrices:
            at = matrices.index(i)
            role = "first" if at == 0 else "last" if at == len(matrices) - 1 else "hidden"
            out.append((role, at / max(1, len(matrices) - 1)))
        elif p.ndim == 0:
            out.append(("scalar", 0.0))
        else:
            out.append(("last_bias" if _named(path, "last") else "bias", 0.5))
    return out


def learned(weights: Weights, steps: Any) -> optax.GradientTransformationExtraArgs:
    """The optimizer for a fit of `steps` steps.

    ``update`` takes the loss as ``value`` and, if the share of the work that is done is not
    count / steps, that share as ``done`` in [0, 1]. Any tree of float32 arrays will do.
    """
    rates = jnp.array(_RATES) * jnp.exp(jnp.clip(weights.decays, -3, 2))
    horizon = jnp.log10(jnp.clip(steps, 1.0, _LONG)) - 2.7
    length = jnp.log10(jnp.clip(steps / _LONG, 1.0, _LONGEST))

    def init(params: Any) -> State:
        size = sum(p.size for p in jax.tree.leaves(params))
        return State(jnp.zeros((), jnp.int32), jnp.zeros((3, size)), jnp.zeros(3))

    def update(
        grads: Any, state: State, params: Any, *, value: Any, done: Any = None, **extra: Any
    ) -> tuple[Any, State]:
        del extra
        count = state.step + 1
        share = state.step / steps if done is None else done
        share = jnp.clip(jnp.asarray(share, jnp.float32), 0, 1)
        g = jnp.nan_to_num(_flat(grads), nan=0.0).clip(-_LARGEST, _LARGEST)
        moments = state.moments + rates[:, None] * (jnp.stack([g, g, g * g]) - state.moments)
        fast, slow, squares = moments / (1 - (1 - rates) ** count)[:, None]
        losses = _losses(state.losses, jnp.asarray(value, jnp.float32), state.step)
        tensors = jax.tree.leaves(params)
        kinds = roles(params)
        seen = _seen(
            jnp.stack([_flat(params) ** 2, fast**2, slow**2, fast * slow, squares]), tensors
        )
        same = jnp.concatenate(
            [
                jnp.tanh(8 * (share - jnp.array(_TIMES))),
                jnp.stack([share, horizon, 5 * (losses[0] - losses[1])]).clip(-2, 2),
                jnp.stack([losses[0], losses[0] - losses[2]]) / 3 + 1,
            ]
        )
        every = jnp.broadcast_to(same, (len(tensors), len(same)))
        fixed = _fixed(tensors, kinds)
        longs = jnp.full((len(tensors), 1), length * _wide(tensors))
        for_all = [longs, longs * (losses[0] / 3 + 1)]
        features = jnp.concatenate([every, seen, jnp.asarray(fixed), *for_all], 1)
        by_role = [longs, longs * (2 * share - 1), longs * fixed[:, :1]]
        timed = jnp.concatenate(
            [every[:, : len(_TIMES)], every[:, [_HORIZON]], fixed[:, :1], *by_role], 1
        )
        is_role = fixed[:, -len(ROLES) :]
        crossed = (is_role[:, :, None] * timed[:, None, :]).reshape(len(tensors), -1)
        steps_log = jnp.concatenate([features, crossed], 1) @ weights.step
        base = np.array([(0.0, 0.0, 1.0) if r == "hidden" else (1.0, 0.0, 0.0) for r, _ in kinds])
        lengths = _BASE_RATE * _schedule(share) * jnp.exp(jnp.clip(steps_log, -6, 3))
        mix = -lengths[:, None] * (base + features @ weights.mix)
        root = jnp.sqrt(squares) + 1e-8
        directions = jnp.stack(
            [fast / root, slow / root, _third(fast, fast / root, tensors, kinds)]
        )
        index = np.repeat(np.arange(len(tensors)), [p.size for p in tensors])
        change = jnp.einsum("nk,kn->n", mix[index], directions)
        return _like(change, grads), State(count, moments, losses)

    return optax.GradientTransformationExtraArgs(init, update)


def _flat(tree: Any) -> jax.Array:
    return jnp.concatenate([jnp.ravel(leaf) for leaf in jax.tree.leaves(tree)])


def _like(flat: jax.Array, tree: Any) -> Any:
    leaves, structure = jax.tree.flatten(tree)
    parts = jnp.split(flat, np.cumsum([leaf.size for leaf in leaves])[:-1])
    return jax.tree.unflatten(
        structure, [p.reshape(leaf.shape) for p, leaf in zip(parts, leaves, strict=True)]
    )


def _bad(path: object, expected: str, got: object) -> InputError:
    return InputError(
        "these are not weights of inif-lopt",
        file=str(path),
        field="weights",
        expected=expected,
        got=got,
        fix="train some with `inif optimizer train`",
    )


def _named(path: Sequence[Any], name: str) -> bool:
    return any(name in str(getattr(k, "name", getattr(k, "key", ""))) for k in path)


def _schedule(share: jax.Array) -> jax.Array:
    """The fit loop's own, but down to a hundredth instead of zero."""
    rate = warm_cosine(share, jnp)
    return jnp.where(share < WARM_UP, rate, _LAST + (1 - _LAST) * rate)


def _losses(before: jax.Array, value: jax.Array, count: jax.Array) -> jax.Array:
    log = jnp.log(jnp.nan_to_num(value, nan=1e6).clip(1e-10, 1e6))
    return jnp.where(count == 0, log, before + np.array([0.1, 0.02, 0.0]) * (log - before))


def _seen(products: jax.Array, tensors: Sequence[jax.Array]) -> jax.Array:
    """How large a tensor is, and how steady its gradients are: (tensors, 4), each about -2 to 2.

    `products` (5, N): squares of parameters, momentum, slow momentum; product of both; squares
    of gradients.
    """
    edges = np.cumsum([p.size for p in tensors])[:-1]
    means = jnp.stack([jnp.mean(part, 1) for part in jnp.split(products, edges, axis=1)])
    size, fast, slow, both, energy = means.T + _EPS
    return jnp.stack(
        [
            (jnp.log(size) / 4 + 1.5).clip(-2, 2),
            (jnp.log(fast / energy) / 3 + 1).clip(-2, 2),
            (jnp.log(slow / energy) / 3 + 1).clip(-2, 2),
            both / jnp.sqrt(fast * slow),
        ],
        axis=1,
    )


def _wide(tensors: Sequence[jax.Array]) -> float:
    """How much weights for long fits count in a field, 0 to 1, by its widest matrix."""
    width = max((min(p.shape) for p in tensors if p.ndim == 2), default=0)
    return min(max(math.log2(max(width, 1) / _NARROW) / 2, 0), 1)


def _fixed(tensors: Sequence[jax.Array], kinds: Sequence[tuple[str, float]]) -> np.ndarray:
    """What a tensor is, (tensors, 3 + len(ROLES))."""
    rows = []
    for p, (role, depth) in zip(tensors, kinds, strict=True):
        height, width = (*p.shape, 1, 1)[:2]
        sides = [(math.log2(max(n, 1)) - 5) / 2 for n in (height, width)]
        rows.append([*sides, 2 * depth - 1, *[float(role == r) for r in ROLES]])
    return np.array(rows, np.float32)


def _orthogonal(m: jax.Array) -> jax.Array:
    """Nearest orthogonal matrices of (…, R, C), by five Newton-Schulz steps (Jordan 2024)."""
    a, b, c = _NEWTON_SCHULZ
    x = m / (jnp.sqrt(jnp.sum(m**2, axis=(-2, -1), keepdims=True)) + _EPS)
    for _ in range(5):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x


def _third(
    fast: jax.Array,
    other: jax.Array,
    tensors: Sequence[jax.Array],
    kinds: Sequence[tuple[str, float]],
) -> jax.Array:
    """The orthogonalized momentum of hidden matrices, with a mean square of 0.04; else `other`."""
    edges = np.cumsum([p.size for p in tensors])[:-1]
    parts = jnp.split(fast, edges)
    out = list(jnp.split(other, edges))
    chosen = [
        i
        for i, (role, _) in enumerate(kinds)
        if role == "hidden" and min(tensors[i].shape) > _LEAST_SIDE
    ]
    for shape in sorted({tensors[i].shape for i in chosen}):
        alike = [i for i in chosen if tensors[i].shape == shape]
        matrices = _orthogonal(jnp.stack([parts[i].reshape(shape) for i in alike]))
        for i, matrix in zip(alike, matrices, strict=True):
            out[i] = 0.2 * math.sqrt(max(shape)) * matrix.ravel()
    return jnp.concatenate(out)
