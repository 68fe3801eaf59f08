"""Units in every spelling that files have, and what becomes of them on the way out."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr

from inif.errors import RemarkWarning
from inif.image import Channel, Image, Metadata
from inif.io import read_image, to_ome_xml, write_image
from inif.io.units import LENGTHS, TIMES, known, symbol, word

STACK = np.arange(3 * 16 * 20, dtype=np.uint16).reshape(3, 16, 20)

SPELLINGS = {
    "µm": [
        *("um", "Um", "UM", "u", "µ", "\u00b5m", "\u03bcm", "\u039cm", "micron", "Micron"),
        *("MICRONS", "microns", "mcm", "micrometer", "micrometers", "Micrometre", "micrometres"),
        *("micro-meter", "micro meters", "\\u00B5m", "\\u00b5m", "\\u03BCm", "\\u03bcm"),
        *("Âµm", "Î¼m", "æm", " um ", "[um]", "(µm)", "um.", "&micro;m"),
    ],
    "nm": ["nm", "NM", "nanometer", "Nanometers", "nanometre", "nanometres", "millimicrons"],
    "mm": ["mm", "MM", "millimeter", "millimetres", "Millimeters"],
    "Mm": ["Mm", "megameter"],
    "cm": ["cm", "CM", "centimeter", "centimetres"],
    "m": ["m", "meter", "Meters", "metre", "metres"],
    "Å": ["Å", "\u212b", "A\u030a", "angstrom", "Angstroms", "Ångström", "ångstrom"],
    "pm": ["pm", "picometer", "picometres"],
    "in": ["in", "inch", "Inches"],
    "pixel": ["pixel", "pixels", "px"],
    "s": ["s", "sec", "Sec", "secs", "second", "Seconds"],
    "ms": ["ms", "msec", "msecs", "millisecond", "Milliseconds", "millisec"],
    "Ms": ["Ms", "megasecond"],
    "µs": ["us", "\u00b5s", "\u03bcs", "usec", "microsecond", "microseconds", "microsec"],
    "ns": ["ns", "nsec", "nanosecond", "nanoseconds"],
    "min": ["min", "mins", "Min", "minute", "Minutes"],
    "h": ["h", "hr", "hrs", "hour", "Hours"],
    "d": ["d", "day", "days"],
}


@pytest.mark.parametrize("expected", SPELLINGS)
def test_spellings(expected: str) -> None:
    for spelling in SPELLINGS[expected]:
        assert symbol(spelling) == expected, spelling


@pytest.mark.parametrize("text", ["M", "S", "A", "mM", "uM", "parsnip", "arcsec", "deg", "?m"])
def test_what_cannot_be_told_stays_as_it_is(text: str) -> None:
    assert symbol(text) == text
    assert not known("X", text)
    assert not known("T", text)


@pytest.mark.parametrize("text", [None, "", "  "])
def test_no_unit(text: str | None) -> None:
    assert symbol(text) is None
    assert known("X", None)


def test_symbols_and_words_are_their_own_spelling() -> None:
    for table in (LENGTHS, TIMES):
        for name, short in table.items():
            assert symbol(short) == short == symbol(name)
            assert word(short) == name


def test_a_unit_fits_its_axis() -> None:
    assert known("Z", "µm")
    assert not known("Z", "s")
    assert known("T", "min")
    assert not known("T", "µm")
    assert known("C", "nm")


# ---------------------------------------------------------------- through files


def ome_pixels(path: Path) -> dict[str, str]:
    """The attributes of Pixels in the OME-XML of a file."""
    with tifffile.TiffFile(path) as tif:
        found = re.search("<Pixels ([^>]*)>", tif.ome_metadata or "")
    assert found
    return dict(re.findall('(\\w+)="([^"]*)"', found[1]))


LENGTH = [s for s in SPELLINGS if known("X", s) and s != "pixel"]
TIME = [s for s in SPELLINGS if known("T", s)]


@pytest.mark.parametrize("unit", LENGTH)
def test_lengths_of_imagej_arrive_in_ome_and_zarr(tmp_path: Path, unit: str) -> None:
    for spelling in SPELLINGS[unit][:6]:
        source = tmp_path / "a.tif"
        if not spelling.isascii():
            spelling = spelling.encode("unicode_escape").decode().replace("\\xb5", "\\u00b5")
            if "\\x" in spelling:
                continue
        metadata = {"axes": "ZYX", "spacing": 0.5, "unit": spelling}
        tifffile.imwrite(source, STACK, imagej=True, resolution=(10, 10), metadata=metadata)
        image = read_image(source)
        assert image.meta.scale == {"X": (0.1, unit), "Y": (0.1, unit), "Z": (0.5, unit)}
        assert image.remarks == ()
    write_image(image, tmp_path / "a.ome.tif")
    pixels = ome_pixels(tmp_path / "a.ome.tif")
    assert (pixels["PhysicalSizeX"], pixels["PhysicalSizeXUnit"]) == ("0.1", unit)
    assert (pixels["PhysicalSizeZ"], pixels["PhysicalSizeZUnit"]) == ("0.5", unit)
    write_image(image, tmp_path / "a.ome.zarr")
    axes = zarr.open(tmp_path / "a.ome.zarr", mode="r").attrs["ome"]["multiscales"][0]["axes"]
    assert [a["unit"] for a in axes] == 3 * [word(unit)]


@pytest.mark.parametrize("unit", TIME)
def test_times_of_imagej_arrive_in_ome_and_zarr(tmp_path: Path, unit: str) -> None:
    for spelling in [s for s in SPELLINGS[unit] if s.isascii()]:
        metadata = {"axes": "TYX", "finterval": 2.5, "tunit": spelling}
        tifffile.imwrite(tmp_path / "a.tif", STACK, imagej=True, metadata=metadata)
        image = read_image(tmp_path / "a.tif")
        assert image.meta.scale == {"T": (2.5, unit)}
    write_image(image, tmp_path / "a.ome.tif")
    pixels = ome_pixels(tmp_path / "a.ome.tif")
    assert (pixels["TimeIncrement"], pixels["TimeIncrementUnit"]) == ("2.5", unit)
    write_image(image, tmp_path / "a.ome.zarr")
    axes = zarr.open(tmp_path / "a.ome.zarr", mode="r").attrs["ome"]["multiscales"][0]["axes"]
    assert axes[0]["unit"] == word(unit)


@pytest.mark.parametrize("raw", [b"\xb5m", "µm".encode(), "μm".encode(), b"\\u00B5m"])
def test_bytes_of_a_description(tmp_path: Path, raw: bytes) -> None:
    said = b"ImageJ=1.53t\nimages=3\nslices=3\nspacing=0.5\nunit=" + raw + b"\n"
    options = {"metadata": None, "photometric": "minisblack", "resolution": (10, 10)}
    tifffile.imwrite(tmp_path / "a.tif", STACK, description=said, **options)
    scale = read_image(tmp_path / "a.tif").meta.scale
    assert scale == {"X": (0.1, "µm"), "Y": (0.1, "µm"), "Z": (0.5, "µm")}


def test_an_unknown_unit_is_kept_and_said(tmp_path: Path) -> None:
    metadata = {"axes": "ZYX", "spacing": 0.5, "unit": "parsnip"}
    tifffile.imwrite(tmp_path / "a.tif", STACK, imagej=True, resolution=(10, 10), metadata=metadata)
    image = read_image(tmp_path / "a.tif")
    assert image.meta.scale["Z"] == (0.5, "parsnip")
    assert len(image.remarks) == 1
    assert "“parsnip”" in image.remarks[0]
    assert "Z, Y, X" in image.remarks[0]


@pytest.mark.parametrize("unit", ["pixel", "pixels", "Pixel", "px", ""])
def test_pixels_are_no_unit_of_imagej(tmp_path: Path, unit: str) -> None:
    metadata = {"axes": "ZYX", "unit": unit} if unit else {"axes": "ZYX"}
    tifffile.imwrite(tmp_path / "a.tif", STACK, imagej=True, resolution=(10, 10), metadata=metadata)
    assert read_image(tmp_path / "a.tif").meta.scale == {}
    metadata["spacing"] = 2.5  # type: ignore[assignment]
    tifffile.imwrite(tmp_path / "a.tif", STACK, imagej=True, metadata=metadata)
    image = read_image(tmp_path / "a.tif")
    assert image.meta.scale == {}
    assert "2.5" in image.remarks[0]


@pytest.mark.parametrize(("unit", "dots"), [("inch", 72), ("inch", 96), ("cm", 72 / 2.54)])
def test_a_screen_is_no_calibration_of_imagej(tmp_path: Path, unit: str, dots: float) -> None:
    metadata = {"axes": "ZYX", "unit": unit}
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, STACK, imagej=True, resolution=(dots, dots), metadata=metadata)
    assert "X" not in read_image(path).meta.scale


# ---------------------------------------------------------------- resolution tags


def resolution(path: Path, x: float, y: float, unit: str, **options: object) -> None:
    tifffile.imwrite(path, STACK[0], metadata=None, resolution=(x, y), resolutionunit=unit)


@pytest.mark.parametrize(
    ("factor", "unit"), [(1e4, "CENTIMETER"), (25400, "INCH"), (1e3, "MILLIMETER")]
)
def test_a_resolution_is_a_pixel_size(tmp_path: Path, factor: float, unit: str) -> None:
    resolution(tmp_path / "a.tif", factor / 0.325, factor / 0.65, unit)
    image = read_image(tmp_path / "a.tif")
    fraction = 1e-5  # how near tifffile's fractions come to a number, at worst
    assert image.meta.scale["X"] == (pytest.approx(0.325, rel=fraction), "µm")
    assert image.meta.scale["Y"] == (pytest.approx(0.65, rel=fraction), "µm")
    assert image.remarks == ()
    write_image(image, tmp_path / "b.ome.tif")
    assert float(ome_pixels(tmp_path / "b.ome.tif")["PhysicalSizeX"]) == pytest.approx(
        0.325, rel=fraction
    )


@pytest.mark.parametrize(
    ("per_unit", "unit"),
    [(30769, "NONE"), (72, "INCH"), (96, "INCH"), (28.35, "CENTIMETER"), (37.795, "CENTIMETER"),
     (1, "INCH"), (1, "CENTIMETER")],
)  # fmt: skip
def test_a_resolution_that_nobody_measured(tmp_path: Path, per_unit: float, unit: str) -> None:
    resolution(tmp_path / "a.tif", per_unit, per_unit, unit)
    image = read_image(tmp_path / "a.tif")
    assert image.meta.scale == {}
    assert image.remarks == ()


def test_a_resolution_for_printers_is_said(tmp_path: Path) -> None:
    resolution(tmp_path / "a.tif", 300, 300, "INCH")
    image = read_image(tmp_path / "a.tif")
    assert image.meta.scale["X"] == (pytest.approx(84.6667), "µm")
    assert "300 dots per inch" in image.remarks[0]


def test_a_resolution_of_a_stack_with_axes_of_the_user(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    options = {"metadata": None, "photometric": "minisblack", "resolutionunit": "CENTIMETER"}
    tifffile.imwrite(path, STACK, resolution=(1e5, 1e5), **options)
    image = read_image(path, axes="ZYX")
    assert image.meta.scale == {"Y": (pytest.approx(0.1), "µm"), "X": (pytest.approx(0.1), "µm")}


def test_metadata_of_the_program_keep_an_unknown_unit(tmp_path: Path) -> None:
    image = Image(STACK, "ZYX", Metadata(scale={"Z": (2.0, "parsnip"), "X": (0.5, "µm")}))
    with pytest.warns(RemarkWarning, match="Z 2 parsnip"):
        write_image(image, tmp_path / "a.ome.tif")
    pixels = ome_pixels(tmp_path / "a.ome.tif")
    assert "PhysicalSizeZ" not in pixels
    assert pixels["PhysicalSizeX"] == "0.5"
    assert read_image(tmp_path / "a.ome.tif").meta.scale["Z"] == (2.0, "parsnip")


def test_a_unit_that_zarr_does_not_know_is_said(tmp_path: Path) -> None:
    image = Image(STACK, "ZYX", Metadata(scale={"Z": (2.0, "parsnip"), "X": (0.5, "µm")}))
    with pytest.warns(RemarkWarning, match="“parsnip”"):
        write_image(image, tmp_path / "a.ome.zarr")


@pytest.mark.parametrize("name", ["a.npy", "a.png"])
def test_formats_of_samples_alone_say_so(tmp_path: Path, name: str) -> None:
    plane = Image(STACK[0], "YX", Metadata("cells", {"X": (0.5, "µm")}, (Channel("DNA"),)))
    with pytest.warns(RemarkWarning, match="steps along X, the names of channels"):
        write_image(plane, tmp_path / name)
    write_image(Image(STACK[0], "YX"), tmp_path / name, overwrite=True)


def test_ome_xml_of_another_schema_is_said(tmp_path: Path) -> None:
    xml = to_ome_xml(STACK.shape, "ZYX", "uint16", Metadata("a")).replace("2016-06", "2013-06")
    with pytest.warns(RemarkWarning, match="another schema"):
        write_image(Image(STACK, "ZYX", Metadata("a", ome_xml=xml)), tmp_path / "a.ome.tif")
