"""Which sizes a file may have: exactly those of the promise, for exact and for float arithmetic."""

from __future__ import annotations

import random
from fractions import Fraction

import hypothesis.strategies as st
import pytest
from hypothesis import example, given

from inif.config import Target, Window
from inif.errors import BudgetError

RATIOS = (
    st.floats(1, 1e6)
    | st.integers(1, 10_000).map(float)
    | st.decimals(1, 1000, places=2, allow_nan=False).map(float)
)


def inside(raw: int, size: int, ratio: float) -> bool:
    """The promise, in whole numbers."""
    return ratio <= Fraction(raw, size) <= Fraction(101, 100) * Fraction(ratio)


def check_ratio(raw: int, ratio: float) -> None:
    window = Window.of_ratio(raw, ratio)
    for size in (window.least, window.most) if window.least <= window.most else ():
        assert inside(raw, size, ratio)
        assert ratio <= raw / size <= 1.01 * ratio
    assert not inside(raw, window.most + 1, ratio)
    below = window.least - 1
    assert below < 1 or not inside(raw, below, ratio) or raw / below > 1.01 * ratio


@given(st.integers(1, 10**10), RATIOS)
@example(7_864_320, 64.0)
@example(101, 1.0)
@example(100, 1.0)
@example(277, 2.77)
def test_a_ratio_s_window_is_the_promise(raw: int, ratio: float) -> None:
    check_ratio(raw, ratio)


def test_the_same_of_many_pairs() -> None:
    rng = random.Random(0)
    for _ in range(5000):
        raw = int(10 ** rng.uniform(2, 10))
        check_ratio(raw, round(10 ** rng.uniform(0, 3), rng.choice([0, 1, 2, 15])))


@given(st.integers(1, 10**10))
def test_a_size_s_window_is_at_most_a_hundredth_wide(size: int) -> None:
    window = Window.of_size(size)
    assert window.most == size
    assert window.least * 101 >= size * 100
    assert window.least * 1.01 >= size
    assert window.least >= size / 1.01
    below = window.least - 1
    assert below * 101 < size * 100 or below < size / 1.01 or below * 1.01 < size


def test_what_is_in_it() -> None:
    window = Window(99, 100)
    assert [size in window for size in (98, 99, 100, 101)] == [False, True, True, False]


@given(st.integers(1, 10**6), RATIOS)
def test_a_ratio_between_two_sizes_is_refused_and_its_neighbours_work(
    raw: int, ratio: float
) -> None:
    window = Window.of_ratio(raw, ratio)
    if window.least <= window.most:
        assert Target(ratio=ratio).window(raw) == window
        assert 1 <= window.least <= window.most <= raw
        return
    assert raw / ratio < 101
    with pytest.raises(BudgetError, match="no whole number of bytes") as caught:
        Target(ratio=ratio).window(raw)
    for near in str(caught.value.expected).split(" or "):
        fine = Target(ratio=float(near)).window(raw)
        assert fine is not None
        assert fine.least <= fine.most


@given(st.integers(1, 10**9), st.integers(0, 10**9))
def test_a_size_that_is_not_below_the_image_s_is_refused(raw: int, more: int) -> None:
    with pytest.raises(BudgetError, match="the image itself has") as caught:
        Target(size=raw + more).window(raw, "a.tif")
    assert caught.value.file == "a.tif"
    window = Target(size=raw).window(raw + 1)
    assert window is not None
    assert window.most == raw


def test_a_quality_has_no_window() -> None:
    assert Target(psnr=40).window(10**6) is None
