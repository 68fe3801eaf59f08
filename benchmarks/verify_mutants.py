"""Alter files behind right checksums, and count what `inif.verify` says of them.

Every altered file has its section and index checksums repaired. It is refused on opening, found by
verify, decodes to the same samples as before (harmless), or is missed: verify calls it good though
a sample is off by more than the format's tolerance. Sound files are also verified under the
arithmetic of other processors. Exit status: 0 if nothing was missed and all sound files are good.

    python benchmarks/verify_mutants.py --count 7500 --seed 0 [--save]
"""

from __future__ import annotations

import argparse
import collections
import copy
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from conftest import make_random_file

import inif
from inif.container import Section, open_container, pack
from inif.decode.hybrid import HybridBricks
from inif.decode.verify import SHARE, ULPS
from inif.errors import InifError
from inif.fields.repair import Repair

Parts = tuple[dict[str, Any], list[Section]]
Mutation = Callable[[random.Random, Parts], Parts]

MACHINES: dict[str, dict[str, str]] = {
    "as it is": {},
    "Haswell": {"OPENBLAS_CORETYPE": "Haswell"},
    "SkylakeX": {"OPENBLAS_CORETYPE": "SkylakeX"},
    "Zen": {"OPENBLAS_CORETYPE": "Zen"},
    "Nehalem": {"OPENBLAS_CORETYPE": "Nehalem"},
    "Prescott, no vectors": {
        "OPENBLAS_CORETYPE": "Prescott",
        "NPY_DISABLE_CPU_FEATURES": "AVX512F AVX512CD AVX512_SKX AVX2 FMA3",
    },
}
"""Environments of other processors; this one may lack what some need, which the report says."""


def picture(*shape: int) -> np.ndarray:
    """Blobs and waves with noise, from 0 to 1."""
    rng = np.random.default_rng(len(shape))
    grids = np.meshgrid(*(np.linspace(0, 1, n) for n in shape), indexing="ij")
    phase = sum(((2 + i) * g for i, g in enumerate(grids)), np.zeros(()))
    waves = 0.5 + 0.35 * np.sin(3 * phase) * np.cos(5 * grids[-1])
    return np.clip(waves + rng.normal(0, 0.01, shape), 0, 1)


def sound_files() -> dict[str, bytes]:
    """Pure fields and hybrids, of one to three bricks and channels."""
    kinds: dict[str, tuple[tuple[int, ...], str, str, dict[str, Any]]] = {
        "av1": ((3, 64, 72), "ZYX", "uint16", {"codec": "av1"}),
        "av1, channels": ((3, 64, 72), "CYX", "uint16", {"codec": "av1"}),
        "hevc": ((3, 64, 72), "ZYX", "uint8", {"codec": "hevc"}),
        "jpeg2000": ((2, 60, 62), "CYX", "uint16", {"codec": "jpeg2000"}),
        "htj2k": ((64, 60), "YX", "uint16", {"codec": "htj2k"}),
        "av1, float": ((2, 64, 66), "CYX", "float32", {"codec": "av1"}),
        "avif": ((70, 64), "YX", "int16", {"codec": "avif"}),
        "sperr": ((4, 40, 44), "ZYX", "uint16", {"codec": "sperr"}),
        "outliers": ((3, 64, 72), "CYX", "uint16", {"codec": "av1"}),
        "a share for a field": ((3, 64, 72), "ZYX", "uint16", {"codec": "av1", "share": 0.4}),
    }
    found = {}
    for name, (shape, axes, dtype, options) in kinds.items():
        scale = {"uint8": 250, "uint16": 4000, "int16": 900, "float32": 1.0}[dtype]
        image = (scale * picture(*shape)).astype(dtype)
        if "outliers" in name:
            image[1, 7, 9:11] = 65535
        options = {"method": "hybrid", "effort": 1, "settings": {"steps": 8}, **options}
        size = max(1400, image.nbytes // 8)
        found[name] = inif.compress(image, axes=axes, size=size, **options).to_bytes()
    bricks = {"brick": (2, 16, 18)}
    separate = {"brick": (1, 12, 14), "channels": "coordinate"}
    return found | {
        "field": make_random_file("ZYX", (4, 24, 26)),
        "field, channels": make_random_file("CYX", (3, 30, 28), "uint8"),
        "field, float": make_random_file("YX", (40, 36), "float32"),
        "field, three bricks": make_random_file("ZYX", (6, 16, 18), **bricks),
        "field, C a coordinate": make_random_file("CYX", (3, 12, 14), "uint8", **separate),
    }


def parse(data: bytes) -> Parts:
    """Header and sections."""
    with open_container(data) as container:
        sections = [Section(s.kind, container.read(s), s.brick) for s in container.sections]
        return copy.deepcopy(container.header), sections


def flipped(rng: random.Random, parts: Parts) -> Parts:
    """A bit of a section's content."""
    return _content(rng, parts, lambda data, at: _xor(data, at, 1 << rng.randrange(8)))


def random_byte(rng: random.Random, parts: Parts) -> Parts:
    """A byte of a section's content."""
    return _content(rng, parts, lambda data, at: _xor(data, at, rng.randrange(1, 256)))


def late_bytes(rng: random.Random, parts: Parts) -> Parts:
    """A few bytes near a section's end: details of a picture, or repairs."""
    header, sections = parts
    n, section = _one(rng, sections)
    data = bytearray(section.data)
    for _ in range(rng.choice((1, 2, 4))):
        data[-rng.randrange(1, 1 + max(1, len(data) // 3))] ^= rng.randrange(1, 256)
    return header, [*sections[:n], replace(section, data=bytes(data)), *sections[n + 1 :]]


def moved(rng: random.Random, parts: Parts) -> Parts:
    """A few bytes in the place of others."""

    def copied(data: bytearray, at: int) -> None:
        size, source = rng.choice((2, 4, 16)), rng.randrange(8, len(data))
        data[at : at + size] = data[source : source + size][: len(data) - at]

    return _content(rng, parts, copied)


def other_range(rng: random.Random, parts: Parts) -> Parts:
    """One channel's range, scaled or shifted."""
    header, sections = parts
    pair = rng.choice(header["range"])
    low, high = pair
    step = (high - low) * rng.choice((0.002, 0.02, 0.5, 1.0)) * rng.choice((-1, 1))
    if header["dtype"] != "float32":
        step = round(step) or 1
    side = rng.randrange(3)
    pair[:] = [low + step * (side != 1), high + step * (side != 0)]
    return header, sections


def other_field(rng: random.Random, parts: Parts) -> Parts:
    """Another field, codec, order, sample type, axes, shape or brick."""
    header, sections = parts
    axes, shape = header["axes"], header["shape"]
    some = rng.randrange(7)
    if some == 0:
        at = rng.sample(range(len(axes)), 2) if len(axes) > 1 else [0, 0]
        letters = list(axes)
        letters[at[0]], letters[at[1]] = letters[at[1]], letters[at[0]]
        header["axes"] = "".join(letters)
    elif some == 1:
        rng.shuffle(shape)
    elif some == 2:
        header["brick"] = [max(1, n // rng.choice((1, 1, 2, 3))) for n in shape]
    elif some == 3:
        header["dtype"] = rng.choice(("uint8", "uint16", "int16", "float32"))
    elif some == 4 and "codec" in header:
        header["codec"]["order"] = rng.choice(("TZ", "ZT", "TZ~", "ZT~"))
    elif some == 5:
        header["field"]["network"] = rng.choice(("a", "b"))
    else:
        shape[rng.randrange(len(shape))] += rng.choice((-2, -1, 1, 2))
    return header, sections


def other_axis(rng: random.Random, parts: Parts) -> Parts:
    """A letter of the axes becomes another."""
    header, sections = parts
    at = rng.randrange(len(header["axes"]))
    header["axes"] = header["axes"][:at] + rng.choice("TCZYX") + header["axes"][at + 1 :]
    return header, sections


def swapped(rng: random.Random, parts: Parts) -> Parts:
    """Two bricks in each other's place."""
    header, sections = parts
    bricks = [n for n, s in enumerate(sections) if s.kind in (b"QWTS", b"CODE")]
    if len(bricks) < 2:
        return flipped(rng, parts)
    a, b = rng.sample(bricks, 2)
    first, second = sections[a].brick, sections[b].brick
    sections[a], sections[b] = replace(sections[a], brick=second), replace(sections[b], brick=first)
    return header, sections


def other_repair(rng: random.Random, parts: Parts) -> Parts:
    """Another repair of one channel: its coefficients, its error, its partner, its frames."""
    header, sections = parts
    with inif.open(pack(header, sections)) as file:
        if not isinstance(file.bricks, HybridBricks) or file.bricks.start is None:
            return random_byte(rng, parts)
        brick = rng.randrange(len(file.grid))
        content = file.bricks.section(brick)
        frames = file.bricks.open(brick).frames
    repairs = list(content.repairs)
    c = rng.randrange(len(repairs))
    old = repairs[c]
    stated = [*old.stated, 0][: max(1, len(old.stated))]
    stated[rng.randrange(len(stated))] += rng.choice((-5, -1, 1, 5))
    repairs[c] = rng.choice(
        (
            replace(old, stated=tuple(max(-128, min(127, q)) for q in stated), active=True),
            replace(old, error_code=max(1, (old.error_code + rng.choice((-9, -1, 1))) % 256)),
            replace(old, plain=frozenset({rng.randrange(frames)} ^ old.plain)),
            replace(old, partner=rng.randrange(len(repairs))),
            Repair(active=False),
        )
    )
    data = replace(content, repairs=tuple(repairs)).pack(frames)
    where = next(n for n, s in enumerate(sections) if (s.kind, s.brick) == (b"CODE", brick))
    sections[where] = replace(sections[where], data=data)
    return header, sections


def lengths(rng: random.Random, parts: Parts) -> Parts:
    """The lengths of streams, which are among the first bytes after the checks."""
    return _content(rng, parts, lambda data, at: _xor(data, 8 + at % 8, rng.choice((1, 2, 3, 64))))


MUTATIONS: dict[str, Mutation] = {
    "a bit of the content": flipped,
    "a byte of the content": random_byte,
    "bytes near the end": late_bytes,
    "bytes copied": moved,
    "the range": other_range,
    "header fields": other_field,
    "an axis": other_axis,
    "bricks swapped": swapped,
    "a repair": other_repair,
    "lengths": lengths,
}


def _one(rng: random.Random, sections: list[Section]) -> tuple[int, Section]:
    n = rng.randrange(len(sections))
    return n, sections[n]


def _content(rng: random.Random, parts: Parts, change: Callable[[bytearray, int], None]) -> Parts:
    """One place behind the checks of a section changed."""
    header, sections = parts
    n, section = _one(rng, sections)
    data = bytearray(section.data)
    change(data, rng.randrange(min(8, len(data) - 1), len(data)))
    return header, [*sections[:n], replace(section, data=bytes(data)), *sections[n + 1 :]]


def _xor(data: bytearray, at: int, bits: int) -> None:
    data[min(at, len(data) - 1)] ^= bits


def same(wanted: np.ndarray, spans: np.ndarray, data: bytes) -> bool | None:
    """Whether a file decodes to samples within the tolerance; None where it does not decode."""
    try:
        with inif.open(data) as file:
            got = np.asarray(file)
    except InifError:
        return None
    if got.shape != wanted.shape or got.dtype != wanted.dtype:
        return False
    difference = np.abs(got.astype(np.float64) - wanted.astype(np.float64))
    if wanted.dtype.kind != "f":
        return bool(difference.max() <= 1)
    return bool(np.all(difference <= SHARE * spans + ULPS * np.spacing(np.abs(wanted))))


def judged(data: bytes, wanted: np.ndarray, spans: np.ndarray) -> str:
    """What becomes of an altered file."""
    try:
        facts = inif.verify(data)
    except InifError:
        return "refused on opening"
    if not facts["ok"]:
        return "found by verify"
    return "same pixels" if same(wanted, spans, data) else "missed"


def run(count: int, seed: int) -> dict[str, Any]:
    """Alter `count` files; the report."""
    began = time.perf_counter()
    rng = random.Random(seed)
    files = sound_files()
    names = sorted(files)
    table: dict[str, collections.Counter[str]] = {m: collections.Counter() for m in MUTATIONS}
    kinds: dict[str, collections.Counter[str]] = {n: collections.Counter() for n in names}
    missed = []
    wanted = {}
    for name, data in files.items():
        with inif.open(data) as file:
            whole = np.asarray(file)
            spans = np.diff(file.intensities.ranges, axis=1)[:, 0]
            c = file.axes.find("C")
            shape = [-1 if i == c else 1 for i in range(file.ndim)]
            wanted[name] = whole, spans.reshape(shape)
    number = 0
    while number < count:
        name = names[number % len(names)]
        mutation = list(MUTATIONS)[number // len(names) % len(MUTATIONS)]
        try:
            data = pack(*MUTATIONS[mutation](rng, parse(files[name])))
        except (InifError, KeyError, ValueError):
            outcome = "refused on writing"
        else:
            if data == files[name]:
                number += 1
                continue
            outcome = judged(data, *wanted[name])
        table[mutation][outcome] += 1
        kinds[name][outcome] += 1
        if outcome == "missed":
            missed.append({"file": name, "mutation": mutation, "number": number})
        number += 1
    total = sum(table.values(), collections.Counter())
    return {
        "altered": sum(total.values()),
        "seed": seed,
        "outcomes": dict(total.most_common()),
        "missed": total["missed"],
        "first_missed": missed[:20],
        "by_change": {k: dict(v) for k, v in table.items()},
        "by_file": {k: dict(v) for k, v in kinds.items()},
        "bytes": {k: len(v) for k, v in files.items()},
        "machines": machines(files),
        "seconds": round(time.perf_counter() - began, 1),
    }


def machines(files: dict[str, bytes]) -> dict[str, dict[str, int | float]]:
    """How sound files verify in processes that compute as other processors do."""
    program = (
        "import sys, json, pathlib, inif\n"
        "facts = [inif.verify(str(p)) for p in sorted(pathlib.Path(sys.argv[1]).glob('*.inif'))]\n"
        "print(json.dumps(facts))"
    )
    found: dict[str, dict[str, int | float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for n, data in enumerate(files.values()):
            (Path(folder) / f"{n:03}.inif").write_bytes(data)
        for path in (Path(__file__).resolve().parents[1] / "tests" / "golden").glob("*.inif"):
            (Path(folder) / path.name).write_bytes(path.read_bytes())
        for name, setting in MACHINES.items():
            made = subprocess.run(
                [sys.executable, "-W", "ignore", "-c", program, folder],
                env={**os.environ, **setting},
                capture_output=True,
                text=True,
                check=False,
            )
            if made.returncode == -signal.SIGILL:
                found[name] = {}
                continue
            facts = json.loads(made.stdout)
            found[name] = {
                "files": len(facts),
                "good": sum(f["ok"] for f in facts),
                "exact": sum(f["exact"] for f in facts),
                "most counts": max(f["max_deviation"] or 0 for f in facts if f["unit"] == "counts"),
            }
    return found


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=7500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save", action="store_true", help="keep results/verify.json")
    options = parser.parse_args()
    report = run(options.count, options.seed)
    if options.save:
        from record import save

        save("verify", report)
    print(json.dumps({k: report[k] for k in report if k != "by_file"}, indent=1))
    good = all(m["good"] == m["files"] for m in report["machines"].values() if m)
    return 1 if report["missed"] or not good else 0


if __name__ == "__main__":
    sys.exit(main())
