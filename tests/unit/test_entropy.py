"""Symbols to words and back, at close to the cost that the models state."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from inif.coding import entropy
from inif.coding.models import MAX_SYMBOL, ModelSpec, fit

pytestmark = pytest.mark.numerical

ARRAYS = st.lists(
    st.lists(st.integers(-300, 300) | st.integers(-1, 1), min_size=1, max_size=60).map(
        lambda v: np.array(v, np.int32)
    ),
    min_size=1,
    max_size=5,
)


def check_round_trip(arrays: list[np.ndarray], specs: list[ModelSpec]) -> bytes:
    data = entropy.encode(arrays, specs)
    back = entropy.decode(data, [a.size for a in arrays], specs)
    for a, b in zip(arrays, back, strict=True):
        assert b.dtype == np.int32
        np.testing.assert_array_equal(a.ravel(), b)
    return data


@given(ARRAYS)
@settings(max_examples=50)
def test_round_trip(arrays: list[np.ndarray]) -> None:
    check_round_trip(arrays, [fit(a)[0] for a in arrays])


@given(ARRAYS, st.integers(0, 255), st.integers(0, 255))
@settings(max_examples=50)
def test_round_trip_under_any_model(arrays: list[np.ndarray], linear: int, square: int) -> None:
    check_round_trip(arrays, [ModelSpec(300, linear, square)] * len(arrays))


def test_the_largest_symbols() -> None:
    symbols = np.array([-MAX_SYMBOL, 0, MAX_SYMBOL], np.int32)
    check_round_trip([symbols], [ModelSpec(MAX_SYMBOL, 0, 0)])


def test_the_size_is_what_the_models_say() -> None:
    rng = np.random.default_rng(0)
    arrays = [np.rint(rng.laplace(0, s, 5000)).astype(np.int32) for s in (0.5, 3, 20)]
    specs, costs = zip(*map(fit, arrays), strict=True)
    data = check_round_trip(arrays, list(specs))
    assert len(data) % 4 == 0
    assert len(data) <= sum(costs) / 8 * 1.001 + 8


def test_only_zeros_take_no_words() -> None:
    zeros = np.zeros((4, 5), np.int32)
    assert check_round_trip([zeros, zeros], [ModelSpec(0, 0, 0)] * 2) == b""


def test_what_is_left_over_is_refused() -> None:
    symbols = np.rint(np.random.default_rng(0).laplace(0, 5, 200)).astype(np.int32)
    spec = fit(symbols)[0]
    data = entropy.encode([symbols], [spec])
    for bad in (data[:-1], data + b"\1\0\0\0", data + bytes(4), data[: len(data) // 8 * 4]):
        with pytest.raises(ValueError, match="coded stream"):
            entropy.decode(bad, [symbols.size], [spec])
    with pytest.raises(ValueError, match="coded stream"):
        entropy.decode(data, [symbols.size - 10], [spec])
