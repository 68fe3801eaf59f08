"""JPEG 2000 (OpenJPEG), plane by plane, with bytes shared out between the planes at one slope.

OpenJPEG aims at a PSNR in each picture; see `allocation` for why that is not enough.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from inif.bench.arms.allocation import PartCurve
from inif.bench.arms.base import Codec, Frames, Variant
from inif.bench.arms.planes import channels_of, missing_codec
from inif.bench.geometry import Geometry
from inif.bench.search import Knob

_BITS = 16
_TARGETS = tuple(float(v) for v in range(14, 63, 3))


@dataclass(frozen=True)
class Jpeg2000(Codec):
    """Irreversible 9/7 wavelets, one codestream per plane.

    `curves` holds what was measured of each plane of an image, channel by channel.
    """

    curves: tuple[PartCurve, ...] = ()

    @property
    def settings(self) -> dict[str, Any]:
        """How the encoder is run."""
        return {
            "encoder": "OpenJPEG, irreversible 9/7, codestream without container",
            "pixels": "16-bit grey, each channel scaled to its own range",
            "rate control": "PSNR of each plane, chosen so that a byte gains as much in every"
            " plane; that slope by search",
        }

    @property
    def sees_order(self) -> bool:
        """Every plane stands alone."""
        return False

    def missing(self) -> str | None:
        """Why it cannot run here, or None."""
        return missing_codec("JPEG2K")

    def knob(self, geometry: Geometry) -> Knob:
        """Squared error over the range that one byte more must save."""
        return Knob("slope", coarse=1e4, fine=1e-7, step=0.02, start=0.3, log=True)

    def prepared(self, frames: Frames) -> Jpeg2000:
        """With each plane's curve."""
        return replace(
            self,
            curves=tuple(
                PartCurve.measure(_TARGETS, partial(_measured, picture, frames.threads))
                for picture in _pictures(frames)
            ),
        )

    def encode(self, frames: Frames, value: float, variant: Variant) -> list[bytes]:
        """One stream per plane, channel by channel."""
        return [
            _encode(picture, curve.at_slope(value), frames.threads)
            for picture, curve in zip(_pictures(frames), self.curves, strict=True)
        ]

    def decode(self, streams: list[bytes], geometry: Geometry, threads: int) -> list[np.ndarray]:
        """Each channel's frames in counts."""
        return channels_of([_decode(s, threads) for s in streams], geometry, _BITS)


def _pictures(frames: Frames) -> list[np.ndarray]:
    return [picture for levels in frames.levels(_BITS) for picture in levels]


def _measured(picture: np.ndarray, threads: int, target: float) -> tuple[int, float]:
    data = _encode(picture, target, threads)
    error = (_decode(data, threads).astype(np.float64) - picture) / ((1 << _BITS) - 1)
    return len(data), float(np.square(error).sum())


def _encode(picture: np.ndarray, target: float, threads: int) -> bytes:
    import imagecodecs

    encode: Any = imagecodecs.jpeg2k_encode  # its stub knows whole levels only
    return bytes(
        encode(picture, level=target, codecformat="j2k", reversible=False, numthreads=threads)
    )


def _decode(data: bytes, threads: int) -> np.ndarray:
    import imagecodecs

    return np.asarray(imagecodecs.jpeg2k_decode(data, numthreads=threads))
