"""What the page knows before it asks for samples: sizes, axes, channels, and the file's record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from inif.axes import NAMES
from inif.image import LazyImage
from inif.metrics.fidelity import finite
from inif.view.scene import SIDE, Scene
from inif.web import public

Rows = Sequence[tuple[str, object]]
"""Names and values for people, as ``inif info`` prints them."""

COLORS = ("#00FF00", "#FF00FF", "#00BFFF", "#FFD000", "#FF4040", "#FFFFFF")
"""Of channels that have none of their own, where there are several."""


def facts_of(scene: Scene, rows: Rows = (), remarks: Sequence[str] = ()) -> dict[str, Any]:
    """All of ``/info``, ready for JSON.

    Parameters
    ----------
    rows
        What is said of the file, for people; remarks among them are listed apart.
    remarks
        What was said when file and original were opened.
    """
    file, layout = scene.file, scene.layout
    lossy = file.header.get("lossy") or {}
    told = [str(value) for name, value in rows if name == "remark"] or lossy.get("remarks", [])
    if scene.original is not None:
        told = [*told, *scene.original.remarks]
    return {
        "name": _name(file.name),
        "axes": file.axes,
        "shape": list(file.shape),
        "dtype": file.dtype.name,
        "plane": {
            "axes": scene.plane,
            "steps": [_step(file.meta.scale, a) for a in scene.plane],
        },
        "slots": scene.slot_axes,
        "sliders": [
            {
                "axis": axis,
                "name": NAMES[axis],
                "size": file.shape[i],
                "step": _step(file.meta.scale, axis),
            }
            for i, axis in enumerate(layout.axes)
            if i in layout.slots and axis != "C"
        ],
        "start": scene.start,
        "levels": [
            {"step": step, "shape": scene.shape(number)} for number, step in enumerate(scene.steps)
        ],
        "side": SIDE,
        "channels": _channels(scene),
        "ratio": file.ratio,
        "raw_bytes": file.raw_bytes,
        "file_bytes": file.file_bytes,
        "psnr": lossy.get("psnr"),
        "exact": file.exact,
        "facts": [[name, str(value)] for name, value in rows if name != "remark"],
        "remarks": list(dict.fromkeys([*told, *remarks])),
        "original": _original(scene.original),
    }


def wire_type(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The little-endian type that samples are sent in: one that a browser's arrays have.

    Booleans become uint8, float16 float32, and integers of 64 bits float64 (whole to 2**53).
    """
    names = {"bool": "u1", "float16": "f4", "int64": "f8", "uint64": "f8"}
    return np.dtype(names.get(dtype.name, dtype.newbyteorder("<").str.replace("|", "<")))


def _channels(scene: Scene) -> list[dict[str, Any]]:
    file, count = scene.file, scene.layout.n_channels
    stated = list(file.meta.channels) + [None] * count
    found = []
    for number in range(count):
        channel = stated[number]
        color = channel.color if channel else None
        if color is None:
            color = "#FFFFFF" if count == 1 else COLORS[number % len(COLORS)]
        name = channel.name if channel else None
        low, high = (finite(float(v)) for v in file.header["range"][number])
        window = [finite(float(v)) for v in file.windows[number]]
        found.append({"name": name, "color": color, "window": window, "range": [low, high]})
    return found


def _step(scale: Mapping[str, tuple[float, str | None]], axis: str) -> dict[str, Any] | None:
    if axis not in scale:
        return None
    size, unit = scale[axis]
    return {"size": size, "unit": unit}


def _original(original: LazyImage | None) -> dict[str, Any] | None:
    return None if original is None else {"name": _name(original.source or "original")}


def _name(source: str) -> str:
    """The last part of a path or URL, without what may be secret in it."""
    text = public(source).rstrip("/\\").replace("\\", "/")
    return PurePosixPath(text).name or text
