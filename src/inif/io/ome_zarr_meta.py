"""What OME-Zarr 0.5 says of an image: axes, units, the scale of every level, channels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from inif.image import Channel, Metadata
from inif.io.common import hex_color
from inif.io.ome_zarr import DEFAULT_COLOR
from inif.io.units import word

_TYPES = {"T": "time", "C": "channel"}

Scale = Mapping[str, tuple[float, str | None]]


def attributes(
    meta: Metadata,
    axes: str,
    dtype: np.dtype[Any],
    datasets: Sequence[Mapping[str, Any]],
    windows: Sequence[tuple[float, float]],
    *,
    kind: str | None,
) -> dict[str, Any]:
    """The value of "ome" of a multiscale image.

    Parameters
    ----------
    axes
        Of the arrays, in OME's order.
    datasets
        One of `dataset` per level.
    windows
        Display limits, one pair per channel; of an image whose channels have neither name nor
        colour, they may be empty: it gets no "omero".
    kind
        How a level follows from the one before; None of a single level.
    """
    entries: list[dict[str, str]] = []
    for axis in axes:
        entry = {"name": axis.lower(), "type": _TYPES.get(axis, "space")}
        unit = word(meta.scale.get(axis, (1.0, None))[1])
        entries.append({**entry, "unit": unit} if unit else entry)
    multiscale: dict[str, Any] = {"axes": entries, "datasets": list(datasets)}
    if kind is not None:
        multiscale["type"] = kind
    if meta.name:
        multiscale["name"] = meta.name
    out: dict[str, Any] = {"version": "0.5", "multiscales": [multiscale]}
    if windows:
        channels = meta.channels or (Channel(),) * len(windows)
        out["omero"] = {
            "channels": [
                omero_channel(channel, window, dtype)
                for channel, window in zip(channels, windows, strict=True)
            ]
        }
    return out


def omero_channel(
    channel: Channel, window: tuple[float, float], dtype: np.dtype[Any]
) -> dict[str, Any]:
    """A channel as "omero" has it; one without a colour of its own is white, and said to be so."""
    low, high = window if np.isfinite(window).all() else (0.0, 1.0)
    limits = np.iinfo(dtype) if dtype.kind in "iu" else None
    entry: dict[str, Any] = {
        "active": True,
        "window": {
            "start": float(low),
            "end": float(high),
            "min": float(low if limits is None else limits.min),
            "max": float(high if limits is None else limits.max),
        },
    }
    color = hex_color(channel.color)
    entry["color"] = color or "FFFFFF"
    if color is None:
        entry[DEFAULT_COLOR] = True
    if channel.name:
        entry["label"] = channel.name
    return entry


def dataset(name: str, axes: str, scale: Scale, factor: int, *, shift: bool) -> dict[str, Any]:
    """A level of which each sample stands for `factor` rows and columns.

    Parameters
    ----------
    scale
        As in `Metadata`, of the first level.
    shift
        Whether a sample lies in the middle of its rows and columns, as means do; else at the first.
    """
    steps = [scale.get(axis, (1.0, None))[0] for axis in axes]
    own = [s * factor if a in "YX" else s for a, s in zip(axes, steps, strict=True)]
    transformations: list[dict[str, Any]] = [{"type": "scale", "scale": own}]
    if factor > 1 and shift:
        moved = [
            s * (factor - 1) / 2 if a in "YX" else 0.0 for a, s in zip(axes, steps, strict=True)
        ]
        transformations.append({"type": "translation", "translation": moved})
    return {"path": name, "coordinateTransformations": transformations}
