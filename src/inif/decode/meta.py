"""What a file says of its image besides samples: OME-XML, and metadata that fit a selection."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

from inif.axes import Selection
from inif.errors import FormatError
from inif.image import Metadata

MAX_OME_BYTES = 16 << 20


def inflated(data: bytes, name: str) -> str:
    """OME-XML of a section's bytes; `name` is the file's, for messages.

    Raises
    ------
    FormatError
        The section is not what it should be.
    """
    inflater = zlib.decompressobj()
    try:
        text = inflater.decompress(data, MAX_OME_BYTES)
        whole = inflater.eof and not inflater.unconsumed_tail
        decoded = text.decode() if whole else None
    except (zlib.error, UnicodeDecodeError):
        decoded = None
    if decoded is None:
        raise FormatError("the OME-XML cannot be read", file=name, field="section OMEX")
    return decoded


def meta_of(meta: Metadata, axes: str, selection: Selection) -> Metadata:
    """Metadata that fits a selection: steps grow with strides, channels follow their indices."""
    scale = {}
    for axis, (value, unit) in meta.scale.items():
        picked = axes.find(axis)
        if picked < 0 or selection.dropped[picked]:
            continue
        scale[axis] = (value * abs(selection.ranges[picked].step), unit)
    c = axes.find("C")
    channels: Sequence[Any] = meta.channels
    if c >= 0 and meta.channels:
        channels = [meta.channels[i] for i in selection.ranges[c] if i < len(meta.channels)]
    return Metadata(meta.name, scale, tuple(channels))
