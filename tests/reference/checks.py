"""The second check of a brick, written from docs/format.md, "Verification", alone.

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
    keys = ("axes", "dtype", "field", "prior", "shape")
    stated = {key: header[key] for key in keys if key in header}
    stated["brick"] = header.get("brick", header["shape"])
    text = json.dumps(stated, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    ranges = [float(number) for pair in header["range"] for number in pair]
    place = struct.pack(f"<{len(ranges)}dI", *ranges, brick)
    return int(crc32c(text.encode() + place + content))
