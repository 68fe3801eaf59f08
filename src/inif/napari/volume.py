"""The whole volume in 3-D: napari itself shows the smallest level of an image there.

The volume is decoded beside the window, plane by plane, and then lies in memory as a layer.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from inif.errors import InputError, format_size
from inif.samples import machine_memory

if TYPE_CHECKING:
    import napari.viewer

SIDE = 2048
"""Of what graphics cards show in 3-D, at most."""


def show_volume(viewer: napari.viewer.Viewer) -> Any:
    """Add the volume of the active layer at the current point as a layer, and show it in 3-D.

    It has the finest level that fits into a quarter of the memory and on a graphics card. Works for
    every image layer of three axes or more. Returns the worker that decodes it.

    Raises
    ------
    InputError
        There is no such layer, or no level of it fits.
    """
    from napari.layers import Image
    from napari.qt.threading import create_worker

    layer = viewer.layers.selection.active
    if not isinstance(layer, Image) or layer.ndim < 3:
        raise InputError(
            "there is no volume to show",
            field="layer",
            expected="an active image layer of three axes or more",
            got="none" if layer is None else layer.name,
            fix="select it in the list of layers",
        )
    levels = list(layer.data) if layer.multiscale else [layer.data]
    memory = (machine_memory() or 4 << 30) // 4
    number = finest([level.shape for level in levels], levels[0].dtype, layer.ndim, memory)
    point = [round(p) for p in layer.world_to_data(viewer.dims.point)]
    outer = [min(max(p, 0), n - 1) for p, n in zip(point, levels[number].shape, strict=False)]
    outer = outer[: layer.ndim - 3]
    factors = layer.downsample_factors[number] if layer.multiscale else np.ones(layer.ndim)

    def add(volume: np.ndarray) -> None:
        where = "".join(
            f", {label} {i}" for label, i in zip(layer.axis_labels, outer, strict=False)
        )
        viewer.add_image(
            volume,
            name=f"{layer.name}{where}, volume",
            rgb=layer.rgb,
            colormap=layer.colormap,
            contrast_limits=layer.contrast_limits,
            blending=layer.blending,
            scale=(layer.scale * factors)[-3:],
            translate=layer.translate[-3:],
            units=layer.units[-3:],
            axis_labels=layer.axis_labels[-3:],
        )
        layer.visible = False
        viewer.dims.ndisplay = 3

    return create_worker(
        planes,
        levels[number],
        outer,
        _connect={"returned": add},
        _progress={"total": levels[number].shape[layer.ndim - 3], "desc": "decoding the volume"},
    )


def finest(shapes: Sequence[tuple[int, ...]], dtype: Any, ndim: int, most: int) -> int:
    """The number of the first level whose volume fits.

    Parameters
    ----------
    shapes
        Of all levels, the largest first.
    ndim
        Axes without that of colours; the volume is that of the last three.
    most
        Bytes.

    Raises
    ------
    InputError
        None does.
    """
    needs = []
    for number, shape in enumerate(shapes):
        volume = shape[ndim - 3 :]
        needs.append(math.prod(volume) * np.dtype(dtype).itemsize)
        if needs[-1] <= most and max(volume[:3]) <= SIDE:
            return number
    raise InputError(
        "no level of this image can be shown in 3-D",
        field="layer",
        expected=f"at most {format_size(most)} and {SIDE} samples along each axis",
        got=f"{format_size(needs[-1])}, {' × '.join(str(n) for n in shapes[-1][ndim - 3 : ndim])}",
        fix="crop it",
    )


def planes(level: Any, outer: Sequence[int]) -> Generator[None, None, np.ndarray]:
    """Decode the volume at an index of the outer axes plane by plane, and return it."""
    found = np.empty(level.shape[len(outer) :], level.dtype)
    for z, plane in enumerate(found):
        plane[:] = level[(*outer, z)]
        yield
    return found
