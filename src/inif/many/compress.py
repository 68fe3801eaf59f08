"""Many images into a folder: what is to be done is settled first, then each file is done alone.

Outputs are made in a hidden folder inside the output folder and get their names when they are
whole. So whatever ends a process, or all of them, nothing half-written is left.
"""

from __future__ import annotations

import glob
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any

from inif.errors import InputError
from inif.many.result import FAILED, Result
from inif.many.status import Watch

if TYPE_CHECKING:
    from inif.many.find import Input

MEMORY_EACH = 1 << 29
"""Bytes of memory for each process, at least, where nobody says how many there are."""


@dataclass(frozen=True)
class Plan:
    """What is to be done with many files, checked.

    Attributes
    ----------
    out_dir
        Where outputs go.
    todo
        Inputs that are compressed.
    settled
        Results that are known without any work: skipped and failed.
    others
        Files in folders that are no images.
    options
        Of `inif.compress`, in JSON types.
    axes
        Of files that name none.
    jobs
        Processes.
    overwrite, skip
        Whether existing outputs are replaced; whether they are left where they need not be made
        again.
    """

    out_dir: str
    todo: tuple[Input, ...]
    settled: tuple[Result, ...]
    others: int
    options: Mapping[str, Any]
    axes: str | None
    jobs: int
    overwrite: bool
    skip: bool


def compress_many(
    inputs: str | PathLike[str] | Sequence[str | PathLike[str]],
    out_dir: str | PathLike[str],
    *,
    jobs: int | None = None,
    overwrite: bool = False,
    skip_existing: bool = False,
    axes: str | None = None,
    memory: int | None = None,
    progress: Watch | None = None,
    **options: Any,
) -> Iterator[Result]:
    """Compress many files into a folder, several at once, and yield what becomes of each.

    What is wrong with the options, or with the names of outputs, is raised by the call itself; the
    work begins with the first result that is asked for, and ends where no more are.

    Parameters
    ----------
    inputs
        Files, folders (searched with all folders in them), patterns as in ``plates/*.tif``, URLs.
    out_dir
        Is made if it does not exist. Outputs keep the path below the folder that was given.
    jobs
        Processes, each of which works on one file at a time. By default one per core, or fewer
        where there is not enough memory. The files are the same however many there are.
    overwrite
        Whether existing outputs are replaced.
    skip_existing
        Whether an output is left that is whole, newer than its input, and made with the same target
        and effort. One that is damaged or older is made again.
    axes
        Of files that do not name theirs.
    memory
        Bytes for all processes together, about; by default a quarter of the machine's.
    progress
        Called with a `Status` as the work goes on.
    options
        Of `inif.compress`: a target, `effort`, `method` and so on.

    Yields
    ------
    Result
        One for each image, as it ends. A bad file is one with the status "failed".

    Raises
    ------
    InputError
        An option cannot be used, two images would have one output, outputs exist already, or there
        is nothing to do.
    """
    return run(
        plan(
            [inputs] if isinstance(inputs, str | PathLike) else inputs,
            out_dir,
            jobs=jobs,
            overwrite=overwrite,
            skip_existing=skip_existing,
            axes=axes,
            memory=memory,
            **options,
        ),
        progress,
    )


def plan(
    inputs: Sequence[str | PathLike[str]],
    out_dir: str | PathLike[str],
    *,
    jobs: int | None = None,
    overwrite: bool = False,
    skip_existing: bool = False,
    axes: str | None = None,
    memory: int | None = None,
    **options: Any,
) -> Plan:
    """See `compress_many`: what it would do, with nothing written.

    Raises
    ------
    InputError
        As there.
    """
    from inif.many.find import find

    folder = os.fspath(out_dir)
    _check_folder(folder)
    found = find(inputs)
    if not found.inputs and not found.wrong:
        raise InputError(
            "there is no image here",
            file=", ".join(os.fspath(i) for i in inputs),
            got=f"{found.others} files that are no images" if found.others else "no files",
        )
    settled = [Result(path, None, FAILED, error=error) for path, error in found.wrong]
    todo: list[Input] = []
    refused: list[str] = []
    sources = {os.path.realpath(one.path) for one in found.inputs}
    for one in found.inputs:
        known, existing = _existing(one, folder, options, skip=skip_existing)
        if known is not None:
            settled.append(known)
            continue
        todo.append(one)
        refused += existing
        if os.path.realpath(one.output(folder)) in sources:
            raise InputError(
                "the output is also an input, which is never replaced",
                file=one.output(folder),
                field="--out-dir",
                fix="choose another folder",
            )
    if refused and not overwrite:
        raise _exist(refused, skip=skip_existing)
    count, each = (1, None) if not todo else shares(jobs, memory, len(todo))
    options = {**options, "memory": each}
    if todo:
        from inif.encode.asked import check_asked, checked_guides

        checked_guides(check_asked(**options).guides)
    return Plan(
        *(folder, tuple(todo), tuple(settled), found.others, options, axes, count),
        overwrite,
        skip_existing,
    )


def run(plan: Plan, progress: Watch | None = None) -> Iterator[Result]:
    """Do what was planned; see `compress_many`."""
    from inif.many.run import Run

    yield from plan.settled
    if not plan.todo:
        return
    try:
        os.makedirs(plan.out_dir, exist_ok=True)
        room = tempfile.mkdtemp(prefix=".inif-", dir=plan.out_dir)
    except OSError as error:
        raise InputError(
            "the folder is not writable",
            file=plan.out_dir,
            field="--out-dir",
            got=error.strerror,
            fix="write to another folder",
        ) from error
    try:
        yield from Run(plan, room, progress).results()
    finally:
        shutil.rmtree(room, ignore_errors=True)


def shares(jobs: int | None, memory: int | None, images: int) -> tuple[int, int]:
    """How many processes there are, and the bytes of memory for each.

    Raises
    ------
    InputError
        No such number, or too little memory for so many.
    """
    from inif.encode.asked import LEAST_MEMORY, check_memory_option, default_memory
    from inif.fields.parallel import cores

    whole, least = check_memory_option(memory) or default_memory(), LEAST_MEMORY // 4
    if jobs is None:
        jobs = max(min(cores(), images, whole // MEMORY_EACH), 1)
    if isinstance(jobs, bool) or not isinstance(jobs, int) or not 1 <= jobs <= whole // least:
        raise InputError(
            "so many files cannot be worked on at once",
            field="jobs",
            expected=f"1 … {whole // least}, for each takes memory",
            got=jobs,
        )
    return jobs, whole // jobs


def _check_folder(folder: str) -> None:
    """Refuse what cannot be a folder of outputs."""
    from inif.outputs import ZARR_MARKERS, is_url

    problem = None
    if is_url(folder):
        problem = "only local files are written"
    elif os.path.lexists(folder) and not os.path.isdir(folder):
        problem = "the output folder is a file"
    elif any(os.path.exists(os.path.join(folder, marker)) for marker in ZARR_MARKERS):
        problem = "the output folder is a Zarr store"
    if problem:
        raise InputError(problem, file=folder, field="--out-dir", fix="choose another folder")


def _existing(
    one: Input, folder: str, options: Mapping[str, Any], *, skip: bool
) -> tuple[Result | None, list[str]]:
    """The result of an input that needs no work, or its outputs that are in the way."""
    from inif.many.done import existing_at

    output = one.output(folder)
    if os.path.lexists(output):
        known, clash = existing_at(one, output, None, options) if skip else (None, True)
        return known, [output] if clash else []
    pattern = glob.escape(output.removesuffix(".inif")) + "_series*.inif"
    there = sorted(glob.glob(pattern))
    return None, [p for p in there if not skip or existing_at(one, p, None, options)[1]]


def _exist(outputs: Sequence[str], *, skip: bool) -> InputError:
    many = f"{len(outputs)} outputs exist" if len(outputs) > 1 else "an output exists"
    return InputError(
        f"{many} already" + (", made with another target or effort" if skip else ""),
        file=", ".join(outputs),
        field="--out-dir",
        fix="replace them with --force (in Python: overwrite=True)"
        + ("" if skip else ", or leave those that are done with --skip-existing"),
    )
