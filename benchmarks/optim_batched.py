"""The sweep of `optim.py` for one width with all rates of an optimizer at once, as a GPU wants it.

The machine that runs it needs JAX, Optax and this source tree, but no images:

INIF_DATA=folder python benchmarks/optim_batched.py prepare TASKS           # here
PYTHONPATH=src python benchmarks/optim_batched.py run TASKS cells.json      # there
python benchmarks/optim_batched.py merge cells.json "machine"               # here
"""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from optim import NAME, POINTS, SETTINGS, STEPS, builder, judged, key, source
from record import RESULTS, data_dir, load

from inif.optim import fits

WIDTH = 128


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("what", choices=("prepare", "run", "merge"))
    options.add_argument("first", type=Path)
    options.add_argument("second", nargs="?", default="")
    args = options.parse_args()
    match args.what:
        case "prepare":
            prepare(args.first)
        case "run":
            run(args.first, Path(args.second))
        case "merge":
            merge(args.first, args.second)


def prepare(folder: Path) -> None:
    """What the fits need, without the images: crops as `optim.py` takes them."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in judged(data_dir()):
        task = fits.whole(source(str(path)), WIDTH, POINTS, STEPS[0])
        kind = np.array([task.kind.axes, task.kind.extras, task.kind.outputs])
        name = path.name.removesuffix(".ome.tif")
        arrays = {"sides": task.sides, "inputs": task.inputs, "targets": task.targets}
        np.savez_compressed(
            folder / f"{name}.npz", **arrays, omega=task.omega, seed=task.seed, kind=kind
        )


def run(folder: Path, out: Path) -> None:
    """All cells of the width, in float32 throughout."""
    jax.config.update("jax_default_matmul_precision", "highest")
    groups: dict[str, list[str]] = {}
    for setting in SETTINGS:
        groups.setdefault(setting.partition(":")[0], []).append(setting)
    cells: dict[str, float] = {}
    for name, settings in groups.items():
        rates = jnp.asarray([float(s.partition(":")[2] or 0) for s in settings])
        for path in sorted(folder.glob("*.npz")):
            task = np.load(path)
            kind = fits.Kind(*map(int, task["kind"]), WIDTH, POINTS)
            arrays = [jnp.asarray(task[k]) for k in ("sides", "inputs", "targets")]
            arrays.append(jnp.float32(task["omega"]))
            for steps in STEPS:
                psnr = fitted(kind, builder(name), rates, arrays, steps, int(task["seed"]))
                for setting, value in zip(settings, np.asarray(psnr), strict=True):
                    cells[key(path.stem, WIDTH, steps, setting)] = round(float(value), 3)
            print(name, path.stem, flush=True)
            out.write_text(json.dumps(cells, indent=1) + "\n")


@partial(jax.jit, static_argnums=(0, 1))
def fitted(
    kind: fits.Kind, build: Any, rates: jax.Array, arrays: list[Any], steps: Any, seed: Any
) -> jax.Array:
    """`fits.fitted` at every rate, (rates,) in dB."""
    return jax.vmap(lambda rate: fits.fitted(kind, build, rate, tuple(arrays), steps, seed))(rates)


def merge(path: Path, machine: str) -> None:
    """Put cells from elsewhere among the results, and say from where."""
    result, cells = load(NAME), json.loads(path.read_text())
    date = datetime.now(UTC).strftime("%Y-%m-%d")
    result["elsewhere"] = {str(WIDTH): f"{machine}, {date}"}
    result["cells"] |= cells
    (RESULTS / f"{NAME}.json").write_text(json.dumps(result, indent=1, allow_nan=False) + "\n")


if __name__ == "__main__":
    main()
