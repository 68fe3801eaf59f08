"""A whole store, from its plan to the folder under its name, shard by shard and resumable.

While the work goes on the store is ``OUT.part``; it gets its name when everything is there. What is
done stands in the manifest (`manifest`), from which the same command goes on. How finely shards are
coded is settled by trials (`settle`) and kept on course by a control (`control`), in waves.
"""

from __future__ import annotations

import itertools
import math
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from inif._version import __version__
from inif.errors import BudgetError, InifError, InputError, format_size
from inif.scale.check import Check, check_shard, sizes_differ
from inif.scale.control import ROUNDS, Bytes, Control, Fixed, Quality, psnr_of_channels
from inif.scale.engines import ATTEMPTS, Call, Engine
from inif.scale.lazy import narrowed
from inif.scale.manifest import Manifest
from inif.scale.plan import Tree
from inif.scale.rate import Done, Setting, Unit, shuffled
from inif.scale.record import codec_of, summary
from inif.scale.request import Request, raw_bytes
from inif.scale.settle import Settled, bound_of, channels_of, settle
from inif.scale.shard import TEMPORARY, write_shard
from inif.scale.skeleton import write_skeleton
from inif.scale.tasks import Shard, Unread, Way, array_of
from inif.scale.watch import Watch

_DRAFT_STEP, _DRAFT_PSNR = 123.45, 99.99
"""Stand for what is not known yet where the size of metadata is measured."""


@dataclass
class Job:
    """A shard that is to be written.

    Attributes
    ----------
    number
        Of its unit; among all, images and others.
    setting
        How it is coded; None for exact ones.
    turn
        0, or how often units have been coded again.
    attempt
        How often it has failed.
    """

    number: int
    setting: Setting | None
    turn: int
    attempt: int = 0


class Run:
    """One store that is being written.

    Parameters
    ----------
    tree, request
        What is to be written, and what is asked for.
    part
        Folder in which it is made.
    engine, manifest, watch
        Who works, what is done, who is told.
    """

    def __init__(
        self,
        tree: Tree,
        request: Request,
        part: Path,
        engine: Engine,
        manifest: Manifest,
        watch: Watch,
    ) -> None:
        self.tree, self.request, self.part = tree, request, part
        self.engine, self.manifest, self.watch = engine, manifest, watch
        self.retries = self.resumed = 0
        self.lost: set[int] = set()
        self.open: list[int] = []
        self.arrays = [array_of(plan) for plan in tree.arrays]
        self.channels, self.names = channels_of(tree, request)
        units = [unit for n in range(len(self.arrays)) for unit in self._units(n)]
        self.images = shuffled([unit for unit in units if unit.channels])
        self.units = [*self.images, *(unit for unit in units if not unit.channels)]
        self.numbers = {unit.key: n for n, unit in enumerate(self.units)}
        self.history: dict[int, dict[int, dict[str, Any]]] = {}
        for record in manifest.shards:
            self.history.setdefault(self.numbers[record["shard"]], {})[record["turn"]] = record
        self.last = {self.numbers[record["shard"]]: record for record in manifest.shards}
        watch.channels(len(self.names))
        self.control: Control = Fixed(self.images, len(self.names))
        self.settled: Settled | None = None

    def _units(self, number: int) -> Iterator[Unit]:
        array, channels = self.arrays[number], self.channels[number]
        for place in itertools.product(*map(range, array.grid(array.shards))):
            region = array.region(place, array.shards)
            own = tuple(channels[c] for c in array.channels(region)) if channels else ()
            voxels = math.prod(one.stop - one.start for one in region)
            level = self.tree.arrays[number].level
            yield Unit(number, place, array.key(place), voxels, level, own, array.index)

    def go(self, *, verify: bool = False) -> dict[str, Any]:
        """Write everything into the folder of the store; it has not its name yet.

        Returns
        -------
        dict
            What `inif.compress_zarr` returns, without what depends on its own time.

        Raises
        ------
        InputError
            The input cannot be read or the output not be written; what is done stays done.
        BudgetError
            The target cannot be met.
        """
        shutil.rmtree(self.part / TEMPORARY, ignore_errors=True)
        self._settle()
        self._encode()
        metadata = self._skeleton(self.psnrs())
        shutil.rmtree(self.part / TEMPORARY, ignore_errors=True)
        records = {unit.key: self.last[n]["bytes"] for n, unit in enumerate(self.units)}
        if lost := sizes_differ(str(self.part), records):
            raise InputError(
                "shards that were written are not there any more",
                file=self.part / lost[0],
                got=f"{len(lost)} shards",
                fix="the same command writes them again",
            )
        if verify:
            self._verify()
        return summary(self, metadata)

    def _settle(self) -> None:
        """Steps and control, by trials or as they were settled before."""
        target = self.request.target
        if not self.images or target is None:
            return
        goal = self._goal()
        if self.manifest.settled is None:
            payload = None if goal is None else goal - sum(unit.index for unit in self.images)
            found = settle(self.tree, self.arrays, self.channels, self.request, payload, self._many)
            self.manifest.settle(found.to_json())
        assert self.manifest.settled is not None
        self.settled = Settled.from_json(self.manifest.settled)
        model, goal = self.settled.model, self._goal()  # now that it is known what documents say
        if goal is not None and model is not None:
            self.control = Bytes(self.images, len(self.names), model, goal)
        elif target.psnr is not None and model is not None:
            self.control = Quality(self.images, model, target.psnr, self.settled.ranges)

    def _goal(self) -> float | None:
        """Bytes of the images' shards; None where any may be.

        Raises
        ------
        BudgetError
            There are none left for samples.
        """
        target = self.request.target
        assert target is not None
        if target.ratio is None and target.size is None:
            return None
        whole = target.size or raw_bytes(self.tree) / (target.ratio or 1.0)
        besides = self._skeleton([_DRAFT_PSNR] * len(self.names))
        if whole <= besides + sum(unit.index for unit in self.images):
            raise BudgetError(
                "the store cannot be as small as that: its metadata alone take as much",
                field="size" if target.size else "ratio",
                expected=f"more than {format_size(besides)}",
                got=format_size(whole),
                fix="ask for a smaller ratio, or for larger chunks",
            )
        return whole - besides

    def _encode(self) -> None:
        """Write all shards, until the goal is met."""
        jobs, more = self._jobs(), True
        running: dict[tuple[int, int], Job] = {}

        def begin(job: Job) -> None:
            running[job.number, job.turn] = job
            self.engine.submit((job.number, job.turn), write_shard, self._task(job))

        while more or running:
            while more and len(running) < self.engine.window:
                job = next(jobs, False)
                more = job is not False
                if not isinstance(job, Job):
                    break
                begin(job)
            if not running:
                continue
            name, result = self.engine.wait()
            job = running.pop(name)
            if isinstance(result, BaseException):
                begin(self._again(job, result))
            else:
                self._done(job, result)

    def _again(self, job: Job, error: BaseException) -> Job:
        """The same job once more, unless it has failed too often."""
        self.retries += 1
        key = self.units[job.number].key
        self.watch.note({"shard": key, "attempt": job.attempt + 1, "error": str(error)})
        if job.attempt + 1 < ATTEMPTS:
            return replace(job, attempt=job.attempt + 1)
        raise _told(error, key)

    def _jobs(self) -> Iterator[Job | None]:
        """Shards that are to be written; None: first others must be done."""
        images = len(self.images)
        sizes = {self.units[n].key: one["bytes"] for n, one in self.last.items()}
        self.lost = {self.numbers[key] for key in sizes_differ(str(self.part), sizes)}
        self.resumed = len(self.last) - len(self.lost)
        for number in sorted(self.lost):
            record = self.last[number]
            yield Job(number, self._setting(number, record), record["turn"])
        for number in range(images, len(self.units)):
            if number not in self.history:
                yield Job(number, None, 0)
        length = self.control.length
        waves = range(-(-images // length))
        self.open = [min(length, images - wave * length) for wave in waves]
        for wave in waves:
            while any(self.open[: max(wave - 1, 0)]):
                yield None
            setting = self.control.setting(wave)
            for number in range(wave * length, min((wave + 1) * length, images)):
                if not self._known(number, 0):
                    yield Job(number, setting, 0)
        for turn in range(1, ROUNDS + 1):
            while any(self.open) or self.lost:
                yield None
            again = self.control.again(turn - 1)
            self.open = [len(again)]
            for number, setting in again.items():
                if not self._known(number, turn):
                    yield Job(number, setting, turn)
            if not again:
                break

    def _known(self, number: int, turn: int) -> bool:
        """Take a unit's record of a turn, if there is one."""
        record = self.history.get(number, {}).get(turn)
        if record is not None:
            self._take(number, record)
        return record is not None

    def _take(self, number: int, record: Mapping[str, Any]) -> None:
        setting = self._setting(number, record)
        assert setting is not None
        three = (tuple(record[name]) for name in ("squares", "low", "high"))
        done = Done(record["bytes"], setting, *three)
        self.control.done[number] = done
        turn = record["turn"]
        self.open[0 if turn else number // self.control.length] -= 1
        if not turn:
            self.watch.seen(self.units[number], done)

    def _setting(self, number: int, record: Mapping[str, Any]) -> Setting | None:
        """Of a record, which has octaves of the unit's own channels."""
        own = self.units[number].channels
        if not own:
            return None
        octaves = [record["octaves"][0]] * len(self.names)
        for c, octave in zip(own, record["octaves"], strict=True):
            octaves[c] = octave
        return Setting(tuple(octaves), record["stretch"])

    def _task(self, job: Job) -> Shard:
        unit = self.units[job.number]
        array, stretch = self.arrays[unit.array], 1.0
        way = self._way(unit.array, job.setting)
        if job.setting is not None:
            stretch = job.setting.stretch
        source = narrowed(array.source, array.region(unit.place, array.shards))
        array = replace(array, source=source)
        return Shard(str(self.part), array, unit.place, way, stretch, job.attempt)

    def _way(self, number: int, setting: Setting | None = None) -> Way:
        """How an array's chunks are coded."""
        own, effort = self.channels[number], self.request.effort
        if not own or self.settled is None:
            return Way(effort=effort)
        if self.request.bounded:
            return Way((), bound_of(self.request, self.settled.ranges, own), effort)
        octaves = setting.octaves if setting else (0.0,) * len(self.names)
        steps = self.settled.steps
        return Way(tuple(steps[c] * 2.0 ** -octaves[c] for c in own), None, effort)

    def _done(self, job: Job, result: dict[str, Any]) -> None:
        """Note a shard that is done."""
        unit, again = self.units[job.number], job.turn in self.history.get(job.number, {})
        record = result | {"turn": job.turn}
        if job.setting is not None:
            record["octaves"] = [job.setting.octaves[c] for c in unit.channels]
            record["stretch"] = job.setting.stretch
        self.watch.note(record | {"attempt": job.attempt})
        for name in ("worker", "memory"):
            del record[name]
        self.manifest.add(record)
        self.lost.discard(job.number)
        self.last[job.number] = record
        self.history.setdefault(job.number, {})[job.turn] = record
        if job.setting is not None and not again:
            self._take(job.number, record)
        size = unit.voxels * self.arrays[unit.array].dtype.itemsize
        self.watch.step("encode", len(self.last), len(self.units), size)

    def _many(self, stage: str, call: Call, tasks: Sequence[Any]) -> list[Any]:
        """Results of calls, in the order of their tasks."""
        waiting = list(enumerate(tasks))[::-1]
        found: dict[int, Any] = {}
        failed: dict[int, int] = {}
        under_way = 0
        while len(found) < len(tasks):
            while waiting and under_way < self.engine.window:
                number, task = waiting.pop()
                self.engine.submit(number, call, task)
                under_way += 1
            number, result = self.engine.wait()
            under_way -= 1
            if isinstance(result, BaseException):
                failed[number] = failed.get(number, 0) + 1
                self.retries += 1
                if failed[number] >= ATTEMPTS:
                    raise _told(result, f"{stage}, chunk {number}")
                waiting.append((number, tasks[number]))
                continue
            found[number] = result
            self.watch.step(stage, len(found), len(tasks))
        return [found[number] for number in range(len(tasks))]

    def _verify(self) -> None:
        """Read everything back; what is wrong is removed, so that it is made again."""
        arrays = [replace(array, source=Unread()) for array in self.arrays]
        tasks = [
            Check(
                *(str(self.part), arrays[unit.array], unit.place),
                *(self.last[n]["bytes"], self.last[n]["crc32c"]),
            )
            for n, unit in enumerate(self.units)
        ]
        found = self._many("check", check_shard, tasks)
        bad = [(unit, problem) for unit, problem in zip(self.units, found, strict=True) if problem]
        for unit, _ in bad:
            with suppress(OSError):
                os.unlink(self.part / unit.key)
        if bad:
            raise InputError(
                "a shard is not as it was written",
                file=self.part / bad[0][0].key,
                got=f"{bad[0][1]}; {len(bad)} such shards",
                fix="look at the disk; the same command writes them again",
            )

    def _skeleton(self, psnrs: Sequence[float | None]) -> int:
        """Write all documents; how many bytes they have."""
        codecs = {}
        for n, (plan, own) in enumerate(zip(self.tree.arrays, self.channels, strict=True)):
            way = self._way(n)
            if own and self.settled is None and not self.request.bounded:
                way = replace(way, steps=(_DRAFT_STEP,) * len(own))
            codecs[plan.path] = codec_of(plan, way, self.request.effort)
        provenance: dict[str, Any] = {"encoder": f"inif {__version__}", **self.request.to_json()}
        if any(psnr is not None for psnr in psnrs):
            provenance["psnr"] = {
                name: round(psnr, 2)
                for name, psnr in zip(self.names, psnrs, strict=True)
                if psnr is not None
            }
        return write_skeleton(self.tree, self.part, codecs, provenance)

    def psnrs(self) -> list[float | None]:
        """Of each channel, in dB, against its range."""
        return psnr_of_channels(self.images, self.control.done, len(self.names))


def _told(error: BaseException, place: str) -> BaseException:
    """An error of a worker, as it is raised to the user."""
    if isinstance(error, InifError) or not isinstance(error, Exception):
        return error
    return InputError(
        "a part of the work fails again and again",
        field=place,
        got=f"{type(error).__name__}: {error}",
        fix="if its worker was killed, give workers more memory or take smaller chunks; the same "
        "command goes on where it stopped",
    )
