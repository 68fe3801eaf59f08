"""A file as OME-Zarr: what zarr itself reads, and what the store says."""

from __future__ import annotations

import asyncio
import json
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import zarr
from test_latent import smooth
from zarr.abc.store import OffsetByteRequest, RangeByteRequest, SuffixByteRequest
from zarr.core.buffer import default_buffer_prototype

import inif
from inif.image import Channel, Image, Metadata
from inif.io import open_image
from inif.zarr import InifStore

META = Metadata(
    "cells",
    {"Z": (0.3, "µm"), "Y": (0.1, "µm"), "X": (0.1, "µm"), "T": (2.0, "s")},
    (Channel("DNA", "#0000FF"), Channel("GFP")),
)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Axes in another order than OME's."""
    data = np.stack([smooth((3, 290, 530)), smooth((3, 290, 530))[::-1]], axis=-1)
    out = tmp_path_factory.mktemp("zarr") / "a.inif"
    inif.compress(Image(data, "ZYXC", META), out=out, method="latent", ratio=12, effort=1).close()
    return out


@pytest.fixture
def store(path: Path) -> Iterator[InifStore]:
    with InifStore(path) as opened:
        yield opened


def test_zarr_reads_the_group(store: InifStore) -> None:
    group = zarr.open_group(store, mode="r")
    ome = group.attrs["ome"]
    assert ome["version"] == "0.5"
    [image] = ome["multiscales"]
    assert [a["name"] for a in image["axes"]] == ["c", "z", "y", "x"]
    assert [a.get("unit") for a in image["axes"]] == [
        None,
        "micrometer",
        "micrometer",
        "micrometer",
    ]
    assert image["name"] == "cells"
    scales = [d["coordinateTransformations"][0]["scale"] for d in image["datasets"]]
    assert scales == [[1.0, 0.3, 0.1 * k, 0.1 * k] for k in (1, 2, 4)]
    channels = ome["omero"]["channels"]
    assert [(c.get("label"), c["color"]) for c in channels] == [
        ("DNA", "0000FF"),
        ("GFP", "FFFFFF"),
    ]
    for channel, window in zip(channels, store.file.windows, strict=True):
        assert (channel["window"]["start"], channel["window"]["end"]) == window
    for level, entry in zip(store.file.levels, image["datasets"], strict=True):
        array = group[entry["path"]]
        assert array.metadata.dimension_names == ("c", "z", "y", "x")
        np.testing.assert_array_equal(array[...], np.moveaxis(level[...], -1, 0))
        np.testing.assert_array_equal(array[1, 2, 5:9, ::3], level[2, 5:9, ::3, 1])


def test_our_own_reader_takes_it_for_ome_zarr(store: InifStore, tmp_path: Path) -> None:
    for key in list(store.keys()):
        target = tmp_path / "a.ome.zarr" / key
        target.parent.mkdir(parents=True, exist_ok=True)
        value = store.entry(key)
        assert value is not None
        target.write_bytes(value)
    with open_image(tmp_path / "a.ome.zarr") as image:
        assert (image.axes, image.dtype) == ("CZYX", np.uint16)
        assert image.meta.scale == {a: s for a, s in META.scale.items() if a != "T"}
        assert [c.name for c in image.meta.channels] == ["DNA", "GFP"]
        np.testing.assert_array_equal(image.load().data, np.moveaxis(np.asarray(store.file), -1, 0))


@pytest.mark.parametrize("axes", ["YX", "TYX", "ZYX", "CYX", "X", "TZCYX", "XY"])
@pytest.mark.parametrize("dtype", ["uint8", "float32", "bool", "int64"])
def test_every_kind_of_image(axes: str, dtype: str) -> None:
    rng = np.random.default_rng(1)
    data = (rng.random([3, 4, 2, 5, 6][: len(axes)]) * 9).astype(dtype)
    with inif.compress(data, axes=axes, lossless=True) as file:
        array = zarr.open_group(InifStore(file), mode="r")["0"]
        order = "".join(a for a in "TCZYX" if a in axes or a in "YX")
        shape = [file.sizes.get(a, 1) for a in order]
        moved = np.transpose(data, [axes.index(a) for a in order if a in axes])
        assert array.dtype == data.dtype
        np.testing.assert_array_equal(array[...], moved.reshape(shape))


def test_edge_chunks_are_padded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inif.decode.levels.SIDE", 16)
    data = smooth((20, 37))
    with inif.compress(data, axes="YX", lossless=True) as file:
        store = InifStore(file)
        assert len(list(store.keys())) == 2 + 2 * 3
        np.testing.assert_array_equal(zarr.open_group(store, mode="r")["0"][...], data)


def test_listing_agrees_with_keys(store: InifStore) -> None:
    async def everything(folder: str) -> list[str]:
        found = []
        async for name in store.list_dir(folder):
            inner = f"{folder}/{name}".strip("/")
            found += [inner] if store.holds(inner) else await everything(inner)
        return found

    async def listed(prefix: str) -> list[str]:
        return [key async for key in store.list_prefix(prefix)]

    keys = list(store.keys())
    assert sorted(asyncio.run(everything(""))) == sorted(keys)
    assert asyncio.run(listed("1/")) == [key for key in keys if key.startswith("1/")]


@pytest.mark.parametrize(
    "key",
    ["", "zarr", "9/zarr.json", "0/c/0/0/0", "0/c/0/0/0/9", "0/c/0/0/0/00", "0/c/0/0/0/-1", "../a",
     "0/c/0/0/0/0/0", "0/x/0/0/0/0", "٠/zarr.json"],
)  # fmt: skip
def test_there_is_nothing_else(store: InifStore, key: str) -> None:
    assert store.entry(key) is None
    assert not store.holds(key)
    assert asyncio.run(store.get(key, default_buffer_prototype())) is None


def test_byte_ranges(store: InifStore) -> None:
    key = "0/c/0/0/0/0"
    whole = store.entry(key)
    assert whole is not None
    for part, expected in (
        (RangeByteRequest(3, 10), whole[3:10]),
        (OffsetByteRequest(100), whole[100:]),
        (SuffixByteRequest(7), whole[-7:]),
    ):
        got = asyncio.run(store.get(key, default_buffer_prototype(), part))
        assert got is not None
        assert got.to_bytes() == expected


def test_stores_pickle_compare_and_cannot_be_written(store: InifStore) -> None:
    again = pickle.loads(pickle.dumps(store))
    assert again == store
    with inif.compress(smooth((8, 9)), axes="YX", lossless=True) as other:
        assert again != InifStore(other)
    np.testing.assert_array_equal(
        zarr.open_group(again, mode="r")["2"][...], zarr.open_group(store, mode="r")["2"][...]
    )
    again.file.close()
    with pytest.raises((ValueError, NotImplementedError)):
        zarr.open_group(store, mode="w")


@pytest.mark.filterwarnings("default")
def test_dask_reads_it(store: InifStore) -> None:
    da = pytest.importorskip("dask.array")
    lazy = da.from_zarr(zarr.open_group(store, mode="r")["0"])
    np.testing.assert_array_equal(lazy[0, :, :9].compute(), np.asarray(store.file)[:, :9, :, 0])


def test_what_it_opened_it_closes(path: Path, random_file: Callable[..., bytes]) -> None:
    store = InifStore(path)
    store.close()
    with pytest.raises(inif.errors.InputError):
        store.entry("0/c/0/0/0/0")
    with inif.open(random_file("YX", (8, 9))) as file:
        InifStore(file).close()
        assert json.loads(InifStore(file).entry("zarr.json") or b"")["node_type"] == "group"
        np.asarray(file)
