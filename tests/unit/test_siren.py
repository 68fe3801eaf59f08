"""What the SIREN adds to the conformance of fields: shapes, and how outputs become samples."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from arithmetic import tolerance
from hypothesis import given

from inif.decode.brick import Intensities
from inif.fields.field import count_weights
from inif.fields.siren import Siren

pytestmark = pytest.mark.numerical


@pytest.mark.parametrize(
    ("axes", "shape", "channels", "inputs", "outputs", "mode"),
    [
        ("X", (9,), "outputs", 1, 1, "none"),
        ("ZYX", (2, 3, 4), "coordinate", 3, 1, "none"),
        ("CYX", (5, 3, 4), "outputs", 2, 5, "outputs"),
        ("YXC", (3, 4, 5), "coordinate", 3, 1, "coordinate"),
        ("TCZYX", (2, 3, 4, 5, 6), "outputs", 4, 3, "outputs"),
    ],
)
def test_inputs_and_outputs_follow_from_the_image(
    axes: str, shape: tuple[int, ...], channels: str, inputs: int, outputs: int, mode: str
) -> None:
    field = Siren.for_image(axes, shape, channels=channels, width=8)
    assert (field.inputs, field.outputs, field.channels) == (inputs, outputs, mode)
    assert field.group_shapes == (
        (8, inputs), *[(8, 8)] * 5, (outputs, 8), (6, 8), (outputs,)
    )  # fmt: skip
    assert count_weights(field) == 8 * inputs + 5 * 64 + 8 * outputs + 48 + outputs


RANGES = st.sampled_from(
    [
        ("uint8", 0, 255),
        ("uint16", 0, 65535),
        ("uint16", 1000, 1001),
        ("int16", -32768, 32767),
        ("float32", -1e30, 1e30),
        ("float32", -3.4e38, 3.4e38),
        ("float32", 1e-30, 3e-30),
        ("float32", 16777216.0, 16777220.0),
    ]
)


@given(RANGES, st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=20))
def test_samples_stay_in_the_range(limits: tuple[str, float, float], outputs: list[float]) -> None:
    dtype, low, high = limits
    intensities = Intensities(np.array([[low, high]], np.float64), np.dtype(dtype))
    got = intensities.samples(np.array(outputs, np.float32), 0)
    assert got.dtype == dtype
    assert np.isfinite(got.astype(np.float64)).all()
    assert got.min() >= np.array(low, dtype)
    assert got.max() <= np.array(high, dtype)


@given(RANGES)
def test_minus_one_and_one_are_the_ends_of_the_range(limits: tuple[str, float, float]) -> None:
    dtype, low, high = limits
    intensities = Intensities(np.array([[low, high]], np.float64), np.dtype(dtype))
    got = intensities.samples(np.array([-1, 1], np.float32), 0)
    ends = np.array([low, high], dtype)
    np.testing.assert_allclose(
        got.astype(np.float64), ends.astype(np.float64), atol=tolerance(3, high - low)
    )


def test_a_channel_of_one_value_is_exact() -> None:
    intensities = Intensities(np.array([[7.0, 7.0], [0.0, 9.0]]), np.dtype("uint8"))
    y = np.array([-1, 0.3, 1, 1e9], np.float32)
    np.testing.assert_array_equal(intensities.samples(y, 0), [7, 7, 7, 7])
    np.testing.assert_array_equal(intensities.samples(y[:1], np.array([1])), [0])


def test_halves_round_to_even() -> None:
    intensities = Intensities(np.array([[0.0, 4.0]]), np.dtype("uint8"))
    y = (np.array([0.5, 1.5, 2.5, 3.5], np.float32) - 2) / 2
    np.testing.assert_array_equal(intensities.samples(y, 0), [0, 2, 2, 4])
