"""Every optimizer over a sweep of learning rates, on images that meta-training has not seen.

One SIREN per image, random batches, the same start and batches for all; the classic optimizers get
the fit loop's schedule. Runs that were stopped go on where they stopped.

INIF_DATA=folder python benchmarks/optim.py
"""

from __future__ import annotations

import argparse
import json
import time
from functools import cache, partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from record import RESULTS, data_dir, load, save

from inif.fields.network import evaluate, fold, initialize
from inif.io import read_image
from inif.optim import fits, learned, optimizers, schedules
from inif.optim.classic import CLASSIC
from inif.optim.meta_train import processes

NAME = "optimizers"
JUDGED = ("hipsc", "nuclei_pair_high", "bpae_pair_avg", "embryo", "mitosis", "cellpainting")
LEFT_OUT = (*JUDGED, "nuclei_pair_low", "bpae_pair_raw")
"""What meta-training must not see: the judged images, and other exposures of them."""

RATES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
SWEPT = ("adam", "adamw", "adamax", "muon", "sgd")
SETTINGS = (*[f"{name}:{rate:g}" for name in SWEPT for rate in RATES], "prodigy:1", "inif-lopt")
WIDTHS = (32, 64, 128)
STEPS = (200, 500, 1000, 3000)
POINTS = 1024
SMALL, SMALL_STEPS = 100, (100, 500)
TIMED, ROUNDS = 50, 7
MANY_POINTS = 8192
"""As `inif compress` takes them for each brick."""


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--widths", nargs="*", type=int, default=WIDTHS)
    options.add_argument("--steps", nargs="*", type=int, default=STEPS)
    options.add_argument("--settings", nargs="*", default=SETTINGS)
    options.add_argument("--images", nargs="*", default=JUDGED)
    options.add_argument("--again", action="store_true", help="run cells again that are there")
    options.add_argument("--workers", type=int, default=2)
    options.add_argument("--out", type=Path, default=RESULTS / f"{NAME}.json")
    args = options.parse_args()
    paths = [p for p in judged(data_dir()) if any(n in p.name for n in args.images)]
    before = json.loads(args.out.read_text()) if args.out.exists() else load(NAME)
    cells: dict[str, float] = before.get("cells", {})
    jobs = [
        (str(path), width, steps, setting)
        for width in args.widths
        for path in paths
        for setting in args.settings
        for steps in args.steps
        if args.again or key(path.name, width, steps, setting) not in cells
    ]
    rest = {"points": POINTS, "times": before.get("times", {}), "small": before.get("small", {})}
    here = {str(job[1]) for job in jobs}
    rest["elsewhere"] = {w: m for w, m in before.get("elsewhere", {}).items() if w not in here}
    begun = time.monotonic()
    with processes(args.workers, _nothing) as pool:
        for number, (job, psnr) in enumerate(pool.imap(run, jobs), 1):
            path, width, steps, setting = job
            cells[key(Path(path).name, width, steps, setting)] = round(psnr, 3)
            if number % 50 == 0 or number == len(jobs):
                print(f"{number} of {len(jobs)}, {time.monotonic() - begun:.0f} s", flush=True)
                save(NAME, rest | {"cells": cells}, args.out)
        if "inif-lopt" in args.settings:
            small = np.array(pool.map(gained, range(SMALL), chunksize=1))
            rest["small"] = {"tasks": SMALL, "least_gain_db": round(float(small.min()), 2)}
    rest["times"] |= {
        f"{width}, {points} points": times(paths[0], width, points)
        for points in (POINTS, MANY_POINTS)
        for width in args.widths
    }
    print(save(NAME, rest | {"cells": cells}, args.out))


def key(image: str, width: int, steps: int, setting: str) -> str:
    """Of one cell."""
    return f"{image.removesuffix('.ome.tif')} {width} {steps} {setting}"


def judged(folder: Path) -> list[Path]:
    """The images that are judged."""
    return sorted(p for p in folder.iterdir() if p.name.startswith(JUDGED))


def run(job: tuple[str, int, int, str]) -> tuple[tuple[str, int, int, str], float]:
    """One fit."""
    path, width, steps, setting = job
    task = fits.whole(source(path), width, POINTS, steps)
    name, _, rate = setting.partition(":")
    try:
        return job, fits.score(task, builder(name), float(rate or 0))
    except Exception as error:  # JAX's own do not survive the way between processes
        raise RuntimeError(f"{setting}: {error}") from None


@cache
def builder(name: str) -> Any:
    """The same function for each name, so that code is compiled once per shape."""
    return partial(build, name)


def build(name: str, rate: Any, steps: Any) -> Any:
    """As the fit loop uses it."""
    if name == "inif-lopt":
        return learned.learned(learned.shipped(), steps)
    if name in optimizers.LEARNED:
        return optimizers.build(optimizers.parse(name), int(steps))
    shape = optax.scale_by_schedule(lambda count: schedules.warm_cosine(count / steps, jnp))
    return optax.chain(CLASSIC[name][1](rate), shape)


@cache
def source(path: str) -> fits.TrainingImage:
    """An image, ready to crop."""
    image = read_image(path)
    return fits.TrainingImage.of(np.asarray(image.data), image.axes)


def gained(seed: int) -> float:
    """PSNR that `inif-lopt` gains on a small generated task, in dB; below 0 it diverged."""
    task = fits.draw([], seed, SMALL_STEPS)
    stood = fits.score(task, builder("sgd"), 0.0)
    return fits.score(task, builder("inif-lopt"), 0.0) - stood


def times(path: Path, width: int, points: int) -> dict[str, float]:
    """Milliseconds per step on all cores; medians of rounds in turns, so that noise is shared."""
    task = fits.whole(source(str(path)), width, points, TIMED)
    field = task.kind.field
    x, y = jnp.zeros((points, field.inputs)), jnp.asarray(task.targets[:points])
    params = initialize(jax.random.key(0), field, fits.OMEGA, y.mean(0))

    def compiled(name: str) -> Any:
        optimizer = optax.with_extra_args_support(build(name, 1e-4, TIMED))

        def step(i: Any, carry: Any) -> Any:
            params, state = carry

            def loss(p: Any) -> Any:
                return jnp.mean((evaluate(fold(p, fits.OMEGA), x) - y) ** 2)

            value, grads = jax.value_and_grad(loss)(params)
            changes, state = optimizer.update(grads, state, params, value=value, done=i / TIMED)
            return optax.apply_updates(params, changes), state

        carry = (params, optimizer.init(params))
        return jax.jit(lambda c: jax.lax.fori_loop(0, TIMED, step, c)).lower(carry).compile(), carry

    runs = {name: compiled(name) for name in ("adam", "muon", "inif-lopt")}
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(ROUNDS):
        for name, (code, carry) in runs.items():
            begin = time.perf_counter()
            jax.block_until_ready(code(carry))
            seconds[name].append(time.perf_counter() - begin)
    return {name: round(1e3 * float(np.median(s)) / TIMED, 4) for name, s in seconds.items()}


def _nothing() -> None:
    pass


if __name__ == "__main__":
    main()
