"""Video codecs at their best: HEVC by x265, 12-bit monochrome, and AV1 by SVT-AV1, 10-bit.

Each channel is scaled to its own range, so that every bit of the codec's depth is used, and tuned
for PSNR, because that is what is measured: x265's visual defaults cost half a decibel.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from importlib.util import find_spec
from typing import Any

import numpy as np

from inif.bench.arms.base import Codec, Frames, Variant
from inif.bench.geometry import Geometry
from inif.bench.search import Knob

_RATE = Fraction(25, 1)


@dataclass(frozen=True)
class X265(Codec):
    """HEVC, main 12-bit profile without chroma; one elementary stream per channel."""

    preset: str = "slow"

    bits = 12

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

    def missing(self) -> str | None:
        """Why it cannot run here, or None."""
        return missing_encoder("libx265")

    def knob(self, geometry: Geometry) -> Knob:
        """CRF is continuous in x265."""
        step = 0.04 if _is_movie(geometry) else 0.25
        return Knob("crf", coarse=51.0, fine=-12.0, step=step, start=26.0)

    def fills(self, geometry: Geometry) -> list[Variant]:
        """Frame quantisers are whole numbers; other decisions at the next one give more sizes."""
        if self.preset != "slow":
            return []
        if _is_movie(geometry):
            return [{"pbratio": 1.2}, {"pbratio": 1.4}]
        return [{"rdoq-level": 0}, {"rdoq-level": 1}, {"aq-mode": 1, "aq-strength": 0.5}]

    def encode(self, frames: Frames, value: float, variant: Variant) -> list[bytes]:
        """One stream per channel at one CRF."""
        more = "".join(f":{k}={v}" for k, v in variant.items() if k != "order")
        fixed = f"no-info=1:log-level=none:frame-threads=1:{_pools(frames.threads)}{more}"
        out = []
        channels = frames.levels(self.bits)
        for c, levels in enumerate(channels):
            spread = 0.0 if _is_movie(frames.geometry) else (c + 0.5) / len(channels) - 0.5
            options = {
                "preset": self.preset,
                "tune": "psnr",
                "x265-params": f"crf={value + spread:.4f}:{fixed}",
            }
            out.append(self._stream(padded(levels, 32), options))
        return out

    def decode(self, streams: list[bytes], geometry: Geometry, threads: int) -> list[np.ndarray]:
        """Each channel's frames in counts."""
        return [
            geometry.from_levels(_cropped(_frames(s, "hevc", threads), geometry), c, self.bits)
            for c, s in enumerate(streams)
        ]

    @staticmethod
    def _stream(frames: np.ndarray, options: dict[str, str]) -> bytes:
        import av

        context = av.CodecContext.create("libx265", "w")
        context.height, context.width = frames.shape[1:]
        context.pix_fmt = "gray12le"
        context.time_base, context.framerate = 1 / _RATE, _RATE
        context.options = options
        out = []
        for number, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(frame, format="gray12le")
            picture.pts = number
            out += [bytes(packet) for packet in context.encode(picture)]
        out += [bytes(packet) for packet in context.encode(None)]
        return b"".join(out)


@dataclass(frozen=True)
class SvtAv1(Codec):
    """AV1, 10 bits, 4:2:0 with constant chroma (SVT-AV1 has no monochrome); OBU streams."""

    preset: int = 4

    bits = 10

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

    def missing(self) -> str | None:
        """Why it cannot run here, or None."""
        return missing_encoder("libsvtav1")

    def knob(self, geometry: Geometry) -> Knob:
        """SVT-AV1 takes quarters of a CRF through its own parameters."""
        return Knob("crf", coarse=70.0, fine=1.0, step=0.25, start=38.0)

    def variants(self, geometry: Geometry) -> list[Variant]:
        """Temporal filtering helps clean stacks and hurts others."""
        return [{"enable-tf": 0}, {"enable-tf": 1}] if _is_movie(geometry) else [{"enable-tf": 0}]

    def encode(self, frames: Frames, value: float, variant: Variant) -> list[bytes]:
        """One stream per channel at one CRF."""
        os.environ["SVT_LOG"] = "1"  # the encoder prints to stderr, and asks only here
        tools = f"tune=1:scm=0:enable-tf={variant['enable-tf']}"
        options: dict[str, str] = {
            "preset": str(self.preset),
            "crf": str(max(1, min(63, round(value)))),
            "svtav1-params": f"{tools}:lp={frames.threads}:crf={value}",
        }
        return [self._stream(padded(v, 64), options) for v in frames.levels(self.bits)]

    def decode(self, streams: list[bytes], geometry: Geometry, threads: int) -> list[np.ndarray]:
        """Each channel's frames in counts."""
        return [
            geometry.from_levels(_cropped(_frames(s, "obu", threads), geometry), c, self.bits)
            for c, s in enumerate(streams)
        ]

    @staticmethod
    def _stream(frames: np.ndarray, options: dict[str, str]) -> bytes:
        import av

        target = io.BytesIO()
        with av.open(target, "w", format="obu") as container:
            stream = container.add_stream("libsvtav1", rate=_RATE)
            stream.height, stream.width = frames.shape[1:]
            stream.pix_fmt = "yuv420p10le"
            stream.options = dict(options)
            for number, frame in enumerate(frames):
                picture = av.VideoFrame(stream.width, stream.height, "yuv420p10le")
                _fill(picture, frame)
                picture.pts = number
                container.mux(stream.encode(picture))
            container.mux(stream.encode(None))
        return target.getvalue()


@dataclass(frozen=True)
class PublishedX265(Codec):
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
        return missing_encoder("libx265")

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

        from inif.errors import UnsupportedError

        geometry, pools = frames.geometry, _pools(frames.threads)
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
            pictures = padded(stack, 32)
            with av.open(target, "w", format="mp4") as container:
                stream = container.add_stream("libx265", rate=31)
                stream.height, stream.width = pictures.shape[1:]
                stream.pix_fmt = "gray" if geometry.dtype == "uint8" else "gray12le"
                stream.options = {
                    "preset": "medium",
                    "b": "1000k",  # overridden by the CRF, as in the published command
                    "x265-params": f"crf={value}:bframes=0:aq-mode=3:log-level=none:{pools}",
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
            _cropped(_frames(s, "mp4", threads, kind), geometry).astype(geometry.dtype)
            for s in streams
        ]


def _pools(threads: int) -> str:
    """x265's option for a number of threads."""
    return f"pools={threads}" if threads > 1 else "pools=none"


def _is_movie(geometry: Geometry) -> bool:
    """Whether streams have more than one frame."""
    _, t, z, _, _ = geometry.sizes
    return t * z > 1


def missing_encoder(name: str) -> str | None:
    """Why PyAV cannot encode with `name`, or None."""
    if find_spec("av") is None:
        return "PyAV is not installed: pip install 'inif[bench]'"
    import av

    try:
        av.Codec(name, "w")
    except av.error.FFmpegError:
        return f"this build of PyAV has no encoder {name}"
    return None


def padded(frames: np.ndarray, least: int) -> np.ndarray:
    """Frames with even sides of at least `least`, the last row and column repeated."""
    sides = [max(least, n + n % 2) - n for n in frames.shape[1:]]
    return np.pad(frames, [(0, 0), (0, sides[0]), (0, sides[1])], mode="edge")


def _fill(picture: Any, luma: np.ndarray) -> None:
    """Write luma, and grey into both chroma planes."""
    for index, plane in enumerate(picture.planes):
        rows = np.full((plane.height, plane.line_size // 2), 512, np.uint16)
        if index == 0:
            rows[:, : luma.shape[1]] = luma
        plane.update(rows.tobytes())


def _frames(
    data: bytes, kind: str, threads: int, pixels: str | None = None
) -> Iterator[np.ndarray]:
    """Decoded luma planes, one by one; `pixels` converts as the decoder's library does."""
    import av

    with av.open(io.BytesIO(data), "r", format=kind) as container:
        container.streams.video[0].thread_count = threads
        for frame in container.decode(video=0):
            picture = frame.reformat(format=pixels) if pixels else frame
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
    from inif.errors import FormatError

    _, t, z, y, x = geometry.sizes
    out = [frame[:y, :x] for frame in frames]
    if len(out) != t * z or out[0].shape != (y, x):
        raise FormatError("the stream does not hold the image", expected=t * z, got=len(out))
    return np.stack(out)
