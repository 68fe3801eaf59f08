"""The classic optimizers, with peak learning rates that were measured on SIRENs (docs/fitting.md).

``name`` takes the default rate, ``name:0.003`` another. Schedules are not in here: the fit loop
multiplies updates by `inif.optim.schedules`, so that a time limit can steer them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import optax

from inif.errors import InputError

_SMALLEST_MATRIX = 8


@dataclass(frozen=True)
class OptimizerSpec:
    """An optimizer's name and peak learning rate."""

    name: str
    learning_rate: float


def _muon(rate: float) -> optax.GradientTransformation:
    """Muon for the square matrices, Adam for the rest (Jordan 2024; optax.contrib)."""

    def labels(params: Any) -> Any:
        return jax.tree.map(
            lambda p: "muon" if p.ndim == 2 and min(p.shape) > _SMALLEST_MATRIX else "adam", params
        )

    parts = {"muon": optax.contrib.muon(rate), "adam": optax.adam(min(rate / 2, 1e-3))}
    return optax.partition(parts, labels)


_FACTORIES: dict[str, tuple[float, Callable[[float], optax.GradientTransformation]]] = {
    "adam": (1e-3, optax.adam),
    "adamw": (1e-3, lambda rate: optax.adamw(rate, weight_decay=1e-4)),
    "adamax": (2e-3, optax.adamax),
    "sgd": (1e-2, lambda rate: optax.sgd(rate, momentum=0.9, nesterov=True)),
    "muon": (2e-3, _muon),
}
DEFAULT = "muon"


def names() -> tuple[str, ...]:
    """Names that `parse` knows."""
    return tuple(_FACTORIES)


def parse(text: str) -> OptimizerSpec:
    """``"auto"``, ``"adam"`` or ``"adam:0.003"`` as a spec.

    Raises
    ------
    InputError
        An unknown name, or a rate that is not a positive number.
    """
    name, _, rate = text.partition(":")
    name = DEFAULT if name == "auto" else name
    if name not in _FACTORIES:
        raise InputError(
            "there is no optimizer of this name",
            field="optimizer",
            expected="auto, " + ", ".join(_FACTORIES),
            got=name,
        )
    if not rate:
        return OptimizerSpec(name, _FACTORIES[name][0])
    try:
        value = float(rate)
    except ValueError:
        value = -1.0
    if not 0 < value < 100:
        raise InputError(
            "this learning rate cannot be used",
            field="optimizer",
            expected="name:rate with a rate in (0, 100)",
            got=text,
        )
    return OptimizerSpec(name, value)


def build(spec: OptimizerSpec, *, clip: float = 1.0) -> optax.GradientTransformation:
    """The optimizer, behind a clip of the gradient's global norm."""
    factory = _FACTORIES[spec.name][1]
    return optax.chain(optax.clip_by_global_norm(clip), factory(spec.learning_rate))
