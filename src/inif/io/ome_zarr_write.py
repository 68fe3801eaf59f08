"""OME-Zarr 0.5 (Zarr v3, zstd), region by region: the image and its pyramid of halved planes."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import numpy as np

from inif.errors import InputError
from inif.fields.parallel import in_order
from inif.image import ImageSource, LazyImage, Region
from inif.io.common import one_line, planes_last, replacing
from inif.io.ome import PIXEL_TYPES
from inif.io.ome_update import ome_document
from inif.io.ome_zarr_meta import attributes, dataset
from inif.io.ome_zarr_series import OME_XML
from inif.io.pyramid import Progress, Shape, chunk_length, cut, fill, holds_labels, level_shapes
from inif.io.units import LENGTHS, TIMES, word

CHUNK = {"T": 1, "C": 1, "Z": 8, "Y": 512, "X": 512}
"""Samples per chunk along each axis, at most."""

_LEAST = {"Y": 128, "X": 128}


def write(
    image: ImageSource, path: str, *, overwrite: bool, progress: Progress | None = None
) -> None:
    """A directory with one multiscale image, its metadata and, if there is one, its OME-XML.

    OME-Zarr fixes the order time, channel, space: axes in another order are transposed to that of
    "TCZYX", and Y or X are added with length 1 if missing. Each level holds the means of 2 × 2
    samples of the one before; of labels and masks, whose means are nothing, the first of them.
    OME-Zarr has steps only for the axes of the array.
    """
    import zarr

    turned = planes_last(image, "TCZYX")
    limits = _Limits(turned)
    source, axes = replace(turned, reader=limits.read), turned.axes
    shapes = level_shapes(source.shape)
    nearest = len(shapes) > 1 and holds_labels(image)
    chunk = tuple(
        chunk_length(n, b, CHUNK[a], least=_LEAST.get(a, 1))
        for a, n, b in zip(axes, source.shape, source.block or (None,) * len(axes), strict=True)
    )
    with replacing(path.rstrip("/"), overwrite=overwrite) as temporary:
        root = zarr.create_group(temporary, zarr_format=3)
        levels = [
            _Array(
                root.create_array(
                    str(number),
                    shape=shape,
                    dtype=source.dtype,
                    chunks=tuple(map(min, chunk, shape)),
                    dimension_names=[a.lower() for a in axes],
                )
            )
            for number, shape in enumerate(shapes)
        ]
        fill(source, levels, chunk, nearest=nearest, progress=progress)
        meta, scale = image.meta, image.meta.scale
        root.attrs["ome"] = attributes(
            meta if len(meta.channels) == image.n_channels else replace(meta, channels=()),
            axes,
            source.dtype,
            [dataset(str(n), axes, scale, 1 << n, shift=not nearest) for n in range(len(levels))],
            image.windows or limits.windows(),
            kind=("nearest" if nearest else "mean") if len(levels) > 1 else None,
        )
        if image.meta.ome_xml and source.dtype.name in PIXEL_TYPES:
            xml = ome_document(source.shape, axes, source.dtype, image.meta)
            file = os.path.join(temporary, OME_XML)
            os.makedirs(os.path.dirname(file))
            with open(file, "xb") as out:
                out.write(xml.encode())


def unkept(image: ImageSource) -> list[str]:
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


class _Array:
    """An array of Zarr that is written chunk by chunk.

    If it wrote several chunks in one call, and one of them failed, Zarr would go on writing the
    others after the call, into a folder that is being removed.
    """

    def __init__(self, array: Any) -> None:
        self._array = array
        self.shape: Shape = array.shape

    def __getitem__(self, region: Region) -> np.ndarray:
        return np.asarray(self._array[region])

    def __setitem__(self, region: Region, samples: np.ndarray) -> None:
        def write(chunk: Region) -> None:
            own = (
                slice(c.start - s.start, c.stop - s.start)
                for c, s in zip(chunk, region, strict=True)
            )
            self._array[chunk] = samples[tuple(own)]

        for _ in in_order(write, list(cut(region, self._array.chunks))):
            pass


class _Limits:
    """Lowest and highest sample of each channel of an image, of what is read through this.

    Attributes
    ----------
    low, high
        (channels,) float64; NaN and infinity are left out.
    """

    def __init__(self, image: LazyImage) -> None:
        self._image, self.dtype = image, image.dtype
        self.low = np.full(image.n_channels, np.inf)
        self.high = -self.low

    def read(self, region: Region) -> np.ndarray:
        """The samples of a region of the image."""
        data = self._image.read(region)
        c = self._image.channel_axis
        first = 0 if c is None else region[c].start
        for index, samples in enumerate([data] if c is None else np.moveaxis(data, c, 0), first):
            ends = np.array([samples.min(), samples.max()], np.float64)
            if not np.isfinite(ends).all():
                found = samples[np.isfinite(samples)]
                ends = np.array([found.min(initial=np.inf), found.max(initial=-np.inf)])
            self.low[index] = min(self.low[index], ends[0])
            self.high[index] = max(self.high[index], ends[1])
        return data

    def windows(self) -> list[tuple[float, float]]:
        """Lowest and highest sample of each channel."""
        return list(zip(self.low.tolist(), self.high.tolist(), strict=True))
