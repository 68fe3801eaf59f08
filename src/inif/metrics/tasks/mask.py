"""The task ``mask``: is the same area found? Overlap of the two segmentations, sample by sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from inif.metrics.tasks.segment import Fixed, Segmenter
from inif.metrics.tasks.task import Figure, Figures, Unit, count, percent, share


@dataclass(frozen=True)
class Overlap:
    """Samples of two masks.

    Attributes
    ----------
    original, decoded, both
        How many samples are in the original's mask, the decoded image's, and both.
    """

    original: int
    decoded: int
    both: int

    @property
    def iou(self) -> float:
        """Intersection over union; 1 where both masks are empty."""
        union = self.original + self.decoded - self.both
        return self.both / union if union else 1.0

    @property
    def dice(self) -> float:
        """Twice the intersection over the sum of both; 1 where both masks are empty."""
        total = self.original + self.decoded
        return 2 * self.both / total if total else 1.0


def overlap(original: np.ndarray, decoded: np.ndarray) -> Overlap:
    """Count two boolean masks of one shape."""
    return Overlap(
        int(np.count_nonzero(original)),
        int(np.count_nonzero(decoded)),
        int(np.count_nonzero(original & decoded)),
    )


@dataclass(frozen=True)
class MaskTask:
    """IoU and Dice of the masks that one segmenter finds in both images."""

    name: str
    segmenter: Segmenter
    dims: int = 3

    @property
    def about(self) -> str:
        """What is compared, and how."""
        return f"Area found in both images. Segmenter: {self.segmenter.about}."

    def ready_for(self, axes: str, shape: tuple[int, ...]) -> MaskTask:
        """Itself: it takes any image."""
        return self

    def reference(self, unit: Unit) -> tuple[Fixed, np.ndarray]:
        """The segmenter fixed on the original, and its mask."""
        fixed = self.segmenter.fix(unit.original)
        return fixed, fixed(unit.original) > 0

    def compare(self, reference: tuple[Fixed, np.ndarray], decoded: np.ndarray) -> Overlap:
        """Samples in both masks."""
        fixed, mask = reference
        return overlap(mask, fixed(decoded) > 0)

    def figures(self, parts: Sequence[Overlap]) -> Figures:
        """IoU and Dice of all samples of all units together."""
        total = Overlap(
            sum(p.original for p in parts),
            sum(p.decoded for p in parts),
            sum(p.both for p in parts),
        )
        change = 100 * (total.decoded / total.original - 1) if total.original else None
        rows: tuple[Figure, ...] = (
            share("iou", "IoU", total.iou),
            share("dice", "Dice", total.dice),
            percent("area_change_percent", "Change of the area", change),
            count("original_samples", "Samples in the original's mask", total.original),
            count("decoded_samples", "Samples in the decoded mask", total.decoded),
        )
        return Figures(total.iou, rows)
