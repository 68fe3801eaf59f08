"""The only fit loop: how long it goes on, what it looks at on the way, the best weights kept.

All bricks are fitted side by side: arrays carry a leading brick axis. In the last part of the fit,
weights are rounded in the forward pass as the file will round them (straight-through gradients),
with step sizes that a `Quantizer` sets from the byte budget.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from inif.config import FitSettings, ProgressEvent
from inif.encode.interrupt import Interrupt
from inif.encode.record import psnr_of
from inif.encode.siren.device import accelerated
from inif.encode.siren.points import DevicePoints, points_of
from inif.encode.siren.programs import CHUNK, Programs, State
from inif.encode.siren.sampling import Sampler
from inif.fields.network import Parameters
from inif.fields.siren import Siren
from inif.guidance.guide import Guidance, box_sides
from inif.optim import optimizers, schedules

_VALIDATION = 32768
_VALIDATION_LEAST = 512
_BLOCK_VALUES = 4_000_000
_DEVICE_STEPS = 64
"""Steps of one call where nothing is stacked for them."""


class Quantizer(Protocol):
    """Sets step sizes from the weights as they are now."""

    def steps(self, groups: list[np.ndarray], sensitivity: np.ndarray | None) -> np.ndarray:
        """Step sizes (bricks, groups) for stacked weight groups.

        `sensitivity` (bricks, groups) comes with the first call only.
        """
        ...


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
        self.field, self.sampler, self.settings = field, sampler, settings
        self.guidance = guidance
        spec = optimizers.parse(settings.optimizer)
        self._schedule = schedules.warm_cosine if spec.scheduled else schedules.none
        self._voxels = sampler.grid.voxels[list(sampler.bricks)]
        self._points = points_of(sampler, settings.points, device=device)
        sides = guidance and box_sides(sampler.axes, sampler.extents, planar=guidance.planar)
        self._sides = sides or None
        self._programs = Programs(
            field,
            settings.omega,
            optimizers.build(spec, settings.steps),
            self._points,
            guidance,
            tuple(n for a in sampler.axes if (n := (sides or {}).get(a, 1)) > 1),
            len(sampler.bricks),
            device,
        )

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
        state = self._programs.start(s.seed, held[1])
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
                    best = self._programs.choose(since < best_mse, state.params, best)
                    state = State(best, state.optimizer)
                    steps = quantizer.steps(self._fold(best), self._sensitivity(best, held))
                    rounding, best_mse = True, np.full(bricks, np.inf)
                shares = [max(done, (step + i) / last) for i in range(block)]
                rates = [self._schedule(share) for share in shares]
                state = self._programs.train(
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
                best = self._programs.choose(better, state.params, best)
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
            best = self._programs.choose(since < best_mse, state.params, best)
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
        return [np.asarray(g) for g in self._programs.folded(params)]

    def _mse(
        self, params: Parameters, held: tuple[jax.Array, jax.Array], steps: np.ndarray
    ) -> np.ndarray:
        return np.asarray(
            self._programs.errors(params, *held, jnp.asarray(steps)), dtype=np.float64
        )

    def _sensitivity(self, params: Parameters, held: tuple[jax.Array, jax.Array]) -> np.ndarray:
        return np.asarray(self._programs.derive(params, held[0]), dtype=np.float64)

    def _recover(
        self,
        state: State,
        fresh: Any,
        best: Parameters,
        mse: np.ndarray,
        best_mse: np.ndarray,
        caution: np.ndarray,
    ) -> tuple[State, np.ndarray]:
        """Where a brick's fit collapsed, go back to its best and halve its rate."""
        lost = ~np.isfinite(mse) | (mse > 2 * best_mse)
        if not lost.any():
            return state, caution
        params = self._programs.choose(lost, best, state.params)
        optimizer = self._programs.choose(lost, fresh, state.optimizer)
        return State(params, optimizer), np.where(lost, caution / 2, caution).astype(np.float32)
