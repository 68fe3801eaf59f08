"""What an image must be before it is compressed, and what its metadata keep."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from inif.errors import AxesError, InputError
from inif.image import Channel, Image, Metadata, check_image


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_supported_samples_come_back_native(dtype: str, order: str) -> None:
    data = np.arange(12).reshape(3, 4).astype(np.dtype(dtype).newbyteorder(order))
    image = check_image(Image(data, "yx"))
    assert image.axes == "YX"
    assert image.data.dtype.isnative
    np.testing.assert_array_equal(image.data, data)
    assert image.raw_bytes == 12 * np.dtype(dtype).itemsize


@pytest.mark.parametrize(
    ("dtype", "way"),
    [
        ("bool", "uint8"),
        ("int8", "uint16"),
        ("uint32", "float32"),
        ("int64", "float32"),
        ("float16", "float32"),
        ("float64", "float32"),
        ("complex64", "numpy.abs"),
        ("U3", "supported"),
    ],
)
def test_other_samples_are_refused_with_a_way_out(dtype: str, way: str) -> None:
    with pytest.raises(InputError, match=np.dtype(dtype).name) as caught:
        check_image(Image(np.zeros((2, 2), dtype), "YX", source="a.tif"))
    assert caught.value.field == "dtype"
    assert caught.value.file == "a.tif"
    assert way in str(caught.value.fix)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_sample_that_is_no_number_is_found(bad: float) -> None:
    data = np.zeros((3, 4, 5), np.float32)
    data[2, 1, 3] = bad
    with pytest.raises(InputError, match="nan_to_num") as caught:
        check_image(Image(data, "ZYX"))
    assert caught.value.field == "Z=2"


@pytest.mark.parametrize("shape", [(0,), (0, 4), (3, 0), (3, 0, 2)])
def test_an_empty_image(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="no samples"):
        check_image(Image(np.zeros(shape, np.uint8), "ZYX"[-len(shape) :]))


def test_axes_must_fit() -> None:
    with pytest.raises(AxesError):
        Image(np.zeros((2, 2)), "ZYX")


def test_channels() -> None:
    image = Image(np.zeros((2, 3, 4)), "YCX")
    assert (image.channel_axis, image.n_channels) == (1, 3)
    image = Image(np.zeros((2, 3)), "YX")
    assert (image.channel_axis, image.n_channels) == (None, 1)


def test_with_data_keeps_the_rest() -> None:
    image = Image(np.zeros((2, 3)), "YX", Metadata(name="a"), "a.tif")
    other = image.with_data(np.ones((2, 3)))
    assert (other.axes, other.meta, other.source) == ("YX", image.meta, "a.tif")
    assert other.data[0, 0] == 1


TEXT = st.none() | st.text(min_size=1, max_size=8)
METADATA = st.builds(
    Metadata,
    name=TEXT,
    scale=st.dictionaries(
        st.sampled_from("TZYX"), st.tuples(st.floats(1e-9, 1e9), st.none() | st.just("µm"))
    ),
    channels=st.lists(st.builds(Channel, TEXT, st.none() | st.just("#00FF00")), max_size=4).map(
        tuple
    ),
)


@given(METADATA)
def test_metadata_round_trip(meta: Metadata) -> None:
    back = Metadata.from_json(meta.to_json())
    assert (back.name, back.scale) == (meta.name, meta.scale)
    if any(c.name or c.color for c in meta.channels):
        assert back.channels == meta.channels
    else:
        assert back.channels == ()


def test_no_metadata_take_no_bytes() -> None:
    assert Metadata(channels=(Channel(), Channel()), ome_xml="<OME/>").to_json() == {}


def test_names_of_other_channels_than_there_are() -> None:
    meta = Metadata(channels=(Channel("DNA"), Channel("actin")))
    image = Image(np.zeros((3, 4, 5), np.uint8), "CYX", meta)
    with pytest.raises(InputError, match="channels"):
        check_image(image)
