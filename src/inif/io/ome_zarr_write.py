"""OME-Zarr 0.5 (Zarr v3, zstd): the image and its pyramid of halved planes."""

from __future__ import annotations

import itertools
import os
from typing import Any

import numpy as np

from inif.errors import InputError
from inif.image import Channel, Image
from inif.io.common import hex_color, one_line, planes_last, replacing
from inif.io.ome import PIXEL_TYPES
from inif.io.ome_update import ome_document
from inif.io.ome_zarr import DEFAULT_COLOR
from inif.io.ome_zarr_series import OME_XML
from inif.io.units import LENGTHS, TIMES, word
from inif.labels import label_channels

CHUNK = {"T": 1, "C": 1, "Z": 8, "Y": 512, "X": 512}
"""Samples per chunk along each axis, at most."""
SMALLEST = 256
"""No smaller level is made of one whose longer side has at most this many samples."""

_TYPES = {"T": "time", "C": "channel"}


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
            datasets.append(_dataset(name, axes, image, factor))
            if max(level.shape[-2:]) <= SMALLEST or min(level.shape[-2:]) < 2:
                break
            level, factor = _halved(level, labels=labels), 2 * factor
        root.attrs["ome"] = _attributes(image, data, axes, datasets, labels=labels)
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


def _attributes(
    image: Image, data: np.ndarray, axes: str, datasets: list[dict[str, Any]], *, labels: bool
) -> dict[str, Any]:
    entries: list[dict[str, str]] = []
    for axis in axes:
        entry = {"name": axis.lower(), "type": _TYPES.get(axis, "space")}
        unit = word(image.meta.scale.get(axis, (1.0, None))[1])
        entries.append({**entry, "unit": unit} if unit else entry)
    multiscale: dict[str, Any] = {"axes": entries, "datasets": datasets}
    if len(datasets) > 1:
        multiscale["type"] = "nearest" if labels else "mean"
    if image.meta.name:
        multiscale["name"] = image.meta.name
    out: dict[str, Any] = {"version": "0.5", "multiscales": [multiscale]}
    if any(c.name or c.color for c in image.meta.channels):
        out["omero"] = {
            "channels": [
                _omero_channel(channel, _channel_data(data, axes, index))
                for index, channel in enumerate(image.meta.channels)
            ]
        }
    return out


def _omero_channel(channel: Channel, samples: np.ndarray) -> dict[str, Any]:
    low, high = float(samples.min()), float(samples.max())
    low, high = (low, high) if np.isfinite([low, high]).all() else (0.0, 1.0)
    window = {"start": low, "end": high, "min": low, "max": high}
    if samples.dtype.kind in "iu":
        limits = np.iinfo(samples.dtype)
        window |= {"min": float(limits.min), "max": float(limits.max)}
    entry: dict[str, Any] = {"active": True, "window": window}
    color = hex_color(channel.color)
    entry["color"] = color or "FFFFFF"
    if color is None:
        entry[DEFAULT_COLOR] = True
    if channel.name:
        entry["label"] = channel.name
    return entry


def _channel_data(data: np.ndarray, axes: str, index: int) -> np.ndarray:
    if "C" not in axes:
        return data
    return data[(slice(None),) * axes.index("C") + (index,)]


def _dataset(name: str, axes: str, image: Image, factor: int) -> dict[str, Any]:
    steps = [image.meta.scale.get(axis, (1.0, None))[0] for axis in axes]
    scale = [s * factor if a in "YX" else s for a, s in zip(axes, steps, strict=True)]
    transformations: list[dict[str, Any]] = [{"type": "scale", "scale": scale}]
    if factor > 1:  # the centre of the first block lies between samples
        shift = [
            s * (factor - 1) / 2 if a in "YX" else 0.0 for a, s in zip(axes, steps, strict=True)
        ]
        transformations.append({"type": "translation", "translation": shift})
    return {"path": name, "coordinateTransformations": transformations}


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
