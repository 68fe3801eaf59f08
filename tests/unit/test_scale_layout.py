"""Chunks and shards of arrays: what they hold, and what settings are refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inif.errors import AxesError, InputError
from inif.scale.layout import SHARD, chunk_and_shard

AXES = ("TCZYX", "CZYX", "ZYX", "TYX", "YX", "TCYX", "X")


@st.composite
def arrays(draw: st.DrawFn) -> tuple[str, tuple[int, ...], str]:
    axes = draw(st.sampled_from(AXES))
    most = {"T": 10**4, "C": 60, "Z": 10**4, "Y": 10**6, "X": 10**6}
    shape = tuple(draw(st.integers(1, most[a])) for a in axes)
    return axes, shape, draw(st.sampled_from(["uint8", "uint16", "float32", "int64", "bool"]))


@given(arrays())
def test_chunks_fit_into_bricks_and_shards_are_whole_chunks(
    array: tuple[str, tuple[int, ...], str],
) -> None:
    axes, shape, dtype = array
    chunks, shards = chunk_and_shard(axes, shape, dtype)
    assert math.prod(chunks) <= 1 << 23
    assert math.prod(shards) * np.dtype(dtype).itemsize <= SHARD
    for n, chunk, shard in zip(shape, chunks, shards, strict=True):
        assert 1 <= chunk <= n
        assert shard % chunk == 0
        assert shard < n + chunk  # no more chunks than the array has


@given(arrays())
def test_no_shard_could_be_twice_as_long(array: tuple[str, tuple[int, ...], str]) -> None:
    axes, shape, dtype = array
    chunks, shards = chunk_and_shard(axes, shape, dtype)
    size = math.prod(shards) * np.dtype(dtype).itemsize
    for n, chunk, shard in zip(shape, chunks, shards, strict=True):
        longer = min(2 * shard, -(-n // chunk) * chunk)
        assert longer == shard or size // shard * longer > SHARD


@pytest.mark.parametrize(
    ("axes", "shape", "chunks", "shards"),
    [
        ("TCZYX", (10, 3, 100, 5000, 5000), (1, 1, 8, 1024, 1024), (1, 1, 8, 4096, 4096)),
        ("ZYX", (300, 2048, 2048), (8, 1024, 1024), (32, 2048, 2048)),
        ("TCYX", (100, 2, 512, 512), (8, 1, 512, 512), (104, 2, 512, 512)),
        ("TCZYX", (100, 2, 1, 512, 512), (8, 1, 1, 512, 512), (104, 2, 1, 512, 512)),
        ("YX", (70000, 90000), (1024, 1024), (8192, 16384)),
        ("ZYX", (3, 40, 50), (3, 40, 50), (3, 40, 50)),
    ],
)
def test_usual_layouts(
    axes: str, shape: tuple[int, ...], chunks: tuple[int, ...], shards: tuple[int, ...]
) -> None:
    assert chunk_and_shard(axes, shape, "uint16") == (chunks, shards)


def test_settings_by_axis() -> None:
    shape = (4, 100, 3000, 3000)
    got = chunk_and_shard("CZYX", shape, "uint16", {"z": 16, "y": 512, "x": 512, "t": 9})
    assert got[0] == (1, 16, 512, 512)
    got = chunk_and_shard("CZYX", shape, "uint16", {"Z": 16}, {"z": 32, "Y": 1024, "x": 9999})
    assert got == ((1, 16, 1024, 1024), (1, 32, 1024, 3072))
    # A shard that is longer than the array is as long as its chunks.
    assert chunk_and_shard("YX", (600, 600), "uint8", None, {"x": 1000})[1][1] == 600


def test_a_shard_covers_a_block_of_the_source_first() -> None:
    shape = (300, 9000, 9000)
    assert chunk_and_shard("ZYX", shape, "uint16")[1] == (8, 4096, 4096)
    deep = chunk_and_shard("ZYX", shape, "uint16", block=(64, 512, 512))
    assert deep == ((8, 1024, 1024), (64, 1024, 2048))
    assert chunk_and_shard("CYX", (3, 9000, 9000), "uint16", block=(3, 9, 9))[1][0] == 3


@pytest.mark.parametrize(
    "settings",
    [
        {"chunks": {"q": 3}},
        {"chunks": {"z": 0}},
        {"chunks": {"z": 1.5}},
        {"chunks": {"z": True}},
        {"shards": {"z": 9}},
        {"shards": {"": 8}},
    ],
)
def test_settings_that_cannot_be(settings: dict[str, dict[str, int]]) -> None:
    with pytest.raises(InputError) as caught:
        chunk_and_shard("ZYX", (100, 3000, 3000), "uint16", **settings)
    assert caught.value.field is not None
    assert caught.value.expected is not None


def test_axes_that_do_not_fit() -> None:
    with pytest.raises(AxesError):
        chunk_and_shard("ZYX", (3, 4), "uint8")
