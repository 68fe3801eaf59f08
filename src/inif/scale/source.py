"""Where the samples of an array come from: sources that travel to workers and are opened there.

A source holds names only, so that it pickles to a few bytes. What it names is opened by the first
read in a process and stays open there for those that follow; the few that were used last are kept.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

import numpy as np

from inif.errors import InputError, SelectionError
from inif.image import LazyImage, Region, check_region, native
from inif.io.common import OPENING, planes_last, reading
from inif.io.location import location_of

if TYPE_CHECKING:
    from inif.io.ome_zarr_store import Watched
    from inif.io.samples import Blocks

_KEPT = 2
"""Inputs that a process keeps open at once."""

_BLOCKS = 160 << 20
"""Bytes of decoded chunks that each of them holds: four of 64 × 512 × 512 samples of 16 bits.

So each chunk is decoded once where all planes of a place are read before those of the next one."""


_LARGEST = 1 << 30
"""Largest file that is copied out of a ZIP file, or from a web server, in bytes."""


class ArraySource(Protocol):
    """What gives the samples of an array; it can be pickled."""

    def read(self, region: Region) -> np.ndarray:
        """The samples of a region, which several threads may ask for at once.

        Parameters
        ----------
        region
            One slice per axis, with 0 ≤ start ≤ stop ≤ length, and step 1 or None.

        Returns
        -------
        np.ndarray
            Shape of the region; native byte order and C-contiguous. Do not write to it.

        Raises
        ------
        SelectionError
            The region is not of this form.
        InputError
            The samples cannot be read; the message names array and region.
        """


@dataclass(frozen=True)
class StoreFile:
    """A file of a Zarr store that is no sample.

    Attributes
    ----------
    store
        Path or URL of the store.
    key
        Of the file in it.
    zipped
        Whether the store lies in a ZIP file.
    """

    store: str
    key: str
    zipped: bool = False

    def read(self) -> bytes:
        """The file, whole.

        Raises
        ------
        InputError
            It is not there any more, or cannot be read.
        """
        from inif.io.ome_zarr_store import read_value

        value = read_value(_store(self.store, self.zipped), self.key, _LARGEST)
        if value is None:
            raise InputError(
                "a file of the input is gone", file=location_of(self.store).name, field=self.key
            )
        return value


@dataclass(frozen=True)
class Text:
    """A file that is made: see `StoreFile`.

    Attributes
    ----------
    text
        What it holds.
    """

    text: str

    def read(self) -> bytes:
        """The file, whole, in UTF-8."""
        return self.text.encode()


@dataclass(frozen=True)
class ZarrSource:
    """An array of a Zarr store: version 2 or 3, local, in a ZIP file, or behind a URL.

    Chunks that are not in the store read as the fill value.

    Attributes
    ----------
    store
        Path or URL of the store.
    path
        Of the array in it; "" is the root.
    zipped
        Whether the store lies in a ZIP file.
    """

    store: str
    path: str
    zipped: bool = False

    def read(self, region: Region) -> np.ndarray:
        """See `ArraySource.read`."""
        with OPENING:
            opened = _opened(self.store, self.path, self.zipped)
        with _named(self.path, region):
            return native(opened.read(region))


@dataclass(frozen=True)
class FileSource:
    """An image of any file that `inif.io.open_image` reads, with its axes in OME's order.

    Attributes
    ----------
    file, axes, scene
        As `inif.io.open_image` takes them.
    """

    file: str
    axes: str | None = None
    scene: int = 0

    def read(self, region: Region) -> np.ndarray:
        """See `ArraySource.read`."""
        with OPENING:
            image = _image(self.file, self.axes, self.scene)
        with _named("", region):
            return image.read(region)


class _Opened:
    """An array of a store, open for reading."""

    def __init__(self, store: str, path: str, zipped: bool) -> None:
        from inif.io.ome_zarr_series import node_at
        from inif.io.ome_zarr_store import open_store, samples

        location = location_of(store)
        self.name = location.name
        watched = open_store(location, zipped=zipped)
        weakref.finalize(self, watched.close)
        with reading(self.name, "Zarr store"):
            array = node_at(watched, path)
            if not hasattr(array, "dtype"):
                raise InputError(
                    "an array of the input is gone", file=self.name, field=path or "the root"
                )
            self.samples: Blocks = samples(array, watched, self.name, keep=_BLOCKS)

    def read(self, region: Region) -> np.ndarray:
        region = check_region(region, self.samples.shape, self.name)
        return self.samples(region)


@lru_cache(maxsize=_KEPT)
def _opened(store: str, path: str, zipped: bool) -> _Opened:
    return _Opened(store, path, zipped)


@lru_cache(maxsize=_KEPT)
def _image(file: str, axes: str | None, scene: int) -> LazyImage:
    from inif.io.registry import open_image

    return planes_last(open_image(file, axes=axes, scene=scene), "TCZYX")


@lru_cache(maxsize=1)
def _store(store: str, zipped: bool) -> Watched:
    from inif.io.ome_zarr_store import open_store

    return open_store(location_of(store), zipped=zipped)


def forget() -> None:
    """Close, once nobody reads from them, all inputs that this process has open."""
    _opened.cache_clear()
    _image.cache_clear()
    _store.cache_clear()


@contextlib.contextmanager
def _named(array: str, region: Region) -> Iterator[None]:
    """Say of a sample that cannot be read in which array and region it is."""
    try:
        yield
    except SelectionError:
        raise
    except InputError as error:
        place = ", ".join(f"{s.start}:{s.stop}" for s in region)
        where = f"array {array}, region {place}" if array else f"region {place}"
        raise InputError(
            error.problem,
            file=error.file,
            field=f"{where}, chunk {error.field}" if error.field else where,
            expected=error.expected,
            got=error.got,
            fix=error.fix,
        ) from error
