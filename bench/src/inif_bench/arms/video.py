"""Video codecs at their best: HEVC by x265, 12-bit monochrome, and AV1 by SVT-AV1, 10-bit.

Each channel is scaled to its own range, so that every bit of the codec's depth is used, and tuned
for PSNR, because that is what is measured: x265's visual defaults cost half a decibel.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from inif.codecs import Codec, Knob, load_codec
from inif.codecs.hevc import least, pools
from inif.codecs.libraries import missing_av
from inif.codecs.pyav import padded
from inif.errors import FormatError, UnsupportedError
from inif.frames import Geometry
from inif_bench.arms.base import Driver, Frames, Variant


@dataclass(frozen=True)
class _Video(Driver):
    """A codec that takes whole stacks: one stream per channel."""

    @property
    def codec(self) -> Codec:
        """The codec."""
        raise NotImplementedError

    def missing(self) -> str | None:
        """Why it cannot run here, or None."""
        return self.codec.missing()

    def knob(self, geometry: Geometry) -> Knob:
        """The codec's own."""
        _, t, z, _, _ = geometry.sizes
        return self.codec.knob(t * z)

    def encode(self, frames: Frames, value: float, variant: Variant) -> list[bytes]:
        """One stream per channel at one CRF."""
        settings = {k: v for k, v in variant.items() if k != "order"}
        channels = frames.levels(self.codec.bits)
        return [
            self.codec.encode(
                levels,
                value + self.spread(c, len(channels), frames.geometry),
                frames.threads,
                **settings,
            )
            for c, levels in enumerate(channels)
        ]

    def spread(self, channel: int, channels: int, geometry: Geometry) -> float:
        """What is added to the knob for one of several channels."""
        return 0.0

    def decode(self, streams: list[bytes], geometry: Geometry, threads: int) -> list[np.ndarray]:
        """Each channel's frames in counts."""
        _, t, z, y, x = geometry.sizes
        return [
            geometry.from_levels(self.codec.decode(s, (t * z, y, x), threads), c, self.codec.bits)
            for c, s in enumerate(streams)
        ]


@dataclass(frozen=True)
class X265(_Video):
    """HEVC, main 12-bit profile without chroma; one elementary stream per channel."""

    preset: str = "slow"

    @property
    def codec(self) -> Codec:
        """HEVC at this preset."""
        return load_codec("hevc", preset=self.preset)

    @property
    def settings(self) -> dict[str, Any]:
        """How the encoder is run."""
        return {
            "encoder": "libx265",
            "pixels": "gray12le, each channel scaled to its own range",
            "preset": self.preset,
            "tune": "psnr",
            "rate control": "CRF, by search; where that leaves bytes unused, also pbratio, and on"
            " single planes rdoq-level or aq-mode; channels of single planes spread over one step",
        }

    def fills(self, geometry: Geometry) -> list[Variant]:
        """Frame quantisers are whole numbers; other decisions at the next one give more sizes."""
        if self.preset != "slow":
            return []
        if _is_movie(geometry):
            return [{"pbratio": 1.2}, {"pbratio": 1.4}]
        return [{"rdoq-level": 0}, {"rdoq-level": 1}, {"aq-mode": 1, "aq-strength": 0.5}]

    def spread(self, channel: int, channels: int, geometry: Geometry) -> float:
        """Single planes take whole quantisers; spread over one step, more sizes can be met."""
        return 0.0 if _is_movie(geometry) else (channel + 0.5) / channels - 0.5


@dataclass(frozen=True)
class SvtAv1(_Video):
    """AV1, 10 bits, 4:2:0 with constant chroma (SVT-AV1 has no monochrome); OBU streams."""

    preset: int = 4

    @property
    def codec(self) -> Codec:
        """AV1 at this preset."""
        return load_codec("av1", preset=self.preset, packed=False)

    @property
    def settings(self) -> dict[str, Any]:
        """How the encoder is run."""
        return {
            "encoder": "libsvtav1",
            "pixels": "yuv420p10le, luma scaled to each channel's own range, chroma constant",
            "preset": self.preset,
            "tune": "1 (PSNR), no screen content tools (they cost 0.2 dB and tenfold time)",
            "temporal filter": "on or off, whichever is better for the image",
            "rate control": "CRF in quarter steps, by search",
        }

    def variants(self, geometry: Geometry) -> list[Variant]:
        """Temporal filtering helps clean stacks and hurts others."""
        return [{"enable-tf": 0}, {"enable-tf": 1}] if _is_movie(geometry) else [{"enable-tf": 0}]


@dataclass(frozen=True)
class PublishedX265(Driver):
    """HEVC as the paper's public code runs it: for the record, not as a rival.

    Counts go unscaled into 16-bit grey, of which x265 keeps the upper 12 bits; a bit rate and a CRF
    are set together; no B frames; preset medium; an MP4 file.
    """

    @property
    def settings(self) -> dict[str, Any]:
        """How the encoder is run."""
        return {
            "encoder": "libx265",
            "pixels": "gray16le (8-bit images: gray), unscaled,"
            " cut to 12 bits by the encoder's input",
            "preset": "medium",
            "options": "bit rate and CRF together, bframes=0, aq-mode=3, 31 frames/s, MP4",
            "rate control": "CRF 0…51, by search",
            "source": "models/HEVC.py of the paper's public repository",
        }

    def missing(self) -> str | None:
        """Why it cannot run here, or None."""
        return missing_av("libx265", "w")

    def knob(self, geometry: Geometry) -> Knob:
        """CRF, in the range that the paper's code searches."""
        return Knob("crf", coarse=51.0, fine=0.0, step=0.04, start=26.0)

    def encode(self, frames: Frames, value: float, variant: Variant) -> list[bytes]:
        """One MP4 per channel.

        Raises
        ------
        UnsupportedError
            Neither 8 nor 16 bits, unsigned.
        """
        import av

        geometry, more = frames.geometry, pools(frames.threads)
        formats = {"uint8": "gray", "uint16": "gray16le"}
        if geometry.dtype not in formats:
            raise UnsupportedError(
                "the published code has no such samples",
                field="dtype",
                expected="uint8 or uint16",
                got=geometry.dtype,
            )
        out = []
        for stack in frames.stacks:
            target = io.BytesIO()
            pictures = padded(stack, least(len(stack)))
            with av.open(target, "w", format="mp4") as container:
                stream = container.add_stream("libx265", rate=31)
                stream.height, stream.width = pictures.shape[1:]
                stream.pix_fmt = "gray" if geometry.dtype == "uint8" else "gray12le"
                stream.options = {
                    "preset": "medium",
                    "b": "1000k",  # overridden by the CRF, as in the published command
                    "x265-params": f"crf={value}:bframes=0:aq-mode=3:log-level=none:{more}",
                }
                for number, counts in enumerate(pictures):
                    picture = av.VideoFrame.from_ndarray(counts, format=formats[geometry.dtype])
                    picture = picture.reformat(format=stream.pix_fmt)
                    picture.pts = number
                    container.mux(stream.encode(picture))
                container.mux(stream.encode(None))
            out.append(target.getvalue())
        return out

    def decode(self, streams: list[bytes], geometry: Geometry, threads: int) -> list[np.ndarray]:
        """Each channel's frames in counts."""
        kind = "gray" if geometry.dtype == "uint8" else "gray16le"
        return [
            _cropped(_frames(s, threads, kind), geometry).astype(geometry.dtype) for s in streams
        ]


def _is_movie(geometry: Geometry) -> bool:
    """Whether streams have more than one frame."""
    _, t, z, _, _ = geometry.sizes
    return t * z > 1


def _frames(data: bytes, threads: int, pixels: str) -> Iterator[np.ndarray]:
    """Decoded pictures, one by one, converted to `pixels` as the decoder's library does."""
    import av

    with av.open(io.BytesIO(data), "r", format="mp4") as container:
        container.streams.video[0].thread_count = threads
        for frame in container.decode(video=0):
            picture = frame.reformat(format=pixels)
            plane = picture.planes[0]
            wide = np.uint8 if picture.format.name == "gray" else np.uint16
            rows = np.frombuffer(bytes(plane), wide).reshape(plane.height, -1)
            yield rows[:, : plane.width].copy()


def _cropped(frames: Iterator[np.ndarray], geometry: Geometry) -> np.ndarray:
    """All frames as one array, without padding.

    Raises
    ------
    FormatError
        The stream has more or fewer frames than the image.
    """
    _, t, z, y, x = geometry.sizes
    out = [frame[:y, :x] for frame in frames]
    if len(out) != t * z or out[0].shape != (y, x):
        raise FormatError("the stream does not hold the image", expected=t * z, got=len(out))
    return np.stack(out)
