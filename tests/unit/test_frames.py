"""Frames out of images and back."""

from __future__ import annotations

import numpy as np
import pytest

from inif.errors import InputError
from inif.frames import Geometry, check_planes, orders
from inif.metrics.fidelity import channel_ranges

AXES = ("YX", "XY", "ZYX", "CYX", "YXC", "TZCYX", "ZTYX", "TYX", "CZTYX")


def image_of(axes: str, dtype: str = "uint16") -> np.ndarray:
    sizes = {"T": 3, "C": 2, "Z": 4, "Y": 5, "X": 6}
    shape = [sizes[a] for a in axes]
    return np.random.default_rng(1).integers(0, 200, shape).astype(dtype)


def geometry_of(data: np.ndarray, axes: str, order: str = "TZ") -> Geometry:
    return Geometry(axes, data.shape, data.dtype.name, channel_ranges(data, axes), order)


@pytest.mark.parametrize("axes", AXES)
def test_every_order_of_frames_can_be_undone(axes):
    data = image_of(axes)
    for order in orders(axes, data.shape):
        geometry = geometry_of(data, axes, order)
        stacks = geometry.stacks(data)
        c, t, z, y, x = geometry.sizes
        assert [s.shape for s in stacks] == [(t * z, y, x)] * c
        np.testing.assert_array_equal(geometry.image(stacks), data)


def test_orders_mean_what_they_say():
    data = np.arange(6, dtype=np.uint8).reshape(2, 3, 1, 1)  # T, Z
    seen = {
        order: geometry_of(data, "TZYX", order).stacks(data)[0].ravel().tolist()
        for order in orders("TZYX", data.shape)
    }
    assert seen == {
        "TZ": [0, 1, 2, 3, 4, 5],
        "ZT": [0, 3, 1, 4, 2, 5],
        "TZ~": [0, 1, 2, 5, 4, 3],
        "ZT~": [0, 3, 4, 1, 2, 5],
    }
    assert orders("ZYX", (3, 4, 4)) == ("TZ",)
    assert orders("TZYX", (1, 3, 4, 4)) == ("TZ",)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
def test_scaling_uses_the_whole_depth_and_comes_back(dtype):
    data = image_of("CYX", dtype)
    data[1] += 7
    geometry = geometry_of(data, "CYX")
    for channel, stack in enumerate(geometry.stacks(data)):
        levels = geometry.levels(stack, channel, 12)
        assert (levels.min(), levels.max()) == (0, 4095)
        back = geometry.from_levels(levels, channel, 12)
        assert back.dtype == data.dtype
        np.testing.assert_allclose(back, stack, atol=0.03)


def test_a_constant_channel_stays_constant():
    data = np.full((4, 4), 77, np.uint16)
    geometry = geometry_of(data, "YX")
    (stack,) = geometry.stacks(data)
    np.testing.assert_array_equal(geometry.from_levels(geometry.levels(stack, 0, 10), 0, 10), stack)


def test_codecs_need_planes():
    check_planes("TZCYX")
    with pytest.raises(InputError, match="Y and X"):
        check_planes("ZX")
