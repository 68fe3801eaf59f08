"""SPERR: wavelets (CDF 9/7) and SPECK coding in 3-D, or in 2-D for a single plane.

A codec for arrays of numbers, as used for simulations: samples are float32 in [0, 1]. Its streams
are embedded: a truncated one is a coarser one, and only the 3-D form says how long it should be.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from inif.codecs.base import Codec, Damaged, Shape, Task
from inif.codecs.knob import Knob
from inif.codecs.libraries import missing_imagecodec

_VERSION, _FLOAT, _SOLID = 0, 0x20, 0x40
_CONDITIONER, _CONSTANT, _SPECK = 17, 1, 9
_MOST_PLANES = 64


@dataclass(frozen=True)
class Sperr(Codec):
    """SPERR; one chunk per block."""

    kind = "sperr"
    title = "SPERR"
    bits = 16
    suffix = ".sperr"
    package = "imagecodecs"

    def missing(self, task: Task = "encode") -> str | None:
        """Why it cannot run here, or None."""
        return missing_imagecodec("SPERR")

    def knob(self, frames: int) -> Knob:
        """Bits per sample, which SPERR meets exactly."""
        return Knob("bpp", 2e-3, 16.0, step=0.003, start=0.125, octave=1.0, log=True, rate=True)

    def _encode(
        self, levels: np.ndarray, quality: float, threads: int, settings: Mapping[str, Any]
    ) -> bytes:
        array = levels.astype(np.float32) / np.float32(self.peak)
        return encode_array(array[0] if len(array) == 1 else array, quality, threads, **settings)

    def _decode(self, data: bytes, shape: Shape, threads: int) -> np.ndarray:
        array = decode_array(data, shape[1:] if shape[0] == 1 else shape, threads)
        array = np.clip(array, 0, 1, out=array) * np.float32(self.peak)
        levels: np.ndarray = np.rint(array, out=array).astype(np.uint16)
        return levels.reshape(shape)


def encode_array(array: np.ndarray, bpp: float, threads: int, **settings: Any) -> bytes:
    """A 2-D or 3-D float32 array at some bits per sample."""
    import imagecodecs

    compress: Any = imagecodecs.sperr_encode
    whole = (*(1,) * (3 - array.ndim), *array.shape)
    return bytes(compress(array, bpp, "bpp", chunks=whole, numthreads=threads, **settings))


def decode_array(data: bytes, shape: tuple[int, ...], threads: int) -> np.ndarray:
    """The inverse of `encode_array`; finite float32.

    Raises
    ------
    Damaged
        The stream is not one of an array of this shape.
    """
    import imagecodecs

    check_stream(data, shape)
    array = np.asarray(
        imagecodecs.sperr_decode(data, shape=shape, dtype=np.float32, numthreads=threads)
    )
    if not np.isfinite(array).all():
        raise Damaged("numbers that are not finite")
    return array


def check_stream(data: bytes, shape: tuple[int, ...]) -> None:
    """Refuse a stream that is not one chunk of float32 of this shape.

    Source: SPERR's wiki, "SPERR Bitstream"; `SPERR3D_Stream_Tools`, `Conditioner`, `SPECK_INT`.

    Raises
    ------
    Damaged
        It is something else.
    """
    head = struct.pack("<BB", _VERSION, _FLOAT | (_SOLID if len(shape) == 3 else 0))
    head += struct.pack(f"<{len(shape)}I", *shape[::-1])
    chunk = data[len(head) :]
    if len(shape) == 3:
        head += struct.pack("<I", max(len(chunk) - 4, 0))
        chunk = chunk[4:]
    if data[: len(head)] != head:
        raise Damaged(f"header {data[: len(head)].hex()}", f"{head.hex()} for {shape}")
    if len(chunk) < _CONDITIONER:
        raise Damaged(f"{len(chunk)} bytes in the chunk", f"at least {_CONDITIONER}")
    samples = int(np.prod(shape, dtype=np.int64))
    if chunk[0] & _CONSTANT:
        (count,) = struct.unpack_from("<Q", chunk, 1)
        if len(chunk) != _CONDITIONER or count != samples:
            raise Damaged(f"a constant for {count} samples", f"{samples} samples")
        return
    if len(chunk) <= _CONDITIONER + _SPECK:
        raise Damaged(f"{len(chunk)} bytes in the chunk", f"over {_CONDITIONER + _SPECK}")
    planes, bits = struct.unpack_from("<BQ", chunk, _CONDITIONER)
    if not 1 <= planes <= _MOST_PLANES or not 1 <= bits <= 2 * _MOST_PLANES * (samples + 64):
        raise Damaged(f"{planes} bit planes of {bits} bits for {samples} samples")
