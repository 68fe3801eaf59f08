"""OME-Zarr 0.5 (Zarr v3, zstd): the image and its pyramid of halved planes."""

from __future__ import annotations

import itertools
import os
from typing import Any

import numpy as np

from inif.errors import InputError
from inif.image import Image
from inif.io.common import one_line, planes_last, replacing
from inif.io.ome import PIXEL_TYPES
from inif.io.ome_update import ome_document
from inif.io.ome_zarr_meta import attributes, dataset
from inif.io.ome_zarr_series import OME_XML
from inif.io.units import LENGTHS, TIMES, word
from inif.labels import label_channels

CHUNK = {"T": 1, "C": 1, "Z": 8, "Y": 512, "X": 512}
"""Samples per chunk along each axis, at most."""
SMALLEST = 256
"""No smaller level is made of one whose longer side has at most this many samples."""


def write(image: Image, path: str, *, overwrite: bool) -> None:
    """A directory with one multiscale image, its metadata and, if there is one, its OME-XML.

    OME-Zarr fixes the order time, channel, space: axes in another order are transposed to that of
    "TCZYX", and Y or X are added with length 1 if missing. Each level holds the means of 2 × 2
    samples of the one before; of labels and masks, whose means are nothing, the first of them.
    OME-Zarr has steps only for the axes of the array.
    """
    import zarr

    data, axes = planes_last(image, "TCZYX")
    if not data.dtype.isnative:
        data = data.astype(data.dtype.newbyteorder("="))
    path = path.rstrip("/")
    with replacing(path, overwrite=overwrite) as temporary:
        root = zarr.create_group(temporary, zarr_format=3)
        datasets: list[dict[str, Any]] = []
        labels = image.labels or len(label_channels(image)) == image.n_channels
        factor, level = 1, data
        while True:
            name = str(len(datasets))
            array = root.create_array(
                name,
                shape=level.shape,
                dtype=level.dtype,
                chunks=tuple(min(CHUNK[a], n) for a, n in zip(axes, level.shape, strict=True)),
                dimension_names=[a.lower() for a in axes],
            )
            array[...] = level
            datasets.append(dataset(name, axes, image.meta.scale, factor, shift=True))
            if max(level.shape[-2:]) <= SMALLEST or min(level.shape[-2:]) < 2:
                break
            level, factor = _halved(level, labels=labels), 2 * factor
        kind = ("nearest" if labels else "mean") if len(datasets) > 1 else None
        root.attrs["ome"] = attributes(
            image.meta, axes, data.dtype, datasets, _windows(image, data, axes), kind=kind
        )
        if image.meta.ome_xml and data.dtype.name in PIXEL_TYPES:
            xml = ome_document(data.shape, axes, data.dtype, image.meta)
            file = os.path.join(temporary, OME_XML)
            os.makedirs(os.path.dirname(file))
            with open(file, "xb") as out:
                out.write(xml.encode())


def unkept(image: Image) -> list[str]:
    """Remarks on units that OME-Zarr does not know."""
    words = {*LENGTHS, *TIMES}
    units = {u: a for a, (_, u) in image.meta.scale.items() if u and word(u) not in words}
    return [
        f"OME-Zarr does not know the unit “{one_line(unit)}” (axis {axis}): it is written as it is"
        for unit, axis in units.items()
    ]


def check(path: str, shape: tuple[int, ...], axes: str, dtype: np.dtype[Any]) -> None:
    """Whether OME-Zarr can hold such an image; InputError if not."""
    if dtype.kind not in "biufc":
        raise InputError(
            "OME-Zarr cannot hold this sample type",
            file=path,
            field="dtype",
            expected="numbers or booleans",
            got=dtype,
        )


def _windows(image: Image, data: np.ndarray, axes: str) -> list[tuple[float, float]]:
    """Lowest and highest sample of each channel, where channels have a name or a colour."""
    if not any(c.name or c.color for c in image.meta.channels):
        return []
    each = (_channel_data(data, axes, index) for index in range(len(image.meta.channels)))
    return [(float(one.min()), float(one.max())) for one in each]


def _channel_data(data: np.ndarray, axes: str, index: int) -> np.ndarray:
    if "C" not in axes:
        return data
    return data[(slice(None),) * axes.index("C") + (index,)]


def _halved(data: np.ndarray, *, labels: bool) -> np.ndarray:
    """Means of 2 × 2 samples, plane by plane; the last of an odd number of rows is left out."""
    height, width = data.shape[-2] // 2, data.shape[-1] // 2
    if labels:
        return data[..., : 2 * height : 2, : 2 * width : 2]
    out = np.empty((*data.shape[:-2], height, width), data.dtype)
    for index in itertools.product(*(range(n) for n in data.shape[:-2])):
        blocks = data[index][: 2 * height, : 2 * width].reshape(height, 2, width, 2)
        with np.errstate(invalid="ignore"):  # infinities of both signs
            mean = blocks.mean(axis=(1, 3), dtype=np.float64)
        out[index] = mean if data.dtype.kind in "fc" else np.rint(mean)
    return out
