"""Which reader or writer takes a file: by what it holds for reading, by its name for writing.

Names of microscope files lie (".tif" that is a PNG, ".lsm" that is a TIFF), first bytes do not.
"""

from __future__ import annotations

import os
import warnings
import zipfile
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

import numpy as np

from inif.errors import InputError, RemarkWarning
from inif.image import Image, LazyImage
from inif.io.common import Source, guarded, reading, source_of
from inif.outputs import ZARR_MARKERS, check_target

_MAGIC: tuple[tuple[str, int, bytes], ...] = (
    ("tiff", 0, b"II*\x00"),
    ("tiff", 0, b"MM\x00*"),
    ("tiff", 0, b"II+\x00"),
    ("tiff", 0, b"MM\x00+"),
    ("png", 0, b"\x89PNG\r\n\x1a\n"),
    ("npy", 0, b"\x93NUMPY"),
    ("npz", 0, b"PK\x03\x04"),
    ("npz", 0, b"PK\x05\x06"),
    ("czi", 0, b"ZISRAWFILE"),
    ("nd2", 0, b"\xda\xce\xbe\n"),
    ("lif", 0, b"\x70\x00\x00\x00"),
)
_READERS = {
    "tiff": "inif.io.tiff",
    "png": "inif.io.png",
    "npy": "inif.io.npy",
    "npz": "inif.io.npy",
    "zarr": "inif.io.ome_zarr",
    "zarr-zip": "inif.io.ome_zarr",
    "czi": "inif.io.bio",
    "nd2": "inif.io.bio",
    "lif": "inif.io.bio",
}
_SUFFIXES = {
    ".ome.tif": "ome-tiff",
    ".ome.tiff": "ome-tiff",
    ".tif": "ome-tiff",
    ".tiff": "ome-tiff",
    ".ome.zarr": "ome-zarr",
    ".zarr": "ome-zarr",
    ".npy": "npy",
    ".png": "png",
}
_WRITERS = {
    "ome-tiff": "inif.io.tiff",
    "ome-zarr": "inif.io.ome_zarr_write",
    "npy": "inif.io.npy",
    "png": "inif.io.png",
}
_READABLE = "TIFF, OME-TIFF, OME-Zarr or Zarr (also zipped), NPY, NPZ, PNG, CZI, ND2 or LIF"
_HINTS = (
    (b"\x89INIF", "this is an .inif file: decompress it, or open it with inif.open"),
    (b"\x89HDF", "export it as OME-TIFF or OME-Zarr"),
    (b"<?xml", "name the TIFF file that belongs to this description"),
    (b"\xff\xd8\xff", "JPEG has lost detail already; take the original image"),
)


def read_image(path: str | os.PathLike[str], *, axes: str | None = None, scene: int = 0) -> Image:
    """Read an image of any supported format, chosen by its content.

    Parameters
    ----------
    path
        A file, a Zarr directory, or a URL of either (``http://``, ``s3://``, ``memory://``, …).
    axes
        One letter of "TCZYX" per axis of the stored array. Needed where the file does not name
        them (NPY, NPZ, plain Zarr, plain multi-page TIFF); wins where it does.
    scene
        Number of the image in files with several (TIFF series, CZI scenes, OME-Zarr images).

    Returns
    -------
    Image
        Samples as they are stored, any dtype; `inif.image.check_image` says which can be
        compressed.

    Raises
    ------
    InputError
        No such file, no supported format, damaged, incomplete, or too large for the memory.
    AxesError
        The axes are not known.
    MissingExtraError
        The format or the URL needs an optional package.
    """
    source = source_of(path)
    kind = detect(source.path)
    reader: Callable[[Source, str, str | None, int], Image] = import_module(_READERS[kind]).read
    return reader(source, kind, axes, scene)


def open_image(
    path: str | os.PathLike[str], *, axes: str | None = None, scene: int = 0
) -> LazyImage:
    """As `read_image`, but samples are read from the file when they are asked for."""
    image = read_image(path, axes=axes, scene=scene)
    return LazyImage(
        image.axes,
        image.shape,
        image.dtype,
        lambda region: image.data[region],
        image.meta,
        image.source,
        image.remarks,
        image.labels,
    )


def write_image(image: Image, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Write an image in the format that the name's suffix says (see `output_format`).

    The file appears whole or not at all.

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
        path, shape=image.data.shape, axes=image.axes, dtype=image.data.dtype, overwrite=overwrite
    )
    module = import_module(_WRITERS[kind])
    module.write(image, os.fspath(path), overwrite=overwrite)
    for remark in module.unkept(image):
        warnings.warn(remark, RemarkWarning, stacklevel=2)


def output_format(path: str | os.PathLike[str]) -> str:
    """The output format of a file name: "ome-tiff", "ome-zarr", "npy" or "png".

    Raises
    ------
    InputError
        No supported suffix, or a URL.
    """
    source = source_of(path)
    if source.remote:
        raise InputError("images are written to local files only", file=source.name)
    name = os.path.basename(source.path.rstrip("/")).lower()
    for suffix, kind in _SUFFIXES.items():
        if name.endswith(suffix) and name != suffix:
            return kind
    raise InputError(
        "this output format is not supported",
        file=source.path,
        field="suffix",
        expected=", ".join(_SUFFIXES),
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
        module = import_module(_WRITERS[kind])
        module.check(os.fspath(path), tuple(shape), axes, np.dtype(dtype))
    return kind


def detect(path: str | os.PathLike[str]) -> str:
    """The kind of a file or directory: "tiff", "png", "npy", "npz", "zarr", "czi", "nd2", "lif".

    A Zarr store in a ZIP file is "zarr-zip".

    Raises
    ------
    InputError
        There is no such file, or it is none of these.
    """
    source = source_of(path)
    if source.remote or os.path.isdir(source.path):
        with guarded(source.name, "this cannot be read", "check the address and the permissions"):
            if any(source.holds(marker) for marker in ZARR_MARKERS):
                return "zarr"
        if not source.remote:
            raise _unknown(source, "a directory without zarr.json, .zattrs, .zgroup or .zarray")
    try:
        with guarded(source.name, "this cannot be read", "check the path and the permissions"):
            head = source.head(64)
    except InputError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            raise InputError(
                "there is no such file", file=source.name, fix="check the path"
            ) from None
        raise
    for kind, offset, magic in _MAGIC:
        if head[offset : offset + len(magic)] == magic and (kind != "lif" or head[8:9] == b"*"):
            return _zip_kind(source) if kind == "npz" else kind
    raise _unknown(
        source, f"a file that starts with {head[:8]!r}" if head else "an empty file", head
    )


def _zip_kind(source: Source) -> str:
    """What a ZIP file holds: "zarr-zip", or "npz" for anything else."""
    with reading(source.name, "ZIP file"), source.open() as file, zipfile.ZipFile(file) as archive:
        names = (name.rpartition("/")[2] for name in archive.namelist())
        return "zarr-zip" if any(name in ZARR_MARKERS for name in names) else "npz"


def _unknown(source: Source, got: str, head: bytes = b"") -> InputError:
    fix = next((hint for magic, hint in _HINTS if head.startswith(magic)), None)
    return InputError(
        "this is not an image that can be read",
        file=source.name,
        expected=_READABLE,
        got=got,
        fix=fix or "export it as OME-TIFF or OME-Zarr",
    )
