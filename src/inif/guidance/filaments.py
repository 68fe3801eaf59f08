"""Filaments, segmented so that a fit can be guided by them.

The workflow is that of the paper's segmentation loss (Methods, "Segmentation loss"): intensities
are normalised, smoothed without blurring edges, filtered for tubes, cut off. All that such a filter
takes from an image as a whole is fixed on the original by `fix` and then passed in. So a patch
of a decoded image is judged as the whole original was, and a decoder that washes filaments out
cannot make up for it by a threshold that follows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from inif.errors import InputError
from inif.guidance import threshold
from inif.guidance.checks import moments, require
from inif.guidance.curvature import hessian, strongest
from inif.guidance.smoothing import diffuse, gaussian, radius, scales, steepness

_WIDTH = (
    0.1  # of a soft cutoff, in cutoffs; at a quarter the background alone would outweigh thin masks
)
_DIM = 0.1  # of the cutoff: Otsu's finds 3 % of a stack of microtubules, others 21 %
_LEAST = 1e-6  # magnitude of the strongest curvature; rounding makes less in a flat image


@dataclass(frozen=True)
class Filaments:
    """How filaments are found.

    Attributes
    ----------
    sigmas
        Radii of filaments in samples along Y and X; a sample belongs to a filament if one of them
        says so. 2 is wider than most filaments are drawn (1 would suit those of two to four
        samples): what is as fine as the noise cannot be kept at high ratios anyway, and guiding by
        it costs other segmenters more than it gains this one.
    cutoff
        Of the response, between 0 and 1, or None: chosen on the original, see `fix`.
    contrast
        Intensities are clipped this many standard deviations below and above the mean.
    iterations
        Of edge-preserving smoothing; 0 for none.
    conductance, step
        Of the smoothing, see `inif.guidance.smoothing.diffuse`.
    tau
        0.5 to 1; the lower, the more even the response (Jerman et al. 2016).
    width
        Of the soft mask's edge, in units of the response, or None: a tenth of the cutoff.
    z
        Length of a voxel along Z over that along X: along Z, radii are as much smaller, see
        `inif.guidance.smoothing.scales`. None: not known, 1. The smoothing that keeps edges does
        not know of it.

    Raises
    ------
    InputError
        A setting that cannot be used.
    """

    sigmas: tuple[float, ...] = (2.0,)
    cutoff: float | None = None
    contrast: tuple[float, float] = (1.5, 10.5)
    iterations: int = 10
    conductance: float = 1.2
    step: float = 0.0625
    tau: float = 1.0
    width: float | None = None
    z: float | None = None

    def __post_init__(self) -> None:
        require(bool(self.sigmas), "sigmas", "at least one", self.sigmas)
        require(all(0 < s < math.inf for s in self.sigmas), "sigmas", "above 0", self.sigmas)
        require(self.cutoff is None or 0 < self.cutoff < 1, "cutoff", "0 … 1", self.cutoff)
        require(self.width is None or self.width > 0, "width", "above 0", self.width)
        require(self.z is None or 0 < self.z < math.inf, "z", "above 0", self.z)
        below, above = self.contrast
        require(below >= 0 and above > 0, "contrast", "two positive numbers", self.contrast)
        require(self.iterations >= 0, "iterations", "0 or more", self.iterations)
        require(self.conductance > 0, "conductance", "above 0", self.conductance)
        require(0 < self.step <= 0.125, "step", "above 0, at most 0.125", self.step)
        require(0.5 <= self.tau <= 1, "tau", "0.5 … 1", self.tau)


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["low", "high", "squares", "minima", "cutoff", "width"],
    meta_fields=[],
)
@dataclass(frozen=True)
class Fixed:
    """What the filter takes from the original as a whole. A JAX tree, so it may be traced.

    Attributes
    ----------
    low, high
        Intensities that become 0 and 1.
    squares
        Mean squared gradients before each iteration of smoothing.
    minima
        The most negative of the strongest curvatures, for each radius.
    cutoff, width
        Of the response.
    """

    low: float
    high: float
    squares: tuple[float, ...]
    minima: tuple[float, ...]
    cutoff: float
    width: float


def reach(settings: Filaments, *, exact: bool = True) -> int:
    """How far, in samples along each axis, a response depends on the image.

    A patch with this margin gives the response of the whole image within. One sample per iteration
    of smoothing, the Gaussian's radius, two for the Hessian. Iterations carry next to nothing that
    far: not `exact`, three standard deviations of the smoothing take the place of its iterations,
    and responses change by less than 1e-5.
    """
    spread = math.ceil(3 * math.sqrt(2 * settings.step * settings.iterations))
    smoothing = settings.iterations if exact else min(settings.iterations, spread)
    longest = max(1, 1 / (settings.z or 1))
    return smoothing + max(radius(s * longest) for s in settings.sigmas) + 2


def fix(original: np.ndarray, settings: Filaments) -> Fixed:
    """What is to be known of an original before patches of it, or of what it became, are judged.

    Without a cutoff in the settings Otsu's threshold of the original's own responses above 0 is
    taken. The published 0.01 belongs to the data it was tuned on: responses are relative to the
    strongest curvature in the image, so one bright speck moves them all.

    Parameters
    ----------
    original
        (Y, X) or (Z, Y, X), any real dtype, the whole image.

    Raises
    ------
    InputError
        An image of other dimensions, with an axis of one sample, or with values not finite.
    """
    values = np.asarray(original)
    _check(values.shape)
    mean, deviation = moments(values, "filaments")
    below, above = settings.contrast
    low, high = mean - below * deviation, mean + above * deviation
    image = jnp.asarray(values, jnp.float32)
    squares, minima = _measure(image, low, high, settings)
    fixed = Fixed(
        low,
        high,
        tuple(float(s) for s in squares),
        tuple(min(float(m), -_LEAST) for m in minima),
        0.0,
        1.0,
    )
    cutoff = settings.cutoff
    if cutoff is None:
        found = np.asarray(response(image, fixed, settings))
        cutoff = threshold.otsu(found[found > 0]) or 0.5
    width = settings.width or _WIDTH * cutoff
    return Fixed(fixed.low, fixed.high, fixed.squares, fixed.minima, cutoff, width)


@partial(jax.jit, static_argnames="settings")
def response(image: jax.Array, fixed: Fixed, settings: Filaments) -> jax.Array:
    """How much like a filament each sample is, 0 to 1 (Jerman et al. 2016).

    With eigenvalues of the scaled Hessian sorted by magnitude, |λ1| <= |λ2| <= |λ3|, and λρ = λ3,
    but never weaker than τ times the original's strongest, the response is
    27 λ2² |λρ - λ2| / (2 |λ2| + |λρ - λ2|)³ where both are negative, 1 where λ2 < λρ / 2, else 0.
    In two dimensions the stronger of the two eigenvalues takes the places of λ2 and λ3, as in the
    paper. The largest over all radii counts. As published, the response jumps to 0 in three
    dimensions where a positive eigenvalue overtakes λ2; gradients do not see that coming.

    Parameters
    ----------
    image
        (Y, X) or (Z, Y, X), float32, in the original's intensities.

    Returns
    -------
    jax.Array
        The image's shape, float32. Gradients are finite everywhere.
    """
    _check(image.shape)
    image = _prepared(jnp.asarray(image, jnp.float32), fixed.low, fixed.high)
    image = diffuse(image, jnp.asarray(fixed.squares), settings.conductance, settings.step)
    found = [
        _vesselness(*_eigenvalues(image, sigma, settings), settings.tau * jnp.asarray(least))
        for sigma, least in zip(settings.sigmas, fixed.minima, strict=True)
    ]
    out = found[0]
    for other in found[1:]:
        out = jnp.maximum(out, other)
    return out


@partial(jax.jit, static_argnames="settings")
def hard(image: jax.Array, fixed: Fixed, settings: Filaments) -> jax.Array:
    """Samples of filaments: bool, the image's shape."""
    return threshold.hard(response(image, fixed, settings), fixed.cutoff)


@partial(jax.jit, static_argnames="settings")
def soft(image: jax.Array, fixed: Fixed, settings: Filaments) -> jax.Array:
    """The mask between 0 and 1, float32; it becomes the hard one as the width goes to 0."""
    return threshold.soft(response(image, fixed, settings), fixed.cutoff, fixed.width)


def dimmer(fixed: Fixed) -> Fixed:
    """With a lower cutoff, for dim filaments: what is bright is hardly lost."""
    return replace(fixed, cutoff=_DIM * fixed.cutoff, width=_DIM * fixed.width)


@partial(jax.jit, static_argnames="settings")
def _measure(
    image: jax.Array, low: float, high: float, settings: Filaments
) -> tuple[jax.Array, list[jax.Array]]:
    """Mean squared gradients, and the strongest curvature of each radius."""
    image = _prepared(image, low, high)
    squares = steepness(image, settings.iterations, settings.conductance, settings.step)
    image = diffuse(image, squares, settings.conductance, settings.step)
    return squares, [jnp.min(_eigenvalues(image, s, settings)[0]) for s in settings.sigmas]


def _prepared(image: jax.Array, low: Any, high: Any) -> jax.Array:
    """Clipped to low … high and scaled to 0 … 1; all 0 where these are the same."""
    span = jnp.asarray(high, jnp.float32) - low
    scale = jnp.where(span > 0, 1 / jnp.where(span > 0, span, 1), 0)
    return jnp.clip((image - low) * scale, 0, 1)


def _eigenvalues(
    image: jax.Array, sigma: float, settings: Filaments
) -> tuple[jax.Array, jax.Array]:
    """Eigenvalues of the scaled Hessian: the strongest, and the one that tells a filament.

    The second derivative along axes i and j counts σi · σj times.
    """
    own = scales(sigma, settings.z or 1, image.ndim)
    entries = hessian(gaussian(image, own))
    first, second = strongest({(i, j): own[i] * own[j] * h for (i, j), h in entries.items()})
    return first, (first if image.ndim == 2 else second)


def _vesselness(first: jax.Array, second: jax.Array, least: jax.Array) -> jax.Array:
    bright = (first < 0) & (second < 0)
    own = jnp.where(bright, -second, 1.0)  # magnitudes, with stand-ins where there is no response
    most = jnp.where(bright, -jnp.minimum(first, least), 2.0)
    share = jnp.minimum(own / most, 0.5)  # beyond a half the response stays 1
    return jnp.where(bright, 27 * share**2 * (1 - share) / (1 + share) ** 3, 0.0)


def _check(shape: tuple[int, ...]) -> None:
    if len(shape) not in (2, 3) or min(shape) < 2:
        raise InputError(
            "filaments cannot be found in this array",
            field="image",
            expected="a plane (Y, X) or a volume (Z, Y, X) of at least 2 samples along each axis",
            got=shape,
        )
