"""What a codec will take at a knob, before anything is encoded, and how long that may last.

The numbers were measured (``costs.json``, by ``benchmarks/codecs.py``): bits of a sample at knobs,
against how much neighbouring samples differ. They serve as a first guess; trials do the rest.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from inif.codecs import Codec

FRAMES, SIDE = 8, 512
"""Of the middle of a stack that is looked at: frames, and samples of their sides."""

_PLANE_LEVELS, _FRAME_LEVELS = 4, 3
"""How often neighbours are paired, along Y and X and along frames."""

_LEAST, _MOST, _WIDE = -20.0, 6.0, 0.5
"""Octaves of differences that are told apart, in units of the range: from, to, bins."""

_NOTHING = 1e-6
"""Bits of a sample at least, where nothing differs."""

_DEAD = 3.0
"""How fast what is smaller than a step stops to count: encoders let go of it."""

_FLAT = 0.3
"""Octaves of bytes for one of the knob: less is not to be relied on."""

_HALF = math.sqrt(0.5)
_STEP = 0.05
"""Octaves between the knobs that a guess chooses from."""


@dataclass(frozen=True)
class Texture:
    """How much there is to code in a stack: how large its differences are at all scales.

    Attributes
    ----------
    octaves
        log2 of differences, the middle of each bin. (B,) float64.
    shares
        How many of all samples have one like it. (B,) float64.
    """

    octaves: np.ndarray
    shares: np.ndarray

    @classmethod
    def of(cls, stack: np.ndarray) -> Texture:
        """Of (N, Y, X) float32 in [0, 1]."""
        middle = [
            slice(max(n - m, 0) // 2, max(n - m, 0) // 2 + m)
            for n, m in zip(stack.shape, (FRAMES, SIDE, SIDE), strict=True)
        ]
        low, found = stack[tuple(middle)], []
        for level in range(_PLANE_LEVELS):
            for axis in (0, 1, 2) if level < _FRAME_LEVELS else (1, 2):
                if pairs := low.shape[axis] // 2:
                    first, second = (low.take(range(k, 2 * pairs, 2), axis) for k in (0, 1))
                    found.append(np.abs(first - second).ravel())
                    low = (first + second) * np.float32(_HALF)
        sizes = np.concatenate(found or [np.zeros(1, np.float32)]) * np.float32(_HALF)
        edges = np.arange(_LEAST, _MOST + _WIDE, _WIDE)
        logs = np.log2(np.maximum(sizes, np.float32(2.0**_LEAST)))
        counts, _ = np.histogram(np.clip(logs, _LEAST, _MOST), edges)
        return cls(edges[:-1] + _WIDE / 2, counts / max(counts.sum(), 1))

    def load(self, octaves: np.ndarray) -> np.ndarray:
        """Bits of a sample if differences were coded in steps of 2^-octaves (K,): (K,) float64."""
        each = np.log2(1 + np.exp2(_DEAD * (self.octaves + octaves[:, None]))) / _DEAD
        found: np.ndarray = np.maximum(each @ self.shares, _NOTHING)
        return found


@cache
def costs() -> dict[str, Any]:
    """The table of the package."""
    text = (files("inif.encode.hybrid") / "costs.json").read_text("utf-8")
    table: dict[str, Any] = json.loads(text)
    return table


def bits(codec: Codec, texture: Texture, octaves: np.ndarray) -> np.ndarray:
    """Bits of a sample that a codec takes at knobs (K,), about; rising: (K,) float64."""
    if (knob := codec.knob(FRAMES)).rate:
        rates: np.ndarray = knob.coarse * np.exp2(octaves)
        return rates
    known = costs()["bits"].get(codec.kind, costs()["bits"]["av1"])
    load = texture.load(octaves + known["finer"])
    found: np.ndarray = np.exp2(known["log2"] + known["power"] * np.log2(load))
    return found


def guess(
    codec: Codec, frames: int, textures: Sequence[Texture], samples: Sequence[int], size: float
) -> float:
    """The knob, in octaves, at which stacks of so many samples each take a size in bytes, about."""
    octaves = np.arange(0.0, codec.knob(frames).octaves + _STEP, _STEP)
    total = sum(
        count / 8 * bits(codec, texture, octaves)
        for count, texture in zip(samples, textures, strict=True)
    )
    return float(np.interp(np.log2(size), np.log2(total), octaves))


def slope(codec: Codec, textures: Sequence[Texture], samples: Sequence[int], knob: float) -> float:
    """Octaves of bytes for one of the knob, about, near a knob."""
    ends = np.array([knob - _STEP, knob + _STEP])
    found = [n * bits(codec, t, ends) for n, t in zip(samples, textures, strict=True)]
    low, high = np.sum(found, axis=0)
    return max(float(np.log2(high / low)) / (2 * _STEP), _FLAT)


def seconds(kind: str, preset: int | str | None, raw_bytes: int) -> float:
    """Processor time of one encode of so many raw bytes, about."""
    known = costs()["seconds"].get(kind, {})
    return float(known.get(str(preset), 0.0)) * raw_bytes * 1e-6
