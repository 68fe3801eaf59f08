"""What a store says of itself, and what is said of it when it is whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inif._version import __version__
from inif.errors import format_size
from inif.scale.control import LANDED
from inif.scale.plan import ArrayPlan
from inif.scale.request import raw_bytes
from inif.scale.tasks import Way

if TYPE_CHECKING:
    from inif.scale.run import Run


def codec_of(plan: ArrayPlan, way: Way, effort: int) -> dict[str, Any]:
    """The array's serializer, as zarr.json has it."""
    body: dict[str, Any] = {"axes": plan.axes}
    if way.steps:
        body["step"] = list(way.steps) if len(way.steps) > 1 else way.steps[0]
    elif way.max_error is not None:
        body["max_error"] = way.max_error
    else:
        body["lossless"] = True
    body |= {"effort": effort, "version": 1, "encoder": f"inif {__version__}"}
    return {"name": "inif", "configuration": body}


def summary(run: Run, metadata: int) -> dict[str, Any]:
    """What is said of a store that is whole; see `inif.compress_zarr`.

    Parameters
    ----------
    metadata
        Bytes of all documents.
    """
    sizes = {n: run.last[n]["bytes"] for n in range(len(run.units))}
    extra = sum(
        size for n, size in sizes.items() if run.tree.arrays[run.units[n].array].kind != "image"
    )
    images = metadata + sum(sizes.values()) - extra
    whole = raw_bytes(run.tree)
    target = run.request.target
    facts = {
        "raw_bytes": whole,
        "file_bytes": images,
        "ratio": whole / images,
        "exact_bytes": extra,
        "metadata_bytes": metadata,
        **run.request.to_json(),
        "psnr": dict(zip(run.names, run.psnrs(), strict=True)),
        "max_error": max((run.last[n]["worst"] for n in range(len(run.images))), default=0.0),
        "exact_chunks": sum(record["exact"] for record in run.last.values()),
        "absent_chunks": sum(record["absent"] for record in run.last.values()),
        "shards": len(run.units),
        "resumed": run.resumed,
        "again": sum(len(turns) - 1 for turns in run.history.values()),
        "retries": run.retries,
        "remarks": list(run.tree.remarks),
    }
    if run.settled is not None and run.settled.steps:
        facts["steps"] = dict(zip(run.names, run.settled.steps, strict=True))
    goal = target and (target.size or (target.ratio and whole / target.ratio))
    if run.images and goal and abs(images / goal - 1) > LANDED:
        facts["remarks"].append(
            f"the images take {format_size(images)} instead of {format_size(goal)}"
            + (", which keep them nearly exact" if images < goal else "")
        )
    return facts
