"""Adaptive bits: what is written comes back, cheaply where it repeats, and in whole numbers."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inif.coding import bitwise
from inif.coding.bitwise import Decoder, Encoder, Primed

pytestmark = pytest.mark.numerical

BLANK = Primed.blank(2)

Symbol = tuple[int, tuple[int, ...], int, int]

symbols = st.lists(
    st.tuples(
        st.integers(1, 8),
        st.lists(st.integers(0, 2**40), min_size=1, max_size=3).map(tuple),
        st.integers(0, 1),
        st.integers(0, 255),
    )
)


def written(values: list[Symbol]) -> bytes:
    coder = Encoder(BLANK)
    for bits, contexts, mixer, value in values:
        coder.number(bits, contexts, mixer, value & (1 << bits) - 1)
    return coder.finish()


@given(symbols)
def test_numbers_come_back(values: list[Symbol]) -> None:
    coder = Decoder(BLANK, written(values))
    for bits, contexts, mixer, value in values:
        assert coder.number(bits, contexts, mixer) == value & (1 << bits) - 1
    assert not coder.over
    assert not BLANK.states


@given(st.lists(st.tuples(st.integers(0, 27), st.integers(0, 2**27 - 1))))
def test_plain_numbers_come_back_in_as_many_bits(values: list[tuple[int, int]]) -> None:
    coder = Encoder(BLANK)
    for bits, value in values:
        coder.plain(bits, value & (1 << bits) - 1)
    data = coder.finish()
    assert len(data) <= sum(bits for bits, _ in values) / 8 + 1 + len(values) / 1000
    reader = Decoder(BLANK, data)
    assert [reader.plain(bits) for bits, _ in values] == [v & (1 << b) - 1 for b, v in values]


def test_what_repeats_costs_little() -> None:
    values = [(8, (i % 5, 7), 0, 31 * (i % 5)) for i in range(500)]
    assert len(written(values)) < 30
    assert written([]) == b""


def test_reading_on_and_on_is_noticed() -> None:
    coder = Decoder(BLANK, b"\x12\x34")
    for _ in range(40):
        coder.plain(8)
    assert coder.over


def test_no_table_hangs_on_the_last_digit_of_a_logarithm() -> None:
    """So that all machines have the same tables."""
    exact = [256 * math.log((i + 0.5) / (4095.5 - i)) for i in range(4096)]
    exact += [65536 / (1 + math.exp(-d / 256)) for d in range(-2048, 2048)]
    middle = [abs(v - math.floor(v) - 0.5) for v in exact]
    assert min(middle) > 1e-6
    assert all(a == -b for a, b in zip(bitwise._STRETCH, reversed(bitwise._STRETCH), strict=True))
    assert min(bitwise._SQUASH) == 32
