"""What a learned optimizer is meta-trained on: short fits of random crops, real and generated.

A fit is drawn from a seed alone, so a run can be repeated and resumed. Fits are the product's own
SIREN (`inif.fields.network`), pure (coordinates in) or conditional (a blurred image in as well,
what it lacks out), of 2 to 4 coordinates, widths 16 to 128, and a hundred to some thousand steps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from inif.fields.network import Parameters, evaluate, fold, initialize
from inif.fields.siren import Siren

SAMPLES = 1 << 17
"""Points of a fit's crop, at most; arrays are padded to it so that compiled code is shared."""

_LEAST_SAMPLES = 1 << 13
_SIDES = {"T": 1.0, "Z": 2.0, "Y": 8.0, "X": 8.0}
_JUDGED = 8192
_GENERATED = 0.3
_EXTRAS = 3
OMEGA = 30.0
_DEFAULT_OMEGA = 0.6
_FLOOR = 3.0


@dataclass(frozen=True)
class Kind:
    """What compiled code depends on: coordinates and extra inputs, channels, width, batch."""

    axes: int
    extras: int
    outputs: int
    width: int
    points: int

    @property
    def field(self) -> Siren:
        """The network."""
        return Siren(self.axes + self.extras, self.outputs, self.width)


KINDS = (
    Kind(2, 0, 1, 32, 512),
    Kind(2, 0, 1, 32, 4096),
    Kind(2, 0, 1, 64, 1024),
    Kind(2, 0, 3, 32, 2048),
    Kind(2, 0, 3, 24, 512),
    Kind(3, 0, 1, 16, 4096),
    Kind(3, 0, 1, 32, 512),
    Kind(3, 0, 1, 32, 4096),
    Kind(3, 0, 1, 64, 512),
    Kind(3, 0, 1, 128, 256),
    Kind(3, 0, 2, 32, 2048),
    Kind(4, 0, 1, 32, 2048),
    Kind(2, _EXTRAS, 1, 24, 2048),
    Kind(3, _EXTRAS, 1, 32, 512),
)
"""Few, because each is compiled once per process."""


@dataclass(frozen=True)
class TrainingImage:
    """An image to take crops from: (…, C) float32 in [-1, 1] over each channel's range.

    Attributes
    ----------
    axes
        Letters of the axes before C.
    """

    data: np.ndarray
    axes: str

    @classmethod
    def of(cls, data: np.ndarray, axes: str) -> TrainingImage:
        """From an image as it is read; axes named as in `inif.image.Image`."""
        values = np.moveaxis(data, axes.index("C"), -1) if "C" in axes else data[..., None]
        values = values.astype(np.float32)
        every = tuple(range(values.ndim - 1))
        low, high = values.min(every), values.max(every)
        half = np.where(high > low, (high - low) / 2, 1)
        return cls((values - low) / half - 1, axes.replace("C", ""))


@dataclass(frozen=True)
class ShortFit:
    """One fit.

    Attributes
    ----------
    sides
        (axes,) samples along each coordinate.
    inputs
        (SAMPLES, extras) float32 besides the coordinates.
    targets
        (SAMPLES, outputs) float32.
    steps, omega, seed
        Of the fit.
    """

    kind: Kind
    sides: np.ndarray
    inputs: np.ndarray
    targets: np.ndarray
    steps: int
    omega: float
    seed: int


def draw(sources: Sequence[TrainingImage], seed: int, steps: tuple[int, int]) -> ShortFit:
    """The fit of a seed: a crop of a source or a generated image, and a fit of it."""
    rng = np.random.default_rng([7, seed])
    kind = KINDS[rng.integers(len(KINDS))]
    samples = 2 ** rng.uniform(math.log2(_LEAST_SAMPLES), math.log2(SAMPLES))
    fitting = [s for s in sources if len(s.axes) >= kind.axes]
    if not fitting or rng.random() < _GENERATED:
        values = generated(rng, _shape(rng, kind.axes, samples), kind.outputs)
    else:
        values = _crop(rng, fitting[rng.integers(len(fitting))], kind, samples)
    inputs = np.zeros((*values.shape[:-1], 0), np.float32)
    if kind.extras:
        inputs, values = _conditional(values)
    low, high = np.log(steps)
    omega = (
        OMEGA if rng.random() < _DEFAULT_OMEGA else float(np.exp(rng.uniform(*np.log([15, 60]))))
    )
    return ShortFit(
        kind,
        np.array(values.shape[:-1]),
        _padded(inputs),
        _padded(values),
        round(math.exp(rng.uniform(low, high))),
        omega,
        seed % (1 << 31),
    )


def whole(source: TrainingImage, width: int, points: int, steps: int, seed: int = 0) -> ShortFit:
    """A fit of a crop as large as a fit's may be, from the usual frequency."""
    kind = Kind(len(source.axes), 0, source.data.shape[-1], width, points)
    values = _crop(np.random.default_rng(seed), source, kind, SAMPLES)
    inputs = np.zeros((*values.shape[:-1], 0), np.float32)
    sides = np.array(values.shape[:-1])
    return ShortFit(kind, sides, _padded(inputs), _padded(values), steps, OMEGA, seed)


def generated(rng: np.random.Generator, shape: tuple[int, ...], channels: int) -> np.ndarray:
    """Blobs, textures with a power-law spectrum, and noise: (…, channels) float32 in [-1, 1]."""
    frequencies = np.meshgrid(*[np.fft.fftfreq(n) for n in shape], indexing="ij")
    radius = np.sqrt(sum(f**2 for f in frequencies)) + 1 / max(shape)
    grid = np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij")
    out = []
    for _ in range(channels):
        noise = np.fft.fftn(rng.standard_normal(shape))
        value = np.real(np.fft.ifftn(noise * radius ** -rng.uniform(1, 2.5)))
        value /= value.std() + 1e-9
        if rng.random() < 0.5:
            value = np.maximum(value - rng.uniform(-0.5, 1.5), 0)
        for _ in range(rng.integers(0, 20)):
            size, centre = (
                np.exp(rng.uniform(np.log(0.02), np.log(0.4))),
                rng.uniform(-1, 1, len(shape)),
            )
            distance = sum((g - c) ** 2 for g, c in zip(grid, centre, strict=True))
            value += rng.uniform(0, 4) * np.exp(-distance / (2 * size**2))
        value += rng.uniform(0, 0.3) * rng.standard_normal(shape)
        low, high = value.min(), value.max()
        out.append(2 * (value - low) / (high - low + 1e-9) - 1)
    return np.stack(out, -1).astype(np.float32)


def _shape(rng: np.random.Generator, axes: int, samples: float) -> tuple[int, ...]:
    weights = np.array([*[1.0, 3.0][: max(0, axes - 2)], 8.0, 8.0][-axes:]) * np.exp(
        rng.normal(0, 0.3, axes)
    )
    scale = (samples / weights.prod()) ** (1 / axes)
    sides = np.maximum((weights * scale).astype(int), 4)
    while sides.prod() > SAMPLES:
        sides[sides.argmax()] -= 1
    return tuple(int(n) for n in sides)


def _crop(
    rng: np.random.Generator, source: TrainingImage, kind: Kind, samples: float
) -> np.ndarray:
    """A random box over `kind.axes` of the axes, the last ones more likely to be kept."""
    data, axes = source.data, source.axes
    while len(axes) > kind.axes:  # a random index along T, then Z
        data = data[rng.integers(data.shape[0])]
        axes = axes[1:]
    weights = np.array([_SIDES[a] for a in axes])
    scale = (samples / weights.prod()) ** (1 / len(axes))
    sides = np.minimum(np.maximum((weights * scale).astype(int), 2), data.shape[:-1])
    for i in np.argsort(-weights):  # short axes leave room for the others
        room = samples / (sides.prod() / sides[i])
        sides[i] = int(np.clip(room, 2, data.shape[i]))
    while sides.prod() > SAMPLES:
        sides[sides.argmax()] -= 1
    starts = [rng.integers(0, n - m + 1) for n, m in zip(data.shape, sides, strict=False)]
    box = data[tuple(slice(s, s + m) for s, m in zip(starts, sides, strict=True))]
    channels = rng.permutation(np.arange(max(kind.outputs, data.shape[-1])) % data.shape[-1])
    return np.ascontiguousarray(box[..., channels[: kind.outputs]])


def _conditional(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A blurred image, its blur and its own edges as inputs; what it lacks, scaled, as target."""
    first = _blurred(values[..., 0], 1)
    second = _blurred(first, 3)
    rest = values[..., :1] - first[..., None]
    inputs = np.stack([first, second, 4 * (first - second)], -1)
    return inputs.astype(np.float32), (rest / (3 * rest.std() + 1e-6)).astype(np.float32)


def _blurred(values: np.ndarray, reach: int) -> np.ndarray:
    for axis in range(values.ndim):
        moved = [np.roll(values, s, axis) for s in range(-reach, reach + 1)]
        values = np.mean(moved, axis=0)
    return values


def _padded(values: np.ndarray) -> np.ndarray:
    flat = values.reshape(math.prod(values.shape[:-1]), values.shape[-1])
    out = np.zeros((SAMPLES, values.shape[-1]), np.float32)
    out[: len(flat)] = flat
    return out


@partial(jax.jit, static_argnums=(0, 1))
def fitted(
    kind: Kind, build: Any, theta: Any, arrays: tuple[jax.Array, ...], steps: Any, seed: Any
) -> jax.Array:
    """PSNR in dB at the end of a fit, on points of their own.

    Parameters
    ----------
    build
        ``build(theta, steps)`` is an optax transformation that takes ``value`` and ``done``.
    arrays
        sides, inputs, targets and omega of a `ShortFit`.
    """
    sides, inputs, targets, omega = arrays
    optimizer = optax.with_extra_args_support(build(theta, steps))
    key, judged = jax.random.split(jax.random.key(seed))

    def points(key: jax.Array, count: int) -> tuple[jax.Array, jax.Array]:
        local = jnp.floor(jax.random.uniform(key, (count, kind.axes)) * sides).astype(jnp.int32)
        coords = 2 * local / jnp.maximum(sides - 1, 1) - 1
        flat = jnp.zeros(count, jnp.int32)
        for i in range(kind.axes):
            flat = flat * sides[i] + local[:, i]
        return jnp.concatenate([coords, inputs[flat]], 1).astype(jnp.float32), targets[flat]

    def loss(params: Parameters, x: jax.Array, y: jax.Array) -> jax.Array:
        return jnp.mean((evaluate(fold(params, omega), x) - y) ** 2)

    x, y = points(judged, _JUDGED)
    params = initialize(key, kind.field, omega, y.mean(0))

    def step(i: Any, carry: Any) -> Any:
        params, state = carry
        value, grads = jax.value_and_grad(loss)(
            params, *points(jax.random.fold_in(key, i), kind.points)
        )
        done = i / steps
        changes, state = optimizer.update(grads, state, params, value=value, done=done)
        return optax.apply_updates(params, changes), state

    begin = loss(params, x, y)
    params, _ = jax.lax.fori_loop(0, steps, step, (params, optimizer.init(params)))
    end = jnp.nan_to_num(loss(params, x, y), nan=1e6, posinf=1e6)
    worst = begin * 10 ** (_FLOOR / 10)  # a collapse counts, but not without bound
    return -10 * jnp.log10(jnp.minimum(end, worst) / 4)


def score(fit: ShortFit, build: Any, theta: Any) -> float:
    """`fitted` of a fit."""
    arrays = (
        jnp.asarray(fit.sides),
        jnp.asarray(fit.inputs),
        jnp.asarray(fit.targets),
        jnp.float32(fit.omega),
    )
    return float(fitted(fit.kind, build, theta, arrays, jnp.int32(fit.steps), fit.seed))
