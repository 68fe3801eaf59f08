"""Run tasks over an image, one plane or volume of both images in memory at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from inif.errors import InputError
from inif.metrics.fidelity import Ranges
from inif.metrics.planes import Layout, Samples, check_shapes, layout
from inif.metrics.tasks.base import Task, TaskResult, Unit


def prepare(tasks: Sequence[Task], axes: str, shape: tuple[int, ...]) -> tuple[Task, ...]:
    """Tasks made ready for an image.

    Raises
    ------
    InputError
        The image has no Y and X, or a task does not go with it.
    """
    if tasks and not layout(axes, shape).is_picture:
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

    Raises
    ------
    InputError
        Shapes differ, or a segmenter of the user's failed.
    """
    lay = layout(axes, original.shape)
    for file in files:
        check_shapes(original, file, lay)
    channels = range(lay.n_channels)
    parts: list[Any] = [[[[] for _ in channels] for _ in tasks] for _ in files]
    flat = all(t.dims == 2 for t in tasks)
    for unit, decoded in _units(original, files, lay, ranges, planewise=flat) if tasks else ():
        channel = unit.where.get("C", 0)
        for number, task in enumerate(tasks):
            for piece, copies in _pieces(unit, decoded, task.dims):
                reference = task.reference(piece)
                for file, copy in zip(parts, copies, strict=True):
                    file[number][channel].append(task.compare(reference, copy))
    return [
        tuple(
            TaskResult(task.name, task.about, tuple(task.figures(p) for p in per_channel))
            for task, per_channel in zip(tasks, file, strict=True)
        )
        for file in parts
    ]


def _units(
    original: Samples, files: Sequence[Samples], lay: Layout, ranges: Ranges, *, planewise: bool
) -> Iterator[tuple[Unit, list[np.ndarray]]]:
    """Every plane, or every volume where there is a Z axis, in the image's order."""
    inner = "YX" if planewise else "ZYX"
    outer = [i for i, a in enumerate(lay.axes) if a not in inner]
    for index in np.ndindex(*(lay.shape[i] for i in outer)):
        where = {lay.axes[i]: int(k) for i, k in zip(outer, index, strict=True)}
        first, *others = (read_unit(image, where, lay) for image in (original, *files))
        yield Unit(first, ranges[where.get("C", 0)], where), others


def read_unit(image: Samples, where: Mapping[str, int], lay: Layout) -> np.ndarray:
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
