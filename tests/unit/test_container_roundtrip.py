"""What goes into a container comes out of it, and its size is known beforehand."""

from __future__ import annotations

import io
import string
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inif.container import WHOLE_FILE, Section, open_container, pack, packed_size, spec
from inif.container.header import canonical_json, decode_header, encode_header
from inif.container.layout import LONG, SHORT, SHORT_SECTIONS
from inif.image import DTYPES

HEADER = {
    "axes": "ZYX",
    "shape": [60, 256, 256],
    "dtype": "uint16",
    "range": [[0, 65535]],
    "brick": [60, 256, 256],
    "field": {"kind": "siren", "layers": 7, "width": 108, "channels": "outputs", "omega": 30.0},
    "requires": ["siren/1", "qweights/1"],
    "meta": {"name": "cells.tif", "channels": ["DNA"], "scale": {"Y": [0.1, "µm"]}},
    "lossy": {
        "method": "siren",
        "target": {"ratio": 128},
        "psnr": 36.2,
        "max_error": 123.0,
        "seed": 0,
        "encoder": "inif 0.1.0",
        "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    },
}
TEXT = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), max_size=12
)
STEP = st.floats(min_value=1e-9, max_value=1e9)


@st.composite
def headers(draw: st.DrawFn) -> dict:
    axes = "".join(draw(st.permutations("TCZYX"))[: draw(st.integers(1, 5))])
    shape = [draw(st.integers(1, 40)) for _ in axes]
    channels = shape[axes.index("C")] if "C" in axes else 1
    dtype = draw(st.sampled_from(DTYPES))
    value = st.integers(0, 255) if dtype != "float32" else st.floats(-1e30, 1e30)
    header = {
        "axes": axes,
        "shape": shape,
        "dtype": dtype,
        "range": [sorted(draw(st.tuples(value, value))) for _ in range(channels)],
        "field": {"kind": "siren", "width": draw(st.integers(1, 500))},
        "requires": ["siren/1", "qweights/1"],
        "meta": {
            "name": draw(TEXT),
            "scale": {a: [draw(STEP), draw(st.none() | TEXT)] for a in axes if a != "C"},
            "channels": [draw(st.none() | TEXT) for _ in range(channels)],
            "colors": [draw(st.sampled_from([None, "#00fF7a"])) for _ in range(channels)],
        },
        "lossy": {"psnr": draw(st.floats(0, 100)), "later": draw(TEXT)},
    }
    if draw(st.booleans()):
        header["brick"] = [draw(st.integers(1, n)) for n in shape]
    return header


KINDS = st.sampled_from([b"QWTS", b"OMEX", b"xtra"])
KEYS = st.tuples(KINDS, st.sampled_from([0, WHOLE_FILE]), st.integers(0, 65535))
SECTIONS = st.dictionaries(KEYS, st.binary(max_size=300), max_size=8)


@settings(max_examples=60, deadline=None)
@given(headers(), SECTIONS)
def test_header_and_sections_come_back(header: dict, contents: dict) -> None:
    sections = [Section(k, data, brick, level) for (k, brick, level), data in contents.items()]
    data = pack(header, sections)
    version = 1 if any(s.level for s in sections) else 2
    if version == 2:
        assert len(data) == packed_size(header, sections)
    with open_container(data) as container:
        assert container.header == header
        assert (container.major, container.minor) == (version, 0)
        assert container.file_bytes == len(data)
        assert len(container.sections) == len(sections)
        for (kind, brick, level), content in contents.items():
            found = container.find(kind, brick, level)
            assert found is not None
            assert container.read(found) == content
        assert container.find(b"NONE") is None
        assert container.check_all() == []


@settings(max_examples=60, deadline=None)
@given(headers(), st.sampled_from([spec.DICTIONARY, spec.DICTIONARY_2]))
def test_a_header_is_written_the_same_way_whatever_its_order(header: dict, preset: bytes) -> None:
    backwards = dict(reversed(header.items()))
    assert encode_header(backwards, preset) == encode_header(header, preset)
    stored, length = encode_header(header, preset)
    assert decode_header(stored, length, preset, "x") == header
    assert length == len(canonical_json(header))


def test_a_tiny_file_costs_little() -> None:
    for layout, most in ((LONG, 130), (SHORT, 140)):
        stored, length = encode_header(HEADER, layout.dictionary)
        assert length > 400
        assert len(stored) < most  # of which some 40 for the sha256
    assert packed_size(HEADER, []) == SHORT.prelude.size + len(stored)


HYBRID = {
    "axes": "ZYX",
    "shape": [20, 300, 400],
    "dtype": "uint16",
    "range": [[90, 4001]],
    "codec": {"kind": "av1"},
    "field": {"kind": "conditional", "start": "a"},
    "requires": ["hybrid/1", "av1/2", "conditional/1"],
    "lossy": {"auto": "trial", "effort": 3, "encoder": "inif 0.1.0", "max_error": 512}
    | {"method": "hybrid", "psnr": 38.21, "seed": 0, "sha256": "9f86d081884c7d65"}
    | {"target": {"ratio": 256.0}},
}


def test_the_index_of_a_small_hybrid_is_half_of_what_it_was() -> None:
    long = LONG.prelude.size + len(encode_header(HYBRID, LONG.dictionary)[0]) + LONG.entry.itemsize
    assert packed_size(HYBRID, [Section(b"PRIO", bytes(3000), 0)]) - 3000 < long / 2 + 10


@pytest.mark.parametrize(
    ("sections", "version"),
    [
        ([Section(b"QWTS", b"w", 0)], 2),
        ([Section(b"QWTS", b"w", 0, 1)], 1),
        ([Section(b"xtra", b"", b) for b in range(SHORT_SECTIONS)], 2),
        ([Section(b"xtra", b"", b) for b in range(SHORT_SECTIONS + 1)], 1),
        ([Section(b"xtra", b"", 65534)], 2),
        ([Section(b"xtra", b"", 65535)], 1),
    ],
    ids=["one", "a level", "few", "many", "the last short number", "the first long number"],
)
def test_what_version_2_cannot_say_is_written_in_version_1(
    sections: list[Section], version: int
) -> None:
    header = {**HEADER, "shape": [70_000, 1, 1], "brick": [1, 1, 1]}
    container = open_container(pack(header, sections))
    assert container.major == version
    assert [(s.kind, s.brick, s.level) for s in container.sections] == [
        (s.kind, s.brick, s.level) for s in sections
    ]


def test_a_header_too_large_for_version_2_is_written_in_version_1() -> None:
    header = {**HEADER, "later": "abcdefgh" * 9000}
    parts = [Section(b"QWTS", b"w", 0)]
    data = pack(header, parts)
    assert open_container(data).major == 1
    assert len(data) == packed_size(header, parts)


def test_sections_are_numbered_in_file_order() -> None:
    header = {**HEADER, "brick": [20, 256, 256]}
    parts = [Section(b"QWTS", bytes([i]) * 5, i) for i in (2, 0, 1)]
    container = open_container(pack(header, [*parts, Section(b"OMEX", b"")]))
    assert container.grid == (3, 1, 1)
    assert [s.brick for s in container.sections] == [2, 0, 1, WHOLE_FILE]
    assert [s.kind for s in container.sections[1:]] == [b"QWTS", b"QWTS", b"OMEX"]
    assert container.require(b"QWTS", 1).offset == container.sections[2].offset


@given(st.permutations(range(6)), st.integers(1, 9))
def test_sections_side_by_side_are_read_together(order: list[int], most: int) -> None:
    contents = [bytes([i]) * i for i in range(6)]
    header = {**HEADER, "brick": [10, 256, 256]}
    data = pack(header, [Section(b"QWTS", c, i) for i, c in enumerate(contents)])
    with open_container(data) as container, patch("inif.container.reader._RUN", most):
        wanted = [container.require(b"QWTS", i) for i in order]
        assert list(container.read_each(wanted)) == [contents[i] for i in order]


def test_opening_reads_no_section() -> None:
    data = pack(HEADER, [Section(b"QWTS", bytes(100_000), 0)])
    file = io.BytesIO(data)
    reads: list[int] = []
    real = file.read
    file.read = lambda n=-1: reads.append(n) or real(n)  # type: ignore[assignment]
    open_container(file)
    assert reads == [spec.FIRST_READ]


def test_unknown_optional_sections_are_kept_and_skipped() -> None:
    container = open_container(pack(HEADER, [Section(b"note", b"hello")]))
    assert container.read(container.sections[0]) == b"hello"


def test_many_sections_are_found() -> None:
    parts = [Section(b"QWTS", b"", 0, level) for level in range(2000)]
    container = open_container(pack(HEADER, parts))
    found = container.find(b"QWTS", 0, 1234)
    assert found is not None
    assert found.level == 1234
    assert container.find(b"QWTS", 0, 2000) is None
    assert container.find(b"QWTS", WHOLE_FILE, 5) is None


@pytest.mark.parametrize("letters", [string.ascii_uppercase, "µéλ中"])
def test_text_beyond_ascii_is_kept(letters: str) -> None:
    header = {**HEADER, "meta": {"name": letters}}
    assert open_container(pack(header, [])).header["meta"]["name"] == letters
