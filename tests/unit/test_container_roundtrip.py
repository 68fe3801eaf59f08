"""What goes into a container comes out of it, and its size is known beforehand."""

from __future__ import annotations

import io
import string
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inif.container import WHOLE_FILE, Section, open_container, pack, packed_size, spec
from inif.container.header import canonical_json, decode_header, encode_header
from inif.container.index import ROW, read_table, write_table
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
    assert len(data) == packed_size(header, sections)
    with open_container(data) as container:
        assert container.header == header
        assert container.file_bytes == len(data)
        assert len(container.sections) == len(sections)
        for (kind, brick, level), content in contents.items():
            found = container.find(kind, brick, level)
            assert found is not None
            assert container.read(found) == content
        assert container.find(b"NONE") is None
        assert container.check_all() == []


@settings(max_examples=60, deadline=None)
@given(headers())
def test_a_header_is_written_the_same_way_whatever_its_order(header: dict) -> None:
    backwards = dict(reversed(header.items()))
    assert encode_header(backwards) == encode_header(header)
    assert decode_header(encode_header(header), "x") == header


def test_a_tiny_file_costs_little() -> None:
    stored = encode_header(HEADER)
    assert len(canonical_json(HEADER)) > 400
    assert len(stored) < 150  # of which some 40 for the sha256
    assert packed_size(HEADER, []) == 17 + len(stored)
    assert packed_size(HEADER, [Section(b"QWTS", bytes(100), 0)]) == 17 + len(stored) + 13 + 100


LATENT = {
    "axes": "YX",
    "shape": [300, 400],
    "dtype": "uint16",
    "range": [[90, 4001]],
    "field": {"gains": [16], "kind": "latent", "nets": "1", "step": 2475.1, "tables": "1"},
    "requires": ["latent/1"],
    "lossy": {"auto": "trial", "effort": 3, "encoder": "inif 0.1.0", "max_error": 512}
    | {"method": "latent", "psnr": 38.21, "sha256": "9f86d081884c7d65", "target": {"ratio": 256}},
}


def test_the_index_of_a_latent_file_is_small() -> None:
    assert packed_size(LATENT, [Section(b"LATN", bytes(3000), 0)]) - 3000 < 95


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([b"LATC", b"LATN", b"CORR", b"note"]),
            st.one_of(st.just(WHOLE_FILE), st.integers(0, 9), st.integers(0, 2**24 - 1)),
            st.one_of(st.just(0), st.integers(0, 65535)),
            st.one_of(st.integers(0, 300), st.integers(0, 2**50)),
            st.integers(0, 2**32 - 1),
            st.integers(1, 5),
        ),
        max_size=30,
    )
)
def test_a_table_says_what_was_written(parts: list[tuple]) -> None:
    rows = []
    for kind, brick, level, length, crc, count in parts:
        bricks = [brick] if brick == WHOLE_FILE else range(brick, min(brick + count, 2**24))
        rows += [(kind, b, level, 0, length + i, crc) for i, b in enumerate(bricks)]
    table = np.array(rows, ROW)
    table["offset"] = 77 + np.cumsum(table["length"]) - table["length"]
    stored = write_table(table)
    back = read_table(
        stored, len(rows), start=77, bricks=2**24, known=spec.SUPPORTED_KINDS, name="x"
    )
    assert back.tobytes() == table.tobytes()


def test_a_million_sections_take_seven_bytes_each() -> None:
    count = spec.MAX_SECTIONS
    rows = np.zeros(count, ROW)
    rows["kind"], rows["brick"] = b"LATN", np.arange(count)
    rows["length"] = rows["crc"] = 1_000_000
    rows["offset"] = 1_000_000 * np.arange(count)
    stored = write_table(rows)
    assert len(stored) < 7 * count + 20
    known = spec.SUPPORTED_KINDS
    back = read_table(stored, count, start=0, bricks=count, known=known, name="x")
    assert np.array_equal(back, rows)


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
