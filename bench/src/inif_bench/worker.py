"""One arm on one image in a process of its own: a crash, a leak or a peak of memory stays in it."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from inif.errors import InifError
from inif.image import Image
from inif.io import read_image
from inif.metrics.fidelity import Ranges
from inif.samples import peak_memory
from inif_bench.arms import Arm, Options, Session, find_arms
from inif_bench.crop import cut, to_png
from inif_bench.score import scores, spots, to_reference

Emit = Callable[[float, dict[str, Any]], None]


@dataclass(frozen=True)
class Task:
    """One arm on one image, at one or more ratios.

    Attributes
    ----------
    path, axes
        The image, and its axes where the file does not name them.
    arm
        The arm's name.
    ratios
        Targets, in the order in which they are run.
    ranges
        (min, max) of each channel.
    options
        For the arm.
    crop
        From `crop.choose_crop`, or None.
    reference
        A second exposure of the same field, or None.
    spots
        Whether spots are searched for.
    """

    path: Path
    axes: str | None
    arm: str
    ratios: tuple[float, ...]
    ranges: Ranges
    options: Options
    crop: dict[str, Any] | None
    reference: Path | None
    spots: bool = False


def run_task(task: Task, emit: Emit) -> None:
    """Run all cells of a task; `emit` gets each target ratio with its cell."""
    with threadpool_limits(task.options.threads):
        _run(task, emit)


def _run(task: Task, emit: Emit) -> None:
    (arm,) = find_arms([task.arm])
    if reason := arm.missing():
        for ratio in task.ratios:
            emit(ratio, {"status": "missing", "reason": reason})
        return
    image = read_image(task.path, axes=task.axes)
    reference = None if task.reference is None else read_image(task.reference)
    try:
        session = arm.start(image, task.ranges, task.options)
    except InifError as error:
        for ratio in task.ratios:
            emit(ratio, {"status": "failed", "reason": str(error)})
        return
    for ratio in task.ratios:
        budget = int(image.raw_bytes / ratio)
        try:
            cell = _cell(arm, session, image, budget, task, reference)
        except Exception as error:
            cell = {"status": "failed", "reason": f"{type(error).__name__}: {error}"[:500]}
        emit(ratio, {**cell, "budget": budget})


def _cell(
    arm: Arm, session: Session, image: Image, budget: int, task: Task, reference: Image | None
) -> dict[str, Any]:
    reset_peak()
    encoded = session.encode(budget)
    with tempfile.NamedTemporaryFile(suffix=f".{arm.name}", delete=False) as file:
        file.write(encoded.data)
    path = Path(file.name)
    try:
        size = path.stat().st_size
        begin = time.perf_counter()
        decoded = arm.decode(path.read_bytes(), task.options.threads)
        seconds = time.perf_counter() - begin
    finally:
        path.unlink()
    peak = peak_memory()
    cell: dict[str, Any] = {
        "status": "done" if encoded.met else "unreachable",
        "reason": None if encoded.met else "its smallest file is larger than the budget",
        "file_bytes": size,
        "ratio": round(image.raw_bytes / size, 3),
        "bits_per_voxel": float(f"{8 * size / image.data.size:.5g}"),
        **encoded.details,
        "encodes": encoded.encodes,
        **scores(image, decoded, task.ranges),
        "reference": None,
        "encode_s": round(encoded.encode_seconds, 3),
        "search_s": round(encoded.search_seconds, 3),
        "decode_s": round(seconds, 3),
        "peak_memory_bytes": peak,
    }
    if reference is not None:
        assert task.reference is not None
        distance = to_reference(decoded, reference.data, image.axes)
        cell["reference"] = {"name": stem(task.reference), "psnr": distance}
    if task.spots:
        cell["spots"] = spots(image, decoded)
    if task.crop is not None:
        cell["crop_png"] = to_png(cut(decoded, image.axes, task.crop), task.crop)
    return cell


def stem(path: Path) -> str:
    """An image's name in results: the file's, without its endings."""
    name = path.name.rstrip("/")
    for ending in (".ome.tiff", ".ome.tif", ".ome.zarr"):
        if name.lower().endswith(ending):
            return name[: -len(ending)]
    return Path(name).stem


def reset_peak() -> None:
    """Start a new measurement of peak memory, where the system allows it."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return
