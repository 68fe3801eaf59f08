"""The task ``objects``: are the same objects found, each where it was? Matches, splits, mergers.

Two masks can overlap well although touching cells became one, or a cell became three; that is what
counting and tracking stumble over. Objects are therefore paired one to one by their overlap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from inif.metrics.tasks.segment import Fixed, Segmenter
from inif.metrics.tasks.task import Figures, Unit, count, share

THRESHOLDS = tuple(range(50, 95, 5))
"""Least IoU of a pair, in hundredths: 0.5, 0.55 … 0.9."""


@dataclass(frozen=True)
class Matches:
    """Objects of two segmentations, paired.

    Attributes
    ----------
    original, decoded
        How many objects there were, and are.
    pairs
        Per entry of `THRESHOLDS` how many pairs have at least that IoU.
    iou
        Sum of the IoU over all pairs of the first threshold.
    split
        Objects of the original that came apart: more than half of each of two or more decoded
        objects lies in them.
    merged
        Decoded objects in which more than half of each of two or more of the original's lies.
    """

    original: int
    decoded: int
    pairs: tuple[int, ...]
    iou: float
    split: int
    merged: int


def match(original: np.ndarray, decoded: np.ndarray) -> Matches:
    """Pair objects one to one, best overlap first.

    Above an IoU of 0.5 no object has two partners, so the order decides nothing but exact halves.

    Parameters
    ----------
    original, decoded
        Labels 0 (background), 1, 2, … of one shape, numbers without gaps.
    """
    n, m = int(original.max(initial=0)), int(decoded.max(initial=0))
    before = np.bincount(original.ravel(), minlength=n + 1)
    after = np.bincount(decoded.ravel(), minlength=m + 1)
    codes, shared = np.unique(
        original.ravel().astype(np.int64) * (m + 1) + decoded.ravel(), return_counts=True
    )
    first, second = codes // (m + 1), codes % (m + 1)
    touching = (first > 0) & (second > 0)
    first, second, shared = first[touching], second[touching], shared[touching]
    union = before[first] + after[second] - shared
    fits = 100 * shared >= THRESHOLDS[0] * union  # whole numbers: a half is a half
    order = np.lexsort((second[fits], first[fits], -(shared[fits] / union[fits])))
    partners = np.flatnonzero(fits)[order]
    used_first, used_second, kept = np.zeros(n + 1, bool), np.zeros(m + 1, bool), []
    for k in partners:
        if not used_first[first[k]] and not used_second[second[k]]:
            used_first[first[k]] = used_second[second[k]] = True
            kept.append(k)
    over, under = shared[kept], union[kept]
    inside = np.bincount(first[2 * shared > after[second]], minlength=n + 1)
    holding = np.bincount(second[2 * shared > before[first]], minlength=m + 1)
    return Matches(
        original=int(np.count_nonzero(before[1:])),
        decoded=int(np.count_nonzero(after[1:])),
        pairs=tuple(int(np.count_nonzero(100 * over >= t * under)) for t in THRESHOLDS),
        iou=float((over / under).sum()),
        split=int(np.count_nonzero(inside >= 2)),
        merged=int(np.count_nonzero(holding >= 2)),
    )


def pooled(parts: Sequence[Matches]) -> Matches:
    """Several planes or volumes counted together."""
    pairs = tuple(sum(p.pairs[i] for p in parts) for i in range(len(THRESHOLDS)))
    return Matches(
        sum(p.original for p in parts),
        sum(p.decoded for p in parts),
        pairs,
        sum(p.iou for p in parts),
        sum(p.split for p in parts),
        sum(p.merged for p in parts),
    )


@dataclass(frozen=True)
class ObjectsTask:
    """F1 and average precision of the objects that one segmenter finds in both images."""

    name: str
    segmenter: Segmenter
    dims: int = 3

    @property
    def about(self) -> str:
        """What is compared, and how."""
        return f"Objects found in both images, paired. Segmenter: {self.segmenter.about}."

    def ready_for(self, axes: str, shape: tuple[int, ...]) -> ObjectsTask:
        """Itself: it takes any image."""
        return self

    def reference(self, unit: Unit) -> tuple[Fixed, np.ndarray]:
        """The segmenter fixed on the original, and its objects."""
        fixed = self.segmenter.fix(unit.original)
        return fixed, fixed(unit.original)

    def compare(self, reference: tuple[Fixed, np.ndarray], decoded: np.ndarray) -> Matches:
        """The objects of both, paired."""
        fixed, labels = reference
        return match(labels, fixed(decoded))

    def figures(self, parts: Sequence[Matches]) -> Figures:
        """F1 and average precision of all objects of all units together."""
        total = pooled(parts)
        both = total.original + total.decoded
        precision = [p / (both - p) if both else 1.0 for p in total.pairs]
        f1 = [2 * p / both if both else 1.0 for p in total.pairs]
        found = total.pairs[0]
        mean = sum(precision) / len(precision)
        rows = (
            share("f1", "F1, IoU ≥ 0.5", f1[0]),
            share("ap", "Average precision, IoU ≥ 0.5", precision[0]),
            share("ap_75", "Average precision, IoU ≥ 0.75", precision[THRESHOLDS.index(75)]),
            share("ap_mean", "Average precision, mean of IoU ≥ 0.5 … 0.9", mean),
            share("mean_iou", "Mean IoU of the pairs", total.iou / found if found else None),
            count("original", "Objects in the original", total.original),
            count("decoded", "Objects in the decoded image", total.decoded),
            count("missed", "Missed", total.original - found),
            count("added", "Added", total.decoded - found),
            count("split", "Split", total.split),
            count("merged", "Merged", total.merged),
        )
        details = {
            "iou_thresholds": [t / 100 for t in THRESHOLDS],
            "ap_by_threshold": precision,
            "f1_by_threshold": f1,
        }
        return Figures(mean, rows, details)
