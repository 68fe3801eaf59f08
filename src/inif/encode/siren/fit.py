"""The only fit loop: random voxels, chunks that fit the cache, the best weights kept.

All bricks are fitted side by side: arrays carry a leading brick axis, each step maps over it. In
the last part of the fit, weights are rounded in the forward pass as the file will round them
(straight-through gradients), with step sizes that a `Quantizer` sets from the byte budget. On a
device other than the CPU, bricks and chunks go side by side, and points are drawn there.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
import optax

from inif.config import FitSettings, ProgressEvent
from inif.encode.interrupt import Interrupt
from inif.encode.siren.device import accelerated
from inif.encode.siren.points import DevicePoints, points_of
from inif.encode.siren.sampling import Sampler
from inif.encode.siren.sensitivity import sensitivity
from inif.encode.tally import psnr_of
from inif.fields.network import Parameters, evaluate, fold, initialize, round_through
from inif.fields.siren import Siren
from inif.guidance.guide import Guidance, box_sides
from inif.optim import optimizers, schedules

CHUNK = 2048
_VALIDATION = 32768
_VALIDATION_LEAST = 512
_BLOCK_VALUES = 4_000_000
_DEVICE_POINTS = 1 << 17
"""Points of all bricks that a device other than the CPU takes at once: about 1 GB of its memory."""

_DEVICE_STEPS = 64
"""Steps of one call where nothing is stacked for them."""


class Quantizer(Protocol):
    """Sets step sizes from the weights as they are now."""

    def steps(self, groups: list[np.ndarray], sensitivity: np.ndarray | None) -> np.ndarray:
        """Step sizes (bricks, groups) for stacked weight groups.

        `sensitivity` (bricks, groups) comes with the first call only.
        """
        ...


class _State(NamedTuple):
    params: Parameters
    optimizer: Any


@dataclass(frozen=True)
class FitResult:
    """What a fit ends with.

    Attributes
    ----------
    groups
        Per weight group, (bricks, …) float32, frequency folded in, not rounded.
    mse
        (bricks,) squared error on validation voxels in units of half the range.
    sensitivity
        (bricks, groups) mean squared derivative of the outputs, at the final weights.
    steps
        Steps done.
    stopped
        "steps", "time" or "interrupt".
    frequency
        (bricks,) the frequency that was learned.
    """

    groups: list[np.ndarray]
    mse: np.ndarray
    sensitivity: np.ndarray
    steps: int
    stopped: str
    frequency: np.ndarray

    @property
    def psnr(self) -> float:
        """Estimate of the pooled PSNR in dB before rounding, all bricks alike."""
        return psnr_of(float(self.mse.mean()))


class Fitter:
    """One fit; made once per image and field so that its compiled functions are shared.

    Parameters
    ----------
    device
        Whether to work as on a device other than the CPU; by default, where there is one.
    """

    def __init__(
        self,
        field: Siren,
        sampler: Sampler,
        settings: FitSettings,
        guidance: Guidance | None = None,
        *,
        device: bool | None = None,
    ) -> None:
        device = accelerated() if device is None else device
        self.field = field
        self.guidance = guidance
        self._sides = (
            box_sides(sampler.axes, sampler.extents, planar=guidance.planar) if guidance else None
        )
        self.sampler = sampler
        self.settings = settings
        spec = optimizers.parse(settings.optimizer)
        self._optimizer = optimizers.build(spec, settings.steps)
        self._schedule = schedules.warm_cosine if spec.scheduled else schedules.none
        self._voxels = sampler.grid.voxels[list(sampler.bricks)]
        self._points = points_of(sampler, settings.points, device=device)
        bricks = len(sampler.bricks)
        most = max(CHUNK, _DEVICE_POINTS // bricks) if device else CHUNK
        self._chunk = 1 << (most.bit_length() - 1)
        every = jax.vmap if device else _sequential
        self._train = jax.jit(partial(self._blocks, every=every))
        self._errors = jax.jit(partial(self._validate, every=every))
        self._derive = jax.jit(
            every(lambda params, x: sensitivity(fold(params, settings.omega), x))
        )
        self._folded = jax.jit(jax.vmap(partial(fold, omega=settings.omega)))
        self._choose = jax.jit(_choose)

    def run(
        self,
        quantizer: Quantizer | None = None,
        progress: Callable[[ProgressEvent], None] | None = None,
        *,
        stage: str = "fit",
        interrupt: Interrupt | None = None,
    ) -> FitResult:
        """Fit all bricks.

        Parameters
        ----------
        quantizer
            Sets step sizes for the last part of the fit; None fits without rounding.
        progress
            Called after every look at the validation voxels.
        interrupt
            Looked at after every block of steps.

        Raises
        ------
        KeyboardInterrupt
            Ctrl-C, unless the settings ask to keep what there is.
        """
        s = self.settings
        rng = np.random.default_rng([s.seed, 1])
        held = self._held_out(np.random.default_rng([s.seed, 2]))
        state = self._start(held[1])
        fresh = state.optimizer
        bricks = len(self.sampler.bricks)
        best, best_mse = state.params, np.full(bricks, np.inf)
        caution = np.ones(bricks, np.float32)
        steps = np.zeros((bricks, len(self.field.group_shapes)), np.float32)
        rounding = False
        block = self._block_length()
        last = -(-s.steps // block) * block
        begun = time.monotonic()
        step, done, stopped = 0, 0.0, "steps"
        next_check = s.check_every
        try:
            while done < 1:
                if quantizer and not rounding and done >= s.round_from:
                    since = self._mse(state.params, held, steps)  # since the last look
                    best = self._choose(since < best_mse, state.params, best)
                    state = _State(best, state.optimizer)
                    steps = quantizer.steps(self._fold(best), self._sensitivity(best, held))
                    rounding, best_mse = True, np.full(bricks, np.inf)
                shares = [max(done, (step + i) / last) for i in range(block)]
                rates = [self._schedule(share) for share in shares]
                state = self._train(
                    state,
                    self._points.kept,
                    self._draw(rng, block),
                    jnp.asarray([shares, rates], jnp.float32).T,
                    jnp.asarray(caution),
                    jnp.asarray(steps),
                    self._boxes(rng, block, done),
                )
                if interrupt:
                    interrupt.check()
                step += block
                done = self._share(step, last, begun)
                if step < next_check and done < 1:
                    continue
                next_check = step + s.check_every
                if quantizer and rounding and done < 0.97:
                    steps = quantizer.steps(self._fold(state.params), None)
                mse = self._mse(state.params, held, steps)
                state, caution = self._recover(state, fresh, best, mse, best_mse, caution)
                better = np.isfinite(mse) if rounding else mse < best_mse
                best = self._choose(better, state.params, best)
                best_mse = np.where(better, mse, best_mse)
                if progress:
                    progress(self._event(stage, step, last, best_mse, begun, done))
            if step < last:
                stopped = "time"
        except KeyboardInterrupt:
            if not s.keep_partial:
                raise
            if interrupt:
                interrupt.keep()
            stopped = "interrupt"
            since = self._mse(state.params, held, steps)
            best = self._choose(since < best_mse, state.params, best)
            best_mse = np.fmin(since, best_mse)
            if not np.isfinite(best_mse).all():
                best_mse = self._mse(best, held, np.zeros_like(steps))
        return FitResult(
            self._fold(best),
            best_mse,
            self._sensitivity(best, held),
            step,
            stopped,
            np.asarray(best.shift) + s.omega,
        )

    def _share(self, step: int, last: int, begun: float) -> float:
        share = step / last
        if self.settings.time_limit:
            share = max(share, (time.monotonic() - begun) / self.settings.time_limit)
        return min(share, 1.0)

    def _event(
        self, stage: str, step: int, last: int, mse: np.ndarray, begun: float, done: float
    ) -> ProgressEvent:
        seconds = time.monotonic() - begun
        weighted = float((mse * self._voxels).sum() / self._voxels.sum())
        eta = seconds * (1 - done) / max(done, 1e-6)
        return ProgressEvent(stage, step, last, psnr_of(weighted), seconds, eta)

    def _held_out(self, rng: np.random.Generator) -> tuple[jax.Array, jax.Array]:
        count = max(_VALIDATION_LEAST, _VALIDATION // len(self.sampler.bricks))
        if count > CHUNK:
            count = count // CHUNK * CHUNK
        coords, targets = self.sampler.draw(rng, count)
        return jnp.asarray(coords), jnp.asarray(targets)

    def _start(self, targets: jax.Array) -> _State:
        def one(key: jax.Array, mean: jax.Array) -> _State:
            params = initialize(key, self.field, self.settings.omega, mean)
            return _State(params, self._optimizer.init(params))

        @jax.jit
        def every(key: jax.Array, targets: jax.Array) -> _State:
            keys = jax.random.split(key, len(self.sampler.bricks))
            return jax.vmap(one)(keys, targets.mean(axis=1))

        return every(jax.random.key(self.settings.seed), targets)  # type: ignore[no-any-return]

    def _block_length(self) -> int:
        if isinstance(self._points, DevicePoints) and self.guidance is None:
            return max(1, min(self.settings.check_every, _DEVICE_STEPS))
        per_step = len(self.sampler.bricks) * self.settings.points
        per_step *= self.field.inputs + self.field.outputs
        return int(np.clip(_BLOCK_VALUES // per_step, 1, 16))

    def _draw(self, rng: np.random.Generator, count: int) -> Any:
        return self._points.block(rng, count)

    def _boxes(self, rng: np.random.Generator, count: int, done: float) -> Any:
        """What guides see in the next steps, or None while they do not count."""
        if self.guidance is None or self._sides is None or done < self.guidance.start:
            return None
        boxes = [self.sampler.boxes(rng, self._sides) for _ in range(count)]
        output = [b.channel if self.field.outputs > 1 else 0 * b.channel for b in boxes]
        extras = [self.guidance.extras(b) for b in boxes]
        return (
            jnp.asarray(np.stack([b.coords for b in boxes])),
            jnp.asarray(np.stack([b.targets for b in boxes])),
            jnp.asarray(np.stack([b.channel for b in boxes])),
            jnp.asarray(np.stack(output)),
            jnp.asarray(np.stack(extras).swapaxes(1, 2)),
        )

    def _fold(self, params: Parameters) -> list[np.ndarray]:
        return [np.asarray(g) for g in self._folded(params)]

    def _mse(
        self, params: Parameters, held: tuple[jax.Array, jax.Array], steps: np.ndarray
    ) -> np.ndarray:
        return np.asarray(self._errors(params, *held, jnp.asarray(steps)), dtype=np.float64)

    def _sensitivity(self, params: Parameters, held: tuple[jax.Array, jax.Array]) -> np.ndarray:
        return np.asarray(self._derive(params, held[0]), dtype=np.float64)

    def _recover(
        self,
        state: _State,
        fresh: Any,
        best: Parameters,
        mse: np.ndarray,
        best_mse: np.ndarray,
        caution: np.ndarray,
    ) -> tuple[_State, np.ndarray]:
        """Where a brick's fit collapsed, go back to its best and halve its rate."""
        lost = ~np.isfinite(mse) | (mse > 2 * best_mse)
        if not lost.any():
            return state, caution
        params = self._choose(lost, best, state.params)
        optimizer = self._choose(lost, fresh, state.optimizer)
        return _State(params, optimizer), np.where(lost, caution / 2, caution).astype(np.float32)

    def _loss(
        self, params: Parameters, coords: jax.Array, targets: jax.Array, steps: jax.Array
    ) -> jax.Array:
        groups = round_through(fold(params, self.settings.omega), steps)
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
        assert self._sides is not None
        groups = round_through(fold(params, self.settings.omega), steps)
        sides = tuple(n for a in self.sampler.axes if (n := self._sides.get(a, 1)) > 1)
        one, other = evaluate(groups, coords)[:, output], targets[:, output]
        return self.guidance.surrogate(one, other, sides, channel, extras)

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
        state: _State,
        kept: Any,
        drawn: Any,
        pace: jax.Array,
        caution: jax.Array,
        steps: jax.Array,
        boxes: Any,
        *,
        every: Callable[..., Any],
    ) -> _State:
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
            changes, optimizer = self._optimizer.update(
                grads, optimizer, params, value=value, done=done
            )
            changes = jax.tree.map(lambda u: u * rate, changes)
            return optax.apply_updates(params, changes), optimizer

        def one(state: _State, given: tuple[Any, ...]) -> tuple[_State, None]:
            one_draw, (done, rate), seen = given
            x, y = self._points.step(kept, one_draw)
            value, grads = every(gradients)(state.params, x, y, steps)
            if seen is not None:
                more = every(jax.grad(self._guided))(state.params, *seen, steps)
                grads = jax.tree.map(jnp.add, grads, more)
            after = jax.vmap(update, (0, 0, 0, 0, 0, None))(
                state.params, state.optimizer, value, grads, rate * caution, done
            )
            return _State(*after), None

        return jax.lax.scan(one, state, (drawn, pace, boxes))[0]

    def _validate(
        self,
        params: Parameters,
        coords: jax.Array,
        targets: jax.Array,
        steps: jax.Array,
        *,
        every: Callable[..., Any],
    ) -> jax.Array:
        def error(p: Parameters, x: jax.Array, y: jax.Array, table: jax.Array) -> Any:
            return self._chunked(lambda a, b: self._loss(p, a, b, table), x, y)

        return every(error)(params, coords, targets, steps)  # type: ignore[no-any-return]


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
