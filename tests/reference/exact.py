"""Exact samples out of a `.inif` file, written from docs/format.md ("Lossless") alone.

The container is read by decoder.py; zstd and JPEG XL are left to a library.

    python exact.py FILE.inif            header, and the samples of every brick in hexadecimal
"""

from __future__ import annotations

import json
import math
import runpy
import struct
import sys
from itertools import product
from pathlib import Path
from typing import Any

import imagecodecs

decoder = runpy.run_path(str(Path(__file__).with_name("decoder.py")))
decoder["FEATURES"].add("lossless/1")
need = decoder["need"]
digest = runpy.run_path(str(Path(__file__).with_name("checks.py")))["digest"]

FORMATS = {"bool": "?", "float16": "e", "float32": "f", "float64": "d"} | {
    f"{sign}int{8 * size}": letter if sign else letter.lower()
    for sign in ("u", "")
    for size, letter in ((1, "B"), (2, "H"), (4, "I"), (8, "Q"))
}


def extents(header: dict[str, Any]) -> list[list[int]]:
    """The samples of every brick along each axis, in the order of the bricks."""
    shape = header["shape"]
    brick = header.get("brick", shape)
    starts = [range(0, n, b) for n, b in zip(shape, brick, strict=True)]
    return [
        [min(b, n - at) for b, n, at in zip(brick, shape, corner, strict=True)]
        for corner in product(*starts)
    ]


def samples(section: bytes, header: dict[str, Any], brick: int, extent: list[int]) -> bytes:
    """A brick's samples in its own order of axes, C order, little endian."""
    check, way = struct.unpack_from("<IB", section)
    code = FORMATS[header["dtype"]]
    size, count = struct.calcsize(code), math.prod(extent)
    order = [a for a in "CTZYX" if a in header["axes"]]
    lengths = [extent[header["axes"].index(a)] for a in order]
    if way < 2:
        data = bytes(imagecodecs.zstd_decode(section[5:]))
        need(len(data) == count * size, "length of the brick")
        if way == 1:
            data = bytes(data[k * count + i] for i in range(count) for k in range(size))
    else:
        (lowest,) = struct.unpack_from("<Q", section, 5)
        picture = imagecodecs.jpegxl_decode(section[13:])
        need(picture.dtype == ("uint8" if way == 2 else "uint16"), "depth of the picture")
        need(picture.shape == (math.prod(lengths[:-1]), lengths[-1]), "sides of the picture")
        data = b"".join(number(lowest + v, code, size) for v in picture.ravel().tolist())
    place = dict(zip(order, range(len(order)), strict=True))
    out = b""
    for index in product(*map(range, extent)):
        at = 0
        for axis in order:
            at = at * lengths[place[axis]] + index[header["axes"].index(axis)]
        out += data[at * size : (at + 1) * size]
    need(digest(header, brick, out) == check, "check of the brick")
    return out


def number(total: int, code: str, size: int) -> bytes:
    """A whole number as a sample."""
    total %= 1 << 64
    if code == "?":
        return bytes([total != 0])
    if code in "efd":
        signed = total - (1 << 64) if total >> 63 else total
        return struct.pack("<" + code, float(signed))
    return (total % (1 << 8 * size)).to_bytes(size, "little")


def read(data: bytes) -> tuple[dict[str, Any], list[bytes]]:
    """The header, and the samples of every brick."""
    header, sections = decoder["read_container"](data)
    bricks = enumerate(extents(header))
    return header, [samples(sections["SAMP", b], header, b, extent) for b, extent in bricks]


if __name__ == "__main__":
    found, bricks = read(Path(sys.argv[1]).read_bytes())
    print(json.dumps(found, ensure_ascii=False))
    print(*(brick.hex() for brick in bricks))
