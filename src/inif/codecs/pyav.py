"""Bounded decoding with PyAV, for streams that nobody vouches for.

Demuxers probe a stream with decoders of their own, which know no limits; so packets go to a codec
context directly.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from inif.codecs.base import Damaged, Shape

Sides = tuple[int, int]

_ALIGN = 128  # decoders allocate whole blocks


def padded(frames: np.ndarray, least: Sides) -> np.ndarray:
    """Frames with even sides of at least `least`, the last row and column repeated."""
    full = padded_sides(frames.shape[1:], least)
    more = [(0, f - n) for f, n in zip(full, frames.shape[1:], strict=True)]
    return np.pad(frames, [(0, 0), *more], mode="edge")


def padded_sides(sides: Iterable[int], least: Sides) -> Sides:
    """The height and width that `padded` gives frames of these."""
    y, x = (max(m, n + n % 2) for n, m in zip(sides, least, strict=True))
    return y, x


def decode(
    codec: str, packets: Iterable[bytes], shape: Shape, threads: int, pixels: str, full: Sides
) -> np.ndarray:
    """The luma of every frame of a stream, without its padding.

    Parameters
    ----------
    codec
        A decoder of FFmpeg.
    packets
        The stream, one picture (or temporal unit) each.
    shape
        (N, Y, X) that must come out.
    threads
        That the decoder may use.
    pixels
        The pixel format that every frame must have, of up to 16 bits.
    full
        Height and width that every frame must have, padding included.

    Raises
    ------
    Damaged
        Frames of another number, size or kind, or broken ones.
    """
    import av

    context: Any = av.CodecContext.create(codec, "r")
    context.thread_count = threads
    most = -(-full[0] // _ALIGN) * -(-full[1] // _ALIGN) * _ALIGN**2
    context.options = {"max_pixels": str(most), "err_detect": "explode"}
    frames, y, x = shape
    out = np.empty(shape, np.uint16)
    count = 0
    for packet in [*packets, None]:
        for frame in context.decode(None if packet is None else _owned(packet)):
            got = (frame.height, frame.width)
            if count == frames or got != full or frame.format.name != pixels or frame.is_corrupt:
                raise Damaged(
                    f"frame {count + 1} of {got} {frame.format.name}",
                    f"{frames} frames of {full} {pixels}",
                )
            plane = frame.planes[0]
            rows = np.frombuffer(plane, np.uint16).reshape(plane.height, -1)
            out[count] = rows[:y, :x]
            count += 1
    if count != frames:
        raise Damaged(f"{count} frames", f"{frames} frames")
    return out


def _owned(data: bytes) -> Any:
    """A packet whose memory FFmpeg owns.

    Memory of Python's would be freed under Python's global lock, by a thread of the decoder that
    holds the decoder's lock; while the context is closed under the global lock, which waits for the
    decoder's: both would wait for ever.
    """
    import av

    packet = av.Packet(len(data))
    packet.update(data)
    return packet
