"""Smoothing that segmentations need: Gaussian, and edge-preserving (Perona and Malik 1990).

Both run inside an optimisation step on small patches, so speed on one core decided their form. A
Gaussian along a short axis is one matrix product. Diffusion works on flattened arrays, where
a neighbour is a slice, and has its gradient written out: what JAX derives is several times slower.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

_TRUNCATE = 3.0
_LEAST = 1e-12  # mean squared gradient
_LONGEST = 512  # axis for which a matrix is as quick as shifted sums
_WIDEST = 1024  # radius of a kernel

LEAST_Z = 0.5
"""Least scale along Z where voxels are long, in samples: below it a Gaussian smooths nothing."""

Sigma = float | jax.Array


def radius(sigma: float) -> int:
    """Samples on each side that a Gaussian of standard deviation `sigma` uses: three of them."""
    return int(_TRUNCATE * sigma + 0.5)


def scales(sigma: Sigma, z: float, dims: int) -> tuple[Sigma, ...]:
    """A scale in samples of each axis of a plane or volume whose voxels may be long along Z.

    Parameters
    ----------
    sigma
        Scale in samples along Y and X, above 0. It may be traced.
    z
        Length of a voxel along Z over that along X: along Z the scale is `sigma` / `z`, but at
        least `LEAST_Z`, or `sigma` where that is less.
    dims
        2 or 3.
    """
    if dims == 2 or z == 1:
        return (sigma,) * dims
    if isinstance(sigma, int | float):
        return (max(sigma / z, min(sigma, LEAST_Z)), sigma, sigma)
    return (jnp.maximum(sigma / z, jnp.minimum(sigma, LEAST_Z)), sigma, sigma)


def gaussian(image: jax.Array, sigma: Sigma | tuple[Sigma, ...]) -> jax.Array:
    """Gaussian smoothing of a (Y, X) or (Z, Y, X) float32 image; edges are repeated.

    The kernel is sampled and cut at three standard deviations, as in `scipy.ndimage` with
    ``mode="nearest", truncate=3``.

    Parameters
    ----------
    sigma
        Above 0, in samples, the same along all axes or one for each. It may be traced.
    """
    each = sigma if isinstance(sigma, tuple) else (sigma,) * image.ndim
    for axis, (length, own) in enumerate(zip(image.shape, each, strict=True)):
        if isinstance(own, int | float) and length > _LONGEST:
            image = _shifted(image, own, axis)
        else:
            product = jnp.tensordot(
                _matrix(own, length), image, axes=(1, axis), precision=jax.lax.Precision.HIGHEST
            )
            image = jnp.moveaxis(product, 0, axis)
    return image


def _matrix(sigma: float | jax.Array, length: int) -> Any:
    """What smoothing along an axis multiplies by: (length, length), rows sum to 1."""
    xp: Any = np if isinstance(sigma, int | float) else jnp
    x = xp.arange(max(length, _WIDEST), dtype=xp.float32)
    kernel = xp.exp(-(x**2) / (2 * sigma**2)) * (x <= xp.floor(_TRUNCATE * sigma + 0.5))
    kernel = kernel / (2 * kernel.sum() - kernel[0])
    beyond = xp.cumsum(kernel[::-1])[::-1][:length, None]  # the edge counts for all that is beyond
    rows, columns = np.arange(length)[:, None], np.arange(length)
    if length == 1:
        return xp.ones((1, 1), xp.float32)
    last = xp.where(columns == length - 1, beyond[::-1], kernel[abs(rows - columns)])
    return xp.where(columns == 0, beyond, last).astype(xp.float32)


def _shifted(image: jax.Array, sigma: float, axis: int) -> jax.Array:
    reach, length = radius(sigma), image.shape[axis]
    weights = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * sigma**2))
    weights /= weights.sum()
    pad = [(reach, reach) if a == axis else (0, 0) for a in range(image.ndim)]
    wide = jnp.pad(image, pad, mode="edge")
    out = jnp.zeros_like(image)
    for offset, weight in enumerate(weights):
        out += np.float32(weight) * jax.lax.slice_in_dim(wide, offset, offset + length, axis=axis)
    return out


def mean_square_gradient(image: jax.Array) -> jax.Array:
    """Mean of the squared gradient, by central differences over repeated edges: ()."""
    total = jnp.zeros_like(image)
    for axis, length in enumerate(image.shape):
        pad = [(1, 1) if a == axis else (0, 0) for a in range(image.ndim)]
        wide = jnp.pad(image, pad, mode="edge")
        after = jax.lax.slice_in_dim(wide, 2, length + 2, axis=axis)
        before = jax.lax.slice_in_dim(wide, 0, length, axis=axis)
        total += ((after - before) / 2) ** 2
    for _ in range(image.ndim):  # one axis after the other: float32 stays exact enough
        total = jnp.mean(total, axis=-1)
    return total


def steepness(image: jax.Array, iterations: int, conductance: float, step: float) -> jax.Array:
    """Mean squared gradients (iterations,) of an image before each iteration of its diffusion.

    They say what counts as an edge; `diffuse` takes them, so that a patch is smoothed as its whole.
    """
    flattening = _Flattening.of(image.shape)

    def one(flat: jax.Array, _: None) -> tuple[jax.Array, jax.Array]:
        square = mean_square_gradient(flat.reshape(image.shape))
        return _step(flat, _rate(square, conductance), flattening, step), square

    return jax.lax.scan(one, image.ravel(), None, length=iterations)[1]


def diffuse(image: jax.Array, squares: Any, conductance: float, step: float) -> jax.Array:
    """Gradient anisotropic diffusion of a (Y, X) or (Z, Y, X) float32 image; edges are insulated.

    Perona and Malik 1990 with exponential conductance, in the scheme that ITK's
    GradientAnisotropicDiffusionImageFilter made common: the flux between two neighbours is their
    difference d times exp(-g² / (2 conductance² m)), where g² is d² plus the squares of the
    other central differences, each averaged over the two neighbours, and m the mean squared
    gradient of the image before the iteration.

    Parameters
    ----------
    squares
        m for each iteration, as `steepness` gives them: constants, no gradient flows to them.
    conductance
        How steep an edge must be to be kept, in root mean square gradients.
    step
        Of time; at most 1 / 2^D is stable.
    """
    rates = jax.lax.stop_gradient(_rate(jnp.asarray(squares, jnp.float32), conductance))
    if not rates.shape[0]:
        return image
    return _diffused(image, rates, step)


def _rate(square: jax.Array, conductance: float) -> jax.Array:
    """1 / (2 conductance² m), limited where m is next to nothing: there every edge is kept."""
    return 1 / (2 * conductance**2 * jnp.maximum(square, _LEAST))


class _Flattening(NamedTuple):
    """A flattened image: how far neighbours are along each axis, and which samples have one."""

    size: int
    strides: tuple[int, ...]
    masks: tuple[np.ndarray, ...]

    @classmethod
    def of(cls, shape: Sequence[int]) -> _Flattening:
        masks = []
        for axis, length in enumerate(shape):
            has_next = (np.arange(length) < length - 1).astype(np.float32)
            column = has_next.reshape([-1 if a == axis else 1 for a in range(len(shape))])
            masks.append(np.broadcast_to(column, shape).ravel())
        strides = tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))
        return cls(math.prod(shape), strides, tuple(masks))


class _Flat(NamedTuple):
    """Values of a flattened image of `size` samples, known from -`before` to `size` + `after`."""

    values: jax.Array
    before: int
    after: int

    def at(self, offset: int, before: int = 0, after: int = 0) -> jax.Array:
        """The values `offset` samples on, from -`before` to `size` + `after`."""
        size = self.values.shape[0] - self.before - self.after
        start = self.before + offset - before
        return self.values[start : start + size + before + after]


def _padded(values: Any, before: int, after: int) -> _Flat:
    pad: Any = np.pad if isinstance(values, np.ndarray) else jnp.pad
    return _Flat(pad(values, (before, after)), before, after)


def _differences(
    flat: jax.Array, flattening: _Flattening, margin: int
) -> tuple[list[_Flat], list[_Flat], list[_Flat]]:
    """Along each axis: forward differences, central ones times 2, and the masks of `_Flattening`.

    Central ones are known `margin` samples beyond both ends, where all are zero.
    """
    far = margin + 2 * flattening.strides[0]
    image = _padded(flat, far, far)
    masks = [_padded(mask, far, far) for mask in flattening.masks]
    forward, central = [], []
    for mask, stride in zip(masks, flattening.strides, strict=True):
        reach = margin + stride
        change = image.at(stride, reach, margin) - image.at(0, reach, margin)
        d = _Flat(mask.at(0, reach, margin) * change, reach, margin)
        forward.append(d)
        central.append(
            _Flat(d.at(0, margin, margin) + d.at(-stride, margin, margin), margin, margin)
        )
    return forward, central, masks


def _step(flat: jax.Array, rate: jax.Array, flattening: _Flattening, step: float) -> jax.Array:
    """One iteration on a flattened image."""
    forward, central, _ = _differences(flat, flattening, flattening.strides[0])
    out = flat
    for i, stride in enumerate(flattening.strides):
        d = forward[i].at(0, stride)
        square = d * d
        for j, c in enumerate(central):
            if j != i:
                square += (c.at(0, stride) + c.at(stride, stride)) ** 2 / 16
        flux = _Flat(d * jnp.exp(-rate * square), stride, 0)
        out += step * (flux.at(0) - flux.at(-stride))
    return out


def _step_gradient(
    above: jax.Array, flat: jax.Array, rate: jax.Array, flattening: _Flattening, step: float
) -> jax.Array:
    """Gradient with respect to `flat`, given that with respect to what `_step` makes of it.

    Intermediate arrays are computed beyond the ends instead of being padded: slices of sums
    vectorise, sums of padded arrays do not. In two dimensions one of them is padded after all,
    because without it the compiler merges everything and repeats the exponentials.
    """
    most = flattening.strides[0]
    after = 0 if len(flattening.strides) == 2 else most
    forward, central, masks = _differences(flat, flattening, 2 * most)
    wide = _padded(above, 2 * most, 2 * most)
    to_forward: list[_Flat] = []
    to_central: list[Any] = [0.0] * len(central)
    for i, stride in enumerate(flattening.strides):
        before = most + stride
        d = forward[i].at(0, before, after)
        sums = {
            j: c.at(0, before, after) + c.at(stride, before, after)
            for j, c in enumerate(central)
            if j != i
        }
        square = d * d + sum(e * e for e in sums.values()) / 16
        to_flux = step * (wide.at(0, before, after) - wide.at(stride, before, after))
        to_flux *= jnp.exp(-rate * square)
        to_forward.append(_Flat(to_flux * (1 - 2 * rate * (d * d)), before, after))
        for j, e in sums.items():
            part = _Flat(to_flux * d * e * (-rate / 8), before, after)
            to_central[j] += part.at(0, most, after) + part.at(-stride, most, after)
    out = above
    for j, stride in enumerate(flattening.strides):
        c = _Flat(jnp.pad(to_central[j], (0, most - after)), most, most)
        total = to_forward[j].at(0, stride) + c.at(0, stride) + c.at(stride, stride)
        to_d = _Flat(masks[j].at(0, stride) * total, stride, 0)
        out += to_d.at(-stride) - to_d.at(0)
    return out


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def _diffused(image: jax.Array, rates: jax.Array, step: float) -> jax.Array:
    return _forth(image, rates, step)[0]


def _forth(
    image: jax.Array, rates: jax.Array, step: float
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    """Diffusion, and each flattened image on the way.

    A rate is picked one iteration early and carried: picked where it is used, it would be picked
    for every sample again, and nothing would vectorise.
    """
    flattening = _Flattening.of(image.shape)
    last = rates.shape[0] - 1

    def one(carry: Any, index: jax.Array) -> tuple[Any, jax.Array]:
        flat, rate = carry
        return (_step(flat, rate, flattening, step), rates[jnp.minimum(index + 1, last)]), flat

    start = (image.ravel(), rates[0])
    (flat, _), way = jax.lax.scan(one, start, jnp.arange(last + 1))
    return flat.reshape(image.shape), (way, rates)


def _back(
    step: float, saved: tuple[jax.Array, jax.Array], above: jax.Array
) -> tuple[jax.Array, jax.Array]:
    way, rates = saved
    flattening = _Flattening.of(above.shape)

    def one(done: jax.Array, carry: Any) -> Any:
        gradient, flat, rate = carry
        gradient = _step_gradient(gradient, flat, rate, flattening, step)
        before = jnp.maximum(rates.shape[0] - 2 - done, 0)
        return gradient, way[before], rates[before]

    start = (above.ravel(), way[-1], rates[-1])
    gradient = jax.lax.fori_loop(0, rates.shape[0], one, start)[0]
    return gradient.reshape(above.shape), jnp.zeros_like(rates)


_diffused.defvjp(_forth, _back)
