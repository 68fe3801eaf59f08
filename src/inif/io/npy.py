"""NPY and NPZ: samples only, so the axes must come from the user, even for a plane.

Never unpickles. A header is believed only as far as the file is long.
"""

from __future__ import annotations

import contextlib
import math
import os
import zipfile
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.lib import format as npy_format

from inif.errors import InputError
from inif.image import ImageSource, LazyImage, Metadata, Region, check_memory
from inif.io.common import (
    only_scene,
    reading,
    replacing,
    unkept_metadata,
)
from inif.io.location import Location
from inif.io.pyramid import PART, Progress, fill
from inif.io.samples import Run, Samples, Turned, Whole, build

MAX_HEADER = 10_000
"""Longest NPY header that is read, in bytes (NumPy's own bound for files it does not trust)."""


def open_file(location: Location, kind: str, axes: str | None, scene: int) -> LazyImage:
    """The array of an NPY file, or the only array of an NPZ file, which is read whole.

    Raises
    ------
    InputError
        Object arrays, a header that does not fit the file, or several arrays in an NPZ.
    AxesError
        `axes` is missing or does not fit.
    """
    only_scene(scene, 1, location.name)
    what = f"{kind.upper()} file"
    with reading(location.name, what), contextlib.ExitStack() as stack:
        file = stack.enter_context(location.open())
        if kind == "npz":
            return build(
                _from_zip(file, location.name), what, None, axes, Metadata(), location.name
            )
        size = file.seek(0, 2)
        file.seek(0)
        samples = _array(file, size, location.name)
        close = stack.pop_all().close
        return build(samples, what, None, axes, Metadata(), location.name, close=close)


def write(
    image: ImageSource, path: str, *, overwrite: bool, progress: Progress | None = None
) -> None:
    """The samples, in the image's own axes; NPY holds no metadata."""
    with replacing(path, overwrite=overwrite) as temporary:
        if 0 in image.shape:
            with open(temporary, "xb") as file:
                npy_format.write_array(file, np.empty(image.shape, image.dtype))
            return
        samples = npy_format.open_memmap(temporary, "w+", image.dtype, image.shape)
        first, count = samples.offset, samples.nbytes
        del samples
        with open(temporary, "r+b") as file:
            _reserve(file, first, count)
        fill(image, [_Mapped(temporary, image.shape)], (1,) * len(image.shape), progress=progress)


def unkept(image: ImageSource) -> list[str]:
    """Remarks on what NPY cannot hold of an image."""
    return unkept_metadata(image, "NPY")


def check(path: str, shape: tuple[int, ...], axes: str, dtype: np.dtype[Any]) -> None:
    """NPY holds every array but those of Python objects."""
    if dtype.hasobject:
        raise InputError("NPY holds no Python objects here", file=path, field="dtype", got=dtype)


class _Mapped:
    """An NPY file of which a part is mapped into memory only while it is read or written."""

    def __init__(self, path: str, shape: tuple[int, ...]) -> None:
        self.shape, self._path = shape, path

    def __setitem__(self, region: Region, samples: np.ndarray) -> None:
        np.load(self._path, mmap_mode="r+")[region] = samples

    def __getitem__(self, region: Region) -> np.ndarray:
        return np.array(np.load(self._path, mmap_mode="r")[region])


def _reserve(file: BinaryIO, first: int, count: int) -> None:
    """Take room on the disk: if it lacks when mapped memory is written, the process is killed."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), first, count)
        return
    file.seek(first)
    for start in range(0, count, PART):
        file.write(bytes(min(PART, count - start)))


def _from_zip(file: BinaryIO, name: str) -> Whole:
    with zipfile.ZipFile(file) as archive:
        members = [m for m in archive.infolist() if m.filename.endswith(".npy")]
        if not members:
            names = [m.filename for m in archive.infolist() if not m.is_dir()]
            raise InputError(
                "this ZIP file holds neither a Zarr store nor an array of NumPy's",
                file=name,
                got=", ".join(names[:20]) or "no files",
                fix="unpack it, and name the image in it",
            )
        if len(members) != 1:
            raise InputError(
                "an NPZ file must hold exactly one array",
                file=name,
                expected="one array",
                got=f"{len(members)}: " + ", ".join(m.filename[:-4] for m in members),
                fix="save the wanted one alone, with numpy.save",
            )
        with archive.open(members[0]) as member:
            samples = _array(cast(BinaryIO, member), members[0].file_size, name)
            check_memory(samples.shape, samples.dtype, name)
            return Whole(samples(tuple(slice(0, n) for n in samples.shape)))


def _array(file: BinaryIO, size: int, name: str) -> Samples:
    version = npy_format.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise InputError(
            "this version of NPY is for structured arrays",
            file=name,
            expected="1.0 or 2.0",
            got=".".join(map(str, version)),
        )
    header = (
        npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
    )
    shape, fortran, dtype = header(file, max_header_size=MAX_HEADER)
    if dtype.hasobject:
        raise InputError(
            "this array holds Python objects, which are never unpickled",
            file=name,
            field="dtype",
            expected="numbers",
            got=dtype,
        )
    count = math.prod(shape)
    if min(shape, default=1) < 0 or file.tell() + count * dtype.itemsize > size:
        raise InputError(
            "the file is shorter than its header says",
            file=name,
            field="shape",
            expected=f"{count * dtype.itemsize} bytes for shape {shape}, {dtype}",
            got=f"{size - file.tell()} bytes",
            fix="get the file again from its source",
        )
    run = Run(file, file.tell(), shape[::-1] if fortran else shape, dtype)
    return Turned(run) if fortran else run
