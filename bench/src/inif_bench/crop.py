"""The small crop that panels show: the liveliest window of the image, as 8-bit PNG in the JSON."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

from inif.image import Image, scale_of
from inif.metrics.fidelity import Ranges

SIDE = 72


def choose_crop(image: Image, ranges: Ranges) -> dict[str, Any] | None:
    """Where panels look: plane, rows and columns with the most contrast, and the display range.

    None for an image without planes of Y and X.
    """
    if not {"Y", "X"} <= set(image.axes):
        return None
    others = [a for a in image.axes if a not in "YX"]
    moved = np.moveaxis(image.data, [image.axes.index(a) for a in "YX"], [-2, -1])
    lengths = moved.shape[:-2]
    rows, columns = (min(SIDE, n) for n in moved.shape[-2:])
    best: tuple[float, tuple[int, ...], int, int] | None = None
    for index in np.ndindex(*lengths):
        channel = index[others.index("C")] if "C" in others else 0
        plane = moved[index].astype(np.float32) / scale_of(ranges[channel])
        for y in range(0, plane.shape[0] - rows + 1, max(1, rows // 2)):
            for x in range(0, plane.shape[1] - columns + 1, max(1, columns // 2)):
                contrast = float(plane[y : y + rows : 2, x : x + columns : 2].std())
                if best is None or contrast > best[0]:
                    best = (contrast, index, y, x)
    assert best is not None
    _, index, y, x = best
    where = {
        "plane": {a: int(i) for a, i in zip(others, index, strict=True)},
        "y": [y, y + rows],
        "x": [x, x + columns],
    }
    window = cut(image.data, image.axes, where)
    low, high = (float(v) for v in np.percentile(window, [0.1, 99.9]))
    return {**where, "low": low, "high": max(high, low + 1e-6)}


def cut(data: np.ndarray, axes: str, where: dict[str, Any]) -> np.ndarray:
    """The crop of an image: (Y, X) samples."""
    spans = {"Y": slice(*where["y"]), "X": slice(*where["x"])}
    window: np.ndarray = data[tuple(spans.get(a, where["plane"].get(a)) for a in axes)]
    return window if axes.index("Y") < axes.index("X") else window.T


def to_png(window: np.ndarray, where: dict[str, Any]) -> str:
    """A crop as base64 of an 8-bit grey PNG, from `low` to `high`."""
    import imagecodecs

    share = (window.astype(np.float64) - where["low"]) / (where["high"] - where["low"])
    levels = np.rint(np.clip(share, 0, 1) * 255).astype(np.uint8)
    return base64.b64encode(bytes(imagecodecs.png_encode(levels, level=9))).decode("ascii")
