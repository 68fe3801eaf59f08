"""The codec inif in Zarr: what zarr itself, dask, xarray and our own reader make of it."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import dask
import dask.array
import numpy as np
import pytest
import zarr
from numcodecs.registry import get_codec
from test_chunk import samples

import inif
from inif.decode.chunk import open_chunk
from inif.errors import FormatError, InputError
from inif.image import LOSSLESS_DTYPES
from inif.zarr import InifCodec, InifV2

SHAPE, CHUNKS, SHARDS = (7, 100, 90), (4, 32, 48), (8, 64, 96)
DOCS = Path(__file__).resolve().parents[2] / "docs"


def made(path: Path, data: np.ndarray, codec: InifCodec, **options: Any) -> zarr.Array:
    options = {"chunks": CHUNKS, "compressors": None, "dtype": data.dtype, **options}
    array = zarr.create_array(path, shape=data.shape, serializer=codec, **options)
    array[...] = data
    return zarr.open_array(path, mode="r+")


@pytest.fixture(scope="module")
def data() -> np.ndarray:
    return samples(SHAPE, "uint16") + np.uint16(100)


@pytest.fixture(params=[None, SHARDS], ids=["plain", "sharded"])
def array(request: pytest.FixtureRequest, tmp_path: Path, data: np.ndarray) -> zarr.Array:
    codec = InifCodec(axes="ZYX", step=10)
    return made(tmp_path / "a.zarr", data, codec, shards=request.param)


def test_lossy_within_its_step(array: zarr.Array, data: np.ndarray) -> None:
    error = array[...].astype(float) - data
    assert 0 < np.sqrt(np.square(error).mean()) < 10 / 2
    assert np.abs(error).max() < 20
    assert array.nbytes_stored() < data.nbytes / 2


def test_parts_are_those_of_the_whole(array: zarr.Array) -> None:
    whole = array[...]
    for key in (
        3,
        (slice(None), 50, 7),
        (slice(1, 7, 2), slice(10, 90, 13), slice(-1, None)),
        (-1, -1, -1),
        (slice(2, 2), slice(None), slice(None)),
    ):
        np.testing.assert_array_equal(array[key], whole[key])
    rows, columns = [0, 31, 32, 99], [3, 47, 48, 89]
    np.testing.assert_array_equal(
        array.oindex[[1, 5], rows, columns], whole[np.ix_([1, 5], rows, columns)]
    )
    places = [6, 0, 3, 3], rows, columns
    np.testing.assert_array_equal(array.vindex[places], whole[places])
    mask = whole > 150
    np.testing.assert_array_equal(array.get_mask_selection(mask), whole[mask])
    np.testing.assert_array_equal(array.blocks[0], whole[: (array.shards or array.chunks)[0]])


def test_plane_after_plane_opens_a_chunk_once(
    data: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []

    def counted(*args: Any) -> Any:
        opened.append(args)
        return open_chunk(*args)

    array = made(tmp_path / "a.zarr", data, InifCodec(axes="ZYX", step=10), chunks=SHARDS)
    whole = array[...]
    monkeypatch.setattr("inif.zarr.coding.open_chunk", counted)
    for again in (zarr.open_array(tmp_path / "a.zarr"), pickle.loads(pickle.dumps(array))):
        opened.clear()
        for z in range(SHAPE[0]):
            np.testing.assert_array_equal(again[z], whole[z])
        assert len(opened) == 2
    monkeypatch.setattr("inif.zarr.kept.MOST", 0)
    opened.clear()
    for z in range(3):
        np.testing.assert_array_equal(array[z], whole[z])
    assert len(opened) > 2


@pytest.mark.parametrize("dtype", LOSSLESS_DTYPES)
def test_exact_arrays(dtype: str, tmp_path: Path) -> None:
    data = samples(SHAPE, dtype)
    if data.dtype.kind == "f":
        data[0, 0, :3] = np.nan, np.inf, -0.0
    array = made(tmp_path / "a.zarr", data, InifCodec(axes="ZYX", lossless=True), shards=SHARDS)
    assert array[...].tobytes() == data.tobytes()


@pytest.mark.parametrize("fill", [0.0, np.nan, 7.0])
def test_what_is_beyond_the_edge_is_not_coded(fill: float, tmp_path: Path) -> None:
    """A chunk comes padded: it takes what its samples take, and decodes to its full shape."""
    data = samples((4, 33, 50), "float32") + 100
    codec = InifCodec(axes="ZYX", step=10)
    edge = made(tmp_path / "edge.zarr", data, codec, chunks=(8, 64, 64), fill_value=fill)
    whole = made(tmp_path / "whole.zarr", data, codec, chunks=data.shape, fill_value=fill)
    np.testing.assert_array_equal(edge[...], whole[...])
    assert abs(edge.nbytes_stored() - whole.nbytes_stored()) < 100  # but for metadata
    edge.resize((8, 64, 64))
    beyond = edge[...]
    assert np.isnan(beyond[4:]).all() if np.isnan(fill) else (beyond[4:] == fill).all()
    assert np.isnan(beyond[:, 33:]).all() if np.isnan(fill) else (beyond[:, 33:] == fill).all()


def test_chunks_of_nothing_but_the_fill_value(tmp_path: Path) -> None:
    """They are not stored, unless Zarr is told to."""
    data = np.zeros((8, 64, 96), np.uint16)
    data[:4, :32, :48] = 100 + samples((4, 32, 48), "uint16")
    codec = InifCodec(axes="ZYX", step=10)
    array = made(tmp_path / "a.zarr", data, codec)
    assert len(list((tmp_path / "a.zarr" / "c").rglob("[0-9]*/[0-9]*/[0-9]"))) == 1
    assert not array[4:].any()
    stored = made(tmp_path / "b.zarr", data, codec, config={"write_empty_chunks": True})
    assert len(list((tmp_path / "b.zarr" / "c").rglob("[0-9]*/[0-9]*/[0-9]"))) == 8
    np.testing.assert_array_equal(stored[...], array[...])


@pytest.mark.parametrize("dtype", ["<u2", ">u2", "<f4"])
def test_version_2(dtype: str, data: np.ndarray, tmp_path: Path) -> None:
    codec = InifV2(shape=CHUNKS, dtype=dtype, axes="ZYX", step=10)
    array = zarr.create_array(
        tmp_path / "a.zarr",
        shape=SHAPE,
        chunks=CHUNKS,
        dtype=dtype,
        zarr_format=2,
        compressors=codec,
    )
    array[...] = data
    again = zarr.open_array(tmp_path / "a.zarr")
    third = made(tmp_path / "b.zarr", data, InifCodec(axes="ZYX", step=10))
    np.testing.assert_array_equal(np.rint(again[...]), third[...])
    assert again[3].dtype == dtype
    config = json.loads((tmp_path / "a.zarr" / ".zarray").read_text())["compressor"]
    assert get_codec(config) == codec == pickle.loads(pickle.dumps(codec))


def test_version_2_takes_bytes_and_gives_what_was_asked_for() -> None:
    chunk = samples(CHUNKS, "uint16")
    codec = InifV2(shape=CHUNKS, dtype="uint16", axes="ZYX", lossless=True)
    data = codec.encode(chunk.tobytes())
    assert data == codec.encode(chunk)
    out = np.empty_like(chunk)
    codec.decode(data, out)
    np.testing.assert_array_equal(out, chunk)
    for wrong in (chunk[:2], chunk.astype("uint8"), np.asfortranarray(chunk)):
        with pytest.raises(InputError, match="C order"):
            codec.encode(wrong)
    with pytest.raises(InputError, match="shape"):
        InifV2(shape=[0, 3], dtype="uint16", axes="YX", lossless=True)


def test_dask_reads_and_writes_in_threads(data: np.ndarray, tmp_path: Path) -> None:
    codec = InifCodec(axes="ZYX", step=10)
    array = zarr.create_array(
        tmp_path / "a.zarr",
        shape=SHAPE,
        chunks=CHUNKS,
        shards=SHARDS,
        dtype="uint16",
        serializer=codec,
        compressors=None,
    )
    with dask.config.set(scheduler="threads", num_workers=4):
        dask.array.store(dask.array.from_array(data, SHARDS), array, lock=False)
        lazy = dask.array.from_array(array, CHUNKS)
        np.testing.assert_array_equal(lazy.compute(), array[...])
    plain = made(tmp_path / "b.zarr", data, codec)
    np.testing.assert_array_equal(plain[...], array[...])


def test_xarray_opens_it(data: np.ndarray, tmp_path: Path) -> None:
    xarray = pytest.importorskip("xarray")
    group = zarr.create_group(tmp_path / "a.zarr")
    array = group.create_array(
        "image",
        shape=SHAPE,
        chunks=CHUNKS,
        dtype="uint16",
        serializer=InifCodec(axes="ZYX", max_error=2),
        compressors=None,
        dimension_names=["z", "y", "x"],
    )
    array[...] = data
    with xarray.open_dataset(tmp_path / "a.zarr", engine="zarr", consolidated=False) as found:
        assert np.abs(found["image"].isel(z=2).values.astype(int) - data[2]).max() <= 2


def ome(folder: Path, data: np.ndarray) -> Path:
    """An OME-Zarr 0.5 whose array is coded by inif."""
    group = zarr.create_group(folder)
    array = group.create_array(
        "0",
        shape=data.shape,
        chunks=CHUNKS,
        shards=SHARDS,
        dtype=data.dtype,
        serializer=InifCodec(axes="ZYX", step=10),
        compressors=None,
        dimension_names=["z", "y", "x"],
    )
    array[...] = data
    group.attrs["ome"] = {
        "version": "0.5",
        "multiscales": [
            {
                "axes": [{"name": n, "type": "space"} for n in "zyx"],
                "datasets": [
                    {
                        "path": "0",
                        "coordinateTransformations": [{"type": "scale", "scale": [1, 1, 1]}],
                    }
                ],
            }
        ],
    }
    return folder


def test_our_own_reader_takes_it(data: np.ndarray, tmp_path: Path) -> None:
    path = ome(tmp_path / "a.ome.zarr", data)
    with inif.io.open_image(path) as image:
        assert (image.axes, image.shape) == ("ZYX", SHAPE)
        part = image.read((slice(2, 3), slice(0, 50), slice(0, 90)))
    np.testing.assert_array_equal(part, zarr.open_array(path / "0")[2:3, :50])
    again = inif.compress(path, lossless=True)
    np.testing.assert_array_equal(again[...], zarr.open_array(path / "0")[...])
    [shard] = [p for p in (path / "0" / "c").rglob("*") if p.is_file()][:1]
    damaged = bytearray(shard.read_bytes())
    damaged[60] ^= 255
    shard.write_bytes(damaged)
    with (
        pytest.raises(InputError, match=r"damaged(?s:.*)field: 0/c/"),
        inif.io.open_image(path) as image,
    ):
        image.load()


_FRESH = """
import sys, numpy as np, zarr
array = zarr.open_array(sys.argv[1], mode="r")
np.save(sys.argv[2], array[3])
from numcodecs.registry import get_codec
get_codec({"id": "inif", "shape": [4], "dtype": "<u2", "axes": "X", "step": 2.0})
loaded = sorted({m.split(".")[0] for m in sys.modules} & {"jax"})
loaded += [m for m in sys.modules if m.startswith("inif.encode")]
assert not loaded, loaded
"""


def test_a_fresh_process_finds_the_codec_by_its_entry_points(
    array: zarr.Array, tmp_path: Path
) -> None:
    """And reads without the encoder. The installed metadata may be of before there was a codec."""
    info = tmp_path / "site" / "inif_codec-0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: inif-codec\nVersion: 0\n")
    (info / "entry_points.txt").write_text(
        "[zarr.codecs]\ninif = inif.zarr:InifCodec\n[numcodecs.codecs]\ninif = inif.zarr:InifV2\n"
    )
    source = str(Path(inif.__file__).parents[1])
    paths = [str(info.parent), source, os.environ.get("PYTHONPATH", "")]
    subprocess.run(
        [sys.executable, "-c", _FRESH, str(tmp_path / "a.zarr"), str(tmp_path / "out.npy")],
        check=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))},
    )
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), array[3])


def test_the_entry_points_are_declared() -> None:
    import tomllib

    text = (DOCS.parent / "pyproject.toml").read_text("utf-8")
    points = tomllib.loads(text)["project"]["entry-points"]
    assert points["zarr.codecs"] == {"inif": "inif.zarr:InifCodec"}
    assert points["numcodecs.codecs"] == {"inif": "inif.zarr:InifV2"}


def test_damage_in_a_chunk_is_one_clear_error(array: zarr.Array, tmp_path: Path) -> None:
    for path in sorted((tmp_path / "a.zarr" / "c").rglob("*")):
        if path.is_file():
            good = path.read_bytes()
            path.write_bytes(good[:30] + bytes([good[30] ^ 255]) + good[31:])
            break
    with pytest.raises(FormatError):
        array[...]
