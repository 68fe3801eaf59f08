"""Bjøntegaard's delta rate: what it must give on curves whose answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.interpolate import PchipInterpolator

from inif_bench.bdrate import BdRate, Pairs, Pchip, bd_rate, crossing, pareto, rate_at

CURVE = [(1000, 30.0), (2000, 33.5), (4000, 36.0), (8000, 39.5), (16000, 41.0)]


def scaled(curve: Pairs, factor: float, shift: float = 0.0) -> list[tuple[float, float]]:
    return [(size * factor, psnr + shift) for size, psnr in curve]


def known(result: BdRate | str) -> BdRate:
    assert isinstance(result, BdRate), result
    return result


def test_identical_curves_differ_by_nothing() -> None:
    result = known(bd_rate(CURVE, CURVE))
    assert result.percent == pytest.approx(0, abs=1e-9)
    assert (result.low_db, result.high_db, result.overlap) == (30, 41, 1)
    assert (result.points, result.dropped) == ((5, 5), (0, 0))


@pytest.mark.parametrize(("factor", "percent"), [(0.5, -50), (2, 100), (1.1, 10)])
def test_a_constant_factor_of_bytes_is_the_result(factor: float, percent: float) -> None:
    assert known(bd_rate(CURVE, scaled(CURVE, factor))).percent == pytest.approx(percent)


def test_only_the_common_interval_counts() -> None:
    better = [(size, psnr + 5.5) for size, psnr in CURVE]
    result = known(bd_rate(CURVE, better))
    assert (result.low_db, result.high_db) == (35.5, 41)
    assert result.overlap == pytest.approx(0.5)
    assert result.percent < 0


def test_against_scipy() -> None:
    other = [(900, 29.0), (2100, 32.0), (4100, 36.5), (7000, 37.0), (15000, 42.0), (20000, 43.0)]
    result = known(bd_rate(CURVE, other))
    areas = []
    for curve in (CURVE, other):
        psnr, log = [p for _, p in curve], [math.log2(b) for b, _ in curve]
        areas.append(PchipInterpolator(psnr, log).integrate(30, 41))
    assert result.percent == pytest.approx(100 * (2 ** ((areas[1] - areas[0]) / 11) - 1))


def test_points_that_a_smaller_file_matches_are_dropped_and_counted() -> None:
    worse = [(3000, 33.0), (16000, 38.0), (16000, 41.0)]
    result = known(bd_rate(CURVE, [*CURVE, *worse]))
    assert result.percent == pytest.approx(0, abs=1e-9)
    assert (result.points, result.dropped) == ((5, 5), (0, 2))


def test_order_and_repeats_do_not_matter() -> None:
    assert bd_rate(CURVE[::-1], CURVE * 2) == bd_rate(CURVE, CURVE)


@pytest.mark.parametrize("few", [[], CURVE[:4], CURVE[:4] * 2])
def test_fewer_than_five_distinct_points_give_a_reason(few: Pairs) -> None:
    assert "the tested curve has" in str(bd_rate(CURVE, few))
    assert "the reference curve has" in str(bd_rate(few, CURVE))


def test_a_curve_that_hardly_gets_better_gives_a_reason() -> None:
    flat = [(1000, 34.9), (2000, 35.4), (3000, 35.0), (4000, 35.1), (5000, 35.6)]
    assert "only 3 get better" in str(bd_rate(CURVE, flat))


@pytest.mark.parametrize("shift", [11.0, 20.0, -50.0])
def test_no_common_psnr_gives_a_reason(shift: float) -> None:
    assert "no PSNR in common" in str(bd_rate(CURVE, scaled(CURVE, 1, shift)))


@st.composite
def curves(draw: st.DrawFn) -> list[tuple[float, float]]:
    count = draw(st.integers(5, 8))
    steps = st.lists(st.floats(0.05, 3), min_size=count, max_size=count)
    psnrs = 30 + np.cumsum(draw(steps))
    sizes = 2 ** (10 + np.cumsum(draw(steps)))
    return [(float(b), float(p)) for b, p in zip(sizes, psnrs, strict=True)]


@given(curves(), curves())
def test_swapping_the_curves_turns_the_sign_of_the_logarithm(
    a: list[tuple[float, float]], b: list[tuple[float, float]]
) -> None:
    forth, back = bd_rate(a, b), bd_rate(b, a)
    if isinstance(forth, str):
        assert isinstance(back, str)
    else:
        assert known(back).log2_ratio == pytest.approx(-forth.log2_ratio, abs=1e-6)


@given(curves(), curves(), st.floats(0.01, 100))
def test_the_unit_of_bytes_does_not_matter(
    a: list[tuple[float, float]], b: list[tuple[float, float]], factor: float
) -> None:
    one, other = bd_rate(a, b), bd_rate(scaled(a, factor), scaled(b, factor))
    if isinstance(one, BdRate):
        assert known(other).percent == pytest.approx(one.percent, rel=1e-6, abs=1e-6)


@given(
    st.lists(st.floats(0.1, 5), min_size=2, max_size=9),
    st.lists(st.floats(-5, 5).map(lambda v: round(v, 6)), min_size=9, max_size=9),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_interpolation_is_that_of_scipy(
    steps: list[float], values: list[float], a: float, b: float
) -> None:
    x = np.cumsum(steps)
    y = np.array(values[: len(x)])
    ours, theirs = Pchip.through(x.tolist(), y.tolist()), PchipInterpolator(x, y)
    low, high = (float(x[0] + s * (x[-1] - x[0])) for s in (a, b))
    assert ours.at(low) == pytest.approx(float(theirs(low)), abs=1e-9)
    assert ours.integral(low, high) == pytest.approx(float(theirs.integrate(low, high)), abs=1e-9)
    for point, value in zip(x, y, strict=True):
        assert ours.at(float(point)) == pytest.approx(value, abs=1e-9)


def test_pareto_keeps_what_no_smaller_file_matches() -> None:
    assert pareto([(3, 30.0), (1, 20.0), (2, 30.0), (4, 29.0), (1, 19.0)]) == [(1, 20), (2, 30)]


def test_rate_at_interpolates_and_never_extrapolates() -> None:
    assert rate_at(CURVE, 33.5) == 2000
    assert rate_at(CURVE, 41) == 16000
    between = rate_at(CURVE, 35)
    assert between is not None
    assert 2000 < between < 4000
    assert rate_at(CURVE, 29.9) is None
    assert rate_at(CURVE, 41.1) is None
    assert rate_at([(500, 30.0)], 30.0) == 500
    assert rate_at([], 30.0) is None


def test_crossing_says_when_it_is_only_a_bound() -> None:
    raw = 160_000
    inside, easy, hard = (crossing(CURVE, psnr, raw) for psnr in (36.0, 25.0, 50.0))
    assert inside is not None
    assert (inside.ratio, inside.bound) == (40, "")
    assert easy is not None
    assert (easy.ratio, easy.bound) == (160, ">")
    assert hard is not None
    assert (hard.ratio, hard.bound) == (10, "<")
    assert crossing([], 30.0, raw) is None
    assert (hard.ratio, hard.bound) == (10, "<")
