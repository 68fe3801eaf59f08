"""A file as viewers ask for it: levels, chunks that are kept, names of arrays, display limits."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from test_latent import smooth

import inif
from inif.decode.chunks import ChunkCache
from inif.decode.display import limits


@pytest.fixture(scope="module")
def latent() -> inif.File:
    return inif.compress(smooth((3, 700, 600)), axes="ZYX", method="latent", ratio=20, effort=1)


def test_levels_of_a_field_are_its_own_samples(random_file: Callable[..., bytes]) -> None:
    with inif.open(random_file("CYX", (2, 300, 700), brick=(2, 150, 200))) as file:
        whole = np.asarray(file)
        assert [level.step for level in file.levels] == [1, 2, 4]
        for level in file.levels:
            wanted = whole[:, :: level.step, :: level.step]
            assert level.shape == wanted.shape
            np.testing.assert_array_equal(level[...], wanted)
            np.testing.assert_array_equal(level[1, 3:9, -4:], wanted[1, 3:9, -4:])


def test_levels_of_a_latent_field_are_means(latent: inif.File) -> None:
    whole = np.asarray(latent)
    assert [level.shape for level in latent.levels] == [(3, 700, 600), (3, 350, 300), (3, 175, 150)]
    np.testing.assert_array_equal(latent.levels[0][...], whole)
    for level in latent.levels[1:]:
        near = whole[:, :: level.step, :: level.step].astype(float)
        assert np.abs(level[...] - near).mean() < 0.1 * np.ptp(whole)
        np.testing.assert_array_equal(level[2, 5:9], level[...][2, 5:9])


def test_small_images_have_one_level(random_file: Callable[..., bytes]) -> None:
    for axes, shape in (("YX", (256, 20)), ("X", (600,)), ("CZ", (2, 7))):
        with inif.open(random_file(axes, shape)) as file:
            expected = 3 if axes == "X" else 1
            assert len(file.levels) == expected


def test_a_chunk_is_decoded_once(random_file: Callable[..., bytes]) -> None:
    with inif.open(random_file("ZYX", (4, 30, 40))) as file:
        reads: list[object] = []
        read = file._samples.read
        file._samples.read = lambda s: (reads.append(s), read(s))[1]  # type: ignore[method-assign]
        with ThreadPoolExecutor(8) as pool:
            planes = list(pool.map(lambda n: file.levels[0][n % 4], range(64)))
        assert len(reads) == 4
        for n, plane in enumerate(planes):
            np.testing.assert_array_equal(plane, file[n % 4])


def test_many_threads_see_the_samples_of_one(latent: inif.File) -> None:
    whole, rng = np.asarray(latent), np.random.default_rng(3)
    with inif.open(latent.to_bytes()) as file:

        def look(seed: int) -> bool:
            own = np.random.default_rng(seed)
            for _ in range(200):
                z = int(own.integers(3))
                (a, b), (c, d) = (np.sort(own.integers(0, n, 2)) for n in (700, 600))
                key = (z, slice(a, b), slice(c, d))
                if not np.array_equal(file[key], whole[key]):
                    return False
            return True

        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(look, rng.integers(0, 1 << 30, 8).tolist()))


def test_the_cache_keeps_what_was_asked_for_last() -> None:
    cache, made = ChunkCache(3 * 80), []

    def make(key: int) -> Callable[[], np.ndarray]:
        return lambda: (made.append(key), np.full(10, float(key)))[1]

    for key in (0, 1, 2, 0, 3, 0, 1):
        assert cache.get(key, make(key))[0] == key
    assert made == [0, 1, 2, 3, 1]
    with pytest.raises(ValueError, match="read-only"):
        cache.get(0, make(0))[0] = 1
    with pytest.raises(KeyError):
        cache.get(9, lambda: {}["nothing"])
    assert cache.get(9, make(9))[0] == 9


def test_who_waits_gets_the_error_too() -> None:
    cache, waiting, go = ChunkCache(), threading.Event(), threading.Event()

    def fail() -> np.ndarray:
        waiting.set()
        go.wait(10)
        raise OSError("gone")

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(cache.get, "a", fail)
        assert waiting.wait(10)
        second = pool.submit(cache.get, "a", fail)
        go.set()
        for one in (first, second):
            with pytest.raises(OSError, match="gone"):
                one.result(10)


def test_levels_pickle_as_their_file(tmp_path: Path, latent: inif.File) -> None:
    path = tmp_path / "a.inif"
    latent.save(path)
    with inif.open(path) as file:
        stored = pickle.dumps(file.levels[1])
        wanted = file.levels[1][0]
    assert len(stored) < 2000
    np.testing.assert_array_equal(pickle.loads(stored)[0], wanted)


@pytest.mark.filterwarnings("default")
def test_levels_as_dask(tmp_path: Path, latent: inif.File) -> None:
    pytest.importorskip("dask.array")
    path = tmp_path / "a.inif"
    latent.save(path)
    with inif.open(path) as file:
        for level in file.levels:
            lazy = level.to_dask()
            assert lazy.chunksize == level.chunks
            np.testing.assert_array_equal(lazy.compute(scheduler="threads"), level[...])


def test_names_as_arrays_have_them(latent: inif.File) -> None:
    assert latent.nbytes == latent.raw_bytes == 3 * 700 * 600 * 2
    assert latent.sizes == {"Z": 3, "Y": 700, "X": 600}
    assert latent.dims == ("Z", "Y", "X")
    assert latent.chunks == (1, 700, 600)
    assert latent.attrs["ratio"] == latent.ratio
    np.testing.assert_array_equal(inif.imread(latent.to_bytes()), np.asarray(latent))


def test_display_limits_are_those_of_the_original() -> None:
    image = smooth((2, 300, 300)) * 1.0
    image = np.stack([image, 7 * image], axis=1).astype(np.float32)
    with inif.compress(image, axes="ZCYX", method="latent", ratio=8, effort=1) as file:
        for c, (low, high) in enumerate(file.windows):
            own = image[:, c]
            assert np.quantile(own, 0.005) <= low <= np.quantile(own, 0.02)
            assert np.quantile(own, 0.99) <= high <= own.max()
        stated = file.header["meta"]["windows"]
        assert [tuple(pair) for pair in stated] == list(file.windows)


def test_display_limits_where_the_file_has_no_room() -> None:
    image = smooth((80, 90))
    with inif.compress(image, axes="YX", method="latent", ratio=20, effort=1) as file:
        assert "windows" not in file.header.get("meta", {})
        [(low, high)] = file.windows
        assert image.min() <= low < high <= image.max()


def test_labels_have_no_display_limits_of_their_own() -> None:
    labels = np.arange(12, dtype=np.uint32).reshape(3, 4)
    with inif.compress(labels, axes="YX", lossless=True) as file:
        assert file.windows == ((0.0, 11.0),)


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        (np.zeros(9), None),
        (np.array([np.nan, np.inf]), None),
        (np.r_[np.zeros(10_000), 5.0], (0.0, 5.0)),
    ],
)
def test_limits_of_odd_samples(samples: np.ndarray, expected: object) -> None:
    assert limits(samples) == expected
