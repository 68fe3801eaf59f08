"""Named axes and selections: NumPy's own results are the reference."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from inif.axes import (
    Selection,
    check_axes,
    compose,
    coordinates,
    parse_region,
    parse_stride,
    preview_selection,
    select,
    select_named,
    spread,
)
from inif.errors import AxesError, InputError, SelectionError

pytestmark = pytest.mark.numerical

SHAPES = st.lists(st.integers(1, 7), min_size=1, max_size=5).map(tuple)


@st.composite
def keys(draw: st.DrawFn, shape: tuple[int, ...]) -> Any:
    """A basic index of NumPy: integers, slices, at most one ellipsis."""
    count = draw(st.integers(0, len(shape)))
    before = draw(st.integers(0, count))
    ellipsis = draw(st.booleans())
    used = list(range(before)) + list(range(len(shape) - (count - before), len(shape)))
    if not ellipsis:
        used = list(range(count))
    parts: list[Any] = []
    for axis in used:
        n = shape[axis]
        index = st.integers(-n, max(n - 1, -n))
        one = (index | index.map(np.int64)) if n else st.nothing()
        parts.append(draw(one | st.slices(n)))
    if ellipsis:
        parts.insert(before, Ellipsis)
    return parts[0] if len(parts) == 1 and draw(st.booleans()) else tuple(parts)


def taken(data: np.ndarray, selection: Selection) -> np.ndarray:
    return data[np.ix_(*selection.ranges)].reshape(selection.shape)


@given(st.data())
def test_select_picks_what_numpy_picks(data: st.DataObject) -> None:
    shape = data.draw(SHAPES)
    key = data.draw(keys(shape))
    array = np.arange(np.prod(shape)).reshape(shape)
    selection = select(key, shape)
    expected = array[key]
    assert selection.shape == np.shape(expected)
    np.testing.assert_array_equal(taken(array, selection), expected)


@given(st.data())
def test_compose_is_one_selection_after_the_other(data: st.DataObject) -> None:
    shape = data.draw(SHAPES)
    array = np.arange(np.prod(shape)).reshape(shape)
    first = select(data.draw(keys(shape)), shape)
    second = select(data.draw(keys(first.full_shape)), first.full_shape)
    both = compose(first, second)
    whole = array[np.ix_(*first.ranges)][np.ix_(*second.ranges)]
    np.testing.assert_array_equal(array[np.ix_(*both.ranges)], whole)
    assert both.dropped == tuple(a or b for a, b in zip(first.dropped, second.dropped, strict=True))


@pytest.mark.parametrize(
    "key",
    [
        (0, 0, 0),
        (..., 0, ...),
        4,
        -5,
        None,
        True,
        np.True_,
        1.0,
        "z",
        [0, 1],
        np.array([0, 1]),
        np.ones((4, 3), bool),
        slice(None, None, 0),
        slice("a", None),
        slice(0.5, None),
    ],
    ids=repr,
)
def test_any_other_index_is_refused(key: Any) -> None:
    with pytest.raises(SelectionError):
        select(key, (4, 3))


def test_an_index_error_names_the_axis_and_its_limits() -> None:
    with pytest.raises(SelectionError, match=r"field: axis 1; expected: -3 … 2; got: 7"):
        select((0, 7), (4, 3))


@pytest.mark.parametrize("axes", ["X", "YX", "ZYX", "CZYX", "TCZYX", "XYZCT", "tczyx"])
def test_axes_come_back_in_upper_case(axes: str) -> None:
    assert check_axes(axes, (2,) * len(axes)) == axes.upper()


@pytest.mark.parametrize("axes", [None, "", "Q", "YY", "YX", "XYZCTX", "Y X", "zz"])
def test_axes_are_never_guessed(axes: str | None) -> None:
    with pytest.raises(AxesError, match="TCZYX") as caught:
        check_axes(axes, (4,), file="a.tif")
    assert caught.value.file == "a.tif"
    assert "--axes" in str(caught.value.fix)
    assert isinstance(caught.value, InputError)


@given(st.integers(1, 5000))
def test_coordinates_span_minus_one_to_one(n: int) -> None:
    c = coordinates(n)
    assert (c.dtype, c.shape) == (np.float32, (n,))
    if n == 1:
        assert c[0] == 0
    else:
        assert (c[0], c[-1]) == (-1, 1)
        assert np.all(np.diff(c) > 0)
        np.testing.assert_allclose(c, np.linspace(-1, 1, n), atol=1e-7)


@given(st.integers(1, 100_000), st.data())
def test_coordinates_are_the_same_bits_however_they_are_asked_for(
    n: int, data: st.DataObject
) -> None:
    i = data.draw(st.integers(0, n - 1))
    whole = coordinates(n)[i]
    assert coordinates(n, np.array([i]))[0] == whole
    assert coordinates(n, np.array([float(i)]))[0] == whole
    assert spread(np.array([[i]]), np.array([[n]]))[0, 0] == whole


def test_spread_takes_a_length_for_each_position() -> None:
    got = spread(np.array([[0, 1, 2], [0, 0, 0]]), np.array([[3], [1]]))
    np.testing.assert_array_equal(got, [[-1, 0, 1], [0, 0, 0]])


NAMES = ("DNA", "actin", None)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("", (...,)),
        ("z=2", (slice(None), 2)),
        (" Z = -1 , y=1:5,", (slice(None), -1, slice(1, 5))),
        ("y=::2,x=5:1:-2", (slice(None), slice(None), slice(None, None, 2), slice(5, 1, -2))),
        ("c=DNA", (0,)),
        ("c=actin,x=:3", (1, slice(None), slice(None), slice(3))),
        ("c=2", (2,)),
        ("x=3:3", (..., slice(3, 3))),
    ],
)
def test_regions(text: str, key: Any) -> None:
    shape = (3, 4, 8, 9)
    assert parse_region(text, "CZYX", shape, NAMES) == select(key, shape)


@pytest.mark.parametrize(
    "text",
    [
        "z",
        "z=",
        "=3",
        "q=1",
        "z=1,Z=2",
        "z=9",
        "z=a",
        "c=Actin",
        "z=1:2:3:4",
        "z=::0",
        "zy=1",
        "z=1.5",
    ],
)
def test_bad_regions(text: str) -> None:
    with pytest.raises(SelectionError):
        parse_region(text, "CZYX", (3, 4, 8, 9), NAMES)


def test_an_unknown_channel_lists_the_known_ones() -> None:
    with pytest.raises(SelectionError, match="DNA, actin"):
        parse_region("c=GFP", "CZYX", (3, 4, 8, 9), NAMES)
    with pytest.raises(SelectionError, match="none"):
        select_named({"c": "GFP"}, "CYX", (3, 8, 9))


def test_names_of_axes_in_any_case() -> None:
    assert select_named({"z": 1, "X": slice(2)}, "ZYX", (3, 4, 5)) == select(
        (1, slice(None), slice(2)), (3, 4, 5)
    )


@pytest.mark.parametrize("text", ["y=0", "y=-1", "y=x", "y=1.5", "y", "q=2", "y=²", "y=2,y=3"])
def test_bad_strides(text: str) -> None:
    with pytest.raises(SelectionError):
        parse_stride(text, "YX", (4, 5))


def test_strides() -> None:
    assert parse_stride(" Y=2 , x=10", "YX", (4, 5)) == select(
        (slice(None, None, 2), slice(None, None, 10)), (4, 5)
    )
    assert parse_stride("", "YX", (4, 5)) == select((), (4, 5))


@given(st.integers(1, 3000), st.integers(1, 3000), st.integers(1, 1000))
def test_a_preview_is_the_least_thinned_that_fits(h: int, w: int, size: int) -> None:
    selection = preview_selection("ZYX", (7, h, w), size)
    z, y, x = selection.shape
    assert z == 7
    assert max(y, x) <= size
    k = selection.ranges[1].step
    assert k == selection.ranges[2].step
    assert k == 1 or -(-max(h, w) // (k - 1)) > size


def test_a_preview_of_no_size() -> None:
    with pytest.raises(SelectionError):
        preview_selection("YX", (4, 5), 0)


def test_the_letters_that_remain() -> None:
    assert select((0, slice(2), 1), (3, 4, 5)).kept_axes("ZYX") == "Y"
