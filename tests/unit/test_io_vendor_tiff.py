"""Steps, units and axes in the tags of MetaMorph, Zeiss LSM, FluoView and Micro-Manager.

The files are made here, as those programs lay them out: what belongs to the tags is written by
hand, since no library writes it.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from inif.image import Image
from inif.io import read_image
from inif.io.tiff_said import fluoview_scale, metaseries_scale, stk_scale

STACK = np.arange(3 * 16 * 20, dtype=np.uint16).reshape(3, 16, 20)


def opened(path: Path) -> Image:
    image = read_image(path)
    assert np.array_equal(image.data, STACK)
    return image


def write_stk(path: Path, step: float, unit: bytes, distances: list[float]) -> None:
    """One page with all planes behind it; the numbers of UIC1 lie at the end of the file."""
    tail = struct.pack("<4I", *[round(step * 1000), 1000] * 2)
    tail += struct.pack("<I", len(unit) + 1) + unit + bytes(1)
    uic2 = [n for z in distances for n in (round(z * 1000), 1000, 2460000, 1000, 2460000, 1000)]
    uic2[3::6] = [1000 * i + 1 for i in range(len(distances))]  # when each plane was taken
    end = 0
    for _ in range(2):  # once to know how long it gets
        uic1 = [4, end, 5, end + 8, 6, end + 16]  # X, Y, unit
        tifffile.imwrite(
            path,
            STACK,
            byteorder="<",
            photometric="minisblack",
            metadata=None,
            truncate=True,
            extratags=[(33628, 4, 6, uic1, True), (33629, 5, len(uic2) // 2, uic2, True)],
        )
        end = path.stat().st_size
    data = bytearray(path.read_bytes() + tail)
    path.write_bytes(data)
    with tifffile.TiffFile(path) as tif:
        at = {code: tif.pages.first.tags[code].offset + 4 for code in (33628, 33629)}
    struct.pack_into("<I", data, at[33628], 3)  # pairs of numbers
    struct.pack_into("<I", data, at[33629], len(distances))  # planes: six numbers each
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("unit", "distances", "axes", "scale"),
    [
        (b"um", [0.5] * 3, "ZYX", dict.fromkeys("YX", (0.125, "µm")) | {"Z": (0.5, "µm")}),
        (b"microns", [0.5, 0.5, 0.7], "ZYX", dict.fromkeys("YX", (0.125, "µm"))),
        (b"nm", [0.0] * 3, "TYX", dict.fromkeys("YX", (0.125, "nm"))),
        (b"pixel", [0.5] * 3, "ZYX", {}),
    ],
)
def test_metamorph_stacks(
    tmp_path: Path, unit: bytes, distances: list[float], axes: str, scale: dict[str, Any]
) -> None:
    write_stk(tmp_path / "a.stk", 0.125, unit, distances)
    image = opened(tmp_path / "a.stk")
    assert (image.axes, dict(image.meta.scale)) == (axes, scale)


def test_a_metamorph_stack_without_calibration() -> None:
    assert stk_scale({"NumberPlanes": 1}) == {}
    known = {"CalibrationUnits": "um", "XCalibration": 0.2, "YCalibration": 0.0}
    assert stk_scale(known) == {"X": (0.2, "µm")}


def test_metamorph_planes(tmp_path: Path) -> None:
    facts = (("state", "bool", "on"), ("x", "float", 0.2), ("y", "float", 0.2))
    text = "".join(
        f'<prop id="spatial-calibration-{name}" type="{kind}" value="{value}"/>'
        for name, kind, value in (*facts, ("units", "string", "um"))
    )
    tifffile.imwrite(
        tmp_path / "a.tif",
        STACK[0],
        metadata=None,
        software="MetaSeries",
        description=f"<MetaData><PlaneInfo>{text}</PlaneInfo></MetaData>",
    )
    image = read_image(tmp_path / "a.tif")
    assert (image.axes, dict(image.meta.scale)) == ("YX", dict.fromkeys("XY", (0.2, "µm")))


def test_metamorph_planes_that_are_not_calibrated() -> None:
    facts: dict[str, Any] = {f"spatial-calibration-{a}": 1.0 for a in "xy"}
    unit = "spatial-calibration-units"
    assert metaseries_scale({"PlaneInfo": {**facts, unit: "pixel"}}) == {}
    off = {"spatial-calibration-state": False, unit: "um"}
    assert metaseries_scale({"PlaneInfo": {**facts, **off}}) == {}
    assert metaseries_scale({}) == {}


def write_lsm(path: Path, scan: int, time: float) -> None:
    """Every image is followed by a thumbnail; a block of numbers at the first."""
    depth, times = (3, 1) if scan == 0 else (1, 3)
    info = bytearray(380)
    struct.pack_into("<10i", info, 0, 67127628, 380, 20, 16, depth, 1, times, 1, 8, 8)
    struct.pack_into("<3d", info, 40, 0.25e-6, 0.25e-6, 1.5e-6)  # metres
    struct.pack_into("<H", info, 88, scan)
    struct.pack_into("<d", info, 112, time)
    tag = [(34412, 1, len(info), bytes(info), True)]
    with tifffile.TiffWriter(path, byteorder="<") as out:
        for number, plane in enumerate(STACK):
            extra: Any = tag if number == 0 else ()
            common: Any = {"photometric": "minisblack", "metadata": None, "contiguous": False}
            out.write(plane, extratags=extra, **common)
            out.write(plane[::2, ::2], subfiletype=1, **common)


@pytest.mark.parametrize(
    ("scan", "time", "axes", "more"),
    [
        (0, 0.0, "ZYX", {"Z": (1.5, "µm")}),
        (3, 2.5, "TYX", {"T": (2.5, "s")}),
        (3, 0.0, "TYX", {}),
    ],
)
def test_zeiss_lsm(tmp_path: Path, scan: int, time: float, axes: str, more: dict[str, Any]) -> None:
    write_lsm(tmp_path / "a.lsm", scan, time)
    image = opened(tmp_path / "a.lsm")
    assert image.axes == axes
    assert image.meta.scale.keys() == {"X", "Y", *more}
    for axis, (step, unit) in (dict.fromkeys("XY", (0.25, "µm")) | more).items():
        assert image.meta.scale[axis] == (pytest.approx(step), unit)


Dimension = tuple[bytes, int, float, bytes]


def write_fluoview(path: Path, *dimensions: Dimension) -> None:
    """A header of 1454 bytes; its list of dimensions begins at byte 284, 100 bytes each."""
    header = bytearray(1454)
    for number, (name, size, step, unit) in enumerate(dimensions):
        struct.pack_into("<16sidd64s", header, 284 + 100 * number, name, size, 0.0, step, unit)
    tifffile.imwrite(
        path,
        STACK,
        byteorder="<",
        photometric="minisblack",
        metadata=None,
        extratags=[
            (34361, 1, len(header), bytes(header), True),
            (34362, 5, 8, [0] * 16, True),
        ],
    )


X: Dimension = (b"x", 20, 0.25, b"um")
Y: Dimension = (b"y", 16, 0.25, b"um")


@pytest.mark.parametrize(
    ("third", "axis", "step"),
    [
        ((b"z", 3, 0.5, b"microns"), "Z", (0.5, "µm")),
        ((b"t", 3, 40.0, b"ms"), "T", (40.0, "ms")),
        ((b"Time", 3, 40.0, b"sec"), "T", (40.0, "s")),
        ((b"Ch", 3, 1.0, b""), "C", None),
    ],
)
def test_fluoview(
    tmp_path: Path, third: Dimension, axis: str, step: tuple[float, str] | None
) -> None:
    write_fluoview(tmp_path / "a.tif", X, Y, third)
    image = opened(tmp_path / "a.tif")
    assert image.axes == axis + "YX"
    more = {axis: step} if step else {}
    assert dict(image.meta.scale) == dict.fromkeys("XY", (0.25, "µm")) | more


def test_places_of_fluoview_are_no_step() -> None:
    """Its dimension "XY" counts positions of the stage."""
    dimensions = [("x", 20, 0.0, 0.25, "um"), ("XY", 3, 0.0, 900.0, "um")]
    assert fluoview_scale({"Dimensions": dimensions}) == {"X": (0.25, "µm")}


def write_mmstack(path: Path, summary: dict[str, Any]) -> None:
    """A list of places before the first page, and pages of 13 tags with their samples behind."""
    text = json.dumps(summary).encode()
    start = 40 + len(text) + len(text) % 2
    size = STACK[0].nbytes
    length = 162 + size
    pages, places = b"", b""
    for number, plane in enumerate(STACK):
        at = start + number * length
        following = at + length if number + 1 < len(STACK) else 0
        tags = [
            (254, 4, 1, 0), (256, 4, 1, 20), (257, 4, 1, 16), (258, 3, 1, 16), (259, 3, 1, 1),
            (262, 3, 1, 1), (273, 4, 1, at + 162), (277, 3, 1, 1), (278, 4, 1, 16),
            (279, 4, 1, size), (284, 3, 1, 1), (296, 3, 1, 1), (51123, 2, len(text), 40),
        ]  # fmt: skip
        entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
        pages += struct.pack("<H", 13) + entries + struct.pack("<I", following) + plane.tobytes()
        places += struct.pack("<5I", 0, number, 0, 0, at)
    end = start + len(pages)
    head = b"II*\0" + struct.pack(
        "<9I", start, 54773648, end, 483765892, end, 0, 0, 2355492, len(text)
    )
    index = struct.pack("<2I", 3453623, len(STACK)) + places
    path.write_bytes(head + text.ljust(start - 40) + pages + index)


def test_micromanager_stacks(tmp_path: Path) -> None:
    summary = {
        "MicroManagerVersion": "2.0",
        "Frames": 1,
        "Slices": 3,
        "Channels": 1,
        "Positions": 1,
        "PixelSize_um": 0.325,
        "z-step_um": 0.5,
        "Interval_ms": 0,
    }
    write_mmstack(tmp_path / "a_MMStack.ome.tif", summary)
    image = opened(tmp_path / "a_MMStack.ome.tif")
    assert image.axes == "ZYX"
    assert dict(image.meta.scale) == dict.fromkeys("XY", (0.325, "µm")) | {"Z": (0.5, "µm")}
    write_mmstack(tmp_path / "b_MMStack.tif", {**summary, "PixelSize_um": 0})
    assert dict(opened(tmp_path / "b_MMStack.tif").meta.scale) == {"Z": (0.5, "µm")}
