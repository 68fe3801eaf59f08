"""Still-picture codecs, one picture per plane: JPEG XL, JPEG 2000, HTJ2K and AVIF.

Stacks give them one file per slice; they see no depth and no time, and are here because people use
them so, and because they are strong on single planes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from inif.bench.arms.base import Codec, Frames, Variant
from inif.bench.geometry import Geometry
from inif.bench.search import Knob


class Still(Protocol):
    """A codec for one grey picture.

    `bits` is the depth of its samples; `whole` says that its knob takes whole numbers only, so that
    fractions are met by splitting the pictures between two of them.
    """

    @property
    def settings(self) -> dict[str, Any]:
        """How the encoder is run."""
        ...

    @property
    def bits(self) -> int:
        """Depth of the samples."""
        ...

    @property
    def whole(self) -> bool:
        """Whether the knob takes whole numbers only."""
        ...

    def knob(self, pictures: int) -> Knob:
        """The setting that trades bytes for quality, for as many pictures."""
        ...

    def variants(self, flat: bool) -> list[Variant]:
        """Settings to choose from; `flat` for an image without depth and time."""
        ...

    def encode(self, picture: np.ndarray, value: float, variant: Variant, n: int) -> bytes:
        """One (Y, X) uint16 picture of `bits` bits, on `n` threads."""
        ...

    def decode(self, data: bytes, n: int) -> np.ndarray:
        """The inverse of `encode`."""
        ...


@dataclass(frozen=True)
class Planes(Codec):
    """A still-picture codec applied plane by plane, with one knob for all."""

    still: Still
    library: str

    @property
    def settings(self) -> dict[str, Any]:
        """How the encoder is run."""
        return self.still.settings

    def missing(self) -> str | None:
        """Why it cannot run here, or None."""
        return missing_codec(self.library)

    @property
    def sees_order(self) -> bool:
        """Every plane stands alone."""
        return False

    def knob(self, geometry: Geometry) -> Knob:
        """The codec's own."""
        c, t, z, _, _ = geometry.sizes
        return self.still.knob(c * t * z)

    def variants(self, geometry: Geometry) -> list[Variant]:
        """The codec's own."""
        _, t, z, _, _ = geometry.sizes
        return self.still.variants(t * z == 1)

    def encode(self, frames: Frames, value: float, variant: Variant) -> list[bytes]:
        """One stream per plane, channel by channel."""
        pictures = [p for levels in frames.levels(self.still.bits) for p in levels]
        out = []
        for number, picture in enumerate(pictures):
            spread = (number + 0.5) / len(pictures) - 0.5 if self.still.whole else 0.0
            out.append(self.still.encode(picture, value + spread, variant, frames.threads))
        return out

    def decode(self, streams: list[bytes], geometry: Geometry, threads: int) -> list[np.ndarray]:
        """Each channel's frames in counts."""
        return channels_of(
            [self.still.decode(s, threads) for s in streams], geometry, self.still.bits
        )


@dataclass(frozen=True)
class JpegXl:
    """JPEG XL (libjxl), lossy, by distance."""

    bits = 16
    whole = False

    @property
    def settings(self) -> dict[str, Any]:
        """How the encoder is run."""
        return {
            "encoder": "libjxl, codestream without container",
            "pixels": "16-bit grey, each channel scaled to its own range",
            "effort": "5 or 7, whichever is better for the image (9 was no better in PSNR)",
            "rate control": "distance, by search",
        }

    def knob(self, pictures: int) -> Knob:
        """Distance in just-noticeable differences, at most 25."""
        return Knob("distance", coarse=25.0, fine=0.05, step=0.005, start=8.0, log=True)

    def variants(self, flat: bool) -> list[Variant]:
        """Both efforts."""
        return [{"effort": 5}, {"effort": 7}]

    def encode(self, picture: np.ndarray, value: float, variant: Variant, n: int) -> bytes:
        """One picture."""
        import imagecodecs

        data = imagecodecs.jpegxl_encode(
            picture,
            distance=value,
            effort=variant["effort"],
            usecontainer=False,
            numthreads=n,
        )
        return bytes(data)

    def decode(self, data: bytes, n: int) -> np.ndarray:
        """One picture."""
        import imagecodecs

        return np.asarray(imagecodecs.jpegxl_decode(data, numthreads=n))


@dataclass(frozen=True)
class Htj2k:
    """High-throughput JPEG 2000 (OpenJPH), irreversible 9/7, by quantiser step."""

    bits = 16
    whole = False

    @property
    def settings(self) -> dict[str, Any]:
        """How the encoder is run."""
        return {
            "encoder": "OpenJPH, irreversible 9/7",
            "pixels": "16-bit grey, each channel scaled to its own range",
            "rate control": "base quantiser step, by search",
        }

    def knob(self, pictures: int) -> Knob:
        """Base step, relative to the range of the samples."""
        return Knob("step", coarse=0.5, fine=2e-5, step=0.01, start=0.02, log=True)

    def variants(self, flat: bool) -> list[Variant]:
        """One setting."""
        return [{}]

    def encode(self, picture: np.ndarray, value: float, variant: Variant, n: int) -> bytes:
        """One picture."""
        import imagecodecs

        return bytes(imagecodecs.htj2k_encode(picture, level=value, reversible=False))

    def decode(self, data: bytes, n: int) -> np.ndarray:
        """One picture."""
        import imagecodecs

        return np.asarray(imagecodecs.htj2k_decode(data))


@dataclass(frozen=True)
class Avif:
    """AVIF (libaom), 12-bit monochrome."""

    bits = 12
    whole = True

    @property
    def settings(self) -> dict[str, Any]:
        """How the encoder is run."""
        return {
            "encoder": "libaom through libavif, 4:0:0, 12 bits",
            "pixels": "each channel scaled to its own range",
            "speed": "4 on single planes, 6 on stacks and movies",
            "rate control": "quality 0…99; fractions by splitting the planes between two qualities",
        }

    def knob(self, pictures: int) -> Knob:
        """Quality is a whole number for each picture."""
        return Knob("quality", coarse=0.0, fine=99.0, step=1 / pictures, start=50.0)

    def variants(self, flat: bool) -> list[Variant]:
        """Slower where it pays: on single planes."""
        return [{"speed": 4 if flat else 6}]

    def encode(self, picture: np.ndarray, value: float, variant: Variant, n: int) -> bytes:
        """One picture, given as RGB: the library compresses grey arrays without loss, always."""
        import imagecodecs

        data = imagecodecs.avif_encode(
            np.stack([picture] * 3, axis=-1),
            level=min(max(math.floor(value + 0.5), 0), 99),
            speed=variant["speed"],
            bitspersample=self.bits,
            pixelformat="yuv400",
            codec="aom",
            numthreads=n,
        )
        return bytes(data)

    def decode(self, data: bytes, n: int) -> np.ndarray:
        """One picture."""
        import imagecodecs

        out = np.asarray(imagecodecs.avif_decode(data, numthreads=n))
        return out if out.ndim == 2 else out[..., 0]


def channels_of(pictures: list[np.ndarray], geometry: Geometry, bits: int) -> list[np.ndarray]:
    """Frames of each channel in counts, out of all planes as levels, channel by channel."""
    _, t, z, _, _ = geometry.sizes
    return [
        geometry.from_levels(np.stack(pictures[i : i + t * z]), c, bits)
        for c, i in enumerate(range(0, len(pictures), t * z))
    ]


def missing_codec(name: str) -> str | None:
    """Why imagecodecs cannot do `name` ("JPEGXL", …), or None."""
    import imagecodecs

    if not getattr(getattr(imagecodecs, name), "available", False):
        return f"this build of imagecodecs has no {name}"
    return None
