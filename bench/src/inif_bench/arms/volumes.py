"""Codecs for arrays of numbers, as used for simulations: SPERR, ZFP and SZ3.

They see depth or time like any other axis. Samples go in as float32 over each channel's own range.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from inif.codecs import Knob, load_codec
from inif.codecs.libraries import missing_imagecodec
from inif.codecs.sperr import decode_array, encode_array
from inif.frames import Geometry
from inif_bench.arms.allocation import PartCurve
from inif_bench.arms.base import Driver, Frames, Variant

_RATES = tuple(2.0**e for e in range(-9, 4))


@dataclass(frozen=True)
class _Volume(Driver):
    """What the three have in common: one stream per channel."""

    def encode(self, frames: Frames, value: float, variant: Variant) -> list[bytes]:
        """One stream per channel, all at one knob value."""
        return [self.one(array, value, frames.threads) for array in self._arrays(frames)]

    def decode(self, streams: list[bytes], geometry: Geometry, threads: int) -> list[np.ndarray]:
        """Each channel's frames in counts."""
        _, t, z, y, x = geometry.sizes
        shape = self.shape(geometry)
        return [
            geometry.counts(self.back(s, shape, threads).reshape(t * z, y, x), c)
            for c, s in enumerate(streams)
        ]

    def _arrays(self, frames: Frames) -> list[np.ndarray]:
        shape = self.shape(frames.geometry)
        return [channel.reshape(shape) for channel in frames.scaled()]

    def shape(self, geometry: Geometry) -> tuple[int, ...]:
        """The array that the codec is given for each channel."""
        raise NotImplementedError

    def one(self, array: np.ndarray, value: float, threads: int) -> bytes:
        """Compress a float32 array."""
        raise NotImplementedError

    def back(self, data: bytes, shape: tuple[int, ...], threads: int) -> np.ndarray:
        """The inverse of `one`."""
        raise NotImplementedError


@dataclass(frozen=True)
class Sperr(_Volume):
    """SPERR: a wavelet codec for 2-D and 3-D arrays (CDF 9/7, SPECK), bytes shared out by slope.

    `curves` holds what was measured of each channel of an image.
    """

    curves: tuple[PartCurve, ...] = ()

    @property
    def settings(self) -> dict[str, Any]:
        """How the encoder is run."""
        return {
            "encoder": "SPERR, 3-D (2-D for single planes), one chunk",
            "pixels": "float32, each channel scaled to its own range",
            "rate control": "bits per pixel of each channel, chosen so that a byte gains as much in"
            " every channel; that slope by search",
        }

    def missing(self) -> str | None:
        """Why it cannot run here, or None."""
        return load_codec("sperr").missing()

    def knob(self, geometry: Geometry) -> Knob:
        """One channel: bits per pixel, which SPERR meets exactly; several: the slope for all."""
        channels, t, z, _, _ = geometry.sizes
        if channels == 1:
            return load_codec("sperr").knob(t * z)
        return Knob("slope", coarse=1e5, fine=1e-7, step=0.02, start=0.3, log=True)

    def prepared(self, frames: Frames) -> Sperr:
        """With each channel's curve, if there is more than one."""
        if frames.geometry.sizes[0] == 1:
            return self

        def measured(array: np.ndarray, rate: float) -> tuple[int, float]:
            data = self.one(array, rate, frames.threads)
            error = self.back(data, array.shape, frames.threads).astype(np.float64) - array
            return len(data), float(np.square(error).sum())

        curves = [PartCurve.measure(_RATES, partial(measured, a)) for a in self._arrays(frames)]
        return replace(self, curves=tuple(curves))

    def encode(self, frames: Frames, value: float, variant: Variant) -> list[bytes]:
        """One stream per channel."""
        if not self.curves:
            return super().encode(frames, value, variant)
        return [
            self.one(array, curve.at_slope(value), frames.threads)
            for array, curve in zip(self._arrays(frames), self.curves, strict=True)
        ]

    def shape(self, geometry: Geometry) -> tuple[int, ...]:
        """Three axes, or two for a single plane."""
        _, t, z, y, x = geometry.sizes
        return (t * z, y, x) if t * z > 1 else (y, x)

    def one(self, array: np.ndarray, value: float, threads: int) -> bytes:
        """Compress one channel at some bits per pixel."""
        return encode_array(array, value, threads)

    def back(self, data: bytes, shape: tuple[int, ...], threads: int) -> np.ndarray:
        """Decode one channel."""
        return decode_array(data, shape, threads)


@dataclass(frozen=True)
class _FourD(_Volume):
    """Codecs that take up to four axes."""

    def shape(self, geometry: Geometry) -> tuple[int, ...]:
        """T, Z, Y and X as axes of their own where frames lie in that order, else one row."""
        _, t, z, y, x = geometry.sizes
        if geometry.order == "TZ":
            return (*(n for n in (t, z) if n > 1), y, x)
        return (t * z, y, x)


@dataclass(frozen=True)
class Zfp(_FourD):
    """ZFP in fixed-accuracy mode, up to 4-D.

    ZFP rounds a tolerance down to a power of two; scaling the samples before gives the steps
    between. The scale takes 4 bytes of the stream.
    """

    @property
    def settings(self) -> dict[str, Any]:
        """How the encoder is run."""
        return {
            "encoder": "ZFP, fixed accuracy, up to 4-D",
            "pixels": "float32, each channel scaled to its own range",
            "rate control": "tolerance, by search",
        }

    def missing(self) -> str | None:
        """Why it cannot run here, or None."""
        return missing_imagecodec("ZFP")

    def knob(self, geometry: Geometry) -> Knob:
        """Absolute tolerance over the range."""
        return Knob("tolerance", coarse=64.0, fine=1e-5, step=0.02, start=1.0, log=True)

    def one(self, array: np.ndarray, value: float, threads: int) -> bytes:
        """Compress one channel."""
        import imagecodecs

        scale = np.float32(2.0 ** math.ceil(math.log2(value)) / value)
        compress: Any = imagecodecs.zfp_encode  # its stub knows whole tolerances only
        data = compress(
            array * scale,
            level=2.0 ** math.ceil(math.log2(value)),
            mode=imagecodecs.ZFP.MODE.FIXED_ACCURACY,
        )
        return scale.tobytes() + bytes(data)

    def back(self, data: bytes, shape: tuple[int, ...], threads: int) -> np.ndarray:
        """Decode one channel."""
        import imagecodecs

        scale = np.frombuffer(data, np.float32, 1)[0]
        out: np.ndarray = np.asarray(imagecodecs.zfp_decode(data[4:])) / scale
        return out


@dataclass(frozen=True)
class Sz3(_FourD):
    """SZ3 with an absolute error bound, up to 4-D."""

    @property
    def settings(self) -> dict[str, Any]:
        """How the encoder is run."""
        return {
            "encoder": "SZ3, absolute error bound, up to 4-D",
            "pixels": "float32, each channel scaled to its own range",
            "rate control": "error bound, by search",
        }

    def missing(self) -> str | None:
        """Why it cannot run here, or None."""
        return missing_imagecodec("SZ3")

    def knob(self, geometry: Geometry) -> Knob:
        """Absolute error bound over the range."""
        return Knob("error bound", coarse=1.0, fine=1e-5, step=0.01, start=0.1, log=True)

    def one(self, array: np.ndarray, value: float, threads: int) -> bytes:
        """Compress one channel."""
        import imagecodecs

        return bytes(imagecodecs.sz3_encode(array, "abs", abs=value))

    def back(self, data: bytes, shape: tuple[int, ...], threads: int) -> np.ndarray:
        """Decode one channel."""
        import imagecodecs

        return np.asarray(imagecodecs.sz3_decode(data, shape, np.float32))
