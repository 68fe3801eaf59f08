"""What every image source must do, whether its samples are in memory or in a file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from inif.errors import AxesError, InputError, SelectionError
from inif.image import (
    Channel,
    Image,
    ImageSource,
    LazyImage,
    Metadata,
    Region,
    check_image,
    need_finite,
)

META = Metadata("cells", {"X": (0.5, "µm")}, (Channel("DNA"), Channel("actin", "#00FF00")))
DATA = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)


def in_memory(data: np.ndarray, axes: str, meta: Metadata) -> ImageSource:
    return Image(data, axes, meta, "a.tif", ("a remark",), True)


def lazy(data: np.ndarray, axes: str, meta: Metadata) -> ImageSource:
    def reader(region: Region) -> np.ndarray:
        return data[region]

    found = (data.shape, data.dtype, reader, meta, "a.tif", ("a remark",), True)
    return LazyImage(axes, *found, noticed=lambda: ("a late one",))


SOURCES = pytest.mark.parametrize("make", [in_memory, lazy])
Make = Callable[[np.ndarray, str, Metadata], ImageSource]


@st.composite
def regions(draw: st.DrawFn, shape: tuple[int, ...]) -> Region:
    ends = [sorted(draw(st.tuples(st.integers(0, n), st.integers(0, n)))) for n in shape]
    return tuple(slice(*pair) for pair in ends)


@SOURCES
@given(region=regions(DATA.shape), dtype=st.sampled_from(["<u2", ">u2", ">f4", "?"]))
def test_a_region_is_native_contiguous_and_right(make: Make, region: Region, dtype: str) -> None:
    for data in (DATA.astype(dtype), DATA.astype(dtype).T.copy().T):
        got = make(data, "CZYX", META).read(region)
        assert got.dtype == np.dtype(dtype).newbyteorder("=")
        assert got.flags.c_contiguous
        np.testing.assert_array_equal(got, data[region])


@SOURCES
def test_what_it_says_of_itself(make: Make) -> None:
    source = make(DATA.astype(np.uint16), "czyx", META)
    assert (source.axes, source.shape, source.dtype) == ("CZYX", DATA.shape, np.dtype("uint16"))
    assert (source.channel_axis, source.n_channels, source.raw_bytes) == (0, 2, 240)
    assert (source.meta, source.source, source.labels) == (META, "a.tif", True)
    assert source.remarks == ("a remark",)
    assert make(DATA[0, 0], "YX", Metadata()).n_channels == 1


@SOURCES
@pytest.mark.parametrize(
    "region",
    [
        (slice(0, 2),),
        (slice(0, 3), *3 * [slice(0, 1)]),
        (slice(-1, 2), *3 * [slice(0, 1)]),
        (slice(2, 1), *3 * [slice(0, 1)]),
        (slice(0, 2, 2), *3 * [slice(0, 1)]),
    ],
)
def test_other_regions_are_refused(make: Make, region: Region) -> None:
    with pytest.raises(SelectionError, match=r"a\.tif"):
        make(DATA, "CZYX", META).read(region)


@SOURCES
def test_what_no_file_can_hold_is_refused_without_reading(make: Make) -> None:
    data = DATA.astype(np.float32)
    assert check_image(make(data, "CZYX", META)).axes == "CZYX"
    with pytest.raises(AxesError):
        make(data, "ZYX", META)
    for bad, field in (
        (make(data.astype(np.int64), "CZYX", META), "dtype"),
        (make(data[:, :0], "CZYX", META), "shape"),
        (make(data[:1], "CZYX", META), "meta.channels"),
        (make(data, "CZYX", Metadata(scale={"X": (0.0, None)})), "meta.scale['X']"),
    ):
        with pytest.raises(InputError) as caught:
            check_image(bad)
        assert caught.value.field == field


def test_samples_of_a_file_are_checked_by_who_reads_them() -> None:
    data = DATA.astype(np.float32)
    data[1, 2, 3, 4] = np.nan
    source = check_image(lazy(data, "CZYX", META))
    assert isinstance(source, LazyImage)
    whole = tuple(slice(0, n) for n in data.shape)
    with pytest.raises(InputError, match="nan_to_num") as caught:
        need_finite(source.read((slice(1, 2), *whole[1:])), source.axes, 1, file=source.source)
    assert (caught.value.field, caught.value.file) == ("C=1", "a.tif")
    need_finite(source.read((slice(0, 1), *whole[1:])), source.axes)
    need_finite(DATA, "CZYX")


def test_a_lazy_image_is_loaded_and_closed() -> None:
    closed: list[str] = []
    source = lazy(DATA.astype(">u2"), "CZYX", META)
    assert isinstance(source, LazyImage)
    with replace(source, closer=lambda: closed.append("once")) as opened:
        image = opened.load()
        assert not closed
    assert closed == ["once"]
    np.testing.assert_array_equal(image.data, DATA)
    assert (image.axes, image.meta, image.source) == ("CZYX", META, "a.tif")
    assert (image.labels, image.remarks) == (True, ("a remark", "a late one"))


def test_more_samples_than_memory_are_not_loaded() -> None:
    huge = LazyImage("ZYX", (1 << 20,) * 3, np.dtype("uint16"), lambda _: DATA, source="a.tif")
    assert check_image(huge).raw_bytes == 1 << 61
    with pytest.raises(InputError, match="does not fit into memory"):
        huge.load()
