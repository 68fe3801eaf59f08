"""Files made to harm: every checksum holds, so each later check has to stand for itself."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from inif.container import WHOLE_FILE, Rejection, open_container, spec

R = Rejection
U32, U64 = 2**32 - 1, 2**64 - 1


def test_a_forged_file_without_fault_opens(kit: Any) -> None:
    assert open_container(kit.forge()).header == kit.header


# --- prelude ---------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [0, 2, 255])
def test_another_version(kit: Any, version: int) -> None:
    error = kit.refused(kit.forge(version=version))
    assert error.rejection is R.BAD_VERSION
    assert "newer inif" in str(error)
    assert str(version) in str(error.got)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"lengths": (U32, None)}, R.HEADER_TOO_LARGE),
        ({"lengths": (2**20 + 1, None)}, R.HEADER_TOO_LARGE),
        ({"lengths": (2**20, None)}, R.TRUNCATED),
        ({"lengths": (None, 1025)}, R.TABLE_TOO_LARGE),
        ({"lengths": (None, U64)}, R.TABLE_TOO_LARGE),
        ({"lengths": (None, 1024)}, R.TRUNCATED),
        ({"lengths": (None, 1)}, R.TRUNCATED),
        ({"count": 10**9}, R.TABLE_TOO_LARGE),
        ({"count": 2**20 + 1}, R.TABLE_TOO_LARGE),
        ({"count": 2**20}, R.BAD_TABLE),
        ({"count": 1}, R.BAD_TABLE),
    ],
)
def test_absurd_lengths(kit: Any, changes: dict[str, Any], why: Rejection) -> None:
    assert kit.refused(kit.forge(**changes), limit=1 << 20).rejection is why


# --- header ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "stored", [b"", b"\0", b"\xff" * 40, b"\x03", bytes(100), b"\x05\xe0\x81"], ids=repr
)
def test_a_header_that_is_no_deflate_stream(kit: Any, stored: bytes) -> None:
    data = kit.forge(stored=stored)
    assert kit.refused(data).rejection is R.HEADER_DEFLATE


def test_bytes_after_the_stream_or_a_stream_without_end(kit: Any) -> None:
    text = json.dumps(kit.header).encode()
    stored = kit.deflate(text)
    for bad in (stored + b"\0", stored[:-1]):
        error = kit.refused(kit.forge(stored=bad))
        assert error.rejection is R.HEADER_DEFLATE


def test_a_deflate_bomb_is_not_inflated(kit: Any) -> None:
    bomb = kit.deflate(b" " * (64 << 20))
    assert len(bomb) < 1 << 20
    error = kit.refused(kit.forge(stored=bomb), limit=4 << 20)
    assert error.rejection is R.HEADER_TOO_LARGE


UNITS = [
    pytest.param(b"[],", marks=pytest.mark.slow),
    pytest.param(b'{"":0},', marks=pytest.mark.slow),
    pytest.param(b"0,", marks=pytest.mark.slow),
    pytest.param(b"0.1,", marks=pytest.mark.slow),
    b'"a",',
    pytest.param(b'{"a":[]},', marks=pytest.mark.slow),
    pytest.param('"😀",'.encode(), marks=pytest.mark.slow),
]


@pytest.mark.parametrize("unit", UNITS, ids=repr)
def test_the_largest_header_stays_small_in_memory(kit: Any, unit: bytes) -> None:
    filler = unit * (((1 << 20) - 20) // len(unit))
    error = kit.refused(kit.forge(text=b'{"a":[' + filler[:-1] + b"]}"), limit=64 << 20)
    assert error.rejection is R.HEADER_FIELD


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"null",
        b"[]",
        b'"x"',
        b"7",
        b"{",
        b"{}{}",
        b"{'a':1}",
        b'{"a":1,}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":-Infinity}',
        b'{"a":1e999}',
        b'{"a":' + b"9" * 21 + b"}",
        b'{"a":' + b"9" * 100_000 + b"}",
        b'{"a":"\xff"}',
        b'{"a":"\xed\xa0\x80"}',
        b'{"a":"\\ud800"}',
        b'{"\\udfff":1}',
        b'{"a":"\n"}',
        b'{"a":"\\x"}',
        b"\xef\xbb\xbf{}",
        b"{}\0",
        "{}".encode("utf-16"),
        b'{"a":__import__("os")}',
        b"\x80\x04N.",
    ],
    ids=lambda t: repr(t[:20]),
)
def test_a_header_that_is_no_json_object(kit: Any, text: bytes) -> None:
    assert kit.refused(kit.forge(text=text)).rejection is R.HEADER_JSON


@pytest.mark.parametrize("depth", [33, 5000, pytest.param(500_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("brackets", [(b"[", b"]"), (b'{"a":', b"}")])
def test_deep_nesting(kit: Any, depth: int, brackets: tuple[bytes, bytes]) -> None:
    depth = min(depth, (1 << 20) // 6 - 10) if len(brackets[0]) > 1 else depth
    for closed in (True, False):
        text = b'{"a":' + brackets[0] * depth + b"1" + brackets[1] * depth * closed + b"}"
        assert kit.refused(kit.forge(text=text)).rejection is R.HEADER_JSON


def test_brackets_in_text_are_not_nesting(kit: Any) -> None:
    header = {**kit.header, "meta": {"name": '\\"' + "[{" * 100 + '"\\'}}
    assert open_container(kit.forge(header)).header == header


@pytest.mark.parametrize(
    "text", [b'{"a":1,"a":1}', b'{"a":1,"b":2,"\\u0061":3}', b'{"x":[{"a":{"b":1,"b":2}}]}']
)
def test_a_duplicate_key(kit: Any, text: bytes) -> None:
    error = kit.refused(kit.forge(text=text))
    assert error.rejection is R.DUPLICATE_KEY
    assert error.got in ("'a'", "'b'")


@pytest.mark.slow
def test_a_duplicate_key_among_very_many(kit: Any) -> None:
    keys = [f'"{i:05x}":0' for i in range(90_000)]
    text = ("{" + ",".join([*keys, keys[-1]]) + "}").encode()
    assert kit.refused(kit.forge(text=text)).rejection is R.DUPLICATE_KEY


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("shape", [2**47, 2]),
        ("shape", [10**19, 10**19]),
        ("shape", [4] * 100_000),
        ("shape", [-4, -6]),
        ("brick", [0, 6]),
        ("brick", [5, 6]),
        ("range", [[0, 10**19]]),
        pytest.param("range", [[0, 1]] * 50_000, marks=pytest.mark.slow),
        ("dtype", "object"),
        ("axes", "YX" * 1000),
        ("meta", {"scale": {"X": [1e-400, "s"]}}),
        ("field", {"kind": "x" * 100_000}),
        ("meta", {"name": "\x1b]0;owned\x07"}),
    ],
    ids=lambda v: str(v)[:20],
)
def test_hostile_fields(kit: Any, key: str, value: object) -> None:
    error = kit.refused(kit.forge({**kit.header, key: value}))
    assert error.rejection is R.HEADER_FIELD
    assert len(str(error)) < 1000


def test_a_huge_image_costs_nothing_to_open(kit: Any) -> None:
    shape = [2**23, 2**24]
    container = open_container(kit.forge({**kit.header, "shape": shape, "brick": [2**12, 2**12]}))
    assert math.prod(container.grid) == 2**23


def test_an_unknown_feature_is_named(kit: Any) -> None:
    error = kit.refused(kit.forge({**kit.header, "requires": ["teleport/9"]}))
    assert error.rejection is R.UNKNOWN_FEATURE
    assert "teleport/9" in str(error)


# --- section table ---------------------------------------------------------------------------


def two(kit: Any, first: dict[str, Any], second: dict[str, Any]) -> bytes:
    """A file of two sections of 4 bytes each, changed as asked."""
    usual = {"length": 4, "crc": spec.crc32c(b"abcd")}
    rows = [kit.entry(**usual | {"brick": b} | change) for b, change in enumerate((first, second))]
    data: bytes = kit.forge(entries=rows, body=b"abcdabcd")
    return data


def test_two_sections_without_fault(kit: Any) -> None:
    assert open_container(two(kit, {}, {})).check_all() == []


@pytest.mark.parametrize(
    ("first", "second", "why"),
    [
        ({}, {"length": 3}, R.TRAILING_BYTES),
        ({"length": 3}, {}, R.TRAILING_BYTES),
        ({}, {"length": 5}, R.TRUNCATED),
        ({"length": 5}, {}, R.TRUNCATED),
        ({}, {"length": 2**56 - 1}, R.TRUNCATED),
        ({"length": 2**56 - 1}, {"length": 2**56 - 1}, R.TRUNCATED),
        ({}, {"length": 2**56}, R.BAD_TABLE),
        ({"length": U64}, {}, R.BAD_TABLE),
        ({"length": 0}, {"length": 8}, R.SECTION_CRC),
        ({"brick": 2}, {}, R.SECTION_BRICK),
        ({}, {"brick": WHOLE_FILE - 1}, R.SECTION_BRICK),
        ({"brick": 2**50}, {}, R.SECTION_BRICK),
        ({}, {"brick": -1}, R.SECTION_BRICK),
        ({}, {"level": 2**16}, R.BAD_TABLE),
        ({}, {"level": 2**50}, R.BAD_TABLE),
        ({}, {"brick": 0}, R.SECTION_DUPLICATE),
        ({"brick": WHOLE_FILE}, {"brick": WHOLE_FILE}, R.SECTION_DUPLICATE),
        ({"kind": b"QW\0S"}, {}, R.SECTION_KIND),
        ({"kind": b"QWT\0"}, {}, R.SECTION_KIND),
        ({"kind": b"\xd1WTS"}, {}, R.SECTION_KIND),
        ({"kind": b"9WTS"}, {}, R.SECTION_KIND),
        ({}, {"kind": b"\x1b[2J"}, R.SECTION_KIND),
        ({}, {"kind": b"MOVE"}, R.UNKNOWN_SECTION),
        ({"kind": b"Zzzz"}, {}, R.UNKNOWN_SECTION),
        ({"crc": 0}, {}, R.SECTION_CRC),
        ({}, {"crc": U32}, R.SECTION_CRC),
    ],
)
def test_a_bad_table(
    kit: Any, first: dict[str, Any], second: dict[str, Any], why: Rejection
) -> None:
    assert kit.refused(two(kit, first, second), limit=1 << 20).rejection is why


@pytest.mark.parametrize(
    ("numbers", "crcs"),
    [
        ([], 0),
        ([0, 1, 2, 4, 4], 1),
        ([4, 4], 2),
        ([0, 1, 2, 4], 2),
        ([0, 1, 2, 4, 4, 4], 2),
        ([0, 1, 2], 2),
        ([0, 1, 0, 0, 1, 2, 4, 4], 2),
        ([0, 1, 1, 0, 1, 2, 4, 4], 2),
        ([0, 1, 3, 4, 4], 2),
        ([0, 0, 2, 4, 4], 2),
        ([0, 1, 2**63, 4, 4], 2),
        ([0, 1, 2, 4, 4], 3),
        ([0, 1, 1] * 50, 2),
    ],
    ids=str,
)
def test_numbers_that_make_no_table(kit: Any, numbers: list[int], crcs: int) -> None:
    table = b"\x01QWTS" + b"".join(map(kit.number, numbers)) + bytes(4 * crcs)
    for stored in (table, b"\x00" + table[5:], b"\xff" + table[1:], b"", b"\x01"):
        error = kit.refused(kit.forge(table=stored, count=2, body=b"abcdabcd"), limit=1 << 20)
        assert error.rejection in (R.BAD_TABLE, R.SECTION_KIND)


def test_a_run_of_two_sections(kit: Any) -> None:
    table = b"\x01QWTS" + bytes([0, 1, 2, 4, 4]) + 2 * spec.crc32c(b"abcd").to_bytes(4, "little")
    container = open_container(kit.forge(table=table, count=2, body=b"abcdabcd"))
    assert [section.brick for section in container.sections] == [0, 1]
    assert container.check_all() == []


def test_a_number_without_end(kit: Any) -> None:
    table = b"\x01QWTS" + bytes([0, 1, 1, 0x84]) + bytes(4)
    assert kit.refused(kit.forge(table=table, count=1)).rejection is R.BAD_TABLE


def test_levels_tell_sections_apart(kit: Any) -> None:
    assert len(open_container(two(kit, {}, {"brick": 0, "level": 1})).sections) == 2


def test_an_unknown_critical_section_is_named(kit: Any) -> None:
    assert "Zzzz" in str(kit.refused(two(kit, {"kind": b"Zzzz"}, {})))


def test_sections_of_a_file_without_table(kit: Any) -> None:
    assert kit.refused(kit.forge(body=b"stray")).rejection is R.TRAILING_BYTES


@pytest.mark.slow
def test_a_very_long_table_is_checked_in_bounded_memory(kit: Any) -> None:
    rows = [kit.entry(b"QWTS", 0, level) for level in range(1 << 16)] * 2
    assert kit.refused(kit.forge(entries=rows), limit=64 << 20).rejection is R.SECTION_DUPLICATE


def test_more_numbers_than_sections_need_are_not_read(kit: Any) -> None:
    count = 1 << 16
    table = b"\x01QWTS" + bytes(32 * count)
    error = kit.refused(kit.forge(table=table, count=count), limit=8 << 20)
    assert error.rejection is R.BAD_TABLE


def test_lengths_whose_sum_overflows(kit: Any) -> None:
    count = 1 << 16
    table = b"\x01QWTS" + b"".join(kit.number(n) for n in (0, 1, count))
    table += kit.number(2**56 - 1) * count + bytes(4 * count)
    header = {**kit.header, "shape": [count, 6], "brick": [1, 6]}
    error = kit.refused(kit.forge(header, table=table, count=count))
    assert error.rejection is R.TRUNCATED


# --- code --------------------------------------------------------------------------------------


def test_no_code_is_ever_run_from_a_file() -> None:
    from pathlib import Path

    import inif.container

    for path in Path(inif.container.__file__).parent.glob("*.py"):
        source = path.read_text()
        for word in ("pickle", "eval(", "exec(", "marshal", "yaml"):
            assert word not in source, (path, word)
