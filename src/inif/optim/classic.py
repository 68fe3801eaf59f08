"""The classic optimizers, as functions of a peak learning rate.

Schedules are not in here: the fit loop multiplies updates by `inif.optim.schedules`, so that a time
limit can steer them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

_SMALLEST_MATRIX = 8
_CLIP = 1.0

Factory = Callable[[float], optax.GradientTransformation]


def _muon(rate: float) -> optax.GradientTransformation:
    """Muon for the square matrices, Adam for the rest (Jordan 2024; optax.contrib)."""

    def labels(params: Any) -> Any:
        return jax.tree.map(
            lambda p: "muon" if p.ndim == 2 and min(p.shape) > _SMALLEST_MATRIX else "adam", params
        )

    parts = {"muon": optax.contrib.muon(rate), "adam": optax.adam(jnp.minimum(rate / 2, 1e-3))}
    return optax.partition(parts, labels)


def _prodigy(scale: float) -> optax.GradientTransformation:
    """Prodigy (Mishchenko and Defazio 2023); stands still where it divides by zero."""
    inner = optax.contrib.prodigy(scale)

    def update(grads: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        changes, after = inner.update(grads, state, params)
        fine = jnp.all(jnp.array([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(changes)]))
        changes = jax.tree.map(lambda u: jnp.where(fine, u, 0), changes)
        return changes, jax.tree.map(lambda a, b: jnp.where(fine, a, b), after, state)

    return optax.GradientTransformation(inner.init, update)


def _clipped(factory: Factory) -> Factory:
    """Behind a clip of the gradient's global norm."""
    return lambda rate: optax.chain(optax.clip_by_global_norm(_CLIP), factory(rate))


CLASSIC: dict[str, tuple[float, Factory]] = {
    "adam": (1e-3, _clipped(optax.adam)),
    "adamw": (1e-3, _clipped(lambda rate: optax.adamw(rate, weight_decay=1e-4))),
    "adamax": (2e-3, _clipped(optax.adamax)),
    "sgd": (1e-2, _clipped(lambda rate: optax.sgd(rate, momentum=0.9, nesterov=True))),
    "muon": (2e-3, _clipped(_muon)),
    "prodigy": (1.0, _clipped(_prodigy)),
}
"""Name → default peak rate and factory. Prodigy finds its own rate; its number only scales it."""
