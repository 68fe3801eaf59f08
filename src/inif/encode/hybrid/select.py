"""By what the encoder judges a frame: the codec's own against the repaired one.

Squared error, structure, or a task of `inif.metrics.tasks`: what an analysis finds in the plane of
the original, with thresholds fixed on it, against what it finds in each of the two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from inif.encode.job import Job
from inif.errors import InputError, MissingExtraError
from inif.frames import Geometry

if TYPE_CHECKING:
    from inif.metrics.tasks import Task

Measure = Callable[[np.ndarray, np.ndarray], float]
"""Original and decoded (Y, X) planes in values from 0 to 1 → higher is better."""

Criterion = Callable[[np.ndarray, np.ndarray, np.ndarray, Mapping[str, int]], bool]
"""Whether, for an original, the first of two decoded planes is better than the second.

All (Y, X) in values from 0 to 1. Last, the place of their first sample: letters of axes → index.
"""

TASKS = ("spots", "mask", "objects", "intensity", "frc")
"""Tasks that say something of a plane alone."""


def by_psnr(original: np.ndarray, decoded: np.ndarray) -> float:
    """Less squared error."""
    step = decoded - original
    return -float(np.einsum("yx,yx->", step, step, dtype=np.float64))


def by_ssim(original: np.ndarray, decoded: np.ndarray) -> float:
    """Mean structural similarity over the range 0 … 1; small planes go by squared error."""
    from inif.metrics.fidelity import ssim_map

    values = ssim_map(original.astype(np.float64), decoded.astype(np.float64), 1.0)
    return float(values.mean()) if values.size else by_psnr(original, decoded)


MEASURES: dict[str, Measure] = {"psnr": by_psnr, "ssim": by_ssim}


def by(measure: Measure) -> Criterion:
    """The criterion that goes by a measure, wherever planes are."""

    def better(
        original: np.ndarray, first: np.ndarray, second: np.ndarray, where: Mapping[str, int]
    ) -> bool:
        return measure(original, first) > measure(original, second)

    return better


@dataclass(frozen=True)
class ByTask:
    """The criterion that goes by the score of a task; where it ties, by squared error.

    Attributes
    ----------
    task
        Made ready for the image.
    geometry
        Of the image: the task sees planes in counts, as it does in an evaluation.
    """

    task: Task
    geometry: Geometry

    def __call__(
        self, original: np.ndarray, first: np.ndarray, second: np.ndarray, where: Mapping[str, int]
    ) -> bool:
        """See `Criterion`."""
        from inif.metrics.tasks import Unit

        channel = where.get("C", 0)
        plane, *decoded = (self.geometry.counts(p, channel) for p in (original, first, second))
        reference = self.task.reference(Unit(plane, self.geometry.ranges[channel], where))
        one, two = (
            self.task.figures([self.task.compare(reference, p)]).score or 0.0 for p in decoded
        )
        if one == two:
            return by_psnr(original, first) > by_psnr(original, second)
        return one > two


def criterion(job: Job) -> Criterion:
    """The criterion that a job names, made ready for its image.

    Raises
    ------
    InputError
        No such criterion, or it cannot be used on this image.
    MissingExtraError
        It segments, and SciPy is not installed.
    """
    name, image = job.select, job.image
    if name in MEASURES:
        return by(MEASURES[name])
    if name.partition(":")[0] not in TASKS:
        raise InputError(
            "no such criterion",
            field="select",
            expected=" or ".join((*MEASURES, *TASKS)),
            got=name,
        )
    from inif.metrics.tasks.by_name import parse
    from inif.metrics.tasks.run import prepare

    try:
        (task,) = prepare([parse(name)], image.axes, image.shape)
    except MissingExtraError:
        raise
    except InputError as e:
        raise InputError(
            e.problem, file=e.file, field="select", expected=e.expected, got=e.got, fix=e.fix
        ) from e
    ranges = tuple((float(low), float(high)) for low, high in job.ranges)
    return ByTask(task, Geometry(image.axes, image.shape, image.dtype.name, ranges))
