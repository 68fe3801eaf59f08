"""The compiled repair against the same in NumPy, its gain, and against misuse."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inif.latent import _core, repair
from inif.latent.reference import repair as reference


def some_net(stack: bool, seed: int = 0, size: int = 900) -> bytes:
    rng = np.random.default_rng(seed)
    sizes = (reference.inputs_of(stack), *reference.HIDDEN, reference.SIDE**2)
    return reference.stored(
        [
            (rng.integers(-size, size, (m, n)), rng.integers(-200_000, 200_000, m))
            for n, m in pairwise(sizes)
        ]
    )


NETS = (some_net(False), some_net(True))


def both(x: np.ndarray, step: float, net: bytes) -> tuple[np.ndarray, np.ndarray]:
    place = (0, x.shape[0] * x.shape[1], 0, x.shape[2])
    out = np.full_like(x, np.nan), np.full_like(x, np.nan)
    _core.repair(x, step, net, out[0], *place)
    reference.repair(x, step, net, out[1], *place)
    return out


@settings(deadline=None, max_examples=40)
@given(
    st.tuples(*(st.integers(1, n) for n in (2, 4, 37, 70))),
    st.sampled_from((0.0, 1.0, 1e3, 1e9, 1e30)),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
def test_equals_the_reference(shape: tuple[int, ...], size: float, stack: bool, seed: int) -> None:
    x = (np.random.default_rng(seed).normal(0, 1, shape) * size).astype(np.float32)
    compiled, plain = both(x, 250.0, NETS[stack])
    np.testing.assert_array_equal(compiled, plain)


@pytest.mark.parametrize("side", [1, 2, 3, 4, 5])
def test_tiny_images(side: int) -> None:
    x = np.random.default_rng(side).normal(0, 500, (1, 1, side, 6 - side)).astype(np.float32)
    for net in NETS:
        np.testing.assert_array_equal(*both(x, 100.0, net))


def test_values_that_are_no_numbers() -> None:
    x = np.zeros((1, 2, 9, 9), np.float32)
    x[0, 0, 4] = [np.nan, np.inf, -np.inf, 3e38, -3e38, 0, 1, 2, 3]
    for step in (1e-30, 1.0, 1e30):
        np.testing.assert_array_equal(*both(x, step, NETS[1]))


def test_any_number_of_threads_gives_the_same() -> None:
    y = np.random.default_rng(0).normal(0, 400, (2, 3, 2, 150, 40)).astype(np.float32)
    one = repair.correction(y, 100.0, nets=NETS, threads=1)
    np.testing.assert_array_equal(one, repair.correction(y, 100.0, nets=NETS, threads=3))
    for channel in range(2):
        for plane in range(2):  # neighbours are those in time
            alone = y[channel, :, plane][None]
            np.testing.assert_array_equal(one[channel, :, plane], both(alone, 100.0, NETS[1])[1][0])


def test_a_part_that_begins_at_a_block_is_repaired_alike() -> None:
    y = np.random.default_rng(0).normal(0, 400, (1, 1, 1, 80, 80)).astype(np.float32)
    whole = repair.correction(y, 100.0, nets=NETS)
    part = repair.correction(y[..., 20:60, 24:64], 100.0, nets=NETS)
    np.testing.assert_array_equal(part[..., 8:-8, 8:-8], whole[..., 28:52, 32:56])


def test_what_is_flat_stays() -> None:
    y = np.full((1, 1, 3, 20, 20), 5e4, np.float32)
    y[..., 0, 0] += 3
    assert not repair.correction(y, 100.0).any()


def test_gain_is_the_best_and_a_byte() -> None:
    rng = np.random.default_rng(0)
    y, r = rng.normal(0, 1, (2, 4, 1, 1, 8, 8)).astype(np.float32)
    x = y + r * np.array([0.5, -1, 1.25, 9], np.float32)[:, None, None, None, None]
    gains = repair.gains(x, y, r)
    assert gains.dtype == np.uint8
    assert gains.tolist() == [32, 0, 80, 128]
    np.testing.assert_allclose(repair.apply(y, r, gains)[[0, 2]], x[[0, 2]], atol=1e-5)
    assert repair.gains(x, y, np.zeros_like(r)).tolist() == [0] * 4


def test_the_networks_of_the_package() -> None:
    plane, stack = repair.load()
    assert (len(plane), len(stack)) == _core.REPAIR_BYTES
    for n, net in enumerate((plane, stack)):
        assert reference.stored(reference.layers_of(net)) == net
        x = np.random.default_rng(0).normal(0, 300, (1, 1 + 2 * n, 21, 23)).astype(np.float32)
        np.testing.assert_array_equal(*both(x, 200.0, net))
    with pytest.raises(ValueError, match="unknown"):
        repair.load("0")


def test_misuse_is_one_error() -> None:
    x = np.zeros((1, 2, 9, 9), np.float32)
    for net in (b"", NETS[0][:-1], NETS[1] + b"\0"):
        with pytest.raises(ValueError, match="of another size"):
            _core.repair(x, 1.0, net, np.zeros_like(x), 0, 2, 0, 9)
    with pytest.raises(ValueError, match="above 31 bits"):
        _core.repair(x, 1.0, some_net(False, size=32_000), np.zeros_like(x), 0, 2, 0, 9)
    for step in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match="step"):
            _core.repair(x, step, NETS[0], np.zeros_like(x), 0, 2, 0, 9)
    for place in (
        (-1, 2, 0, 9),
        (0, 3, 0, 9),
        (2, 1, 0, 9),
        (0, 2, 2, 9),
        (0, 2, 0, 7),
        (0, 2, 8, 4),
    ):
        with pytest.raises(ValueError, match="of x"):
            _core.repair(x, 1.0, NETS[0], np.zeros_like(x), *place)
    with pytest.raises(ValueError, match="one shape"):
        _core.repair(x, 1.0, NETS[0], np.zeros((1, 2, 9, 8), np.float32), 0, 2, 0, 9)
    with pytest.raises(TypeError):
        _core.repair(x, 1.0, NETS[0], np.zeros(x.shape, np.float64), 0, 2, 0, 9)
