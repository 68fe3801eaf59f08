"""Throw damaged streams and arguments that do not fit at the compiled core.

Every input must give arrays, ValueError or TypeError, within 2 s; a crash ends the run, and
`make sanitize` runs it with sanitizers, which end it at the first slip. A run follows from its
first number. Exit status: 0 if every input met the bounds, 1 if not.

    python benchmarks/latent/fuzz.py [--count 100000] [--first 0] [--record FILE]
"""

from __future__ import annotations

import argparse
import collections
import json
import lzma
import math
import resource
import sys
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from record import save

from inif.latent import _core, repair, tables
from inif.latent.plan import Plan
from inif.latent.stream import Coder, Rates
from inif.latent.transform import analyse

MAX_SECONDS = 2.0
MAX_MEGABYTES = 3000.0
"""Of the whole process, sanitizers included."""

SMALL, LARGE = 1 << 14, 1 << 28
"""Shapes of numbers between these are good, and only take long."""

EDGES = (-(2**63), -(2**31), -1, 0, 1, 2, 3, 4, 5, 7, 8, 9, 63, 255, 256, 1024, 1 << 20, 1 << 24)
EDGES += (1 << 28, 2**31 - 1, 2**31, 2**32, 2**62, 2**63 - 1, 2**64)
REALS = (math.nan, math.inf, -math.inf, 0.0, -1.0, 1e-45, 1e-38, 0.5, 1.0, 1e30, 3.4e38, 1e300)
ODD = (None, "no", b"\xff" * 9, True, 1.5, [], (1, 2), {})
DTYPES = ("i1", "i2", "i4", "i8", "u4", "f2", "f4", "f8", "c8", "bool", "O")

Rng = np.random.Generator


def a_plan(rng: Rng) -> Plan:
    sizes = [int(rng.integers(1, top)) for top in (3, 4, 5, 20, 20)]
    c, t, z, y, x = sizes
    kinds = (int(rng.integers(0, 3)), int(rng.integers(0, 3)))
    t_levels, z_levels, levels = (int(n) for n in rng.integers(0, (3, 3, 4)))
    return Plan((c, t, z, y, x), (t_levels, z_levels, levels), kinds)


@lru_cache(maxsize=100)
def valid(seed: int) -> tuple[Plan, list[bytes]]:
    """Streams of latents, to be damaged."""
    rng = np.random.default_rng(seed)
    plan = a_plan(rng)
    x = rng.normal(size=plan.sizes).cumsum(-1).astype(np.float32) * 4000
    step = float(10 ** rng.uniform(-1, 4))
    return plan, Coder(plan, tables.load()).encode(analyse(x, plan), Rates(step))[0]


@lru_cache(maxsize=1)
def taught_by_all() -> _core.Model:
    """A model that learns from whatever comes: copies of one take most of the time."""
    return tables.load().copy()


def decoded(rng: Rng, change: Callable[[Rng, bytes], bytes] | None) -> None:
    """Decode random bytes, or valid ones that were changed."""
    if change is None:
        plan = a_plan(rng)
        streams = [rng.bytes(int(rng.integers(0, 300))) for _ in range(1 + len(plan.grids))]
        coder = Coder(plan, taught_by_all(), shared=True)
    else:
        plan, whole = valid(int(rng.integers(100)))
        streams = [change(rng, s) for s in whole]
        coder = Coder(plan, tables.load())
    latents = coder.decode(streams)
    largest = [int(np.abs(latents.low).max())]
    largest += [int(np.abs(q).max()) for level in latents.levels for q in level.values()]
    assert largest[0] <= 1 << 27
    assert max(largest[1:], default=0) <= (1 << 20) + 1


def truncated(rng: Rng, data: bytes) -> bytes:
    return data[: int(rng.integers(0, len(data) + 1))]


def flipped(rng: Rng, data: bytes) -> bytes:
    out = bytearray(data)
    for _ in range(int(rng.integers(1, 9)) if out else 0):
        out[int(rng.integers(len(out)))] ^= 1 << int(rng.integers(8))
    return bytes(out)


def an_array(rng: Rng, like: np.ndarray | None = None) -> np.ndarray:
    """Of any shape, type and values; more often of those of another one."""
    if like is not None and rng.random() < 0.6:
        shape, dtype = like.shape, like.dtype.str
    else:
        shape = tuple(int(n) for n in rng.integers(0, 9, int(rng.integers(0, 5))))
        dtype = DTYPES[int(rng.integers(len(DTYPES)))]
    out = np.zeros(shape, dtype)
    choice = rng.integers(4)
    if choice == 0 and out.size and dtype != "O":
        kind = np.dtype(dtype).kind
        ends = REALS if kind in "fc" else (-(2**31), 2**31 - 1, -1, 1, 32767, -32768, 300)
        values = rng.choice(np.array(ends, np.float64), shape)
        out = values.astype(np.int64).astype(dtype) if kind in "iu" else values.astype(dtype)
    elif choice == 1:
        out = rng.integers(-3, 9, shape).astype(dtype)
    if rng.random() < 0.1 and out.ndim > 1:
        out = out.swapaxes(0, 1)
    if rng.random() < 0.05:
        out = out[..., ::-1] if out.ndim else out
    if rng.random() < 0.05:
        out.flags.writeable = False
    return out


def something(rng: Rng, like: Any) -> Any:
    """Anything in the place of an argument, mostly of its kind."""
    if rng.random() < 0.1:
        return ODD[int(rng.integers(len(ODD)))]
    if isinstance(like, np.ndarray) or like is None:
        return an_array(rng, like)
    if isinstance(like, tuple):
        out = [EDGES[int(rng.integers(len(EDGES)))] if rng.random() < 0.4 else n for n in like]
        return tuple(out[: len(out) - int(rng.random() < 0.1)])
    if isinstance(like, float):
        return REALS[int(rng.integers(len(REALS)))]
    if isinstance(like, bytes):
        return (truncated, flipped)[int(rng.integers(2))](rng, like)
    return EDGES[int(rng.integers(len(EDGES)))]


def changed(rng: Rng, arguments: dict[str, Any]) -> dict[str, Any]:
    """Some of the arguments are something else."""
    out = dict(arguments)
    for name in rng.choice(list(out), int(rng.integers(0, 4))):
        out[name] = something(rng, out[name])
    return out


def takes_long(arguments: dict[str, Any]) -> bool:
    shape = arguments.get("shape", (arguments.get("length", 0),))
    if not isinstance(shape, tuple) or not all(isinstance(n, int) and n >= 0 for n in shape):
        return False
    return SMALL < math.prod(shape) <= LARGE


def call(rng: Rng, function: Callable[..., Any], arguments: dict[str, Any]) -> None:
    hostile = changed(rng, arguments)
    if not takes_long(hostile):
        function(**hostile)


def a_stream(rng: Rng) -> _core.Stream:
    model = taught_by_all()
    if rng.random() < 0.5:
        return _core.Stream(model, rng.bytes(int(rng.integers(0, 200))))
    return _core.Stream(model, bool(rng.random() < 0.7))


def band(rng: Rng) -> None:
    """Two bands, of which any argument may be something else."""
    stream = a_stream(rng)
    for _ in range(2):
        n, height, width, side = (
            int(k) for k in (*rng.integers(1, (4, 14, 14)), 4 + 4 * rng.integers(2))
        )
        shape = (n, height, width)
        places = np.arange(n, dtype=np.int32)
        earlier = rng.integers(-1, np.maximum(places, 0)[:, None] + 0.5, (n, 3)).astype(np.int32)
        good = {
            "shape": shape,
            "level": int(rng.integers(6)),
            "kind": int(rng.integers(8)),
            "side": side,
            "earlier": np.minimum(earlier, places[:, None] - 1),
            "parent": rng.integers(-9, 9, (n, height // 2 + 1, width // 2 + 1)).astype(np.int32),
            "parent_of": places,
            "siblings": rng.integers(0, 256, (n + 2, height + 2, width + 2)).astype(np.int16),
            "sibling_of": places + 1,
            "values": (rng.normal(size=shape) * 10 ** rng.uniform(-1, 5)).astype(np.float32),
            "most": rng.integers(-9, 10, shape).astype(np.int32) if rng.random() < 0.5 else None,
            "weights": rng.random(shape).astype(np.float32) if rng.random() < 0.5 else None,
            "step": 1.0,
            "lambda_": 0.1,
            "dead_zone": 0.5,
            "one": 0.98,
            "rest": 0.0,
            "spent": np.zeros((n, -(-height // side), -(-width // side)), np.float32),
        }
        if rng.random() < 0.5:
            planned = (rng.random(good["spent"].shape) * 99).astype(np.float32)
            good |= {"planned": planned, "left": float(rng.normal() * 1e4), "after": 10.0}
        call(rng, stream.band, good)
    stream.finish()


def low(rng: Rng) -> None:
    stream = a_stream(rng)
    shape = tuple(int(k) for k in rng.integers(1, (4, 9, 9)))
    n = shape[0]
    good = {"shape": shape, "earlier": np.full((n, 3), -1, np.int32)}
    good["earlier"][1:, 0] = np.arange(n - 1)
    ends = int(10 ** rng.uniform(0, 7.2))
    good["latents"] = rng.integers(-ends, ends + 1, shape).astype(np.int32)
    call(rng, stream.low, good)
    stream.finish()


def lifting(rng: Rng) -> None:
    outer, length, inner = (int(k) for k in rng.integers(1, (20, 20, 4)))
    x = (rng.normal(size=(outer, length, inner)) * 1e4).astype(np.float32)
    parts = x[:, ::2].copy(), x[:, 1::2].copy()
    kind = int(rng.integers(3))
    name = rng.integers(5)
    if name == 3:
        joined_planes(rng)
    elif name == 4:
        good = {"x": x, "kind": kind, "first": int(rng.integers(inner + 1)), "last": inner}
        call(rng, _core.join_in_place, good)
    elif name == 0:
        call(rng, _core.split, {"x": x, "kind": kind})
    elif name == 1:
        call(rng, _core.join, {"low": parts[0], "high": parts[1], "kind": kind})
    else:
        level = int(rng.integers(8))
        good = {"length": length * outer, "level": level, "high": False, "kind": kind}
        call(rng, _core.norms, good)


def joined_planes(rng: Rng) -> None:
    """Planes of bands, of which any argument may be something else."""
    planes, height, width = (int(k) for k in rng.integers(2, (4, 20, 40)))
    split = rng.random(2) < 0.7
    sizes = [
        (-(-n // 2), n // 2) if cut else (n, n)
        for n, cut in zip((height, width), split, strict=True)
    ]
    samples = bool(rng.random() < 0.5)
    parts: list[Any] = []
    for k in range(4):
        shape = (planes, sizes[0][k // 2], sizes[1][k % 2])
        there = (k < 2 or split[0]) and (k % 2 == 0 or split[1])
        values = (rng.normal(size=shape) * (rng.random(shape) < 0.1) * 9).astype(np.float32)
        whole = rng.random() < 0.7 and not (k == 0 and samples)
        parts.append((values.astype(np.int32) if whole else values) if there else None)
    if rng.random() < 0.3:
        parts[int(rng.integers(4))] = something(rng, parts[int(rng.integers(4))])
    ones = [[np.ones(n, np.float32) for n in own] for own in sizes]
    good = {
        "out": np.zeros((planes + 1, height, width), np.float32),
        "places": rng.permutation(planes + 1)[:planes].astype(np.int32),
        "parts": parts,
        "samples": samples,
        "times": np.ones(planes, np.float32),
        "depths": np.ones(planes, np.float32),
        "down": ones[0],
        "across": ones[1],
        "step": 1.0,
        "one": 0.98,
        "first": 0,
        "last": planes,
    }
    call(rng, _core.join_planes, good)


def repairing(rng: Rng) -> None:
    """A repair, of which any argument may be something else; weights may be any."""
    stacks, depth = (int(k) for k in rng.integers(1, 3, 2))
    height, width = (int(k) for k in rng.integers(1, (20, 90)))
    shape = (stacks, depth, height, width)
    net = rng.choice(np.array(repair.load(), object))
    if rng.random() < 0.2:
        net = rng.bytes(len(net))
    good = {
        "x": (rng.normal(size=shape) * 10 ** rng.uniform(-2, 8)).astype(np.float32),
        "step": float(10 ** rng.uniform(-3, 4)),
        "net": net,
        "out": np.zeros(shape, np.float32),
        "first": 0,
        "last": stacks * depth,
        "top": 0,
        "bottom": height,
    }
    call(rng, _core.repair, good)


def model(rng: Rng) -> None:
    name = rng.integers(4)
    if name == 0:
        _core.Model(something(rng, tables.load().store()))
    elif name == 1:
        tables.load().copy().expect(an_array(rng, np.zeros((32, 17), np.int32)))
    else:
        call(rng, tables.load().copy().tune, {"limit": 1000, "speed": 4})
        call(rng, tables.load().copy().cap, {"most": 15})


PACKED = lzma.compress(tables.load().store()[:4000], preset=0)


def packed(rng: Rng) -> None:
    tables.unpacked((truncated, flipped)[int(rng.integers(2))](rng, PACKED))


TARGETS: dict[str, tuple[int, Callable[[Rng], None]]] = {
    "random streams": (20, lambda rng: decoded(rng, None)),
    "truncated streams": (15, lambda rng: decoded(rng, truncated)),
    "streams with flipped bits": (15, lambda rng: decoded(rng, flipped)),
    "arguments of bands": (26, band),
    "arguments of low grids": (8, low),
    "arguments of lifting": (8, lifting),
    "arguments of repair": (4, repairing),
    "arguments of models": (2, model),
    "packed tables": (2, packed),
}
"""Of a hundred inputs, how many; and what is done."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--record", type=Path, help="where the result goes")
    options = parser.parse_args()
    np.seterr(all="ignore")
    cycle = [name for name, (share, _) in TARGETS.items() for _ in range(share)]
    results: dict[str, collections.Counter[str]] = {name: collections.Counter() for name in TARGETS}
    failed, slowest = 0, 0.0
    for number in range(options.first, options.first + options.count):
        name = cycle[number * 37 % len(cycle)]
        began = time.process_time()
        try:
            TARGETS[name][1](np.random.default_rng(number))
            result = "arrays"
        except (ValueError, TypeError) as error:
            result = type(error).__name__
        except Exception as error:
            result = f"failed: {type(error).__name__}"
            failed += 1
            print(f"{number} ({name}): {error!r}", flush=True)
        seconds = time.process_time() - began
        slowest = max(slowest, seconds)
        if seconds > MAX_SECONDS:
            failed += 1
            print(f"{number} ({name}): {seconds:.1f} s", flush=True)
        results[name][result] += 1
        if number % 10_000 == 9999:
            print(f"{number + 1} inputs, {failed} failed", flush=True)
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    failed += megabytes > MAX_MEGABYTES
    record = {
        "inputs": options.count,
        "failed": failed,
        "sanitizers": "sanitize" in str(_core.__file__),
        "slowest input, s of CPU": round(slowest, 3),
        "peak memory of the process, MB": round(megabytes),
        "results": {name: dict(sorted(counts.items())) for name, counts in results.items()},
    }
    save("latent_fuzz", record, options.record)
    print(json.dumps(record, indent=1))
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
