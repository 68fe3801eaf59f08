"""The compiled programs of a fit: steps, errors, sensitivities, each mapped over all bricks.

On a CPU bricks and chunks of points that fit the cache go one after the other; on another device
they go side by side, and points are drawn there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from inif.encode.siren.points import Points
from inif.encode.siren.sensitivity import sensitivity
from inif.fields.network import Parameters, evaluate, fold, initialize, round_through
from inif.fields.siren import Siren
from inif.guidance.guide import Guidance

CHUNK = 2048
_DEVICE_POINTS = 1 << 17
"""Points of all bricks that a device other than the CPU takes at once: about 1 GB of its memory."""


class State(NamedTuple):
    """What a step changes: (bricks, …) each."""

    params: Parameters
    optimizer: Any


@dataclass(frozen=True, eq=False)
class Programs:
    """What a fit computes; each program is compiled when it is first called.

    Attributes
    ----------
    field
        The network.
    omega
        The first frequency.
    optimizer
        An `optax.GradientTransformation`.
    points
        Where the points of a step come from.
    guidance, sides
        What guides the fit, if anything, and the sides of its boxes without those of 1.
    bricks
        How many are fitted.
    device
        Whether bricks and chunks go side by side.
    """

    field: Siren
    omega: float
    optimizer: Any
    points: Points
    guidance: Guidance | None
    sides: tuple[int, ...]
    bricks: int
    device: bool

    @cached_property
    def start(self) -> Callable[..., State]:
        """From a seed and targets of all bricks: where a fit begins."""

        def one(key: jax.Array, mean: jax.Array) -> State:
            params = initialize(key, self.field, self.omega, mean)
            return State(params, self.optimizer.init(params))

        def every(seed: Any, targets: jax.Array) -> State:
            keys = jax.random.split(jax.random.key(seed), self.bricks)
            return jax.vmap(one)(keys, targets.mean(axis=1))

        return jax.jit(every, static_argnums=0)

    @cached_property
    def train(self) -> Callable[..., State]:
        """Several steps."""
        return jax.jit(self._blocks)

    @cached_property
    def errors(self) -> Callable[..., jax.Array]:
        """From parameters, coords, targets and step sizes: squared error of each brick."""
        return jax.jit(self._validate)

    @cached_property
    def derive(self) -> Callable[..., jax.Array]:
        """From parameters and coords: the sensitivity of each brick."""
        return jax.jit(self._every(lambda params, x: sensitivity(fold(params, self.omega), x)))

    @cached_property
    def folded(self) -> Callable[..., Any]:
        """The weight groups of all bricks, the frequency folded in."""
        return jax.jit(jax.vmap(lambda params: fold(params, self.omega)))

    @cached_property
    def choose(self) -> Callable[..., Any]:
        """Brick by brick, one of two trees."""
        return jax.jit(_choose)

    @property
    def _every(self) -> Callable[..., Any]:
        return jax.vmap if self.device else _sequential

    @cached_property
    def _chunk(self) -> int:
        most = max(CHUNK, _DEVICE_POINTS // self.bricks) if self.device else CHUNK
        return 1 << (most.bit_length() - 1)

    def _loss(
        self, params: Parameters, coords: jax.Array, targets: jax.Array, steps: jax.Array
    ) -> jax.Array:
        groups = round_through(fold(params, self.omega), steps)
        return jnp.mean((evaluate(groups, coords) - targets) ** 2)

    def _guided(
        self,
        params: Parameters,
        coords: jax.Array,
        targets: jax.Array,
        channel: jax.Array,
        output: jax.Array,
        extras: jax.Array,
        steps: jax.Array,
    ) -> jax.Array:
        """The guides' scalar for one brick; `extras` (guides, voxels)."""
        assert self.guidance is not None
        groups = round_through(fold(params, self.omega), steps)
        one, other = evaluate(groups, coords)[:, output], targets[:, output]
        return self.guidance.surrogate(one, other, self.sides, channel, extras)

    def _chunked(self, function: Callable[..., Any], coords: jax.Array, targets: jax.Array) -> Any:
        """Mean of a function's results over chunks of the points."""
        chunks = max(1, coords.shape[0] // self._chunk)
        split = (
            coords.reshape(chunks, -1, coords.shape[-1]),
            targets.reshape(chunks, -1, targets.shape[-1]),
        )
        first = jax.tree.map(lambda a: a[0], split)
        zero = jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), jax.eval_shape(function, *first))

        def add(total: Any, part: tuple[jax.Array, jax.Array]) -> tuple[Any, None]:
            return jax.tree.map(jnp.add, total, function(*part)), None

        total, _ = jax.lax.scan(add, zero, split)
        return jax.tree.map(lambda a: a / chunks, total)

    def _blocks(
        self,
        state: State,
        kept: Any,
        drawn: Any,
        pace: jax.Array,
        caution: jax.Array,
        steps: jax.Array,
        boxes: Any,
    ) -> State:
        """Several steps; `kept` and `drawn` are what `Points` makes their points from.

        `pace` (steps, 2) is the share of the work done, and what updates are multiplied by; `boxes`
        what guides see (`_boxes`), or None.
        """

        def gradients(params: Parameters, x: jax.Array, y: jax.Array, table: jax.Array) -> Any:
            loss = jax.value_and_grad(lambda a, b, p: self._loss(p, a, b, table), argnums=2)
            return self._chunked(lambda a, b: loss(a, b, params), x, y)

        def update(
            params: Any, optimizer: Any, value: Any, grads: Any, rate: Any, done: Any
        ) -> Any:
            changes, optimizer = self.optimizer.update(
                grads, optimizer, params, value=value, done=done
            )
            changes = jax.tree.map(lambda u: u * rate, changes)
            return optax.apply_updates(params, changes), optimizer

        def one(state: State, given: tuple[Any, ...]) -> tuple[State, None]:
            one_draw, (done, rate), seen = given
            x, y = self.points.step(kept, one_draw)
            value, grads = self._every(gradients)(state.params, x, y, steps)
            if seen is not None:
                more = self._every(jax.grad(self._guided))(state.params, *seen, steps)
                grads = jax.tree.map(jnp.add, grads, more)
            after = jax.vmap(update, (0, 0, 0, 0, 0, None))(
                state.params, state.optimizer, value, grads, rate * caution, done
            )
            return State(*after), None

        return jax.lax.scan(one, state, (drawn, pace, boxes))[0]

    def _validate(
        self,
        params: Parameters,
        coords: jax.Array,
        targets: jax.Array,
        steps: jax.Array,
    ) -> jax.Array:
        def error(p: Parameters, x: jax.Array, y: jax.Array, table: jax.Array) -> Any:
            return self._chunked(lambda a, b: self._loss(p, a, b, table), x, y)

        return self._every(error)(params, coords, targets, steps)  # type: ignore[no-any-return]


def _sequential(function: Callable[..., Any]) -> Callable[..., Any]:
    """As `jax.vmap`, one after the other: on a CPU this keeps each brick's data in the cache."""

    def mapped(*args: Any) -> Any:
        return jax.lax.map(lambda a: function(*a), args)

    return mapped


def _choose(where: jax.Array, yes: Any, no: Any) -> Any:
    """Brick by brick, one of two trees."""
    return jax.tree.map(
        lambda a, b: jnp.where(where.reshape([-1] + [1] * (a.ndim - 1)), a, b), yes, no
    )
