"""What a lossless codec reaches: the reference point of how compressible an image is at all."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from inif.codecs.libraries import missing_imagecodec
from inif.frames import Geometry
from inif.image import Image
from inif.metrics.fidelity import Ranges
from inif_bench.arms.base import Encoded, Options, Session
from inif_bench.payload import pack, unpack


@dataclass(frozen=True)
class Blosc2:
    """Blosc2 with Zstandard behind a bit shuffle, as Zarr stores would use it."""

    name: str = "zstd"
    title: str = "Blosc2 + Zstd, lossless"
    family: str = "lossless"

    @property
    def settings(self) -> dict[str, Any]:
        """How it is run."""
        return {"encoder": "Blosc2, Zstd level 9, bit shuffle, whole image in one buffer"}

    def missing(self) -> str | None:
        """Why it cannot run here, or None."""
        return missing_imagecodec("BLOSC2")

    def start(self, image: Image, ranges: Ranges, options: Options) -> Session:
        """Begin work on an image."""
        return _Session(image, ranges, options)

    def decode(self, data: bytes, threads: int) -> np.ndarray:
        """The image that a file holds."""
        import imagecodecs

        geometry, (stream,) = unpack(data)
        raw = imagecodecs.blosc2_decode(stream, numthreads=threads)
        return np.frombuffer(raw, geometry.dtype).reshape(geometry.shape)


@dataclass(frozen=True)
class _Session:
    image: Image
    ranges: Ranges
    options: Options

    def encode(self, budget: int) -> Encoded:
        import imagecodecs

        data = np.ascontiguousarray(self.image.data)
        geometry = Geometry(self.image.axes, data.shape, data.dtype.name, self.ranges)
        begin = time.perf_counter()
        stream = imagecodecs.blosc2_encode(
            data.tobytes(),
            level=9,
            compressor="zstd",
            shuffle="bitshuffle",
            typesize=data.dtype.itemsize,
            numthreads=self.options.threads,
        )
        out = pack(geometry, [bytes(stream)])
        seconds = time.perf_counter() - begin
        return Encoded(out, len(out) <= budget, {}, 1, seconds, seconds)
