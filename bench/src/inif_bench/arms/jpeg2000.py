"""JPEG 2000 (OpenJPEG), plane by plane, with bytes shared out between the planes at one slope.

OpenJPEG aims at a PSNR in each picture; see `allocation` for why that is not enough.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from inif.codecs import Knob, load_codec
from inif.frames import Geometry
from inif_bench.arms.allocation import PartCurve
from inif_bench.arms.base import Driver, Frames, Variant
from inif_bench.arms.planes import channels_of, pictures_of, planes_of

_CODEC = load_codec("jpeg2000")
_TARGETS = tuple(float(v) for v in range(14, 63, 3))


@dataclass(frozen=True)
class Jpeg2000(Driver):
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
        return _CODEC.missing()

    def knob(self, geometry: Geometry) -> Knob:
        """Squared error over the range that one byte more must save."""
        return Knob("slope", coarse=1e4, fine=1e-7, step=0.02, start=0.3, log=True)

    def prepared(self, frames: Frames) -> Jpeg2000:
        """With each plane's curve."""
        return replace(
            self,
            curves=tuple(
                PartCurve.measure(_TARGETS, partial(_measured, picture, frames.threads))
                for picture in planes_of(frames, _CODEC.bits)
            ),
        )

    def encode(self, frames: Frames, value: float, variant: Variant) -> list[bytes]:
        """One stream per plane, channel by channel."""
        return [
            _CODEC.encode(picture, curve.at_slope(value), frames.threads)
            for picture, curve in zip(planes_of(frames, _CODEC.bits), self.curves, strict=True)
        ]

    def decode(self, streams: list[bytes], geometry: Geometry, threads: int) -> list[np.ndarray]:
        """Each channel's frames in counts."""
        return channels_of(pictures_of(_CODEC, streams, geometry, threads), geometry, _CODEC.bits)


def _measured(picture: np.ndarray, threads: int, target: float) -> tuple[int, float]:
    data = _CODEC.encode(picture, target, threads)
    decoded = _CODEC.decode(data, (1, *picture.shape[1:]), threads)
    error = (decoded.astype(np.float64) - picture) / _CODEC.peak
    return len(data), float(np.square(error).sum())
