"""docs/format.md says what the code does: a decoder can be written from it."""

from __future__ import annotations

import hashlib
import re
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest

from inif.container import Rejection, Section, pack, spec

DOC = Path(__file__).parents[2] / "docs" / "format.md"


@pytest.fixture(scope="module")
def text() -> str:
    return DOC.read_text(encoding="utf-8")


def test_the_dictionaries_are_given_byte_for_byte(text: str) -> None:
    blocks = re.findall(r"```hex\n(.*?)```", text, re.DOTALL)
    for block, dictionary in zip(blocks, (spec.DICTIONARY, spec.DICTIONARY_2), strict=True):
        assert bytes.fromhex(block) == dictionary
        assert f"{len(dictionary)} bytes of UTF-8" in text
        assert f"`{hashlib.sha256(dictionary).hexdigest()}`" in text


def test_every_rejection_is_explained(text: str) -> None:
    named = set(re.findall(r"\| `([a-z_]+)` \|\n", text))
    assert named == {r.value for r in Rejection}


def test_the_limits_are_those_of_the_code(text: str) -> None:
    assert spec.MAX_HEADER == spec.MAX_SECTIONS == 2**20
    assert (spec.MAX_BRICKS, spec.MAX_SAMPLES) == (2**24, 2**48)
    for line in ("| 1 MiB (2²⁰ bytes) each |", "| sections | 2²⁰ |", "| bricks | 2²⁴ |"):
        assert line in text
    assert f"| nesting of the JSON | {spec.MAX_NESTING} |" in text
    assert f"| integer in the JSON | {spec.MAX_DIGITS} characters |" in text
    for kind in spec.SUPPORTED_KINDS:
        assert f"| `{kind.decode()}` |" in text
    assert spec.crc32c(b"123456789") == 0xE3069283


@pytest.mark.parametrize("level", [0, 1])
def test_a_reader_written_from_the_text_reads_our_files(text: str, level: int) -> None:
    header: dict[str, Any] = {
        "axes": "YX",
        "shape": [2, 2],
        "dtype": "uint8",
        "range": [[0, 1]],
        "field": {"kind": "siren"},
        "requires": [],
    }
    data = pack(header, [Section(b"QWTS", b"weights", 0, level), Section(b"OMEX", b"xml")])
    version = 2 - level  # version 2 knows no levels
    block = re.findall(r"```hex\n(.*?)```", text, re.DOTALL)[version - 1]
    prelude, row = (("<8s2H4I", "<4sI2H2QI"), ("<8s2B2HBI", "<4sHII"))[version - 1]
    magic, major, minor, stored, length, count, crc = struct.unpack_from(prelude, data)
    assert magic == bytes.fromhex(re.findall(r"magic `([0-9A-F ]+)`", text)[0])
    assert (major, minor, count) == (version, 0, 2)
    start, wide = struct.calcsize(prelude), struct.calcsize(row)
    assert (start, wide) == ((28, 32), (19, 14))[version - 1]
    table = start + stored
    assert spec.crc32c(data[: start - 4] + data[start : table + wide * count]) == crc
    json_text = zlib.decompressobj(-15, zdict=bytes.fromhex(block)).decompress(data[start:table])
    assert len(json_text) == length
    assert json_text == (
        b'{"axes":"YX","dtype":"uint8","field":{"kind":"siren"},'
        b'"range":[[0,1]],"requires":[],"shape":[2,2]}'
    )
    end = table + wide * count
    for i, (kind, brick, content) in enumerate(
        [(b"QWTS", 0, b"weights"), (b"OMEX", 0xFFFFFFFF, b"xml")]
    ):
        entry = struct.unpack_from(row, data, table + wide * i)
        place = (len(content), spec.crc32c(content))
        if version == 1:
            assert entry == (kind, brick, level * (i == 0), 0, end, *place)
        else:
            assert entry == (kind, min(brick, 0xFFFF), *place)
        assert data[end : end + len(content)] == content
        end += len(content)
    assert end == len(data)
