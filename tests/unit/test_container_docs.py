"""docs/format.md says what the code does: a decoder can be written from it."""

from __future__ import annotations

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


def test_the_dictionary_is_given_byte_for_byte(text: str) -> None:
    (block,) = re.findall(r"```hex\n(.*?)```", text, re.DOTALL)
    assert bytes.fromhex(block) == spec.DICTIONARY
    assert f"{len(spec.DICTIONARY)} bytes of UTF-8" in text


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


def test_a_reader_written_from_the_text_reads_our_files(text: str) -> None:
    header: dict[str, Any] = {
        "axes": "YX",
        "shape": [2, 2],
        "dtype": "uint8",
        "range": [[0, 1]],
        "field": {"kind": "siren"},
        "requires": [],
    }
    data = pack(header, [Section(b"QWTS", b"weights", 0), Section(b"OMEX", b"xml")])
    (block,) = re.findall(r"```hex\n(.*?)```", text, re.DOTALL)
    magic, major, minor, stored, length, count, crc = struct.unpack_from("<8s2H4I", data)
    assert magic == bytes.fromhex(re.findall(r"magic `([0-9A-F ]+)`", text)[0])
    assert (major, minor, count) == (1, 0, 2)
    table = 28 + stored
    assert spec.crc32c(data[:24] + data[28 : table + 32 * count]) == crc
    json_text = zlib.decompressobj(-15, zdict=bytes.fromhex(block)).decompress(data[28:table])
    assert len(json_text) == length
    assert json_text == (
        b'{"axes":"YX","dtype":"uint8","field":{"kind":"siren"},'
        b'"range":[[0,1]],"requires":[],"shape":[2,2]}'
    )
    end = table + 32 * count
    for i, (kind, brick, content) in enumerate(
        [(b"QWTS", 0, b"weights"), (b"OMEX", 0xFFFFFFFF, b"xml")]
    ):
        entry = struct.unpack_from("<4sI2H2QI", data, table + 32 * i)
        assert entry == (kind, brick, 0, 0, end, len(content), spec.crc32c(content))
        assert data[end : end + len(content)] == content
        end += len(content)
    assert end == len(data)
