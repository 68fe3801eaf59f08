"""A search of one knob: within the budget, near it, with few encodes, whatever the curve."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inif.codecs import Knob
from inif_bench.search import MOST, TOLERANCE, Search

LEVEL = Knob("level", coarse=0.0, fine=100.0, step=0.01, start=50.0)
ERROR = Knob("error", coarse=1.0, fine=1e-5, step=0.01, start=0.1, log=True)


def sized(function):
    return lambda value: bytes(max(1, int(function(value))))


@given(
    st.floats(4.0, 14.0),
    st.floats(0.02, 0.2),
    st.floats(0.5, 2.5),
    st.floats(0.05, 0.95),
)
def test_it_meets_a_budget_on_any_smooth_curve(base, slope, power, share):
    def size(value: float) -> float:
        return 2 ** (base * 0.3 + slope * 40 * (value / 100) ** power)

    smallest, largest = size(0), size(100)
    budget = int(smallest * (largest / smallest) ** share)
    if largest < 2 * smallest or budget < 2000:
        return
    search = Search(sized(size), LEVEL)
    found = search.run(budget)
    assert found.fits
    assert (1 - TOLERANCE) * budget <= len(found.probe.data) <= budget
    assert len(search.probes) <= MOST


def test_a_step_of_the_curve_gives_the_largest_file_below_it():
    found = Search(sized(lambda v: 1000 if v < 63.2 else 4000), LEVEL).run(3000)
    assert found.fits
    assert len(found.probe.data) == 1000


@pytest.mark.parametrize("centre", [41, 62, 83])
@pytest.mark.parametrize("budget", [3000, 9000, 40_000])
def test_a_cliff_as_noise_makes_it_is_climbed(centre, budget):
    def size(value: float) -> float:
        return 900 * math.exp(value / 400) + 2e5 / (1 + math.exp((centre - value) * 2))

    search = Search(sized(size), LEVEL)
    found = search.run(budget)
    assert found.fits
    assert 0.9 * budget <= len(found.probe.data)
    assert len(search.probes) <= MOST


def test_too_small_a_budget_gives_the_smallest_file_and_says_so():
    search = Search(sized(lambda v: 500 + 10 * v), LEVEL)
    found = search.run(400)
    assert not found.fits
    assert found.probe.value == LEVEL.coarse
    assert len(search.probes) < MOST


def test_too_large_a_budget_gives_the_finest_file():
    found = Search(sized(lambda v: 500 + 10 * v), LEVEL).run(10**6)
    assert found.fits
    assert found.probe.value == LEVEL.fine


def test_budgets_share_encodes():
    search = Search(sized(lambda v: 100 * math.exp(v / 10)), LEVEL)
    for budget in (20_000, 10_000, 5_000, 2_500):
        assert search.run(budget).fits
    assert len(search.take_new()) == len(search.probes) <= 16
    assert search.take_new() == []
    before = len(search.probes)
    search.run(10_000)
    assert len(search.probes) == before


def test_a_knob_that_acts_by_ratios():
    found = Search(sized(lambda e: 1000 / e), ERROR).run(50_000)
    assert found.fits
    assert found.probe.value == pytest.approx(0.02, rel=0.03)


@pytest.mark.parametrize("knob", [LEVEL, ERROR, Knob("crf", 51, -12, 0.04, 26)])
def test_units_go_back_and_forth(knob):
    assert knob.to_unit(knob.coarse) == 0
    assert knob.to_unit(knob.fine) == 1
    assert knob.from_unit(0) == pytest.approx(knob.coarse, rel=1e-2, abs=knob.step)
    assert knob.from_unit(-1) == knob.from_unit(0)
    assert knob.from_unit(2) == knob.from_unit(1)
