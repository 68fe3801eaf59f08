"""Streams of several encodes in one file: within the room, and fuller than any one of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inif.encode.mix import APART, apart, mixed

pytestmark = pytest.mark.numerical

SIZES = st.lists(st.integers(50, 400), min_size=1, max_size=6)


@given(SIZES, st.lists(st.integers(-5, 40), min_size=6, max_size=6), st.integers(50, 3000))
def test_it_fits_and_is_no_worse_than_one_encode(coarse, growth, room):
    fine = [max(1, n + more) for n, more in zip(coarse, growth, strict=False)]
    encodes = [[bytes(n) for n in coarse], [bytes(n) for n in fine]]
    out = mixed(encodes, room)
    fitting = [sum(sizes) for sizes in (coarse, fine) if sum(sizes) <= room]
    if not fitting:
        assert out == []
        return
    total = sum(map(len, out))
    assert max(fitting) <= total <= room
    for i, stream in enumerate(out):
        assert len(stream) in (coarse[i], fine[i])


def test_some_streams_come_from_the_finer_encode():
    coarse, fine = [b"a" * 100, b"b" * 200], [b"A" * 105, b"B" * 215]
    assert mixed([coarse, fine], 305) == [fine[0], coarse[1]]
    assert mixed([fine, coarse], 316) == [coarse[0], fine[1]]
    assert mixed([coarse, fine], 299) == []


def test_encodes_far_apart_are_not_mixed():
    coarse, fine = [bytes(100), bytes(100)], [bytes(120), bytes(120)]
    assert mixed([coarse, fine], 225) == coarse


def test_where_bytes_count_for_more_encodes_must_be_nearer():
    coarse, fine = [bytes(100), bytes(100)], [bytes(103), bytes(103)]
    assert apart(0.2) == apart(0.75) == 2 * apart(3.0) == 2 * APART
    assert apart(6.0) == APART / 2
    assert mixed([coarse, fine], 205) == [fine[0], coarse[1]]
    assert mixed([coarse, fine], 205, apart=0.02) == coarse
