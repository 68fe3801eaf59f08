"""A file and its arrays in the processes of a cluster of dask: what they decode is the same."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import inif

dask = pytest.importorskip("dask", reason="the extra 'dask' is not installed")
distributed = pytest.importorskip("distributed", reason="dask's distributed is not installed")

pytestmark = [
    pytest.mark.slow,  # processes that import everything anew
    pytest.mark.filterwarnings("default"),
]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Two worker processes on any free ports, which may take their time to come."""
    patient = {f"distributed.comm.timeouts.{what}": "300s" for what in ("connect", "tcp")}
    with (
        dask.config.set(patient),
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=2,
            processes=True,
            dashboard_address=None,
            local_directory=str(tmp_path_factory.mktemp("dask")),
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture
def file(random_file: Callable[..., bytes], tmp_path: Path) -> Iterator[inif.File]:
    """Of four bricks, at a path that the workers can open too."""
    path = tmp_path / "a.inif"
    path.write_bytes(random_file("ZYX", (6, 200, 240), brick=(6, 100, 120)))
    with inif.open(path) as opened:
        yield opened


def test_an_array_is_computed_elsewhere(client: Any, file: inif.File) -> None:
    lazy = file.to_dask()
    assert lazy.numblocks == (6, 1, 1)
    np.testing.assert_array_equal(client.compute(lazy).result(), np.asarray(file))
    highest = client.compute(lazy.max(axis=(1, 2))).result()
    np.testing.assert_array_equal(highest, np.asarray(file).max(axis=(1, 2)))


def test_a_file_goes_there_and_back(client: Any, file: inif.File) -> None:
    futures = client.map(lambda one, z: one[z], [file] * 6, range(6), pure=False)
    np.testing.assert_array_equal(client.gather(futures), np.asarray(file))
    again = client.submit(lambda one: one, file, pure=False).result()
    assert again is not file
    assert again.header == file.header
    np.testing.assert_array_equal(again[2, 50:60], file[2, 50:60])


def test_a_file_of_bytes_goes_too(client: Any, file: inif.File) -> None:
    with inif.open(file.to_bytes()) as whole:
        found = client.compute(whole.to_dask()[2:4]).result()
    np.testing.assert_array_equal(found, file[2:4])


def test_a_file_that_changed_is_told_where_it_is_met(
    client: Any, file: inif.File, random_file: Callable[..., bytes]
) -> None:
    lazy = file.to_dask()
    Path(file.name).write_bytes(random_file("ZYX", (6, 200, 240), brick=(6, 100, 120), seed=1))
    with pytest.raises(inif.errors.InputError, match="changed since"):
        client.compute(lazy).result()


def test_errors_are_the_same_after_the_way_back(client: Any, file: inif.File) -> None:
    with pytest.raises(inif.errors.SelectionError) as caught:
        client.submit(lambda one: one[99], file, pure=False).result()
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
