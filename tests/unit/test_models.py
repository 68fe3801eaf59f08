"""Entropy models: sound tables from three integers, and a choice of them that wastes little."""

from __future__ import annotations

import itertools

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from inif.coding.models import MAX_SYMBOL, TOTAL, ModelSpec, bits, code_value, fit, frequencies

pytestmark = pytest.mark.numerical

SPECS = st.builds(ModelSpec, st.integers(0, MAX_SYMBOL), st.integers(0, 255), st.integers(0, 255))
CORNERS = [ModelSpec(k, a, b) for k in (0, 1, MAX_SYMBOL) for a in (0, 1, 255) for b in (0, 1, 255)]


def check_table(spec: ModelSpec) -> None:
    table = frequencies(spec)
    assert table.shape == (2 * spec.bound + 1,)
    assert int(table.sum()) == TOTAL
    assert int(table.min()) >= 1
    np.testing.assert_array_equal(table, table[::-1])
    assert np.all(np.diff(table[spec.bound :]) <= 0)


@given(SPECS)
def test_every_table_is_sound(spec: ModelSpec) -> None:
    check_table(spec)


@pytest.mark.parametrize("spec", CORNERS, ids=str)
def test_tables_at_the_limits(spec: ModelSpec) -> None:
    check_table(spec)


def test_codes_grow_by_eighths_of_octaves() -> None:
    values = [code_value(c) for c in range(256)]
    assert values[0] == 0
    assert all(a < b for a, b in itertools.pairwise(values))
    assert max(b / a for a, b in itertools.pairwise(values[1:])) <= 1.125


def empirical_bits(symbols: np.ndarray) -> float:
    _, counts = np.unique(symbols, return_counts=True)
    return float(-(counts * np.log2(counts / symbols.size)).sum())


def samples(kind: str, scale: float, count: int) -> np.ndarray:
    rng = np.random.default_rng(int(scale * 100))
    draw = {
        "laplace": lambda: rng.laplace(0, scale, count),
        "gauss": lambda: rng.normal(0, scale, count),
        "uniform": lambda: rng.uniform(-scale, scale, count),
    }[kind]()
    return np.rint(draw).astype(np.int32)


@pytest.mark.parametrize("kind", ["laplace", "gauss", "uniform"])
@pytest.mark.parametrize("scale", [0.1, 0.4, 1.0, 5.0, 40.0])
def test_the_fitted_model_costs_little_more_than_the_entropy(kind: str, scale: float) -> None:
    symbols = samples(kind, scale, 30_000)
    _, cost = fit(symbols)
    assert cost <= 1.03 * empirical_bits(symbols) + 60


@given(st.lists(st.integers(-MAX_SYMBOL, MAX_SYMBOL), min_size=1, max_size=40))
@settings(max_examples=40)
def test_the_stated_cost_is_the_cost(values: list[int]) -> None:
    symbols = np.array(values, np.int32)
    spec, cost = fit(symbols)
    assert spec.bound == np.abs(symbols).max()
    if spec.bound:
        chosen = frequencies(spec)[symbols + spec.bound]
        assert cost == pytest.approx(float(-np.log2(chosen / TOTAL).sum()))
        flat = bits(
            np.bincount(np.abs(symbols), minlength=spec.bound + 1), ModelSpec(spec.bound, 0, 0)
        )
        assert cost <= flat + 1e-6


def test_zeros_cost_nothing() -> None:
    assert fit(np.zeros((3, 4), np.int32)) == (ModelSpec(0, 0, 0), 0.0)
    assert fit(np.zeros(0, np.int32)) == (ModelSpec(0, 0, 0), 0.0)
