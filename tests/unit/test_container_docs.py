"""docs/format.md says what the code does: a decoder can be written from it."""

from __future__ import annotations

import hashlib
import re
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
    assert dictionary(text) == spec.DICTIONARY
    assert f"{len(spec.DICTIONARY)} bytes of UTF-8" in text
    assert f"`{hashlib.sha256(spec.DICTIONARY).hexdigest()}`" in text


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


@pytest.mark.parametrize("level", [0, 3])
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
    assert data[:8] == bytes.fromhex(re.findall(r"magic `([0-9A-F ]+)`", text)[0])
    assert data[8] == 1
    stored, size, count = data[13:16]
    start, end = 16 + stored, 16 + stored + size
    assert int.from_bytes(data[9:13], "little") == spec.crc32c(data[:9] + data[13:end])
    json_text = zlib.decompressobj(-15, zdict=dictionary(text)).decompress(data[16:start])
    assert json_text == (
        b'{"axes":"YX","dtype":"uint8","field":{"kind":"siren"},'
        b'"range":[[0,1]],"requires":[],"shape":[2,2]}'
    )
    assert count == 2
    numbers = [1 + 2 * level, 1, 1, 0, 0, 1, 7, 3]  # two runs, then lengths; OMEX is kind 0
    crcs = [spec.crc32c(content).to_bytes(4, "little") for content in (b"weights", b"xml")]
    assert data[start:end] == b"\x02OMEXQWTS" + bytes(numbers) + b"".join(crcs)
    assert data[end:] == b"weightsxml"


def dictionary(text: str) -> bytes:
    """The preset dictionary, from the page."""
    (block,) = re.findall(r"```dictionary\n(.*?)```", text, re.DOTALL)
    return "".join(block.splitlines()).encode()
