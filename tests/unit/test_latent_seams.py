"""Where bricks of a latent field meet: what is coded besides, and that it does not show."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from test_latent import smooth

import inif
from inif.bricks import BrickGrid
from inif.decode.latent_spec import LatentSpec
from inif.latent.layout import coded_slices, places, seams_of, slots
from inif.latent.plan import HAAR, Plan
from inif.latent.transform import SEAM, _norm, analyse, synthesise


@given(st.permutations("CTZYX"), st.integers(1, 5), st.data())
def test_what_is_coded_of_a_brick(letters: list[str], count: int, data: st.DataObject) -> None:
    axes = "".join(letters[:count])
    shape = tuple(data.draw(st.integers(1, 7)) for _ in axes)
    grid = BrickGrid(shape, tuple(data.draw(st.integers(1, n)) for n in shape))
    place = dict(zip(slots(axes), places(axes), strict=True))
    shown = np.zeros(shape, int)
    for brick in range(len(grid)):
        own, coded = grid.slices(brick), coded_slices(axes, grid, brick)
        shown[own] += 1
        plan = LatentSpec(1.0).plan(axes, grid, brick)
        assert math.prod(plan.shown) == shown[own].size
        assert math.prod(plan.sizes) == shown[coded].size
        for axis, a, b, n in zip(axes, own, coded, shape, strict=True):
            follows = a.stop < n
            assert b.start == a.start
            assert b.stop - a.stop == (follows and place[axis] > 2)
            if axis != "C":
                assert seams_of(axes, grid, brick)[place[axis] - 1] == (a.start > 0, follows)
    assert (shown == 1).all()


@pytest.mark.numerical
@given(
    st.tuples(*[st.integers(1, 13)] * 5),
    st.tuples(*[st.integers(0, 4)] * 3),
    st.tuples(*[st.tuples(st.booleans(), st.booleans())] * 4),
)
def test_synthesis_undoes_analysis_at_seams(
    sizes: tuple[int, int, int, int, int],
    levels: tuple[int, int, int],
    seams: tuple[tuple[bool, bool], ...],
) -> None:
    plan = Plan(sizes, levels, seams=seams)
    x = np.random.default_rng(0).normal(0, 1000, sizes).astype(np.float32)
    np.testing.assert_allclose(synthesise(*analyse(x, plan), plan), x, rtol=0, atol=0.1)


def test_the_ends_of_bricks_count_more() -> None:
    both = (True, True)
    for length in (16, 17):
        sizes = (1, 1, length, length, length)
        plan, meets = Plan(sizes, (0, 1, 1)), Plan(sizes, (0, 1, 1), seams=(both,) * 4)
        for axis in (1, 3):
            for letter in "LH":
                before, after = (_norm(p, 0, axis, letter) for p in (plan, meets))
                assert before is not None
                assert after is not None
                changed = np.flatnonzero(before != after)
                first = [0] if letter == "L" else []
                shown = axis == 1 and (letter == "L") == (length % 2 == 1)
                assert changed.tolist() == first + [len(before) - 1] * shown
                assert (after[changed] == before[changed] * SEAM).all()
    plan = Plan((1, 1, 16, 1, 1), (0, 1, 0), (0, HAAR))
    meets = Plan(plan.sizes, plan.levels, plan.kinds, (both,) * 4)
    for letter in "LH":
        np.testing.assert_array_equal(_norm(plan, 0, 1, letter), _norm(meets, 0, 1, letter))


def test_errors_at_seams_are_those_of_other_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inif.latent.layout.MOST_VOXELS", 128 * 128)
    data = smooth((512, 512))
    file = inif.compress(data, axes="YX", method="latent", ratio=30)
    assert file.grid.brick == (128, 128)
    error = np.square(np.asarray(file).astype(float) - data)
    near = np.zeros(data.shape, bool)
    for cut in range(128, 512, 128):
        near[cut - 2 : cut + 2] = near[:, cut - 2 : cut + 2] = True
    assert error[near].mean() <= 1.15 * error[~near].mean()
    assert file.preview(64).shape == (64, 64)


def test_guides_and_bounds_take_what_is_coded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("inif.latent.layout.MOST_VOXELS", 96 * 96)
    data = smooth((150, 170))
    mask = np.zeros(data.shape, np.uint8)
    mask[80:120, 80:120] = 1
    tifffile.imwrite(tmp_path / "mask.tif", mask, metadata={"axes": "YX"})
    guide = f"mask:{tmp_path / 'mask.tif'}"
    guided = inif.compress(data, axes="YX", method="latent", ratio=15, guide=guide)
    bounded = inif.compress(data, axes="YX", max_error=40)
    assert np.abs(np.asarray(bounded).astype(int) - data).max() <= 40
    for file in (guided, bounded):
        assert len(file.grid) == 4
        assert inif.verify(file.to_bytes())["exact"]
