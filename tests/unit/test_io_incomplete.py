"""TIFF files that say they hold more than they give: refused, with what is stated and there."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from inif.errors import AxesError, InputError
from inif.io import read_image

STACK = np.random.default_rng(0).integers(0, 4000, (8, 32, 40)).astype(np.uint16)


def refused(path: Path, *words: str, **options: Any) -> InputError:
    with pytest.raises(InputError, match="not complete") as caught:
        read_image(path, **options)
    for word in words:
        assert word in str(caught.value), str(caught.value)
    assert caught.value.file is not None
    return caught.value


def write(path: Path, **options: Any) -> list[int]:
    """A plain TIFF file of 8 pages, and the offsets of its pages."""
    options = {"metadata": None, "photometric": "minisblack"} | options
    tifffile.imwrite(path, STACK, **options)
    with tifffile.TiffFile(path) as tif:
        return [page.offset for page in tif.pages]


def next_of(path: Path, page: int) -> tuple[int, str]:
    """Where a page says which page is next, and the format of that."""
    with tifffile.TiffFile(path) as tif:
        tiff, offset = tif.tiff, tif.pages[page].offset
        tif.filehandle.seek(offset)
        (count,) = struct.unpack(tiff.tagnoformat, tif.filehandle.read(tiff.tagnosize))
        return offset + tiff.tagnosize + count * tiff.tagsize, tiff.offsetformat


def point(path: Path, page: int, target: int) -> None:
    """Let a page point elsewhere."""
    where, form = next_of(path, page)
    with path.open("r+b") as file:
        file.seek(where)
        file.write(struct.pack(form, target))


# ---------------------------------------------------------------- the chain of pages

KINDS: list[dict[str, Any]] = [{}, {"bigtiff": True}, {"byteorder": ">"}, {"compression": "zlib"}]


@pytest.mark.parametrize("options", KINDS)
def test_a_copy_that_stopped(tmp_path: Path, options: dict[str, Any]) -> None:
    path = tmp_path / "a.tif"
    options = {"compression": "zlib"} | options
    offsets = write(path, **options)
    whole = path.read_bytes()
    assert read_image(path, axes="ZYX").data.shape == STACK.shape
    path.write_bytes(whole[: offsets[5]])
    refused(path, "page 5 points to page 6", f"beyond the end of the file ({offsets[5]} bytes)")
    refused(path, "page 6", axes="ZYX")
    path.write_bytes(whole[: offsets[5] + 7])  # in the middle of the page's tags
    refused(path, "page 6", "no whole page", axes="ZYX")
    path.write_bytes(whole[: offsets[5]] + bytes(len(whole) - offsets[5]))  # room kept, not filled
    refused(path, "page 6", "no whole page", axes="ZYX")


@pytest.mark.parametrize("options", KINDS)
@pytest.mark.parametrize(
    ("target", "words"),
    [
        (2**31 + 5, "beyond the end"),
        (2**32 - 8, "beyond the end"),  # -8, read as unsigned
        (3, "in the header"),
    ],
)
def test_a_page_that_points_nowhere(
    tmp_path: Path, options: dict[str, Any], target: int, words: str
) -> None:
    path = tmp_path / "a.tif"
    write(path, **options)
    point(path, 4, target)
    refused(path, "page 5 points to page 6", words, axes="ZYX")


@pytest.mark.parametrize("options", KINDS)
def test_pages_in_a_circle(tmp_path: Path, options: dict[str, Any]) -> None:
    path = tmp_path / "a.tif"
    offsets = write(path, **options)
    point(path, 4, offsets[1])
    refused(path, "page 5 points back to page 2", axes="ZYX")
    point(path, 4, offsets[4])
    refused(path, "page 5 points back to page 5", axes="ZYX")


def test_a_page_in_the_middle_of_samples(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    offsets = write(path)
    with tifffile.TiffFile(path) as tif:
        samples = tif.pages[6].dataoffsets[0]
    for target in (samples, samples + 1, offsets[5] + 1):
        point(path, 4, target)
        refused(path, "page 5 points to page 6", axes="ZYX")


def test_a_page_at_an_odd_byte_is_a_page(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    offsets = write(path)
    last, whole = offsets[-1], path.read_bytes()
    end = next_of(path, 7)[0] + 4
    copy = whole + b"\0" * (1 - len(whole) % 2)
    path.write_bytes(copy + whole[last:end])
    point(path, 6, len(copy))
    assert len(copy) % 2 == 1
    np.testing.assert_array_equal(read_image(path, axes="ZYX").data, STACK)


def test_no_first_page(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    for offset in (8, 1 << 20):
        path.write_bytes(b"II*\0" + struct.pack("<I", offset))
        with pytest.raises(InputError):
            read_image(path, axes="YX")


def test_pages_under_a_page(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as tif:
        tif.write(STACK, subifds=1, metadata={"axes": "ZYX"}, photometric="minisblack")
        tif.write(STACK[:, ::2, ::2], subfiletype=1, photometric="minisblack")
    image = read_image(path)
    assert image.data.shape == STACK.shape
    assert image.remarks == ()
    with tifffile.TiffFile(path) as opened:
        tag = opened.pages[2].tags[330]
        where = tag.valueoffset
    with path.open("r+b") as file:
        file.seek(where)
        file.write(struct.pack("<I", 1 << 30))
    refused(path, "page 3 points to page 1 under page 3", "beyond the end")


# ---------------------------------------------------------------- strips and tiles


def set_tag(path: Path, page: int, name: str, change: Callable[[list[int]], list[int]]) -> None:
    with tifffile.TiffFile(path, mode="r+") as tif:
        tag = tif.pages[page].tags[name]
        values = list(tag.value) if isinstance(tag.value, tuple) else [tag.value]
        tag.overwrite(change(values))


@pytest.mark.parametrize("name", ["StripOffsets", "StripByteCounts"])
def test_a_strip_beyond_the_end(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.tif"
    write(path, compression="zlib", rowsperstrip=8)
    set_tag(path, 3, name, lambda v: [*v[:-1], 60_000])
    refused(path, "page 4 of 8 lies beyond the end", axes="ZYX")


def test_a_strip_that_is_too_short(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    write(path, rowsperstrip=8)
    set_tag(path, 0, "StripByteCounts", lambda v: [*v[:-1], v[-1] // 2])
    refused(path, "page 1 of 8", "2240 bytes", "2560 bytes", axes="ZYX")


def test_packed_bits_are_whole(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", STACK[0] > 2000, metadata=None)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").data, STACK[0] > 2000)


@pytest.mark.parametrize("compression", ["zlib", "lzw", "packbits", "zstd", "lzma"])
def test_a_compressed_strip_that_gives_less(tmp_path: Path, compression: str) -> None:
    path = tmp_path / "a.tif"
    write(path, compression=compression)
    set_tag(path, 3, "StripByteCounts", lambda v: [v[0] // 2, *v[1:]])
    with pytest.raises(InputError):
        read_image(path, axes="ZYX")


# ---------------------------------------------------------------- ImageJ


def imagej(path: Path, said: str, planes: int, **options: Any) -> None:
    """A file with an ImageJ description of one's own, and as many pages as given."""
    tifffile.imwrite(
        path,
        STACK[:planes],
        metadata=None,
        description=f"ImageJ=1.53t\n{said}",
        photometric="minisblack",
        **options,
    )


def single(path: Path, said: str, planes: int) -> None:
    """The same as ImageJ writes it above 4 GB: one page, whose samples go on after its own."""
    tifffile.imwrite(path, STACK[0], metadata=None, description=f"ImageJ=1.53t\n{said}")
    with tifffile.TiffFile(path) as tif:
        where = tif.pages[0].dataoffsets[0]
    raw = path.read_bytes()
    assert where + STACK[0].nbytes == len(raw)
    path.write_bytes(raw + STACK[1:planes].tobytes())


@pytest.mark.parametrize("share", [0.2, 0.5, 0.667, 0.95])
def test_a_hyperstack_that_was_cut(tmp_path: Path, share: float) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, STACK, imagej=True, metadata={"axes": "ZYX"})
    raw = path.read_bytes()
    path.write_bytes(raw[: int(len(raw) * share)])
    refused(path, "8 planes", "slices 8")
    refused(path, "8 planes", axes="ZYX")


@pytest.mark.parametrize(
    "said",
    ["images=8\nslices=8", "images=8", "images=8\nchannels=2\nslices=4", "images=8\nframes=8",
     "channels=2\nslices=2\nframes=2\nhyperstack=true", "slices=8"],
)  # fmt: skip
@pytest.mark.parametrize("make", [imagej, single])
def test_fewer_planes_than_imagej_says(
    tmp_path: Path, said: str, make: Callable[[Path, str, int], None]
) -> None:
    path = tmp_path / "a.tif"
    make(path, said, 5)
    refused(path, "8 planes", "5 whole planes")
    refused(path, "8 planes", axes="ZYX")
    make(path, said, 8)
    try:
        image = read_image(path)
    except AxesError:  # images= does not say along which axis
        assert said == "images=8"
        image = read_image(path, axes="ZYX")
    assert image.data.size == STACK.size
    np.testing.assert_array_equal(image.data.reshape(STACK.shape), STACK)
    assert image.remarks == ()


def test_a_compressed_hyperstack_with_fewer_pages(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    imagej(path, "images=8\nslices=8", 5, compression="zlib")
    refused(path, "8 planes", "5 whole planes")


def test_more_pages_than_imagej_says(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    imagej(path, "images=6\nslices=6", 8, compression="zlib")
    image = read_image(path)
    np.testing.assert_array_equal(image.data, STACK[:6])
    assert image.remarks == ("the file has 2 pages more than its description states: left out",)


def test_colour_samples_that_imagej_calls_channels(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    data = np.random.default_rng(1).integers(0, 255, (4, 16, 20, 3)).astype(np.uint8)
    said = "ImageJ=1.53t\nimages=4\nchannels=3\nslices=4"
    tifffile.imwrite(path, data, photometric="rgb", metadata=None, description=said)
    np.testing.assert_array_equal(read_image(path).data, data)


# ---------------------------------------------------------------- other descriptions


@pytest.mark.parametrize("form", ["json", "old"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_fewer_pages_than_the_shape_says(
    tmp_path: Path, form: str, compression: str | None
) -> None:
    path = tmp_path / "a.tif"
    said = json.dumps({"shape": [8, 32, 40]}) if form == "json" else "shape=(8, 32, 40)"
    options: dict[str, Any] = {"metadata": None, "photometric": "minisblack"}
    tifffile.imwrite(path, STACK[:5], compression=compression, description=said, **options)
    refused(path, axes="ZYX")


OME = """<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"{uuid}>
<Image ID="Image:0" Name="a"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" SizeX="40"
SizeY="32" SizeZ="{z}" SizeC="{c}" SizeT="{t}"><Channel ID="Channel:0:0" SamplesPerPixel="1"/>{data}
</Pixels></Image></OME>"""


def ome(path: Path, planes: int, data: str, z: int = 1, c: int = 1, t: int = 1) -> None:
    xml = OME.format(z=z, c=c, t=t, data=data, uuid="")
    tifffile.imwrite(path, STACK[:planes], metadata=None, description=xml, photometric="minisblack")


@pytest.mark.parametrize("sizes", [{"z": 8}, {"c": 8}, {"t": 8}, {"z": 2, "c": 2, "t": 2}])
@pytest.mark.parametrize("data", ['<TiffData IFD="0" PlaneCount="5"/>', "<TiffData/>",
                                  '<TiffData IFD="0" PlaneCount="8"/>'])  # fmt: skip
def test_fewer_pages_than_ome_says(tmp_path: Path, sizes: dict[str, int], data: str) -> None:
    path = tmp_path / "a.ome.tif"
    ome(path, 5, data, **sizes)
    refused(path, "page 6 of 8 is missing")
    refused(path, "page 6 of 8 is missing", axes="ZYX")


def test_ome_planes_that_no_page_has(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    data = "".join(f'<TiffData IFD="{i}" FirstZ="{i}" PlaneCount="1"/>' for i in range(8) if i != 3)
    ome(path, 8, data, z=8)
    refused(path, "page 4 of 8 is missing")


def test_more_pages_than_ome_says(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    ome(path, 8, '<TiffData IFD="0" PlaneCount="6"/>', z=6)
    image = read_image(path)
    np.testing.assert_array_equal(image.data, STACK[:6])
    assert image.remarks == ("the file has 2 pages more than its description states: left out",)


def several_files(folder: Path, count: int, written: int) -> None:
    uuids = [f"urn:uuid:{i:08d}-0000-0000-0000-000000000000" for i in range(count)]
    data = "".join(
        f'<TiffData FirstZ="{i}" IFD="0" PlaneCount="1"><UUID FileName="f{i}.ome.tif">{u}</UUID>'
        "</TiffData>"
        for i, u in enumerate(uuids)
    )
    for i in range(written):
        xml = OME.format(z=count, c=1, t=1, data=data, uuid=f' UUID="{uuids[i]}"')
        tifffile.imwrite(folder / f"f{i}.ome.tif", STACK[i], metadata=None, description=xml)


def test_a_set_of_files_that_lacks_some(tmp_path: Path) -> None:
    several_files(tmp_path, 3, 3)
    np.testing.assert_array_equal(read_image(tmp_path / "f1.ome.tif").data, STACK[:3])
    (tmp_path / "f1.ome.tif").unlink()
    refused(tmp_path / "f0.ome.tif", "page 2 of 3 is missing", "the files f1.ome.tif")


def companion(folder: Path) -> None:
    data = "".join(
        f'<TiffData FirstZ="{i}" IFD="0" PlaneCount="1"><UUID FileName="f{i}.ome.tif">urn:uuid:{i}'
        "</UUID></TiffData>"
        for i in range(2)
    )
    xml = OME.format(z=2, c=1, t=1, data=data, uuid=' UUID="urn:uuid:9"')
    (folder / "all.companion.ome").write_text(xml)
    for i in range(2):
        part = (
            '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
            f'UUID="urn:uuid:{i}"><BinaryOnly MetadataFile="all.companion.ome" UUID="urn:uuid:9"/>'
            "</OME>"
        )
        tifffile.imwrite(folder / f"f{i}.ome.tif", STACK[i], metadata=None, description=part)


def test_a_companion_file_is_read(tmp_path: Path) -> None:
    companion(tmp_path)
    image = read_image(tmp_path / "f0.ome.tif")
    assert image.axes == "ZYX"
    np.testing.assert_array_equal(image.data, STACK[:2])
    (tmp_path / "f1.ome.tif").unlink()
    refused(tmp_path / "f0.ome.tif", "f1.ome.tif")


def test_a_companion_file_that_is_not_there(tmp_path: Path) -> None:
    companion(tmp_path)
    (tmp_path / "all.companion.ome").unlink()
    with pytest.raises(InputError, match=r"all\.companion\.ome"):
        read_image(tmp_path / "f0.ome.tif")
    image = read_image(tmp_path / "f0.ome.tif", axes="YX")
    np.testing.assert_array_equal(image.data, STACK[0])
    assert "one part" in image.remarks[0]


def test_a_file_that_was_renamed(tmp_path: Path) -> None:
    data = (
        '<TiffData IFD="0" PlaneCount="8"><UUID FileName="old.ome.tif">urn:uuid:1</UUID></TiffData>'
    )
    ome(tmp_path / "new.ome.tif", 8, data, z=8)
    image = read_image(tmp_path / "new.ome.tif")
    np.testing.assert_array_equal(image.data, STACK)
    assert "old.ome.tif" in image.remarks[0]
