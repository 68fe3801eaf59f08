"""CZI, ND2 and LIF through bioio, which is optional: the extra ``bioio``."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from importlib import import_module
from typing import Any

import numpy as np

from inif.errors import InifError, MissingExtraError, UnsupportedError
from inif.image import Channel, LazyImage, Metadata, Region
from inif.io.bio_whole import check_czi, check_nd2
from inif.io.common import (
    only_scene,
    reading,
    rgb_channels,
    several_images,
)
from inif.io.location import Location
from inif.io.ome import MAX_XML, parse_ome_xml
from inif.io.samples import Blocks, build

_PLUGINS = {"czi": "bioio_czi", "nd2": "bioio_nd2", "lif": "bioio_lif"}


def open_file(location: Location, kind: str, axes: str | None, scene: int) -> LazyImage:
    """One scene; T, C and Z of length 1 are left out, steps are in µm and s as bioio gives them.

    Raises
    ------
    InputError
        Damaged, or no such scene.
    UnsupportedError
        A URL; these formats are read from local files.
    MissingExtraError
        bioio or its plug-in for the format is not installed.
    """
    if location.remote:
        raise UnsupportedError(
            f"{kind.upper()} is read from local files only", file=location.name, fix="download it"
        )
    try:
        bio_image: Any = import_module("bioio").BioImage
        plugin: Any = import_module(_PLUGINS[kind]).Reader
    except ImportError as error:
        raise MissingExtraError(
            error.name or "bioio", "bioio", need=f"reading {kind.upper()}", file=location.name
        ) from error
    remarks: list[str] = []
    with reading(location.name, f"{kind.upper()} file"):
        planes = {"chunk_dims": "YX"} if kind == "lif" else {}  # the others give planes anyway
        image = bio_image(location.path, reader=plugin, **planes)
        only_scene(scene, len(image.scenes), location.name)
        count = check_czi(location.path, scene, location.name) if kind == "czi" else 0
        if kind == "nd2":
            check_nd2(location.path, location.name)
        if count > len(image.scenes):
            remarks.append(
                f"this file holds blocks of {count} scenes, and the library for CZI finds "
                f"{len(image.scenes)}: the others are left out"
            )
        elif len(image.scenes) > 1:
            remarks.append(several_images(len(image.scenes), scene, str(image.scenes[scene])))
        image.set_scene(scene)
        order: str = image.dims.order
        meta = _metadata(image, scene, remarks)
        data = image.dask_data
    gone = tuple(i for i, a in enumerate(order) if a not in "YX" and data.shape[i] == 1)
    data = data.squeeze(gone)
    stored = "".join(a for i, a in enumerate(order) if i not in gone)
    if "S" in stored and "C" not in stored:
        samples = data.shape[stored.index("S")]
        meta = Metadata(meta.name, meta.scale, rgb_channels(samples), meta.ome_xml)
        stored = stored.replace("S", "C")

    lock = threading.Lock()  # not all of these libraries allow several threads

    def load(region: Region) -> np.ndarray:
        with lock:
            return np.asarray(data[region].compute(scheduler="synchronous"))

    blocks = Blocks(data.shape, np.dtype(data.dtype), data.chunksize, load, threads=1)
    what = f"{kind.upper()} file"
    built = build(blocks, what, stored, axes, meta, location.name, remarks)
    return replace(built, images=tuple(range(len(image.scenes))))


def _metadata(image: Any, scene: int, remarks: list[str]) -> Metadata:
    """What bioio says about the current scene; its OME-XML, where it has one that is sound.

    A pixel size of exactly 1 µm along both X and Y is what libraries give where the file has none.
    """
    said = _ome(image, scene, remarks)
    sizes = image.physical_pixel_sizes
    scale = dict(said.scale)
    for axis in "ZYX":
        step = getattr(sizes, axis, None)
        if axis not in scale and step:
            scale[axis] = (float(step), "µm")
    if all(scale.get(a) == (1.0, "µm") for a in "XY"):
        scale = {a: step for a, step in scale.items() if a == "T" or step != (1.0, "µm")}
        remarks.append("pixel sizes of exactly 1 µm mean that the file states none: left out")
    interval = getattr(image, "time_interval", None)
    if isinstance(interval, timedelta):
        interval = interval.total_seconds()
    if "T" not in scale and isinstance(interval, int | float) and interval:
        scale["T"] = (float(interval), "s")
    names = [str(n) if n else None for n in image.channel_names or []]
    colors = [c.color for c in said.channels]
    colors += [None] * (len(names) - len(colors))
    channels = tuple(Channel(n, c) for n, c in zip(names, colors, strict=False))
    return Metadata(said.name, scale, channels or said.channels, said.ome_xml)


def _ome(image: Any, scene: int, remarks: list[str]) -> Metadata:
    doubts: list[str] = []
    try:
        xml = str(image.ome_metadata.to_xml())
        if len(xml) > MAX_XML:
            return Metadata()
        said = parse_ome_xml(xml, scene, remarks=doubts)
        remarks.extend(doubts)
        return said
    except (InifError, NotImplementedError, AttributeError, ValueError, KeyError, TypeError):
        return Metadata()  # the plug-in cannot translate this file's metadata
