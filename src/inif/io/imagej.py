"""What an ImageJ hyperstack says beside its samples: steps, units, colours, slice labels.

ImageJ keeps text in the TIFF's description and lookup tables in tags of its own; tifffile parses
both, and this gives them their meaning.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from inif.image import Channel, Metadata
from inif.io.common import one_line
from inif.io.tiff_said import is_default
from inif.io.units import symbol

_MICROMETRES = {"in": 25400.0, "cm": 1e4}  # units in which screens have resolutions
_EXTRAS = {
    "Overlays": "overlays",
    "ROI": "the selection",
    "Plot": "a plot",
    "Info": "its notes (Info)",
    "Properties": "properties",
    "Labels": "labels of slices",
}


def imagej_metadata(
    info: Mapping[str, Any],
    resolution: tuple[float, float],
    axes: str,
    shape: Sequence[int],
    remarks: list[str] | None = None,
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
    remarks
        Gets a sentence for each thing that is not kept or makes no sense.
    """
    said = [] if remarks is None else remarks
    scale: dict[str, tuple[float, str | None]] = {}
    unit = _unit(info, "unit")
    if unit is not None:
        for axis, per_unit in zip("XY", resolution, strict=True):
            own = (_unit(info, "yunit") if axis == "Y" else None) or unit
            factor = _MICROMETRES.get(own)
            if per_unit > 0 and not (factor and is_default(per_unit, factor)):
                scale[axis] = (1 / per_unit, own)
        _step(scale, "Z", "spacing", info, _unit(info, "zunit") or unit, said)
    elif _number(info.get("spacing")) not in (None, 1.0):
        said.append(
            f"ImageJ's spacing of slices, {info['spacing']}, has no unit of length: left out"
        )
    _step(scale, "T", "finterval", info, _unit(info, "tunit") or "s", said)
    channels, used = _channels(info, axes, shape, said)
    dropped = [text for key, text in _EXTRAS.items() if info.get(key) and key != used]
    if dropped:
        said.append(f"of what ImageJ stored beside the samples, {', '.join(dropped)} are not kept")
    _calibration(info, said)
    return Metadata(scale=scale, channels=channels)


def _unit(info: Mapping[str, Any], key: str) -> str | None:
    """The symbol of a unit; None where there is none, or it says that nothing is calibrated."""
    unit = symbol(str(info[key])) if info.get(key) else None
    return None if unit == "pixel" else unit


def _number(value: Any) -> float | None:
    """A number, also as text with a comma for its point; None if it is none."""
    if isinstance(value, bool):
        return None
    try:
        return float(value.replace(",", ".") if isinstance(value, str) else value)
    except (TypeError, ValueError):
        return None


def _step(
    scale: dict[str, tuple[float, str | None]],
    axis: str,
    key: str,
    info: Mapping[str, Any],
    unit: str | None,
    said: list[str],
) -> None:
    number = _number(info.get(key))
    if number is None:
        if info.get(key) is not None:
            said.append(f"ImageJ's {key} is no number: “{one_line(str(info[key]))}”")
    elif number or axis == "Z":  # ImageJ writes an interval of 0 where there is none
        scale[axis] = (number, unit)


def _channels(
    info: Mapping[str, Any], axes: str, shape: Sequence[int], said: list[str]
) -> tuple[tuple[Channel, ...], str | None]:
    """The channels, and the key whose text names them, if any does."""
    count = shape[axes.index("C")] if "C" in axes else 1
    tables = info.get("LUTs")
    tables = tables if isinstance(tables, list) else []
    colors = [_color(table, index, said) for index, table in enumerate(tables[:count])]
    labels = info.get("Labels")
    only_channels = set(axes) <= set("CYX")  # else a label belongs to a plane, not to a channel
    names = labels if isinstance(labels, list) and only_channels and len(labels) == count else []
    channels = tuple(
        Channel(
            str(names[i]) or None if i < len(names) else None,
            colors[i] if i < len(colors) else None,
        )
        for i in range(count)
    )
    return channels, "Labels" if names else None


def _color(table: Any, index: int, said: list[str]) -> str | None:
    """The colour of a lookup table that is a ramp from black to one; None for grey and others."""
    if not isinstance(table, np.ndarray) or table.shape[:1] != (3,) or table.size < 6:
        return None
    ramp = ramp_color(table)
    if ramp is None:
        turned = ramp_color(table[:, ::-1])
        what = "is inverted" if turned else "is no ramp from black to one colour"
        said.append(f"the lookup table of channel {index} {what}: no colour is kept of it")
    return None if ramp == "#FFFFFF" else ramp


def ramp_color(table: np.ndarray) -> str | None:
    """The colour to which a lookup table of shape (3, N) rises evenly from black, as "#RRGGBB".

    None if it does something else, as an inverted table, or one of many colours.
    """
    levels = table.astype(np.float64)
    levels /= 257 if table.dtype == np.uint16 else 1
    line = levels[:, -1:] * np.linspace(0, 1, table.shape[1])
    if levels[:, -1].max() < 1 or np.abs(levels - line).max() > 4:
        return None
    return "#" + "".join(f"{round(v):02X}" for v in levels[:, -1])


def _calibration(info: Mapping[str, Any], said: list[str]) -> None:
    """Remark on a calibration of values, as ImageJ has for signed 16 bits and for densities."""
    numbers = [_number(info.get(f"c{i}")) for i in range(5)]
    function = info.get("cf")
    if function is None or all(n is None for n in numbers):
        return
    values = ", ".join(f"c{i} = {n:g}" for i, n in enumerate(numbers) if n is not None)
    if function == 0 and numbers[:2] == [0.0, 1.0] and math.isclose(numbers[2] or 0, 0):
        return
    unit = one_line(str(info.get("vunit") or "no unit"))
    said.append(
        f"ImageJ's calibration of values (function {function}, {values}, {unit}) is not kept: the "
        "samples are those of the file"
    )
