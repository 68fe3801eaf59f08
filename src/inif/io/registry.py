"""Which reader or writer takes a file: by what it holds for reading, by its name for writing.

Names of microscope files lie (".tif" that is a PNG, ".lsm" that is a TIFF), first bytes do not.
"""

from __future__ import annotations

import os
import re
import warnings
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from inif.config import ProgressEvent
from inif.errors import InputError, MissingFileError, RemarkWarning
from inif.image import Image, ImageSource, LazyImage
from inif.io.common import guarded, reading
from inif.io.location import Location, is_pattern, location_of
from inif.outputs import ZARR_MARKERS, check_target


@dataclass(frozen=True)
class _Reader:
    """A kind of file that can be read.

    Attributes
    ----------
    kind
        Its name here.
    module
        Has ``open_file(location, kind, axes, scene)``, which gives a `LazyImage`.
    magic
        A pattern of a file's first bytes; none for what `detect` knows by the files in it.
    """

    kind: str
    module: str
    magic: bytes | None = None


@dataclass(frozen=True)
class _Writer:
    """A kind of file that can be written.

    Attributes
    ----------
    kind
        Its name here.
    module
        Has ``write``, ``unkept`` and ``check``.
    suffixes
        Of names that ask for it.
    """

    kind: str
    module: str
    suffixes: tuple[str, ...]


READERS = (
    _Reader("tiff", "inif.io.tiff", rb"II[*+]\0|MM\0[*+]"),
    _Reader("png", "inif.io.png", rb"\x89PNG\r\n\x1a\n"),
    _Reader("npy", "inif.io.npy", rb"\x93NUMPY"),
    _Reader("npz", "inif.io.npy", rb"PK(\x03\x04|\x05\x06)"),
    _Reader("zarr", "inif.io.ome_zarr"),
    _Reader("zarr-zip", "inif.io.ome_zarr"),
    _Reader("czi", "inif.io.bio", rb"ZISRAWFILE"),
    _Reader("nd2", "inif.io.bio", rb"\xda\xce\xbe\n"),
    _Reader("lif", "inif.io.bio", rb"\x70\0\0\0.{4}\*"),
    _Reader("planes", "inif.io.planes"),
)
WRITERS = (
    _Writer("ome-tiff", "inif.io.tiff_write", (".ome.tif", ".ome.tiff", ".tif", ".tiff")),
    _Writer("ome-zarr", "inif.io.ome_zarr_write", (".ome.zarr", ".zarr")),
    _Writer("npy", "inif.io.npy", (".npy",)),
    _Writer("png", "inif.io.png", (".png",)),
)
_READABLE = "TIFF, OME-TIFF, OME-Zarr or Zarr (also zipped), NPY, NPZ, PNG, CZI, ND2 or LIF"
_HINTS = (
    (b"\x89INIF", "this is an .inif file: decompress it, or open it with inif.open"),
    (b"\x89HDF", "export it as OME-TIFF or OME-Zarr"),
    (b"<?xml", "name the TIFF file that belongs to this description"),
    (b"\xff\xd8\xff", "JPEG has lost detail already; take the original image"),
)


def open_image(
    path: str | os.PathLike[str], *, axes: str | None = None, scene: int = 0
) -> LazyImage:
    """Open an image of any supported format, chosen by its content; samples are read on request.

    Parameters
    ----------
    path
        A file, a Zarr directory, or a URL of either (``http://``, ``s3://``, ``memory://``, …); or
        a pattern of names of files, such as ``planes/img_z{z}.tif`` (see `inif.io.planes`).
    axes
        One letter of "TCZYX" per axis of the stored array, of a pattern per axis of each file.
        Needed where the file does not name them (NPY, NPZ, plain Zarr, plain multi-page TIFF);
        wins where it does.
    scene
        Number of the image in files with several (TIFF series, CZI scenes, OME-Zarr images).

    Returns
    -------
    LazyImage
        Samples as they are stored, any dtype; `inif.image.check_image` says which can be
        compressed. It holds the file open until it is closed.

    Raises
    ------
    InputError
        No such file, no supported format, damaged, incomplete, or no part of it fits into memory.
    AxesError
        The axes are not known.
    MissingExtraError
        The format or the URL needs an optional package.
    """
    location = location_of(path)
    kind = detect(location.path)
    (module,) = (r.module for r in READERS if r.kind == kind)
    image: LazyImage = import_module(module).open_file(location, kind, axes, scene)
    return image


def read_image(path: str | os.PathLike[str], *, axes: str | None = None, scene: int = 0) -> Image:
    """As `open_image`, but with all samples in memory.

    Raises
    ------
    InputError
        As there, or the image is too large for the memory.
    """
    with open_image(path, axes=axes, scene=scene) as image:
        name = image.source or ""
        with guarded(name, "this image cannot be read", "export it again"):
            return image.load()


def write_image(
    image: ImageSource,
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    progress: Callable[[ProgressEvent], None] | None = None,
) -> None:
    """Write an image in the format that the name's suffix says (see `output_format`).

    Samples are read and written region by region, so that memory does not grow with the image (of
    PNG, which holds one plane, this plane is held). OME-TIFF and OME-Zarr get smaller levels of
    planes that are longer than 512 samples. The file appears whole or not at all.

    Parameters
    ----------
    image
        An image in memory, or one whose samples are read or decoded on request.
    progress
        Called with `inif.config.ProgressEvent`s of stage "write"; what it raises ends the work.

    Raises
    ------
    InputError
        Unknown suffix, an image that the format cannot hold, an existing target without
        `overwrite`, or a failing disk.

    Warns
    -----
    RemarkWarning
        What the image's metadata say and this format cannot hold.
    """
    kind = check_output(
        path, shape=image.shape, axes=image.axes, dtype=image.dtype, overwrite=overwrite
    )
    module = _writing(kind)
    module.write(image, os.fspath(path), overwrite=overwrite, progress=progress)
    for remark in module.unkept(image):
        warnings.warn(remark, RemarkWarning, stacklevel=2)


def output_format(path: str | os.PathLike[str]) -> str:
    """The output format of a file name: "ome-tiff", "ome-zarr", "npy" or "png".

    Raises
    ------
    InputError
        No supported suffix, or a URL.
    """
    location = location_of(path)
    if location.remote:
        raise InputError("images are written to local files only", file=location.name)
    name = os.path.basename(location.path.rstrip("/")).lower()
    for writer in WRITERS:
        if any(name.endswith(suffix) and name != suffix for suffix in writer.suffixes):
            return writer.kind
    raise InputError(
        "this output format is not supported",
        file=location.path,
        field="suffix",
        expected=", ".join(suffix for writer in WRITERS for suffix in writer.suffixes),
        got=os.path.splitext(name)[1] or "none",
    )


def check_output(
    path: str | os.PathLike[str],
    *,
    shape: Sequence[int] | None = None,
    axes: str = "",
    dtype: np.dtype[Any] | str | None = None,
    overwrite: bool = False,
) -> str:
    """`output_format`, after checking all that can be known before the samples exist.

    `shape`, `axes` and `dtype` of the image to come are checked against what the format can hold.

    Raises
    ------
    InputError
        See `write_image`.
    """
    kind = output_format(path)
    check_target(path, overwrite=overwrite)
    if shape is not None and dtype is not None:
        if 0 in shape and kind != "npy":
            raise InputError(
                "there are no samples to write",
                file=os.fspath(path),
                field="shape",
                expected="every axis ≥ 1",
                got=tuple(shape),
            )
        _writing(kind).check(os.fspath(path), tuple(shape), axes, np.dtype(dtype))
    return kind


def detect(path: str | os.PathLike[str]) -> str:
    """The kind of a file or directory: "tiff", "png", "npy", "npz", "zarr", "czi", "nd2", "lif".

    A Zarr store in a ZIP file is "zarr-zip", a pattern of names of files "planes".

    Raises
    ------
    InputError
        There is no such file, or it is none of these.
    """
    location = location_of(path)
    if is_pattern(location.path):
        return "planes"
    if location.remote or os.path.isdir(location.path):
        with guarded(location.name, "this cannot be read", "check the address and the permissions"):
            if any(location.holds(marker) for marker in ZARR_MARKERS):
                return "zarr"
        if not location.remote:
            raise _unknown(location, "a directory without zarr.json, .zattrs, .zgroup or .zarray")
    try:
        with guarded(location.name, "this cannot be read", "check the path and the permissions"):
            head = location.head(64)
    except InputError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            raise MissingFileError(
                "there is no such file", file=location.name, fix="check the path"
            ) from None
        raise
    for reader in READERS:
        if reader.magic and re.match(reader.magic, head, re.DOTALL):
            return _zip_kind(location) if reader.kind == "npz" else reader.kind
    raise _unknown(
        location, f"a file that starts with {head[:8]!r}" if head else "an empty file", head
    )


def _writing(kind: str) -> Any:
    (module,) = (w.module for w in WRITERS if w.kind == kind)
    return import_module(module)


def _zip_kind(location: Location) -> str:
    """What a ZIP file holds: "zarr-zip", or "npz" for anything else."""
    with (
        reading(location.name, "ZIP file"),
        location.open() as file,
        zipfile.ZipFile(file) as archive,
    ):
        names = (name.rpartition("/")[2] for name in archive.namelist())
        return "zarr-zip" if any(name in ZARR_MARKERS for name in names) else "npz"


def _unknown(location: Location, got: str, head: bytes = b"") -> InputError:
    fix = next((hint for magic, hint in _HINTS if head.startswith(magic)), None)
    return InputError(
        "this is not an image that can be read",
        file=location.name,
        expected=_READABLE,
        got=got,
        fix=fix or "export it as OME-TIFF or OME-Zarr",
    )
