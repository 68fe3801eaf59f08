"""Sources of samples: they travel, read at once from many threads, and say where damage is."""

from __future__ import annotations

import pickle
import shutil
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
import tifffile
import zarr
from hypothesis import given
from stores import image_store, samples

from inif.errors import InputError, SelectionError
from inif.image import Region
from inif.scale.levels import Reduced
from inif.scale.source import ArraySource, FileSource, ZarrSource

DATA = samples(3, 40, 50)
WHOLE = (slice(0, 3), slice(0, 40), slice(0, 50))


def a_zarr(folder: Path) -> ArraySource:
    return ZarrSource(str(image_store(folder / "a.zarr", DATA, "zyx", levels=1)), "0")


def a_zip(folder: Path) -> ArraySource:
    path = image_store(folder / "a.zarr", DATA, "zyx", levels=1)
    return ZarrSource(shutil.make_archive(str(folder / "a"), "zip", path), "0", zipped=True)


def a_tiff(folder: Path) -> ArraySource:
    tifffile.imwrite(folder / "a.tif", DATA, metadata={"axes": "ZYX"}, photometric="minisblack")
    return FileSource(str(folder / "a.tif"))


def an_npy(folder: Path) -> ArraySource:
    np.save(folder / "a.npy", DATA.transpose(2, 0, 1))
    return FileSource(str(folder / "a.npy"), axes="XZY")


def planes(folder: Path) -> ArraySource:
    for z in range(3):
        tifffile.imwrite(folder / f"z{z}.tif", DATA[z])
    return FileSource(str(folder / "z{z}.tif"))


MAKERS = (a_zarr, a_zip, a_tiff, an_npy, planes)
EVERY = pytest.mark.parametrize("make", MAKERS)


@EVERY
def test_a_source_travels_as_names_and_reads_regions(tmp_path: Path, make: Any) -> None:
    source = make(tmp_path)
    source.read(WHOLE)  # what is open stays here
    packed = pickle.dumps(source)
    assert len(packed) < 400 + len(str(tmp_path))
    again = pickle.loads(packed)
    assert again == source
    regions = [tuple(slice(i, n - i) for n in DATA.shape) for i in (0, 1)] * 10
    with ThreadPoolExecutor(8) as pool:
        for region, got in zip(regions, pool.map(again.read, regions), strict=True):
            np.testing.assert_array_equal(got, DATA[region])
            assert got.flags.c_contiguous
    for bad in (WHOLE[:2], (*WHOLE[:2], slice(0, 51)), (*WHOLE[:2], slice(0, 50, 2))):
        with pytest.raises(SelectionError):
            again.read(bad)


def test_another_process_opens_what_it_needs(tmp_path: Path) -> None:
    sources = [make(tmp_path / make.__name__) for make in MAKERS if not _made(tmp_path, make)]
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        for got in pool.map(_read, sources):
            np.testing.assert_array_equal(got, DATA)


def _made(folder: Path, make: Any) -> bool:
    (folder / make.__name__).mkdir()
    return False


def _read(source: ArraySource) -> np.ndarray:
    return source.read(WHOLE)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_damage_is_named_and_missing_chunks_are_fill_values(tmp_path: Path, version: str) -> None:
    data = samples(1, 600, 700)
    options: dict[str, Any] = {"levels": 1, "chunks": (1, 300, 500)}
    path = image_store(tmp_path / "a.zarr", data, "zyx", version, **options)
    chunk = "0/c/0/1/1" if version == "0.5" else "0/0/1/1"
    (path / chunk).write_bytes(b"no chunk")
    (path / chunk.replace("1/1", "0/0")).unlink()
    source = ZarrSource(str(path), "0")
    data[:, :300, :500] = 0
    for sound in ((300, 700), (600, 500)):
        region = (slice(0, 1), *(slice(0, n) for n in sound))
        np.testing.assert_array_equal(source.read(region), data[region])
    smaller = Reduced(source, (1, 300, 350), data.dtype, 1, False)
    region = (slice(0, 1), slice(290, 320), slice(490, 520))
    half = (slice(0, 1), slice(145, 160), slice(245, 260))
    for one, part in ((source, region), (smaller, half)):
        with pytest.raises(InputError) as caught:
            one.read(part)
        assert caught.value.file == str(path)
        assert caught.value.field == f"array 0, region 0:1, 290:320, 490:520, chunk {chunk}"


def test_an_input_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="gone"):
        ZarrSource(str(tmp_path / "a.zarr"), "0").read(WHOLE)
    with pytest.raises(InputError, match="no such file"):
        FileSource(str(tmp_path / "a.tif")).read(WHOLE)


class Kept:
    """Samples in memory, and the most that was read of them at once."""

    def __init__(self, data: np.ndarray) -> None:
        self.data, self.most = data, 0

    def read(self, region: Region) -> np.ndarray:
        for part, n in zip(region, self.data.shape, strict=True):
            assert 0 <= part.start <= part.stop <= n
        samples = self.data[region]
        self.most = max(self.most, samples.size)
        return np.ascontiguousarray(samples)


@cache
def noise(dtype: str) -> np.ndarray:
    return samples(2, 77, 90, dtype=dtype)


@given(st.data())
def test_smaller_levels_are_means_of_the_original(data: st.DataObject) -> None:
    dtype = data.draw(st.sampled_from(["uint8", "uint16", "int16", "float32"]))
    level, nearest = data.draw(st.integers(1, 6)), data.draw(st.booleans())
    full, f = noise(dtype), 1 << level
    shape = (2, 77 >> level, 90 >> level)
    cropped = full[:, : shape[1] * f, : shape[2] * f]
    mean = cropped.reshape(2, shape[1], f, shape[2], f).mean((2, 4), dtype=np.float64)
    means = mean if dtype == "float32" else np.rint(mean)
    expected = cropped[:, ::f, ::f] if nearest else means.astype(dtype)
    ends = [sorted(data.draw(st.tuples(st.integers(0, n), st.integers(0, n)))) for n in shape]
    region = tuple(slice(*pair) for pair in ends)
    block = data.draw(st.sampled_from([None, (1, 16, 32), (2, 100, 100)]))
    got = Reduced(Kept(full), shape, np.dtype(dtype), level, nearest, block).read(region)
    assert got.dtype == dtype
    np.testing.assert_allclose(got, expected[region], rtol=1e-6)


def test_a_smaller_level_reads_a_bounded_part_at_once() -> None:
    kept = Kept(np.zeros((3, 4096, 4096), np.uint8))
    source = Reduced(kept, (3, 256, 256), np.dtype("uint8"), 4, False)
    source.read((slice(0, 3), slice(0, 256), slice(0, 256)))
    assert kept.most <= 1 << 23


def test_nan_stays_nan_without_a_warning() -> None:
    data = np.ones((4, 4), np.float32)
    data[0, 0], data[0, 2], data[1, 2] = np.nan, np.inf, -np.inf
    got = Reduced(Kept(data), (2, 2), data.dtype, 1, False).read((slice(0, 2), slice(0, 2)))
    np.testing.assert_array_equal(got, [[np.nan, np.nan], [1, 1]])


def test_a_store_behind_a_web_server(tmp_path: Path) -> None:
    """A server that lists nothing: what the metadata name is found."""
    pytest.importorskip("aiohttp")
    import functools
    import http.server
    import threading

    from stores import add_labels, plate_store, series_store

    from inif.scale.tree import read_tree

    plate_store(tmp_path / "p.zarr", skip="B/1")
    series_store(tmp_path / "s.zarr", "0.5")
    path = image_store(tmp_path / "a.zarr", DATA, "zyx", "0.5")
    add_labels(zarr.open_group(path, mode="r+"), DATA.astype("u4"), "zyx", "0.5", ["n"])

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

        def list_directory(self, path: Any) -> None:
            self.send_error(404)

    serve = functools.partial(Quiet, directory=str(tmp_path))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), serve)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        for name in ("p", "s", "a"):
            local = read_tree(tmp_path / f"{name}.zarr")
            tree = read_tree(f"http://127.0.0.1:{server.server_address[1]}/{name}.zarr")
            assert tree.groups == local.groups
            assert [p.path for p in tree.arrays] == [p.path for p in local.arrays]
            assert tree.files.keys() == local.files.keys()
            assert any("does not list" in r for r in tree.remarks)
            for a, b in list(zip(tree.arrays, local.arrays, strict=True))[-2:]:
                region = tuple(slice(0, n) for n in a.shape)
                np.testing.assert_array_equal(a.source.read(region), b.source.read(region))
            for key, file in tree.files.items():
                assert file.read() == local.files[key].read()
    finally:
        server.shutdown()
        server.server_close()
