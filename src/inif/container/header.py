"""The header as bytes: canonical JSON, deflated; and back, trusting nothing.

A header is small, so the reader can afford to be strict: a wrong length, a key given twice, a NaN,
or nesting deep enough to exhaust a parser is refused before any value is looked at.
"""

from __future__ import annotations

import itertools
import json
import math
import re
import zlib
from typing import Any

from inif.container.spec import DICTIONARY, MAX_DIGITS, MAX_HEADER, MAX_NESTING, Rejection
from inif.errors import FormatError

_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_STEP = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}


def canonical_json(header: dict[str, Any]) -> bytes:
    """The header as UTF-8 JSON with sorted keys and no spaces (format.md, "Header").

    Raises
    ------
    FormatError
        A value that JSON cannot hold: NaN, infinity, an unpaired surrogate, another type.
    """
    try:
        text = json.dumps(
            header, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
        )
        return text.encode("utf-8")
    except (TypeError, ValueError, RecursionError) as error:
        raise FormatError(
            "this header cannot be written as JSON",
            field="header",
            expected="finite numbers, text, true, false, null, lists and objects",
            got=error,
            rejection=Rejection.HEADER_JSON,
        ) from None


def encode_header(header: dict[str, Any], blanks: bytes = b"") -> bytes:
    """The stored header; `blanks`, white space, follows the JSON and counts as part of it.

    Raises
    ------
    FormatError
        The header cannot be written as JSON, or is larger than the format allows.
    """
    text = canonical_json(header) + blanks
    if len(text) > MAX_HEADER:
        raise FormatError(
            "the header is too large",
            field="header",
            expected=f"at most {MAX_HEADER} bytes of JSON",
            got=len(text),
            fix="shorten the image's metadata (names of channels)",
            rejection=Rejection.HEADER_TOO_LARGE,
        )
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zdict=DICTIONARY)
    return deflate.compress(text) + deflate.flush()


def decode_header(stored: bytes, name: str) -> dict[str, Any]:
    """The header that a stored header holds.

    Raises
    ------
    FormatError
        HEADER_DEFLATE, HEADER_TOO_LARGE, HEADER_JSON or DUPLICATE_KEY.
    """
    text = _inflate(stored, name)
    depth = max(itertools.accumulate(_STEP.get(c, 0) for c in _STRING.sub(b"", text)), default=0)
    if depth > MAX_NESTING:
        raise _bad_json(f"{depth} levels of nesting", name, f"at most {MAX_NESTING} levels")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            keys = iter(found)  # first occurrences, in order: the first mismatch is a repeat
            twice = next(k for k, _ in pairs if k != next(keys, None))
            raise FormatError(
                "the header gives a key twice",
                file=name,
                field="header",
                expected="each key once per object",
                got=ascii(twice),
                rejection=Rejection.DUPLICATE_KEY,
            )
        return found

    try:
        header = json.loads(
            text.decode("utf-8"),
            object_pairs_hook=unique,
            parse_int=_integer,
            parse_float=_finite,
            parse_constant=_finite,
        )
        json.dumps(header, ensure_ascii=False).encode("utf-8")  # refuses unpaired surrogates
    except ValueError as error:
        raise _bad_json(error, name) from None
    if not isinstance(header, dict):
        raise _bad_json(type(header).__name__, name, "one JSON object")
    return header


def _inflate(stored: bytes, name: str) -> bytes:
    problem = None
    inflate = zlib.decompressobj(-15, zdict=DICTIONARY)
    try:
        # One byte more than allowed, so that a longer stream shows without being inflated whole.
        text = inflate.decompress(stored, MAX_HEADER + 1)
    except zlib.error as error:
        problem = str(error)
    else:
        if len(text) > MAX_HEADER:
            raise FormatError(
                "the header is too large",
                file=name,
                field="header",
                expected=f"at most {MAX_HEADER} bytes of JSON",
                got="more",
                rejection=Rejection.HEADER_TOO_LARGE,
            )
        if not inflate.eof:
            problem = "a stream without end"
        elif inflate.unused_data:
            problem = f"{len(inflate.unused_data)} bytes after the end of the stream"
    if problem is not None:
        raise FormatError(
            "the header cannot be inflated",
            file=name,
            field="header",
            expected="one raw DEFLATE stream",
            got=problem,
            rejection=Rejection.HEADER_DEFLATE,
        )
    return text


def _integer(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise ValueError(f"an integer of {len(text)} digits")
    return int(text)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {text[:32]}")
    return value


def _bad_json(
    got: object, name: str, expected: str = "UTF-8 JSON with finite numbers"
) -> FormatError:
    return FormatError(
        "the header is not valid",
        file=name,
        field="header",
        expected=expected,
        got=got,
        rejection=Rejection.HEADER_JSON,
    )
