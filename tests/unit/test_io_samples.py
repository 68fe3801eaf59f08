"""Samples that stay in their file: what is read of it, and what is kept of what was read."""

from __future__ import annotations

import io
import math
from itertools import product
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from inif.image import Metadata, Region
from inif.io import samples
from inif.io.samples import Blocks, Run, Turned, Whole, build, grown

DATA = np.arange(6 * 40 * 50, dtype=np.uint16).reshape(6, 40, 50)
BLOCK = (1, 16, 50)


class Decoder:
    """Gives blocks of `DATA`, and counts them."""

    def __init__(self) -> None:
        self.calls: list[Region] = []

    def __call__(self, box: Region) -> np.ndarray:
        self.calls.append(box)
        return DATA[box].copy()


def walk(blocks: Blocks, brick: tuple[int, ...]) -> None:
    for corner in product(*(range(0, n, b) for n, b in zip(DATA.shape, brick, strict=True))):
        region = tuple(
            slice(i, min(i + b, n)) for i, b, n in zip(corner, brick, DATA.shape, strict=True)
        )
        np.testing.assert_array_equal(blocks(region), DATA[region])


def test_bricks_beside_one_another_decode_no_block_twice() -> None:
    decoder = Decoder()
    walk(Blocks(DATA.shape, DATA.dtype, BLOCK, decoder), (6, 16, 10))
    assert len(decoder.calls) == 6 * 3


def test_blocks_that_are_used_whole_are_not_kept() -> None:
    decoder = Decoder()
    blocks = Blocks(DATA.shape, DATA.dtype, BLOCK, decoder)
    for _ in range(2):
        walk(blocks, (2, 16, 50))
    assert len(decoder.calls) == 2 * 6 * 3


def test_no_more_is_kept_than_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    size = math.prod(BLOCK) * DATA.itemsize
    for bound, calls in ((6 * size, 18), (2 * size, 90), (0, 90)):
        monkeypatch.setattr(samples, "CACHE", bound)
        decoder = Decoder()
        blocks = Blocks(DATA.shape, DATA.dtype, BLOCK, decoder, threads=1)
        walk(blocks, (6, 16, 10))
        assert len(decoder.calls) == calls
        assert sum(b.nbytes for b in blocks._kept.values()) <= max(bound, size)


def test_a_decoder_that_gives_other_shapes_is_found_out() -> None:
    blocks = Blocks(DATA.shape, DATA.dtype, BLOCK, lambda _: DATA[:1, :1, :1])
    with pytest.raises(ValueError, match="a block of shape"):
        blocks((slice(0, 1), slice(0, 4), slice(0, 4)))


class Counted(io.BytesIO):
    """A file that gives few bytes at once and counts them."""

    given = 0

    def read(self, size: int | None = -1, /) -> bytes:
        part = super().read(min(size or 0, 777))
        self.given += len(part)
        return part


@given(data=st.data(), most=st.integers(1, 5000), near=st.integers(0, 5000))
def test_a_run_reads_what_it_needs(data: st.DataObject, most: int, near: int) -> None:
    ends = [sorted(data.draw(st.tuples(*[st.integers(0, n)] * 2))) for n in DATA.shape]
    region = tuple(slice(*pair) for pair in ends)
    file = Counted(b"header" + DATA.astype(">u2").tobytes())
    run = Run(file, 6, DATA.shape, np.dtype(">u2"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(samples, "_READ", most)
        patch.setattr(samples, "_NEAR", near)
        np.testing.assert_array_equal(run(region), DATA[region])
    rows = DATA[region].size // max(DATA[region].shape[-1], 1)
    assert file.given <= DATA[region].nbytes + rows * near
    turned = Turned(run)
    assert turned.shape == DATA.shape[::-1]
    np.testing.assert_array_equal(turned(region[::-1]), DATA[region].T)


def test_a_run_that_ends_too_early() -> None:
    run = Run(io.BytesIO(DATA.tobytes()[:-2]), 0, DATA.shape, DATA.dtype)
    assert run((slice(0, 5), slice(0, 40), slice(0, 50))).size
    with pytest.raises(EOFError):
        run((slice(5, 6), slice(39, 40), slice(0, 50)))


@given(
    unit=st.tuples(*[st.integers(1, 600)] * 3),
    shape=st.tuples(*[st.integers(1, 3000)] * 3),
    axes=st.integers(1, 4),
)
def test_blocks_are_whole_units(unit: Any, shape: Any, axes: int) -> None:
    block = grown(unit, shape, DATA.dtype, axes)
    assert all(b % u == 0 and b < 2 * max(u, n) for b, u, n in zip(block, unit, shape, strict=True))
    assert block[: max(3 - axes, 0)] == unit[: max(3 - axes, 0)]
    smaller = math.prod(unit) * DATA.itemsize < samples._NEAR
    assert smaller or block == unit
    assert not smaller or math.prod(block) * DATA.itemsize < 2 * samples._NEAR


def test_a_large_image_that_is_read_whole_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def remarks() -> tuple[str, ...]:
        return build(Whole(DATA), "PNG file", "ZYX", None, Metadata(), "a.png").remarks

    assert remarks() == ()
    monkeypatch.setattr(samples, "LARGE", 1000)
    (remark,) = remarks()
    assert "PNG file can only be read whole" in remark
