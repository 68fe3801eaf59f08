"""Packed AV1: the standard stream comes back byte for byte, or there is one clear refusal."""

from __future__ import annotations

import hashlib
import runpy
from contextlib import suppress
from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inif.codecs import headers, load_codec, obu
from inif.codecs.base import Codec, Damaged, Shape
from inif.coding import leb128
from inif.errors import FormatError

SOURCE = Path(__file__).parents[1] / "reference" / "packed.py"
reference = runpy.run_path(str(SOURCE))
SIDES = (64, 96)
SAVED = 14
"""Bytes of headers for each frame, at least; some versions of the encoder write shorter ones."""

FRAMES = (1, 7)


@cache
def standard(frames: int) -> bytes:
    """A plain stream."""
    codec = load_codec("av1", packed=False)
    if reason := codec.missing():
        pytest.skip(reason)
    return codec.encode(block(frames), 45.0)


def block(frames: int) -> np.ndarray:
    z, y, x = np.mgrid[:frames, : SIDES[0], : SIDES[1]]
    noise = np.random.default_rng(0).normal(0, 0.03, (frames, *SIDES))
    values = 0.5 + 0.4 * np.sin((x + 2 * z) / 9) * np.cos(y / 7) + noise
    return np.rint(np.clip(values, 0, 1) * 1023).astype(np.uint16)


@pytest.mark.parametrize("frames", FRAMES)
def test_streams_come_back_byte_for_byte(frames: int) -> None:
    data = standard(frames)
    small = headers.pack(data, SIDES)
    units = list(obu.units(data))
    coded = sum(unit == obu.FRAME for unit, _, _ in units)
    assert len(small) <= len(data) - SAVED * coded // 2
    assert headers.unpack(small, frames, SIDES) == data
    assert headers.unpack(data, frames, SIDES) == data
    assert reference["unpack"](small, SIDES) == data


@pytest.mark.parametrize("frames", FRAMES)
def test_blocks_of_before_are_read(frames: int) -> None:
    data, shape = standard(frames), (frames, *SIDES)
    codec, packed = load_codec("av1"), headers.pack(data, SIDES)
    np.testing.assert_array_equal(codec.decode(data, shape), codec.decode(packed, shape))
    assert codec.streams(packed, shape) == codec.streams(data, shape) == [data]


def test_anything_unusual_stays_as_it_is() -> None:
    data = standard(7)
    padding = b"\x7a\x03abc"
    assert headers.pack(data + padding, SIDES) == data + padding
    assert headers.pack(data[:-1], SIDES) == data[:-1]
    assert headers.pack(b"\x12\x00", SIDES) == b"\x12\x00"
    longer = data.replace(b"\x12\x00", b"\x12\x80\x00", 1)  # a length in more bytes than it needs
    assert headers.pack(longer, SIDES) == longer


@given(st.integers(1, 2**16), st.integers(1, 2**16))
def test_sides_are_masked_and_come_back(height: int, width: int) -> None:
    (payload,) = [p for kind, _, p in obu.units(standard(1)) if kind == obu.SEQUENCE]
    masked = obu.masked_sequence(payload, (height, width))
    assert obu.masked_sequence(masked, (height, width)) == payload
    assert obu.masked_sequence(b"\xff\xff", (height, width)) == b"\xff\xff"


@given(st.data())
def test_damage_is_refused_or_another_stream(data: st.DataObject) -> None:
    good = bytearray(headers.pack(standard(7), SIDES))
    at = data.draw(st.integers(0, len(good) - 1))
    good[at] ^= data.draw(st.integers(1, 255))
    cut = data.draw(st.integers(0, len(good)))
    for bad in (bytes(good), bytes(good[:cut])):
        with suppress(Damaged):
            assert len(headers.unpack(bad, 7, SIDES)) < 4 * len(good) + 2000


@pytest.mark.parametrize(
    ("data", "got"),
    [
        (b"\x81", "no length"),
        (leb128.write(2 * 50 + 1) + b"abc", "headers of 50 bytes"),
        (leb128.write(1) + b"abc", "bytes|sense|unit"),
    ],
)
def test_refusals_name_what_is_wrong(data: bytes, got: str) -> None:
    with pytest.raises(Damaged, match=got):
        headers.unpack(data, 1, SIDES)


def test_more_units_than_frames_can_need_are_refused() -> None:
    small = headers.pack(standard(7), SIDES)
    with pytest.raises(Damaged, match="more than"):
        headers.unpack(small, 0, SIDES)
    codec: Codec = load_codec("av1")
    shape: Shape = (6, *SIDES)
    with pytest.raises(FormatError, match="AV1"):
        codec.decode(small, shape)


def test_the_start_is_the_one_of_the_format() -> None:
    data = resources.files("inif.codecs").joinpath("headers.npz").read_bytes()
    assert hashlib.sha256(data).hexdigest() == headers.SHA256
    start = headers.shipped()
    assert all(len(row) == 3 for row in start.weights)
    assert len(start.weights) == headers.MIXERS
    assert all(0 <= s < 65536 << 6 and s & 63 <= 47 for s in start.states.values())
