"""Tasks by name: ``NAME[:[SEGMENTER][,KEY=VALUE…]]``, as in ``objects:otsu,sigma=3``.

``python:MODULE:FUNCTION``, ``labels=FILE`` and the file of ``clean:FILE`` come last and take the
rest of the text, so that names of files need no quoting.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

from inif.errors import InputError
from inif.metrics.tasks.clean import CleanTask
from inif.metrics.tasks.intensity import BACKGROUNDS, IntensityTask
from inif.metrics.tasks.mask import MaskTask
from inif.metrics.tasks.noise import NoiseTask
from inif.metrics.tasks.objects import ObjectsTask
from inif.metrics.tasks.perceptual import PerceptualTask
from inif.metrics.tasks.reused import FrcTask, SpotsTask
from inif.metrics.tasks.ridge import Ridge
from inif.metrics.tasks.segment import Otsu, Segmenter, own
from inif.metrics.tasks.task import Task
from inif.metrics.tasks.tophat import Tophat

SEGMENTERS: dict[str, Any] = {"otsu": Otsu, "ridge": Ridge, "tophat": Tophat}
DEFAULT = "otsu"
_OWN, _LABELS = "python:", "labels="


@dataclass(frozen=True)
class _Kind:
    """How a task is made, the options of its own, and whether it segments, takes labels, a file."""

    make: Callable[..., Task]
    options: tuple[str, ...] = ()
    segments: bool = False
    labels: bool = False
    file: bool = False


TASKS = {
    "mask": _Kind(MaskTask, ("dims",), segments=True),
    "objects": _Kind(ObjectsTask, ("dims",), segments=True),
    "spots": _Kind(SpotsTask, ("sigma", "radius", "dims")),
    "intensity": _Kind(IntensityTask, ("dims", "background"), segments=True, labels=True),
    "frc": _Kind(FrcTask),
    "noise": _Kind(NoiseTask),
    "clean": _Kind(CleanTask, file=True),
    "perceptual": _Kind(PerceptualTask, ("heads",)),
}


def names() -> tuple[str, ...]:
    """Names that a task can have."""
    return tuple(TASKS)


def parse_tasks(tasks: str | Task | Sequence[str | Task]) -> tuple[Task, ...]:
    """Tasks from their texts, each once; tasks that are ready made are left as they are.

    Raises
    ------
    InputError, MissingExtraError
        As `parse`.
    """
    given = [tasks] if isinstance(tasks, str) or not isinstance(tasks, Sequence) else tasks
    found: dict[str, Task] = {}
    for task in given:
        made = parse(task) if isinstance(task, str) else task
        found.setdefault(made.name, made)
    return tuple(found.values())


def parse(text: str) -> Task:
    """A task from its text; a function of the user's is imported now.

    Raises
    ------
    InputError
        An unknown task, segmenter or option, a value that cannot be used, or a function that
        cannot be imported.
    MissingExtraError
        The task segments, and SciPy is not installed.
    """
    text = text.strip()
    name, _, rest = text.partition(":")
    kind = TASKS.get(name)
    if kind is None:
        raise InputError(
            "there is no task of this name", field="task", expected=", ".join(names()), got=text
        )
    if kind.file and rest:
        return kind.make(text, rest)
    words, last = _split(rest)
    options: dict[str, Any] = {}
    segmenter = DEFAULT if kind.segments and not last else ""
    for number, word in enumerate(words):
        key, sign, value = word.partition("=")
        if not sign and number == 0 and kind.segments and word in SEGMENTERS and not last:
            segmenter = word
        elif sign and key in _allowed(kind, segmenter) and key not in options:
            options[key] = _value(key, value, text)
        else:
            raise _unknown(name, kind, segmenter, text)
    if not kind.segments:
        if last or kind.file:
            raise _unknown(name, kind, segmenter, text)
        return kind.make(name=text, **options)
    of_segmenter = {k: options.pop(k) for k in _settings(segmenter) if k in options}
    regions: Segmenter | str
    if last.startswith(_OWN):
        regions = own(last.removeprefix(_OWN))
    elif not last:
        regions = SEGMENTERS[segmenter](**of_segmenter)
    elif kind.labels and last != _LABELS:
        regions = last.removeprefix(_LABELS)
    else:
        raise _unknown(name, kind, segmenter, text)
    return kind.make(text, regions, **options)


def _split(rest: str) -> tuple[list[str], str]:
    """Words between commas, and what takes the rest of the text."""
    words = []
    while rest and not rest.startswith((_OWN, _LABELS)):
        word, _, rest = rest.partition(",")
        words.append(word.strip())
        rest = rest.lstrip()
    return words, rest


def _allowed(kind: _Kind, segmenter: str) -> tuple[str, ...]:
    """Options of a task and of its segmenter, which is empty where it has no name."""
    return kind.options + _settings(segmenter)


def _settings(segmenter: str) -> tuple[str, ...]:
    """Options of a segmenter with a name."""
    return tuple(f.name for f in fields(SEGMENTERS[segmenter])) if segmenter else ()


def _value(key: str, value: str, text: str) -> Any:
    """The value of an option, checked."""
    try:
        if key == "background" and value in BACKGROUNDS:
            return value
        if key == "heads":  # the task itself knows which there are
            return value
        if key == "dims" and value in ("2", "3"):
            return int(value)
        if key == "smallest" and 1 <= int(value) <= 1 << 40:
            return int(value)
        if key in ("sigma", "radius") and 0 < float(value) <= 100:
            return float(value)
    except ValueError:
        pass
    expected = {
        "background": " or ".join(BACKGROUNDS),
        "dims": "2 or 3",
        "smallest": "a whole number of samples from 1",
    }.get(key, "a number of samples in (0, 100]")
    raise InputError(
        "this option of a task cannot be used",
        field="task",
        expected=f"{key}={expected}",
        got=text,
    )


def _unknown(name: str, kind: _Kind, segmenter: str, text: str) -> InputError:
    ways = []
    if kind.segments:
        ways += [*SEGMENTERS, "python:MODULE:FUNCTION"]
    if kind.labels:
        ways.append("labels=FILE")
    if kind.file:
        ways.append("FILE")
    parts = [" or ".join(ways)] if ways else []
    parts += [f"{key}=" for key in _allowed(kind, segmenter)]
    return InputError(
        "this task cannot be read",
        field="task",
        expected=f"{name}:" + ", ".join(parts) if parts else f"{name} alone",
        got=text,
        fix=None if kind.labels or _LABELS not in text else "labels go with intensity",
    )
