"""Metadata that are long: no image is refused, and no encode fails, for its names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import inif
from inif.encode.metadata import LONGEST, fitting
from inif.errors import RemarkWarning
from inif.image import Channel, Image, Metadata
from inif.io import to_ome_xml
from inif.io.ome import unkept_remark

DATA = np.random.default_rng(0).integers(0, 255, (2, 32, 40)).astype(np.uint8)


def random_text(length: int, seed: int = 0) -> str:
    return "".join(map(chr, np.random.default_rng(seed).integers(97, 123, length)))


def test_what_fits_is_left_alone() -> None:
    meta = Metadata("cells", {"X": (0.5, "µm")}, (Channel("DNA", "#00FF00"), Channel("actin")))
    image = Image(DATA, "CYX", meta)
    assert fitting(image, 1000) is image
    assert fitting(image, None) is image


def test_long_texts_are_cut() -> None:
    long = random_text(3_000_000)
    meta = Metadata(long, {"X": (0.5, long)}, (Channel(long), Channel("actin")))
    image = fitting(Image(DATA, "CYX", meta), None)
    assert image.meta.name == long[: LONGEST - 1] + "…"
    assert [len(c.name or "") for c in image.meta.channels] == [LONGEST, 5]
    assert len(image.meta.scale["X"][1] or "") == LONGEST
    assert len(image.remarks) == 1


def test_names_that_take_most_of_the_file_are_left_out() -> None:
    channels = (Channel(random_text(500, 1)), Channel(random_text(500, 2)))
    image = Image(DATA, "CYX", Metadata("cells", channels=channels))
    assert fitting(image, 4000) is image
    small = fitting(image, 400)
    assert small.meta == Metadata("cells")
    assert "names and colours" in small.remarks[0]
    none = fitting(Image(DATA, "CYX", Metadata(random_text(900), channels=channels)), 400)
    assert none.meta == Metadata()
    assert len(none.remarks) == 2


def test_ten_thousand_channels() -> None:
    data = np.zeros((10_000, 2, 2), np.uint8)
    channels = tuple(Channel(random_text(100, i), "#00FF00") for i in range(10_000))
    image = fitting(Image(data, "CYX", Metadata("many", channels=channels)), None)
    assert image.meta == Metadata("many")


@pytest.mark.parametrize(
    "name", ["a\x00b", "\ud800", "\x1b[31mred", "\ufffe", "a\nb", "é" * 900, "\U0001f600" * 900]
)
def test_no_name_fails_after_the_encode(tmp_path: Path, name: str) -> None:
    channels = (Channel(name, "#00ff00"), Channel(None))
    image = Image(DATA, "CYX", Metadata(name, {"X": (1e-320, name)}, channels))
    with inif.compress(image, out=tmp_path / "a.inif", lossless=True) as file:
        assert file.meta.name
        assert file.meta.name.isprintable() or "\ufffd" in file.meta.name


def test_a_name_longer_than_the_file(tmp_path: Path) -> None:
    image = Image(DATA, "CYX", Metadata(random_text(100_000)))
    with pytest.warns(RemarkWarning) as caught:
        file = inif.compress(image, ratio=2, effort=1, method="hybrid", codec="jpeg2000")
    assert "letters" in str(caught[0].message)
    assert file.meta.name is None or len(file.meta.name) <= LONGEST


PLAIN = to_ome_xml(DATA.shape, "CYX", "uint8", Metadata("a", {"X": (1.0, "parsnip")}))
RICH = PLAIN.replace("<Image ", '<Instrument ID="Instrument:0"/><Image ', 1)


def test_ome_xml_that_is_left_out_is_said_if_it_says_more() -> None:
    assert unkept_remark(None) == []
    assert unkept_remark(PLAIN) == []
    assert unkept_remark("<OME") == []
    assert "OME-XML" in unkept_remark(RICH)[0]
    assert unkept_remark(PLAIN.replace("<Channel ", '<Channel Fluor="GFP" ', 1))


def test_compressing_says_that_ome_xml_is_left_out() -> None:
    inif.compress(Image(DATA, "CYX", Metadata("a", ome_xml=PLAIN)), lossless=True)
    rich = Image(DATA, "CYX", Metadata("a", ome_xml=RICH))
    with pytest.warns(RemarkWarning, match="OME-XML"):
        file = inif.compress(rich, lossless=True)
    assert "Instrument" not in file.ome


def test_ome_xml_that_does_not_fit_is_said_before_the_work() -> None:
    rich = Image(DATA, "CYX", Metadata("a", ome_xml=RICH))
    first: list[int] = []
    with pytest.warns(RemarkWarning) as caught:
        inif.compress(
            rich,
            ratio=2,
            effort=1,
            method="hybrid",
            codec="jpeg2000",
            progress=lambda event: first.append(len(caught)),
        )
    assert first[0] == sum("OME-XML" in str(w.message) for w in caught) == 1
