"""Still-picture codecs, one picture per plane: JPEG XL, HTJ2K and AVIF.

Stacks give them one file per slice; they see no depth and no time, and are here because people use
them so, and because they are strong on single planes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from inif.codecs import Codec, Knob, load_codec
from inif.codecs.jpeg2000 import decode_own_htj2k
from inif.codecs.stills import StillCodec
from inif.frames import Geometry
from inif_bench.arms.base import Driver, Frames, Variant


@dataclass(frozen=True)
class Planes(Driver):
    """A still-picture codec applied plane by plane, with one knob for all.

    Where its knob takes whole numbers only, fractions are met by splitting the planes of the image
    between two of them.
    """

    kind: str

    @property
    def codec(self) -> StillCodec:
        """The codec."""
        codec = load_codec(self.kind)
        assert isinstance(codec, StillCodec)
        return codec

    def missing(self) -> str | None:
        """Why it cannot run here, or None."""
        return self.codec.missing()

    @property
    def sees_order(self) -> bool:
        """Every plane stands alone."""
        return False

    def knob(self, geometry: Geometry) -> Knob:
        """The codec's own."""
        c, t, z, _, _ = geometry.sizes
        return self.codec.knob(c * t * z)

    def encode(self, frames: Frames, value: float, variant: Variant) -> list[bytes]:
        """One stream per plane, channel by channel."""
        settings = {k: v for k, v in variant.items() if k != "order"}
        pictures = planes_of(frames, self.codec.bits)
        out = []
        for number, picture in enumerate(pictures):
            spread = (number + 0.5) / len(pictures) - 0.5 if self.codec.whole else 0.0
            out.append(self.codec.encode(picture, value + spread, frames.threads, **settings))
        return out

    def decode(self, streams: list[bytes], geometry: Geometry, threads: int) -> list[np.ndarray]:
        """Each channel's frames in counts."""
        pictures = pictures_of(self.codec, streams, geometry, threads)
        return channels_of(pictures, geometry, self.codec.bits)


@dataclass(frozen=True)
class JpegXl(Planes):
    """JPEG XL (libjxl), lossy, by distance."""

    kind: str = "jpegxl"

    @property
    def settings(self) -> dict[str, Any]:
        """How the encoder is run."""
        return {
            "encoder": "libjxl, codestream without container",
            "pixels": "16-bit grey, each channel scaled to its own range",
            "effort": "5 or 7, whichever is better for the image (9 was no better in PSNR)",
            "rate control": "distance, by search",
        }

    def variants(self, geometry: Geometry) -> list[Variant]:
        """Both efforts."""
        return [{"effort": 5}, {"effort": 7}]


@dataclass(frozen=True)
class Htj2k(Planes):
    """High-throughput JPEG 2000 (OpenJPH), irreversible 9/7, by quantiser step."""

    kind: str = "htj2k"

    @property
    def settings(self) -> dict[str, Any]:
        """How the encoder is run."""
        return {
            "encoder": "OpenJPH, irreversible 9/7",
            "pixels": "16-bit grey, each channel scaled to its own range",
            "rate control": "base quantiser step, by search",
        }

    def decode(self, streams: list[bytes], geometry: Geometry, threads: int) -> list[np.ndarray]:
        """Each channel's frames in counts; by OpenJPH, which is what HTJ2K is known for."""
        return channels_of([decode_own_htj2k(s) for s in streams], geometry, self.codec.bits)


@dataclass(frozen=True)
class Avif(Planes):
    """AVIF (libaom), 12-bit monochrome."""

    kind: str = "avif"

    @property
    def settings(self) -> dict[str, Any]:
        """How the encoder is run."""
        return {
            "encoder": "libaom through libavif, 4:0:0, 12 bits",
            "pixels": "each channel scaled to its own range",
            "speed": "4 on single planes, 6 on stacks and movies",
            "rate control": "quality 0…99; fractions by splitting the planes between two qualities",
        }

    def variants(self, geometry: Geometry) -> list[Variant]:
        """Slower where it pays: on single planes."""
        _, t, z, _, _ = geometry.sizes
        return [{"speed": 4 if t * z == 1 else 6}]


def planes_of(frames: Frames, bits: int) -> list[np.ndarray]:
    """Every plane of an image as a block of its own, (1, Y, X) levels, channel by channel."""
    return [plane[None] for levels in frames.levels(bits) for plane in levels]


def channels_of(pictures: list[np.ndarray], geometry: Geometry, bits: int) -> list[np.ndarray]:
    """Frames of each channel in counts, out of all planes as levels, channel by channel."""
    _, t, z, _, _ = geometry.sizes
    return [
        geometry.from_levels(np.stack(pictures[i : i + t * z]), c, bits)
        for c, i in enumerate(range(0, len(pictures), t * z))
    ]


def pictures_of(
    codec: Codec, streams: list[bytes], geometry: Geometry, threads: int
) -> list[np.ndarray]:
    """Every plane as (Y, X) levels, out of its stream."""
    *_, y, x = geometry.sizes
    return [codec.decode(s, (1, y, x), threads)[0] for s in streams]
