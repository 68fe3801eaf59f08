"""Blobs, such as nuclei and spots, segmented so that a fit can be guided by them.

A sample belongs to a blob if the image curves down there at the scale of the blobs (Laplacian of
Gaussian) and if it is brighter than its surroundings by an offset. As with filaments, scale and
offset are fixed on the original.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from inif.errors import InputError
from inif.guidance import threshold
from inif.guidance.checks import moments, require
from inif.guidance.smoothing import Sigma, gaussian, radius, scales

_SCALES = tuple(2.0 ** (k / 2) for k in range(2, 9))  # 2 … 16
_STRONG = 0.25  # of the strongest answer: maxima that say how large blobs are
_DEVIATIONS = 3.0
_TO_SIGMA = 1.4826  # from the median absolute deviation, for normally distributed values
_WIDTH = 0.2  # of a soft mask's edge, in offsets
_DIM = 0.3  # of the offset
_TILE = (32, 256, 256)  # of an image, for the search of its scale


@dataclass(frozen=True)
class Blobs:
    """How blobs are found.

    Attributes
    ----------
    sigma
        Scale of the blobs in samples along Y and X, or None: estimated on the original.
        A disc of radius R answers most at R / √2, a ball at R / √3, a Gaussian spot of standard
        deviation s at s in two dimensions and at 1.2 s in three.
    offset
        How much brighter than the surroundings, in standard deviations of the original, or None:
        chosen on the original, see `fix`.
    smoothing
        Standard deviation of a Gaussian against noise, in scales; 0 for none.
    surround
        Standard deviation of the Gaussian that makes the local mean, in scales.
    width
        Of the soft mask's edge, in standard deviations of the original, or None: a fifth of
        the offset.
    z
        Length of a voxel along Z over that along X: along Z, scales are as much smaller, see
        `inif.guidance.smoothing.scales`. None: not known, 1.

    Raises
    ------
    InputError
        A setting that cannot be used.
    """

    sigma: float | None = None
    offset: float | None = None
    smoothing: float = 0.25
    surround: float = 3.0
    width: float | None = None
    z: float | None = None

    def __post_init__(self) -> None:
        for name in ("sigma", "offset", "width", "surround", "z"):
            value = getattr(self, name)
            require(value is None or 0 < value < math.inf, name, "above 0", value)
        require(0 <= self.smoothing < math.inf, "smoothing", "0 or more", self.smoothing)


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["sigma", "mean", "deviation", "offset", "width"],
    meta_fields=[],
)
@dataclass(frozen=True)
class Fixed:
    """What the filter takes from the original as a whole. A JAX tree, so it may be traced.

    Attributes
    ----------
    sigma
        Scale of the blobs in samples along Y and X.
    mean, deviation
        Of the original's intensities; the deviation is 0 in a constant image.
    offset, width
        In standard deviations of the original.
    """

    sigma: float
    mean: float
    deviation: float
    offset: float
    width: float


def reach(settings: Blobs, fixed: Fixed) -> int:
    """How far, in samples along each axis, a response depends on the image.

    A patch with this margin gives the response of the whole image within: the radius of the widest
    Gaussian, that of the local mean as a rule.
    """
    sigma = fixed.sigma * max(1, 1 / (settings.z or 1))
    widths = (settings.smoothing, settings.surround)
    return max(radius(sigma) + 1, *(radius(w * sigma) for w in widths))


def fix(original: np.ndarray, settings: Blobs) -> Fixed:
    """What is to be known of an original before patches of it, or of what it became, are judged.

    Without a sigma in the settings, the scales from 2 to 16 are tried in the busiest part of the
    image. A blob answers most at its own scale (Lindeberg 1998). Taken is the median scale of all
    maxima over space and scale that are at least a quarter as strong as the strongest; each counts
    as its strength times the root of what it covers, so that neither speckle within large blobs
    nor clusters of small ones decide.

    Without an offset, Otsu's threshold of the contrasts where the image curves down, which hold
    both blobs and the bumps of noise, but at least three robust standard deviations of all
    contrasts, so that an image of noise alone has few blobs.

    Parameters
    ----------
    original
        (Y, X) or (Z, Y, X), any real dtype, the whole image.

    Raises
    ------
    InputError
        An image of other dimensions or with values that are not finite.
    """
    values = np.asarray(original)
    _check(values.shape)
    mean, deviation = moments(values, "blobs")
    sigma = settings.sigma or _scale(values, settings.z or 1)
    fixed = Fixed(sigma, mean, deviation, 0.0, 1.0)
    offset = settings.offset
    if offset is None:
        contrast, bend = map(
            np.asarray, _measure(jnp.asarray(values, jnp.float32), fixed, settings)
        )
        middle = np.median(contrast)
        noise = _TO_SIGMA * float(np.median(np.abs(contrast - middle)))
        split = threshold.otsu(contrast[(bend > 0) & (contrast > 0)])
        offset = max(split, _DEVIATIONS * noise) or 1.0
    return Fixed(sigma, mean, deviation, offset, settings.width or _WIDTH * offset)


@partial(jax.jit, static_argnames="settings")
def response(image: jax.Array, fixed: Fixed, settings: Blobs) -> jax.Array:
    """By how much each sample belongs to a blob, in standard deviations of the original.

    Above 0 it does. The lesser of two: its contrast, which is how much the smoothed image exceeds
    its Gaussian-weighted local mean, less the offset; and minus σ² times the Laplacian of
    the Gaussian-smoothed image, each axis with its own σ.

    Parameters
    ----------
    image
        (Y, X) or (Z, Y, X), float32, in the original's intensities.

    Returns
    -------
    jax.Array
        The image's shape, float32. Gradients are finite everywhere.
    """
    contrast, bend = _measure(image, fixed, settings)
    return jnp.minimum(contrast - fixed.offset, bend)


@partial(jax.jit, static_argnames="settings")
def hard(image: jax.Array, fixed: Fixed, settings: Blobs) -> jax.Array:
    """Samples of blobs: bool, the image's shape."""
    return threshold.hard(response(image, fixed, settings), 0.0)


@partial(jax.jit, static_argnames="settings")
def soft(image: jax.Array, fixed: Fixed, settings: Blobs) -> jax.Array:
    """The mask between 0 and 1, float32; it becomes the hard one as the width goes to 0."""
    return threshold.soft(response(image, fixed, settings), 0.0, fixed.width)


def dimmer(fixed: Fixed) -> Fixed:
    """With a lower offset, for dim blobs: what is bright is hardly lost."""
    return replace(fixed, offset=_DIM * fixed.offset, width=_DIM * fixed.width)


@partial(jax.jit, static_argnames="settings")
def _measure(image: jax.Array, fixed: Fixed, settings: Blobs) -> tuple[jax.Array, jax.Array]:
    """Contrast with the local mean, and downward bend, in standard deviations of the original."""
    _check(image.shape)
    deviation = jnp.asarray(fixed.deviation, jnp.float32)
    scale = jnp.where(deviation > 0, 1 / jnp.where(deviation > 0, deviation, 1), 0)
    image = (jnp.asarray(image, jnp.float32) - fixed.mean) * scale
    sigmas = scales(fixed.sigma, settings.z or 1, image.ndim)
    around = gaussian(image, tuple(settings.surround * s for s in sigmas))
    own = image
    if settings.smoothing:
        own = gaussian(image, tuple(settings.smoothing * s for s in sigmas))
    return own - around, _bend(image, sigmas)


def _bend(image: jax.Array, sigmas: tuple[Sigma, ...]) -> jax.Array:
    """Minus the sum of σ² times the second differences of the smoothed image along each axis.

    The image, not the smoothed one, goes on beyond its edges: there is no kink at them.
    """
    wide = gaussian(jnp.pad(image, 1, mode="edge"), sigmas)
    out = jnp.zeros_like(image)
    for axis, sigma in enumerate(sigmas):
        bend = 2 * wide[(slice(1, -1),) * image.ndim]
        for start in (0, 2):
            corner = [start if a == axis else 1 for a in range(image.ndim)]
            end = [c + n for c, n in zip(corner, image.shape, strict=True)]
            bend -= jax.lax.slice(wide, corner, end)
        out += sigma**2 * bend
    return out


def _scale(values: np.ndarray, z: float) -> float:
    """The scale of an image's blobs, one of `_SCALES`."""
    image = jnp.asarray(_busiest(values), jnp.float32)
    largest = max(min(image.shape[-2:]) / 6, _SCALES[0])
    tried = [s for s in _SCALES if s <= largest]
    answers = jnp.stack([_bend(image, scales(s, z, image.ndim)) for s in tried])
    window = (3,) * answers.ndim
    around = jax.lax.reduce_window(
        answers, -jnp.inf, jax.lax.max, window, (1,) * answers.ndim, "SAME"
    )
    strong = (answers >= around) & (answers > _STRONG * jnp.max(answers))
    each = np.sum(np.asarray(answers) * strong, axis=tuple(range(1, answers.ndim)))
    counted = np.cumsum(each * np.array(tried) ** (image.ndim / 2))
    return float(tried[int(np.searchsorted(counted, counted[-1] / 2))])


def _busiest(values: np.ndarray) -> np.ndarray:
    """The tile of at most `_TILE` samples with the greatest variance: float64."""
    sides = _TILE[-values.ndim :]
    corners = np.stack(
        np.meshgrid(*[range(0, n, s) for n, s in zip(values.shape, sides, strict=True)])
    )
    best, most = values, -1.0
    for corner in corners.reshape(values.ndim, -1).T:
        tile = values[tuple(slice(c, c + s) for c, s in zip(corner, sides, strict=True))]
        variance = float(np.var(tile, dtype=np.float64))
        if variance > most:
            best, most = tile, variance
    return np.asarray(best, np.float64)


def _check(shape: tuple[int, ...]) -> None:
    if len(shape) not in (2, 3) or not min(shape):
        raise InputError(
            "blobs cannot be found in this array",
            field="image",
            expected="a plane (Y, X) or a volume (Z, Y, X)",
            got=shape,
        )
