"""The sweep of `optim.py` for one width with all rates of an optimizer at once, as a GPU wants it.

The machine that runs it needs JAX and Optax only, no images:

INIF_DATA=folder python benchmarks/optim_batched.py prepare TASKS   # here
python benchmarks/optim_batched.py run TASKS cells.json             # there, from the source tree
python benchmarks/optim_batched.py merge cells.json "machine"       # here
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

SOURCE = Path(__file__).resolve().parent.parent / "src"
RATES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
STEPS = (200, 500, 1000, 3000)
WIDTH, POINTS = 128, 1024


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
    import optim
    from record import data_dir

    from inif.optim import tasks

    folder.mkdir(parents=True, exist_ok=True)
    for path in optim.judged(data_dir()):
        task = tasks.whole(optim.source(str(path)), WIDTH, POINTS, STEPS[0])
        kind = np.array([task.kind.axes, task.kind.extras, task.kind.outputs])
        name = path.name.removesuffix(".ome.tif")
        arrays = {"sides": task.sides, "inputs": task.inputs, "targets": task.targets}
        np.savez_compressed(
            folder / f"{name}.npz", **arrays, omega=task.omega, seed=task.seed, kind=kind
        )


def run(folder: Path, out: Path) -> None:
    """All cells of the width, in float32 throughout."""
    sys.path.insert(0, str(SOURCE))
    import jax
    import jax.numpy as jnp
    import optax

    from inif.optim import learned, schedules, tasks
    from inif.optim.classic import CLASSIC

    jax.config.update("jax_default_matmul_precision", "highest")

    def build(name: str, rate: Any, steps: Any) -> Any:
        if name == "inif-lopt":
            return learned.learned(learned.shipped(), steps)
        shape = optax.scale_by_schedule(lambda count: schedules.warm_cosine(count / steps, jnp))
        return optax.chain(CLASSIC[name][1](rate), shape)

    @partial(jax.jit, static_argnums=(0, 1))
    def fitted(kind: Any, builder: Any, rates: Any, arrays: Any, steps: Any, seed: Any) -> Any:
        one = partial(tasks.fitted, kind, builder)
        return jax.vmap(lambda rate: one(rate, arrays, steps, seed))(rates)

    cells: dict[str, float] = {}
    for name in ("adam", "adamw", "adamax", "muon", "sgd", "prodigy", "inif-lopt"):
        rates = {"prodigy": (1.0,), "inif-lopt": (0.0,)}.get(name, RATES)
        builder = partial(build, name)
        for path in sorted(folder.glob("*.npz")):
            task = np.load(path)
            kind = tasks.Kind(*map(int, task["kind"]), WIDTH, POINTS)
            arrays = [jnp.asarray(task[k]) for k in ("sides", "inputs", "targets")]
            arrays.append(jnp.float32(task["omega"]))
            for steps in STEPS:
                psnr = fitted(
                    kind, builder, jnp.asarray(rates), tuple(arrays), steps, int(task["seed"])
                )
                for rate, value in zip(rates, np.asarray(psnr), strict=True):
                    setting = name if name == "inif-lopt" else f"{name}:{rate:g}"
                    cells[f"{path.stem} {WIDTH} {steps} {setting}"] = round(float(value), 3)
            print(name, path.stem, flush=True)
            out.write_text(json.dumps(cells, indent=1) + "\n")


def merge(path: Path, machine: str) -> None:
    """Put cells from elsewhere among the results, and say from where."""
    from optim import NAME
    from record import RESULTS, load

    result, cells = load(NAME), json.loads(path.read_text())
    date = datetime.now(UTC).strftime("%Y-%m-%d")
    result["elsewhere"] = {str(WIDTH): f"{machine}, {date}"}
    result["cells"] |= cells
    (RESULTS / f"{NAME}.json").write_text(json.dumps(result, indent=1, allow_nan=False) + "\n")


if __name__ == "__main__":
    main()
