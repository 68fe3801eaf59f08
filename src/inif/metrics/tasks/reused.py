"""The tasks ``spots`` and ``frc``: figures that `inif.metrics` has anyway, asked as tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from inif.metrics import spots
from inif.metrics.spectrum import MIN_SIDE, RingSums, spaced
from inif.metrics.tasks.task import Figures, Unit, count, length, require_planes, share


@dataclass(frozen=True)
class SpotsTask:
    """Spots found again (`inif.metrics.spots`).

    Attributes
    ----------
    sigma
        Of a spot, in samples.
    radius
        Farthest that a spot may have moved, in samples.
    """

    name: str = "spots"
    sigma: float = spots.SIGMA
    radius: float = spots.RADIUS
    dims: int = 3

    @property
    def about(self) -> str:
        """What is compared, and how."""
        return (
            f"Spots found again: Laplacian of Gaussian (σ = {self.sigma:g}), threshold of the "
            f"original, at most {self.radius:g} samples apart."
        )

    def ready_for(self, axes: str, shape: tuple[int, ...]) -> SpotsTask:
        """Itself: it takes any image."""
        return self

    def reference(self, unit: Unit) -> spots.Spots:
        """The original's spots, and the threshold."""
        return spots.reference_spots(unit.original, self.sigma)

    def compare(self, reference: spots.Spots, decoded: np.ndarray) -> spots.FoundSpots:
        """What became of them."""
        return spots.find_again(reference, decoded, self.radius)

    def figures(self, parts: Sequence[spots.FoundSpots]) -> Figures:
        """All spots of all units together."""
        total = spots.pooled(parts)
        rows = (
            share("f1", "F1", total.f1),
            share("recall", "Recall", total.recall),
            share("precision", "Precision", total.precision),
            length("error_samples", "Mean distance of the pairs", total.error, "samples"),
            count("original", "Spots in the original", total.original),
            count("decoded", "Spots in the decoded image", total.decoded),
            count("matched", "Found again", total.matched),
        )
        return Figures(total.f1, rows)


@dataclass(frozen=True)
class FrcTask:
    """Fourier ring correlation and transfer (`inif.metrics.spectrum`) of up to 16 planes a unit."""

    name: str = "frc"
    dims: int = 3

    @property
    def about(self) -> str:
        """What is compared, and how."""
        return (
            "Fourier ring correlation, and transfer: the part of the amplitude found again in "
            "place. Means over all rings in which the original has power."
        )

    def ready_for(self, axes: str, shape: tuple[int, ...]) -> FrcTask:
        """Itself.

        Raises
        ------
        InputError
            The planes are too small for a spectrum.
        """
        require_planes(axes, shape, MIN_SIDE, "for a spectrum")
        return self

    def reference(self, unit: Unit) -> np.ndarray:
        """The original itself, as planes: (Z, Y, X)."""
        return unit.original.reshape(-1, *unit.original.shape[-2:])

    def compare(self, reference: np.ndarray, decoded: np.ndarray) -> RingSums:
        """Power and cross power of evenly spaced planes."""
        planes = decoded.reshape(reference.shape)
        sums = RingSums(reference.shape[1:])
        for z in sorted(spaced(len(planes))):
            sums.add(reference[z], planes[z])
        return sums

    def figures(self, parts: Sequence[RingSums]) -> Figures:
        """Figures of the power of all units together."""
        total = RingSums(parts[0].shape)
        for part in parts:
            total.merge(part)
        kept = total.result()
        rings = [
            (c, t)
            for c, t in zip(kept.ring_correlation, kept.ring_transfer, strict=True)
            if c is not None and t is not None
        ]
        n = len(rings)
        correlation = sum(c for c, _ in rings) / n if n else None
        transfer = sum(t for _, t in rings) / n if n else None
        score = sum(max(0.0, min(c, 1 - abs(1 - t))) for c, t in rings) / n if n else None
        period = 1 / kept.resolution if n and kept.resolution else None
        unit = "cycles/pixel"
        rows = (
            share("mean_transfer", "Mean transfer", transfer),
            share("mean_correlation", "Mean correlation", correlation),
            length(
                "cycles_per_pixel",
                "Correlation and transfer ≥ 0.5 up to",
                kept.resolution if n else None,
                unit,
            ),
            length(
                "frc_cycles_per_pixel",
                "Correlation ≥ 0.5 up to",
                kept.correlated if n else None,
                unit,
            ),
            length("period_pixels", "Finest detail kept", period, "pixels"),
            count("planes", "Planes used", kept.planes),
        )
        return Figures(score, rows)
