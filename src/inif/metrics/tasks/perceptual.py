"""The task ``perceptual``: does it look the same to a network that learned to see? LPIPS.

PSNR takes a blurred nucleus for a good one, because few samples are far off. LPIPS compares what
textures and edges an image has (`inif.perceptual`), so it notices. It hardly notices a shift of
all intensities, so it goes with PSNR, not in its place.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from inif.metrics.tasks.task import Figures, Unit, count, require_planes, share

if TYPE_CHECKING:
    from inif.perceptual.lpips import Lpips

TILE = 1024
"""Planes that are larger along Y or X are measured in tiles, to bound memory."""


@dataclass(frozen=True)
class Alike:
    """LPIPS of the planes of a unit: (planes,) float64, empty where the channel is constant."""

    planes: np.ndarray


@dataclass(frozen=True)
class PerceptualTask:
    """LPIPS between planes of both images.

    Attributes
    ----------
    heads
        Of LPIPS (`inif.perceptual.weights`).
    """

    name: str = "perceptual"
    heads: str = "lpips"
    dims: int = 2

    def __post_init__(self) -> None:
        from inif.perceptual import weights

        weights.require()
        weights.check_heads(self.heads)

    @property
    def about(self) -> str:
        """What is compared, and how."""
        which = "v0.1" if self.heads == "lpips" else f"with the heads {self.heads}"
        return (
            f"LPIPS (AlexNet, {which}) of planes, intensities from the lowest to the highest "
            "sample of the original's channel. Lower is better; the score is 1 less it."
        )

    def ready_for(self, axes: str, shape: tuple[int, ...]) -> PerceptualTask:
        """Itself.

        Raises
        ------
        InputError
            The planes are too small for the network.
        """
        from inif.perceptual.lpips import LEAST_SIDE

        require_planes(axes, shape, LEAST_SIDE, "for LPIPS")
        return self

    def reference(self, unit: Unit) -> Unit:
        """The original and its range."""
        return unit

    def compare(self, reference: Unit, decoded: np.ndarray) -> Alike:
        """LPIPS of every plane."""
        from inif.perceptual.weights import load

        if not reference.range[0] < reference.range[1]:
            return Alike(np.empty(0))
        model = load(self.heads)
        sides = reference.original.shape[-2:]
        pairs = zip(
            reference.original.reshape(-1, *sides), decoded.reshape(-1, *sides), strict=True
        )
        return Alike(np.array([_plane(model, a, b, reference.range) for a, b in pairs]))

    def figures(self, parts: Sequence[Alike]) -> Figures:
        """All planes of all units alike."""
        planes = np.concatenate([p.planes for p in parts])
        some = bool(planes.size)
        mean, worst = (float(planes.mean()), float(planes.max())) if some else (None, None)
        rows = (
            share("lpips", "LPIPS, lower is better", mean),
            share("lpips_worst", "LPIPS of the worst plane", worst),
            count("planes", "Planes", planes.size),
        )
        return Figures(None if mean is None else max(0.0, 1 - mean), rows)


def _plane(
    model: Lpips, original: np.ndarray, decoded: np.ndarray, limits: tuple[float, float]
) -> float:
    """LPIPS of a plane: the mean over its tiles, by their areas."""
    import jax.numpy as jnp

    from inif.perceptual.lpips import plane_distance

    low, scale = limits[0], limits[1] - limits[0]
    total = 0.0
    for tile in tiles(original.shape):
        one, other = (
            jnp.asarray((v[tile].astype(np.float32) - low) / scale, jnp.float32)
            for v in (original, decoded)
        )
        total += one.size * float(plane_distance(model, one, other))
    return total / original.size


def tiles(shape: tuple[int, ...]) -> Iterator[tuple[slice, slice]]:
    """A plane cut into the fewest tiles of at most `TILE` along each side, all of nearly one size.

    At most two lengths along each side: a compiled function suits few shapes.
    """
    cuts = []
    for n in shape:
        edges = np.linspace(0, n, -(-n // TILE) + 1).astype(int)
        cuts.append([slice(int(a), int(b)) for a, b in pairwise(edges)])
    for rows in cuts[0]:
        for columns in cuts[1]:
            yield rows, columns
