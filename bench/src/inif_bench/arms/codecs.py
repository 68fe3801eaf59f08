"""The codecs that inif drives, as rivals: whole stacks or pictures, one knob for all, or a slope.

Each channel is scaled to its own range, so that every bit of a codec's depth is used. Video codecs
get the stack of a channel. Codecs for still pictures get plane by plane; they see no depth and no
time, and are here because people use them so, and because they are strong on single planes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from inif.codecs import Codec, Knob, load_codec
from inif.codecs.stills import StillCodec
from inif.frames import Geometry
from inif_bench.arms.allocation import PartCurve
from inif_bench.arms.base import Driver, Frames, Variant


@dataclass(frozen=True)
class Rival(Driver):
    """A codec with one knob for all of an image.

    Attributes
    ----------
    codec
        As inif drives it.
    about
        How the encoder is run, for the record.
    planes, stacks
        Settings of which the best is chosen, for images of single planes and of several.
    plane_fills, stack_fills
        Small changes that give sizes between two steps of the knob.
    whole
        Whether single pictures take whole knob values only: channels are spread over one step.
    """

    codec: Codec
    about: Mapping[str, Any]
    planes: tuple[Variant, ...] = ({},)
    stacks: tuple[Variant, ...] = ({},)
    plane_fills: tuple[Variant, ...] = ()
    stack_fills: tuple[Variant, ...] = ()
    whole: bool = False

    @property
    def settings(self) -> dict[str, Any]:
        """How the encoder is run."""
        return dict(self.about)

    def missing(self) -> str | None:
        """Why it cannot run here, or None."""
        return self.codec.missing()

    @property
    def sees_order(self) -> bool:
        """Whether the order of frames makes a difference."""
        return not isinstance(self.codec, StillCodec)

    def knob(self, geometry: Geometry) -> Knob:
        """The codec's own."""
        return self.codec.knob(self._shapes(geometry)[0][0])

    def variants(self, geometry: Geometry) -> list[Variant]:
        """Settings of which the best is chosen per image; the first is the default."""
        return list(self.stacks if _is_movie(geometry) else self.planes)

    def fills(self, geometry: Geometry) -> list[Variant]:
        """Small changes that give sizes between two steps of the knob."""
        return list(self.stack_fills if _is_movie(geometry) else self.plane_fills)

    def encode(self, frames: Frames, value: float, variant: Variant) -> list[bytes]:
        """One stream per block."""
        settings = {k: v for k, v in variant.items() if k != "order"}
        blocks = self._blocks(frames)
        spread = self.whole and not _is_movie(frames.geometry)
        return [
            self.codec.encode(
                block,
                value + ((n + 0.5) / len(blocks) - 0.5 if spread else 0.0),
                frames.threads,
                **settings,
            )
            for n, block in enumerate(blocks)
        ]

    def decode(self, streams: list[bytes], geometry: Geometry, threads: int) -> list[np.ndarray]:
        """Each channel's frames in counts."""
        _, t, z, y, x = geometry.sizes
        blocks = zip(streams, self._shapes(geometry), strict=True)
        levels = np.concatenate([self._decoded(s, shape, threads) for s, shape in blocks])
        return [
            geometry.from_levels(channel, c, self.codec.bits)
            for c, channel in enumerate(levels.reshape(-1, t * z, y, x))
        ]

    def _shapes(self, geometry: Geometry) -> list[tuple[int, int, int]]:
        """(N, Y, X) of each block: a channel's stack, or all pictures of the image in a row."""
        channels, t, z, y, x = geometry.sizes
        if self.sees_order:
            return [(t * z, y, x)] * channels
        return [(channels * t * z, y, x)]

    def _blocks(self, frames: Frames) -> list[np.ndarray]:
        levels = np.concatenate(frames.levels(self.codec.bits))
        ends = np.cumsum([shape[0] for shape in self._shapes(frames.geometry)])
        return np.split(levels, ends[:-1])

    def _decoded(self, data: bytes, shape: tuple[int, int, int], threads: int) -> np.ndarray:
        return self.codec.decode(data, shape, threads)


@dataclass(frozen=True)
class Htj2k(Rival):
    """HTJ2K decoded by OpenJPH, whose speed it is known for; inif decodes it by OpenJPEG."""

    def _decoded(self, data: bytes, shape: tuple[int, int, int], threads: int) -> np.ndarray:
        import imagecodecs

        streams = self.codec.streams(data, shape)
        return np.stack([np.asarray(imagecodecs.htj2k_decode(s)) for s in streams])


@dataclass(frozen=True)
class Sloped(Rival):
    """A codec that aims at a rate or a PSNR in each block, told them so that all gain alike.

    Blocks are the pictures of a codec for stills, else the channels. See `allocation`.

    Attributes
    ----------
    targets
        Values of the codec's knob at which each block is measured, by ascending size.
    curves
        What was measured of each block of an image.
    """

    targets: tuple[float, ...] = ()
    curves: tuple[PartCurve, ...] = ()

    def knob(self, geometry: Geometry) -> Knob:
        """Squared error over the range that one byte more must save; one block: the codec's own."""
        if len(self._shapes(geometry)) == 1:
            return super().knob(geometry)
        return Knob("slope", coarse=1e5, fine=1e-7, step=0.02, start=0.3, log=True)

    def prepared(self, frames: Frames) -> Sloped:
        """With each block's curve, if there is more than one."""
        blocks = self._blocks(frames)
        if len(blocks) == 1:
            return self
        measured = [
            PartCurve.measure(self.targets, partial(self._measured, block, frames.threads))
            for block in blocks
        ]
        return replace(self, curves=tuple(measured))

    def encode(self, frames: Frames, value: float, variant: Variant) -> list[bytes]:
        """One stream per block."""
        if not self.curves:
            return super().encode(frames, value, variant)
        return [
            self.codec.encode(block, curve.at_slope(value), frames.threads)
            for block, curve in zip(self._blocks(frames), self.curves, strict=True)
        ]

    def _shapes(self, geometry: Geometry) -> list[tuple[int, int, int]]:
        *_, y, x = geometry.sizes
        pictures = sum(n for n, _, _ in super()._shapes(geometry))
        return super()._shapes(geometry) if self.sees_order else [(1, y, x)] * pictures

    def _measured(self, block: np.ndarray, threads: int, target: float) -> tuple[int, float]:
        data = self.codec.encode(block, target, threads)
        shape = block.shape[0], block.shape[1], block.shape[2]
        error = (self.codec.decode(data, shape, threads) - block.astype(np.float64)) / (
            self.codec.peak
        )
        return len(data), float(np.square(error).sum())


def x265(preset: str) -> Rival:
    """HEVC, main 12-bit profile without chroma; one elementary stream per channel.

    Tuned for PSNR, because that is what is measured: x265's visual defaults cost half a decibel.
    Frame quantisers are whole numbers; other decisions at the next one give more sizes.
    """
    slow = preset == "slow"
    return Rival(
        load_codec("hevc", preset=preset),
        {
            "encoder": "libx265",
            "pixels": "gray12le, each channel scaled to its own range",
            "preset": preset,
            "tune": "psnr",
            "rate control": "CRF, by search; where that leaves bytes unused, also pbratio, and on"
            " single planes rdoq-level or aq-mode; channels of single planes spread over one step",
        },
        plane_fills=(
            {"rdoq-level": 0},
            {"rdoq-level": 1},
            {"aq-mode": 1, "aq-strength": 0.5},
        )
        if slow
        else (),
        stack_fills=({"pbratio": 1.2}, {"pbratio": 1.4}) if slow else (),
        whole=True,
    )


def svt_av1(preset: int) -> Rival:
    """AV1, 10 bits, 4:2:0 with constant chroma (SVT-AV1 has no monochrome); OBU streams.

    Temporal filtering helps clean stacks and hurts others.
    """
    return Rival(
        load_codec("av1", preset=preset, packed=False),
        {
            "encoder": "libsvtav1",
            "pixels": "yuv420p10le, luma scaled to each channel's own range, chroma constant",
            "preset": preset,
            "tune": "1 (PSNR), no screen content tools (they cost 0.2 dB and tenfold time)",
            "temporal filter": "on or off, whichever is better for the image",
            "rate control": "CRF in quarter steps, by search",
        },
        planes=({"enable-tf": 0},),
        stacks=({"enable-tf": 0}, {"enable-tf": 1}),
    )


_SCALED = "16-bit grey, each channel scaled to its own range"

JPEG_XL = Rival(
    load_codec("jpegxl"),
    {
        "encoder": "libjxl, codestream without container",
        "pixels": _SCALED,
        "effort": "5 or 7, whichever is better for the image (9 was no better in PSNR)",
        "rate control": "distance, by search",
    },
    planes=({"effort": 5}, {"effort": 7}),
    stacks=({"effort": 5}, {"effort": 7}),
)
AVIF = Rival(
    load_codec("avif"),
    {
        "encoder": "libaom through libavif, 4:0:0, 12 bits",
        "pixels": "each channel scaled to its own range",
        "speed": "4 on single planes, 6 on stacks and movies",
        "rate control": "quality 0…99; fractions by splitting the planes between two qualities",
    },
    planes=({"speed": 4},),
    stacks=({"speed": 6},),
)
JPEG_2000 = Sloped(
    load_codec("jpeg2000"),
    {
        "encoder": "OpenJPEG, irreversible 9/7, codestream without container",
        "pixels": _SCALED,
        "rate control": "PSNR of each plane, chosen so that a byte gains as much in every"
        " plane; that slope by search",
    },
    targets=tuple(float(v) for v in range(14, 63, 3)),
)
HTJ2K = Htj2k(
    load_codec("htj2k"),
    {
        "encoder": "OpenJPH, irreversible 9/7",
        "pixels": _SCALED,
        "rate control": "base quantiser step, by search",
    },
)
SPERR = Sloped(
    load_codec("sperr"),
    {
        "encoder": "SPERR, 3-D (2-D for single planes), one chunk",
        "pixels": "float32, each channel scaled to its own range in 16-bit steps",
        "rate control": "bits per pixel of each channel, chosen so that a byte gains as much in"
        " every channel; that slope by search",
    },
    targets=tuple(2.0**e for e in range(-9, 4)),
)


def _is_movie(geometry: Geometry) -> bool:
    """Whether streams have more than one frame."""
    _, t, z, _, _ = geometry.sizes
    return t * z > 1
