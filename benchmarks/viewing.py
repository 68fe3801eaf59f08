"""How long viewers wait: for the first plane of the bundled stack, for the next ones, for imports.

    make test-viewers                                                    (once: its environment)
    xvfb-run -a .venv-viewers/bin/python benchmarks/viewing.py           (some minutes)

It writes benchmarks/results/viewing.json. Every figure is of processes of its own, after one that
is not counted ("warm": files are in the cache of the disk); milliseconds, the median and the worst.
Without napari or a screen that part is left out, and the result says so.
"""

from __future__ import annotations

import argparse
import http.client
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from record import save

import inif
from inif.io import read_image

STACK = Path(__file__).resolve().parents[1] / "examples" / "hipsc_dna_zyx_u16.ome.tif"
RUNS = 5
FIRST, NEXT = 30, range(31, 60)
"""Planes of the stack that are shown; the file is one brick, decoded a part at a time."""

PLUGINS = {
    "xarray": ("import xarray.backends.plugins", "from inif.xarray import InifBackend"),
    "bioio": (
        "import bioio",
        "from bioio_inif import ReaderMetadata as r; r.get_supported_extensions()",
    ),
    "napari": ("import npe2; place = {manifest!r}", "npe2.PluginManifest.from_file(place)"),
}
"""Of each program what it has loaded before, and what finding our plugin makes it load."""


def spread(values: list[float]) -> dict[str, float]:
    return {"median": round(statistics.median(values), 1), "worst": round(max(values), 1)}


def timed(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return 1e3 * (time.perf_counter() - start)


def told(*words: object) -> Any:
    """What a Python process prints as JSON."""
    done = subprocess.run([sys.executable, *map(str, words)], stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def gathered(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Figures of several processes, the first of which only warms the cache."""
    found: dict[str, Any] = {}
    for key in runs[0]:
        values = [run[key] for run in runs[1:]]
        flat = [v for one in values for v in (one if isinstance(one, list) else [one])]
        found[key] = spread(flat)
    return found


def plugins() -> dict[str, Any]:
    """What finding each plugin adds to its program, and what it imports that is large."""
    found = {}
    manifest = str(Path(inif.__file__).parent / "napari" / "napari.yaml")
    for name, (before, ours) in PLUGINS.items():
        if importlib.util.find_spec("npe2" if name == "napari" else name) is None:
            found[name] = "not installed"
            continue
        code = (
            f"import json, sys, time\n{before.format(manifest=manifest)}\nt = time.perf_counter()\n"
            f"{ours}\nprint(json.dumps({{'added_ms': 1e3 * (time.perf_counter() - t), "
            "'jax': 'jax' in sys.modules, 'encode': 'inif.encode' in sys.modules}))"
        )
        runs = [told("-c", code) for _ in range(RUNS + 1)]
        found[name] = {
            "added_ms": spread([run["added_ms"] for run in runs[1:]]),
            **{key: any(run[key] for run in runs) for key in ("jax", "encode")},
        }
    return found


@contextmanager
def served(*words: object) -> Iterator[http.client.HTTPConnection]:
    """A connection to `inif WORDS`, which says where it listens."""
    command = [sys.executable, "-m", "inif", *map(str, words), "--port", "0"]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, text=True, **pipes) as process:
        line = process.stdout.readline()
        address = urlsplit(line[line.index("http") :].strip())
        connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=600)
        try:
            yield connection
        finally:
            connection.close()
            process.terminate()
            process.stdout.read()


def get(connection: http.client.HTTPConnection, path: str) -> None:
    """Ask for something and take all of it."""
    connection.request("GET", path)
    answer = connection.getresponse()
    answer.read()
    if answer.status != 200:
        raise SystemExit(f"{path}: {answer.status}")


def page(stack: Path) -> dict[str, Any]:
    """`inif view`: the program's start with the first plane, and one plane after another."""
    plane = "/plane?of=decoded&level=0&row=0&column=0&z={}"
    start = time.perf_counter()
    with served("view", stack, "--no-browser") as connection:
        get(connection, "/info")
        opened = timed(lambda: get(connection, plane.format(FIRST)))
        return {
            "start_and_first_plane_ms": 1e3 * (time.perf_counter() - start),
            "first_plane_ms": opened,
            "next_planes_ms": [timed(lambda z=z: get(connection, plane.format(z))) for z in NEXT],
        }


def server(stack: Path, large: Path) -> dict[str, Any]:
    """`inif serve`: the first plane of a file, the next ones, and the smallest level of another."""
    chunk = f"/{stack.stem}.ome.zarr/0/c/{{}}/0/0"
    with served("serve", stack, large) as connection:
        get(connection, "/")
        return {
            "first_plane_ms": timed(lambda: get(connection, chunk.format(FIRST))),
            "next_planes_ms": [timed(lambda z=z: get(connection, chunk.format(z))) for z in NEXT],
            "overview_ms": timed(lambda: get(connection, f"/{large.stem}.ome.zarr/2/c/0/0/0")),
        }


def window(stack: Path, kind: str) -> dict[str, Any]:
    """napari: a window that stands shows a file, or the same samples as an array of NumPy."""
    import napari

    viewer = napari.Viewer(ndisplay=2, show=True)
    array, limits = None, (0.0, 1.0)
    if kind == "array":
        with inif.open(stack) as file:
            array, limits = np.asarray(file), file.windows[0]
    viewer.screenshot(canvas_only=True, flash=False)  # what is drawn for the first time

    def show(z: int) -> None:
        viewer.dims.set_current_step(0, z)
        viewer.screenshot(canvas_only=True, flash=False)

    def first() -> None:
        if array is None:
            viewer.open(stack, plugin="bioinif")
        else:
            viewer.add_image(array, contrast_limits=limits)
        show(FIRST)

    found = {"first_plane_ms": timed(first)}
    found["next_planes_ms"] = [timed(lambda z=z: show(z)) for z in NEXT]
    viewer.close()
    return found


def windows(stack: Path) -> dict[str, Any] | str:
    """The same in processes of their own, in turn."""
    if importlib.util.find_spec("napari") is None or not os.environ.get("DISPLAY"):
        return "not measured: there is no napari, or no screen"
    runs: dict[str, list[dict[str, Any]]] = {"file": [], "array": []}
    for _ in range(RUNS + 1):
        for kind, found in runs.items():
            found.append(told(__file__, "--window", kind, stack))
    return {kind: gathered(found) for kind, found in runs.items()}


def main() -> None:
    """Make the files, and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--window", nargs=2, metavar=("KIND", "FILE"), help=argparse.SUPPRESS)
    asked = parser.parse_args().window
    if asked:
        print(json.dumps(window(Path(asked[1]), asked[0])), flush=True)
        return
    bundled = read_image(STACK)
    tiled = np.tile(bundled.data[28:32], (1, 4, 4))
    with tempfile.TemporaryDirectory() as folder:
        stack, large = Path(folder, "stack.inif"), Path(folder, "large.inif")
        options: dict[str, Any] = {"ratio": 32, "method": "latent", "effort": 1}
        inif.compress(bundled, out=stack, **options).close()
        inif.compress(tiled, axes="ZYX", out=large, **options).close()
        body = {
            "image": STACK.name,
            "runs": RUNS,
            "plane": list(bundled.data.shape[1:]),
            "overview": [n // 4 for n in tiled.shape[1:]],
            "jax_installed": importlib.util.find_spec("jax") is not None,
            "plugins": plugins(),
            "view": gathered([page(stack) for _ in range(RUNS + 1)]),
            "serve": gathered([server(stack, large) for _ in range(RUNS + 1)]),
            "napari": windows(stack),
        }
    path = save("viewing", body)
    print(path.read_text())


if __name__ == "__main__":
    main()
