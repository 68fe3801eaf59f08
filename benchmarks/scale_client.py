"""What the client of a store of many shards costs: shards that are made at once, and nothing else.

Helpers of `scale_limits.py`. The shards are fake: `instant` says at once what a shard would take,
from a log-normal distribution (sigma 0.5: the largest of a thousand takes 5 times the median), and
nothing is written. So what is left is the client: its plan, waves, manifest and summary.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Hashable
from hashlib import blake2b
from pathlib import Path
from statistics import NormalDist
from typing import Any
from unittest import mock

import numpy as np

from inif.samples import peak_memory
from inif.scale import manifest, run, settle
from inif.scale.plan import ArrayPlan, Tree
from inif.scale.request import Request
from inif.scale.tasks import Shard, Try, Unread
from inif.scale.watch import Watch

CHUNK, SHARD = (1, 1, 8, 1024, 1024), (1, 1, 8, 4096, 4096)
"""Samples: 16 chunks of 16 MiB in a shard of 256 MiB of uint16, as `inif.scale.layout` cuts it."""


def tree_of(shards: int) -> Tree:
    """One image of two channels and 32 planes, of as many times as give so many shards."""
    shape = (shards // 8, 2, 32, 4096, 4096)
    plan = ArrayPlan(
        "0", "TCZYX", shape, np.dtype("uint16"), CHUNK, SHARD, "image", "", 0, Unread()
    )
    return Tree({"": {"ome": {"version": "0.5"}}}, (plan,), name="image.ome.zarr")


def _taken(task: Shard | Try, voxels: int, stretch: float) -> tuple[float, float]:
    """Bytes and squared errors of samples, by the step and by where they are."""
    number = int.from_bytes(blake2b(repr(task.place).encode(), digest_size=6).digest(), "big")
    busy = np.exp(0.5 * NormalDist().inv_cdf((number + 0.5) / 2**48))
    step = task.way.steps[task.place[1]]
    return 2.0 * voxels * busy * stretch / step**1.6, voxels * busy * step**2 / 12


def instant(task: Shard, stopped: Any = None) -> dict[str, Any]:
    """What `inif.scale.shard.write_shard` says of a shard."""
    size, square = _taken(task, int(np.prod(SHARD)), task.stretch)
    return {
        "shard": task.array.key(task.place),
        "bytes": int(size) + task.array.index,
        "crc32c": "0123abcd",
        "squares": [square],
        "low": [90.0],
        "high": [4095.0],
        "worst": 12.0,
        "exact": 0,
        "absent": 0,
        "seconds": 25.123,
        "worker": "worker-0123:45678",
        "memory": 1_000_000_000,
    }


def _trial(task: Try, stopped: Any = None) -> tuple[float, tuple[float, ...]]:
    size, square = _taken(task, int(np.prod(CHUNK)), 1.0)
    return size, (square,)


def _look(task: Try, stopped: Any = None) -> tuple[tuple[float, float], ...]:
    return ((90.0, 4095.0),)


class Instant:
    """An engine whose calls are done at once, and come back in any order.

    Attributes
    ----------
    seconds
        CPU time that the calls themselves took.
    longest
        The longest CPU time that passed without a call: so long the client hears nobody.
    """

    link = None

    def __init__(self, window: int) -> None:
        self.window, self.seconds, self.longest = window, 0.0, 0.0
        self._left = math.inf
        self._done: list[tuple[Hashable, Any]] = []
        self._random = random.Random(1)

    def submit(self, name: Hashable, call: Any, task: Any) -> None:
        """As of every engine."""
        start = self._called()
        self._done.append((name, call(task)))
        self._left = time.process_time()
        self.seconds += self._left - start

    def wait(self) -> tuple[Any, Any]:
        """As of every engine."""
        self._called()
        at = self._random.randrange(len(self._done))
        self._done[at], self._done[-1] = self._done[-1], self._done[at]
        self._left = time.process_time()
        return self._done.pop()

    def _called(self) -> float:
        now = time.process_time()
        self.longest = max(self.longest, now - self._left)
        return now


def fakes(**more: Any) -> Any:
    """Puts fake shards in place of real ones."""
    patches = mock.patch.multiple(run, write_shard=instant, sizes_differ=lambda *_: [], **more)
    trials = mock.patch.multiple(settle, try_chunk=_trial, look_at_chunk=_look)
    stack = mock.contextlib.ExitStack()  # type: ignore[attr-defined]
    stack.enter_context(patches)
    stack.enter_context(trials)
    return stack


def client(shards: int, window: int, folder: Path, **target: Any) -> dict[str, Any]:
    """A whole run and its resumption, in CPU seconds of this process, and its memory."""
    tree, request = tree_of(shards), Request.of(**target)
    out = folder / f"{shards}.ome.zarr"
    part, base = folder / "part", peak_memory()
    part.mkdir(exist_ok=True)
    manifest.manifest_of(out).unlink(missing_ok=True)
    row: dict[str, Any] = {"shards": shards, "window": window}
    with fakes():
        engine = Instant(window)
        with manifest.opened(out, {}, anew=True) as lines:
            start = time.process_time()
            one = run.Run(tree, request, part, engine, lines, Watch(None, None))
            row["plan_s"] = time.process_time() - start
            facts = one.go()
            row["whole_s"] = time.process_time() - start - engine.seconds
        row |= {"longest_pause_s": engine.longest, "again": facts["again"]}
        row |= {"ratio": facts["ratio"]}
        row["peak_mb"] = (peak_memory() - base) / 1e6
        row["manifest_mb"] = manifest.manifest_of(out).stat().st_size / 1e6
        del one, facts
        engine, start = Instant(window), time.process_time()
        with manifest.opened(out, {}) as lines:
            row["read_s"] = time.process_time() - start
            facts = run.Run(tree, request, part, engine, lines, Watch(None, None)).go()
            row["resume_s"] = time.process_time() - start - engine.seconds
        assert facts["resumed"] == shards
        assert not engine.seconds
    row["us_per_shard"] = row["whole_s"] / shards * 1e6
    row["peak_with_resume_mb"] = (peak_memory() - base) / 1e6
    return row
