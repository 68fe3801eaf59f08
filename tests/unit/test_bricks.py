"""The brick grid: every sample in one brick, every selection cut without loss."""

from __future__ import annotations

import math

import hypothesis.strategies as st
import numpy as np
from hypothesis import given

from inif.axes import select
from inif.bricks import BrickGrid, plan


@st.composite
def grids(draw: st.DrawFn) -> BrickGrid:
    shape = tuple(draw(st.lists(st.integers(1, 9), min_size=1, max_size=4)))
    return BrickGrid(shape, tuple(draw(st.integers(1, n)) for n in shape))


@given(grids())
def test_bricks_tile_the_image(grid: BrickGrid) -> None:
    owner = np.full(grid.shape, -1)
    for b in range(len(grid)):
        assert (owner[grid.slices(b)] == -1).all()
        assert owner[grid.slices(b)].shape == grid.extent(b)
        owner[grid.slices(b)] = b
    assert (owner >= 0).all()
    assert len(grid) == math.prod(grid.counts) == owner.max() + 1
    np.testing.assert_array_equal(owner[tuple(o[0] for o in map(np.atleast_1d, grid.origin(0)))], 0)


@given(grids(), st.data())
def test_pieces_cover_a_selection_exactly_once(grid: BrickGrid, data: st.DataObject) -> None:
    image = np.random.default_rng(0).integers(0, 1000, grid.shape)
    selection = select(tuple(data.draw(st.slices(n)) for n in grid.shape), grid.shape)
    out = np.full(selection.full_shape, -1)
    seen = set()
    for piece in grid.pieces(selection):
        assert piece.brick not in seen
        seen.add(piece.brick)
        part = image[grid.slices(piece.brick)]
        assert (out[piece.out] == -1).all()
        out[piece.out] = part[np.ix_(*piece.local)]
    np.testing.assert_array_equal(out, image[np.ix_(*selection.ranges)])


@given(grids(), st.data())
def test_locate_finds_brick_and_position(grid: BrickGrid, data: st.DataObject) -> None:
    whole = [data.draw(st.integers(0, n - 1)) for n in grid.shape]
    last = np.array(grid.shape) - 1
    part = np.where(whole < last, [data.draw(st.floats(0, 0.99)) for _ in whole], 0)
    points = np.array([whole, np.add(whole, part)], float)
    bricks, local = grid.locate(points)
    for b, position, point in zip(bricks, local, points, strict=True):
        np.testing.assert_allclose(position + grid.origin(int(b)), point, atol=1e-12)
        assert (position >= 0).all()
        assert (position < np.array(grid.extent(int(b)))).all()
    assert bricks[0] == bricks[1]


@given(
    st.lists(st.integers(1, 200), min_size=5, max_size=5), st.integers(1, 5), st.integers(1, 300)
)
def test_plans(lengths: list[int], count: int, wanted: int) -> None:
    axes, shape = "TCZYX"[-count:], tuple(lengths[:count])
    grid = plan(axes, shape, wanted, whole="C")
    assert grid.shape == shape
    assert all(1 <= b <= n for b, n in zip(grid.brick, shape, strict=True))
    if "C" in axes:
        assert grid.counts[axes.index("C")] == 1
    assert wanted > 1 or len(grid) == 1
    assert math.prod(grid.counts) < 4 * max(wanted, 1)
    cut = [n for n, parts, a in zip(grid.brick, grid.counts, axes, strict=True) if parts > 1]
    assert min(cut, default=8) >= 8


def test_a_cube_is_cut_into_cubes() -> None:
    assert plan("ZYX", (64, 64, 64), 8).brick == (32, 32, 32)
    assert plan("ZYX", (16, 256, 256), 4).brick == (16, 128, 128)
