"""Stores that several processes write: the same bytes, whoever works and whoever is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

import inif
from inif.config import ProgressEvent
from inif.errors import InputError
from inif.scale.engines import Cluster, engine
from inif.scale.manifest import manifest_of

distributed = pytest.importorskip("distributed")
psutil = pytest.importorskip("psutil")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

PATIENCE = 300
"""Seconds after which something hangs."""

ASKED = [
    "--ratio",
    "20",
    "--effort",
    "1",
    "--chunks",
    "z=2,y=64,x=64",
    "--shards",
    "z=2,y=64,x=128",
]
SMALL: dict[str, Any] = {
    "ratio": 20,
    "effort": 1,
    "chunks": {"z": 2, "y": 64, "x": 64},
    "shards": {"z": 2, "y": 64, "x": 128},
}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image of 96 chunks, ZYX uint16, in 48 shards."""
    path = tmp_path_factory.mktemp("in") / "in.ome.zarr"
    random = np.random.default_rng(3)
    z, y, x = np.ogrid[:8, :256, :384]
    smooth = np.sin(x / 9) * np.cos(y / 13 - z / 3) * (0.2 + x / 384)
    data = (1000 + 400 * smooth + random.normal(0, 15, (8, 256, 384))).astype(np.uint16)
    group = zarr.open_group(path, mode="w", zarr_format=3)
    group.create_array("0", shape=data.shape, chunks=(4, 64, 64), dtype=data.dtype)[:] = data
    scale = [{"type": "scale", "scale": [1.0, 1.0, 1.0]}]
    axes = [{"name": name, "type": "space"} for name in "zyx"]
    dataset = {"path": "0", "coordinateTransformations": scale}
    image = {"axes": axes, "datasets": [dataset]}
    group.attrs["ome"] = {"version": "0.5", "multiscales": [image]}
    return path


@pytest.fixture(scope="module")
def plain(source: Path) -> Path:
    """Its store, written by threads without disturbance."""
    out = source.with_name("plain.ome.zarr")
    facts = inif.compress_zarr(source, out, **SMALL)
    assert facts["ratio"] == pytest.approx(20, rel=0.01)
    return out


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("workers", [1, 2])
def test_any_number_of_workers_gives_the_same_bytes(
    source: Path, plain: Path, tmp_path: Path, workers: int
) -> None:
    out = tmp_path / "out.ome.zarr"
    log = tmp_path / "log.jsonl"
    inif.compress_zarr(source, out, workers=workers, verify=True, log=log, **SMALL)
    assert files(out) == files(plain)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert len({line["worker"] for line in lines}) == workers
    assert all(0 < line["memory"] < 1.5e9 for line in lines)


def shards_done(out: Path) -> int:
    try:
        return manifest_of(out).read_bytes().count(b'{"shard":')
    except FileNotFoundError:
        return 0


def workers_of(process: subprocess.Popen[str]) -> list[Any]:
    children = psutil.Process(process.pid).children(recursive=True)
    return [one for one in children if "spawn_main" in " ".join(one.cmdline())]


def work(task: int, stopped: Any = None) -> tuple[int, int]:
    """Says who did it."""
    return task, os.getpid()


def test_a_result_that_is_lost_with_its_worker_is_made_again() -> None:
    with engine(workers=1) as cluster:
        assert isinstance(cluster, Cluster)
        cluster.submit("a", work, 7)
        name, future = cluster._done.get(timeout=PATIENCE)
        first = future.result()[1]
        os.kill(first, signal.SIGKILL)
        until = time.monotonic() + PATIENCE
        while future.status == "finished" and time.monotonic() < until:
            time.sleep(0.01)
        cluster._done.put((name, future))  # as if it had not been looked at before
        found = future_of(cluster.wait)
        assert found.result(timeout=PATIENCE)[0] == "a"
        task, second = found.result()[1]
        assert task == 7
        assert second != first


def future_of(call: Any) -> Future[Any]:
    """A call in a thread of its own, which does not keep the tests from ending."""
    future: Future[Any] = Future()
    threading.Thread(target=lambda: future.set_result(call()), daemon=True).start()
    return future


def test_killed_workers_and_a_killed_client_change_nothing(
    source: Path, plain: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.ome.zarr"
    words = [sys.executable, "-X", "faulthandler", "-m", "inif", "compress", str(source)]
    words += ["-o", str(out), *ASKED, "--workers", "2", "--json"]
    killed, until = 0, time.monotonic() + PATIENCE
    with subprocess.Popen(
        words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as run:
        while run.poll() is None:
            if time.monotonic() > until:
                run.send_signal(signal.SIGABRT)  # it says where it hangs
                break
            if killed < 3 and shards_done(out) >= 4 * (killed + 1) and workers_of(run):
                workers_of(run)[0].kill()
                killed += 1
            if killed == 3 and shards_done(out) >= 18:
                run.kill()
            time.sleep(0.1)
        assert run.wait() == -signal.SIGKILL, run.stderr and run.stderr.read()
    assert not out.exists()
    done = shards_done(out)
    again = subprocess.run(words, capture_output=True, text=True, check=True, timeout=PATIENCE)
    facts = json.loads(again.stdout)
    assert facts["resumed"] >= done - 1
    assert files(out) == files(plain)


def test_a_scheduler_that_goes_away_is_told_and_the_work_goes_on_later(
    source: Path, plain: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.ome.zarr"
    words = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1"]
    place = tmp_path / "scheduler.json"
    words += ["--port", "0", "--dashboard-address", ":0", "--scheduler-file", str(place)]
    with subprocess.Popen(words, stderr=subprocess.DEVNULL) as scheduler:
        until = time.monotonic() + PATIENCE
        while not place.exists() or not place.read_text().strip():
            assert time.monotonic() < until
            time.sleep(0.1)
        address = json.loads(place.read_text())["address"]
        worker_words = [sys.executable, "-m", "distributed.cli.dask_worker", address]
        worker_words += ["--nthreads", "1", "--no-dashboard"]
        with subprocess.Popen(worker_words, stderr=subprocess.DEVNULL) as worker:

            def progress(event: ProgressEvent) -> None:
                if event.stage == "encode" and event.step == 5:
                    os.kill(scheduler.pid, signal.SIGKILL)

            try:
                with pytest.raises(InputError, match=r"the scheduler is gone.*the same command"):
                    inif.compress_zarr(source, out, scheduler=address, progress=progress, **SMALL)
            finally:
                worker.kill()
                scheduler.kill()
    assert shards_done(out) >= 5
    facts = inif.compress_zarr(source, out, **SMALL)
    assert facts["resumed"] >= 5
    assert files(out) == files(plain)


def test_a_scheduler_that_is_not_there(source: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be reached"):
        inif.compress_zarr(
            source, tmp_path / "out.ome.zarr", scheduler="tcp://127.0.0.1:9", **SMALL
        )
