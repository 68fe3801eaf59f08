"""The task ``intensity``: does every cell keep its brightness? Sums per region, before and after.

Agreement as in Bland & Altman 1986, Lancet 327:307: the differences' mean (bias) and the limits
within which 95 % of them lie if they are normal, both relative to the pair's mean. A correlation
alone would not do: it is near 1 for any two images of the same cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from inif.image import scale_of
from inif.metrics.fidelity import psnr_of
from inif.metrics.tasks.labels import Labels, check_labels, read_labels
from inif.metrics.tasks.segment import Segmenter
from inif.metrics.tasks.task import Figures, Unit, count, decibels, percent, share

LIMITS = 1.96
BACKGROUNDS = ("none", "median")


@dataclass(frozen=True)
class FixedRegions:
    """Regions of a unit of the original.

    Attributes
    ----------
    labels
        int32 of the unit's shape; 0 is outside.
    original
        The unit itself.
    background
        Counts that are taken off every sample of both images.
    scale
        Range of the channel, counts, for the PSNR.
    """

    labels: np.ndarray
    original: np.ndarray
    background: float
    scale: float


@dataclass(frozen=True)
class Sums:
    """Sums per region, and of what lies outside all regions.

    Attributes
    ----------
    before, after
        Sum of the original's and the decoded samples of each region, counts; (N,) float64.
    error, samples
        Mean squared error relative to the squared range, and samples, of each region; (N,).
    outside_error, outside_samples
        Sum of the squared error relative to the squared range, and samples, outside.
    """

    before: np.ndarray
    after: np.ndarray
    error: np.ndarray
    samples: np.ndarray
    outside_error: float
    outside_samples: int


@dataclass(frozen=True)
class Agreement:
    """Bland-Altman figures of pairs, in percent of each pair's mean; None without enough pairs."""

    bias: float | None
    low: float | None
    high: float | None


def bland_altman(before: np.ndarray, after: np.ndarray) -> Agreement:
    """Bias and limits of agreement, bias ± 1.96 sample standard deviations, in percent.

    Parameters
    ----------
    before, after
        (N,) pairs; each mean must be positive.
    """
    if not len(before):
        return Agreement(None, None, None)
    relative = 100 * (after - before) / ((after + before) / 2)
    bias = float(relative.mean())
    if len(relative) < 2:
        return Agreement(bias, None, None)
    reach = LIMITS * float(relative.std(ddof=1))
    return Agreement(bias, bias - reach, bias + reach)


def correlation(before: np.ndarray, after: np.ndarray) -> float | None:
    """Pearson's correlation; None for fewer than two pairs, or where either never changes."""
    if len(before) < 2 or np.ptp(before) == 0 or np.ptp(after) == 0:
        return None
    return float(np.clip(np.corrcoef(before, after)[0, 1], -1, 1))


@dataclass(frozen=True)
class IntensityTask:
    """Sum of the intensity per region; regions are the original's, or the user's own.

    Attributes
    ----------
    regions
        A segmenter, run on the original alone; `Labels`; or the path of a label image.
    background
        "none": sums as they are. "median": less the median of the original outside all regions.
    """

    name: str
    regions: Segmenter | Labels | str
    dims: int = 3
    background: str = "none"

    @property
    def about(self) -> str:
        """What is compared, and how."""
        less = (
            ", less the median of the original outside all regions"
            if self.background == "median"
            else ""
        )
        if isinstance(self.regions, str):
            where = f"Regions: {self.regions}"
        elif isinstance(self.regions, Labels):
            where = "Regions: labels"
        else:
            where = f"Regions of the original: {self.regions.about}"
        return f"Sum of the intensity per region{less}. {where}."

    def ready_for(self, axes: str, shape: tuple[int, ...]) -> IntensityTask:
        """The task with its label image, if it has one, read and checked.

        Raises
        ------
        InputError
            The labels cannot be read, or do not fit the image.
        """
        if isinstance(self.regions, str):
            return replace(self, regions=read_labels(self.regions, axes, shape))
        if isinstance(self.regions, Labels):
            given = self.regions
            return replace(self, regions=check_labels(given.data, given.axes, axes, shape))
        return self

    def reference(self, unit: Unit) -> FixedRegions:
        """The regions, and the background."""
        found = self.regions
        if isinstance(found, str):
            raise AssertionError("ready_for comes first")
        if isinstance(found, Labels):
            labels = found.at(unit.where, unit.original.shape)
        else:
            labels = found.fix(unit.original)(unit.original)
        outside = unit.original[labels == 0]
        wanted = self.background == "median" and outside.size > 0
        background = float(np.median(outside)) if wanted else 0.0
        return FixedRegions(labels, unit.original, background, scale_of(unit.range))

    def compare(self, reference: FixedRegions, decoded: np.ndarray) -> Sums:
        """Sums and errors per region, one slice along the first axis after the other."""
        n = int(reference.labels.max(initial=0)) + 1
        samples = np.zeros(n, np.int64)
        before, after, error = np.zeros(n), np.zeros(n), np.zeros(n)
        for labels, first, second in zip(
            reference.labels, reference.original, decoded, strict=True
        ):
            where = labels.ravel()
            a, b = (v.ravel().astype(np.float64) for v in (first, second))
            samples += np.bincount(where, minlength=n)
            before += np.bincount(where, a - reference.background, n)
            after += np.bincount(where, b - reference.background, n)
            error += np.bincount(where, ((b - a) / reference.scale) ** 2, n)
        inside = np.flatnonzero(samples[1:]) + 1
        return Sums(
            before=before[inside],
            after=after[inside],
            error=error[inside] / samples[inside],
            samples=samples[inside],
            outside_error=float(error[0]),
            outside_samples=int(samples[0]),
        )

    def figures(self, parts: Sequence[Sums]) -> Figures:
        """Agreement over the regions of all units together."""
        before, after, error, samples = (
            np.concatenate([np.zeros(0), *(getattr(p, k) for p in parts)])
            for k in ("before", "after", "error", "samples")
        )
        usable = (before > 0) & (before + after > 0)
        first, second = before[usable], after[usable]
        agreement = bland_altman(first, second)
        change = (second - first) / first
        some = bool(len(change))
        weight = float(samples.sum())
        outside = sum(p.outside_samples for p in parts)
        rows = (
            percent("bias_percent", "Bias", agreement.bias),
            percent("lower_limit_percent", "Lower limit of agreement", agreement.low),
            percent("upper_limit_percent", "Upper limit of agreement", agreement.high),
            percent(
                "largest_deviation_percent",
                "Largest deviation of a region",
                100 * float(change[np.abs(change).argmax()]) if some else None,
            ),
            share("correlation", "Correlation", correlation(first, second)),
            decibels(
                "psnr_regions",
                "PSNR in the regions",
                psnr_of(float((error * samples).sum()) / weight) if weight else None,
            ),
            decibels(
                "psnr_worst_region",
                "PSNR of the worst region",
                psnr_of(float(error.max())) if len(error) else None,
            ),
            decibels(
                "psnr_outside",
                "PSNR outside the regions",
                psnr_of(sum(p.outside_error for p in parts) / outside) if outside else None,
            ),
            count("regions", "Regions", len(before)),
            count("left_out", "Regions left out (no positive sum)", int((~usable).sum())),
        )
        score = max(0.0, 1 - float(np.abs(change).mean())) if some else None
        return Figures(score, rows)
