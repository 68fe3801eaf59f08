"""Integer and boolean arrays as indices: what NumPy gives, of what is decoded."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from test_latent import smooth

import inif
from inif.errors import SelectionError

SHAPE = (3, 20, 24)


@cache
def kinds() -> list[tuple[inif.File, np.ndarray]]:
    """A latent and an exact file, and what they decode to."""
    image = smooth(SHAPE)
    files = [
        inif.compress(image, axes="ZYX", method="latent", ratio=6),
        inif.compress(image, axes="ZYX", lossless=True),
    ]
    return [(file, np.asarray(file)) for file in files]


def one_key(draw: Any, length: int) -> Any:
    kind = draw(st.sampled_from(["int", "slice", "array", "list"]))
    index = st.integers(-length, length - 1)
    if kind == "int":
        return draw(index)
    if kind == "slice":
        return draw(st.slices(length))
    shape = (draw(st.integers(1, 3)),) if kind == "list" else draw(arrays.array_shapes(max_dims=2))
    found = draw(arrays.arrays(np.int64, shape, elements=index))
    return found.tolist() if kind == "list" else found


@st.composite
def keys(draw: Any) -> tuple[Any, ...]:
    count = draw(st.integers(1, len(SHAPE)))
    found = [one_key(draw, n) for n in SHAPE[:count]]
    if draw(st.booleans()) and count < len(SHAPE):
        found.append(Ellipsis)
    return tuple(found)


@given(keys())
def test_the_samples_of_numpy(key: tuple[Any, ...]) -> None:
    for file, whole in kinds():
        try:
            wanted = whole[key]
        except IndexError:
            with pytest.raises(SelectionError):
                file[key]
            continue
        found = file[key]
        assert (found.shape, found.dtype) == (wanted.shape, wanted.dtype)
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize(
    "key",
    [
        np.arange(3) == 1,
        (slice(None), np.arange(20) % 3 == 0),
        (Ellipsis, np.arange(24) < 5),
        (1, np.add.outer(np.arange(20), np.arange(24)) % 7 == 0),
        (np.add.outer(np.arange(3), np.arange(20)) % 5 == 0, slice(3, 20, 4)),
        (slice(None), [1, 2], np.zeros(24, bool)),
        [],
        ([0, 2], slice(None), [5, 6]),
    ],
    ids=str,
)
def test_masks_and_others(key: Any) -> None:
    for file, whole in kinds():
        try:
            wanted = whole[key]
        except IndexError:
            with pytest.raises(IndexError):
                file[key]
        else:
            np.testing.assert_array_equal(file[key], wanted)


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        ([3], "outside the image"),
        ([[0.5]], "this index cannot be used"),
        (np.ones(4, bool), "this mask does not fit"),
        (([0, 1], [0, 1, 2]), "do not go together"),
        (([0], 0, 0, 0), "too many"),
    ],
)
def test_what_cannot_be_is_one_error(key: Any, problem: str) -> None:
    file, whole = kinds()[0]
    with pytest.raises(IndexError):
        whole[key]
    with pytest.raises(SelectionError, match=problem):
        file[key]


def test_what_lies_far_apart_costs_its_share(random_file: Callable[..., bytes]) -> None:
    with inif.open(random_file("ZYX", (30, 8, 9), brick=(1, 8, 9))) as file:
        opened = []
        make = file.bricks.open
        file.bricks.open = lambda brick: (opened.append(brick), make(brick))[1]  # type: ignore[method-assign]
        file[[2, 29, 2]]
    assert opened == [2, 29]
