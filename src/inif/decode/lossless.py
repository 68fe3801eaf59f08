"""Bricks whose samples are stored exactly: nothing is estimated, so nothing may differ.

A brick's samples are one stream of a lossless codec. Every size is known from the header before
anything is allocated, and samples are given out only if their digest is the encoder's. See
docs/format.md, "Lossless".
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from inif.bricks import BrickGrid
from inif.codecs.base import Damaged
from inif.codecs.jpegxl import check_header
from inif.codecs.libraries import missing_imagecodec
from inif.coding.check import Check
from inif.container.reader import Container
from inif.decode.brick import ExactBrick, need_bounded
from inif.decode.check import digest, little_endian
from inif.errors import FormatError, UnsupportedError
from inif.frames import CANON, from_canon, sizes_of

KIND = b"SAMP"
CODECS = ("zstd", "jpegxl")
"""Names of the codecs in the header."""

MAX_BYTES = 1 << 24
"""Most bytes of a brick's samples; its stream is decoded whole."""

HEAD = struct.Struct("<IB")
"""Of a section: digest of the brick (`inif.decode.check`), and how its samples are coded."""

LOWEST = struct.Struct("<Q")
"""Of a picture: what is added to its levels, modulo 2⁶⁴."""

PLAIN, SHUFFLED, PICTURE_8, PICTURE_16 = range(4)
"""How samples are coded: by zstd, the same after a byte shuffle, or as a JPEG XL picture of so many
bits."""


@dataclass(frozen=True)
class LosslessBrick(ExactBrick):
    """A brick's samples, (n1, …) in the image's axes and dtype."""

    samples: np.ndarray

    @property
    def nbytes(self) -> int:
        """Memory that the brick takes."""
        return self.samples.nbytes

    def inputs(self) -> Iterator[bytes]:
        """What its samples follow from besides the header, the same on every machine."""
        yield little_endian(self.samples)

    def in_dtype(self, dtype: type[np.floating[Any]]) -> LosslessBrick:
        """The brick in an arithmetic of its own: there is none."""
        return self

    def grid(self, local: Sequence[np.ndarray]) -> np.ndarray:
        """Samples at the grid of local positions, (n1, …) in the image's axes and dtype."""
        picked: np.ndarray = self.samples[np.ix_(*local)]
        return picked

    def points(self, local: np.ndarray) -> np.ndarray:
        """Samples at (N, D) local positions, which are whole numbers: (N,) of the image's dtype."""
        picked: np.ndarray = self.samples[tuple(local.astype(np.int64).T)]
        return picked


class LosslessBricks:
    """The bricks of a file that stores its samples exactly.

    Raises
    ------
    FormatError
        Bricks are too large, or the header names a codec besides.
    """

    def __init__(self, container: Container, grid: BrickGrid, dtype: np.dtype[np.generic]) -> None:
        self._container, self._grid, self._dtype = container, grid, dtype
        size = math.prod(grid.brick) * dtype.itemsize
        need_bounded(container, size, MAX_BYTES, "bytes of samples")
        if "codec" in container.header:
            raise FormatError(
                "samples that are stored exactly have no codec",
                file=container.name,
                field="header.codec",
                expected="none",
                got=ascii(container.header["codec"]),
            )

    def open(self, brick: int) -> LosslessBrick:
        """A brick ready to be looked at.

        Raises
        ------
        FormatError
            Its section is not what it should be, or holds other samples than the encoder had.
        """
        data = self._container.read(self._container.require(KIND, brick))
        name, field = self._container.name, f"section SAMP of brick {brick}"
        try:
            stated, way = head(data)
            axes, extent = self._container.header["axes"], self._grid.extent(brick)
            opened = LosslessBrick(unpack(data[HEAD.size :], way, self._dtype, axes, extent))
            found = digest(self._container.header, brick, opened.inputs())
            if found != stated:
                raise Damaged(f"samples of digest {found:08x}", f"samples of digest {stated:08x}")
        except (MemoryError, UnsupportedError):
            raise
        except Exception as error:  # libraries raise what they like on damaged streams
            raise FormatError(
                "this brick's samples cannot be decoded",
                file=name,
                field=field,
                expected=error.expected if isinstance(error, Damaged) else None,
                got=error.got if isinstance(error, Damaged) else f"{type(error).__name__}: {error}",
                fix="get the file again from its source",
            ) from error
        return opened

    def check(self, brick: int) -> Check:
        """The digest of a brick."""
        data = self._container.read(self._container.require(KIND, brick))
        return Check(inputs=head(data)[0])


def head(data: bytes) -> tuple[int, int]:
    """Digest and way of a section.

    Raises
    ------
    Damaged
        The section is too short, or coded in no known way.
    """
    if len(data) < HEAD.size:
        raise Damaged(f"{len(data)} bytes", f"at least {HEAD.size}")
    stated, way = HEAD.unpack_from(data)
    if way > PICTURE_16:
        raise Damaged(f"way {way}", f"0 … {PICTURE_16}")
    return stated, way


def unpack(
    data: bytes, way: int, dtype: np.dtype[np.generic], axes: str, extent: tuple[int, ...]
) -> np.ndarray:
    """A brick's samples out of what follows its head: (n1, …) in the image's axes and dtype.

    Raises
    ------
    Damaged
        These are more or fewer samples than the brick has. Codecs may raise errors of their own.
    UnsupportedError
        The installed library lacks the codec.
    """
    sizes = sizes_of(axes, extent)
    if way in (PLAIN, SHUFFLED):
        stored = _unpacked(data, math.prod(extent) * dtype.itemsize)
        if way == SHUFFLED:
            stored = np.ascontiguousarray(stored.reshape(dtype.itemsize, -1).T).reshape(-1)
        if dtype.kind == "b" and stored.max() > 1:
            raise Damaged(f"byte {stored.max()}", "0 or 1")
        flat = stored.view(dtype.newbyteorder("<")).astype(dtype, copy=False)
    else:
        (lowest,) = LOWEST.unpack_from(data)
        levels = _picture(data[LOWEST.size :], axes, extent, way)
        flat = raised(levels.reshape(-1), lowest, dtype)
    return from_canon(flat.reshape(sizes), axes)


def raised(levels: np.ndarray, lowest: int, dtype: np.dtype[np.generic]) -> np.ndarray:
    """Samples out of a picture's levels: ``lowest`` is added modulo 2⁶⁴, then read as a number."""
    total = levels.astype(np.uint64)
    total += np.uint64(lowest)
    return (total if dtype == np.uint64 else total.view(np.int64)).astype(dtype)


def sides_of(axes: str, extent: tuple[int, ...]) -> tuple[int, int]:
    """Height and width of a brick as one picture: all that is not along its last axis, below."""
    present = [n for a, n in zip(CANON, sizes_of(axes, extent), strict=True) if a in axes]
    return math.prod(present[:-1]), present[-1]


def _unpacked(stream: bytes, size: int) -> np.ndarray:
    """A zstd stream of so many bytes; never more are written."""
    _require("ZSTD")
    import imagecodecs

    room = memoryview(bytearray(size))  # what does not fit in is an error
    found = np.frombuffer(imagecodecs.zstd_decode(stream, out=room), np.uint8)
    if found.size != size:
        raise Damaged(f"{found.size} bytes", f"{size}")
    return found


def _picture(stream: bytes, axes: str, extent: tuple[int, ...], way: int) -> np.ndarray:
    """A JPEG XL picture, whose sides are checked before it is decoded."""
    _require("JPEGXL")
    import imagecodecs

    sides, bits = sides_of(axes, extent), 8 if way == PICTURE_8 else 16
    check_header(stream, sides, bits)
    levels = np.asarray(imagecodecs.jpegxl_decode(stream, numthreads=1))
    if levels.shape != sides or levels.dtype != f"uint{bits}":
        raise Damaged(f"{levels.shape} {levels.dtype}", f"{sides} uint{bits}")
    return levels


def _require(codec: str) -> None:
    if reason := missing_imagecodec(codec):
        raise UnsupportedError(reason, fix="install another build")
