"""LPIPS v0.1 on AlexNet (Zhang et al. 2018, arXiv:1801.03924), as pure functions of its weights.

Squared error asks whether samples agree; LPIPS asks whether a network that was trained to tell
objects apart sees the same texture and edges. Both images go through five convolutions; at each,
features are scaled to unit length over channels, and their squared differences are weighed by a
linear head and averaged over places. Grey planes go in as three equal colours.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

CHANNELS = (64, 192, 384, 256, 256)
"""Features of each layer."""

KERNELS = ((11, 11, 3, 64), (5, 5, 64, 192), (3, 3, 192, 384), (3, 3, 384, 256), (3, 3, 256, 256))
"""Shapes (Y, X, in, out) of the convolutions."""

LEAST_SIDE = 7
"""Samples along Y and X from which the first layer has a place; all five have one from 31."""

_STRIDES = (4, 1, 1, 1, 1)
_PADDING = (2, 2, 1, 1, 1)
_POOLED = (False, True, True, False, False)  # before the convolution
_WINDOW, _STEP = 3, 2  # of the pooling
_SHIFT = np.array([-0.030, -0.088, -0.188], np.float32)
_SCALE = np.array([0.458, 0.448, 0.450], np.float32)
_EPS = 1e-10
_FEW = 64  # places


@partial(
    jax.tree_util.register_dataclass, data_fields=["kernels", "biases", "heads"], meta_fields=[]
)
@dataclass(frozen=True)
class Lpips:
    """The weights; a JAX tree of float32 arrays.

    Attributes
    ----------
    kernels, biases
        Of the five convolutions, shapes as in `KERNELS` and `CHANNELS`.
    heads
        Five arrays (channels,), 0 or more: how much a feature's difference counts.
    """

    kernels: tuple[jax.Array, ...]
    biases: tuple[jax.Array, ...]
    heads: tuple[jax.Array, ...]


def layers_of(rows: int, columns: int) -> int:
    """How many layers have at least one place on an image of this size: 0 to 5."""
    sides = np.array([rows, columns])
    for i, (kernel, stride, pad) in enumerate(zip(KERNELS, _STRIDES, _PADDING, strict=True)):
        if _POOLED[i]:
            sides = (sides - _WINDOW) // _STEP + 1
        sides = (sides + 2 * pad - kernel[0]) // stride + 1
        if sides.min() < 1:
            return i
    return len(KERNELS)


def features(model: Lpips, images: jax.Array) -> list[jax.Array]:
    """What each layer answers, after its rectifier.

    Parameters
    ----------
    images
        (N, Y, X) grey or (N, Y, X, 3) colour, float32 in [-1, 1]; at least `LEAST_SIDE` samples
        along Y and X.

    Returns
    -------
    One array (N, y, x, channels) per layer; layers without a place on so small an image are left
    out.
    """
    if images.ndim == 3:
        images = jnp.repeat(images[..., None], 3, axis=-1)
    x = (images - _SHIFT) / _SCALE
    found = []
    for i in range(layers_of(*images.shape[1:3])):
        if _POOLED[i]:
            x = _pooled(x)
        x = _convolved(x, model.kernels[i], _STRIDES[i], _PADDING[i])
        x = jax.nn.relu(x + model.biases[i])
        found.append(x)
    return found


def differences(model: Lpips, first: jax.Array, second: jax.Array) -> jax.Array:
    """Mean squared differences of unit features over places, before the heads.

    Parameters
    ----------
    first, second
        As for `features`, of one shape.

    Returns
    -------
    (N, sum of channels of the layers used) float32. LPIPS is their product with the heads.
    """
    parts = []
    for one, other in zip(features(model, first), features(model, second), strict=True):
        parts.append(jnp.mean((_unit(one) - _unit(other)) ** 2, axis=(1, 2)))
    return jnp.concatenate(parts, axis=-1)


def distance(model: Lpips, first: jax.Array, second: jax.Array) -> jax.Array:
    """LPIPS of pairs of images: (N,) float32, 0 for equal ones, rarely above 1.

    Differentiable by both, with finite slopes everywhere.

    Parameters
    ----------
    first, second
        As for `features`, of one shape.
    """
    change = differences(model, first, second)
    heads = jnp.concatenate(model.heads)[: change.shape[-1]]
    return change @ heads


@jax.jit
def plane_distance(model: Lpips, first: jax.Array, second: jax.Array) -> jax.Array:
    """LPIPS of two planes (Y, X) of values from 0 to 1: ()."""
    return distance(model, 2 * first[None] - 1, 2 * second[None] - 1)[0]


def _unit(x: jax.Array) -> jax.Array:
    """Scaled to unit length over channels; where all are 0 the slope is 0, not NaN."""
    square = jnp.sum(x * x, axis=-1, keepdims=True)
    some = square > 0
    return x / (jnp.where(some, jnp.sqrt(jnp.where(some, square, 1.0)), 0.0) + _EPS)


def _convolved(x: jax.Array, kernel: jax.Array, stride: int, pad: int) -> jax.Array:
    """A convolution, zeros around; where there are few places as one product of matrices.

    The slope of XLA's own convolution by so small an input is five times slower on a CPU.
    """
    high = jax.lax.Precision.HIGHEST
    _, rows, columns, _ = x.shape
    if stride > 1 or rows * columns > _FEW:
        both, names = ((pad, pad), (pad, pad)), ("NHWC", "HWIO", "NHWC")
        return jax.lax.conv_general_dilated(
            x, kernel, (stride, stride), both, dimension_numbers=names, precision=high
        )
    wide = jnp.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    taps = [
        wide[:, i : i + rows, j : j + columns]
        for i in range(kernel.shape[0])
        for j in range(kernel.shape[1])
    ]
    flat = kernel.reshape(-1, kernel.shape[-1])
    return jnp.matmul(jnp.concatenate(taps, axis=-1), flat, precision=high)


def _pooled(x: jax.Array) -> jax.Array:
    """Largest of 3 × 3 places, every second one.

    As maxima of slices: on a CPU their gradient is many times faster than that of a window.
    """
    for axis in (1, 2):
        count = (x.shape[axis] - _WINDOW) // _STEP + 1
        parts = [
            jax.lax.slice_in_dim(x, k, k + _STEP * (count - 1) + 1, _STEP, axis)
            for k in range(_WINDOW)
        ]
        x = jnp.maximum(jnp.maximum(parts[0], parts[1]), parts[2])
    return x
