"""The benchmark's loop: images × arms × ratios, what is missing only, each cell kept as it comes.

Every arm works on every image in a process of its own, one or several side by side. Results go to
disk after each cell, so a run that is stopped goes on where it stopped, and a second run changes
nothing.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import numpy as np

from inif._version import __version__
from inif.errors import InputError
from inif.image import Image, check_image
from inif.io import read_image
from inif.metrics.fidelity import Ranges, channel_ranges
from inif_bench.arms import Arm, Options
from inif_bench.crop import choose_crop, cut, to_png
from inif_bench.score import to_reference
from inif_bench.store import (
    Record,
    load_original,
    load_record,
    path_of,
    save_original,
    save_record,
)
from inif_bench.unseen import samples_digest
from inif_bench.worker import Task, run_task, stem

LOSSLESS_RATIO = 1.0
_PACKAGES = ("numpy", "jax", "optax", "constriction", "av", "imagecodecs", "tifffile")


@dataclass(frozen=True)
class Plan:
    """What to run.

    Attributes
    ----------
    images
        Paths of images.
    arms
        Arms.
    ratios
        Targets; None takes 32 to 256 for 8-bit images and 64 to 512 for others, five of each.
    results
        Folder of the JSON.
    options
        For all arms.
    axes
        For images that do not name theirs.
    references
        Image name → path of a second exposure of the same field.
    jobs
        How many arms run side by side, each on its share of the cores.
    again
        Whether cells that are there are run again.
    spots
        Images whose name contains one of these have their spots searched for.
    """

    images: tuple[Path, ...]
    arms: tuple[Arm, ...]
    results: Path
    ratios: tuple[float, ...] | None = None
    options: Options = field(default_factory=Options)
    axes: str | None = None
    references: Mapping[str, Path] = field(default_factory=dict)
    jobs: int = 1
    again: bool = False
    spots: tuple[str, ...] = ()


@dataclass(frozen=True)
class CellEvent:
    """One more cell is known; `done` of `total` so far."""

    image: str
    arm: str
    ratio: float
    cell: dict[str, Any]
    done: int
    total: int


@dataclass
class _Open:
    """A task whose process is running."""

    task: Task
    record: Record
    process: Any
    pipe: Connection
    left: list[float]


def default_ratios(dtype: np.dtype[Any]) -> tuple[float, ...]:
    """Five ratios: BD-rates need as many points."""
    return (32, 64, 91, 128, 256) if dtype.itemsize == 1 else (64, 128, 181, 256, 512)


def run(plan: Plan, command: str, progress: Callable[[CellEvent], None] | None = None) -> int:
    """Run what is not there yet; returns how many cells were run.

    Raises
    ------
    InputError
        An image cannot be read, or a results file is not one.
    KeyboardInterrupt
        Ctrl-C; what was finished is kept.
    """
    work = [pair for path in plan.images for pair in _tasks(plan, path)]
    total, done = sum(len(task.ratios) for task, _ in work), 0
    facts = _facts(plan, command)
    waiting = iter(work)
    context = multiprocessing.get_context("spawn")
    running: list[_Open] = []
    try:
        while True:
            while len(running) < plan.jobs and (pair := next(waiting, None)) is not None:
                running.append(_start(context, *pair))
            if not running:
                return done
            ready = wait([r.pipe for r in running])
            for one in [r for r in running if r.pipe in ready]:
                for ratio, cell in _receive(one):
                    done += 1
                    _keep(plan.results, one.record, ratio, cell, facts)
                    if progress:
                        image, arm = one.record.image["name"], one.record.arm["name"]
                        progress(CellEvent(image, arm, ratio, cell, done, total))
                if not one.left:
                    one.process.join()
                    one.pipe.close()
                    running.remove(one)
    finally:
        for one in running:
            one.process.terminate()
            one.process.join()


def _tasks(plan: Plan, path: Path) -> Iterator[tuple[Task, Record]]:
    """What is to be run on one image, with the records that it goes into."""
    image = check_image(read_image(path, axes=plan.axes))
    ranges = channel_ranges(image.data, image.axes)
    name = stem(path)
    reference = plan.references.get(name)
    described = _describe(image, name, ranges, reference)
    original = load_original(plan.results, name)
    if original is None or original["image"] != described:
        _check_same(plan.results, original, described)
        original = _original(image, described, ranges, reference)
        save_original(plan.results, original)
    for arm in plan.arms:
        ratios = plan.ratios or default_ratios(image.data.dtype)
        if arm.family == "lossless":
            ratios = (LOSSLESS_RATIO,)
        record = load_record(path_of(plan.results, name, arm.name))
        about: dict[str, Any] = {"name": arm.name, "title": arm.title, "family": arm.family}
        about |= {"settings": arm.settings}
        if record is None:
            record = Record(described, about)
        known = {
            float(r)
            for r, c in record.cells.items()
            if not plan.again and c["status"] in ("done", "unreachable")
        }
        open_ratios = _from_the_middle([r for r in ratios if r not in known])
        if open_ratios:
            record.image, record.arm = described, about
            options = replace(plan.options, variant=None if plan.again else _variant(record))
            yield (
                Task(
                    path,
                    plan.axes,
                    arm.name,
                    open_ratios,
                    ranges,
                    options,
                    original["crop"],
                    reference,
                    any(part in name for part in plan.spots),
                ),
                record,
            )


def _from_the_middle(ratios: Sequence[float]) -> tuple[float, ...]:
    """The middle ratio first: variants are chosen there."""
    ordered = sorted(ratios)
    middle = ordered[(len(ordered) - 1) // 2 :][:1]
    return tuple(middle + [r for r in ordered if r not in middle])


def _variant(record: Record) -> dict[str, Any] | None:
    """The variant that an earlier run chose for this image."""
    for cell in record.cells.values():
        if "variant" in cell:
            return dict(cell["variant"])
    return None


def _describe(image: Image, name: str, ranges: Ranges, reference: Path | None) -> dict[str, Any]:
    return {
        "name": name,
        "axes": image.axes,
        "shape": list(image.data.shape),
        "dtype": image.data.dtype.name,
        "raw_bytes": image.raw_bytes,
        "sha256": samples_digest(image.data),
        "ranges": [list(r) for r in ranges],
        "reference": None if reference is None else stem(reference),
    }


def _check_same(results: Path, original: dict[str, Any] | None, described: dict[str, Any]) -> None:
    """Results of another image under the same name must not be mixed with this one's."""
    if original is not None and original["image"]["sha256"] != described["sha256"]:
        raise InputError(
            "the results folder holds another image of this name",
            file=path_of(results, described["name"], "original"),
            field="sha256",
            expected=original["image"]["sha256"],
            got=described["sha256"],
            fix="rename the image, or choose another folder with --results",
        )


def _original(
    image: Image, described: dict[str, Any], ranges: Ranges, reference: Path | None
) -> dict[str, Any]:
    crop = choose_crop(image, ranges)
    distance = None
    if reference is not None:
        other = read_image(reference)
        if other.data.shape != image.data.shape or other.axes != image.axes:
            raise InputError(
                "a reference must have the image's axes and shape",
                file=reference,
                expected=f"{image.axes} {image.data.shape}",
                got=f"{other.axes} {other.data.shape}",
            )
        distance = to_reference(image.data, other.data, image.axes)
    return {
        "image": described,
        "reference_psnr": distance,
        "crop": crop and {**crop, "png": to_png(cut(image.data, image.axes, crop), crop)},
    }


def _facts(plan: Plan, command: str) -> dict[str, Any]:
    """What a cell's run is recorded with."""
    versions = {"python": platform.python_version(), "inif": __version__}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return {
        "command": command,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "versions": versions,
        "machine": {"system": platform.machine(), "cores": os.cpu_count()},
        "threads": plan.options.threads,
        "jobs": plan.jobs,
        "seed": plan.options.seed,
    }


def _keep(
    results: Path, record: Record, ratio: float, cell: dict[str, Any], facts: dict[str, Any]
) -> None:
    record.cells[f"{ratio:g}"] = {**cell, "date": facts["date"]}
    record.run = facts
    save_record(results, record)


def _start(context: Any, task: Task, record: Record) -> _Open:
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(task, theirs), daemon=True)
    process.start()
    theirs.close()
    return _Open(task, record, process, ours, list(task.ratios))


def _receive(one: _Open) -> Iterator[tuple[float, dict[str, Any]]]:
    """The next cell of a process, or failed ones for all that it did not get to."""
    try:
        ratio, cell = json.loads(one.pipe.recv_bytes())
        one.left.remove(ratio)
        yield ratio, cell
    except EOFError:
        one.process.join()
        reason = f"its process ended early, with exit code {one.process.exitcode}"
        for ratio in one.left:
            yield ratio, {"status": "failed", "reason": reason}
        one.left.clear()


def _child(task: Task, pipe: Connection) -> None:
    run_task(task, lambda ratio, cell: pipe.send_bytes(json.dumps([ratio, cell]).encode()))
    pipe.close()
