"""AVIF (libaom through libavif), 12-bit monochrome, one file per frame."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from inif.codecs import obu
from inif.codecs.base import Damaged
from inif.codecs.knob import Knob
from inif.codecs.stills import StillCodec

_OCTAVE = 14.8
"""Steps of libavif's quality that make the quantiser half as large."""

_INSIDE_META = {b"hdlr", b"pitm", b"iloc", b"iinf", b"iprp"}


@dataclass(frozen=True)
class Avif(StillCodec):
    """AVIF; settings: ``speed`` (slower where it pays, on single planes)."""

    kind = "avif"
    title = "AVIF"
    bits = 12
    suffix = ".avif"
    exact = True
    library = "AVIF"
    whole = True

    def knob(self, frames: int) -> Knob:
        """Quality is a whole number for each picture."""
        return Knob("quality", 0.0, 99.0, step=1 / frames, start=50.0, octave=_OCTAVE)

    def _defaults(self, frames: int) -> dict[str, Any]:
        return {"speed": 4 if frames == 1 else 6}

    def _encode_picture(
        self, picture: np.ndarray, quality: float, threads: int, settings: Mapping[str, Any]
    ) -> bytes:
        """One picture, given as RGB: the library compresses grey arrays without loss, always."""
        import imagecodecs

        data = imagecodecs.avif_encode(
            np.stack([picture] * 3, axis=-1),
            level=min(max(math.floor(quality + 0.5), 0), 99),
            bitspersample=self.bits,
            pixelformat="yuv400",
            codec="aom",
            numthreads=threads,
            **settings,
        )
        return bytes(data)

    def _decode_picture(self, data: bytes, sides: tuple[int, int], threads: int) -> np.ndarray:
        import imagecodecs

        check_file(data, sides)
        out = np.asarray(imagecodecs.avif_decode(data, numthreads=threads))
        return out if out.ndim == 2 else out[..., 0]


def check_file(data: bytes, sides: tuple[int, int]) -> None:
    """Refuse a file that is not one AV1 picture of these sides (height, width), and nothing else.

    Source: ISO/IEC 14496-12 and 23008-12, boxes of a still picture.

    Raises
    ------
    Damaged
        Other boxes than those of one picture, or sizes that are not as they should be.
    """
    top = list(_boxes(data, 0, len(data)))
    if [kind for kind, _, _ in top] != [b"ftyp", b"meta", b"mdat"]:
        raise Damaged("other boxes", "ftyp, meta and mdat")
    (_, meta, meta_end), (_, start, end) = top[1:]
    inside = {kind: (a, b) for kind, a, b in _boxes(data, meta + 4, meta_end)}
    if set(inside) != _INSIDE_META:
        raise Damaged("other boxes in meta", "those of one picture")
    _check_location(data[slice(*inside[b"iloc"])], start, end)
    properties = list(_boxes(data, *inside[b"iprp"]))
    if [kind for kind, _, _ in properties] != [b"ipco", b"ipma"]:
        raise Damaged("other boxes in iprp", "ipco and ipma")
    sizes = [data[a:b] for kind, a, b in _boxes(data, *properties[0][1:]) if kind == b"ispe"]
    if len(sizes) != 1 or len(sizes[0]) != 12:
        raise Damaged(f"{len(sizes)} sizes", "one size")
    _, width, height = struct.unpack(">III", sizes[0])
    if (height, width) != sides:
        raise Damaged(f"a picture of {(height, width)}", f"a picture of {sides}")
    sequences = [payload for kind, _, payload in obu.units(data[start:end]) if kind == obu.SEQUENCE]
    for payload in sequences:
        obu.check_sequence(payload, sides)
    if not sequences:
        raise Damaged("no sequence header", "an AV1 picture")


def _boxes(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and end of what each box between two offsets holds."""
    while at < end:
        if end - at < 8:
            raise Damaged("a box that ends too early")
        size, kind = struct.unpack_from(">I4s", data, at)
        if not 8 <= size <= end - at:
            raise Damaged(f"a box of {size} bytes, {end - at} left")
        yield kind, at + 8, at + size
        at += size


def _check_location(box: bytes, start: int, end: int) -> None:
    """The one item must be all that mdat holds."""
    form = ">IBBHHHHII"  # version, widths of fields, items; id, data reference, extents; place
    if len(box) != struct.calcsize(form):
        raise Damaged(f"an item location of {len(box)} bytes", "that of one item")
    version, sizes, base, items, _, _, extents, offset, length = struct.unpack(form, box)
    if (version, sizes, base, items, extents) != (0, 0x44, 0, 1, 1):
        raise Damaged("several items or extents", "one")
    if (offset, offset + length) != (start, end):
        raise Damaged(f"an item of {length} bytes at {offset}", f"{end - start} at {start}")
