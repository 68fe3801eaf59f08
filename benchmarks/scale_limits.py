"""What terabytes cost, and what breaks first: measured where it can be, worked out where not.

    INIF_DATA=… python benchmarks/scale_limits.py FOLDER [--most 1000000] [--only client …]

Parts: the client with fake shards (`scale_client`), dask's scheduler with fake shards, small
system calls, CPU seconds of real samples, and the arithmetic (`scale_costs`). Each measurement runs
in a process of its own and counts CPU seconds, so that other work on the machine matters little.
FOLDER takes about 1 GB. Written to benchmarks/results/scale_limits.json, where parts that were not
asked for stay.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import scale_costs
from record import data_dir, load, save
from scale_client import client, fakes, peak, tree_of

IMAGE, PLANES = "hipsc_dna_zyx_u16.ome.tif", 48
"""Tiled to 48 planes of 1024 × 1024 samples: 100 MB."""

WINDOW = 3000
"""Calls that are under way at once with 1000 workers."""

RATIO = 32.0
PARTS = ("client", "scheduler", "system", "effort")


def one_client(shards: str, target: str, folder: str) -> dict[str, Any]:
    """The client alone."""
    asked = {target: RATIO if target == "ratio" else 45.0}
    return client(int(shards), WINDOW, Path(folder), **asked)


def one_scheduler(shards: str, threads: str, folder: str) -> dict[str, Any]:
    """The client with a real scheduler, both in this process, and two worker processes."""
    import distributed
    import psutil

    from inif.scale import engines, manifest, run
    from inif.scale.request import Request
    from inif.scale.watch import Watch

    out, part = Path(folder) / "cluster.ome.zarr", Path(folder) / "part"
    part.mkdir(exist_ok=True)
    row: dict[str, Any] = {"shards": int(shards), "threads": 2 * int(threads)}
    kind = {"n_workers": 2, "threads_per_worker": int(threads), "dashboard_address": ":0"}
    with distributed.LocalCluster(**kind) as place, distributed.Client(place) as link:
        engine, watch = engines.Cluster(link), Watch(None, None)
        rss = psutil.Process().memory_info().rss
        with fakes(), manifest.opened(out, {}, anew=True) as lines:
            one = run.Run(tree_of(int(shards)), Request.of(ratio=RATIO), part, engine, lines, watch)
            idle = resting()
            wall, cpu = time.perf_counter(), time.process_time()
            one.go()
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            row |= {"idle_share_of_a_core": idle, "wall_us_per_shard": wall / int(shards) * 1e6}
            row["cpu_us_per_shard"] = (cpu - idle * wall) / int(shards) * 1e6
        row["window"] = engine.window
        row["memory_mb"] = (psutil.Process().memory_info().rss - rss) / 1e6
        row["tasks_left"] = link.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks))
    return row


def one_idle(workers: str, folder: str) -> dict[str, Any]:
    """Workers that have nothing to do, all in this process, with the scheduler."""
    import distributed
    import psutil

    rss = psutil.Process().memory_info().rss
    kind = {"n_workers": int(workers), "threads_per_worker": 1, "dashboard_address": ":0"}
    with distributed.LocalCluster(processes=False, **kind) as place, distributed.Client(place):
        time.sleep(5)
        spent = resting()
        used = psutil.Process().memory_info().rss - rss
    row = {"workers": int(workers), "share_of_a_core": spent}
    return row | {"mb_per_worker": used / 1e6 / int(workers)}


def resting() -> float:
    """CPU seconds for each second that this process takes while it has nothing to do."""
    cpu, wall = time.process_time(), time.perf_counter()
    time.sleep(15)
    return (time.process_time() - cpu) / (time.perf_counter() - wall)


def one_system(folder: str) -> dict[str, Any]:
    """Adding a line to the manifest, looking for a shard's file, and cutting dask arrays."""
    from inif.scale.check import sizes_differ
    from inif.scale.manifest import Manifest

    count, there = 1000, Path(folder) / "stat"
    there.mkdir(exist_ok=True)
    with open(Path(folder) / "lines", "wb") as file:
        lines, start = Manifest(Path(folder), file), time.perf_counter()
        for n in range(count):
            lines.add({"shard": f"0/c/{n}/0/0/0/0", "squares": [1.5], "more": "x" * 150})
        row = {"line_us": (time.perf_counter() - start) / count * 1e6}
    for n in range(10 * count):
        (there / str(n)).touch()
    start = time.perf_counter()
    sizes_differ(str(there), {str(n): 0 for n in range(10 * count)})
    row["stat_us"] = (time.perf_counter() - start) / (10 * count) * 1e6
    return row | {"dask_array": [graph(n) for n in (100, 1000, 10_000)]}


def graph(chunks: int) -> dict[str, Any]:
    """What it takes to cut a shard out of a dask array whose graph is as long as it has chunks."""
    import dask.array as da

    from inif.scale.lazy import narrowed, read_dask

    one = da.zeros((4 * chunks, 64, 64), chunks=(8, 64, 64), dtype="uint16")
    plan = read_dask(da.concatenate([one, one + one.dtype.type(1)]), "ZYX").arrays[0]
    start, times = time.process_time(), 5
    for n in range(times):
        narrowed(plan.source, (slice(8 * n, 8 * n + 8), slice(0, 64), slice(0, 64)))
    return {"chunks": chunks, "ms_per_shard": (time.process_time() - start) / times * 1e3}


def one_effort(effort: str, folder: str) -> dict[str, Any]:
    """A store of real samples, all levels: CPU seconds of its shards, first encodes only."""
    from unittest import mock

    import inif
    from inif.scale import run

    seconds: dict[str, float] = {}

    def timed(task: Any, stopped: Any) -> Any:
        start = time.thread_time()
        result = real(task, stopped)
        seconds.setdefault(result["shard"], time.thread_time() - start)
        return result

    real, store = run.write_shard, Path(folder) / "image.zarr"
    out, cpu = Path(folder) / f"effort{effort}.ome.zarr", time.process_time()
    with mock.patch.object(run, "write_shard", timed):
        facts = inif.compress_zarr(
            *(store, out), ratio=RATIO, effort=int(effort), axes="ZYX", shards={"z": 8}
        )
    mega = facts["raw_bytes"] / 1e6
    row = {"effort": int(effort), "cpu_s_per_mb": sum(seconds.values()) / mega}
    row |= {"of_level_0": sum(s for key, s in seconds.items() if key[0] == "0") / mega}
    row |= {"trials_s": time.process_time() - cpu - sum(seconds.values())}
    row |= {"ratio": facts["ratio"], "psnr": facts["psnr"], "peak_mb": peak() / 1e6}
    start, counted = time.process_time(), 0
    import zarr

    array = zarr.open_array(str(out / "0"), mode="r")
    for z in range(0, array.shape[0], 8):
        counted += array[z : z + 8].nbytes
    return row | {"decode_cpu_s_per_mb": (time.process_time() - start) / (counted / 1e6)}


def make_store(folder: Path) -> None:
    """A plain Zarr store, by tiles of a real image turned and shifted."""
    import zarr
    from bricks import tiled

    from inif.io import read_image

    if (folder / "image.zarr").exists():
        return
    tiled(read_image(data_dir() / IMAGE).data, folder / "image.npy", PLANES)
    data = np.load(folder / "image.npy", mmap_mode="r")
    kind = {"shape": data.shape, "dtype": data.dtype, "chunks": (8, 512, 512)}
    zarr.create_array(str(folder / "image.zarr"), **kind)[...] = data
    (folder / "image.npy").unlink()


def apart(name: str, *words: Any) -> dict[str, Any]:
    """A measurement in a process of its own, in an empty folder but for the store."""
    folder = Path(words[-1])
    for one in folder.iterdir():
        if one.name != "image.zarr":
            shutil.rmtree(one) if one.is_dir() else one.unlink()
    command = [sys.executable, __file__, *map(str, words[-1:]), "--one", name]
    command += map(str, words)
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(name, *words[:-1], row, flush=True)
    return row


def measured(part: str, folder: Path, most: int) -> Any:
    """One part."""
    if part == "client":
        counts = [n for n in (1000, 10_000, 100_000, 1_000_000) if n <= most]
        quality = apart("client", min(most, 100_000), "psnr", folder)
        return {"ratio": [apart("client", n, "ratio", folder) for n in counts], "psnr": quality}
    if part == "scheduler":
        rows = [apart("scheduler", *two, folder) for two in ((500, 1), (1000, 64), (4000, 64))]
        return {"runs": rows, "idle": apart("idle", 50, folder)}
    if part == "effort":
        make_store(folder)
        return [apart("effort", n, folder) for n in (1, 3, 5)]
    return apart("system", folder)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--most", type=int, default=1_000_000, help="shards of the largest case")
    parser.add_argument("--only", nargs="+", choices=(*PARTS, "costs"), default=PARTS)
    parser.add_argument("--one", nargs="+", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(globals()[f"one_{args.one[0]}"](*args.one[1:])))
        return
    args.folder.mkdir(parents=True, exist_ok=True)
    for part in args.only:
        found = {} if part == "costs" else {part: measured(part, args.folder, args.most)}
        body = {name: one for name, one in load("scale_limits").items() if name in PARTS} | found
        save("scale_limits", body | {"costs": scale_costs.costs(body)})


if __name__ == "__main__":
    main()
