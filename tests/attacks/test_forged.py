"""Files made to harm: every checksum holds, so each later check has to stand for itself."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from inif.container import WHOLE_FILE, Rejection, open_container, spec
from inif.container.layout import SHORT, Layout

R = Rejection
U32, U64 = 2**32 - 1, 2**64 - 1


def test_a_forged_file_without_fault_opens(kit: Any, layout: Layout) -> None:
    assert open_container(kit.forge(layout=layout)).header == kit.header


# --- prelude ---------------------------------------------------------------------------------


@pytest.mark.parametrize("major", [0, 3, 257, 65535])
def test_another_major_version(kit: Any, major: int) -> None:
    error = kit.refused(kit.forge(version=(major, 0)))
    assert error.rejection is R.BAD_VERSION
    assert "newer inif" in str(error)
    assert f"{major}.0" in error.got


def test_a_newer_minor_version_opens(kit: Any, layout: Layout) -> None:
    data = kit.forge(version=(layout.major, 7), layout=layout)
    assert open_container(data).minor == 7


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"stored_length": U32}, R.HEADER_TOO_LARGE),
        ({"stored_length": 2**20 + 1}, R.HEADER_TOO_LARGE),
        ({"stored_length": 2**20}, R.TRUNCATED),
        ({"length": U32}, R.HEADER_TOO_LARGE),
        ({"count": 10**9}, R.TABLE_TOO_LARGE),
        ({"count": U32}, R.TABLE_TOO_LARGE),
        ({"count": 2**20}, R.TRUNCATED),
        ({"count": 1}, R.TRUNCATED),
    ],
)
def test_absurd_lengths(kit: Any, changes: dict[str, int], why: Rejection) -> None:
    assert kit.refused(kit.forge(**changes), limit=1 << 20).rejection is why


@pytest.mark.parametrize(
    "changes", [{"stored_length": 65535}, {"count": 255}, {"count": 1}], ids=str
)
def test_lengths_that_a_short_file_does_not_hold(kit: Any, changes: dict[str, int]) -> None:
    data = kit.forge(**changes, layout=SHORT)
    assert kit.refused(data, limit=1 << 20).rejection is R.TRUNCATED


# --- header ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "stored", [b"", b"\0", b"\xff" * 40, b"\x03", bytes(100), b"\x05\xe0\x81"], ids=repr
)
def test_a_header_that_is_no_deflate_stream(kit: Any, stored: bytes, layout: Layout) -> None:
    data = kit.forge(stored=stored, layout=layout)
    assert kit.refused(data).rejection is R.HEADER_DEFLATE


@pytest.mark.parametrize("shift", [-1, 1, 1000])
def test_a_declared_length_that_is_wrong(kit: Any, shift: int, layout: Layout) -> None:
    length = len(json.dumps(kit.header)) + shift
    data = kit.forge(length=length, layout=layout)
    assert kit.refused(data).rejection is R.HEADER_DEFLATE


def test_bytes_after_the_stream_or_a_stream_without_end(kit: Any) -> None:
    text = json.dumps(kit.header).encode()
    stored = kit.deflate(text)
    for bad in (stored + b"\0", stored[:-1]):
        error = kit.refused(kit.forge(stored=bad, length=len(text)))
        assert error.rejection is R.HEADER_DEFLATE


def test_a_deflate_bomb_is_not_inflated(kit: Any) -> None:
    bomb = kit.deflate(b" " * (200 << 20))
    assert len(bomb) < 1 << 20
    for length in (10, 1 << 20):
        error = kit.refused(kit.forge(stored=bomb, length=length), limit=4 << 20)
        assert error.rejection is R.HEADER_DEFLATE
        assert "more" in error.got


UNITS = [
    b"[],",
    pytest.param(b'{"":0},', marks=pytest.mark.slow),
    pytest.param(b"0,", marks=pytest.mark.slow),
    b"0.1,",
    b'"a",',
    pytest.param(b'{"a":[]},', marks=pytest.mark.slow),
    '"😀",'.encode(),
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


@pytest.mark.parametrize("depth", [33, 5000, 500_000])
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
        ("range", [[0, 1]] * 50_000),
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
    crc = spec.crc32c(b"abcd")

    def table(start: int) -> list[bytes]:
        a = {"brick": 0, "offset": start, "length": 4, "crc": crc}
        b = {"brick": 1, "offset": start + 4, "length": 4, "crc": crc}
        for row, change in ((a, first), (b, second)):
            for key, value in change.items():
                relative = key in ("offset", "length") and isinstance(value, str)
                row[key] = row[key] + int(value) if relative else value
        return [kit.entry(**a), kit.entry(**b)]

    data: bytes = kit.forge(table=table, body=b"abcdabcd")
    return data


def test_two_sections_without_fault(kit: Any) -> None:
    assert open_container(two(kit, {}, {})).check_all() == []


@pytest.mark.parametrize(
    ("first", "second", "why"),
    [
        ({}, {"offset": "-4"}, R.SECTION_OVERLAP),
        ({}, {"offset": "-1"}, R.SECTION_OVERLAP),
        ({}, {"offset": 0}, R.SECTION_OVERLAP),
        ({"offset": "-1"}, {}, R.SECTION_OVERLAP),
        ({"length": 8}, {"length": 0}, R.SECTION_OVERLAP),
        ({"length": 3}, {}, R.SECTION_HOLE),
        ({"offset": "1", "length": 3}, {}, R.SECTION_HOLE),
        ({"length": 0}, {}, R.SECTION_HOLE),
        ({"offset": "4"}, {"offset": "-4"}, R.SECTION_HOLE),
        ({}, {"length": 3}, R.TRAILING_BYTES),
        ({}, {"length": 5}, R.TRUNCATED),
        ({}, {"length": U64}, R.TRUNCATED),
        ({"offset": U64}, {}, R.TRUNCATED),
        ({"offset": U64, "length": U64}, {"offset": U64, "length": U64}, R.TRUNCATED),
        ({"length": U64 - 3}, {}, R.TRUNCATED),
        ({"length": 2**63}, {"length": 2**63}, R.TRUNCATED),
        ({"flags": 1}, {}, R.SECTION_FLAGS),
        ({"kind": b"abcd"}, {"flags": 0x8000}, R.SECTION_FLAGS),
        ({"brick": 2}, {}, R.SECTION_BRICK),
        ({}, {"brick": WHOLE_FILE - 1}, R.SECTION_BRICK),
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
    ("first", "second", "why"),
    [
        ({"length": 3}, {}, R.TRAILING_BYTES),
        ({"length": 5}, {}, R.TRUNCATED),
        ({"length": U32}, {"length": U32}, R.TRUNCATED),
        ({"brick": 2}, {}, R.SECTION_BRICK),
        ({}, {"brick": 65534}, R.SECTION_BRICK),
        ({}, {"brick": 0}, R.SECTION_DUPLICATE),
        ({"brick": 65535}, {"brick": 65535}, R.SECTION_DUPLICATE),
        ({"kind": b"QW\0S"}, {}, R.SECTION_KIND),
        ({}, {"kind": b"MOVE"}, R.UNKNOWN_SECTION),
        ({"crc": 0}, {}, R.SECTION_CRC),
        ({"length": 0}, {"length": 8}, R.SECTION_CRC),
    ],
)
def test_a_bad_short_table(
    kit: Any, first: dict[str, Any], second: dict[str, Any], why: Rejection
) -> None:
    crc = spec.crc32c(b"abcd")
    rows = [kit.short_entry(**{"brick": 0, "length": 4, "crc": crc} | first)]
    rows += [kit.short_entry(**{"brick": 1, "length": 4, "crc": crc} | second)]
    data = kit.forge(table=lambda start: rows, body=b"abcdabcd", layout=SHORT)
    assert kit.refused(data, limit=1 << 20).rejection is why


def test_levels_tell_sections_apart(kit: Any) -> None:
    assert len(open_container(two(kit, {}, {"brick": 0, "level": 1})).sections) == 2


def test_an_unknown_critical_section_is_named(kit: Any) -> None:
    assert "Zzzz" in str(kit.refused(two(kit, {"kind": b"Zzzz"}, {})))


def test_sections_of_a_file_without_table(kit: Any) -> None:
    assert kit.refused(kit.forge(body=b"stray")).rejection is R.TRAILING_BYTES


def test_a_very_long_table_is_checked_in_bounded_memory(kit: Any) -> None:
    rows = [kit.entry(b"QWTS", 0, level) for level in range(1 << 16)] * 2
    data = kit.forge(table=lambda start: rows)
    assert kit.refused(data, limit=64 << 20).rejection is R.SECTION_DUPLICATE


# --- code --------------------------------------------------------------------------------------


def test_no_code_is_ever_run_from_a_file() -> None:
    from pathlib import Path

    import inif.container

    for path in Path(inif.container.__file__).parent.glob("*.py"):
        source = path.read_text()
        for word in ("pickle", "eval(", "exec(", "marshal", "yaml"):
            assert word not in source, (path, word)
