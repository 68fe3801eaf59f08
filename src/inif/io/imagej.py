"""What an ImageJ hyperstack says beside its samples: steps, units, colours, slice labels.

ImageJ keeps text in the TIFF's description and lookup tables in tags of its own; tifffile parses
both, and this gives them their meaning.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from inif.image import Channel, Metadata
from inif.io.units import symbol

_UNCALIBRATED = ("pixel", "pixels")


def imagej_metadata(
    info: Mapping[str, Any], resolution: tuple[float, float], axes: str, shape: Sequence[int]
) -> Metadata:
    """Metadata of an ImageJ hyperstack.

    Parameters
    ----------
    info
        tifffile's ``imagej_metadata``.
    resolution
        Pixels per unit along X and Y; 0 where the file does not say.
    axes, shape
        Of the stored array.
    """
    scale: dict[str, tuple[float, str | None]] = {}
    unit = symbol(str(info["unit"])) if info.get("unit") else None
    if unit is not None and unit not in _UNCALIBRATED:
        for axis, per_unit in zip("XY", resolution, strict=True):
            if per_unit > 0:
                own = info.get("yunit") if axis == "Y" else None
                scale[axis] = (1 / per_unit, symbol(str(own)) if own else unit)
        _step(scale, "Z", info.get("spacing"), symbol(str(info.get("zunit") or unit)))
    _step(scale, "T", info.get("finterval"), symbol(str(info.get("tunit") or "s")))
    return Metadata(scale=scale, channels=_channels(info, axes, shape))


def _step(
    scale: dict[str, tuple[float, str | None]], axis: str, value: Any, unit: str | None
) -> None:
    if isinstance(value, int | float) and np.isfinite(value) and value:
        scale[axis] = (float(value), unit)


def _channels(info: Mapping[str, Any], axes: str, shape: Sequence[int]) -> tuple[Channel, ...]:
    count = shape[axes.index("C")] if "C" in axes else 1
    tables = info.get("LUTs")
    colors = [_color(t) for t in tables] if isinstance(tables, list) else []
    labels = info.get("Labels")
    only_channels = set(axes) <= set("CYX")  # else a label belongs to a plane, not to a channel
    names = labels if isinstance(labels, list) and only_channels and len(labels) == count else []
    return tuple(
        Channel(
            str(names[i]) or None if i < len(names) else None,
            colors[i] if i < len(colors) else None,
        )
        for i in range(count)
    )


def _color(table: Any) -> str | None:
    """The colour at the bright end of a lookup table."""
    if not isinstance(table, np.ndarray) or table.shape[:1] != (3,) or not table.size:
        return None
    red, green, blue = (int(v) for v in table[:, -1])
    return f"#{red:02X}{green:02X}{blue:02X}"
