"""What a task is: one question that an analysis asks of an image, put to original and copy alike.

PSNR says how far samples are off, not whether the cells are still counted right. A task fixes all
that an analysis chooses (thresholds, labels, spots) on the original, in `reference`, and can only
apply it in `compare`: no codec can move the goal. Definitions: docs/metrics.md, "Tasks".
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from inif.errors import InputError
from inif.metrics.fidelity import finite, psnr_json
from inif.metrics.planes import plane_layout


@dataclass(frozen=True)
class Unit:
    """What is looked at as a whole: a plane or a volume of one channel at one time.

    Attributes
    ----------
    original
        (Y, X) or (Z, Y, X), in the image's dtype.
    range
        (min, max) of the whole channel of the original, in counts.
    where
        Place of the first sample by axis letter: T, C, for a plane of a stack Z, and for a part
        of a plane Y and X.
    """

    original: np.ndarray
    range: tuple[float, float]
    where: Mapping[str, int]


@dataclass(frozen=True)
class Figure:
    """One number with its name in JSON, its name for people, and the number for people.

    `value` is None where there is nothing to measure, infinite only for the PSNR of what is exact.
    """

    key: str
    label: str
    value: float | None
    text: str
    decibel: bool = False

    def to_json(self) -> Any:
        """The number, null where there is none; a PSNR as ``{"psnr": …, "lossless": …}``."""
        if self.value is None:
            return None
        return psnr_json(self.value) if self.decibel else finite(self.value)


@dataclass(frozen=True)
class Figures:
    """The outcome of a task for one channel.

    Attributes
    ----------
    score
        The figure to choose by: 1 is perfect, less is worse; None where there is nothing to score.
    figures
        All figures, most important first.
    details
        More that is for JSON only; plain JSON types.
    """

    score: float | None
    figures: tuple[Figure, ...]
    details: Mapping[str, Any] = field(default_factory=dict)

    def __getitem__(self, key: str) -> float | None:
        return next(f.value for f in self.figures if f.key == key)

    def to_json(self) -> dict[str, Any]:
        """``{"score": 0.91, "f1": 0.91, …}``, strict JSON."""
        return {
            "score": self.score,
            **{f.key: f.to_json() for f in self.figures},
            **self.details,
        }


@dataclass(frozen=True)
class TaskResult:
    """The outcome of a task: what it is called, how it measures, and `Figures` per channel.

    `sample` says what part of the image was looked at, None for all of it.
    """

    task: str
    about: str
    channels: tuple[Figures, ...]
    sample: str | None = None

    def to_json(self, names: Sequence[str]) -> dict[str, Any]:
        """A JSON object with one entry per channel; `names` are the channels' names."""
        return {
            "task": self.task,
            "about": self.about,
            "sample": self.sample,
            "channels": [
                {"channel": name, **figures.to_json()}
                for name, figures in zip(names, self.channels, strict=True)
            ],
        }


class Task(Protocol):
    """A question asked of images; frozen, so that the same task gives the same figures."""

    @property
    def name(self) -> str:
        """As on the command line: ``"objects:otsu"``."""
        ...

    @property
    def about(self) -> str:
        """One sentence for the report: what is compared, and how."""
        ...

    @property
    def dims(self) -> int:
        """3: units are volumes where there is a Z axis. 2: units are planes."""
        ...

    def ready_for(self, axes: str, shape: tuple[int, ...]) -> Task:
        """The task made ready for an image: reads what it needs.

        Raises
        ------
        InputError
            The task and the image do not go together.
        """
        ...

    def reference(self, unit: Unit, /) -> Any:
        """All that the task takes from the original."""
        ...

    def compare(self, reference: Any, decoded: np.ndarray, /) -> Any:
        """Counts and sums for a decoded unit of the original's shape and dtype."""
        ...

    def figures(self, parts: Sequence[Any], /) -> Figures:
        """Figures of several units pooled; `parts` are what `compare` returned."""
        ...


def require_planes(axes: str, shape: tuple[int, ...], least: int, what: str) -> None:
    """Refuse images whose planes are too small for what is to be done with them.

    Raises
    ------
    InputError
        They have fewer than `least` samples along Y or X.
    """
    sides = plane_layout(axes, shape).plane_shape
    if min(sides) < least:
        raise InputError(
            f"these planes are too small {what}",
            field="task",
            expected=f"at least {least} × {least} pixels",
            got=f"{sides[0]} × {sides[1]}",
        )


def count(key: str, label: str, value: int) -> Figure:
    """A whole number."""
    return Figure(key, label, int(value), f"{int(value):,}")


def share(key: str, label: str, value: float | None) -> Figure:
    """A number around 0 … 1, with four decimals."""
    return _figure(key, label, value, "{:.4f}")


def percent(key: str, label: str, value: float | None) -> Figure:
    """A signed change in percent."""
    return _figure(key, label, value, "{:+.2f} %")


def decibels(key: str, label: str, value: float | None) -> Figure:
    """A PSNR; infinite where all is exact."""
    if value is None:
        return Figure(key, label, None, "-", True)
    text = "exact" if math.isinf(value) else f"{value:.2f} dB"
    return Figure(key, label, value, text, True)


def difference(key: str, label: str, value: float | None, unit: str) -> Figure:
    """A signed difference with its unit."""
    return _figure(key, label, value, "{:+.2f} " + unit)


def length(key: str, label: str, value: float | None, unit: str) -> Figure:
    """A length or a frequency, with its unit."""
    return _figure(key, label, value, "{:.3g} " + unit)


def _figure(key: str, label: str, value: float | None, form: str) -> Figure:
    if value is None:
        return Figure(key, label, None, "-")
    return Figure(key, label, float(value), form.format(value))
