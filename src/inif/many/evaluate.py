"""Many pairs of an original and its file, measured: the pairs are found by their names."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from os import PathLike
from typing import Any

from inif.errors import InifError, InputError
from inif.many.result import FAILED, MEASURED, Result
from inif.many.status import Status, Watch

_NUMBER = "_series"


def evaluate_many(
    originals: str | PathLike[str],
    compressed: str | PathLike[str],
    *,
    tasks: Sequence[str] = (),
    quick: bool = False,
    axes: str | None = None,
    jobs: int | None = None,
    progress: Watch | None = None,
) -> Iterator[Result]:
    """Measure every file of a folder against its original, and yield the figures of each.

    Parameters
    ----------
    originals
        A folder of images, as it was given to `inif.compress_many`.
    compressed
        The folder that this wrote to.
    tasks, quick
        As `inif.evaluate` takes them.
    axes
        Of originals of several images that do not name theirs; others take those of their file.
    jobs
        Processes; by default as `inif.compress_many`.
    progress
        Called with a `Status` as the work goes on.

    Yields
    ------
    Result
        One for each pair, with the status "measured"; one with the status "failed" for an original
        without a file, a file without an original, and whatever cannot be read.

    Raises
    ------
    InputError
        There is nothing to measure, or an option cannot be used.
    """
    from inif.many.compress import shares
    from inif.many.find import find
    from inif.metrics.tasks import parse_tasks

    parse_tasks(tasks)
    folder = os.fspath(compressed)
    found = find([originals])
    settled = [Result(path, None, FAILED, error=error) for path, error in found.wrong]
    inputs = frozenset(os.path.realpath(one.path) for one in found.inputs)
    pairs: list[tuple[str, str, int | None]] = []
    for one in found.inputs:
        own = _outputs(one.output(folder))
        pairs += ((one.path, output, series) for output, series in own)
        if not own and not _is_part(one.path, inputs):
            text = f"there is no file of this image; expected: {one.output(folder)}"
            settled.append(Result(one.path, None, FAILED, error=text))
    taken = {os.path.realpath(output) for _, output, _ in pairs}
    for output in sorted(glob.glob(os.path.join(glob.escape(folder), "**/*.inif"), recursive=True)):
        if os.path.realpath(output) not in taken:
            text = f"there is no original of this file in {os.fspath(originals)}"
            settled.append(Result("", output, FAILED, error=text))
    if not pairs and not settled:
        raise InputError("there is no image here", file=os.fspath(originals))
    count, _ = shares(jobs, None, len(pairs))
    common = {"axes": axes, "tasks": list(tasks), "quick": quick}
    return _run(pairs, settled, common, count, progress)


def _run(
    pairs: Sequence[tuple[str, str, int | None]],
    settled: Sequence[Result],
    common: dict[str, Any],
    count: int,
    progress: Watch | None,
) -> Iterator[Result]:
    from inif.many.workers import Workers

    yield from settled
    workers = Workers(count, common)
    sizes = [os.path.getsize(output) for _, output, _ in pairs]
    done, images = 0, 0
    try:
        for number, (path, output, series) in enumerate(pairs):
            names = {"path": path, "output": output, "series": series}
            workers.add({"work": "evaluate", "number": number, **names})
        for job, message in workers.events():
            message.pop("remarks", None)
            status = FAILED if "error" in message else MEASURED
            message["look_twice"] = tuple(message.get("look_twice", ()))
            yield Result(job["path"], job["output"], status, job["series"], **message)
            done, images = done + sizes[job["number"]], images + 1
            if progress is not None:
                progress(Status(images, len(pairs), done, sum(sizes)))
    finally:
        workers.close()


def _outputs(output: str) -> list[tuple[str, int | None]]:
    """The files of an image file, and the number of the image where it holds several."""
    if os.path.lexists(output):
        return [(output, None)]
    start = output.removesuffix(".inif") + _NUMBER
    found: dict[int, str] = {}
    for path in glob.glob(glob.escape(start) + "*.inif"):
        number = path[len(start) : -len(".inif")]
        if number.isdecimal():
            found[int(number)] = path
    return [(found[number], number) for number in sorted(found)]


def _is_part(path: str, inputs: frozenset[str]) -> bool:
    """Whether a file is a part of an image that another of the inputs stands for."""
    from inif.many.worker import belongs_to, open_series

    try:
        with open_series(path, None, 0) as image:
            return belongs_to(image, path, inputs) != os.path.realpath(path)
    except InifError:
        return False
