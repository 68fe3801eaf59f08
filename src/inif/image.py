"""An image as the rest of inif sees it: samples, named axes, and the metadata that must survive.

An `ImageSource` gives its samples region by region. There are two: a `LazyImage` reads them from
its file when they are asked for, an `Image` holds all of them in memory. Nothing here knows a file
format.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, Self, TypeVar, cast

import numpy as np

from inif.axes import check_axes
from inif.errors import InputError
from inif.metadata import Channel as Channel
from inif.metadata import Metadata as Metadata
from inif.metadata import check_metadata
from inif.samples import BOUNDED_DTYPES as BOUNDED_DTYPES
from inif.samples import DTYPES as DTYPES
from inif.samples import LOSSLESS_DTYPES as LOSSLESS_DTYPES
from inif.samples import LOSSLESS_FIX as LOSSLESS_FIX
from inif.samples import Region as Region
from inif.samples import check_memory as check_memory
from inif.samples import check_region as check_region
from inif.samples import conversion
from inif.samples import native as native
from inif.samples import need_finite as need_finite
from inif.samples import scale_of as scale_of


class ImageSource(Protocol):
    """What gives the samples of an image, one region at a time, and says what they are."""

    @property
    def axes(self) -> str:
        """One letter of "TCZYX" for each axis, in the array's own order ("TZCYX", "YX", …)."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Samples along each axis."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the samples."""

    @property
    def meta(self) -> Metadata:
        """Names, pixel sizes, colours."""

    @property
    def source(self) -> str | None:
        """Where it came from, for messages and reports."""

    @property
    def remarks(self) -> tuple[str, ...]:
        """What its user must know of how it was read, dropped or assumed; a sentence each."""

    @property
    def labels(self) -> bool | None:
        """Whether the samples are labels, as OME-Zarr can say; None where nothing says so."""

    @property
    def block(self) -> tuple[int, ...] | None:
        """Lengths of the boxes, side by side from index 0 on, in which it is read at least cost."""

    @property
    def windows(self) -> tuple[tuple[float, float], ...]:
        """Lowest and highest sample to show of each channel; none where nothing says it."""

    @property
    def channel_axis(self) -> int | None:
        """The position of C in `axes`, or None."""

    @property
    def n_channels(self) -> int:
        """The length of the C axis, 1 where there is none."""

    @property
    def raw_bytes(self) -> int:
        """Voxels × itemsize: the size that every ratio is measured against."""

    def read(self, region: Region) -> np.ndarray:
        """The samples of a region, which several threads may ask for at once.

        Parameters
        ----------
        region
            One slice per axis, with 0 ≤ start ≤ stop ≤ length, and step 1 or None.

        Returns
        -------
        np.ndarray
            Shape of the region; native byte order and C-contiguous. It may be a view of samples
            that others read too: do not write to it.

        Raises
        ------
        SelectionError
            The region is not of this form.
        InputError
            The samples cannot be read: the file is damaged there, or has changed.
        """

    def late_remarks(self) -> tuple[str, ...]:
        """What reading has shown since the image was opened, such as missing chunks."""


class _Derived:
    """What follows from the axes, shape and dtype of any `ImageSource`."""

    @property
    def channel_axis(self: ImageSource) -> int | None:
        return self.axes.index("C") if "C" in self.axes else None

    @property
    def n_channels(self: ImageSource) -> int:
        axis = self.channel_axis
        return 1 if axis is None else self.shape[axis]

    @property
    def raw_bytes(self: ImageSource) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


@dataclass(frozen=True)
class Image(_Derived):
    """An `ImageSource` with all samples in memory.

    Attributes
    ----------
    data
        Array of 1 to 5 axes; one of `DTYPES` or, to be stored exactly, of `LOSSLESS_DTYPES`.
    axes, meta, source, remarks, labels, windows
        As in `ImageSource`.
    """

    data: np.ndarray
    axes: str
    meta: Metadata = field(default_factory=Metadata)
    source: str | None = None
    remarks: tuple[str, ...] = ()
    labels: bool | None = None
    windows: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "axes", check_axes(self.axes, self.data.shape, file=self.source))

    @property
    def shape(self) -> tuple[int, ...]:
        """Samples along each axis."""
        return self.data.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the samples, in the byte order of `data`; `read` gives them in the machine's."""
        return self.data.dtype

    @property
    def block(self) -> None:
        """None: all regions cost the same."""

    def read(self, region: Region) -> np.ndarray:
        """See `ImageSource.read`."""
        return native(self.data[check_region(region, self.shape, self.source)])

    def late_remarks(self) -> tuple[str, ...]:
        """None: all samples are here."""
        return ()

    def each_channel(self) -> list[np.ndarray]:
        """The samples of every channel, without the C axis; of an image without one, all."""
        c = self.channel_axis
        if c is None:
            return [self.data]
        return [self.data.take(i, axis=c) for i in range(self.n_channels)]

    def load(self) -> Image:
        """The image itself."""
        return self

    def with_data(self, data: np.ndarray) -> Image:
        """The same axes and metadata around other samples of the same shape."""
        return replace(self, data=data)


@dataclass(frozen=True)
class LazyImage(_Derived):
    """An `ImageSource` whose samples are read from the file when they are asked for.

    It holds the file open: close it, or use it in a ``with`` statement.

    Attributes
    ----------
    axes, shape, dtype, meta, source, remarks, labels, block, windows
        As in `ImageSource`; `dtype` is in native byte order.
    reader
        Gives the samples of a region that is known to be sound; threads may call it at once.
    closer
        Closes the file; a second call does nothing.
    noticed
        Gives the late remarks.
    images
        Numbers of all images in its file, as readers count them; thumbnails and labels of slides
        are none.
    files
        The files of an image that lies in several, beside each other; none where it lies in one.
    """

    axes: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    reader: Callable[[Region], np.ndarray]
    meta: Metadata = field(default_factory=Metadata)
    source: str | None = None
    remarks: tuple[str, ...] = ()
    labels: bool | None = None
    closer: Callable[[], object] = lambda: None
    noticed: Callable[[], tuple[str, ...]] = tuple
    block: tuple[int, ...] | None = None
    windows: tuple[tuple[float, float], ...] = ()
    images: tuple[int, ...] = (0,)
    files: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "axes", check_axes(self.axes, self.shape, file=self.source))
        object.__setattr__(self, "dtype", np.dtype(self.dtype).newbyteorder("="))

    def read(self, region: Region) -> np.ndarray:
        """See `ImageSource.read`."""
        return native(self.reader(check_region(region, self.shape, self.source)))

    def late_remarks(self) -> tuple[str, ...]:
        """See `ImageSource.late_remarks`."""
        return self.noticed()

    def load(self) -> Image:
        """The whole image in memory.

        Raises
        ------
        InputError
            It does not fit into memory, or cannot be read.
        """
        check_memory(self.shape, self.dtype, self.source)
        data = self.read(tuple(slice(0, n) for n in self.shape))
        remarks = (*self.remarks, *self.late_remarks())
        said = (self.meta, self.source, remarks, self.labels, self.windows)
        return Image(data, self.axes, *said)

    def close(self) -> None:
        """Close the file; nothing can be read after that."""
        self.closer()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


_Source = TypeVar("_Source", bound=ImageSource)


def check_image(image: _Source, *, lossless: bool = False) -> _Source:
    """An image that can be compressed; an `Image` comes back in native byte order.

    Of a source that is no `Image` the samples are not read: whoever reads them calls `need_finite`
    unless they are stored exactly.

    Parameters
    ----------
    lossless
        Whether its samples will be stored exactly, which takes more types, NaN and infinity too.

    Raises
    ------
    InputError
        Empty array, unsupported dtype (the message names the conversion), NaN or infinity where
        they cannot be kept, names of other channels than there are, metadata that no file can hold
        (`check_metadata`).
    """
    if 0 in image.shape:
        raise InputError(
            "the image has no samples",
            file=image.source,
            field="shape",
            expected="every axis ≥ 1",
            got=image.shape,
            fix="check how the image was cropped or exported",
        )
    dtypes = LOSSLESS_DTYPES if lossless else DTYPES
    if image.dtype.name not in dtypes:
        raise InputError(
            "this sample type cannot be compressed",
            file=image.source,
            field="dtype",
            expected=" or ".join(dtypes),
            got=image.dtype.name,
            fix=conversion(image.dtype),
        )
    if len(image.meta.channels) not in (0, image.n_channels):
        raise InputError(
            "the names of channels are not as many as the channels",
            file=image.source,
            field="meta.channels",
            expected=f"{image.n_channels}, or none",
            got=len(image.meta.channels),
            fix="give the image the channels that were kept",
        )
    check_metadata(image.meta, image.source)
    if not isinstance(image, Image):
        return image
    if not lossless:
        need_finite(image.data, image.axes, file=image.source)
    native = image.dtype.newbyteorder("=")
    return cast(_Source, image.with_data(image.data.astype(native, copy=False)))
