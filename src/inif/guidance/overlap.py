"""How well a decoded image keeps what matters: overlap of masks, and errors weighted by region.

Overlaps take masks of values between 0 and 1, so that they have gradients; on masks of 0 and 1 they
are the usual ones.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from inif.errors import InputError

_SMOOTH = 1e-4  # samples, added above and below: two empty masks are the same


def iou_loss(mask: jax.Array, reference: jax.Array) -> jax.Array:
    """1 - intersection over union of two masks: (), 0 where they are the same masks of 0 and 1.

    The intersection is the sum of products, the union the sum less the intersection (the paper,
    Methods, "Segmentation loss", made differentiable as in Rahman and Wang 2016). Two empty masks
    give 0. A soft mask does not agree with itself wholly: the loss of (p, p) is above 0 where p
    is between 0 and 1.

    Parameters
    ----------
    mask, reference
        The same shape, 0 to 1, bool or float. Sums run over all axes; `jax.vmap` for one per patch.
    """
    p, q = jnp.asarray(mask, jnp.float32), jnp.asarray(reference, jnp.float32)
    both = jnp.sum(p * q)
    either = jnp.sum(p) + jnp.sum(q) - both
    return 1 - (both + _SMOOTH) / (either + _SMOOTH)


def dice_loss(mask: jax.Array, reference: jax.Array) -> jax.Array:
    """1 - Dice coefficient of two masks: (); arguments and empty masks as in `iou_loss`.

    The coefficient is twice the sum of products over the sum of both (Milletari et al. 2016,
    without their squares).
    """
    p, q = jnp.asarray(mask, jnp.float32), jnp.asarray(reference, jnp.float32)
    return 1 - (2 * jnp.sum(p * q) + _SMOOTH) / (jnp.sum(p) + jnp.sum(q) + _SMOOTH)


def iou(mask: np.ndarray, reference: np.ndarray) -> float:
    """Intersection over union of two bool masks of one shape; 1 where both are empty."""
    either = int(np.count_nonzero(mask | reference))
    return int(np.count_nonzero(mask & reference)) / either if either else 1.0


@dataclass(frozen=True)
class RegionWeights:
    """What a squared error counts inside and outside a mask.

    Attributes
    ----------
    inside, outside
        Weights; their mean over the whole image is 1.
    balanced
        False where the mask is empty or everything: then both weights are 1, and the error is the
        plain one, whatever was asked for.
    """

    inside: float
    outside: float
    balanced: bool

    def to_json(self) -> dict[str, Any]:
        """All of it."""
        return asdict(self)

    @classmethod
    def from_json(cls, obj: Mapping[str, Any]) -> RegionWeights:
        """The inverse of `to_json`."""
        return cls(**obj)


def region_weights(mask: np.ndarray, share: float = 0.5) -> RegionWeights:
    """Weights by which a mask makes up `share` of the error, however few its samples are.

    Parameters
    ----------
    mask
        The whole image's, bool, any shape. Patches are weighted by the whole, so that the mean over
        random patches is the whole's error.
    share
        Above 0, below 1.

    Raises
    ------
    InputError
        Another share, or a mask that is not bool.
    """
    if not (math.isfinite(share) and 0 < share < 1):
        raise InputError(
            "this share cannot be used", field="share", expected="above 0, below 1", got=share
        )
    values = np.asarray(mask)
    if values.dtype != bool:
        raise InputError(
            "this mask cannot be used", field="mask", expected="bool", got=values.dtype
        )
    inside = int(np.count_nonzero(values))
    outside = values.size - inside
    if not inside or not outside:
        return RegionWeights(1.0, 1.0, False)
    return RegionWeights(share * values.size / inside, (1 - share) * values.size / outside, True)


def region_error(
    decoded: jax.Array, original: jax.Array, mask: jax.Array, weights: RegionWeights
) -> jax.Array:
    """Mean weighted squared error: (), in squared units of the images.

    Parameters
    ----------
    decoded, original
        The same shape, float32.
    mask
        Bool, the same shape.
    weights
        Of the whole image, see `region_weights`.
    """
    return jnp.mean(jnp.where(mask, weights.inside, weights.outside) * (decoded - original) ** 2)


def without_small(mask: np.ndarray, smallest: int) -> np.ndarray:
    """A mask without its objects of fewer than `smallest` samples: bool.

    Samples belong together that share a face (connectivity 1).

    Parameters
    ----------
    mask
        (Y, X) or (Z, Y, X) or any other number of axes, bool.
    """
    if smallest <= 1:
        return mask.copy()
    chosen = np.flatnonzero(mask)
    number = np.full(mask.size, -1, np.int64)
    number[chosen] = np.arange(len(chosen))
    roots = _roots(len(chosen), _faces(number.reshape(mask.shape)))
    large = np.bincount(roots, minlength=len(chosen)) >= smallest
    out = np.zeros(mask.size, bool)
    out[chosen] = large[roots]
    return out.reshape(mask.shape)


def _faces(number: np.ndarray) -> np.ndarray:
    """Pairs (N, 2) of numbers, none negative, that share a face."""
    pairs = []
    for axis in range(number.ndim):
        along = np.moveaxis(number, axis, 0)
        low, high = along[:-1], along[1:]
        both = (low >= 0) & (high >= 0)
        pairs.append(np.stack([low[both], high[both]], 1))
    return np.concatenate(pairs)


def _roots(count: int, pairs: np.ndarray) -> np.ndarray:
    """The least member of each one's group, (count,): groups are what the pairs join.

    Each round hooks groups that a pair joins, the greater to the less, and then follows all hooks
    to their ends; there are fewer groups after each.
    """
    root = np.arange(count)
    while len(pairs):
        ends = root[pairs]
        pairs = pairs[ends[:, 0] != ends[:, 1]]
        ends = root[pairs]
        np.minimum.at(root, ends.max(axis=1), ends.min(axis=1))
        while True:
            further = root[root]
            if np.array_equal(further, root):
                break
            root = further
    return root
