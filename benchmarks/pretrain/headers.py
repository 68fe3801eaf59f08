"""The start of the model that codes AV1's headers, from streams of made-up pictures.

Headers say how an encoder was set, not what an image shows, so nothing here comes from an image:
blobs that drift, at several noise levels, sizes, lengths, presets and qualities.

python -m benchmarks.pretrain.headers OUT.npz   (minutes; the shipped file is never made again:
it has seen streams of libaom too)
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy import ndimage

from inif.codecs import headers, pyav
from inif.codecs.av1 import Av1
from inif.coding.bitwise import Encoder, Primed

LENGTHS = (1, 1, 1, 1, 2, 3, 5, 8, 11, 16, 20, 26, 33, 40, 50, 60, 60, 75, 100, 120, 160, 240)
PRESETS = (8, 8, 4, 2, 1)
KEEP, CAP, CLEAR = 6, 6, 8000
"""How often a context must have come, as how often it counts at most, and how far it must be from
even chances, of 65536."""


class Counting(Encoder):
    """Learns, and writes nothing."""

    def _bit(self, chance: int, bit: int) -> int:
        return bit


def main() -> None:
    rng = np.random.default_rng(20261127)
    model = Counting(Primed.blank(headers.MIXERS))
    for number, (data, sides) in enumerate(streams(rng)):
        headers.code_headers(model, data, sides)
        print(number, len(data), len(model.states), flush=True)
    kept = {
        k: s
        for k, s in sorted(model.states.items())
        if s & 63 >= KEEP and abs((s >> 6) - 32768) >= CLEAR
    }
    states = [s >> 6 << 6 | min(s & 63, CAP) for s in kept.values()]
    np.savez_compressed(
        sys.argv[1],
        steps=np.diff(np.array(list(kept), np.int64), prepend=0),
        states=np.array(states, np.int32),
        weights=np.array(model.weights, np.int32),
    )
    print(len(kept), Path(sys.argv[1]).stat().st_size)


def streams(rng: np.random.Generator) -> Iterator[tuple[bytes, tuple[int, int]]]:
    """Streams, and the sides of their frames, in mixed order."""
    jobs = [(n, p) for n in LENGTHS for p in PRESETS for _ in range(2 if n > 1 else 6)]
    for i in rng.permutation(len(jobs)):
        frames, preset = jobs[i]
        levels = picture(rng, frames)
        quality = float(rng.integers(24, 64) if rng.random() < 0.8 else rng.integers(5, 69))
        codec = Av1(preset=preset, packed=False)
        yield codec.encode(levels, quality, 2), pyav.padded_sides(levels.shape[1:], (64, 64))


def picture(rng: np.random.Generator, frames: int) -> np.ndarray:
    """Blobs of one size that change from frame to frame, and noise; (N, Y, X) levels."""
    longest = 1024 if frames == 1 else 448 if frames < 30 else 224
    y, x = rng.integers(40, longest, 2)
    scale, depth = rng.uniform(1, 12), rng.uniform(0.5, 4)
    smooth = ndimage.gaussian_filter(rng.normal(size=(frames, y, x)), (depth, scale, scale))
    smooth = np.maximum(smooth / smooth.std() - rng.uniform(-1, 1.5), 0) ** rng.uniform(0.7, 2)
    photons = 10 ** rng.uniform(0, 4)
    counts = rng.poisson(photons * (smooth + rng.uniform(0, 0.3)) / max(smooth.max(), 1e-6))
    counts = counts - counts.min()
    return (counts / max(counts.max(), 1) * 1023).astype(np.uint16)


if __name__ == "__main__":
    main()
