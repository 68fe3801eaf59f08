"""One pass over an image: ranges, digest, and what lies far from all other samples."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inif.encode import survey as module
from inif.encode.survey import Filled, parts_of, survey
from inif.errors import InputError
from inif.image import Image

RNG = np.random.default_rng(7)


def image(shape: tuple[int, ...], axes: str, dtype: str = "uint16") -> Image:
    return Image(RNG.integers(100, 900, shape).astype(dtype), axes)


@given(
    shape=st.lists(st.integers(1, 9), min_size=1, max_size=5).map(tuple), most=st.integers(1, 400)
)
def test_parts_cover_an_image_in_c_order(shape: tuple[int, ...], most: int) -> None:
    numbers = np.arange(math.prod(shape)).reshape(shape)
    parts = [numbers[region].ravel() for region in parts_of(shape, 1, most)]
    assert np.array_equal(np.concatenate(parts), numbers.ravel())
    assert max(map(len, parts)) <= max(most, shape[-1])


@pytest.mark.parametrize(("shape", "axes"), [((5, 3, 8), "ZCX"), ((4, 6), "YX"), ((7,), "X")])
def test_ranges_and_digest_are_those_of_the_whole(
    shape: tuple[int, ...], axes: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.parts_of, "__defaults__", (16,))
    one = image(shape, axes)
    found = survey(one, budget=1000)
    assert found.digest == hashlib.sha256(one.data.astype("<u2").tobytes()).hexdigest()
    wanted = [[int(part.min()), int(part.max())] for part in one.each_channel()]
    assert found.ranges == wanted
    assert found.image is one


def test_hot_pixels_are_set_apart_and_filled_by_their_surroundings() -> None:
    data = image((3, 40, 50), "CYX").data.copy()
    data[1, 4, 7], data[1, 39, 49], data[2, 0, 0] = 65535, 60000, 0
    found = survey(Image(data, "CYX"), budget=10_000)
    assert isinstance(found.image, Filled)
    assert len(found.outliers.positions) == 2  # 0 is near the others
    whole = found.image.read((slice(0, 3), slice(0, 40), slice(0, 50)))
    assert whole.max() < 1000
    assert (whole != data).sum() == 2
    assert found.ranges[1] == [int(whole[1].min()), int(whole[1].max())]
    part = found.image.read((slice(1, 2), slice(3, 6), slice(6, 9)))
    assert np.array_equal(part, whole[1:2, 3:6, 6:9])
    assert len(found.remarks) == 1


def test_outliers_that_would_take_too_much_stay_and_are_told() -> None:
    data = image((40, 50), "YX").data.copy()
    data[4, 7:15] = 60000 + 7 * np.arange(8)
    found = survey(Image(data, "YX"), budget=64)
    assert len(found.outliers.positions) in (0, 8)
    if not len(found.outliers.positions):
        assert found.ranges == [[int(data.min()), int(data.max())]]
        assert "span the range" in found.remarks[0]


def test_a_value_of_many_samples_far_off_is_told() -> None:
    data = image((60, 60), "YX").data.copy()
    data[:20] = 40_000
    found = survey(Image(data, "YX"), budget=10_000)
    assert not len(found.outliers.positions)
    assert "33 % of the samples are 40000" in found.remarks[0]


def test_numbers_that_are_none_are_refused_unless_kept() -> None:
    data = np.ones((4, 5), np.float32)
    data[2, 1] = np.nan
    with pytest.raises(InputError, match="NaN"):
        survey(Image(data, "YX"), budget=100)
    assert survey(Image(data, "YX"), exact=True).ranges == [[1.0, 1.0]]
