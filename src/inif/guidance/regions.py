"""Guides that weigh regions: a mask of the user's, or what the user's own function marks.

Errors inside the mask count more; what is outside keeps the plain squared error. An empty mask adds
nothing, and one that is everywhere true adds what is there already.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from inif.guidance.boxes import Boxes
from inif.guidance.masks import idle_mask
from inif.image import ImageSource


@dataclass(frozen=True)
class RegionGuide:
    """Squared error inside a mask.

    Attributes
    ----------
    name
        As the user named it.
    mask
        Bool; axes in the order of `axes`, an axis of length 1 holds for all places.
    axes
        Of the mask, letters of the image's axes.
    letters
        The image's axes without C.
    planar
        Its boxes have depth where bricks have.
    """

    name: str
    mask: np.ndarray
    axes: str
    letters: str
    planar: bool = False

    def loss(
        self, decoded: jax.Array, original: jax.Array, channel: jax.Array, extra: jax.Array
    ) -> jax.Array:
        """Mean squared error inside; see `inif.guidance.guide.Guide`."""
        del channel
        return jnp.mean(extra * (decoded - original) ** 2)

    def extra(self, boxes: Boxes) -> np.ndarray | None:
        """(bricks, voxels) float32: 1 inside, 0 outside."""
        along = dict(zip(self.letters, boxes.index, strict=True))
        along["C"] = np.broadcast_to(boxes.channel[:, None], boxes.index[0].shape)
        places = [
            np.minimum(along[a], n - 1) for a, n in zip(self.axes, self.mask.shape, strict=True)
        ]
        shape = boxes.index[0].shape
        return np.broadcast_to(self.mask[tuple(places)], shape).astype(np.float32)

    def idle(self, image: ImageSource, ranges: np.ndarray, *, deep: bool) -> str | None:
        """Why it has nothing to say; see `inif.guidance.guide.Guide`."""
        del image, ranges, deep
        return idle_mask(self.mask)
