"""Whole stores of real images: seconds, memory, size and what is lost by being interrupted.

    INIF_DATA=/path/to/images python benchmarks/scale.py FOLDER --gb 1 [--effort 1] [--ratio 32]

Makes a 5-D OME-Zarr of so many gigabytes of two real images, tiled: mirrored, turned, and other
times and depths in every tile, so that no two are the same. Then, in FOLDER, one after the other:
a piece as a single file on one core; the store by 2 workers; the same of which three are killed,
and then the client, and resumed; reading back; and the store by 1 worker. What is done is in
benchmarks/results/scale_GB.json, and is not done again by the same command.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import shutil
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))
from record import RESULTS, data_dir, save

import inif
import inif.zarr
from inif.encode.chunk import ChunkCoder
from inif.fields.parallel import on_one_core
from inif.io import read_image

CHANNELS, DEPTH, SIDE = 2, 8, 2048
PER_TIME = CHANNELS * DEPTH * SIDE * SIDE * 2
KILLS = 3
COMPARED = ("speed-up", "1 and 2 workers give the same files")


def tiles() -> tuple[np.ndarray, np.ndarray]:
    """(T, Z, Y, X) of each channel: a mitosis, and an embryo in a light sheet."""
    mitosis = read_image(data_dir() / "mitosis_tzcyx_u16.ome.tif").data[:, :, 0]
    embryo = read_image(data_dir() / "embryo_lightsheet_tzyx_u16.ome.tif").data
    return mitosis, embryo


def volume(image: np.ndarray, t: int) -> np.ndarray:
    """(Z, Y, X) of a time: tiles of an image, each mirrored and turned in its own way."""
    random = np.random.default_rng(t)
    out = np.empty((DEPTH, SIDE, SIDE), image.dtype)
    side = min(image.shape[-2:])
    for y in range(0, SIDE, side):
        for x in range(0, SIDE, side):
            at, start = random.integers(len(image)), random.integers(image.shape[1])
            depths = (start + np.arange(DEPTH)) % (2 * image.shape[1])
            depths = np.minimum(depths, 2 * image.shape[1] - 1 - depths)
            tile = image[at, depths, :side, :side]
            tile = np.rot90(tile, random.integers(4), axes=(1, 2))
            tile = tile[..., :: random.choice([-1, 1])]
            out[:, y : y + side, x : x + side] = tile[:, : SIDE - y, : SIDE - x]
    return out


def make(path: Path, times: int, *, sharded: bool) -> None:
    """The store, with three levels, zstd as usual."""
    import zarr

    if (path / "zarr.json").exists():
        return
    part = path.with_name(path.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    group = zarr.open_group(part, mode="w", zarr_format=3)
    arrays = []
    for level in range(3):
        side = SIDE >> level
        chunk = min(side, 512)
        arrays.append(
            group.create_array(
                str(level),
                shape=(times, CHANNELS, DEPTH, side, side),
                chunks=(1, 1, DEPTH, chunk, chunk),
                shards=(1, CHANNELS, DEPTH, side, side) if sharded else None,
                dtype="uint16",
                dimension_names=list("tczyx"),
            )
        )
    images = tiles()
    for t in range(times):
        data = np.stack([volume(image, t) for image in images])
        for level, array in enumerate(arrays):
            array[t] = data
            if level < 2:
                c, z, y, x = data.shape
                boxes = data.reshape(c, z, y // 2, 2, x // 2, 2)
                data = np.rint(boxes.mean(axis=(3, 5))).astype(np.uint16)
    names = {"t": "time", "c": "channel"}
    axes = [{"name": name, "type": names.get(name, "space")} for name in "tczyx"]
    datasets = [
        {
            "path": str(level),
            "coordinateTransformations": [
                {"type": "scale", "scale": [1.0, 1.0, 1.0, 2.0**level, 2.0**level]}
            ],
        }
        for level in range(3)
    ]
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": datasets}]}
    part.rename(path)


def command(source: Path, out: Path, log: Path, workers: int, given: Any) -> list[str]:
    """The command line of a run."""
    return [
        *(sys.executable, "-m", "inif", "compress", str(source), "-o", str(out), "--json"),
        *("--ratio", str(given.ratio), "--effort", str(given.effort)),
        *("--workers", str(workers), "--log", str(log)),
    ]


def clear(out: Path) -> None:
    """Forget a store."""
    for path in out.parent.glob(out.name + "*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def written(source: Path, out: Path, workers: int, given: Any) -> dict[str, Any]:
    """A run without disturbance."""
    clear(out)
    log = out.with_suffix(".log")
    log.unlink(missing_ok=True)
    start = time.perf_counter()
    made = subprocess.run(
        command(source, out, log, workers, given), stdout=subprocess.PIPE, text=True, check=True
    )
    wall = time.perf_counter() - start
    facts = json.loads(made.stdout)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    raw = 1.3125 * facts["raw_bytes"] / 1e6  # with the smaller levels
    return {
        "seconds": round(wall, 1),
        "s/MB of all levels, all workers": round(wall / raw, 4),
        "core s/MB in shards": round(sum(line["seconds"] for line in lines) / raw, 4),
        "most bytes of a worker": max(line["memory"] for line in lines),
        "ratio": facts["ratio"],
        "off the target": facts["ratio"] / given.ratio - 1,
        **{name: facts[name] for name in ("psnr", "shards", "again", "retries", "raw_bytes")},
    }


def disturbed(source: Path, out: Path, plain: Path, given: Any) -> dict[str, Any]:
    """A run of 2 workers of which three are killed, then the client, and which is resumed."""
    import psutil

    clear(out)
    log, manifest = out.with_suffix(".log"), out.with_name(out.name + ".manifest.jsonl")
    words = command(source, out, log, 2, given)
    killed, most = 0, 0
    run = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    while run.poll() is None:
        done = 0
        with contextlib.suppress(FileNotFoundError):
            done = manifest.read_bytes().count(b'{"shard":')
        most = max(most, done)
        children = psutil.Process(run.pid).children(recursive=True)
        workers = [one for one in children if "spawn_main" in " ".join(one.cmdline())]
        if killed < KILLS and done > killed and workers:
            workers[killed % len(workers)].kill()
            killed += 1
        if killed == KILLS and done > KILLS:
            run.kill()
        time.sleep(0.5)
    said, _ = run.communicate()
    if run.returncode:  # it is done before a store of few shards has seen all that
        said = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout
    facts = json.loads(said)
    return {
        "workers killed": killed,
        "client killed": run.returncode == -9,
        "shards before": most,
        "resumed": facts["resumed"],
        "the same files": digests(out) == digests(plain),
    }


def digests(folder: Path) -> dict[str, str]:
    """Of all files of a store."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def single(given: Any) -> dict[str, Any]:
    """A piece of 67 MB as one file, and as chunks, on one core."""
    data = np.concatenate([volume(image, 0) for image in tiles()])[:, :1024, :1024]
    data = np.ascontiguousarray(data.reshape(CHANNELS, DEPTH, 1024, 1024))
    mega, out = data.nbytes / 1e6, {}
    with on_one_core():
        start = time.process_time()
        file = inif.compress(
            data, axes="CZYX", ratio=given.ratio, method="latent", effort=given.effort
        )
        out["single file, core s/MB"] = round((time.process_time() - start) / mega, 4)
        spans = [float(np.ptp(one)) for one in data]
        psnr = [file.header["lossy"]["psnr"]]
        steps = tuple(float(f"{span / 2**6:.5g}") for span in spans)
        start = time.process_time()
        for step, one in zip(steps, data, strict=True):
            ChunkCoder("CZYX", data.dtype, steps=(step,), effort=given.effort).encode(one[None])
        out["chunks at a given step, core s/MB"] = round((time.process_time() - start) / mega, 4)
        start = time.perf_counter()
        np.asarray(file)
        out["single file, decode MB/s"] = round(mega / (time.perf_counter() - start), 1)
    return out | {"psnr": psnr}


def read_back(out: Path) -> dict[str, Any]:
    """Seconds for a plane, and MB/s of a time, by Zarr with all cores."""
    import zarr

    array = zarr.open_group(out, mode="r")["0"]
    array[0, 0, 0, :8, :8]
    found = []
    for t in range(min(3, array.shape[0])):
        start = time.perf_counter()
        array[t, 1, DEPTH // 2]
        found.append(time.perf_counter() - start)
    start = time.perf_counter()
    data = array[0]
    return {
        "plane of 2048², s": [round(seconds, 3) for seconds in found],
        "read back, MB/s": round(data.nbytes / 1e6 / (time.perf_counter() - start), 1),
    }


def main() -> None:
    """Every part that is not done yet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--gb", type=float, default=1.0)
    parser.add_argument("--ratio", type=float, default=32.0)
    parser.add_argument("--effort", type=int, default=1)
    parser.add_argument("--unsharded", action="store_true", help="an input without shards")
    parser.add_argument("--only", nargs="+", metavar="PART", help="as 'killed' or '1 worker'")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    given.folder.mkdir(parents=True, exist_ok=True)
    times = max(round(given.gb * 1e9 / PER_TIME), 1)
    kind = "_unsharded" if given.unsharded else ""
    name = f"scale_{given.gb:g}gb_effort{given.effort}{kind}"
    source = given.folder / f"in{kind}_{times}.ome.zarr"
    make(source, times, sharded=not given.unsharded)
    stores = {n: given.folder / f"{name}_{n}.ome.zarr" for n in (1, 2, "killed")}
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "single": lambda: single(given),
        "2 workers": lambda: written(source, stores[2], 2, given),
        "killed": lambda: disturbed(source, stores["killed"], stores[2], given),
        "read": lambda: read_back(stores[2]),
        "1 worker": lambda: written(source, stores[1], 1, given),
    }
    path = RESULTS / f"{name}.json"
    before = json.loads(path.read_text()) if path.exists() else {}
    rows = {name: before[name] for name in (*parts, *COMPARED) if name in before}
    for part, measure in parts.items():
        if part not in rows and part in (given.only or parts):
            rows[part] = measure()
            print(part, rows[part], flush=True)
            save(name, {"ratio": given.ratio, "effort": given.effort, **rows})
    if "speed-up" not in rows and {"1 worker", "2 workers"} <= set(rows):
        one, two = rows["1 worker"]["seconds"], rows["2 workers"]["seconds"]
        same = digests(stores[1]) == digests(stores[2])
        rows |= dict(zip(COMPARED, (round(one / two, 2), same), strict=True))
        save(name, {"ratio": given.ratio, "effort": given.effort, **rows})
    print(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
