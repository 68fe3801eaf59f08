"""Work in threads: results in the order of the items, few of them waiting, errors passed on."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

import inif
from inif.decode.hybrid import HybridBrick
from inif.fields import parallel
from inif.fields.neighbourhood import Blocks, Volume
from inif.fields.parallel import in_order

GOLDEN = Path(__file__).parent.parent / "golden"


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_results_come_in_the_order_of_the_items(workers: int) -> None:
    def slow_if_even(n: int) -> int:
        if n % 2 == 0:
            threading.Event().wait(0.002)
        return n * n

    assert list(in_order(slow_if_even, range(30), workers=workers)) == [n * n for n in range(30)]


def test_few_results_wait_to_be_taken() -> None:
    begun: list[int] = []

    def noted(n: int) -> int:
        begun.append(n)
        return n

    results = in_order(noted, range(100), workers=2)
    assert next(results) == 0
    assert len(begun) <= 3
    assert list(results) == list(range(1, 100))


@pytest.mark.parametrize("workers", [1, 3])
def test_an_error_is_passed_on(workers: int) -> None:
    def fails(n: int) -> int:
        if n == 4:
            raise ValueError("four")
        return n

    with pytest.raises(ValueError, match="four"):
        list(in_order(fails, range(1000), workers=workers))


def test_threads_share_the_windows_of_planes() -> None:
    levels = np.random.default_rng(0).integers(0, 1024, (1, 40, 12, 10), np.uint16)
    region = Blocks(0, 6, 0, 5)
    shared = Volume(levels, 1023, 0.1)

    def around(z: int) -> list[np.ndarray]:
        return [shared.window(0, z + dz, region).parts for dz in (-2, -1, 0, 1, 2)]

    for z, found in enumerate(in_order(around, range(40), workers=8)):
        own = Volume(levels, 1023, 0.1)
        for dz, parts in zip((-2, -1, 0, 1, 2), found, strict=True):
            np.testing.assert_array_equal(parts, own.window(0, z + dz, region).parts)


def test_files_decode_the_same_on_one_core_and_on_many(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("av")
    repaired = 0
    for path in sorted(GOLDEN.glob("hybrid_*.inif")):
        decoded = []
        for count in (1, 4):
            monkeypatch.setattr(parallel, "cores", lambda count=count: count)
            with inif.open(path) as file:
                brick = file.bricks.open(0)
                assert isinstance(brick, HybridBrick)
                repaired += sum(r.active for r in brick.repairs)
                decoded.append(np.asarray(file))
        np.testing.assert_array_equal(decoded[0], decoded[1])
    assert repaired


def test_tasks_within_tasks_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel.os, "sched_getaffinity", lambda _: range(6))

    def shares(workers: int) -> list[int]:
        return list(in_order(lambda _: parallel.cores(), range(workers)))

    assert (shares(2), shares(6), shares(1)) == ([3, 3], [1] * 6, [6])
    assert parallel.cores() == 6
