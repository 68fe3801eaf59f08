"""Time of a fit's inner loop, of random access, and memory of a compression.

python benchmarks/speed.py   (with INIF_DATA: access and memory are measured on real images too)
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from record import clock, save

import inif
from inif.encode.siren.fit import CHUNK
from inif.fields.network import evaluate, fold, initialize
from inif.fields.siren import Siren

POINTS = 100_000
REPEATS = 7


def main() -> None:
    body: dict[str, Any] = {"inner_loop": inner_loop()}
    folder = os.environ.get("INIF_DATA")
    if folder:
        path = Path(folder) / "hipsc_dna_zyx_u16.ome.tif"
        body["access"] = access(path)
        body["memory"] = [memory(Path(folder) / n) for n in LARGE]
    else:
        print("INIF_DATA is not set: access and memory on real images are skipped")
    print(body)
    print(save("speed", body))


LARGE = ("hipsc_dna_zyx_u16.ome.tif", "mibi_breast_41ch_cyx_u8.ome.tif")


def inner_loop() -> dict[str, float]:
    """Forward and gradient of a 7×64 SIREN on 100 000 points: ours against plain ``jnp.sin``."""
    field = Siren(3, 1, 64)
    params = initialize(jax.random.key(0), field, 30.0, jnp.zeros(1))
    chunks = POINTS // CHUNK + 1
    x = jax.random.uniform(jax.random.key(1), (chunks * CHUNK, 3), minval=-1)
    y = jnp.sin(x[:, :1] * 9)

    def plain(p: Any, a: jax.Array, b: jax.Array) -> jax.Array:
        *matrices, biases, last = fold(p, 30.0)
        h = a
        for matrix, bias in zip(matrices[:-1], biases, strict=True):
            h = jnp.sin(h @ matrix.T + bias)
        return jnp.mean((h @ matrices[-1].T + last - b) ** 2)

    def ours(p: Any, a: jax.Array, b: jax.Array) -> Any:
        def part(total: Any, given: Any) -> tuple[Any, None]:
            value = jax.value_and_grad(
                lambda q: jnp.mean((evaluate(fold(q, 30.0), given[0]) - given[1]) ** 2)
            )(p)
            return jax.tree.map(jnp.add, total, value), None

        split = (a.reshape(chunks, CHUNK, 3), b.reshape(chunks, CHUNK, 1))
        zero = jax.tree.map(jnp.zeros_like, (jnp.float32(0), p))
        return jax.lax.scan(part, zero, split)[0]

    slow = seconds(jax.jit(jax.value_and_grad(plain)), params, x, y)
    fast = seconds(jax.jit(ours), params, x, y)
    return {"plain_s": slow, "inif_s": fast, "ratio": round(fast / slow, 3)}


def seconds(function: Callable[..., Any], *args: Any) -> float:
    """Median wall time of a call, compiled before."""
    jax.block_until_ready(function(*args))
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        jax.block_until_ready(function(*args))
        times.append(time.perf_counter() - start)
    return round(float(np.median(times)), 4)


def access(path: Path) -> dict[str, float]:
    """One pixel, one slice and the whole of a stack, after opening."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "a.inif"
        inif.compress(path, out=target, ratio=128, method="siren", effort=1).close()
        first, again, one_slice, whole = [], [], [], []
        for _ in range(REPEATS):
            with inif.open(target) as file:
                first.append(clock(lambda f=file: f[30, 100, 100]))
                again.append(clock(lambda f=file: f[30, 100, 101]))
                one_slice.append(clock(lambda f=file: f[32]))
        with inif.open(target) as file:
            file[0, 0, 0]
            whole.append(clock(lambda f=file: np.asarray(f)))
    full = min(whole)
    part = float(np.median(one_slice))
    return {
        "first_pixel_ms": round(1e3 * float(np.median(first)), 2),
        "next_pixel_ms": round(1e3 * float(np.median(again)), 2),
        "slice_of_60_ms": round(1e3 * part, 1),
        "whole_ms": round(1e3 * full, 1),
        "slice_share": round(part / full, 4),
    }


def memory(path: Path) -> dict[str, Any]:
    """Peak resident memory of ``inif compress`` in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        out = str(Path(folder) / "m.inif")
        command = [sys.executable, "-m", "inif", "compress", str(path), "-o", out]
        subprocess.run([*command, "--ratio", "128", "--effort", "1", "--quiet"], check=True)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    from inif.io import read_image

    raw = read_image(path).raw_bytes
    allowed = 1e9 + 3 * raw
    return {"image": path.name, "raw": raw, "peak": peak, "within": peak <= allowed}


if __name__ == "__main__":
    main()
