"""Metadata as files really have them: damaged, negative, inverted, of other images, beside samples
that are sound. The samples are read; what is not kept is said."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from inif.errors import InputError
from inif.image import Channel, Image, Metadata, check_image
from inif.io import parse_ome_xml, read_image, write_image

STACK = np.random.default_rng(0).integers(0, 4000, (3, 16, 20)).astype(np.uint16)

OME = """<?xml version="1.0" encoding="UTF-8"?><OME
xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0" Name="pos 1"><Pixels
ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" SizeX="20" SizeY="16" SizeZ="3" SizeC="1"
SizeT="1" PhysicalSizeX="0.5" PhysicalSizeZ="2"><Channel ID="Channel:0:0" SamplesPerPixel="1"
Name="DNA" Color="65535"/><TiffData IFD="0" PlaneCount="3"/></Pixels></Image></OME>"""


def ome(path: Path, xml: str | bytes, data: np.ndarray = STACK) -> Path:
    raw = xml.encode() if isinstance(xml, str) else xml
    tifffile.imwrite(path, data, metadata=None, description=raw, photometric="minisblack")
    return path


# ---------------------------------------------------------------- OME-XML that is damaged


@pytest.mark.parametrize(
    "name",
    ["pos&#1;1", "pos&#x1F;1", "pos\x021", "pos\x1b[31m1", "pos&#55296;1", "pos&#99999999;1",
     "a & b", "a&b", "&micro;m", "&nbsp;x", "a < b", "\ufffe1", "&unknown;"],
)  # fmt: skip
def test_a_name_that_xml_does_not_allow(tmp_path: Path, name: str) -> None:
    path = ome(tmp_path / "a.ome.tif", OME.replace("pos 1", name))
    for axes in (None, "ZYX"):
        image = read_image(path, axes=axes)
        np.testing.assert_array_equal(image.data, STACK)
        assert image.axes == "ZYX"
        assert image.meta.scale == {"X": (0.5, "µm"), "Z": (2.0, "µm")}
        assert image.meta.channels == (Channel("DNA", "#0000FF"),)
        assert len(image.remarks) == 1
        assert "damaged" in image.remarks[0]
        assert "mended" in image.remarks[0]
        check_image(image)
        write_image(image, tmp_path / "b.ome.tif", overwrite=True)
        assert read_image(tmp_path / "b.ome.tif").meta.scale == image.meta.scale


@pytest.mark.parametrize("around", ["{}\n\n garbage", "\ufeff{}", "  \n{}  ", "{}<?pi ?>x"])
def test_text_around_the_document(tmp_path: Path, around: str) -> None:
    path = ome(tmp_path / "a.ome.tif", around.format(OME))
    image = read_image(path)
    assert image.axes == "ZYX"
    assert image.meta.name == "pos 1"


def test_bytes_that_are_not_utf8(tmp_path: Path) -> None:
    xml = OME.replace("pos 1", "Größe").replace('SizeX="0.5"', 'SizeX="0.5" PhysicalSizeXUnit="µm"')
    for raw in (xml.encode("latin-1"), xml.encode().replace("ö".encode(), b"\xf6")):
        image = read_image(ome(tmp_path / "a.ome.tif", raw))
        assert image.meta.name == "Größe"
        assert image.meta.scale["X"] == (0.5, "µm")
        assert image.meta.channels == (Channel("DNA", "#0000FF"),)


BROKEN = {
    "cut": OME[: len(OME) * 2 // 3],
    "cut at its end": OME[:-9],
    "unclosed": OME.replace("</Image>", ""),
    "no quotes": OME.replace('SizeX="20"', "SizeX=20"),
    "no order": OME.replace('DimensionOrder="XYZCT"', ""),
    "no size": OME.replace('SizeZ="3"', 'SizeZ="many"'),
    "unbound prefix": OME.replace("<Image ", "<q:Image "),
    "too large": OME.replace("pos 1", "x" * ((16 << 20) + 1)),
    "unsafe": OME.replace("<OME", "<!DOCTYPE OME [<!ENTITY a 'b'>]><OME", 1),
    "outside": OME.replace(
        '<TiffData IFD="0" PlaneCount="3"/>',
        '<TiffData><UUID FileName="../b.tif">urn:uuid:2</UUID></TiffData>',
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_samples_are_read_without_ome_xml_that_cannot_be(tmp_path: Path, kind: str) -> None:
    path = ome(tmp_path / "a.ome.tif", BROKEN[kind])
    with pytest.raises(InputError) as caught:
        read_image(path)
    if kind not in ("unsafe", "outside", "too large"):
        assert "--axes" in (caught.value.fix or "")
    image = read_image(path, axes="ZYX")
    np.testing.assert_array_equal(image.data, STACK)
    assert image.meta.ome_xml is None
    assert len(image.remarks) == 1
    assert "left out" in image.remarks[0]
    assert image.remarks[0].isprintable()


def test_a_plane_needs_no_axes(tmp_path: Path) -> None:
    image = read_image(ome(tmp_path / "a.ome.tif", BROKEN["cut"], STACK[0]))
    assert image.axes == "YX"
    assert "left out" in image.remarks[0]


@pytest.mark.parametrize(
    "xml",
    [
        OME.replace("2016-06", "2013-06"),
        OME.replace(' xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"', ""),
        OME.replace("\nxmlns=", ' xmlns:ome="urn:x"\nxmlns='),
        OME.replace("http://www.openmicroscopy.org/Schemas/OME/2016-06", "urn:wrong"),
        OME.replace("SizeX=", 'Mood="good" SizeX=', 1),
        re.sub("<(/?)(?=[A-Z])", r"<\1ome:", OME).replace("xmlns=", "xmlns:ome="),
    ],
)
def test_other_namespaces_and_attributes(tmp_path: Path, xml: str) -> None:
    image = read_image(ome(tmp_path / "a.ome.tif", xml))
    assert image.axes == "ZYX"
    assert image.meta.name == "pos 1"
    assert image.meta.scale == {"X": (0.5, "µm"), "Z": (2.0, "µm")}
    assert image.remarks == ()


@pytest.mark.parametrize("value", ["0", "-0.0", "nan", "inf", "-inf", "1e999", "much", ""])
def test_a_size_that_is_none(tmp_path: Path, value: str) -> None:
    xml = OME.replace('PhysicalSizeZ="2"', f'PhysicalSizeZ="{value}"')
    image = read_image(ome(tmp_path / "a.ome.tif", xml))
    assert image.meta.scale == {"X": (0.5, "µm")}
    assert len(image.remarks) == 1
    assert "PhysicalSizeZ" in image.remarks[0]
    assert "left out" in image.remarks[0]


def test_a_colour_that_is_none(tmp_path: Path) -> None:
    image = read_image(ome(tmp_path / "a.ome.tif", OME.replace('Color="65535"', 'Color="red"')))
    assert image.meta.channels == (Channel("DNA"),)
    assert "“red”" in image.remarks[0] or '"red"' in image.remarks[0]


# ---------------------------------------------------------------- steps that are negative


@pytest.mark.parametrize("axis", "XYZT")
def test_negative_steps_of_ome(tmp_path: Path, axis: str) -> None:
    key = "TimeIncrement" if axis == "T" else f"PhysicalSize{axis}"
    xml = OME.replace('PhysicalSizeX="0.5" PhysicalSizeZ="2"', f'{key}="-0.25"')
    xml = (
        xml.replace('SizeT="1"', 'SizeT="3"').replace('SizeZ="3"', 'SizeZ="1"') * (axis == "T")
        or xml
    )
    image = read_image(ome(tmp_path / "a.ome.tif", xml))
    assert image.meta.scale == {axis: (0.25, "s" if axis == "T" else "µm")}
    assert f"along {axis} is negative (-0.25" in image.remarks[0]
    check_image(image)


@pytest.mark.parametrize("key", ["spacing", "finterval"])
@pytest.mark.parametrize("value", [-0.5, 0.0, float("nan"), float("inf"), "0,5", "often"])
def test_odd_steps_of_imagej(tmp_path: Path, key: str, value: Any) -> None:
    axis = "Z" if key == "spacing" else "T"
    metadata = {"axes": f"{axis}YX", key: value, "unit": "um"}
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, STACK, imagej=True, resolution=(10, 10), metadata=metadata)
    image = read_image(path)
    step = image.meta.scale.get(axis)
    if value in (-0.5, "0,5"):
        assert step == (0.5, "µm" if axis == "Z" else "s")
    else:
        assert step is None
    expected = 0 if value == "0,5" or (axis == "T" and value == 0) else 1
    assert len(image.remarks) == expected
    check_image(image)


@pytest.mark.parametrize(
    ("meta", "field"),
    [
        (Metadata(scale={"Z": (-0.5, "µm")}), "scale['Z']"),
        (Metadata(scale={"Z": (0, "µm")}), "scale['Z']"),
        (Metadata(scale={"X": (float("nan"), None)}), "scale['X']"),
        (Metadata(scale={"X": (float("inf"), None)}), "scale['X']"),
        (Metadata(scale={"Q": (1.0, None)}), "scale"),
        (Metadata(scale={"X": (1.0, 5)}), "scale['X']"),  # type: ignore[dict-item]
        (Metadata(scale={"X": 1.0}), "scale['X']"),  # type: ignore[dict-item]
        (Metadata(scale={"X": ("1", None)}), "scale['X']"),  # type: ignore[dict-item]
        (Metadata(name=5), "name"),  # type: ignore[arg-type]
        (Metadata(channels=(Channel(3),)), "channels[0].name"),  # type: ignore[arg-type]
        (Metadata(channels=(Channel("a", "red"),)), "channels[0].color"),
    ],
)
def test_metadata_of_the_program_are_checked_before_the_work(meta: Metadata, field: str) -> None:
    image = Image(STACK, "ZYX", meta, source="mine")
    with pytest.raises(InputError, match="metadata") as caught:
        check_image(image)
    assert caught.value.field == f"meta.{field}"
    assert caught.value.file == "mine"
    assert caught.value.fix


def test_numpy_steps_are_numbers() -> None:
    scale = {"X": (np.float32(0.5), "µm"), "Z": (np.int64(2), None), "Y": (1, "µm")}
    image = check_image(Image(STACK, "ZYX", Metadata(scale=scale)))  # type: ignore[arg-type]
    assert image.meta.to_json()["scale"] == {"X": [0.5, "µm"], "Z": [2.0, None], "Y": [1, "µm"]}


# ---------------------------------------------------------------- which image is which


IMAGE = """<Image ID="Image:{i}"{name}><Pixels ID="Pixels:{i}" DimensionOrder="XYZCT" Type="uint16"
SizeX="20" SizeY="16" SizeZ="1" SizeC="1" SizeT="1" PhysicalSizeX="{step}"><Channel
ID="Channel:{i}:0" SamplesPerPixel="1"/>{data}</Pixels></Image>"""


def several(path: Path, images: list[tuple[str, float, str]]) -> Path:
    body = "".join(
        IMAGE.format(i=i, name=f' Name="{name}"' if name else "", step=step, data=data)
        for i, (name, step, data) in enumerate(images)
    )
    return ome(path, f'<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">{body}</OME>')


@pytest.mark.parametrize("names", [("a", "b", "c"), ("", "", ""), ("a", "a", "a")])
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_pages_tell_which_image_it_is(
    tmp_path: Path, names: tuple[str, ...], order: tuple[int, ...]
) -> None:
    images = [
        (names[i], float(ifd + 1), f'<TiffData IFD="{ifd}" PlaneCount="1"/>')
        for i, ifd in enumerate(order)
    ]
    path = several(tmp_path / "a.ome.tif", images)
    for scene in range(3):
        image = read_image(path, scene=scene)
        ifd = order[scene]
        np.testing.assert_array_equal(image.data, STACK[ifd])
        assert image.meta.scale == {"X": (ifd + 1.0, "µm")}


@pytest.mark.parametrize("names", [("gone", "b", "c"), ("", "", ""), ("a", "a", "a")])
def test_an_image_without_pages_shifts_nothing(tmp_path: Path, names: tuple[str, ...]) -> None:
    elsewhere = '<TiffData IFD="0"><UUID FileName="not_here.ome.tif">urn:uuid:7</UUID></TiffData>'
    for gone in ("", elsewhere):
        images = [
            (names[0], 7.0, gone),
            (names[1], 1.0, '<TiffData IFD="0" PlaneCount="1"/>'),
            (names[2], 2.0, '<TiffData IFD="1" PlaneCount="1"/>'),
        ]
        path = several(tmp_path / "a.ome.tif", images)
        for scene in range(2):
            image = read_image(path, scene=scene)
            np.testing.assert_array_equal(image.data, STACK[scene])
            assert image.meta.scale == {"X": (scene + 1.0, "µm")}
            kept = parse_ome_xml(image.meta.ome_xml or "")
            assert kept.scale == image.meta.scale


# ---------------------------------------------------------------- lookup tables


RAMP = np.arange(256, dtype=np.uint8)
ZERO = np.zeros(256, np.uint8)
TABLES: dict[str, tuple[np.ndarray, str | None, bool]] = {
    "green": (np.stack([ZERO, RAMP, ZERO]), "#00FF00", False),
    "magenta": (np.stack([RAMP, ZERO, RAMP]), "#FF00FF", False),
    "dim": (np.stack([RAMP // 2, ZERO, ZERO]), "#7F0000", False),
    "grey": (np.stack([RAMP, RAMP, RAMP]), None, False),
    "inverted grey": (np.stack([RAMP, RAMP, RAMP])[:, ::-1], None, True),
    "inverted green": (np.stack([ZERO, RAMP, ZERO])[:, ::-1], None, True),
    "white to green": (np.stack([RAMP[::-1], RAMP * 0 + 255, RAMP[::-1]]), None, True),
    "fire": (np.stack([RAMP, np.maximum(RAMP, 128) - 128, ZERO]), None, True),
    "black": (np.stack([ZERO, ZERO, ZERO]), None, True),
    "steps": (np.stack([RAMP // 64 * 64, ZERO, ZERO]), None, True),
}


@pytest.mark.parametrize("kind", TABLES)
def test_lookup_tables(tmp_path: Path, kind: str) -> None:
    table, color, said = TABLES[kind]
    data = (STACK[:2] // 16).astype(np.uint8)
    tables = [np.ascontiguousarray(table), np.stack([ZERO, ZERO, RAMP])]
    metadata = {"axes": "CYX", "mode": "composite", "LUTs": tables}
    tifffile.imwrite(tmp_path / "a.tif", data, imagej=True, metadata=metadata)
    image = read_image(tmp_path / "a.tif")
    assert [c.color for c in image.meta.channels] == [color, "#0000FF"]
    assert len(image.remarks) == said
    if said:
        assert "channel 0" in image.remarks[0]
        assert ("inverted" in image.remarks[0]) == kind.startswith("inverted")


def test_all_tables_inverted(tmp_path: Path) -> None:
    tables = [np.ascontiguousarray(TABLES["inverted grey"][0])] * 3
    metadata = {"axes": "CYX", "mode": "composite", "LUTs": tables}
    data = (STACK // 16).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", data, imagej=True, metadata=metadata)
    image = read_image(tmp_path / "a.tif")
    assert image.meta.channels == ()
    write_image(image, tmp_path / "b.ome.tif")
    with tifffile.TiffFile(tmp_path / "b.ome.tif") as tif:
        assert "Color" not in (tif.ome_metadata or "")


def test_a_calibration_of_values_is_said(tmp_path: Path) -> None:
    metadata = {"axes": "ZYX", "cf": 0, "c0": -32768.0, "c1": 1.0, "vunit": "gray value"}
    tifffile.imwrite(tmp_path / "a.tif", STACK, imagej=True, metadata=metadata)
    image = read_image(tmp_path / "a.tif")
    assert "-32768" in image.remarks[0]
    np.testing.assert_array_equal(image.data, STACK)


def test_what_imagej_stores_beside_the_samples_is_said(tmp_path: Path) -> None:
    metadata = {"axes": "ZYX", "Info": "by hand", "Labels": ["a", "b", "c"], "Overlays": b"Iout"}
    tifffile.imwrite(tmp_path / "a.tif", STACK, imagej=True, metadata=metadata)
    (remark,) = read_image(tmp_path / "a.tif").remarks
    for word in ("overlays", "Info", "labels"):
        assert word in remark


# ---------------------------------------------------------------- how samples are stored

GREY = (STACK[0] // 16).astype(np.uint8)


@pytest.mark.parametrize("data", [GREY > 99, GREY, STACK[0]], ids=["1 bit", "8 bits", "16 bits"])
def test_zero_is_white(tmp_path: Path, data: np.ndarray) -> None:
    tifffile.imwrite(tmp_path / "a.tif", data, photometric="miniswhite", metadata=None)
    image = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(image.data, data)
    assert image.remarks[0].startswith("0 is white in this file")


def test_zero_is_white_in_a_stack(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", STACK, photometric="miniswhite", metadata={"axes": "ZYX"})
    assert "0 is white" in read_image(tmp_path / "a.tif").remarks[0]


def test_a_table_of_colours(tmp_path: Path) -> None:
    table = np.random.default_rng(0).integers(0, 65535, (3, 256)).astype(np.uint16)
    options = {"photometric": "palette", "metadata": None}
    tifffile.imwrite(tmp_path / "a.tif", GREY, colormap=table, **options)
    image = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(image.data, GREY)
    assert "indices" in image.remarks[0]
    ramp = np.stack([RAMP, RAMP, RAMP]).astype(np.uint16) * 257
    tifffile.imwrite(tmp_path / "a.tif", GREY, colormap=ramp, **options)
    assert read_image(tmp_path / "a.tif").remarks == ()
    ramp[0] = ramp[2] = 0
    tifffile.imwrite(tmp_path / "a.tif", GREY, colormap=ramp, **options)
    assert read_image(tmp_path / "a.tif").meta.channels == (Channel(None, "#00FF00"),)
    said = "ImageJ=1.53t\n"
    tifffile.imwrite(
        tmp_path / "a.tif", GREY, colormap=ramp[:, ::-1].copy(), description=said, **options
    )
    image = read_image(tmp_path / "a.tif")
    assert image.meta.channels == ()
    assert "inverted" in image.remarks[0]


def test_ink(tmp_path: Path) -> None:
    data = np.random.default_rng(0).integers(0, 255, (16, 20, 4)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", data, photometric="separated", metadata=None)
    image = read_image(tmp_path / "a.tif")
    assert [c.name for c in image.meta.channels] == list("CMYK")
    assert "ink" in image.remarks[0]
    np.testing.assert_array_equal(image.data, data)


@pytest.mark.parametrize("compression", ["jpeg", "jpegxl", "jpeg2000"])
def test_samples_that_were_lossy_before(tmp_path: Path, compression: str) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, GREY, compression=compression, metadata=None)
    assert "detail already" in read_image(path).remarks[0]


@pytest.mark.parametrize(
    ("extra", "last"),
    [("unassalpha", "A"), ("assocalpha", "A"), ("unspecified", None)],
)
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_extra_samples(tmp_path: Path, extra: str, last: str | None, planar: str) -> None:
    shape = (16, 20, 4) if planar == "contig" else (4, 16, 20)
    data = np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)
    options: dict[str, Any] = {"photometric": "rgb", "planarconfig": planar, "metadata": None}
    tifffile.imwrite(tmp_path / "a.tif", data, extrasamples=[extra], **options)
    image = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(image.data, data)
    assert [c.name for c in image.meta.channels] == ["R", "G", "B", last]


def test_grey_with_alpha(tmp_path: Path) -> None:
    data = np.stack([GREY, GREY], -1)
    options: dict[str, Any] = {"photometric": "minisblack", "planarconfig": "contig"}
    tifffile.imwrite(
        tmp_path / "a.tif", data, extrasamples=["unassalpha"], metadata=None, **options
    )
    image = read_image(tmp_path / "a.tif")
    assert image.axes == "YXC"
    assert [c.name for c in image.meta.channels] == ["grey", "A"]


@pytest.mark.parametrize(
    "dtype", ["bool", "int8", "int32", "uint32", "float16", "float64", "complex64", ">u2", ">f4"]
)
def test_sample_types(tmp_path: Path, dtype: str) -> None:
    data = (STACK % 100).astype(dtype)
    order = ">" if dtype.startswith(">") else "<"
    metadata = {"axes": "ZYX"}
    options: dict[str, Any] = {"photometric": "minisblack", "metadata": metadata}
    tifffile.imwrite(tmp_path / "a.tif", data, byteorder=order, **options)
    image = read_image(tmp_path / "a.tif")
    assert image.data.dtype.name == np.dtype(dtype).name
    np.testing.assert_array_equal(image.data, data)


def test_twelve_bits(tmp_path: Path) -> None:
    try:
        tifffile.imwrite(tmp_path / "a.tif", STACK[0], bitspersample=12, metadata=None)
    except NotImplementedError:
        pytest.skip("this imagecodecs reads samples of 12 bits, but writes none")
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").data, STACK[0])


def test_an_image_that_asks_to_be_turned(tmp_path: Path) -> None:
    extra = [(274, "H", 1, 6, True)]
    tifffile.imwrite(tmp_path / "a.tif", GREY, metadata=None, extratags=extra)
    assert "Orientation 6" in read_image(tmp_path / "a.tif").remarks[0]
