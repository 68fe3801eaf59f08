"""A pure field on a GPU: quality, seconds of each part, and decoding beside the CPU's.

    INIF_DATA=/path/to/images python benchmarks/gpu.py [--out FILE] [--try]

The stack hipsc_dna at 128× and 512×, effort 6, each in two new processes: the first compiles, the
second finds the programs kept. It ends within five minutes; what it had no time for is said to be
missing. Written to benchmarks/results/gpu.json. `--try` tries the script itself on whatever there
is, on a corner of the image at effort 1, and only prints.

Of each process: `start_s` from its start until the device answers, `compress_s` the rest of an
encode; of that `fit_s` are the fits, with `compile_s` (as JAX counts it) and `draw_host_s` within;
`encode_s` is what is left, mostly rounding, coding and checking. `draw_device_s` is measured apart,
for as many steps as the fits had.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from record import clock, data_dir, images, save

RATIOS = (128, 512)
LIMIT, EFFORT = 280.0, 6
CORNER = (8, 48, 48)
FOUND = "import jax; d = jax.devices()[0]; print(d.platform, d.device_kind, sep='\\n')"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--try", action="store_true", dest="tried")
    parser.add_argument("--child", nargs=2, metavar=("RATIO", "BEGUN"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        ratio, begun = map(float, options.child)
        print(json.dumps(one(ratio, begun, options.tried)))
        return
    begun = time.monotonic()
    # Not in this process, which would keep most of the device's memory.
    answer = subprocess.run([sys.executable, "-c", FOUND], capture_output=True, text=True)
    platform, kind = [*answer.stdout.splitlines(), "", ""][:2]
    if platform in ("cpu", "") and not options.tried:
        print("skipped: JAX sees no GPU on this machine")
        return
    image()  # leaves here where there is none
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for ratio in RATIOS:
            for programs in ("compiled", "kept"):
                left = LIMIT - (time.monotonic() - begun)
                row = {"ratio": ratio, "programs": programs} | child(ratio, left, folder, options)
                rows.append(row)
                print(row, flush=True)
    body = {"device": kind, "image": image().name, "effort": EFFORT, "rows": rows}
    if not options.tried:
        print(save("gpu", body, options.out))


def image() -> Path:
    """The image."""
    return next(p for p in images(data_dir()) if p.name.startswith("hipsc_dna"))


def child(ratio: float, left: float, folder: str, options: argparse.Namespace) -> dict[str, Any]:
    """What `one` gives in a new process, or why it gives nothing."""
    words = [sys.executable, __file__, "--child", str(ratio), str(time.time())]
    env = os.environ | {
        "JAX_COMPILATION_CACHE_DIR": folder,
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.1",
    }
    try:
        done = subprocess.run(
            words + ["--try"] * options.tried,
            capture_output=True,
            text=True,
            env=env,
            timeout=max(left, 0.1),
        )
    except subprocess.TimeoutExpired:
        return {"missing": "no time was left"}
    if done.returncode:
        return {"missing": done.stderr[-2000:]}
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return row


def one(ratio: float, begun: float, tried: bool) -> dict[str, Any]:
    """An encode and its decodes, from the start of the process at `begun` (`time.time`)."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    jnp.zeros(1).block_until_ready()
    seconds = dict.fromkeys(("start", "fit", "draw_host", "compile"), 0.0)
    seconds["start"] = time.time() - begun

    def told(event: str, duration: float, **of: Any) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            seconds["compile"] += duration

    jax.monitoring.register_event_duration_secs_listener(told)

    import inif
    from inif.encode.siren import fit, make
    from inif.encode.siren.fit import FitResult, Fitter
    from inif.encode.siren.points import DevicePoints
    from inif.io import read_image

    fits: list[Watched] = []

    class Watched(Fitter):
        def run(self, *args: Any, **of: Any) -> FitResult:
            fits.append(self)
            start = time.perf_counter()
            result = super().run(*args, **of)
            seconds["fit"] += time.perf_counter() - start
            return result

        def _draw(self, *args: Any) -> Any:
            start = time.perf_counter()
            drawn = super()._draw(*args)
            seconds["draw_host"] += time.perf_counter() - start
            return drawn

    make.Fitter = Watched  # type: ignore[misc]
    if tried:
        fit.accelerated = lambda: True
    picture = read_image(image())
    if tried:
        corner = tuple(slice(n) for n in CORNER)
        picture = picture.with_data(np.ascontiguousarray(picture.data[corner]))
        ratio /= 16
    start = time.perf_counter()
    effort = 1 if tried else EFFORT
    file = inif.compress(picture, ratio=ratio, method="siren", effort=effort)
    compress = time.perf_counter() - start
    seconds |= {"compress": compress, "encode": compress - seconds["fit"]}
    seconds["whole"] = seconds["start"] + compress
    fitter = fits[-1]
    if isinstance(fitter._points, DevicePoints):
        seconds["draw_device"] = drawing(fitter, file.header["lossy"]["steps"])

    data = file.to_bytes()
    decoded = {}
    for name in ("cpu", "device_first", "device"):
        with inif.open(data, device=None if name == "cpu" else jax.default_backend()) as opened:
            start = time.perf_counter()
            decoded[name] = np.asarray(opened).astype(np.int64)
            seconds[f"decode_{name}"] = time.perf_counter() - start
    off = np.abs(decoded["device"] - decoded["cpu"])
    return {
        "psnr": file.header["lossy"]["psnr"],
        "bytes": len(data),
        "bricks": len(file.grid),
        "width": file.header["field"]["width"],
        "steps": file.header["lossy"]["steps"],
        **{f"{name}_s": round(value, 3) for name, value in seconds.items()},
        "samples_off": float(np.mean(off > 0)),
        "most_off": int(off.max()),
    }


def drawing(fitter: Any, steps: int) -> float:
    """Seconds that a device takes to draw the points of so many steps."""
    import jax
    import numpy as np

    points, some = fitter._points, 50

    @jax.jit
    def draw(kept: Any, seeds: jax.Array) -> jax.Array:
        def add(total: jax.Array, seed: jax.Array) -> tuple[jax.Array, None]:
            coords, targets = points.step(kept, seed)
            return total + coords.sum() + targets.sum(), None

        return jax.lax.scan(add, 0.0, seeds)[0]

    def call() -> None:
        draw(points.kept, points.block(np.random.default_rng(0), some)).block_until_ready()

    call()
    return clock(call) * steps / some


if __name__ == "__main__":
    main()
