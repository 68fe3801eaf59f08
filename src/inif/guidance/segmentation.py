"""Guides that segment: what they find in a decoded box must be what they find in the original's.

Both boxes go through the same filter with the same fixed parameters, edges of the box included. The
original's mask is the hard one: two soft masks of the same samples would not agree wholly.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from inif.guidance.boxes import Boxes
from inif.image import ImageSource

_MOST = 1 << 24
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


@dataclass(frozen=True)
class Segmentation:
    """Soft intersection over union of a filter's masks (paper, Methods, "Segmentation loss").

    Attributes
    ----------
    name
        As the user named it.
    filter
        `inif.guidance.filaments` or `inif.guidance.blobs`.
    settings
        Of the filter.
    fixed
        What it takes from the original, stacked over channels.
    planar
        Its boxes have depth where bricks have.
    """

    name: str
    filter: ModuleType
    settings: Any
    fixed: Any
    planar: bool = False

    def loss(
        self, decoded: jax.Array, original: jax.Array, channel: jax.Array, extra: jax.Array
    ) -> jax.Array:
        """1 - IoU of the soft mask and the original's; see `inif.guidance.guide.Guide`."""
        del extra
        fixed = jax.tree.map(lambda a: a[channel], self.fixed)
        wanted = self.filter.hard(original, fixed, self.settings)
        return iou_loss(self.filter.soft(decoded, fixed, self.settings), wanted)

    def marked(self, original: jax.Array, channel: jax.Array) -> jax.Array:
        """Where it finds something in an original: bool, of its shape."""
        fixed = jax.tree.map(lambda a: a[channel], self.fixed)
        found: jax.Array = self.filter.hard(original, fixed, self.settings)
        return found

    def dimmer(self) -> Segmentation:
        """The same for what is dim, too."""
        return replace(self, fixed=self.filter.dimmer(self.fixed))

    def extra(self, boxes: Boxes) -> np.ndarray | None:
        """Nothing."""
        return None

    def idle(self, image: ImageSource, ranges: np.ndarray, *, deep: bool) -> str | None:
        """Why it has nothing to say; see `inif.guidance.guide.Guide`."""

        def mask(scaled: jax.Array, channel: int) -> jax.Array:
            fixed = jax.tree.map(lambda a: a[channel], self.fixed)
            hard: jax.Array = self.filter.hard(scaled, fixed, self.settings)
            return hard

        return nothing_found(mask, image, ranges, deep=deep)


def fixed_on(
    image: ImageSource, ranges: np.ndarray, filter_: ModuleType, settings: Any, deep: bool
) -> Any:
    """A filter's fixed parameters for each channel, as one tree stacked over channels.

    Parameters
    ----------
    ranges
        (channels, 2) lowest and highest sample.
    deep
        Whether the filter works on (Z, Y, X), else on planes.
    """
    parts = []
    for channel in range(image.n_channels):
        low, high = ranges[channel]
        volume = representative(image, channel, deep=deep)
        scaled = (volume.astype(np.float32) - low) / (high - low if high > low else 1)
        parts.append(filter_.fix(scaled, settings))
    return jax.tree.map(lambda *leaves: jnp.stack([jnp.asarray(v) for v in leaves]), *parts)


def nothing_found(
    mask: Callable[[jax.Array, int], jax.Array],
    image: ImageSource,
    ranges: np.ndarray,
    *,
    deep: bool,
) -> str | None:
    """Why a segmentation says nothing of an image, or None.

    Parameters
    ----------
    mask
        Segments a plane or volume of values from 0 to 1 of a channel.
    ranges
        (channels, 2) lowest and highest sample.
    deep
        Whether it sees volumes, else planes.
    """
    for channel, (low, high) in enumerate(ranges):
        if low == high:
            continue
        volume = representative(image, channel, deep=deep)
        scaled = jnp.asarray((volume.astype(np.float32) - low) / (high - low))
        found = np.asarray(mask(scaled, channel))
        if found.any() and not found.all():
            return None
    return "it finds nothing in the original, or everything"


def voxel_ratio(image: ImageSource) -> float:
    """Length of a voxel along Z over that along X; 1 where the image does not say in one unit."""
    (z, z_unit), (x, x_unit) = (image.meta.scale.get(a, (0.0, None)) for a in "ZX")
    return z / x if z > 0 and x > 0 and z_unit == x_unit else 1.0


def representative(image: ImageSource, channel: int, *, deep: bool) -> np.ndarray:
    """The middle time point of a channel, and for planes the brightest of its depths.

    Of what is larger than 2**24 samples, the middle.
    """
    axes = image.axes
    where = dict(zip(axes, (slice(0, n) for n in image.shape), strict=True))
    if "C" in axes:
        where["C"] = slice(channel, channel + 1)
    if "T" in axes:
        middle = where["T"].stop // 2
        where["T"] = slice(middle, middle + 1)
    if "Z" in axes and not deep:
        planes = [slice(z, z + 1) for z in range(where["Z"].stop)]
        means = [image.read(tuple((where | {"Z": one}).values())).mean() for one in planes]
        where["Z"] = planes[int(np.argmax(means))]
    while math.prod(one.stop - one.start for one in where.values()) > _MOST:
        axis = max("ZYX", key=lambda a: where[a].stop - where[a].start if a in where else 0)
        first, last = where[axis].start, where[axis].stop
        quarter = (last - first) // 4
        where[axis] = slice(first + quarter, last - quarter)
    data = image.read(tuple(where.values()))
    kept = [i for i, a in enumerate(axes) if a in ("ZYX" if deep else "YX")]
    data = data.reshape([data.shape[i] for i in kept])
    own = "".join(axes[i] for i in kept)
    return data.transpose([own.index(a) for a in "ZYX" if a in own])
