"""How much patience each effort has: one preset of the codec, for trials and for the file."""

from __future__ import annotations

from typing import Any

from inif.codecs import Codec, load_codec
from inif.encode.hybrid.guess import seconds
from inif.fields.parallel import cores

PRESETS: dict[str, tuple[int | str, ...]] = {
    "av1": (6, 4, 3, 2, 1, 1, 0, -1, -1),
    "hevc": ("medium",) * 2 + ("slow",) * 3 + ("veryslow",) * 4,
}
"""By effort, 1 to 9. Other codecs have one setting."""

_FASTER: dict[str, tuple[int | str, ...]] = {
    "av1": (-1, 0, 1, 2, 3, 4, 5, 6, 8, 10),
    "hevc": ("veryslow", "slow", "medium", "fast", "ultrafast"),
}
"""Presets that a time limit may choose, slowest first."""

OPTIONS: dict[str, dict[str, Any]] = {"av1": {"fine": True}}

SMALL, PATIENCE = 1 << 24, 2
"""Raw bytes of an image up to which there is time for the preset of so many efforts more: its
encodes take seconds, and the last preset gains 5 % on single planes."""

ENCODES = 4
"""Of a brick at most, trials included."""


def codec_for(kind: str, effort: int, raw_bytes: int, limit: float | None = None) -> Codec:
    """A codec at the preset of an effort (1 … 9), or a faster one that keeps to a time limit.

    Parameters
    ----------
    raw_bytes
        Of the image.
    limit
        In seconds, for all encodes.
    """
    options = dict(OPTIONS.get(kind, {}))
    if kind in PRESETS:
        patience = min(effort + PATIENCE * (raw_bytes <= SMALL), len(PRESETS[kind]))
        preset = PRESETS[kind][patience - 1]
        if limit is not None:
            faster = _FASTER[kind][_FASTER[kind].index(preset) :]
            spent = {p: ENCODES * seconds(kind, p, raw_bytes) / cores() for p in faster}
            preset = next((p for p in faster if spent[p] <= limit), faster[-1])
        options["preset"] = preset
    return load_codec(kind, **options)
