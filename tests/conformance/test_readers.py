"""Every reader gives regions that are those of the whole image, in any thread, or one error."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
import tifffile
from hypothesis import given

from inif.errors import InputError
from inif.image import Image, LazyImage, Region
from inif.io import open_image, read_image, write_image

RNG = np.random.default_rng(0)
STACK = RNG.integers(0, 60000, (2, 3, 70, 90)).astype(np.uint16)
COLOUR = RNG.integers(0, 255, (2, 70, 90, 3)).astype(np.uint8)
BITS = RNG.random((70, 91)) > 0.5
SMALL_CHUNKS = (1, 2, 16, 32)
SHARDS: dict[str, Any] = {"chunks": (1, 1, 16, 32), "shards": (2, 2, 64, 32)}
AXES = {"axes": "CZYX"}


def tiff(data: np.ndarray, **options: Any) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        tifffile.imwrite(folder / "a.tif", data, **options)
        return folder / "a.tif"

    return make


def big_endian_pages(folder: Path) -> Path:
    """Pages that do not follow one another, each in strips that do."""
    with tifffile.TiffWriter(folder / "a.ome.tif", byteorder=">", ome=True) as out:
        out.write(iter(STACK.reshape(-1, 70, 90)), shape=STACK.shape, dtype=np.uint16,
                  rowsperstrip=8, metadata=AXES)  # fmt: skip
    with tifffile.TiffFile(folder / "a.ome.tif") as tif:
        xml = tif.ome_metadata
    with tifffile.TiffWriter(folder / "b.ome.tif", byteorder=">") as out:
        for index, page in enumerate(STACK.reshape(-1, 70, 90)):
            first = {"description": xml.encode() if xml else b""} if index == 0 else {}
            out.write(page, rowsperstrip=8, metadata=None, contiguous=False, **first)
    return folder / "b.ome.tif"


def files_of_one_image(folder: Path) -> Path:
    """An OME-TIFF of two files, one channel each."""
    uuids = [f"urn:uuid:00000000-0000-0000-0000-00000000000{i}" for i in range(2)]
    planes = "".join(
        f'<TiffData IFD="{z}" FirstC="{c}" FirstZ="{z}" PlaneCount="1">'
        f'<UUID FileName="f{c}.ome.tif">{uuids[c]}</UUID></TiffData>'
        for c in range(2)
        for z in range(3)
    )
    for c in range(2):
        xml = (
            '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
            f'UUID="{uuids[c]}"><Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" '
            'Type="uint16" SizeX="90" SizeY="70" SizeZ="3" SizeC="2" SizeT="1">'
            f'<Channel ID="Channel:0:0"/><Channel ID="Channel:0:1"/>{planes}</Pixels></Image></OME>'
        )
        tifffile.imwrite(
            folder / f"f{c}.ome.tif",
            STACK[c],
            description=xml.encode(),
            metadata=None,
            compression="zlib",
            rowsperstrip=16,
            photometric="minisblack",
        )
    return folder / "f0.ome.tif"


def zarr_array(folder: Path, **options: Any) -> Path:
    import zarr

    array = zarr.create_array(
        folder / "a.zarr", data=STACK, dimension_names=list("czyx"), **options
    )
    assert array.shape == STACK.shape
    return folder / "a.zarr"


def zipped(folder: Path, **options: Any) -> Path:
    path = zarr_array(folder, **options)
    with zipfile.ZipFile(folder / "a.zip", "w", zipfile.ZIP_DEFLATED) as out:
        for file in sorted(path.rglob("*")):
            out.write(file, file.relative_to(path))
    return folder / "a.zip"


def written(name: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        write_image(Image(STACK, "CZYX"), folder / name)
        return folder / name

    return make


def numpy_file(folder: Path, data: np.ndarray, *, packed: bool = False) -> Path:
    path = folder / ("a.npz" if packed else "a.npy")
    if packed:
        np.savez_compressed(path, data)
    else:
        np.save(path, data)
    return path


def png(folder: Path) -> Path:
    write_image(Image(COLOUR[0], "YXC"), folder / "a.png")
    return folder / "a.png"


def planes(folder: Path) -> str:
    for c, z in np.ndindex(2, 3):
        (folder / "ab"[c]).mkdir(exist_ok=True)
        tifffile.imwrite(folder / "ab"[c] / f"z{z:02d}.tif", STACK[c, z])
    return str(folder / "{c:a|b}" / "z{z:02d}.tif")


def in_memory_file_system(folder: Path) -> str:
    fsspec = pytest.importorskip("fsspec")
    path = written("a.ome.tif")(folder)
    with fsspec.open("memory://inif-readers/a.ome.tif", "wb") as out:
        out.write(path.read_bytes())
    return "memory://inif-readers/a.ome.tif"


def czi(folder: Path) -> Path:
    for package in ("bioio", "bioio_czi"):
        pytest.importorskip(package)
    writer = pytest.importorskip("pylibCZIrw.czi")
    with writer.create_czi(str(folder / "a.czi")) as out:
        for c, z in np.ndindex(2, 3):
            out.write(STACK[c, z, :, :, None], plane={"C": c, "Z": z, "T": 0})
        out.write_metadata(channel_names={0: "a", 1: "b"}, scale_x=1e-7, scale_y=1e-7)
    return folder / "a.czi"


PLAIN = {"metadata": AXES, "photometric": "minisblack"}
MAKERS: dict[str, tuple[Callable[[Path], Path | str], np.ndarray, str | None]] = {
    "TIFF, one run": (tiff(STACK, **PLAIN), STACK, None),
    "TIFF, strips": (tiff(STACK, compression="zlib", rowsperstrip=7, **PLAIN), STACK, None),
    "TIFF, long strips": (tiff(STACK, compression="lzma", predictor=True, **PLAIN), STACK, None),
    "TIFF, tiles": (tiff(STACK, tile=(32, 16), compression="zstd", **PLAIN), STACK, None),
    "TIFF, plain tiles": (tiff(STACK, tile=(32, 16), **PLAIN), STACK, None),
    "TIFF, tiles of volumes": (
        tiff(STACK, tile=(16, 16, 32), volumetric=True, compression="zlib", **PLAIN),
        STACK,
        None,
    ),
    "TIFF, big-endian ImageJ": (
        tiff(STACK.transpose(1, 0, 2, 3), imagej=True, byteorder=">", metadata={"axes": "ZCYX"}),
        STACK.transpose(1, 0, 2, 3),
        None,
    ),
    "TIFF, bits": (tiff(BITS, bitspersample=1, photometric="minisblack"), BITS, None),
    "TIFF, colour": (
        tiff(COLOUR, photometric="rgb", compression="zlib", rowsperstrip=9,
             metadata={"axes": "TYXS"}),
        COLOUR,
        None,
    ),
    "TIFF, colours apart": (
        tiff(COLOUR.transpose(0, 3, 1, 2), photometric="rgb", planarconfig="separate",
             compression="zlib", rowsperstrip=9, metadata={"axes": "TSYX"}),
        COLOUR.transpose(0, 3, 1, 2),
        None,
    ),
    "TIFF, pages apart": (big_endian_pages, STACK, None),
    "OME-TIFF": (written("a.ome.tif"), STACK, None),
    "OME-TIFF of files": (files_of_one_image, STACK, None),
    "OME-TIFF, remote": (in_memory_file_system, STACK, None),
    "OME-Zarr": (written("a.ome.zarr"), STACK, None),
    "Zarr": (lambda f: zarr_array(f, chunks=SMALL_CHUNKS), STACK, None),
    "Zarr 2": (lambda f: zarr_array_2(f), STACK, "CZYX"),
    "Zarr, shards": (lambda f: zarr_array(f, **SHARDS), STACK, None),
    "Zarr, zipped": (lambda f: zipped(f, chunks=SMALL_CHUNKS), STACK, None),
    "Zarr, zipped shards": (lambda f: zipped(f, **SHARDS), STACK, None),
    "NPY": (lambda f: numpy_file(f, STACK.astype(">u2")), STACK, "CZYX"),
    "NPY, Fortran": (lambda f: numpy_file(f, np.asfortranarray(STACK)), STACK, "CZYX"),
    "NPZ": (lambda f: numpy_file(f, STACK, packed=True), STACK, "CZYX"),
    "PNG": (png, COLOUR[0], None),
    "planes": (planes, STACK, None),
    "CZI": (czi, STACK, None),
}  # fmt: skip


def zarr_array_2(folder: Path) -> Path:
    import zarr

    zarr.create_array(folder / "a.zarr", data=STACK, zarr_format=2, chunks=SMALL_CHUNKS)
    return folder / "a.zarr"


EVERY = pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=pytest.mark.slow if n == "CZI" else ()) for n in MAKERS],
)
"""To import what reads CZI takes seconds."""


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], LazyImage]]:
    with ExitStack() as stack:

        @cache
        def of(name: str) -> LazyImage:
            make, _, axes = MAKERS[name]
            path = make(tmp_path_factory.mktemp("reader"))
            return stack.enter_context(open_image(path, axes=axes))

        yield of


@st.composite
def regions(draw: st.DrawFn, shape: tuple[int, ...]) -> Region:
    ends = [sorted(draw(st.tuples(st.integers(0, n), st.integers(0, n)))) for n in shape]
    return tuple(slice(*pair) for pair in ends)


@EVERY
@given(data=st.data())
def test_a_region_is_that_of_the_whole(
    opened: Callable[[str], LazyImage], name: str, data: st.DataObject
) -> None:
    image, whole = opened(name), MAKERS[name][1]
    assert (image.shape, image.dtype) == (whole.shape, whole.dtype)
    region = data.draw(regions(whole.shape))
    got = image.read(region)
    assert got.flags.c_contiguous
    assert got.dtype == whole.dtype
    np.testing.assert_array_equal(got, whole[region])


@EVERY
def test_several_threads_read_at_once(opened: Callable[[str], LazyImage], name: str) -> None:
    image, whole = opened(name), MAKERS[name][1]
    boxes = [
        tuple(slice(i * n // 20, n - i * n // 30) for n in whole.shape) for i in (*range(10), 0)
    ]
    with ThreadPoolExecutor(4) as pool:
        for box, part in zip(boxes, pool.map(image.read, boxes), strict=True):
            np.testing.assert_array_equal(part, whole[box])
    loaded = image.load()
    np.testing.assert_array_equal(loaded.data, whole)
    assert (loaded.axes, loaded.meta) == (image.axes, image.meta)
    assert loaded.remarks == image.remarks


@pytest.mark.parametrize("name", ["TIFF, tiles", "Zarr", "Zarr, zipped", "NPY", "NPZ"])
def test_a_closed_image_gives_nothing(tmp_path: Path, name: str) -> None:
    make, whole, axes = MAKERS[name]
    with open_image(make(tmp_path), axes=axes) as image:
        pass
    image.close()
    with pytest.raises(InputError, match="closed"):
        image.read(tuple(slice(0, 1) for _ in whole.shape))


@pytest.mark.parametrize("name", ["TIFF, one run", "TIFF, tiles", "TIFF, pages apart", "NPY"])
def test_a_file_that_is_cut_while_it_is_open(tmp_path: Path, name: str) -> None:
    make, whole, axes = MAKERS[name]
    path = make(tmp_path)
    with open_image(path, axes=axes) as image:
        with open(path, "r+b") as file:
            file.truncate(1000)
        with pytest.raises(InputError, match="cannot be read") as caught:
            image.read(tuple(slice(0, n) for n in whole.shape))
        assert caught.value.file == str(path)


@pytest.mark.parametrize("name", ["TIFF, tiles", "Zarr", "Zarr, zipped"])
def test_damage_is_found_where_it_is_read(tmp_path: Path, name: str) -> None:
    """The first plane is sound, another is not."""
    make, whole, axes = MAKERS[name]
    path = Path(make(tmp_path))
    if path.suffix == ".tif":
        with tifffile.TiffFile(path) as tif:
            page = tif.pages[4]
            offset, count = page.dataoffsets[0], page.databytecounts[0]
        raw = bytearray(path.read_bytes())
        raw[offset : offset + count] = bytes(count)
        path.write_bytes(raw)
    else:
        store = tmp_path / "a.zarr"
        (store / "c/1/0/0/0").write_bytes(b"no chunk")
        if path.suffix == ".zip":
            path = Path(shutil.make_archive(str(tmp_path / "b"), "zip", store))
    with open_image(path, axes=axes) as image:
        region = (slice(0, 1), slice(0, 1), slice(0, 70), slice(0, 90))
        np.testing.assert_array_equal(image.read(region), whole[region])
        with pytest.raises(InputError) as caught:
            image.read((slice(1, 2), slice(0, 3), *region[2:]))
        assert caught.value.file == str(path)
    with pytest.raises(InputError):
        read_image(path, axes=axes)


def test_missing_chunks_are_told_once_they_were_looked_for(tmp_path: Path) -> None:
    for name, gone in (("Zarr", "c/1/0/0/0"), ("Zarr, shards", "c/0/1/0/0")):
        (folder := tmp_path / name).mkdir()
        path = Path(MAKERS[name][0](folder))
        (path / gone).unlink()
        with open_image(path) as image:
            image.read((slice(0, 1), slice(0, 1), slice(0, 70), slice(0, 90)))
            assert image.late_remarks() == ()
            for _ in range(2):
                image.read(tuple(slice(0, n) for n in STACK.shape))
            (remark,) = image.late_remarks()
            assert remark.startswith(("1 of 60", "8 of 90"))
            assert read_image(path).remarks == (remark,)
