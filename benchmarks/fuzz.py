"""Throw damaged and forged files at the reader, and count what comes back.

Every input must give samples or one `InifError`, within 2 s of processor time and 200 MB. Most
changed files get their checksums repaired, so that the checks behind them are reached. A run is
repeatable from its seed. Exit status: 0 if every input met the bounds, 1 if not.

    python benchmarks/fuzz.py --count 10000 --seed 0 --save [--corpus FOLDER]
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import json
import random
import resource
import struct
import sys
import time
import traceback
import tracemalloc
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np

import inif
from inif.coding import leb128
from inif.container import Section, open_container, pack, spec
from inif.container.index import index_crc, read_prelude, write_index
from inif.errors import InifError, RemarkWarning

MAX_SECONDS = 2.0
MAX_BYTES = 200_000_000
MAX_DECODED = 1 << 16
"""Samples up to which a file is decoded whole; of a larger image a few samples are read."""

KINDS = (b"QWTS", b"OMEX", b"CODE", b"RESF", b"OUTL", b"SAMP", b"LATN", b"CORR", b"note")
EDGES = (0, 1, 2, 3, 7, 28, 32, 127, 128, 255, 256, 4096, 65535, 65536, 2**20, 2**20 + 1, 2**24)
EDGES += (2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**48, 2**63, 2**64 - 1)
VALUES: tuple[Any, ...] = (None, True, False, -1, 0.5, 1e308, 5e-324, "", "x" * 300, [], {}, [[]])
VALUES += ("YX", "uint8", "float32", "siren", "\x1b[2J", "\ud800", *EDGES)


def open_and_read(data: bytes) -> None:
    """The target: open `data` and decode it (or read every section, where nothing decodes)."""
    opener = getattr(inif, "open", None)
    if opener is None:
        with open_container(data) as container:
            for section in container.sections:
                container.read(section)
        return
    with opener(data) as file:
        if file.size <= MAX_DECODED:
            np.asarray(file)
        else:
            file[tuple(n // 2 for n in file.shape)]


def seeds(corpus: Path | None) -> list[bytes]:
    """Sound files to start from: some made here, and every .inif file of a folder."""
    base: dict[str, Any] = {
        "axes": "YX",
        "shape": [8, 9],
        "dtype": "uint8",
        "range": [[0, 255]],
        "field": {"kind": "siren", "layers": 3, "width": 4},
        "requires": ["siren/1", "qweights/1"],
    }
    channels: dict[str, Any] = {
        **base,
        "axes": "CZYX",
        "shape": [2, 4, 8, 8],
        "dtype": "uint16",
        "range": [[0, 900], [7, 65535]],
        "brick": [2, 2, 4, 8],
        "field": {"kind": "siren", "layers": 3, "width": 4, "channels": "outputs"},
        "meta": {
            "name": "cells.tif",
            "scale": {"X": [0.1, "µm"], "Z": [0.3, None]},
            "channels": ["DNA", None],
            "colors": [None, "#00FF00"],
        },
        "lossy": {"method": "siren", "target": {"ratio": 128}, "psnr": 36.2, "seed": 0},
    }
    ome = Section(b"OMEX", zlib.compress(b"<OME/>"))
    found = [
        pack(base, [Section(b"QWTS", bytes(range(60)), 0)]),
        pack(channels, [*(Section(b"QWTS", bytes([i] * 40), i) for i in range(4)), ome]),
        pack({**base, "dtype": "float32", "range": [[-1.5, 2.5]]}, [Section(b"note", b"x", 0, 3)]),
    ]
    labels = np.kron(np.arange(6).reshape(2, 3), np.ones((8, 8)))
    noise = np.random.default_rng(0).normal(1000, 9, (16, 24))
    found += [
        inif.compress(labels.astype(np.uint32), axes="YX", lossless=True, effort=1).to_bytes(),
        inif.compress(noise.astype(np.int16), axes="ZX", lossless=True, effort=1).to_bytes(),
        inif.compress(noise.astype(np.float16), axes="YC", lossless=True, effort=1).to_bytes(),
    ]
    unknown = noise.astype(np.float32)
    unknown[2, 3] = np.nan
    found += [
        inif.compress(noise.astype(np.uint16), axes="YX", max_error=2).to_bytes(),
        inif.compress(unknown, axes="ZX", max_error=0.5).to_bytes(),
    ]
    hot = np.random.default_rng(1).normal(1000, 9, (48, 64))
    hot[3, 4] = 6e4  # an outlier, which the file keeps exactly
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RemarkWarning)
        found += [
            inif.compress(
                hot.astype(dtype), axes="YX", size=900, effort=1, method="hybrid", codec=codec
            ).to_bytes()
            for dtype, codec in ((np.float32, "jpeg2000"), (np.uint16, "av1"))
        ]
    if corpus is not None:
        found += [p.read_bytes() for p in sorted(corpus.rglob("*.inif"))]
    return found


def mutate(rng: random.Random, data: bytes) -> bytes:
    """`data` changed in one to four places; its checksums then mostly repaired."""
    changed = bytearray(data)
    raw = (_flip, _flip, _set, _cut, _insert, _delete, _copy, _number)
    steps = raw if rng.random() < 0.4 else (_table, _header, _header)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 4))):
        if changed:
            changed = rng.choice(steps)(rng, changed)
    repaired = rng.random() < (0.5 if steps is raw else 0.95)
    return repair(bytes(changed)) if repaired else bytes(changed)


def repair(data: bytes) -> bytes:
    """`data` with the checksums of its index and of the sections that lie within it made right."""
    places = _places(data)
    if places is None:
        return data
    table, crcs, end = places
    out = bytearray(data)
    with contextlib.suppress(ValueError):
        numbers = leb128.read_all(bytes(out[table:crcs]), 1 << 20)
        count, at = (end - crcs) // 4, end
        for place, length in zip(range(crcs, end, 4), numbers[len(numbers) - count :], strict=True):
            if at + length <= len(out):
                struct.pack_into("<I", out, place, spec.crc32c(bytes(out[at : at + length])))
            at += int(length)
    struct.pack_into("<I", out, 9, index_crc(bytes(out[:end])))
    return bytes(out)


def _places(data: bytes | bytearray) -> tuple[int, int, int] | None:
    """Where the numbers, the checksums and the end of a file's section table are; None: nowhere."""
    with contextlib.suppress(InifError):
        prelude = read_prelude(bytes(data[:64]), "")
        table = prelude.size + prelude.stored
        numbers = table + 1 + 4 * data[table] if prelude.table and table < len(data) else table
        crcs = prelude.end - 4 * prelude.sections
        if numbers <= crcs and prelude.end <= len(data):
            return numbers, crcs, prelude.end
    return None


def run(count: int, seed: int, corpus: Path | None = None) -> dict[str, Any]:
    """Fuzz `count` inputs; the report that ``--save`` keeps."""
    rng = random.Random(seed)
    start = seeds(corpus)
    outcomes: collections.Counter[str] = collections.Counter()
    rejections: collections.Counter[str] = collections.Counter()
    failures: list[dict[str, Any]] = []
    slowest, largest = 0.0, 0
    for number in range(count):
        data = mutate(rng, rng.choice(start))
        began = time.process_time()  # not the clock: other work may share the machine
        outcome = _outcome(data, rejections)
        seconds = time.process_time() - began
        tracemalloc.start()
        _outcome(data, collections.Counter())
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        slowest, largest = max(slowest, seconds), max(largest, peak)
        outcomes[outcome.splitlines()[0]] += 1
        if "\n" in outcome or seconds > MAX_SECONDS or peak > MAX_BYTES:
            bad = {"input": number, "seconds": seconds, "bytes": peak, "outcome": outcome}
            failures.append({**bad, "data": data.hex()[:4000]})
    return {
        "count": count,
        "seed": seed,
        "target": "inif.open" if hasattr(inif, "open") else "open_container",
        "seeds": len(start),
        "outcomes": dict(outcomes.most_common()),
        "rejections": dict(rejections.most_common()),
        "max_seconds": round(slowest, 4),
        "max_bytes": largest,
        "process_max_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "failures": len(failures),
        "first_failures": failures[:20],
    }


def _outcome(data: bytes, rejections: collections.Counter[str]) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            open_and_read(data)
    except InifError as error:
        rejections[str(error.rejection or "(none)")] += 1
        return type(error).__name__
    except Exception as error:  # what this program looks for
        return f"{type(error).__name__}\n{traceback.format_exc()}"
    return "read"


def _flip(rng: random.Random, data: bytearray) -> bytearray:
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return data


def _set(rng: random.Random, data: bytearray) -> bytearray:
    data[rng.randrange(len(data))] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))
    return data


def _cut(rng: random.Random, data: bytearray) -> bytearray:
    return data[: rng.randrange(len(data))]


def _insert(rng: random.Random, data: bytearray) -> bytearray:
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.randbytes(rng.choice((1, 4, 32, 500))) + data[at:]


def _delete(rng: random.Random, data: bytearray) -> bytearray:
    at = rng.randrange(len(data))
    return data[:at] + data[at + rng.choice((1, 4, 32)) :]


def _copy(rng: random.Random, data: bytearray) -> bytearray:
    size = rng.choice((4, 32, 100))
    source, target = rng.randrange(len(data)), rng.randrange(len(data))
    data[target : target + size] = data[source : source + size]
    return data


def _number(rng: random.Random, data: bytearray) -> bytearray:
    size = rng.choice((2, 4, 8))
    at = rng.randrange(8, 24) if rng.random() < 0.4 else rng.randrange(len(data))
    data[at : at + size] = (rng.choice(EDGES) % 2 ** (8 * size)).to_bytes(size, "little")
    return data


def _table(rng: random.Random, data: bytearray) -> bytearray:
    """One kind, number or checksum of the section table becomes something else."""
    places = _places(data)
    if places is None or places[0] == places[2]:
        return data
    first, crcs, end = places
    prelude = read_prelude(bytes(data), "")
    begin = prelude.size + prelude.stored
    kinds, numbers = bytearray(data[begin + 1 : first]), []
    with contextlib.suppress(ValueError):
        numbers = leb128.read_all(bytes(data[first:crcs]), 1 << 20).tolist()
    draw = rng.random()
    if draw < 0.2 and kinds:
        at = 4 * rng.randrange(len(kinds) // 4)
        kinds[at : at + 4] = rng.choice((*KINDS, rng.randbytes(4)))
    elif draw < 0.8 and numbers:
        at = rng.randrange(len(numbers))
        near = numbers[at] + rng.choice((-32, -4, -1, 1, 4, 32))
        numbers[at] = max(0, rng.choice((near, near, *EDGES, len(data)))) % 2**56
    elif numbers:
        at = rng.randrange(len(numbers))
        numbers[at : at + rng.randrange(2)] = [rng.choice(EDGES) % 2**56] * rng.randrange(4)
    table = bytes([len(kinds) // 4]) + kinds + b"".join(map(leb128.write, numbers)) + data[crcs:end]
    stored = bytes(data[prelude.size : begin])
    count = prelude.sections + rng.choice((0, 0, 0, 0, -1, 1))
    return bytearray(write_index(stored, table, max(0, count))) + data[end:]


def _header(rng: random.Random, data: bytearray) -> bytearray:
    """The header with one value replaced, removed or repeated, the rest of the file following."""
    if _places(data) is None:
        return data
    with contextlib.suppress(ValueError, zlib.error, OverflowError):
        prelude = read_prelude(bytes(data), "")
        begin = prelude.size + prelude.stored
        inflate = zlib.decompressobj(-15, zdict=spec.DICTIONARY)
        text = inflate.decompress(bytes(data[prelude.size : begin]), spec.MAX_HEADER)
        text = _change_text(rng, text) if rng.random() < 0.2 else _change_json(rng, text)
        stream = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zdict=spec.DICTIONARY)
        new = stream.compress(text) + stream.flush()
        index = write_index(new, bytes(data[begin : prelude.end]), prelude.sections)
        return bytearray(index) + data[prelude.end :]
    return data


def _change_text(rng: random.Random, text: bytes) -> bytes:
    pieces = (b"{", b"[" * 50, b'"', b"NaN", b"1e999", b"9" * 30, b"\xff", b"\\u0000", b',"axes":1')
    at = rng.randrange(len(text) + 1)
    return text[:at] + rng.choice(pieces) + text[at + rng.choice((0, 1, 5)) :]


def _change_json(rng: random.Random, text: bytes) -> bytes:
    header = json.loads(text)
    node, holder, key = header, None, None
    while isinstance(node, dict | list) and node and (holder is None or rng.random() < 0.75):
        holder = node
        key = rng.choice(list(node)) if isinstance(node, dict) else rng.randrange(len(node))
        node = node[key]
    if holder is None:
        return text
    if rng.random() < 0.15:
        del holder[key]
    elif isinstance(node, int | float) and not isinstance(node, bool) and rng.random() < 0.5:
        near = node * rng.choice((-1, 0.5, 2, 10, 1000))
        holder[key] = rng.choice((node + 1, node - 1, near, int(near)))
    else:
        holder[key] = rng.choice(VALUES)
    return json.dumps(header).encode()


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save", action="store_true", help="keep the report in results/fuzz.json")
    parser.add_argument("--corpus", type=Path, help="a folder with more .inif files to start from")
    options = parser.parse_args()
    report = run(options.count, options.seed, options.corpus)
    if options.save:
        from record import save

        save("fuzz", report)
    summary = ("count", "outcomes", "max_seconds", "max_bytes", "failures")
    print(json.dumps({k: report[k] for k in summary}))
    return 1 if report["failures"] else 0


if __name__ == "__main__":
    sys.exit(main())
