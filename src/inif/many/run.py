"""The work on many files: jobs for the processes, names for what they have made."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from inif.errors import InifError, InputError
from inif.many.done import existing_at
from inif.many.result import DONE, FAILED, Result
from inif.many.status import Status, Watch
from inif.many.workers import Workers
from inif.outputs import check_target, publish

if TYPE_CHECKING:
    from inif.many.compress import Plan
    from inif.many.find import Input


class Run:
    """Files of a plan, compressed by processes into a folder where they wait for their names.

    A job without a series looks how many images its file holds; where they are several, each gets
    a job of its own.
    """

    def __init__(self, plan: Plan, room: str, progress: Watch | None) -> None:
        self._plan, self._room, self._progress = plan, room, progress
        common = {
            "inputs": [os.path.realpath(one.path) for one in plan.todo],
            "axes": plan.axes,
            "options": dict(plan.options),
        }
        self._workers = Workers(plan.jobs, common)
        self._inputs: list[Input] = []
        self._weights: list[float] = []
        self._running: dict[int, float] = {}
        self._bytes, self._images, self._expected = 0.0, 0, len(plan.todo)
        self._all_bytes = sum(one.bytes for one in plan.todo)

    def results(self) -> Iterator[Result]:
        """As they come; the processes end with the last one, or where no more are asked for."""
        try:
            for one in self._plan.todo:
                self._add(one, None, None, one.bytes)
            for job, message in self._workers.events():
                if "progress" in message:
                    number = job["number"]
                    self._running[number] = message["progress"] * self._weights[number]
                else:
                    yield from self._ended(job, message)
                self._tell()
        finally:
            self._workers.close()

    def _add(self, one: Input, series: int | None, named: int | None, weight: float) -> None:
        """A job for an image of a file, whose output has the number `named`, if any."""
        number = len(self._inputs)
        self._inputs.append(one)
        self._weights.append(weight)
        self._workers.add(
            {
                "work": "compress",
                "number": number,
                "path": one.path,
                "series": series,
                "named": named,
                "out": os.path.join(self._room, f"{number}.inif"),
                "output": one.output(self._plan.out_dir, named),
            }
        )

    def _ended(self, job: Mapping[str, Any], message: dict[str, Any]) -> Iterator[Result]:
        """The results of a job that has ended: none where it only led to others."""
        number = job["number"]
        one, weight = self._inputs[number], self._weights[number]
        self._running.pop(number, None)
        if "images" in message:
            yield from self._divided(one, message["images"], weight)
            return
        self._count(weight)
        if "part_of" in message:  # reported with the file that stands for the image
            return
        result = Result(one.path, job["output"], DONE, job["named"], seconds=message.get("seconds"))
        try:
            if "error" in message:
                raise InputError(message["error"])
            self._name(job["out"], job["output"])
        except InifError as error:
            yield replace(result, output=None, status=FAILED, error=str(error))
        else:
            yield replace(result, **{**message, "remarks": tuple(message["remarks"])})

    def _divided(self, one: Input, images: Sequence[int], weight: float) -> Iterator[Result]:
        """Jobs for the images of a file; those that need no work are results."""
        plan, share = self._plan, weight / len(images)
        self._expected += len(images) - 1
        for series in images:
            named = series if len(images) > 1 else None
            known = None
            if plan.skip and named is not None:
                output = one.output(plan.out_dir, named)
                known, _ = existing_at(one, output, named, plan.options)
            if known is None:
                self._add(one, series, named, share)
            else:
                self._count(share)
                yield known

    def _name(self, made: str, output: str) -> None:
        """Give a whole file its name."""
        replaces = self._plan.overwrite or self._plan.skip
        try:
            os.makedirs(os.path.dirname(output) or ".", exist_ok=True)
            check_target(output, overwrite=replaces)
            if replaces:
                os.replace(made, os.path.realpath(output))
            else:
                publish(made, os.path.realpath(output), output)
        except OSError as error:
            raise InputError(
                "the output cannot be written", file=output, got=error.strerror or error
            ) from error

    def _count(self, weight: float) -> None:
        self._images += 1
        self._bytes += weight

    def _tell(self) -> None:
        if self._progress is not None:
            done = self._bytes + sum(self._running.values())
            self._progress(Status(self._images, self._expected, done, self._all_bytes))
