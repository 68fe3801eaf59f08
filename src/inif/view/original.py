"""The original of a file, read region by region, with its axes matched to the file's by letter."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from inif.decode.file import File, open_file
from inif.errors import AxesError, InputError
from inif.image import LazyImage
from inif.metrics.sides import is_inif

Where = Mapping[str, slice]
"""A box of an image: rows, columns and planes by axis, with start and stop; other axes are 0."""


def open_original(path: str, file: File, *, axes: str | None = None, series: int = 0) -> LazyImage:
    """Open what a file was made from: an image of any kind that is read, or an ``.inif`` file.

    Parameters
    ----------
    path
        A path or URL.
    axes
        One letter of "TCZYX" per axis, where the original does not name them; by default those of
        the file. The order may be another than the file's, and axes of length 1 may be missing.
    series
        Number of the image in an original that holds several.

    Raises
    ------
    InputError
        It cannot be read, or is not of the file's sizes and sample type.
    MissingExtraError
        Its format or its URL needs an optional package.
    """
    image = _opened(path, file, axes, series)
    try:
        _agree(image, file)
    except BaseException:
        image.close()
        raise
    return image


def read_box(read: Any, axes: str, where: Where, plane: str) -> np.ndarray:
    """A box of a plane: (rows, columns), whatever the order of the image's axes.

    Parameters
    ----------
    read
        Gives the samples of one slice per axis.
    axes
        Of what is read.
    where
        The box; of axes that are not in `plane` one index.
    plane
        The axes of rows and columns, such as "YX"; fewer of an image that has fewer.
    """
    samples = np.asarray(read(tuple(where.get(a, slice(0, 1)) for a in axes)))
    order = [axes.index(a) for a in axes if a not in plane]
    order += [axes.index(a) for a in plane if a in axes]
    rows, columns = ([1, 1] + [where[a].stop - where[a].start for a in plane])[-2:]
    return samples.transpose(order).reshape(rows, columns)


def _opened(path: str, file: File, axes: str | None, series: int) -> LazyImage:
    if is_inif(path):
        source = open_file(path)
        return LazyImage(
            source.axes,
            source.shape,
            source.dtype,
            lambda region: np.asarray(source[region]),
            source.meta,
            source.name,
            closer=source.close,
        )
    from inif.io import open_image

    try:
        return open_image(path, axes=axes, scene=series)
    except AxesError:
        if axes is not None:
            raise
        return open_image(path, axes=file.axes, scene=series)


def _agree(image: LazyImage, file: File) -> None:
    """Raise unless both have the same samples along each axis, and the same type of them."""
    found, wanted = (
        {a: n for a, n in zip(one.axes, one.shape, strict=True) if n > 1} for one in (image, file)
    )
    pairs = (
        ("shape", wanted, found, "give the image that the file was made from, cropped alike"),
        (
            "dtype",
            file.dtype.name,
            image.dtype.name,
            "convert one of them; a change of type is a change of scale, and inif guesses none",
        ),
    )
    for field, expected, got, fix in pairs:
        if expected != got:
            what = "shape" if field == "shape" else "the type of their samples"
            raise InputError(
                f"the original and {PurePosixPath(file.name).name} differ in {what}",
                file=image.source,
                field=field,
                expected=_sizes(expected),
                got=_sizes(got),
                fix=fix,
            )


def _sizes(value: object) -> object:
    if isinstance(value, dict):
        return " × ".join(f"{a} {value[a]}" for a in "TCZYX" if a in value) or "one sample"
    return value
