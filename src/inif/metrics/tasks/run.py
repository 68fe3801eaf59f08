"""Run tasks over an image, one plane or volume of both images in memory at a time.

Tasks that nobody asked for look at a sample of planes only, so that a report costs little.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from inif.errors import InputError
from inif.metrics.fidelity import Ranges
from inif.metrics.planes import PlaneLayout, Samples, check_shapes, plane_layout
from inif.metrics.spectrum import MIN_SIDE
from inif.metrics.tasks.noise import NoiseTask
from inif.metrics.tasks.reused import SpotsTask
from inif.metrics.tasks.task import Task, TaskResult, Unit

DEFAULT = (SpotsTask(dims=2), NoiseTask(dims=2))
"""What is looked for where nobody names tasks: on a sample of planes."""

SAMPLES = 1 << 20
LEAST_SIDE = 128


@dataclass(frozen=True)
class Sample:
    """Some planes of every channel, evenly spaced, and their central part.

    Attributes
    ----------
    planes
        How many of the planes of a channel.
    rows, columns
        Size of the part of each.
    """

    planes: int
    rows: int
    columns: int


def sample_of(axes: str, shape: tuple[int, ...]) -> Sample | None:
    """What the default tasks look at: about 2^20 samples in all; None where they cannot be done."""
    lay = plane_layout(axes, shape)
    rows, columns = lay.plane_shape
    if not lay.is_picture or min(rows, columns) < MIN_SIDE:
        return None
    budget = SAMPLES // lay.n_channels
    planes = min(lay.voxels_per_channel // (rows * columns), max(1, budget // (rows * columns)))
    if rows * columns > budget:
        side = max(LEAST_SIDE, math.isqrt(budget))
        rows, columns = min(rows, side), min(columns, max(side, budget // min(rows, side)))
    return Sample(planes, rows, columns)


def prepare(tasks: Sequence[Task], axes: str, shape: tuple[int, ...]) -> tuple[Task, ...]:
    """Tasks made ready for an image.

    Raises
    ------
    InputError
        The image has no Y and X, or a task does not go with it.
    """
    if tasks and not plane_layout(axes, shape).is_picture:
        raise InputError(
            "tasks need pictures", field="task", expected="Y and X among the axes", got=axes
        )
    return tuple(t.ready_for(axes, shape) for t in tasks)


def measure(
    tasks: Sequence[Task],
    original: Samples,
    files: Sequence[Samples],
    axes: str,
    ranges: Ranges,
    sample: Sample | None = None,
) -> list[tuple[TaskResult, ...]]:
    """The outcome of every task for each of several compressed versions of an original.

    Parameters
    ----------
    tasks
        From `prepare`.
    original, files
        Arrays, or anything with shape, dtype and basic indexing, of one shape; any real dtype.
    axes
        One letter of "TCZYX" per axis.
    ranges
        (min, max) of each channel of the original, in counts.
    sample
        What part to look at, plane by plane; None for all of it.

    Raises
    ------
    InputError
        Shapes differ, or a segmenter of the user's failed.
    """
    lay = plane_layout(axes, original.shape)
    for file in files:
        check_shapes(original, file, lay)
    channels = range(lay.n_channels)
    parts: list[Any] = [[[[] for _ in channels] for _ in tasks] for _ in files]
    flat = all(t.dims == 2 for t in tasks)
    if sample is not None:
        units = _sampled(original, files, lay, ranges, sample)
    else:
        units = _units(original, files, lay, ranges, planewise=flat)
    for unit, decoded in units if tasks else ():
        channel = unit.where.get("C", 0)
        for number, task in enumerate(tasks):
            for piece, copies in _pieces(unit, decoded, task.dims):
                reference = task.reference(piece)
                for file, copy in zip(parts, copies, strict=True):
                    file[number][channel].append(task.compare(reference, copy))
    return [
        tuple(
            TaskResult(
                task.name,
                task.about,
                tuple(task.figures(p) for p in per_channel),
                None if sample is None else _in_words(sample, lay),
            )
            for task, per_channel in zip(tasks, file, strict=True)
        )
        for file in parts
    ]


def _units(
    original: Samples,
    files: Sequence[Samples],
    lay: PlaneLayout,
    ranges: Ranges,
    *,
    planewise: bool,
) -> Iterator[tuple[Unit, list[np.ndarray]]]:
    """Every plane, or every volume where there is a Z axis, in the image's order."""
    inner = "YX" if planewise else "ZYX"
    outer = [i for i, a in enumerate(lay.axes) if a not in inner]
    for index in np.ndindex(*(lay.shape[i] for i in outer)):
        where = {lay.axes[i]: int(k) for i, k in zip(outer, index, strict=True)}
        first, *others = (read_unit(image, where, lay) for image in (original, *files))
        yield Unit(first, ranges[where.get("C", 0)], where), others


def _sampled(
    original: Samples, files: Sequence[Samples], lay: PlaneLayout, ranges: Ranges, sample: Sample
) -> Iterator[tuple[Unit, list[np.ndarray]]]:
    """Evenly spaced planes of every channel, their central part."""
    letters = [lay.axes[i] for i in lay.slots]
    others = [n for a, n in zip(letters, lay.slot_shape, strict=True) if a != "C"]
    total = math.prod(others)
    numbers = [int((i + 0.5) * total / sample.planes) for i in range(sample.planes)]
    sizes = dict(zip("YX", (sample.rows, sample.columns), strict=True))
    for c in range(lay.n_channels):
        for number in numbers:
            place = iter(np.unravel_index(number, others) if others else ())
            where = {a: c if a == "C" else int(next(place)) for a in letters}
            key = []
            for a, n in zip(lay.axes, lay.shape, strict=True):
                first = where.get(a, (n - sizes.get(a, n)) // 2)
                key.append(slice(first, first + (1 if a in where else sizes[a])))
            planes = []
            for image in (original, *files):
                values = np.asarray(image[tuple(key)])
                flat = values.transpose(lay.slots + lay.plane).reshape(sample.rows, sample.columns)
                planes.append(flat)
            yield Unit(planes[0], ranges[c], where), planes[1:]


def _in_words(sample: Sample, lay: PlaneLayout) -> str | None:
    """What was looked at, for people; None for all of it."""
    rows, columns = lay.plane_shape
    planes = lay.voxels_per_channel // (rows * columns)
    if (sample.planes, sample.rows, sample.columns) == (planes, rows, columns):
        return None
    many = f"{sample.planes} of {planes} planes per channel"
    part = f"the central {sample.rows} × {sample.columns} pixels"
    if (sample.rows, sample.columns) == (rows, columns):
        return f"{many}, evenly spaced"
    return part if planes == 1 else f"{part} of {many}"


def read_unit(image: Samples, where: Mapping[str, int], lay: PlaneLayout) -> np.ndarray:
    """What an image has at a place (letters of axes → index): (Y, X) or (Z, Y, X), its dtype."""
    key = tuple(slice(where[a], where[a] + 1) if a in where else slice(None) for a in lay.axes)
    values = np.asarray(image[key])
    canon = values.transpose([lay.axes.index(a) for a in "TCZYX" if a in lay.axes])
    rows, columns = lay.plane_shape
    volume = canon.reshape(-1, rows, columns)
    return volume[0] if len(volume) == 1 else volume


def _pieces(
    unit: Unit, decoded: list[np.ndarray], dims: int
) -> Iterator[tuple[Unit, list[np.ndarray]]]:
    """The unit itself, or its planes one by one."""
    if dims == 3 or unit.original.ndim == 2:
        yield unit, decoded
        return
    for z, plane in enumerate(unit.original):
        yield Unit(plane, unit.range, {**unit.where, "Z": z}), [d[z] for d in decoded]
