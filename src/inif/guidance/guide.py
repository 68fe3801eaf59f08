"""What may guide a fit besides squared error: one protocol, and how much each guide counts.

A guide is a loss of a box of decoded samples. Only its derivative by the samples is used, scaled
to the derivative of the squared error in the same box: so weights balance themselves, whatever the
unit of a loss, and a guide that has nothing to say (no filament here) adds nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import jax
import jax.numpy as jnp
import numpy as np

from inif.guidance.boxes import Boxes
from inif.image import ImageSource

SHARE = 0.2
"""Of a guide's derivative against that of the squared error, by their root mean squares."""

FROM = 0.7
"""Share of the work after which guides count: before, there is nothing to segment."""

_LEAST_SIDE, _LEAST_DEPTH = 8, 6
Sides = Mapping[str, int]
"""Samples by the letters of axes."""

SIDES: Mapping[int, Sides] = {2: {"Y": 56, "X": 56}, 3: {"Z": 10, "Y": 20, "X": 20}}
"""Of the boxes of pure fields, at most, by their number of axes."""

_LEAST = 1e-12


class Guide(Protocol):
    """One guide, fixed on the original."""

    @property
    def name(self) -> str:
        """As the user named it."""
        ...

    @property
    def planar(self) -> bool:
        """Whether it needs no depth: boxes may be planes."""
        ...

    def loss(
        self, decoded: jax.Array, original: jax.Array, channel: jax.Array, extra: jax.Array
    ) -> jax.Array:
        """A scalar, differentiable by `decoded`; finite for any finite input.

        Parameters
        ----------
        decoded, original
            (Y, X) or (Z, Y, X) float32, 0 to 1 over the channel's range.
        channel
            Index, ().
        extra
            What `extra` gave for this box, of the same shape; zeros where it gives nothing.
        """
        ...

    def extra(self, boxes: Boxes) -> np.ndarray | None:
        """(bricks, voxels) float32 that the loss needs besides the image, or None."""
        ...

    def idle(self, image: ImageSource, ranges: np.ndarray, *, deep: bool) -> str | None:
        """Why it has nothing to say on an image, or None.

        Parameters
        ----------
        ranges
            (channels, 2) lowest and highest sample.
        deep
            Whether boxes are volumes, else planes.
        """
        ...


@dataclass(frozen=True)
class Guidance:
    """The guides of a fit.

    Attributes
    ----------
    guides
        At least one.
    share
        How much they count together, see `SHARE`.
    start
        Share of the work after which they count.
    """

    guides: tuple[Guide, ...]
    share: float = SHARE
    start: float = FROM

    @property
    def planar(self) -> bool:
        """Whether no guide needs depth, so that boxes are planes in deep bricks, too."""
        return all(guide.planar for guide in self.guides)

    def extras(self, boxes: Boxes) -> np.ndarray:
        """(guides, bricks, voxels) float32."""
        shape = boxes.coords.shape[:2]
        parts = [guide.extra(boxes) for guide in self.guides]
        return np.stack([np.zeros(shape, np.float32) if p is None else p for p in parts])

    def direction(
        self,
        decoded: jax.Array,
        original: jax.Array,
        channel: jax.Array,
        extras: Sequence[jax.Array] | jax.Array,
    ) -> jax.Array:
        """Mean of the guides' derivatives by the samples, each with a mean square of one.

        Shapes as in `Guide.loss`; `extras` one per guide.
        """
        total = jnp.zeros_like(decoded)
        for guide, extra in zip(self.guides, extras, strict=True):

            def loss(
                samples: jax.Array, guide: Guide = guide, extra: jax.Array = extra
            ) -> jax.Array:
                return guide.loss(samples, original, channel, extra)

            slope = jnp.nan_to_num(jax.grad(loss)(decoded), posinf=0.0, neginf=0.0)
            size = jnp.sqrt(jnp.mean(slope**2))
            total += jnp.where(size > _LEAST, slope / jnp.maximum(size, _LEAST), 0.0)
        return total / len(self.guides)

    def surrogate(
        self,
        outputs: jax.Array,
        targets: jax.Array,
        sides: tuple[int, ...],
        channel: jax.Array,
        extras: jax.Array,
    ) -> jax.Array:
        """A scalar whose derivative by the outputs is the guides', scaled to the squared error's.

        Parameters
        ----------
        outputs, targets
            (voxels,) in [-1, 1].
        sides
            Of the box, without those of 1.
        """
        decoded, original = (((v + 1) / 2).reshape(sides) for v in (outputs, targets))
        shaped = [extra.reshape(sides) for extra in extras]
        direction = self.direction(jax.lax.stop_gradient(decoded), original, channel, shaped)
        error = jnp.sqrt(jnp.mean((outputs - targets) ** 2))
        scale = jax.lax.stop_gradient(2 * self.share * error)
        along: jax.Array = jnp.mean(jax.lax.stop_gradient(direction).ravel() * outputs)
        return jnp.asarray(scale * along)


def box_sides(
    axes: str,
    extents: np.ndarray,
    *,
    planar: bool = False,
    most: Mapping[int, Sides] = SIDES,
) -> Sides | None:
    """Sides of the boxes that guides see: 3-D where bricks are deep enough, else planes.

    Parameters
    ----------
    extents
        (bricks, axes) samples of each brick.
    planar
        Whether planes will do for all guides.
    most
        The longest sides, by the number of axes of a box.

    Returns
    -------
    Samples by the letters of axes; None where bricks are too small to see anything.
    """
    least = dict(zip(axes, extents.min(axis=0), strict=True))
    if min(least.get("Y", 0), least.get("X", 0)) < _LEAST_SIDE:
        return None
    deep = not planar and least.get("Z", 0) >= _LEAST_DEPTH
    return {a: int(min(n, least[a])) for a, n in most[3 if deep else 2].items()}
