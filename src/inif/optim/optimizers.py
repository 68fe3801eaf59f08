"""Optimizers by name: ``name`` takes the default rate, ``name:0.003`` another.

The classic ones take a learning rate and follow the fit's schedule; the learned ones take neither.
Every optimizer's ``update`` accepts the loss as ``value`` and the share of the work as ``done``.
"""

from __future__ import annotations

from dataclasses import dataclass

import optax

from inif.errors import InputError
from inif.optim.classic import CLASSIC

LEARNED = ("inif-lopt", "velo")
DEFAULT = "muon"
_AUTO = "auto"


@dataclass(frozen=True)
class OptimizerSpec:
    """An optimizer's name and peak learning rate; None for those that take none."""

    name: str
    learning_rate: float | None = None

    @property
    def scheduled(self) -> bool:
        """Whether its updates are multiplied by the fit's schedule."""
        return self.name not in LEARNED


def names() -> tuple[str, ...]:
    """Names that `parse` knows."""
    return (*CLASSIC, *LEARNED)


def parse(text: str) -> OptimizerSpec:
    """``"auto"``, ``"adam"`` or ``"adam:0.003"`` as a spec.

    Raises
    ------
    InputError
        An unknown name, or a rate that is not a positive number or not wanted.
    """
    name, colon, rate = text.partition(":")
    name = DEFAULT if name == _AUTO else name
    if name not in names():
        raise InputError(
            "there is no optimizer of this name",
            field="optimizer",
            expected=", ".join((_AUTO, *names())),
            got=name,
        )
    if name in LEARNED:
        if colon:
            raise InputError(
                "a learned optimizer takes no learning rate",
                field="optimizer",
                expected=name,
                got=text,
            )
        return OptimizerSpec(name)
    if not colon:
        return OptimizerSpec(name, CLASSIC[name][0])
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


def build(spec: OptimizerSpec, steps: int) -> optax.GradientTransformationExtraArgs:
    """The optimizer for a fit of `steps` steps.

    Raises
    ------
    InputError
        VeLO without weights, or with weights that cannot be read.
    """
    if spec.name == "velo":
        from inif.optim.velo import velo
        from inif.optim.weights import installed

        return velo(installed("velo"), steps=steps)
    if spec.name == "inif-lopt":
        from inif.optim.learned import learned, shipped

        return learned(shipped(), steps)
    assert spec.learning_rate is not None
    return optax.with_extra_args_support(CLASSIC[spec.name][1](spec.learning_rate))
