"""Every header field has its bounds, and the message names the field."""

from __future__ import annotations

import copy
import hashlib
import math
from typing import Any

import pytest

from inif.container import Rejection, clean_text, pack, validate_header
from inif.container.header import decode_header, encode_header
from inif.container.spec import DICTIONARY
from inif.container.validate import grid_shape
from inif.errors import FormatError, UnsupportedError

HEADER: dict[str, Any] = {
    "axes": "CYX",
    "shape": [2, 30, 40],
    "dtype": "uint8",
    "range": [[0, 255], [3, 3]],
    "brick": [2, 16, 16],
    "field": {"kind": "siren"},
    "requires": ["siren/1"],
    "meta": {
        "name": "x",
        "scale": {"Y": [0.5, "µm"], "X": [1, None]},
        "channels": ["a", None],
        "colors": [None, "#00FF7f"],
    },
    "lossy": {},
}
MISSING = ...

BAD = [
    ("axes", MISSING),
    ("axes", "CYXZ"),
    ("axes", "CYY"),
    ("axes", "cyx"),
    ("axes", "CYQ"),
    ("axes", ["C", "Y", "X"]),
    ("shape", MISSING),
    ("shape", []),
    ("shape", [1] * 6),
    ("shape", [2, 0, 40]),
    ("shape", [2, -30, 40]),
    ("shape", [2, 30.0, 40]),
    ("shape", [2, True, 40]),
    ("shape", [2, "30", 40]),
    ("shape", [2, 2**24, 2**23]),
    ("shape", {"C": 2}),
    ("dtype", MISSING),
    ("dtype", "float64"),
    ("dtype", "|u1"),
    ("dtype", ["uint8"]),
    ("dtype", {}),
    ("range", MISSING),
    ("range", [[0, 255]]),
    ("range", [[0, 255], [4, 3]]),
    ("range", [[0, 255], [0, 256]]),
    ("range", [[-1, 255], [0, 1]]),
    ("range", [[0, 255], [0]]),
    ("range", [[0, 255], [0, None]]),
    ("range", [[0, 255], [False, True]]),
    ("range", [[0, 255], [0, math.nan]]),
    ("range", [[0, 255], 7]),
    ("range", "all"),
    ("brick", [2, 16]),
    ("brick", [2, 0, 16]),
    ("brick", [2, 31, 16]),
    ("brick", [2, 1.0, 16]),
    ("brick", None),
    ("field", MISSING),
    ("field", "siren"),
    ("field", {}),
    ("field", {"kind": ""}),
    ("field", {"kind": 3}),
    ("requires", MISSING),
    ("requires", "siren/1"),
    ("requires", [1]),
    ("requires", [None]),
    ("requires", [["siren/1"]]),
    ("requires", [""]),
    ("meta", []),
    ("meta", {"name": 3}),
    ("meta", {"name": "a\x1b[2J"}),
    ("meta", {"scale": []}),
    ("meta", {"scale": {"Q": [1, "s"]}}),
    ("meta", {"scale": {"": [1, "s"]}}),
    ("meta", {"scale": {"XY": [1, "s"]}}),
    ("meta", {"scale": {"X": [0, "s"]}}),
    ("meta", {"scale": {"X": [-0.5, "s"]}}),
    ("meta", {"scale": {"X": ["1", "s"]}}),
    ("meta", {"scale": {"X": [True, "s"]}}),
    ("meta", {"scale": {"X": [1]}}),
    ("meta", {"scale": {"X": [1, 2]}}),
    ("meta", {"scale": {"X": 1}}),
    ("meta", {"channels": ["a"]}),
    ("meta", {"channels": ["a", 2]}),
    ("meta", {"channels": "ab"}),
    ("meta", {"colors": [None]}),
    ("meta", {"colors": [None, "red"]}),
    ("meta", {"colors": [None, "#12345"]}),
    ("meta", {"colors": [None, "#1234567"]}),
    ("meta", {"colors": [None, "#12345\n"]}),
    ("meta", {"colors": [None, 255]}),
    ("lossy", []),
    ("lossy", None),
    ("lossy", {"psnr": "36"}),
    ("lossy", {"max_error": [1]}),
    ("lossy", {"method": None}),
    ("lossy", {"seed": 0.5}),
    ("lossy", {"target": 128}),
    ("lossy", {"note": ["\x07"]}),
    ("later", {"\x9b": 1}),
]


@pytest.mark.parametrize(("key", "value"), BAD, ids=str)
def test_a_bad_field_is_refused_by_name(key: str, value: object) -> None:
    header = copy.deepcopy(HEADER)
    if value is MISSING:
        del header[key]
    else:
        header[key] = value
    with pytest.raises(FormatError) as caught:
        validate_header(header, "bad.inif")
    assert caught.value.rejection is Rejection.HEADER_FIELD
    assert caught.value.file == "bad.inif"
    named = key if "\x07" not in str(value) and key != "later" else "header"
    assert named in str(caught.value.field) or "control" in str(caught.value.expected)
    assert str(caught.value).isprintable()
    assert caught.value.to_json()["rejection"] == "header_field"


def test_a_good_header_is_accepted() -> None:
    validate_header(HEADER, "good")
    assert grid_shape(HEADER) == (1, 2, 3)
    least = {k: HEADER[k] for k in ("axes", "shape", "dtype", "range", "field", "requires")}
    validate_header(least, "good")
    assert grid_shape(least) == (1, 1, 1)


def test_an_image_without_channels_has_one_range_and_one_channel_name() -> None:
    header = {**HEADER, "axes": "ZYX", "range": [[0, 9]], "meta": {"channels": ["DNA"]}}
    validate_header(header, "good")


def test_unknown_keys_are_left_alone() -> None:
    validate_header({**HEADER, "future": {"deep": [1]}, "meta": {"future": 1}}, "good")


def test_an_unknown_feature_is_named_before_anything_else_is_judged() -> None:
    header = {**HEADER, "dtype": "float16", "requires": ["siren/1", "halves/2"]}
    with pytest.raises(UnsupportedError, match="halves/2") as caught:
        validate_header(header, "new.inif")
    assert caught.value.rejection is Rejection.UNKNOWN_FEATURE
    assert "update inif" in str(caught.value)


def test_the_caller_says_which_features_it_has() -> None:
    validate_header({**HEADER, "requires": ["halves/2"]}, "x", {"halves/2"})
    with pytest.raises(UnsupportedError):
        validate_header(HEADER, "x", set())


def test_too_many_bricks_are_refused() -> None:
    header = {**HEADER, "shape": [2, 2**20, 2**6], "brick": [1, 1, 1]}
    with pytest.raises(FormatError, match="bricks"):
        validate_header(header, "x")


def test_clean_text_gives_what_a_header_may_hold() -> None:
    dirty = "DAPI\x00 \x1b[31m \x9b \ud800 \uffff µm"
    clean = clean_text(dirty)
    assert clean.count("\ufffd") == 5
    assert clean.endswith("µm")
    assert clean.startswith("DAPI")
    pack({**HEADER, "meta": {"name": clean}}, [])


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, b"bytes", {1, 2}, "\ud800"], ids=["nan", "inf", "b", "set", "sur"]
)
def test_what_json_cannot_hold_is_not_written(value: object) -> None:
    with pytest.raises(FormatError) as caught:
        encode_header({"x": value})
    assert caught.value.rejection is Rejection.HEADER_JSON


def test_a_header_beyond_the_limit_is_not_written() -> None:
    with pytest.raises(FormatError) as caught:
        encode_header({"x": "a" * (1 << 20)})
    assert caught.value.rejection is Rejection.HEADER_TOO_LARGE


def test_the_dictionary_is_frozen() -> None:
    digest = "26c0ecb484936a3216987bb83e1b5f417a60d6eddf764b483d7b9d6ab75a4771"
    assert hashlib.sha256(DICTIONARY).hexdigest() == digest


def test_integers_and_floats_keep_their_kind() -> None:
    header = {"a": 1, "b": 1.0, "c": 1e-7, "d": -(2**53)}
    back = decode_header(encode_header(header), "x")
    assert [type(v) for v in back.values()] == [int, float, float, int]
    assert back == header
