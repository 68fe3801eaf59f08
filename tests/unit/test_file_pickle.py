"""A file goes to other processes as where it lies, and threads share one; dask needs both."""

from __future__ import annotations

import pickle
import pickletools
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import inif
from inif.errors import FormatError, InputError


@pytest.fixture(scope="module")
def data(random_file: Callable[..., bytes]) -> bytes:
    """A file of 4 bricks."""
    return random_file("ZYX", (6, 20, 24), brick=(6, 10, 12))


@pytest.fixture
def path(data: bytes, tmp_path: Path) -> Path:
    path = tmp_path / "a.inif"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("kind", ["path", "relative", "bytes", "url"])
def test_a_pickled_file_is_the_same_file(
    path: Path, data: bytes, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(path.parent)
    if kind == "url":
        pytest.importorskip("fsspec")
    source = {"path": path, "relative": "a.inif", "bytes": data, "url": f"file://{path}"}[kind]
    with inif.open(source) as file:
        monkeypatch.chdir("/")
        stored = pickle.dumps(file)
        with pickle.loads(stored) as again:
            np.testing.assert_array_equal(again[1], file[1])
            assert again.header == file.header
        whole = np.asarray(file)
    np.testing.assert_array_equal(np.asarray(pickle.loads(stored)), whole)
    assert (len(stored) < 500) == (kind != "bytes")


def test_a_pickle_runs_nothing_but_opening(path: Path) -> None:
    with inif.open(path) as file:
        stored = pickle.dumps(file)
    names = [
        argument
        for opcode, argument, _ in pickletools.genops(stored)
        if opcode.name in ("SHORT_BINUNICODE", "BINUNICODE")
    ]
    assert names[:2] == ["inif.decode.file", "_reopen"]
    assert len(names) == 4  # and the path, and the digest
    assert sum(op.name == "REDUCE" for op, _, _ in pickletools.genops(stored)) == 1


def test_a_file_that_changed_is_one_error(
    path: Path, data: bytes, random_file: Callable[..., bytes]
) -> None:
    with inif.open(path) as file:
        stored = pickle.dumps(file)
    path.write_bytes(random_file("ZYX", (6, 20, 24), brick=(6, 10, 12), seed=1))
    with pytest.raises(InputError, match="changed since"):
        pickle.loads(stored)
    path.write_bytes(data[:50])
    with pytest.raises(FormatError):
        pickle.loads(stored)
    path.unlink()
    with pytest.raises(InputError, match="no such file"):
        pickle.loads(stored)


def test_a_file_object_cannot_go_elsewhere(path: Path) -> None:
    with (
        path.open("rb") as stream,
        inif.open(stream) as file,
        pytest.raises(InputError, match="another process"),
    ):
        pickle.dumps(file)


KINDS: dict[str, tuple[dict[str, Any], tuple[int, ...]]] = {
    "X": ({"shape": (37,), "brick": (10,)}, (37,)),
    "YX": ({"shape": (19, 23), "brick": (19, 8)}, (19, 23)),
    "ZYX": ({"shape": (5, 18, 21)}, (1, 18, 21)),
    "YXC": ({"shape": (9, 12, 2), "channels": "coordinate", "brick": (9, 6, 1)}, (9, 12, 1)),
    "TCZYX": ({"shape": (2, 2, 3, 8, 9)}, (1, 1, 1, 8, 9)),
    "CZ": ({"shape": (2, 7)}, (2, 7)),
}


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("axes", KINDS)
def test_dask_has_chunks_of_planes(random_file: Callable[..., bytes], axes: str) -> None:
    pytest.importorskip("dask.array")
    options, chunk = KINDS[axes]
    file = inif.open(random_file(axes, **options))
    whole, lazy = np.asarray(file), file.to_dask()
    assert (lazy.shape, lazy.dtype, lazy.chunksize) == (whole.shape, whole.dtype, chunk)
    np.testing.assert_array_equal(lazy.compute(scheduler="threads"), whole)
    np.testing.assert_array_equal(lazy[..., 1:4].compute(), whole[..., 1:4])


def test_dask_cuts_large_planes(
    random_file: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("dask.array")
    monkeypatch.setattr("inif.decode.levels.SIDE", 7)
    lazy = inif.open(random_file("ZYX", (2, 18, 10))).to_dask()
    assert lazy.chunksize == (1, 7, 7)


@pytest.mark.filterwarnings("default")
def test_dask_in_other_processes(path: Path) -> None:
    pytest.importorskip("dask.array")
    with inif.open(path) as file:
        whole = np.asarray(file)
        stored = pickle.dumps(file.to_dask())
    assert len(stored) < 5000
    lazy = pickle.loads(stored)  # as another process has it
    np.testing.assert_array_equal(lazy.compute(scheduler="sync"), whole)


def test_threads_share_a_file(path: Path) -> None:
    with inif.open(path) as file:
        whole = np.asarray(file)
    opened: list[int] = []
    wrong: list[int] = []
    with inif.open(path) as file:
        make = file.bricks.open
        file.bricks.open = lambda brick: (opened.append(brick), make(brick))[1]  # type: ignore[method-assign]

        def work(z: int) -> None:
            if not np.array_equal(file[z], whole[z]):
                wrong.append(z)

        threads = [threading.Thread(target=work, args=(z % 6,)) for z in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []
    assert sorted(opened) == [0, 1, 2, 3]
