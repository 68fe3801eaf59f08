"""Every bad input: one InputError that names the file, and no file left behind."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from inif.errors import AxesError, InputError, MissingExtraError
from inif.image import Image
from inif.io import check_output, output_format, read_image, write_image
from inif.io.common import reading

IMAGE = Image(
    np.random.default_rng(0).integers(0, 4000, (3, 64, 80)).astype(np.uint16), "ZYX", source="s"
)


@pytest.fixture(autouse=True)
def nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    yield
    out, err = capfd.readouterr()
    assert out + err == ""


def refused(path: Path | str, match: str = ".", **options: Any) -> InputError:
    with pytest.raises(InputError, match=match) as caught:
        read_image(path, **options)
    assert caught.value.file is not None
    assert Path(path).name in caught.value.file
    return caught.value


@pytest.mark.parametrize(
    ("content", "fix"),
    [
        (b"", "export"),
        (b"hello", "export"),
        (b"\x89INIF\r\n\x1a", "inif.open"),
        (b"\x89HDF\r\n", "export"),
        (b"<?xml version='1.0'?><OME/>", "TIFF file"),
        (b"\xff\xd8\xff\xe0", "JPEG"),
    ],
)
def test_not_an_image(tmp_path: Path, content: bytes, fix: str) -> None:
    (tmp_path / "a.tif").write_bytes(content)
    assert fix in (refused(tmp_path / "a.tif", "not an image").fix or "")


def test_no_such_file(tmp_path: Path) -> None:
    refused(tmp_path / "absent.tif", "no such file")
    refused(tmp_path, "not an image")
    with pytest.raises(InputError):
        read_image(np.zeros(3))  # type: ignore[arg-type]


@pytest.mark.parametrize("suffix", [".ome.tif", ".png", ".npy", ".npz"])
def test_truncated_anywhere(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / ("a" + suffix)
    plane = Image(IMAGE.data[0], "YX")
    if suffix == ".npz":
        np.savez_compressed(path, a=plane.data)
    else:
        write_image(plane, path)
    whole = path.read_bytes()
    for length in (*range(12, 200, 37), *range(200, len(whole) - 20, len(whole) // 12)):
        path.write_bytes(whole[:length])
        refused(path, axes="YX")


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_truncated_tiff_with_its_directory_intact(tmp_path: Path, compression: str | None) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path,
        IMAGE.data,
        metadata={"axes": "ZYX"},
        compression=compression,
        photometric="minisblack",
    )
    path.write_bytes(path.read_bytes()[:-5000])
    refused(path)


def test_flipped_bytes_never_give_another_error(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    for suffix in (".ome.tif", ".png", ".npy"):
        path = tmp_path / ("a" + suffix)
        write_image(Image(IMAGE.data[0], "YX"), path)
        whole = bytearray(path.read_bytes())
        for _ in range(40):
            damaged = bytearray(whole)
            for at in rng.integers(0, min(len(whole), 900), 4):
                damaged[at] = int(rng.integers(0, 256))
            path.write_bytes(damaged)
            with contextlib.suppress(InputError):
                read_image(path, axes="YX")


def test_a_missing_tile(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, IMAGE.data[0], tile=(32, 32), compression="zlib")
    with tifffile.TiffFile(path) as tif:
        values = list(tif.pages[0].tags["TileByteCounts"].value)
    values[2] = 0
    with tifffile.TiffFile(path, mode="r+") as tif:
        tif.pages[0].tags["TileByteCounts"].overwrite(values)
    refused(path, "not complete")


def test_ome_that_promises_too_much(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    write_image(IMAGE, path)
    with tifffile.TiffFile(path) as tif:
        xml = tif.ome_metadata or ""
    tifffile.tiffcomment(path, xml.replace('SizeZ="3"', 'SizeZ="5"').encode())
    refused(path, "not complete")
    tifffile.tiffcomment(path, xml.replace('SizeY="64"', 'SizeY="63"').encode())
    with pytest.raises(AxesError):
        read_image(path)


@pytest.mark.parametrize(
    ("xml", "match"),
    [
        ("<!DOCTYPE OME [<!ENTITY a 'b'>]><OME><Image Name='&a;'/></OME>", "document type"),
        ("<OME><Image></OME>", "damaged"),
        (
            '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
            '<BinaryOnly MetadataFile="all.companion.ome" UUID="urn:uuid:1"/></OME>',
            "all.companion.ome",
        ),
        (
            "<OME><Image><Pixels><TiffData><UUID FileName='../b.tif'>urn:uuid:2</UUID></TiffData>"
            "</Pixels></Image></OME>",
            "outside",
        ),
    ],
)
def test_bad_ome_xml(tmp_path: Path, xml: str, match: str) -> None:
    path = tmp_path / "a.ome.tif"
    data = IMAGE.data[:2]  # of a single plane, the axes are known
    tifffile.imwrite(path, data, metadata=None, description=xml, photometric="minisblack")
    refused(path, match)


def png(width: int, height: int, data: bytes) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    packed = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + packed


def test_png_bomb(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(1 << 20, 1 << 20, b"\0" * 1000))
    refused(tmp_path / "a.png", "larger than it can be")


def npy(header: str, body: bytes = b"") -> bytes:
    text = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + body


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<u2', 'fortran_order': False, 'shape': (1000000000, 1000000000)}",
        "{'descr': '<u2', 'fortran_order': False, 'shape': (-4, 4)}",
        "{'descr': '|O', 'fortran_order': False, 'shape': (2,)}",
        "{'descr': '<u2', 'fortran_order': False, 'shape': (3, 4)}",
        "{'descr': '<u2'}",
        "nonsense",
    ],
)
def test_bad_npy(tmp_path: Path, header: str) -> None:
    (tmp_path / "a.npy").write_bytes(npy(header, b"\0" * 16))
    refused(tmp_path / "a.npy", axes="YX")
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", npy(header, b"\0" * 16))
    refused(tmp_path / "a.npz", axes="YX")


def test_a_long_npy_header(tmp_path: Path) -> None:
    header = "{'descr': '<u1', 'fortran_order': False, 'shape': (1,)}" + " " * 20_000
    (tmp_path / "a.npy").write_bytes(npy(header, b"\0"))
    refused(tmp_path / "a.npy", axes="X")


def test_fortran_order(tmp_path: Path) -> None:
    data = np.asfortranarray(IMAGE.data)
    np.save(tmp_path / "a.npy", data)
    np.testing.assert_array_equal(read_image(tmp_path / "a.npy", axes="ZYX").data, data)


def test_npz_of_several_arrays(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", raw=np.zeros(3), mask=np.zeros(3))
    refused(tmp_path / "a.npz", "raw, mask")
    with zipfile.ZipFile(tmp_path / "b.npz", "w") as archive:
        archive.writestr("readme.txt", "hello")
    refused(tmp_path / "b.npz", "neither .* readme.txt")


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_numpy_files_need_axes(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / ("a" + suffix)
    np.save(path, IMAGE.data[0]) if suffix == ".npy" else np.savez(path, a=IMAGE.data[0])
    with pytest.raises(AxesError):
        read_image(path)
    with pytest.raises(InputError, match="scene"):
        read_image(path, axes="YX", scene=1)


def test_damaged_zarr(tmp_path: Path) -> None:
    good = tmp_path / "good.ome.zarr"
    write_image(IMAGE, good)

    def damage(relative: str, content: bytes) -> None:
        path = tmp_path / "bad.ome.zarr"
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(good, path)
        (path / relative).write_bytes(content)
        refused(path)

    damage("zarr.json", b"")
    damage("0/zarr.json", b"[")
    damage("0/c/0/0/0", b"not zstd")
    document = json.loads((good / "zarr.json").read_text())
    for value in ([], [{}], "x", [{"datasets": [{"path": "../other"}]}], [{"datasets": [3]}]):
        document["attributes"]["ome"]["multiscales"] = value
        damage("zarr.json", json.dumps(document).encode())
    array = json.loads((good / "0/zarr.json").read_text())
    array["shape"] = [1 << 40, 1 << 40, 80]
    damage("0/zarr.json", json.dumps(array).encode())


def test_urls_need_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "fsspec.core", None)
    monkeypatch.setitem(__import__("sys").modules, "aiohttp", None)
    with pytest.raises(MissingExtraError, match=r"\[remote\]"):
        read_image("s3://bucket/a.zarr")
    with pytest.raises(MissingExtraError, match=r"\[remote\]"):
        read_image("https://user:secret@example.org/a.zarr?token=1")
    with pytest.raises(InputError, match="local files only") as caught:
        output_format("s3://user:secret@bucket/a.ome.tif?token=1")
    assert "secret" not in str(caught.value)
    assert "token" not in str(caught.value)


def test_errors_of_libraries_do_not_show_secrets() -> None:
    with pytest.raises(InputError) as caught, reading("a", "file"):
        raise RuntimeError("403, url='https://me:secret@host/a.zarr/x?token=1', no")
    assert caught.value.got == "403, url='https://host/a.zarr/x', no"


# ---------------------------------------------------------------- writing


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.ome.tif", "ome-tiff"),
        ("a.OME.TIFF", "ome-tiff"),
        ("a.tif", "ome-tiff"),
        ("a.ome.zarr", "ome-zarr"),
        ("a.zarr/", "ome-zarr"),
        ("a.npy", "npy"),
        ("a.b.png", "png"),
    ],
)
def test_output_format(name: str, kind: str) -> None:
    assert output_format(name) == kind


@pytest.mark.parametrize("name", ["a", "a.jpg", "a.npz", ".npy", "a.tif.gz", "a.inif"])
def test_unknown_output_format(name: str) -> None:
    with pytest.raises(InputError, match="output format"):
        output_format(name)


def fails(image: Image, path: Path, match: str, **options: Any) -> None:
    before = sorted(p.name for p in path.parent.rglob("*")) if path.parent.is_dir() else []
    with pytest.raises(InputError, match=match) as caught:
        write_image(image, path, **options)
    assert path.name in (caught.value.file or "")
    if path.parent.is_dir():
        assert sorted(p.name for p in path.parent.rglob("*")) == before


def test_png_that_cannot_be(tmp_path: Path) -> None:
    fails(IMAGE, tmp_path / "a.png", "--region")
    fails(Image(np.zeros((3, 4), np.float32), "YX"), tmp_path / "a.png", "sample type")
    fails(Image(np.zeros((3, 4, 5), np.uint16), "CYX"), tmp_path / "a.png", "--region")
    fails(Image(np.zeros((2, 4, 5), np.uint8), "CYX"), tmp_path / "a.png", "--region")


@pytest.mark.parametrize("suffix", [".ome.tif", ".ome.zarr", ".png"])
def test_empty_images(tmp_path: Path, suffix: str) -> None:
    fails(Image(np.zeros((0, 4), np.uint8), "YX"), tmp_path / ("a" + suffix), "no samples")


def test_targets_that_may_not_be_replaced(tmp_path: Path) -> None:
    plane = Image(IMAGE.data[0], "YX")
    (tmp_path / "full").mkdir()
    for name in ("d.ome.tif", "d.ome.zarr", "d.npy"):
        (tmp_path / "full" / name).mkdir()
        (tmp_path / "full" / name / "precious.txt").write_text("x")
        fails(plane, tmp_path / "full" / name, "directory", overwrite=True)
    (tmp_path / "f.zarr").write_text("x")
    fails(plane, tmp_path / "f.zarr", "is a file", overwrite=True)
    fails(plane, tmp_path / "absent" / "a.npy", "folder does not exist")
    for name in ("a.ome.tif", "a.zarr", "a.npy", "a.png"):
        write_image(plane, tmp_path / name)
        fails(plane, tmp_path / name, "exists already")


def test_check_output_comes_before_the_work(tmp_path: Path) -> None:
    assert check_output(tmp_path / "a.png") == "png"
    with pytest.raises(InputError, match="single plane"):
        check_output(tmp_path / "a.png", shape=(3, 4, 5), axes="ZYX", dtype="uint8")
    with pytest.raises(InputError, match="sample type"):
        check_output(tmp_path / "a.ome.tif", shape=(4, 5), axes="YX", dtype="int64")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("suffix", [".ome.tif", ".ome.zarr", ".npy", ".png"])
def test_a_full_disk(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / ("a" + suffix)
    plane = Image(IMAGE.data[0], "YX")
    write_image(plane, path)

    def full(*args: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.rename" if suffix == ".ome.zarr" else "os.replace", full)
        changed = Image(plane.data + np.uint16(1), "YX")
        fails(changed, path, "No space left", overwrite=True)
    np.testing.assert_array_equal(read_image(path, axes="YX").data, plane.data)


def test_an_interrupt_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.replace", stop)
    with pytest.raises(KeyboardInterrupt):
        write_image(IMAGE, tmp_path / "a.npy", overwrite=True)
    assert os.listdir(tmp_path) == []
