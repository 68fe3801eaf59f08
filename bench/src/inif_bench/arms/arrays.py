"""Codecs for arrays of numbers that inif does not drive, as used for simulations: ZFP and SZ3.

They see depth or time like any other axis. Samples go in as float32 over each channel's own range.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from inif.codecs import Knob
from inif.codecs.libraries import missing_imagecodec
from inif.frames import Geometry
from inif_bench.arms.base import Driver, Frames, Variant


class _Arrays(Driver):
    """What both have in common: one stream per channel, up to four axes."""

    library: ClassVar[str]
    about: ClassVar[dict[str, str]]

    @property
    def settings(self) -> dict[str, Any]:
        """How the encoder is run."""
        return {**self.about, "pixels": "float32, each channel scaled to its own range"}

    def missing(self) -> str | None:
        """Why it cannot run here, or None."""
        return missing_imagecodec(self.library)

    def encode(self, frames: Frames, value: float, variant: Variant) -> list[bytes]:
        """One stream per channel, all at one knob value."""
        shape = _shape(frames.geometry)
        return [self.one(channel.reshape(shape), value) for channel in frames.scaled()]

    def decode(self, streams: list[bytes], geometry: Geometry, threads: int) -> list[np.ndarray]:
        """Each channel's frames in counts."""
        _, t, z, y, x = geometry.sizes
        shape = _shape(geometry)
        return [
            geometry.counts(self.back(s, shape).reshape(t * z, y, x), c)
            for c, s in enumerate(streams)
        ]

    def one(self, array: np.ndarray, value: float) -> bytes:
        """Compress a float32 array."""
        raise NotImplementedError

    def back(self, data: bytes, shape: tuple[int, ...]) -> np.ndarray:
        """The inverse of `one`."""
        raise NotImplementedError


class Zfp(_Arrays):
    """ZFP in fixed-accuracy mode.

    ZFP rounds a tolerance down to a power of two; scaling the samples before gives the steps
    between. The scale takes 4 bytes of the stream.
    """

    library = "ZFP"
    about: ClassVar = {
        "encoder": "ZFP, fixed accuracy, up to 4-D",
        "rate control": "tolerance, by search",
    }

    def knob(self, geometry: Geometry) -> Knob:
        """Absolute tolerance over the range."""
        return Knob("tolerance", coarse=64.0, fine=1e-5, step=0.02, start=1.0, log=True)

    def one(self, array: np.ndarray, value: float) -> bytes:
        """Compress one channel."""
        import imagecodecs

        level = 2.0 ** math.ceil(math.log2(value))
        scale = np.float32(level / value)
        compress: Any = imagecodecs.zfp_encode  # its stub knows whole tolerances only
        data = compress(array * scale, level=level, mode=imagecodecs.ZFP.MODE.FIXED_ACCURACY)
        return scale.tobytes() + bytes(data)

    def back(self, data: bytes, shape: tuple[int, ...]) -> np.ndarray:
        """Decode one channel."""
        import imagecodecs

        scale = np.frombuffer(data, np.float32, 1)[0]
        out: np.ndarray = np.asarray(imagecodecs.zfp_decode(data[4:])) / scale
        return out


class Sz3(_Arrays):
    """SZ3 with an absolute error bound."""

    library = "SZ3"
    about: ClassVar = {
        "encoder": "SZ3, absolute error bound, up to 4-D",
        "rate control": "error bound, by search",
    }

    def knob(self, geometry: Geometry) -> Knob:
        """Absolute error bound over the range."""
        return Knob("error bound", coarse=1.0, fine=1e-5, step=0.01, start=0.1, log=True)

    def one(self, array: np.ndarray, value: float) -> bytes:
        """Compress one channel."""
        import imagecodecs

        return bytes(imagecodecs.sz3_encode(array, "abs", abs=value))

    def back(self, data: bytes, shape: tuple[int, ...]) -> np.ndarray:
        """Decode one channel."""
        import imagecodecs

        return np.asarray(imagecodecs.sz3_decode(data, shape, np.float32))


def _shape(geometry: Geometry) -> tuple[int, ...]:
    """T, Z, Y and X as axes of their own where frames lie in that order, else one row of frames."""
    _, t, z, y, x = geometry.sizes
    if geometry.order == "TZ":
        return (*(n for n in (t, z) if n > 1), y, x)
    return (t * z, y, x)
