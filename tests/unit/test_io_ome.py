"""OME-XML: what is read from it, what is written, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inif.errors import InputError
from inif.image import Channel, Metadata
from inif.io import ome_document, parse_ome_xml, to_ome_xml
from inif.io.ome import MAX_XML
from inif.io.units import LENGTHS, TIMES, symbol, word

SOURCE = """<?xml version="1.0" encoding="UTF-8"?>
<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:1" Creator="scope">
<Instrument ID="Instrument:0"><Objective ID="Objective:0" LensNA="1.4"/></Instrument>
<Image ID="Image:0" Name="left"><AcquisitionDate>2020-01-02T03:04:05</AcquisitionDate>
<InstrumentRef ID="Instrument:0"/>
<Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint16" SignificantBits="12" BigEndian="true"
 SizeX="9" SizeY="8" SizeC="3" SizeZ="5" SizeT="1"
 PhysicalSizeX="0.1" PhysicalSizeY="100" PhysicalSizeYUnit="nm" TimeIncrement="2">
<Channel ID="Channel:0:0" Name="DNA" Color="65535" EmissionWavelength="461"/>
<Channel ID="Channel:0:1" Name="actin" Color="-16776961"/>
<Channel ID="Channel:0:2"/>
<TiffData/><Plane TheC="0" TheT="0" TheZ="0" DeltaT="0.1"/></Pixels>
<ROIRef ID="ROI:0"/></Image>
<ROI ID="ROI:0"><Union><Point ID="Shape:0" X="1" Y="2"/></Union></ROI></OME>"""


def test_parse() -> None:
    meta = parse_ome_xml(SOURCE)
    assert meta.name == "left"
    assert meta.scale == {"X": (0.1, "µm"), "Y": (100.0, "nm"), "T": (2.0, "s")}
    assert meta.channels == (
        Channel("DNA", "#0000FF"),
        Channel("actin", "#FF0000"),
        Channel(None, None),
    )
    assert meta.ome_xml == SOURCE


names = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), min_size=1
)
colors = st.none() | st.integers(0, 0xFFFFFF).map(lambda v: f"#{v:06X}")
steps = st.floats(1e-12, 1e12)


@given(
    name=names,
    scale=st.fixed_dictionaries(
        {},
        optional={
            **{
                a: st.tuples(steps, st.sampled_from([None, "parsnip", *LENGTHS.values()]))
                for a in "XYZ"
            },
            "T": st.tuples(steps, st.sampled_from([None, "frame", *TIMES.values()])),
        },
    ),
    channels=st.lists(st.builds(Channel, st.none() | names, colors), min_size=2, max_size=4),
)
def test_what_is_written_is_read_back(
    name: str, scale: dict[str, tuple[float, str | None]], channels: list[Channel]
) -> None:
    meta = Metadata(name, scale, tuple(channels))
    xml = to_ome_xml((2, len(channels), 3, 4, 5), "TCZYX", np.uint8, meta)
    back = parse_ome_xml(xml)
    assert (back.name, back.scale, back.channels) == (meta.name, meta.scale, meta.channels)


@pytest.mark.parametrize("tiff", [False, True])
@pytest.mark.parametrize("axes", ["YX", "TZCYX", "CTZYX", "ZYX", "X"])
def test_documents_are_valid(axes: str, tiff: bool) -> None:
    ome_types = pytest.importorskip("ome_types")
    meta = Metadata("a", {"X": (1.0, None), "T": (2.0, "frame")}, (Channel("x", "#FFFFFF"),))
    shape = tuple(range(2, 2 + len(axes)))
    sized = dict(zip(axes, shape, strict=True))
    for document in (
        to_ome_xml(shape, axes, "float32", meta, tiff=tiff),
        ome_document(shape, axes, "float32", Metadata(ome_xml=SOURCE, scale=meta.scale), tiff=tiff),
    ):
        pixels = ome_types.from_xml(document, validate=True).images[0].pixels
        for axis in "TCZYX":
            assert getattr(pixels, f"size_{axis.lower()}") == sized.get(axis, 1)
        order = [a for a in reversed(pixels.dimension_order.value) if a in axes]
        assert [a for a in order if a not in "YX"] == [a for a in axes if a not in "YX"]
        assert len(pixels.channels) == sized.get("C", 1)


def test_control_characters_do_not_break_the_document() -> None:
    meta = Metadata("a\x00b\ud800", channels=(Channel("\x1b"), Channel(None, "nonsense")))
    back = parse_ome_xml(to_ome_xml((2, 3, 4), "CYX", "uint8", meta))
    assert back.name == "a\ufffdb\ufffd"
    assert back.channels == (Channel("\ufffd"), Channel())


def test_update_keeps_what_still_holds() -> None:
    meta = parse_ome_xml(SOURCE)
    same = ome_document((5, 3, 8, 9), "ZCYX", "uint16", meta, tiff=True)
    assert 'LensNA="1.4"' in same
    assert "AcquisitionDate" in same
    assert "DeltaT" in same
    assert 'EmissionWavelength="461"' in same
    assert 'PlaneCount="15"' in same
    assert "UUID" not in same
    assert "BigEndian" not in same
    back = parse_ome_xml(same)
    assert (back.name, back.scale, back.channels) == (meta.name, meta.scale, meta.channels)


def test_update_follows_a_slice() -> None:
    source = parse_ome_xml(SOURCE)
    meta = Metadata("left", {"X": (0.4, "µm")}, (source.channels[1],), SOURCE)
    part = ome_document((4, 3), "YX", "float32", meta)
    assert 'LensNA="1.4"' in part
    assert "DeltaT" not in part
    assert "SignificantBits" not in part
    assert "MetadataOnly" in part
    back = parse_ome_xml(part)
    assert back.channels == (Channel("actin", "#FF0000"),)
    assert back.scale["X"] == (0.4, "µm")
    assert "Y" not in back.scale


def test_update_of_one_image_of_several() -> None:
    start, end = SOURCE.index("<Image"), SOURCE.index("</Image>") + 8
    second = SOURCE[start:end].replace("left", "right").replace(":0", ":1")
    both = SOURCE[:end] + second + SOURCE[end:]
    meta = parse_ome_xml(both, 1)
    assert meta.name == "right"
    one = ome_document((5, 3, 8, 9), "ZCYX", "uint16", meta)
    assert one.count("<Image ") == 1
    assert parse_ome_xml(one).name == "right"
    unclear = ome_document((5, 3, 8, 9), "ZCYX", "uint16", Metadata("other", ome_xml=both))
    assert "Instrument" not in unclear


def test_a_damaged_source_is_replaced() -> None:
    xml = ome_document((3, 4), "YX", "uint8", Metadata("a", ome_xml="<OME"))
    assert parse_ome_xml(xml).name == "a"


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><OME><Image Name="&b;"/></OME>'


@pytest.mark.parametrize(
    ("xml", "problem"),
    [
        (BOMB, "document type"),
        ('<!DOCTYPE x SYSTEM "file:///etc/passwd"><OME/>', "document type"),
        ("<OME>", "damaged"),
        ("", "damaged"),
        ("<OME/>", "no such image"),
        ("<OME>" + " " * MAX_XML + "</OME>", "too large"),
    ],
)
def test_refused(xml: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        parse_ome_xml(xml)


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "0", "much", ""])
def test_steps_that_are_no_numbers_are_not_stated(value: str) -> None:
    xml = SOURCE.replace('PhysicalSizeX="0.1"', f'PhysicalSizeX="{value}"')
    assert "X" not in parse_ome_xml(xml).scale


def test_unknown_type() -> None:
    with pytest.raises(InputError, match="sample type"):
        to_ome_xml((2, 2), "YX", "int64", Metadata())


@pytest.mark.parametrize("unit", [*LENGTHS, *TIMES])
def test_units_there_and_back(unit: str) -> None:
    assert word(symbol(unit)) == unit


@pytest.mark.parametrize(
    "spelling", ["um", "micron", "\u03bcm", "\u00b5m", "micrometer", "\\u00B5m"]
)
def test_spellings(spelling: str) -> None:
    assert symbol(spelling) == "µm"
