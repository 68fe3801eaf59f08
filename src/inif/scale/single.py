"""One image of any other kind of file as a tree: its attributes, and levels made on the fly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from inif.image import ImageSource
from inif.io.common import planes_last
from inif.io.location import is_pattern, location_of
from inif.io.ome import PIXEL_TYPES
from inif.io.ome_update import ome_document
from inif.io.ome_zarr_meta import attributes, dataset
from inif.io.ome_zarr_series import OME_XML
from inif.io.ome_zarr_write import unkept
from inif.io.planes import check_files
from inif.io.pyramid import holds_labels
from inif.io.registry import open_image
from inif.labels import middles
from inif.scale.layout import chunk_and_shard
from inif.scale.levels import smaller
from inif.scale.multiscale import Settings, exact_remark, kind_of, reduced
from inif.scale.plan import ArrayPlan, Tree
from inif.scale.source import FileSource, Text


def read_single(
    file: str,
    settings: Settings,
    scene: int,
    *,
    group: Mapping[str, Any] | None = None,
    array: Mapping[str, Any] | None = None,
) -> Tree:
    """The tree of an image that is no OME-Zarr.

    Axes come in OME's order, and Y or X are added with length 1 if missing. Samples that look like
    labels are stored as labels. A few planes are read for that, and for display limits.

    Parameters
    ----------
    group, array
        Attributes that the root and the first level have already: those of a plain Zarr array.

    Raises
    ------
    InputError, AxesError, MissingExtraError
        As `inif.io.open_image`, or no lossless method takes the samples either.
    """
    if is_pattern(file):
        check_files(location_of(file), settings.axes)
    with open_image(file, axes=settings.axes, scene=scene) as image:
        turned = planes_last(image, "TCZYX")
        axes, dtype, name = turned.axes, turned.dtype, image.source or file
        nearest = holds_labels(image)
        kind = kind_of(dtype, labels=nearest, file=name)
        remarks = [*image.remarks, *unkept(image)]
        if nearest and not image.labels:
            remarks.append("these look like labels or a mask: they are stored losslessly")
        elif kind == "exact":
            remarks.append(exact_remark("", dtype))
        windows = turned.windows or (() if nearest else _windows(turned))
        chunks, shards = chunk_and_shard(
            axes, turned.shape, dtype, settings.chunks, settings.shards, turned.block
        )
        first = ArrayPlan(
            *("0", axes, turned.shape, dtype, chunks, shards, kind, "", 0),
            FileSource(file, settings.axes, scene),
            dtype.type(0),
            dict(array or {}),
            tuple(axes.lower()),
        )
        plans = [
            first,
            *(
                reduced(first, str(n), shape, n, settings, nearest=nearest, block=turned.block)
                for n, shape in enumerate(smaller(axes, turned.shape), 1)
            ),
        ]
        meta, scale = image.meta, image.meta.scale
        ome = attributes(
            meta if len(meta.channels) == image.n_channels else replace(meta, channels=()),
            axes,
            dtype,
            [dataset(p.path, axes, scale, 1 << p.level, shift=not nearest) for p in plans],
            windows,
            kind=("nearest" if nearest else "mean") if len(plans) > 1 else None,
        )
        files = {}
        if meta.ome_xml and dtype.name in PIXEL_TYPES:
            files[OME_XML] = Text(ome_document(turned.shape, axes, dtype, meta))
        remarks += image.late_remarks()
        return Tree({"": {**(group or {}), "ome": ome}}, tuple(plans), files, tuple(remarks), name)


def _windows(image: ImageSource) -> tuple[tuple[float, float], ...]:
    """Lowest and highest sample of each channel, of the middle of some of its planes."""
    out = []
    for channel in range(image.n_channels):
        low, high = np.inf, -np.inf
        for plane in middles(image, channel):
            found = plane[np.isfinite(plane)] if plane.dtype.kind == "f" else plane
            if found.size:
                low, high = min(low, float(found.min())), max(high, float(found.max()))
        out.append((low, high))
    return tuple(out)
