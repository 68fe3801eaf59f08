"""What compressing would take, found without writing anything.

The bytes of a ratio or a size are known. Time, and the bytes of any other target, are those of a
few regions that are really encoded, in memory, carried over to all images by their voxels.
"""

from __future__ import annotations

import math
import os
import shutil
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from inif.errors import InifError, RemarkWarning
from inif.many.result import FAILED, PLANNED, Result

if TYPE_CHECKING:
    from inif.image import LazyImage
    from inif.many.compress import Plan

_REGIONS = (1 << 15, 1 << 18)
"""Voxels of the regions that are encoded, about: the difference tells what a voxel takes."""

_BRICK = 1 << 23
"""Voxels of a brick; the cores of one image work on different ones."""

_PROCESS = 150 << 20
"""Bytes that a process takes for itself, about."""


@dataclass(frozen=True)
class Look:
    """An image that would be compressed: where it is, where its output goes, how large it is."""

    path: str
    output: str
    series: int | None
    opened: int
    voxels: int
    raw_bytes: int
    most: int | None


@dataclass(frozen=True)
class Forecast:
    """What would be done.

    Attributes
    ----------
    results
        Of each image: planned with its bytes and seconds, about; or skipped, or failed.
    others
        Files in folders that are no images.
    exact
        Whether the bytes of all files are known, because a ratio or a size was asked for.
    raw_bytes, file_bytes
        Of all planned images.
    seconds
        For all of them, about; None where no region could be encoded.
    jobs, memory
        Processes, and bytes of memory that they take together, at most, about.
    needed, free
        Bytes that the disk of the outputs has to have free, and has.
    """

    results: tuple[Result, ...]
    others: int
    exact: bool
    raw_bytes: int
    file_bytes: int
    seconds: float | None
    jobs: int
    memory: int
    needed: int
    free: int | None

    @property
    def fits(self) -> bool:
        """Whether the disk has the room."""
        return self.free is None or self.needed <= self.free


def foretell(plan: Plan) -> Forecast:
    """What `inif.many.compress.run` would do with a plan."""
    inputs = frozenset(os.path.realpath(one.path) for one in plan.todo)
    results, looks = list(plan.settled), []
    for one in plan.todo:
        try:
            for look in _looks(one.path, plan, inputs):
                looks.append(replace(look, output=one.output(plan.out_dir, look.series)))
        except InifError as error:
            results.append(Result(one.path, None, FAILED, error=str(error)))
    return foretold(looks, results, plan)


def foretold(looks: Sequence[Look], results: Sequence[Result], plan: Plan) -> Forecast:
    """The forecast of images that were looked at, and of `results` that need no work."""
    from inif.fields.parallel import cores

    cost = _Cost.of(looks, plan)
    planned = []
    for look in looks:
        size, taken = look.most, None
        if cost is not None:
            size = int(look.raw_bytes * cost.share) if size is None else size
            taken = round(cost.seconds(look.voxels), 2)
        planned.append(
            Result(
                *(look.path, look.output, PLANNED, look.series),
                raw_bytes=look.raw_bytes,
                file_bytes=size,
                seconds=taken,
            )
        )
    sizes = [r.file_bytes or 0 for r in planned]
    jobs = min(plan.jobs, max(len(looks), 1))
    temporary = sum(sorted(sizes, reverse=True)[:jobs])
    seconds = None
    if cost is not None:
        each = [(cost.seconds(k.voxels), math.ceil(k.voxels / _BRICK)) for k in looks]
        seconds = max(
            max(s / min(cores(), bricks) for s, bricks in each),
            sum(s / min(cores(), max(jobs, bricks)) for s, bricks in each),
        )
    return Forecast(
        (*results, *planned),
        plan.others,
        all(look.most is not None for look in looks),
        sum(look.raw_bytes for look in looks),
        sum(sizes),
        seconds,
        jobs,
        jobs * (_PROCESS + (plan.options["memory"] or 0)),
        sum(sizes) + temporary,
        _free(plan.out_dir),
    )


def look_at(
    image: LazyImage, path: str, output: str, series: int | None, options: Mapping[str, Any]
) -> Look:
    """What an image would take; what cannot be compressed is refused as it would be.

    Raises
    ------
    InputError, BudgetError
        As `inif.compress`, as far as that needs no samples.
    """
    from inif.image import check_image
    from inif.many.done import target_of

    target = target_of(options)
    check_image(image, lossless=target is None or target.bounded)
    window = target.window(image.raw_bytes, image.source) if target else None
    return Look(
        *(path, output, series, series or 0),
        math.prod(image.shape),
        image.raw_bytes,
        window.most if window else None,
    )


def _looks(path: str, plan: Plan, inputs: frozenset[str]) -> Iterator[Look]:
    from inif.many.worker import belongs_to, open_series

    with open_series(path, plan.axes, 0) as image:
        if image.files and belongs_to(image, path, inputs) != os.path.realpath(path):
            return
        if image.images == (0,):
            yield look_at(image, path, "", None, plan.options)
            return
    for number in image.images:
        series = number if len(image.images) > 1 else None
        with open_series(path, plan.axes, number) as one:
            yield replace(look_at(one, path, "", series, plan.options), opened=number)


@dataclass(frozen=True)
class _Cost:
    """Seconds for an image, seconds for a voxel, and bytes of a file for one of its samples."""

    each: float
    voxel: float
    share: float

    def seconds(self, voxels: int) -> float:
        """For an image, on one core, about."""
        return self.each + self.voxel * voxels

    @classmethod
    def of(cls, looks: Sequence[Look], plan: Plan) -> _Cost | None:
        """Of the middle one of the images, by size; None where it cannot be encoded."""
        if not looks:
            return None
        look = sorted(looks, key=lambda k: k.voxels)[len(looks) // 2]
        times: list[tuple[int, float]] = []
        share = 0.0
        try:
            for wanted in (_REGIONS[0], *_REGIONS):  # the first warms up
                begun = time.monotonic()
                voxels, raw, size = _encoded(look, plan, wanted)
                times.append((voxels, time.monotonic() - begun))
                share = size / raw
        except InifError:
            return None
        (small, first), (large, second) = times[1:]
        voxel = max(second - first, 0.0) / (large - small) if large > small else 0.0
        return cls(max(first - voxel * small, 0.0), voxel, share)


def _encoded(look: Look, plan: Plan, wanted: int) -> tuple[int, int, int]:
    """Encode a region from the middle of an image: its voxels, its bytes, and those of its file."""
    from inif.api import compress
    from inif.encode.choose import part_of
    from inif.image import Image
    from inif.many.worker import open_series

    options = dict(plan.options)
    if options.get("size") is not None:
        options["ratio"] = look.raw_bytes / options.pop("size")
    with open_series(look.path, plan.axes, look.opened) as image:
        data = image.read(part_of(image.axes, image.shape, wanted))
        part = Image(data, image.axes, source=image.source)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RemarkWarning)
        with compress(part, **options) as file:
            return data.size, data.nbytes, file.file_bytes


def _free(folder: str) -> int | None:
    """Bytes free on the disk of a folder that may not exist yet; None where it does not say."""
    place = os.path.realpath(folder)
    while not os.path.isdir(place) and place != os.path.dirname(place):
        place = os.path.dirname(place)
    try:
        disk = shutil.disk_usage(place)
    except OSError:
        return None
    return disk.free if disk.total else None  # some network file systems say 0 of 0
