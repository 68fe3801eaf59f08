"""A file as xarray has it: named dimensions, coordinates in physical units, samples on request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Protocol

import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from inif.decode.fancy import checked, read_along
from inif.metadata import Metadata

NAME = "image"
"""What the one variable of a data set is called."""


_LONGEST = 1 << 24
"""Samples along an axis with coordinates, at most: a small file may claim any length."""


class Readable(Protocol):
    """Named axes and samples on request: an open file, or one of its levels."""

    @property
    def axes(self) -> str:
        """Letters of "TCZYX"."""

    @property
    def shape(self) -> tuple[int, ...]:
        """One length per axis."""

    def __getitem__(self, key: Any) -> Any:
        """Samples by integers and slices; of a file also by arrays, as NumPy does."""


class Described(Readable, Protocol):
    """An open file, as far as xarray needs it."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the samples."""

    @property
    def chunks(self) -> tuple[int, ...]:
        """Samples along each axis that are best read together."""

    @property
    def meta(self) -> Metadata:
        """Steps, units and names of channels."""

    @property
    def attrs(self) -> dict[str, Any]:
        """What else is known of the image, not all of it text or numbers."""


class LazyArray(BackendArray):
    """The samples of a file, in the form in which xarray asks for them."""

    def __init__(self, file: Described) -> None:
        self.file = file
        self.shape, self.dtype = file.shape, file.dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        together = isinstance(key, indexing.VectorizedIndexer)
        support = indexing.IndexingSupport
        return indexing.explicit_indexing_adapter(
            key,
            self.shape,
            support.VECTORIZED if together else support.OUTER,
            partial(read_points if together else read_outer, self.file),
        )


def read_points(image: Readable, key: Sequence[Any]) -> np.ndarray:
    """Samples by arrays of whole numbers that go together, and slices.

    Returns
    -------
    The axes of the arrays, wherever the arrays stand, and then those of the slices.
    """
    found = np.asarray(image[tuple(key)])
    arrays = [axis for axis, picked in enumerate(key) if not isinstance(picked, slice)]
    first, last = arrays[0], arrays[-1]
    if last - first + 1 > len(arrays):  # NumPy has their axes in front already
        return found
    count = np.broadcast(*[key[axis] for axis in arrays]).ndim
    return np.moveaxis(found, range(first, first + count), range(count))


def read_outer(image: Readable, key: Sequence[Any]) -> np.ndarray:
    """Samples by one integer, slice or array of whole numbers for each axis, on its own.

    What it costs: see `read_along`.

    Raises
    ------
    SelectionError
        A number outside the image.
    """
    for axis, picked in enumerate(key):
        if not isinstance(picked, int | np.integer | slice):
            letter, keys = image.axes[axis], list(key)
            keys[axis] = checked(np.asarray(picked, np.int64), image.shape[axis], letter)
            return read_along(keys, axis, letter, partial(read_outer, image))
    return np.asarray(image[tuple(key)])


def coordinates_of(
    axes: str, shape: Sequence[int], meta: Metadata, stride: int = 1
) -> dict[str, xr.Variable]:
    """Coordinates of the axes that have any.

    Parameters
    ----------
    stride
        Rows and columns of the image from one row or column to the next.

    Returns
    -------
    Along T, Z, Y and X, where a step is known: its multiples from 0 on, float64, with the unit as
    ``attrs["units"]``. Along C, where a channel has a name: names; one without is its number. None
    along an axis that no image has in this length.
    """
    found = {}
    for axis, count in zip(axes, shape, strict=True):
        if count > _LONGEST:
            continue
        if axis == "C":
            names = [c.name or str(i) for i, c in enumerate(meta.channels[:count])]
            names += [str(i) for i in range(len(names), count)]
            if any(c.name for c in meta.channels):
                found[axis] = xr.Variable((axis,), np.array(names))
        elif axis in meta.scale:
            step, unit = meta.scale[axis]
            places = np.arange(count) * (step * stride if axis in "YX" else step)
            found[axis] = xr.Variable((axis,), places, {"units": unit} if unit else None)
    return found


def dataset_of(file: Described) -> xr.Dataset:
    """An open file as a data set of one variable, "image", whose samples are decoded on request."""
    data: Any = indexing.LazilyIndexedArray(LazyArray(file))
    dims = tuple(file.axes)
    chunks: Mapping[str, int] = dict(zip(dims, file.chunks, strict=True))
    attrs = {key: value for key, value in file.attrs.items() if type(value) in (str, int, float)}
    image = xr.Variable(dims, data, attrs, {"preferred_chunks": chunks})
    return xr.Dataset({NAME: image}, coordinates_of(file.axes, file.shape, file.meta))


def dataarray_of(file: Described) -> xr.DataArray:
    """An open file as a data array whose samples are decoded on request."""
    return dataset_of(file)[NAME]
