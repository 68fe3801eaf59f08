"""An image as the rest of inif sees it: samples, named axes, and the metadata that must survive.

An `ImageSource` gives its samples region by region. There are two: a `LazyImage` reads them from
its file when they are asked for, an `Image` holds all of them in memory. Nothing here knows a file
format.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, Self, TypeVar, cast

import numpy as np

from inif.axes import check_axes
from inif.errors import InputError, SelectionError
from inif.metadata import Channel as Channel
from inif.metadata import Metadata as Metadata
from inif.metadata import check_metadata

Region = tuple[slice, ...]
"""A box of samples: one slice per axis, with a start, a stop and no step."""

DTYPES = ("uint8", "uint16", "int16", "float32")
"""Sample types that lossy methods take."""

LOSSLESS_DTYPES = (
    "bool",
    *("uint8", "uint16", "uint32", "uint64"),
    *("int8", "int16", "int32", "int64"),
    *("float16", "float32", "float64"),
)
"""Sample types that can be stored exactly."""

BOUNDED_DTYPES = (
    *("uint8", "uint16", "uint32", "int8", "int16", "int32"),
    *("float16", "float32", "float64"),
)
"""Sample types that a latent field with corrections takes."""

LOSSLESS_FIX = "store the samples exactly with --lossless (lossless=True)"


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
        return _native(self.data[check_region(region, self.shape, self.source)])

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
        return _native(self.reader(check_region(region, self.shape, self.source)))

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


def check_region(region: Region, shape: Sequence[int], file: str | None = None) -> Region:
    """The region, with whole numbers for every start and stop.

    Raises
    ------
    SelectionError
        It has another number of axes, a step, or lies outside the image.
    """
    if len(region) == len(shape) and all(s.step in (None, 1) for s in region):
        ends = [
            (s.start or 0, n if s.stop is None else s.stop)
            for s, n in zip(region, shape, strict=True)
        ]
        if all(0 <= a <= b <= n for (a, b), n in zip(ends, shape, strict=True)):
            return tuple(slice(int(a), int(b)) for a, b in ends)
    raise SelectionError(
        "this is no region of the image",
        file=file,
        field="region",
        expected=f"one slice per axis, without steps, within {tuple(shape)}",
        got=region,
    )


def _native(samples: np.ndarray) -> np.ndarray:
    """The samples in native byte order and C-contiguous: themselves, if they are so already."""
    return np.ascontiguousarray(samples, samples.dtype.newbyteorder("="))


def check_memory(shape: Sequence[int], dtype: np.dtype[Any], file: str | None) -> None:
    """Refuse an array that is larger than the memory of this machine, before it is allocated.

    Raises
    ------
    InputError
        The array cannot fit.
    """
    need = math.prod(int(n) for n in shape) * dtype.itemsize
    try:
        have = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        have = 1 << 48
    if need > have:
        raise InputError(
            "this image does not fit into memory",
            file=file,
            field="shape",
            expected=f"at most {have} bytes",
            got=f"{need} bytes, shape {tuple(shape)}, {dtype}",
            fix="crop it, or use a machine with more memory",
        )


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
            fix=_conversion(image.dtype),
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


def need_finite(samples: np.ndarray, axes: str, first: int = 0, *, file: str | None = None) -> None:
    """Refuse samples that are no finite numbers, which only exact storage keeps.

    Parameters
    ----------
    samples
        A region of an image, one axis per letter of `axes`; of integers there is nothing to check.
    first
        Where the region starts along its first axis, for the message.

    Raises
    ------
    InputError
        NaN or infinity; the message names the first index along the first axis that has some.
    """
    if samples.dtype.kind != "f":
        return
    for index, part in enumerate(samples):
        if not np.isfinite(part).all():
            raise InputError(
                "the image holds NaN or infinite samples",
                file=file,
                field=f"{axes[0]}={first + index}",
                expected="finite numbers",
                got="NaN or infinity",
                fix=f"replace them, for instance with numpy.nan_to_num, or {LOSSLESS_FIX}",
            )


def scale_of(value_range: tuple[float, float]) -> float:
    """What errors are divided by: max - min, or 1 for a constant channel."""
    size = value_range[1] - value_range[0]
    return size if size > 0 else 1.0


def _conversion(dtype: np.dtype[Any]) -> str:
    if dtype.kind == "b":
        return f"{LOSSLESS_FIX}, or convert with image.astype('uint8')"
    if dtype.name in LOSSLESS_DTYPES and dtype.kind == "f":
        return f"convert with image.astype('float32'), or {LOSSLESS_FIX}"
    if dtype.kind in "iu":
        return (
            "convert with image.astype('uint16') if all values lie in 0…65535, "
            "else image.astype('float32') (exact up to 2**24); "
            f"for labels {LOSSLESS_FIX}"
        )
    if dtype.kind == "f":
        return "convert with image.astype('float64') and store it with --lossless"
    if dtype.kind == "c":
        return "compress numpy.abs(image) and numpy.angle(image) as float32 images of their own"
    return "convert to one of the supported sample types"
