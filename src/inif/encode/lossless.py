"""The lossless job: an image in, a file of its very samples out, as small as well-kept codecs go.

Chunks are planes, or tiles of large planes, so that a slice costs its share. Each is coded by zstd
or JPEG XL, whichever is smaller.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from inif.bricks import BrickGrid
from inif.codecs.libraries import missing_imagecodec
from inif.config import ProgressEvent
from inif.container.spec import LOSSLESS
from inif.container.writer import Section, pack
from inif.decode import lossless
from inif.decode.check import digest, little_endian
from inif.encode.job import Job, draft_header, ome_section
from inif.fields.parallel import in_order
from inif.frames import CANON

MOST_BYTES, LEAST_BYTES = 1 << 22, 1 << 16
"""Of a chunk's samples, at most; and at least, where planes are small: what a chunk costs besides
its samples, about 40 bytes, is then little."""

_MOST_SIDE = 1 << 16
_FLAT = 8
"""A chunk that zstd makes smaller by this factor is flat: patience pays there and costs little."""

_NEAR = 1.5
"""How much larger than JPEG XL a quick zstd may be for a patient one to be tried."""

_QUICK, _USUAL, _PATIENT = 3, 9, 19
"""Levels of zstd."""


def encode_lossless(job: Job) -> bytes:
    """The bytes of a file that holds the job's samples exactly.

    The job's target, if it has one, is recorded and has no other effect.

    Parameters
    ----------
    job
        Its image is checked by ``check_image(…, lossless=True)``.

    Raises
    ------
    KeyboardInterrupt
        Ctrl-C.
    """
    image, effort = job.original or job.image, job.effort or 3
    grid = lossless_grid(image.axes, image.data.shape, image.data.dtype.itemsize)
    begun = time.monotonic()
    header: dict[str, Any] = {
        "axes": image.axes,
        "shape": list(image.data.shape),
        "dtype": image.data.dtype.name,
        "range": job.ranges,
        "field": {"kind": "none"},
        "requires": [LOSSLESS],
    }
    if len(grid) > 1:
        header |= {"brick": list(grid.brick)}

    def section(brick: int) -> Section:
        return lossless_section(image.data[grid.slices(brick)], header, brick, effort)

    sections = []
    for brick, made in enumerate(in_order(section, range(len(grid)))):
        sections.append(made)
        seconds = time.monotonic() - begun
        left = seconds / (brick + 1) * (len(grid) - brick - 1)
        job.report(ProgressEvent("pack", brick + 1, len(grid), None, seconds, left))
    size = sum(len(section.data) for section in sections)
    codecs = {codec_of(lossless.head(section.read())[1]) for section in sections}
    draft = draft_header(replace(job, method="lossless"), size)
    draft["lossy"] |= {"psnr": None, "max_error": 0}
    del draft["lossy"]["seed"]  # nothing is random
    draft["lossy"].pop("stopped", None)
    whole = draft | header | {"lossless": {"codecs": sorted(codecs)}}
    return pack(whole, [*ome_section(image, size), *sections])


def lossless_section(
    samples: np.ndarray, header: Mapping[str, Any], brick: int, effort: int
) -> Section:
    """The section of a brick's samples, in a file of this header."""
    way, data = packed(samples, header["axes"], effort)
    stated = digest(header, brick, [little_endian(samples)])
    return Section(lossless.KIND, lossless.HEAD.pack(stated, way) + data, brick)


def lossless_grid(axes: str, shape: tuple[int, ...], itemsize: int) -> BrickGrid:
    """Chunks: planes of an image, tiles of large planes, several planes where they are small."""
    sizes = dict(zip(axes, shape, strict=True))
    planar = [a for a in "YX" if a in axes]
    brick = {a: sizes[a] if a in planar else 1 for a in axes}
    parts = dict.fromkeys(axes, 1)
    while math.prod(brick.values()) * itemsize > MOST_BYTES:
        longest = max(planar, key=lambda a: brick[a])
        parts[longest] += 1
        brick[longest] = -(-sizes[longest] // parts[longest])
    for axis in reversed([a for a in CANON if a in axes and a not in planar]):
        room = LEAST_BYTES // (math.prod(brick.values()) * itemsize)
        if room < 2:
            break
        brick[axis] = -(-sizes[axis] // -(-sizes[axis] // room))
        if brick[axis] < sizes[axis]:
            break
    return BrickGrid(shape, tuple(brick[a] for a in axes))


def packed(samples: np.ndarray, axes: str, effort: int) -> tuple[int, bytes]:
    """How a chunk, (n1, …) in the image's axes, is coded smallest, and what follows the head then.

    Parameters
    ----------
    effort
        1 to 9: how many settings of the codecs are tried, and which.
    """
    canon = samples.transpose([axes.index(a) for a in CANON if a in axes])
    plain = little_endian(canon)
    ways = {lossless.PLAIN: plain}
    if samples.itemsize > 1:
        rows = np.frombuffer(plain, np.uint8).reshape(-1, samples.itemsize)
        ways[lossless.SHUFFLED] = rows.T.tobytes()
    quick = {way: zstd(data, _QUICK) for way, data in ways.items()}
    smallest = min(map(len, quick.values()))
    flat = smallest * _FLAT <= len(plain)
    found = [(len(data), way, data) for way, data in quick.items()]
    found += pictures(canon, lossless.sides_of(axes, samples.shape), picture_efforts(effort, flat))
    if effort > 1 and smallest < _NEAR * min(found)[0]:
        level = _PATIENT if flat or effort > 3 else _USUAL
        for way, data in ways.items():
            if flat or len(quick[way]) == smallest:
                better = zstd(data, level)
                found.append((len(better), way, better))
    _, way, data = min(found)
    return way, data


def picture_efforts(effort: int, flat: bool) -> tuple[int, ...]:
    """Efforts of JPEG XL to try: none is the smallest for every image."""
    if effort < 3:
        return (3,) if effort < 2 else (5,)
    return (5, 7, 9) if flat or effort > 5 else (5, 7)


def pictures(
    canon: np.ndarray, sides: tuple[int, int], efforts: tuple[int, ...]
) -> list[tuple[int, int, bytes]]:
    """A chunk as JPEG XL pictures: (length, way, data) of each; none where it cannot be one.

    It can be where samples are whole numbers within 16 bits of each other.
    """
    if max(sides) > _MOST_SIDE or missing_imagecodec("JPEGXL"):
        return []
    low, high = canon.min(), canon.max()
    if canon.dtype.kind == "f":
        exact = max(-float(low), float(high)) < 1 << 53  # false for NaN
        if not (exact and np.array_equal(np.rint(canon), canon)):
            return []
    lowest, span = int(low), int(high) - int(low)
    if span >= 1 << 16:
        return []
    bits, way = (8, lossless.PICTURE_8) if span < 1 << 8 else (16, lossless.PICTURE_16)
    wide = canon.astype(np.uint64 if canon.dtype == np.uint64 else np.int64)
    levels = (wide - wide.dtype.type(lowest)).astype(f"uint{bits}").reshape(sides)
    stated = lowest % (1 << 64)
    same = lossless.raised(levels.reshape(canon.shape), stated, canon.dtype)
    if same.tobytes() != canon.tobytes():  # a negative zero
        return []
    head = lossless.LOWEST.pack(stated)
    streams = [head + jpegxl(levels, effort) for effort in efforts]
    return [(len(data), way, data) for data in streams]


def jpegxl(levels: np.ndarray, effort: int) -> bytes:
    """A picture of 8 or 16 bits as a lossless JPEG XL codestream, without container."""
    import imagecodecs

    data = bytes(
        imagecodecs.jpegxl_encode(
            levels, lossless=True, effort=effort, usecontainer=False, numthreads=1
        )
    )
    out, at = b"", 0
    if data.startswith(b"\xff\x0a"):
        return data
    while at < len(data):  # 16 bits make libjxl add a container to say so
        size, start = int.from_bytes(data[at : at + 4], "big"), at + 8
        kind = data[at + 4 : at + 8]
        if size == 1:
            size, start = int.from_bytes(data[at + 8 : at + 16], "big"), at + 16
        end = at + size if size else len(data)
        if kind in (b"jxlc", b"jxlp"):
            out += data[start + (4 if kind == b"jxlp" else 0) : end]
        at = end
    return out


def zstd(data: bytes, level: int) -> bytes:
    """Bytes as a zstd frame."""
    import imagecodecs

    return bytes(imagecodecs.zstd_encode(data, level))


def codec_of(way: int) -> str:
    """The codec's name in the header."""
    return "zstd" if way in (lossless.PLAIN, lossless.SHUFFLED) else "jpegxl"
