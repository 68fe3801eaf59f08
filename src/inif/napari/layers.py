"""Files as layers of napari, and layers as images: axes, steps, units, names and colours."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from inif.axes import AXES, check_axes
from inif.errors import AxesError, InputError
from inif.image import Image, LazyImage
from inif.io import units
from inif.metadata import Channel, Metadata

if TYPE_CHECKING:
    from inif.decode.file import File

LayerData = tuple[Any, dict[str, Any], str]
"""Samples, arguments of ``Viewer.add_image``, and "image": what plugins give napari."""

RGB = (Channel("red", "#FF0000"), Channel("green", "#00FF00"), Channel("blue", "#0000FF"))


def layer_of(file: File, title: str) -> LayerData:
    """A file as one layer, or as one layer for each channel; samples stay undecoded.

    Axes are shown in the order T, Z, Y, X, whatever their order in the file. A step without a unit
    that napari knows is one in "pixel"; an axis without a step has 1.

    Parameters
    ----------
    title
        Of the image; the names of layers of channels end with it.

    Raises
    ------
    InputError
        The image has one axis only.
    MissingExtraError
        dask is not installed.
    """
    if len(file.axes) < 2:
        raise InputError(
            "napari shows images of at least two axes", file=file.name, field="axes", got=file.axes
        )
    split = "C" in file.axes and len(file.axes) > 2
    shown = sorted(file.axes.replace("C", "") if split else file.axes, key=AXES.index)
    order = [file.axes.index(a) for a in (["C"] if split else []) + shown]
    levels = [level.to_dask() for level in file.levels]
    if order != sorted(order):
        levels = [level.transpose(order) for level in levels]
    scale = file.meta.scale
    arguments = {
        "multiscale": len(levels) > 1,
        "scale": [scale[a][0] if a in scale else 1.0 for a in shown],
        "units": [_pint(a, scale[a][1]) if a in scale else "pixel" for a in shown],
        "axis_labels": shown,
        "metadata": {"inif": file.attrs},
    }
    colors = [channel.color for channel in file.meta.channels]
    windows = [_increasing(window) for window in file.windows]
    if split:
        names = [name or f"C{index}" for index, name in enumerate(file.channels)]
        arguments["channel_axis"] = 0
        arguments["name"] = [f"{name} · {title}" for name in names]
        arguments["contrast_limits"] = windows
        if any(colors):
            arguments["colormap"] = [_colormap(color) for color in colors]
    else:
        arguments["name"] = title
        arguments["contrast_limits"] = windows[0]
        arguments["colormap"] = _colormap(colors[0] if len(colors) == 1 else None)
    return levels if len(levels) > 1 else levels[0], arguments, "image"


def image_of(data: Any, meta: Mapping[str, Any], axes: str | None = None) -> Image | LazyImage:
    """A layer as an image; samples are read when they are needed, unless they are in memory.

    Its position, rotation and other transforms than the scale are not kept.

    Parameters
    ----------
    data, meta
        What ``Layer.as_layer_data_tuple`` gives; of several levels the first is taken.
    axes
        One letter of "TCZYX" per axis, without that of the colours of an RGB layer. By default the
        labels of the layer's axes, if they are such letters.

    Raises
    ------
    AxesError
        The axes are not known.
    InputError
        The layer's colours have a transparency.
    """
    name = str(meta.get("name") or "layer")
    samples = data[0] if meta.get("multiscale") else data
    colours = bool(meta.get("rgb"))
    shape = tuple(int(n) for n in samples.shape)
    if colours and shape[-1] != len(RGB):
        raise InputError(
            "the transparency of colours is not kept",
            file=name,
            field="channels",
            expected="3",
            got=shape[-1],
            fix="make a layer of the first three channels",
        )
    labels = axes if axes is not None else letters(meta.get("axis_labels") or ())
    if not labels:
        raise AxesError(
            "the axes of this layer are not known",
            file=name,
            field="axis_labels",
            expected=f"{len(shape) - colours} different letters of {AXES}",
            got=", ".join(meta.get("axis_labels") or ()) or "none",
            fix='name them, as in layer.axis_labels = ("Z", "Y", "X"), '
            "or in the widget of inif, which saves files too",
        )
    labels = check_axes(labels + "C" * colours, shape, file=name)
    known = _metadata(name, labels, meta, colours)
    if isinstance(samples, np.ndarray):
        return Image(samples, labels, known, source=name)
    return LazyImage(
        labels,
        shape,
        np.dtype(samples.dtype),
        lambda region: np.asarray(samples[region]),
        known,
        source=name,
    )


def letters(labels: Sequence[str]) -> str:
    """Labels of axes as letters of "TCZYX"; empty where they are not all such, or one comes twice.

    Either case is fine.
    """
    found = "".join(labels).upper()
    proper = len(found) == len(labels) == len(set(found)) and set(found) <= set(AXES)
    return found if proper else ""


def _metadata(name: str, axes: str, meta: Mapping[str, Any], colours: bool) -> Metadata:
    shown = axes.removesuffix("C") if colours else axes
    steps = meta.get("scale")
    steps = [1.0] * len(shown) if steps is None else steps
    names = meta.get("units") or ["pixel"] * len(shown)
    scale: dict[str, tuple[float, str | None]] = {}
    for axis, step, unit in zip(shown, steps, names, strict=True):
        size, symbol = abs(float(step)), units.symbol(str(unit))
        if symbol == "pixel":
            symbol = None
        if axis != "C" and size > 0 and (symbol or size != 1):
            scale[axis] = size, symbol
    color = _color(meta.get("colormap"))
    one = (Channel(color=color),) if color and "C" not in axes else ()
    return Metadata(name, scale, RGB if colours else one)


def _pint(axis: str, unit: str | None) -> str:
    """The word by which napari, and its library of units, knows a unit."""
    word = units.word(unit)
    table = units.TIMES if axis == "T" else units.LENGTHS
    return word if word in table else "pixel"


def _increasing(window: tuple[float, float]) -> tuple[float, float]:
    """Limits that differ, which napari wants of an image of one value as well."""
    low, high = window
    return (low, high) if low < high else (low, max(low + 1, math.nextafter(low, math.inf)))


def _colormap(color: str | None) -> str:
    """From black to a colour; of black itself napari would make a white-to-black one."""
    return "gray" if color is None or color.upper() in ("#FFFFFF", "#000000") else color


def _color(colormap: object) -> str | None:
    """The colour of a colormap that goes from black to it; None of any other, and of grey."""
    colors = np.asarray(colormap.get("colors", ()) if isinstance(colormap, Mapping) else ())
    if colors.ndim != 2 or len(colors) != 2 or colors[0, :3].any():
        return None
    red, green, blue = np.rint(255 * colors[1, :3]).astype(int)
    color = f"#{red:02X}{green:02X}{blue:02X}"
    return None if color == "#FFFFFF" else color
