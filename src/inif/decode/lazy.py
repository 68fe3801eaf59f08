"""A file, or a selection of it, as an image whose samples are decoded when they are read."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from inif.axes import Selection
from inif.decode.samples import Samples
from inif.image import LazyImage, Metadata, Region

if TYPE_CHECKING:
    from inif.decode.file import File


KEPT = 64 << 20
"""Bytes of decoded bricks that are kept for the boxes beside the one that needed them."""


def lazy_image(file: File, picked: Selection, meta: Metadata) -> LazyImage:
    """A selection of a file, which must stay open, with the metadata that fit the selection.

    A single sample is an image of one axis, X. Samples that are not exact are no labels.
    """
    axes = picked.kept_axes(file.axes)
    samples = Samples(file.bricks, file.grid, file.dtype, most=KEPT)

    def reader(region: Region) -> np.ndarray:
        own = iter(region)
        ranges = tuple(
            r if dropped else r[next(own)]
            for r, dropped in zip(picked.ranges, picked.dropped, strict=True)
        )
        out = samples.read(replace(picked, ranges=ranges))
        file.outliers.put(out, ranges, file.shape)
        return out.reshape([s.stop - s.start for s in region])

    block = tuple(
        max(length // abs(r.step), 1)
        for length, r, dropped in zip(file.grid.brick, picked.ranges, picked.dropped, strict=True)
        if not dropped
    )
    c = file.axes.find("C")
    channels = range(1) if c < 0 else picked.ranges[c]
    stated = file.stated_windows  # others would have to be decoded
    return LazyImage(
        axes or "X",
        picked.shape or (1,),
        file.dtype,
        reader,
        meta,
        file.name,
        labels=None if file.exact else False,
        block=block or None,
        windows=tuple(file.windows[channel] for channel in channels) if stated else (),
    )
