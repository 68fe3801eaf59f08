"""Files that others wrote: axes by name or not at all, metadata of each family, detection."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr

from inif.errors import AxesError, InputError
from inif.image import Channel, Image
from inif.io import detect, read_image, write_image

STACK = np.arange(6 * 16 * 20, dtype=np.uint16).reshape(6, 16, 20)


def test_importing_is_cheap() -> None:
    code = (
        "import sys, inif.io; "
        "heavy = {'tifffile', 'zarr', 'imagecodecs', 'fsspec', 'bioio', 'jax'}; "
        "print(*(heavy & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == ""


# ---------------------------------------------------------------- TIFF


@pytest.mark.parametrize("metadata", [None, {}], ids=["plain", "shaped"])
def test_a_multi_page_tiff_does_not_name_its_axes(tmp_path: Path, metadata: Any) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, STACK, metadata=metadata, photometric="minisblack")
    with pytest.raises(AxesError, match="--axes ZYX"):
        read_image(path)
    image = read_image(path, axes="tyx")
    assert image.axes == "TYX"
    np.testing.assert_array_equal(image.data, STACK)
    with pytest.raises(AxesError):
        read_image(path, axes="YX")


def test_a_plain_plane_is_yx(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", STACK[0], metadata=None)
    assert read_image(tmp_path / "a.tif").axes == "YX"


@pytest.mark.parametrize("options", [{}, {"bigtiff": True}, {"byteorder": ">"}, {"tile": (16, 16)}])
def test_kinds_of_tiff(tmp_path: Path, options: dict[str, Any]) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, STACK, metadata={"axes": "ZYX"}, **options)
    image = read_image(path)
    assert image.axes == "ZYX"
    np.testing.assert_array_equal(image.data, STACK)


@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_colour_samples_become_channels(tmp_path: Path, planar: str) -> None:
    shape = (16, 20, 3) if planar == "contig" else (3, 16, 20)
    data = np.arange(960, dtype=np.uint8).reshape(shape)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, data, photometric="rgb", planarconfig=planar, metadata=None)
    image = read_image(path)
    assert image.axes == ("YXC" if planar == "contig" else "CYX")
    assert [c.name for c in image.meta.channels] == ["R", "G", "B"]
    np.testing.assert_array_equal(image.data, data)


def test_imagej_hyperstack(tmp_path: Path) -> None:
    data = np.arange(2 * 3 * 2 * 8 * 10, dtype=np.uint16).reshape(2, 3, 2, 8, 10)
    tables = np.zeros((2, 3, 256), np.uint8)
    tables[0, 1] = tables[1, 0] = np.arange(256)
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path,
        data,
        imagej=True,
        resolution=(10, 5),
        metadata={
            "axes": "TZCYX",
            "unit": "um",
            "spacing": 2.5,
            "finterval": 3.0,
            "mode": "composite",
            "LUTs": list(tables),
        },
    )
    image = read_image(path)
    assert image.axes == "TZCYX"
    np.testing.assert_array_equal(image.data, data)
    assert image.meta.scale == {
        "X": (0.1, "µm"),
        "Y": (0.2, "µm"),
        "Z": (2.5, "µm"),
        "T": (3.0, "s"),
    }
    assert image.meta.channels == (Channel(None, "#00FF00"), Channel(None, "#FF0000"))


def test_imagej_without_calibration(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    labels = ["DNA", "actin"]
    tifffile.imwrite(
        path,
        STACK[:2],
        imagej=True,
        resolution=(72, 72),
        metadata={"axes": "CYX", "Labels": labels},
    )
    image = read_image(path)
    assert image.meta.scale == {}
    assert [c.name for c in image.meta.channels] == labels


def test_ome_tiff_of_another_writer(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as tif:
        for name in ("one", "two"):
            tif.write(
                STACK[:2],
                metadata={
                    "axes": "CYX",
                    "Name": name,
                    "PhysicalSizeX": 65.0,
                    "PhysicalSizeXUnit": "nm",
                    "Channel": {"Name": ["a", "b"], "Color": [-16776961, 65535]},
                },
            )
    image = read_image(path, scene=1)
    assert image.axes == "CYX"
    assert image.meta.name == "two"
    assert image.meta.scale == {"X": (65.0, "nm")}
    assert image.meta.channels == (Channel("a", "#FF0000"), Channel("b", "#0000FF"))
    assert image.meta.ome_xml.count("<Image ") == 1
    with pytest.raises(InputError, match="scene"):
        read_image(path, scene=2)


def test_axes_of_the_user_win(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(
        path, STACK, metadata={"axes": "ZYX", "PhysicalSizeZ": 2.0, "PhysicalSizeX": 1}
    )
    image = read_image(path, axes="CYX")
    assert image.axes == "CYX"
    assert image.meta.scale == {"X": (1.0, "µm")}
    assert image.meta.channels == ()


def test_several_files(tmp_path: Path) -> None:
    uuids = [f"urn:uuid:{i:08d}-0000-0000-0000-000000000000" for i in range(2)]
    tiff_data = "".join(
        f'<TiffData FirstZ="{i}" IFD="0" PlaneCount="1"><UUID FileName="f{i}.ome.tif">{u}</UUID>'
        "</TiffData>"
        for i, u in enumerate(uuids)
    )
    for i, uuid in enumerate(uuids):
        xml = (
            '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
            f'UUID="{uuid}"><Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" '
            'Type="uint16" SizeX="20" SizeY="16" SizeZ="2" SizeC="1" SizeT="1">'
            f'<Channel ID="Channel:0:0" SamplesPerPixel="1"/>{tiff_data}</Pixels></Image></OME>'
        )
        path = tmp_path / f"f{i}.ome.tif"
        tifffile.imwrite(path, STACK[i], metadata=None, description=xml)
    image = read_image(tmp_path / "f0.ome.tif")
    assert image.axes == "ZYX"
    np.testing.assert_array_equal(image.data, STACK[:2])
    (tmp_path / "f1.ome.tif").unlink()
    with pytest.raises(InputError, match="not complete"):
        read_image(tmp_path / "f0.ome.tif")


# ---------------------------------------------------------------- Zarr


def ome_zarr(folder: Path, version: str, axes: list[Any], **extra: Any) -> Path:
    """A store as other writers make it; the array is STACK."""
    path = folder / "a.ome.zarr"
    group = zarr.create_group(path, zarr_format=3 if version == "0.5" else 2)
    group.create_array("s0", data=STACK, chunks=(2, 16, 16))
    attributes = {
        "multiscales": [
            {
                "version": version,
                "name": "im",
                "axes": axes,
                "datasets": [
                    {
                        "path": "s0",
                        "coordinateTransformations": [{"type": "scale", "scale": [2.0, 0.5, 0.25]}],
                    }
                ],
                "coordinateTransformations": [{"type": "scale", "scale": [3.0, 1.0, 1.0]}],
            }
        ],
        **extra,
    }
    group.attrs.update(
        {"ome": {"version": version, **attributes}} if version == "0.5" else attributes
    )
    return path


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_ome_zarr_of_another_writer(tmp_path: Path, version: str) -> None:
    axes = [
        {"name": "t", "type": "time", "unit": "millisecond"},
        {"name": "y", "type": "space", "unit": "micrometer"},
        {"name": "x", "type": "space"},
    ]
    omero = {"channels": [{"label": "GFP", "color": "00ff00"}]}
    path = ome_zarr(tmp_path, version, axes, omero=omero)
    image = read_image(path)
    assert image.axes == "TYX"
    np.testing.assert_array_equal(image.data, STACK)
    assert image.meta.name == "im"
    assert image.meta.scale == {"T": (6.0, "ms"), "Y": (0.5, "µm"), "X": (0.25, None)}
    assert image.meta.channels == (Channel("GFP", "#00FF00"),)
    assert read_image(path / "s0", axes="ZYX").axes == "ZYX"
    with pytest.raises(AxesError):
        read_image(path / "s0")


def test_ome_zarr_with_unknown_axes(tmp_path: Path) -> None:
    path = ome_zarr(tmp_path, "0.5", [{"name": n} for n in ("lifetime", "y", "x")])
    with pytest.raises(AxesError):
        read_image(path)
    assert read_image(path, axes="TYX").meta.scale["Y"] == (0.5, None)


def test_ome_zarr_of_several_images(tmp_path: Path) -> None:
    root = zarr.create_group(tmp_path / "a.zarr", zarr_format=2)
    root.attrs["bioformats2raw.layout"] = 3
    for i in range(2):
        write_image(Image(STACK + np.uint16(i), "ZYX"), tmp_path / "a.zarr" / f"{i}.zarr")
        (tmp_path / "a.zarr" / f"{i}.zarr").rename(tmp_path / "a.zarr" / str(i))
    assert read_image(tmp_path / "a.zarr", scene=1).data[0, 0, 0] == 1
    with pytest.raises(InputError, match="scene"):
        read_image(tmp_path / "a.zarr", scene=2)


def test_a_plate_names_no_image(tmp_path: Path) -> None:
    root = zarr.create_group(tmp_path / "a.zarr", zarr_format=2)
    root.attrs["plate"] = {"wells": []}
    with pytest.raises(InputError, match="plate"):
        read_image(tmp_path / "a.zarr")


@pytest.mark.parametrize("version", [2, 3])
def test_plain_zarr(tmp_path: Path, version: Any) -> None:
    path = tmp_path / "a.zarr"
    names: dict[str, Any] = (
        {"dimension_names": ["z", "y", "x"]}
        if version == 3
        else {"attributes": {"_ARRAY_DIMENSIONS": ["time", "y", "x"]}}
    )
    zarr.create_array(path, data=STACK, zarr_format=version, **names)
    assert read_image(path).axes == ("ZYX" if version == 3 else "TYX")
    zarr.create_array(path, data=STACK[0], zarr_format=version, overwrite=True)
    with pytest.raises(AxesError):
        read_image(path)
    assert read_image(path, axes="XY").axes == "XY"


def test_a_group_of_arrays(tmp_path: Path) -> None:
    group = zarr.create_group(tmp_path / "a.zarr")
    group.create_array("raw", data=STACK)
    assert read_image(tmp_path / "a.zarr", axes="ZYX").data.shape == STACK.shape
    group.create_array("mask", data=STACK)
    with pytest.raises(InputError, match="mask, raw"):
        read_image(tmp_path / "a.zarr", axes="ZYX")


def test_a_codec_that_unpickles_is_refused(tmp_path: Path) -> None:
    from numcodecs import Pickle

    path = tmp_path / "a.zarr"
    zarr.create_array(
        path, data=STACK[0], zarr_format=2, filters=[Pickle()], compressors=None, chunks=(16, 20)
    )
    with pytest.raises(InputError, match="pickle"):
        read_image(path, axes="YX")


# ---------------------------------------------------------------- URLs


@pytest.mark.parametrize("name", ["a.ome.zarr", "a.ome.tif", "a.npy", "a.png"])
def test_urls(tmp_path: Path, name: str) -> None:
    fsspec = pytest.importorskip("fsspec")
    write_image(Image(STACK[0], "YX"), tmp_path / name)
    fs = fsspec.filesystem("memory")
    fs.put(str(tmp_path / name), f"/images/{name}", recursive=True)
    image = read_image(f"memory://images/{name}", axes="YX")
    np.testing.assert_array_equal(image.data, STACK[0])
    fs.rm("/images", recursive=True)
    with pytest.raises(InputError):
        read_image(f"memory://images/{name}")


# ---------------------------------------------------------------- detection


def write_npz(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, a=STACK[0])


WRITERS: dict[str, Callable[[Path], None]] = {
    "tiff": lambda p: tifffile.imwrite(p, STACK[0]),
    "png": lambda p: _via(p, ".png"),
    "npy": lambda p: _via(p, ".npy"),
    "npz": write_npz,
}


def _via(path: Path, suffix: str) -> None:
    write_image(Image(STACK[0], "YX"), path.parent / ("x" + suffix))
    (path.parent / ("x" + suffix)).rename(path)


@pytest.mark.parametrize("suffix", [".tif", ".png", ".czi", ".npy", ""])
@pytest.mark.parametrize("kind", WRITERS)
def test_the_content_decides(tmp_path: Path, kind: str, suffix: str) -> None:
    path = tmp_path / ("misleading" + suffix)
    WRITERS[kind](path)
    assert detect(path) == kind
    np.testing.assert_array_equal(read_image(path, axes="YX").data, STACK[0])


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"MM\x00+", "tiff"),
        (b"ZISRAWFILE\x00", "czi"),
        (b"\xda\xce\xbe\x0a", "nd2"),
        (b"\x70\x00\x00\x00\x10\x00\x00\x00\x2a", "lif"),
    ],
)
def test_first_bytes(tmp_path: Path, head: bytes, kind: str) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(head)
    assert detect(path) == kind


def test_palette_png_becomes_colour(tmp_path: Path) -> None:
    pillow = pytest.importorskip("PIL.Image")
    picture = pillow.new("P", (5, 4))
    picture.putpalette([10, 20, 30] * 256)
    picture.save(tmp_path / "a.png")
    image = read_image(tmp_path / "a.png")
    assert image.axes == "YXC"
    assert image.data[0, 0].tolist() == [10, 20, 30]
