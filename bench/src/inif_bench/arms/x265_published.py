"""HEVC as the paper's public code runs it: for the record, not as a rival."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np

from inif.codecs import Knob
from inif.codecs.hevc import least, pools
from inif.codecs.libraries import missing_av
from inif.codecs.pyav import padded
from inif.errors import FormatError, UnsupportedError
from inif.frames import Geometry
from inif_bench.arms.base import Driver, Frames, Variant


class PublishedX265(Driver):
    """x265 by a bit rate and a CRF, which are set together.

    Counts go unscaled into 16-bit grey, of which x265 keeps the upper 12 bits; no B frames; preset
    medium; an MP4 file.
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
