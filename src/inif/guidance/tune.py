"""Tune the linear heads of LPIPS on slices of microscopy images; the network stays as it is.

The published heads come from people who judged photographs. Here, of two distorted versions of one
slice the one that lost more detail (`inif.guidance.distort`) shall be farther from it, whatever
the two distortions are. Heads change by factors, so they stay 0 or more:

    minimise  mean over pairs of softplus(-(d_worse - d_better) / t)  +  λ · mean of log(factor)²

with t a tenth of the mean distance. Pairs whose damage differs by less than 0.05 do not count.
At the end heads are scaled so that the mean distance is what it was.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from inif.config import ProgressEvent
from inif.errors import InputError
from inif.guidance.distort import damage, distorted
from inif.image import Image
from inif.perceptual.lpips import CHANNELS, Lpips, differences

LEAST_SIDE = 64
"""Samples along Y and X of a slice."""

_SIDE = 192  # of what is looked at
_APART = 0.05  # of two damages that count as different
_TEMPERATURE = 0.1
_RATE = 0.03
_LEAST_HEAD = 0.02  # of the mean head of a layer: heads of 0 could not change by factors


@dataclass(frozen=True)
class Settings:
    """How heads are tuned.

    Attributes
    ----------
    slices
        Of each image, evenly spaced over all its planes.
    steps
        Of the optimisation.
    hold
        λ: how much heads are held back where they were.
    seed
        Of the distortions.
    """

    slices: int = 6
    steps: int = 300
    hold: float = 0.02
    seed: int = 0


@dataclass(frozen=True)
class DistortedSlice:
    """One slice made worse in many ways.

    Attributes
    ----------
    kinds
        (N,) names of distortions, strengths rising within each.
    damage
        (N,) of each version, 0 to about 1.
    change
        (N, features) float32, what `inif.perceptual.lpips.differences` found.
    """

    kinds: tuple[str, ...]
    damage: np.ndarray
    change: np.ndarray


@dataclass(frozen=True)
class Tuned:
    """Heads, and how well they rank.

    Attributes
    ----------
    heads
        Five arrays (channels,) float32.
    slices, left_out
        That were tuned on, and that were not.
    before, after
        `ranks` of the old and the new heads on the slices left out; None without any.
    """

    heads: tuple[np.ndarray, ...]
    slices: int
    left_out: int
    before: dict[str, float] | None
    after: dict[str, float] | None

    def to_json(self) -> dict[str, Any]:
        """All but the heads."""
        return {
            "slices": self.slices,
            "left_out": self.left_out,
            "before": self.before,
            "after": self.after,
        }


def tuned(
    model: Lpips,
    images: Iterable[Image],
    settings: Settings,
    progress: Callable[[ProgressEvent], None] | None = None,
) -> Tuned:
    """Heads tuned on slices of images; every fourth slice is left out, to judge by.

    Raises
    ------
    InputError
        Images that are too small, or hold nothing to tune with.
    """
    planes = [p for image in images for p in slices_of(image, settings.slices)]
    found = judge_all(model, planes, settings.seed, progress)
    kept = [s for n, s in enumerate(found) if n % 4 != 3]
    rest = [s for n, s in enumerate(found) if n % 4 == 3]
    heads = tune(model, kept, settings, progress)
    before, after = (ranks(h, rest) if rest else None for h in (model.heads, heads))
    return Tuned(heads, len(kept), len(rest), before, after)


def slices_of(image: Image, count: int) -> list[np.ndarray]:
    """Evenly spaced planes of an image: (Y, X) float32, 0 to 1 between their own extremes.

    Of planes that are larger than 192 × 192, the part of the largest variance among nine.

    Raises
    ------
    InputError
        Planes are smaller than 64 × 64, or all are constant.
    """
    axes = image.axes
    sides = tuple(image.data.shape[axes.index(a)] if a in axes else 0 for a in "YX")
    if min(sides) < LEAST_SIDE:
        raise InputError(
            "these planes are too small to tune with",
            file=image.source,
            field="shape",
            expected=f"at least {LEAST_SIDE} × {LEAST_SIDE} pixels",
            got=f"{sides[0]} × {sides[1]}",
        )
    order = [i for i, a in enumerate(axes) if a not in "YX"] + [axes.index(a) for a in "YX"]
    stack = image.data.transpose(order)
    outer = stack.shape[:-2]
    total = int(np.prod(outer))
    few = min(count, total)
    numbers = {round((i + 0.5) * total / few - 0.5) for i in range(few)}
    planes = [_busiest(stack[np.unravel_index(n, outer)]) for n in sorted(numbers)]
    scaled = [_scaled(p) for p in planes if p.max() > p.min()]
    if not scaled:
        raise InputError("there is nothing in this image to tune with", file=image.source)
    return scaled


def judged(model: Lpips, plane: np.ndarray, rng: np.random.Generator) -> DistortedSlice | None:
    """A slice made worse in many ways, and what LPIPS sees of that; None for one without detail."""
    worse = distorted(plane, rng)
    lost = [damage(plane, w) for _, w in worse]
    if any(value is None for value in lost):
        return None
    first = jnp.asarray(plane)
    change = [np.asarray(_differences(model, first, jnp.asarray(w)))[0] for _, w in worse]
    return DistortedSlice(
        tuple(kind for kind, _ in worse), np.array(lost, np.float64), np.stack(change)
    )


def judge_all(
    model: Lpips,
    planes: Sequence[np.ndarray],
    seed: int,
    progress: Callable[[ProgressEvent], None] | None = None,
) -> list[DistortedSlice]:
    """`judged` of every slice that has detail; each from a seed of its own."""
    begun, out = time.monotonic(), []
    for n, plane in enumerate(planes):
        found = judged(model, plane, np.random.default_rng([seed, n]))
        if found is not None:
            out.append(found)
        if progress:
            seconds = time.monotonic() - begun
            left = seconds / (n + 1) * (len(planes) - n - 1)
            progress(ProgressEvent("look at slices", n + 1, len(planes), None, seconds, left))
    return out


def tune(
    model: Lpips,
    slices: Sequence[DistortedSlice],
    settings: Settings,
    progress: Callable[[ProgressEvent], None] | None = None,
) -> tuple[np.ndarray, ...]:
    """Heads that rank distortions by the damage they do: five arrays (channels,) float32.

    Raises
    ------
    InputError
        No two distortions differ.
    """
    start = [np.asarray(h) for h in model.heads]
    floor = np.concatenate([np.maximum(h, _LEAST_HEAD * h.mean()) for h in start])
    pairs = [_pairs(s.damage) for s in slices]
    if not sum(len(p) for p in pairs):
        raise InputError("these slices do not differ when they are distorted", field="images")
    changes = [s.change / np.mean(s.change @ floor) for s in slices]  # slices count alike
    offsets = np.cumsum([0, *(len(s.damage) for s in slices[:-1])])
    better, worse = np.concatenate([p + o for p, o in zip(pairs, offsets, strict=True)]).T
    weight = np.concatenate([np.full(len(p), 1 / max(1, len(p))) for p in pairs])
    data = (jnp.asarray(np.concatenate(changes)), jnp.asarray(better), jnp.asarray(worse))
    given = (*data, jnp.asarray(weight / weight.sum(), jnp.float32), jnp.asarray(floor))
    optimizer = optax.adam(_RATE)

    @jax.jit
    def step(factors: jax.Array, state: Any, given: Any) -> Any:
        slope = jax.grad(_objective)(factors, *given, settings.hold)
        change, state = optimizer.update(slope, state)
        return optax.apply_updates(factors, change), state

    factors = jnp.zeros(floor.shape, jnp.float32)
    state, begun = optimizer.init(factors), time.monotonic()
    for n in range(settings.steps):
        factors, state = step(factors, state, given)
        if progress and (n + 1) % 50 == 0:
            seconds = time.monotonic() - begun
            left = seconds / (n + 1) * (settings.steps - n - 1)
            progress(ProgressEvent("tune", n + 1, settings.steps, None, seconds, left))
    heads = floor * np.exp(np.asarray(factors, np.float64))
    before = np.mean([np.mean(s.change @ np.concatenate(start)) for s in slices])
    heads *= before / np.mean([np.mean(s.change @ heads) for s in slices])
    return tuple(np.split(heads.astype(np.float32), np.cumsum(CHANNELS)[:-1]))


def ranks(heads: Sequence[Any], slices: Iterable[DistortedSlice]) -> dict[str, float]:
    """How well heads rank distortions: means over slices of Spearman's correlation.

    Returns
    -------
    ``all``: of distance and damage, over all distortions of a slice; ``within``: the same
    within each kind.
    """
    flat = np.concatenate([np.asarray(h) for h in heads])
    every, within = [], []
    for item in slices:
        distance = item.change @ flat
        every.append(spearman(distance, item.damage))
        kinds = np.array(item.kinds)
        for kind in dict.fromkeys(item.kinds):
            within.append(spearman(distance[kinds == kind], item.damage[kinds == kind]))
    return {"all": float(np.mean(every)), "within": float(np.mean(within))}


def spearman(x: np.ndarray, y: np.ndarray) -> float:
    """Spearman's rank correlation of (N,) numbers, equal ones in the order they come."""
    a, b = (np.argsort(np.argsort(v, kind="stable"), kind="stable") for v in (x, y))
    return float(np.corrcoef(a, b)[0, 1]) if len(x) > 1 else 0.0


@jax.jit
def _differences(model: Lpips, first: jax.Array, second: jax.Array) -> jax.Array:
    return differences(model, 2 * first[None] - 1, 2 * second[None] - 1)


def _objective(
    factors: jax.Array,
    change: jax.Array,
    better: jax.Array,
    worse: jax.Array,
    weight: jax.Array,
    start: jax.Array,
    hold: float,
) -> jax.Array:
    """See the module; `factors` are logarithms, `change` is scaled to a mean distance of 1."""
    distance = change @ (start * jnp.exp(factors))
    margin = (distance[worse] - distance[better]) / _TEMPERATURE
    return jnp.sum(weight * jax.nn.softplus(-margin)) + hold * jnp.mean(factors**2)


def _pairs(lost: np.ndarray) -> np.ndarray:
    """(pairs, 2) numbers of a better and a worse version."""
    better, worse = np.nonzero(lost[None, :] - lost[:, None] > _APART)
    return np.stack([better, worse], axis=1)


def _busiest(plane: np.ndarray) -> np.ndarray:
    """The part of largest variance among nine, if the plane is larger than `_SIDE`."""
    sides = [min(n, _SIDE) for n in plane.shape]
    places = [
        sorted({(n - s) * k // 2 for k in range(3)})
        for n, s in zip(plane.shape, sides, strict=True)
    ]
    parts = [plane[y : y + sides[0], x : x + sides[1]] for y in places[0] for x in places[1]]
    return max(parts, key=lambda p: float(np.var(p, dtype=np.float64)))


def _scaled(plane: np.ndarray) -> np.ndarray:
    values = plane.astype(np.float64)
    scaled: np.ndarray = (values - values.min()) / (values.max() - values.min())
    return scaled.astype(np.float32)
