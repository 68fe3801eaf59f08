"""PNG: one plane, for looking at; greyscale or colour with 8 or 16 bits, no metadata.

The header is read here first: it says how large the picture unpacks, and deflate cannot shrink
more than 1032-fold, so a bomb is known before a byte is unpacked.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from inif.errors import InputError
from inif.image import Channel, ImageSource, LazyImage, Metadata, check_memory
from inif.io.common import (
    only_scene,
    reading,
    replacing,
    rgb_channels,
    unkept_metadata,
)
from inif.io.location import Location
from inif.io.pyramid import Progress
from inif.io.samples import Whole, build

_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # colour type → samples per pixel as stored
MAX_FILE = 1 << 31
"""Longest PNG file that is read, in bytes."""


def open_file(location: Location, kind: str, axes: str | None, scene: int) -> LazyImage:
    """Samples, axes "YX", or "YXC" with the channels R, G, B(, A); palettes become R, G, B.

    Raises
    ------
    InputError
        Damaged, or a header that says more than the file can hold.
    AxesError
        `axes` does not fit.
    """
    only_scene(scene, 1, location.name)
    with reading(location.name, "PNG file"):
        import imagecodecs

        with location.open() as file:
            packed = file.read(MAX_FILE)
        _check_header(packed, location.name)
        data: np.ndarray = imagecodecs.png_decode(packed)
    if data.ndim == 2:
        return build(Whole(data), "PNG file", "YX", axes, Metadata(), location.name)
    grey = (Channel("grey"), Channel("A"))
    channels = rgb_channels(data.shape[-1]) or grey
    meta = Metadata(channels=channels)
    return build(Whole(data), "PNG file", "YXC", axes, meta, location.name)


def write(
    image: ImageSource, path: str, *, overwrite: bool, progress: Progress | None = None
) -> None:
    """One plane as greyscale, or 3 or 4 channels of uint8 as RGB(A); length-1 axes are dropped.

    Raises
    ------
    InputError
        More than one plane, or a sample type that PNG does not have.
    """
    import imagecodecs

    axes = _plane(path, image.shape, image.axes, image.dtype)
    order = [image.axes.index(a) for a in axes]
    rest = [i for i in range(len(image.shape)) if i not in order]
    data = image.read(tuple(slice(0, n) for n in image.shape))
    data = data.transpose([*rest, *order]).reshape([image.shape[i] for i in order])
    data = np.ascontiguousarray(np.atleast_2d(data))
    with replacing(path, overwrite=overwrite) as temporary, open(temporary, "xb") as file:
        file.write(imagecodecs.png_encode(data))


def unkept(image: ImageSource) -> list[str]:
    """Remarks on what PNG cannot hold of an image."""
    return unkept_metadata(image, "PNG")


def check(path: str, shape: tuple[int, ...], axes: str, dtype: np.dtype[Any]) -> None:
    """Whether PNG can hold such an image; InputError if not."""
    _plane(path, shape, axes, dtype)


def _plane(path: str, shape: tuple[int, ...], axes: str, dtype: np.dtype[Any]) -> str:
    """The axes of the picture, rows first: those longer than 1, filled up with Y and X."""
    if dtype.name not in ("uint8", "uint16"):
        raise InputError(
            "PNG cannot hold this sample type",
            file=path,
            field="dtype",
            expected="uint8 or uint16",
            got=dtype,
            fix="write .ome.tif, .ome.zarr or .npy",
        )
    kept = [a for a, n in zip(axes, shape, strict=True) if n > 1]
    colour = "C" in kept and shape[axes.index("C")] in (3, 4) and len(kept) > 1
    colour = colour and dtype.name == "uint8"
    plane = [a for a in kept if not (colour and a == "C")]
    if len(plane) > 2:
        raise InputError(
            "PNG holds a single plane",
            file=path,
            field="shape",
            expected="two axes longer than 1 (and 3 or 4 channels, if uint8)",
            got=f"{axes}, {tuple(shape)}",
            fix='choose a slice, for instance --region "z=0"; or write .ome.tif',
        )
    spare = [a for a in (*"YXZTC",) if a in axes and a not in plane and not (colour and a == "C")]
    plane = (plane + spare)[:2]
    in_order = [a for a in axes if a in plane]
    if {"Y", "X"} == set(in_order):
        in_order = ["Y", "X"]
    return "".join(in_order) + ("C" if colour else "")


def _check_header(packed: bytes, name: str) -> None:
    if len(packed) < 33 or packed[12:16] != b"IHDR":
        raise InputError("this PNG file is damaged", file=name, field="IHDR", got="no header")
    width, height, bits, colour = struct.unpack(">IIBB", packed[16:26])
    if colour not in _SAMPLES or bits not in (1, 2, 4, 8, 16) or not width or not height:
        raise InputError("this PNG file is damaged", file=name, field="IHDR")
    row = (width * _SAMPLES[colour] * bits + 7) // 8
    if row * height > 1032 * len(packed):
        raise InputError(
            "this PNG file says that it is larger than it can be",
            file=name,
            field="IHDR",
            expected=f"at most {1032 * len(packed)} bytes unpacked",
            got=f"{width} × {height} pixels, {row * height} bytes",
        )
    samples = 4 if colour == 3 else _SAMPLES[colour]
    check_memory((height, width, samples), np.dtype("uint16" if bits == 16 else "uint8"), name)
