"""What codecs take: bits of a sample against knob and texture, and seconds of a megabyte.

python benchmarks/codecs.py    (needs INIF_DATA; a few minutes)

Every other image makes the table in ``encode/hybrid/costs.json``, the others judge it
(results/codecs.json): by how many octaves the guessed bytes are off.
"""

from __future__ import annotations

import json
import math
import os
import platform
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from record import data_dir, images, save

import inif.encode.hybrid.guess
from inif.codecs import CODECS, Codec, load_codec
from inif.encode.hybrid.guess import FRAMES, Texture
from inif.frames import Geometry
from inif.io import read_image
from inif.metrics.fidelity import channel_ranges

TABLE = Path(inif.encode.hybrid.guess.__file__).with_name("costs.json")
SHARES = (0.2, 0.35, 0.5, 0.65, 0.8)
"""Of a knob's way from its coarse end."""

MOST = 1 << 20
"""Samples of a channel that are encoded, and channels of an image."""
CHANNELS = 2

RANGE = (-10.0, 3.0)
"""Logarithms of the bits of a sample that are of interest: 0.001 to 8."""

PRESETS = {
    "av1": (10, 8, 6, 5, 4, 3, 2, 1, 0, -1),
    "hevc": ("ultrafast", "fast", "medium", "slow", "veryslow"),
}
FINER = np.arange(-10.0, 10.1, 0.25)
"""Octaves of steps, beside the knob's own, that are tried."""

Point = tuple[Texture, float, float]
"""Texture, knob in octaves, and the logarithm of the bits of a sample."""


def main() -> None:
    stacks = {path.name: stacks_of(path) for path in images(data_dir())}
    names = sorted(stacks)
    points = {kind: {n: measured(codec, stacks[n]) for n in names} for kind, codec in usual()}
    bits = {
        kind: fitted([p for n in names[::2] for p in found[n]]) for kind, found in points.items()
    }
    seconds = {
        kind: {str(p): timed(load_codec(kind, preset=p), stacks, names[::2]) for p in presets}
        for kind, presets in PRESETS.items()
    }
    table = {
        "command": "python benchmarks/codecs.py",
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": {"system": platform.machine(), "cores": os.cpu_count()},
        "images": names[::2],
        "bits": bits,
        "seconds": seconds,
    }
    TABLE.write_text(json.dumps(table, indent=1) + "\n")
    rows = {
        kind: {
            half: off(bits[kind], [p for n in some for p in found[n]])
            for half, some in (("fitted", names[::2]), ("judged", names[1::2]))
        }
        for kind, found in points.items()
    }
    print(save("codecs", {"octaves_off": rows, "judged": names[1::2], "seconds": seconds}))


def usual() -> list[tuple[str, Codec]]:
    """Every codec that is not told its rate, as hybrids of the default effort have it."""
    some = {k: c for k, c in CODECS.items() if not c.knob(FRAMES).rate}
    return [(k, load_codec(k, preset=4, fine=True) if k == "av1" else c) for k, c in some.items()]


def stacks_of(path: Path) -> list[np.ndarray]:
    """The first channels of an image, (N, Y, X) float32 in [0, 1], at most so many samples."""
    image = read_image(path)
    data, ranges = image.data, channel_ranges(image.data, image.axes)
    geometry = Geometry(image.axes, data.shape, data.dtype.name, ranges, "TZ~")
    out = []
    for c, stack in enumerate(geometry.stacks(data)[:CHANNELS]):
        frames = max(1, min(len(stack), MOST // (stack.shape[1] * stack.shape[2])))
        out.append(geometry.scaled(stack[:frames], c))
    return out


def measured(codec: Codec, stacks: list[np.ndarray]) -> list[Point]:
    """What each stack takes at each knob."""
    out = []
    for stack in stacks:
        levels = np.rint(stack * codec.peak).astype(np.uint16)
        texture, knob = Texture.of(stack), codec.knob(len(stack))
        for share in SHARES:
            octaves = share * knob.octaves
            data = codec.encode(levels, knob.at_octave(octaves), os.cpu_count() or 1)
            out.append((texture, octaves, float(np.log2(8 * len(data) / stack.size))))
    print(codec.kind, [round(b, 1) for _, _, b in out], flush=True)
    return out


def fitted(points: list[Point]) -> dict[str, float]:
    """The steps, and the line of logarithms, with the least squared error."""
    best = (np.inf, {})
    for finer in FINER:
        x, y = loads(points, finer)
        power, log2 = np.polyfit(x, y, 1)
        off = float(np.square(power * x + log2 - y).mean())
        known = {"finer": float(finer), "power": round(power, 4), "log2": round(log2, 4)}
        best = min(best, (off, known), key=lambda one: one[0])
    return best[1]


def loads(points: list[Point], finer: float) -> tuple[np.ndarray, np.ndarray]:
    """Logarithms of what differences say, and of the bits; of points that are of interest."""
    inside = [
        (t.load(np.array([x + finer]))[0], b) for t, x, b in points if RANGE[0] <= b <= RANGE[1]
    ]
    load, bits = np.array(inside).T
    return np.log2(load), bits


def off(known: dict[str, float], points: list[Point]) -> dict[str, float]:
    """By how many octaves guessed bytes are off: root mean square, largest."""
    x, y = loads(points, known["finer"])
    away = known["power"] * x + known["log2"] - y
    rms, worst = math.sqrt(np.square(away).mean()), np.abs(away).max()
    return {"rms": round(rms, 2), "worst": round(float(worst), 2)}


def timed(codec: Codec, stacks: dict[str, list[np.ndarray]], names: list[str]) -> float:
    """Processor seconds of a megabyte of 16 bits in the middle of the knob, mean over images."""
    spent = raw = 0.0
    for name in names:
        stack = stacks[name][0]
        levels = np.rint(stack * codec.peak).astype(np.uint16)
        begun = time.process_time()
        codec.encode(levels, codec.knob(len(levels)).from_unit(0.5), os.cpu_count() or 1)
        spent, raw = spent + time.process_time() - begun, raw + levels.nbytes * 1e-6
    print(codec, round(spent / raw, 3), flush=True)
    return round(spent / raw, 3)


if __name__ == "__main__":
    main()
