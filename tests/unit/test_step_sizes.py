"""Step sizes: finer where a weight matters more, and as coarse as the budget asks for."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from inif.coding.models import MAX_SYMBOL
from inif.encode.siren import step_sizes
from inif.encode.siren.budget import packed_bytes, quantize_all

pytestmark = pytest.mark.numerical

SHAPES = [(3, 16, 3), (3, 16, 16), (3, 1, 16), (3, 2, 16), (3, 1)]


def weights(seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.normal(0, 0.3 * (i + 1), s).astype(np.float32) for i, s in enumerate(SHAPES)]


def test_steps_go_with_one_over_the_root_of_the_sensitivity() -> None:
    sensitivity = np.array([[1.0, 4.0, 16.0], [1.0, 1.0, 64.0]])
    exps = step_sizes.exponents(sensitivity, np.array([100.0, 400.0]))
    steps = 2.0 ** (exps / 8)
    slope = steps**2 * sensitivity * np.array([[100.0], [400.0]])
    assert slope.max() / slope.min() < 2 ** (2 / 8 * 1.01)


@given(
    st.lists(st.floats(0, 1e30), min_size=6, max_size=6),
    st.lists(st.integers(1, 10**12), min_size=2, max_size=2),
)
def test_exponents_always_fit_the_format(values: list[float], voxels: list[int]) -> None:
    exps = step_sizes.exponents(np.array(values).reshape(2, 3), np.array(voxels, float))
    assert exps.dtype == np.int64
    assert np.abs(exps).max() <= 127


@given(st.floats(1e-8, 1e3))
@settings(max_examples=30)
def test_no_weight_is_clipped(base: float) -> None:
    groups = weights()
    quantized = quantize_all(groups, np.zeros((3, 5), np.int64), base)
    for b, q in enumerate(quantized):
        assert max(np.abs(s).max() for s in q.symbols) <= MAX_SYMBOL
        largest = max(float(np.abs(g).max()) for g in groups)
        if base * 2 ** (127 / 8) * MAX_SYMBOL > 2 * largest:
            for got, group in zip(q.weights(), groups, strict=True):
                step = max(base, np.abs(group[b]).max() / MAX_SYMBOL * 1.2)
                assert np.abs(got - group[b]).max() <= 0.51 * step


@pytest.mark.parametrize("base", [1e-3, 0.02, 0.3])
def test_the_estimate_is_near_the_packed_size(base: float) -> None:
    rng = np.random.default_rng(0)
    groups = [rng.normal(0, 0.5, (2, 60, 60)).astype(np.float32)] * 2
    exps = np.zeros((2, 2), np.int64)
    estimate = step_sizes.entropy_bytes(groups, exps, base)
    packed = packed_bytes(quantize_all(groups, exps, base)) - 2 * (12 + 2 * 5)
    assert estimate == pytest.approx(packed, rel=0.15)


@given(st.floats(1, 1e6), st.floats(1e-6, 1e6), st.floats(1e-5, 1e3))
def test_solving_for_the_base(budget: float, scale: float, start: float) -> None:
    def size(base: float) -> float:
        return scale / base

    base = step_sizes.solve_base(size, budget, start)
    assert size(base) <= budget * (1 + 1e-9)
    assert size(base) >= budget / 1.01 or base <= 1e-11
