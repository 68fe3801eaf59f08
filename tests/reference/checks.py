"""The second check of a brick, and the outliers of a file, written from docs/format.md alone.

Plain Python, standard library only; see decoder.py, whose CRC-32C this takes.
"""

from __future__ import annotations

import json
import runpy
import struct
from pathlib import Path
from typing import Any

crc32c = runpy.run_path(str(Path(__file__).with_name("decoder.py")))["crc32c"]


def digest(header: dict[str, Any], brick: int, content: bytes) -> int:
    """Of a header, a brick's number and its content: weights, or levels and repairs."""
    keys = ("axes", "dtype", "field", "codec", "shape")
    stated = {key: header[key] for key in keys if key in header}
    stated["brick"] = header.get("brick", header["shape"])
    text = json.dumps(stated, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    ranges = [float(number) for pair in header["range"] for number in pair]
    place = struct.pack(f"<{len(ranges)}dI", *ranges, brick)
    return int(crc32c(text.encode() + place + content))


def outliers(section: bytes, dtype: str) -> dict[int, float]:
    """Value by position of a section OUTL."""
    at = 0

    def number() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = section[at]
            value, shift, at = value | (byte & 127) << shift, shift + 7, at + 1
            if byte < 128:
                return value

    last, positions = -1, []
    for _ in range(number()):
        last += 1 + number()
        positions.append(last)
    form = {"uint8": "B", "uint16": "H", "int16": "h", "float32": "f"}[dtype]
    values = struct.unpack(f"<{len(positions)}{form}", section[at:])
    return dict(zip(positions, values, strict=True))
