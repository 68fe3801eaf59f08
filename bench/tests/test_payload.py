"""The bytes around a rival's streams."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inif.errors import FormatError
from inif.frames import Geometry, orders
from inif.metrics.fidelity import channel_ranges
from inif_bench.payload import pack, unpack

AXES = ("YX", "XY", "YXC", "TZCYX", "CZTYX")


def geometry_of(axes: str, dtype: str = "uint16") -> Geometry:
    sizes = {"T": 3, "C": 2, "Z": 4, "Y": 5, "X": 6}
    data = np.random.default_rng(1).integers(0, 200, [sizes[a] for a in axes]).astype(dtype)
    ranges = channel_ranges(data, axes)
    return Geometry(axes, data.shape, dtype, ranges, orders(axes, data.shape)[-1])


@given(
    st.sampled_from(AXES),
    st.sampled_from(["uint8", "uint16", "int16", "float32"]),
    st.lists(st.binary(max_size=300), min_size=1, max_size=5),
)
def test_files_hold_all_that_decoding_needs(axes, dtype, streams):
    geometry = geometry_of(axes, dtype)
    packed = pack(geometry, streams)
    assert unpack(packed) == (geometry, streams)
    channels = geometry.sizes[0]
    head = len(packed) - sum(map(len, streams))
    assert head <= 4 + 2 * len(axes) + 2 * channels * np.dtype(dtype).itemsize + 2 * len(streams)


@pytest.mark.parametrize("cut", [0, 1, 2, 5, 9])
def test_a_cut_file_is_refused(cut):
    packed = pack(geometry_of("ZYX"), [b"abc", b"de"])
    with pytest.raises(FormatError):
        unpack(packed[:cut])
