"""The public verbs for whole stores, `inif.compress_zarr` and `inif.to_zarr`."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from inif.errors import InifError, InputError
from inif.outputs import check_room, check_target, is_store
from inif.scale.request import Request, fingerprint, raw_bytes

if TYPE_CHECKING:
    import dask.array as da

    from inif.metadata import Metadata
    from inif.scale.engines import Engine
    from inif.scale.manifest import Manifest
    from inif.scale.plan import Tree
    from inif.scale.watch import Progress

_LOG = logging.getLogger("inif.scale")


def compress_zarr(
    input: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    ratio: float | None = None,
    size: int | None = None,
    psnr: float | None = None,
    max_error: float | str | None = None,
    lossless: bool = False,
    effort: int = 3,
    chunks: Mapping[str, int] | None = None,
    shards: Mapping[str, int] | None = None,
    axes: str | None = None,
    scene: int | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    memory: int | None = None,
    overwrite: bool = False,
    verify: bool = False,
    progress: Progress | None = None,
    log: str | os.PathLike[str] | None = None,
) -> dict[str, Any]:
    """Compress an image of any size, or a whole hierarchy, to OME-Zarr 0.5 with inif's codec.

    All chunks of all images have the same quality, and the files of the images together the size
    that is asked for, within 1 % where there are 64 chunks or more. The same call goes on where an
    earlier one was interrupted. Scripts that ask for `workers` need the usual
    ``if __name__ == "__main__":``.

    Parameters
    ----------
    input
        OME-Zarr 0.4 or 0.5 (an image with its levels, a plate, several images), or any other image
        that inif reads, which gets smaller levels. A path, or the URL of a store.
    out
        The folder to write, ``NAME.ome.zarr``. Until it is whole it is ``NAME.ome.zarr.part``, and
        the manifest ``NAME.ome.zarr.manifest.jsonl`` lies beside it.
    ratio, size, psnr, max_error, lossless
        One target: bytes of the samples of all images at full resolution over those of all files
        of the images (every level, metadata and indexes; not of labels); these bytes; PSNR in dB of
        every channel at full resolution, against its range; by how much any sample may be off, in
        its own unit or as a share of the range that a look at some chunks finds ("0.5%"); or
        nothing lost. By default ratio 128. Labels are always stored exactly, as are sample types
        that cannot lose detail.
    effort
        1 (quickest) to 9 (smallest).
    chunks, shards
        Samples along axes, by letter, as in ``{"z": 16}``: what is coded, and what is written, at
        once.
    axes
        One letter of "TCZYX" per axis, where the input does not name them.
    scene
        Number of the one image to take of several.
    workers
        Processes of this machine that do the work; by default threads of this one.
    scheduler
        Address of a scheduler of dask.distributed, whose workers see the same files.
    memory
        Bytes of all processes of `workers` together; by default 1.5 GB for each.
    overwrite
        Whether what is at `out`, or was begun there by another request, is replaced.
    verify
        Whether everything is read back and decoded before the store gets its name.
    progress
        Called with how far the work is.
    log
        A file to which a line of JSON is added for every shard.

    Returns
    -------
    dict
        "file", "raw_bytes", "file_bytes", "ratio", "exact_bytes" (of labels and other exact
        arrays), "metadata_bytes", "target", "effort", "psnr" of each channel, "max_error",
        "shards", "resumed" (shards that an earlier call had made), "again" (shards that were coded
        again to meet the target), "retries", "seconds", "remarks".

    Raises
    ------
    InputError, AxesError, BudgetError
        The input, an option or the target cannot be used; the output cannot be written, belongs to
        another request, or to a run that is still at work; the scheduler is gone.
    MissingExtraError
        `workers` and `scheduler` need dask.distributed (the extra "cluster").
    """
    from inif.scale.tree import read_tree

    request = Request.of(
        ratio=ratio, size=size, psnr=psnr, max_error=max_error, lossless=lossless, effort=effort
    )
    _check_out(out, overwrite, [input])
    tree = read_tree(input, chunks=chunks, shards=shards, axes=axes, scene=scene)
    return write_tree(
        tree,
        os.fspath(input),
        out,
        request,
        workers=workers,
        scheduler=scheduler,
        memory=memory,
        overwrite=overwrite,
        verify=verify,
        progress=progress,
        log=log,
    )


def to_zarr(
    array: da.Array,
    out: str | os.PathLike[str],
    *,
    axes: str,
    meta: Metadata | None = None,
    ratio: float | None = None,
    size: int | None = None,
    psnr: float | None = None,
    max_error: float | str | None = None,
    lossless: bool = False,
    effort: int = 3,
    chunks: Mapping[str, int] | None = None,
    shards: Mapping[str, int] | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    memory: int | None = None,
    overwrite: bool = False,
    verify: bool = False,
    progress: Progress | None = None,
    log: str | os.PathLike[str] | None = None,
) -> dict[str, Any]:
    """Write a dask array as OME-Zarr 0.5 with inif's codec; smaller levels are made on the fly.

    The array is computed shard by shard, sampled chunks several times. An interrupted call goes on
    only where the array is the same: that is for the caller to see to.

    Parameters
    ----------
    array
        Of 2 to 5 axes.
    axes
        One letter of "TCZYX" per axis; Y and X are among them.
    meta
        Name, pixel sizes and channels.
    out, ratio, size, psnr, max_error, lossless, effort, chunks, shards, workers, scheduler, memory
        As of `compress_zarr`.
    overwrite, verify, progress, log
        As of `compress_zarr`.

    Returns
    -------
    dict
        As `compress_zarr`.

    Raises
    ------
    AxesError, InputError, BudgetError, MissingExtraError
        As `compress_zarr`.
    """
    from inif.scale.lazy import read_dask

    request = Request.of(
        ratio=ratio, size=size, psnr=psnr, max_error=max_error, lossless=lossless, effort=effort
    )
    _check_out(out, overwrite, [])
    return write_tree(
        read_dask(array, axes, meta=meta, chunks=chunks, shards=shards),
        None,
        out,
        request,
        workers=workers,
        scheduler=scheduler,
        memory=memory,
        overwrite=overwrite,
        verify=verify,
        progress=progress,
        log=log,
    )


def _check_out(
    out: str | os.PathLike[str], overwrite: bool, inputs: list[str | os.PathLike[str]]
) -> None:
    if not is_store(out):
        raise InputError(
            "a store needs a name that says so", file=os.fspath(out), expected="NAME.ome.zarr"
        )
    check_target(out, overwrite=overwrite, field="out", inputs=inputs)


def write_tree(
    tree: Tree,
    source: str | None,
    out: str | os.PathLike[str],
    request: Request,
    *,
    workers: int | None,
    scheduler: str | None,
    memory: int | None,
    overwrite: bool,
    verify: bool,
    progress: Progress | None,
    log: str | os.PathLike[str] | None,
) -> dict[str, Any]:
    """Write a tree; parameters as of `compress_zarr`."""
    from inif.scale import engines, manifest

    if workers is not None and (isinstance(workers, bool) or workers < 1):
        raise InputError(
            "this number of workers cannot be used", field="workers", expected="≥ 1", got=workers
        )
    target = Path(os.path.realpath(out))
    part = target.with_name(target.name + ".part")
    if (goal := request.target) and (goal.size or goal.ratio):
        check_room(target, int(goal.size or raw_bytes(tree) / (goal.ratio or 1)), field="out")
    plan = {**request.to_json(), **fingerprint(tree, source)}
    start = time.perf_counter()
    with _told(target), contextlib.ExitStack() as stack:
        lines = stack.enter_context(manifest.opened(target, plan, anew=overwrite))
        if not lines.shards and lines.settled is None and part.is_dir():
            if not overwrite and not lines.known:
                raise InputError(
                    "there is an unfinished store, and no manifest of it",
                    file=part,
                    fix="remove it, or begin anew with --force (in Python: overwrite=True)",
                )
            shutil.rmtree(part)
        part.mkdir(exist_ok=True)
        told = stack.enter_context(open(log, "a")) if log is not None else None
        engine = stack.enter_context(engines.engine(workers, scheduler, memory))
        if engine.link:
            _LOG.info("the workers: %s", engine.link)
        facts = _written(tree, request, part, engine, lines, verify, progress, told)
        _published(part, target, overwrite)
        facts = {"file": str(out), **facts, "seconds": round(time.perf_counter() - start, 3)}
        lines.finish(facts)
    return facts


def _written(
    tree: Tree,
    request: Request,
    part: Path,
    engine: Engine,
    lines: Manifest,
    verify: bool,
    progress: Progress | None,
    log: IO[str] | None,
) -> dict[str, Any]:
    from inif.scale.run import Run
    from inif.scale.watch import Watch

    try:
        return Run(tree, request, part, engine, lines, Watch(progress, log)).go(verify=verify)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"interrupted; what is done is in {part}, and the same command goes on"
        ) from None


def _published(part: Path, target: Path, overwrite: bool) -> None:
    """Give the store its name."""
    aside = target.with_name(f".{target.name}.old")
    if target.is_dir() and overwrite:
        shutil.rmtree(aside, ignore_errors=True)
        os.rename(target, aside)
    elif os.path.lexists(target):
        raise InputError("the output exists already", file=target, fix="choose another name")
    os.rename(part, target)
    shutil.rmtree(aside, ignore_errors=True)


@contextlib.contextmanager
def _told(out: Path) -> Iterator[None]:
    """Say what the operating system refuses as one error."""
    try:
        yield
    except OSError as error:
        if isinstance(error, InifError):
            raise
        raise InputError(
            "the output cannot be written",
            file=error.filename or out,
            got=error.strerror or error,
            fix="see to it that the disk has room and may be written to; then the same command "
            "goes on where it stopped",
        ) from error
