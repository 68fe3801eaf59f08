"""Grids of the latent field: lifting is undone, coefficients weigh alike, overviews are means."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inif.latent.box import Joined
from inif.latent.plan import Plan, plane_levels
from inif.latent.transform import analyse, synthesise

SIDES = st.integers(1, 13)
pytestmark = pytest.mark.numerical


def noise(sizes: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 1000, sizes).astype(np.float32)


@given(
    st.tuples(st.integers(1, 3), SIDES, SIDES, SIDES, SIDES),
    st.tuples(*[st.integers(0, 5)] * 3),
    st.tuples(*[st.integers(0, 2)] * 2),
)
def test_synthesis_undoes_analysis(
    sizes: tuple[int, int, int, int, int], levels: tuple[int, int, int], kinds: tuple[int, int]
) -> None:
    plan, x = Plan(sizes, levels, kinds), noise(sizes)
    bands, low = analyse(x, plan)
    assert low.shape == plan.low_sizes
    assert low.size + sum(v.size for level in bands for v in level.values()) == x.size
    # Each level of each axis rounds a few times, and its gain is at most 2 or so.
    np.testing.assert_allclose(synthesise(bands, low, plan), x, rtol=0, atol=0.1)


@given(
    st.tuples(st.integers(1, 2), SIDES, st.integers(1, 40), SIDES, st.integers(1, 40)),
    st.tuples(*[st.integers(0, 5)] * 3),
    st.tuples(*[st.integers(0, 2)] * 2),
    st.data(),
)
def test_a_part_of_the_image_is_the_same_alone(
    sizes: tuple[int, int, int, int, int],
    levels: tuple[int, int, int],
    kinds: tuple[int, int],
    data: st.DataObject,
) -> None:
    plan = Plan(sizes, levels, kinds)
    bands, low = analyse(noise(sizes), plan)
    box = []
    for n in sizes[1:]:
        first = data.draw(st.integers(0, n - 1))
        box.append((first, data.draw(st.integers(first + 1, n))))
    cut = (slice(None), *(slice(a, b) for a, b in box))
    whole = synthesise(bands, low, plan)
    np.testing.assert_array_equal(synthesise(bands, low, plan, box=tuple(box)), whole[cut])


def test_a_part_costs_what_it_looks_at() -> None:
    plan = Plan((1, 1, 64, 256, 256), (0, 2, 5))
    finest = [Joined.of(plan, axis, 0, (30, 31)) for axis in range(4)]
    assert [(j.first, j.last) for j in finest] == [(30, 31), (26, 36), (26, 36), (26, 36)]
    assert [j.part(j.letters[-1]) for j in finest] == [(30, 31), (13, 18), (13, 18), (13, 18)]


@pytest.mark.parametrize("kind", [0, 1, 2])
def test_a_coefficient_changes_the_image_by_its_square_wherever_it_is(kind: int) -> None:
    plan = Plan((1, 6, 7, 24, 21), (1, 2, 3), (kind, kind))
    bands, low = analyse(np.zeros(plan.sizes, np.float32), plan)
    rng = np.random.default_rng(kind)
    for grid in [*bands, {"": low}]:
        for values in grid.values():
            for place in {
                (0,) * 5,
                tuple(n - 1 for n in values.shape),
                tuple(rng.integers(values.shape)),
            }:
                values[place] = 100
                assert np.square(synthesise(bands, low, plan)).sum() == pytest.approx(1e4, rel=1e-4)
                values[place] = 0


def test_an_overview_is_a_smaller_image_of_the_same_brightness() -> None:
    plan = Plan((2, 5, 9, 100, 130), (1, 2, 5))
    x = np.full(plan.sizes, 777, np.float32)
    x[1] = np.arange(130)
    bands, low = analyse(x, plan)
    for skip in (1, 2, 3, 5):
        seen = synthesise(bands, low, plan, skip=skip)
        assert seen.shape == (2, 5, 9, -(-100 // 2**skip), -(-130 // 2**skip))
        np.testing.assert_allclose(seen[0], 777, rtol=1e-4)
        ramp = np.broadcast_to(np.arange(130)[:: 2**skip], seen[1].shape)
        np.testing.assert_allclose(seen[1], ramp, atol=2**skip)


def test_levels_of_a_plane_leave_a_few_samples() -> None:
    assert [plane_levels((1, 1, 1, n, n)) for n in (1, 2, 3, 6, 24, 96, 4000)] == [
        0,
        0,
        0,
        1,
        3,
        5,
        5,
    ]
    assert plane_levels((1, 1, 1, 1, 96)) == 5
