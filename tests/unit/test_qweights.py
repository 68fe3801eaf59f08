"""The QWTS section: exact round trips, exact steps, and one error for whatever is malformed."""

from __future__ import annotations

import tracemalloc

import hypothesis.strategies as st
import numpy as np
import pytest
from arithmetic import tolerance
from hypothesis import given, settings

from inif.coding import qweights
from inif.coding.check import Check
from inif.coding.models import MAX_SYMBOL
from inif.coding.qweights import QuantizedWeights, pack, quantize, step, unpack
from inif.errors import FormatError

pytestmark = pytest.mark.numerical

SHAPES = [(9, 3), (9, 9), (2, 9), (2, 9), (2,)]
HEAD = 12
GROUP = 5


def example(seed: int = 0) -> tuple[QuantizedWeights, Check, bytes]:
    rng = np.random.default_rng(seed)
    weights = [rng.normal(0, 1, s).astype(np.float32) for s in SHAPES]
    quantized = quantize(weights, 0.01, [0, 3, -5, 20, -128])
    check = Check(0xDEADBEEF, 0xCAFEF00D)
    return quantized, check, pack(quantized, check)


def taken(data: bytes) -> tuple[QuantizedWeights, Check]:
    return unpack(data, SHAPES, file="a.inif", brick=3)


def refused(data: bytes, shapes: list[tuple[int, ...]] = SHAPES) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(FormatError) as caught:
            unpack(data, shapes, file="a.inif", brick=3)
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()
    assert caught.value.file == "a.inif"
    assert "brick 3" in str(caught.value.field)


@given(st.integers(0, 1000))
@settings(max_examples=20)
def test_round_trip(seed: int) -> None:
    quantized, check, data = example(seed)
    back, stored = taken(data)
    assert stored == check
    assert (back.base, back.exponents) == (quantized.base, quantized.exponents)
    for a, b, shape in zip(quantized.symbols, back.symbols, SHAPES, strict=True):
        assert b.shape == shape
        np.testing.assert_array_equal(a, b)
    for a, b in zip(quantized.weights(), back.weights(), strict=True):
        assert b.dtype == np.float32
        np.testing.assert_array_equal(a, b)


@given(st.floats(1e-6, 10), st.integers(-40, 40))
def test_rounding_is_to_the_nearest_step(base: float, k: int) -> None:
    size = float(step(base, k))
    w = np.random.default_rng(0).normal(0, 100 * size, 50).astype(np.float32)
    quantized = quantize([w], base, [k])
    assert np.abs(quantized.weights()[0] - w).max() <= size * 0.5001


@pytest.mark.parametrize("value", [-1, 1, -5000])
def test_a_single_weight(value: int) -> None:
    quantized = QuantizedWeights(1.0, (0,), (np.array([value], np.int32),))
    back, _ = unpack(pack(quantized, Check()), [(1,)], file="a.inif", brick=0)
    np.testing.assert_array_equal(back.symbols[0], [value])


def test_what_is_too_large_is_clipped() -> None:
    quantized = quantize([np.array([1e6, -1e6], np.float32)], 1.0, [0])
    np.testing.assert_array_equal(quantized.symbols[0], [MAX_SYMBOL, -MAX_SYMBOL])


@given(st.floats(2.0**-20, 2.0**20, width=32), st.integers(-128, 127))
def test_a_step_is_a_float32_product_and_an_exact_power_of_two(base: float, k: int) -> None:
    eighths = [1.0, 1.0905077, 1.1892071, 1.2968396, 1.4142135, 1.5422108, 1.6817929, 1.8340081]
    product = np.float32(np.float32(base) * np.float32(eighths[k % 8]))
    got = step(base, k)
    assert isinstance(got, np.float32)
    assert float(got) == float(product) * 2.0 ** (k // 8)
    assert float(got) == pytest.approx(base * 2 ** (k / 8), rel=tolerance(3))


def test_truncations_are_refused_or_harmless() -> None:
    """A stack of words cut below its top can still end empty; the section's CRC finds that."""
    data = example()[2]
    head = HEAD + GROUP * len(SHAPES)
    harmless = []
    for length in range(len(data)):
        try:
            back, _ = taken(data[:length])
        except FormatError:
            continue
        harmless.append(length)
        assert [q.shape for q in back.symbols] == SHAPES
        assert all(np.isfinite(w).all() for w in back.weights())
    assert all(length >= head and (length - head) % 4 == 0 for length in harmless)
    assert len(harmless) <= 3
    refused(data[: head - 1])


@pytest.mark.parametrize("tail", [b"\0", b"\1\2\3", bytes(4), b"\1\0\0\0", bytes(400)], ids=repr)
def test_more_bytes_than_needed_are_refused(tail: bytes) -> None:
    refused(example()[2] + tail)


@given(st.binary(max_size=200))
def test_random_bytes(data: bytes) -> None:
    refused(data)


@given(st.binary(min_size=4, max_size=400), st.integers(0, 200), st.integers(0, 200))
def test_a_random_stream_behind_a_sound_head(stream: bytes, linear: int, square: int) -> None:
    head = bytearray(example()[2][: HEAD + GROUP * len(SHAPES)])
    for group in range(len(SHAPES)):
        head[HEAD + GROUP * group + 3 : HEAD + GROUP * group + 5] = linear, square
    try:
        back, _ = taken(bytes(head) + stream)
    except FormatError:
        return
    for q, shape in zip(back.symbols, SHAPES, strict=True):
        assert q.shape == shape
        assert np.abs(q).max() <= MAX_SYMBOL


@given(st.data())
def test_flipped_bits_give_finite_weights_or_one_error(data: st.DataObject) -> None:
    section = bytearray(example()[2])
    at = data.draw(st.integers(4, HEAD + GROUP * len(SHAPES) + 3))
    section[at] ^= 1 << data.draw(st.integers(0, 7))
    try:
        back, _ = taken(bytes(section))
    except FormatError:
        return
    assert all(np.isfinite(w).all() for w in back.weights())


@pytest.mark.parametrize("base", [0.0, -1.0, np.nan, np.inf])
def test_a_base_that_is_no_step(base: float) -> None:
    quantized = example()[0]
    refused(pack(QuantizedWeights(base, quantized.exponents, quantized.symbols), Check()))


@pytest.mark.parametrize("k", [127, 7])
def test_steps_beyond_float32(k: int) -> None:
    quantized = example()[0]
    refused(pack(QuantizedWeights(3e38, (k,) * 5, quantized.symbols), Check()))


def test_a_symbol_beyond_the_limit() -> None:
    data = bytearray(example()[2])
    data[HEAD + 1 : HEAD + 3] = (MAX_SYMBOL + 1).to_bytes(2, "little")
    refused(bytes(data))


def test_huge_networks_from_few_bytes_are_refused_before_memory_is_taken() -> None:
    shapes = [(4096, 5), *[(4096, 4096)] * 30, (1, 4096), (31, 4096), (1,)]
    head = Check().pack() + qweights._BASE.pack(1.0)
    refused(head + qweights._GROUP.pack(0, 0, 0, 0) * len(shapes), shapes)
    refused(head + qweights._GROUP.pack(0, 5, 200, 200) * len(shapes) + b"\1" * 4000, shapes)
    few = [(4096, 200), (4,)]
    refused(head + qweights._GROUP.pack(0, 5, 0, 0) * 2 + b"\1" * 400, few)


def test_weights_that_are_all_zero_need_no_stream() -> None:
    zeros = quantize([np.zeros(s, np.float32) for s in SHAPES], 1.0, [0] * len(SHAPES))
    data = pack(zeros, Check())
    assert len(data) == qweights.fixed_bytes(len(SHAPES))
    back, _ = taken(data)
    assert all((w == 0).all() for w in back.weights())
