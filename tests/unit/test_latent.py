"""The method `latent`: exact sizes, the same samples from every way of reading, one error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import inif
from inif.decode.latent_spec import LatentSpec
from inif.errors import BudgetError, FormatError
from inif.latent.layout import from_five, latent_grid, places, slots, to_five


def smooth(shape: tuple[int, ...], dtype: str = "uint16", seed: int = 0) -> np.ndarray:
    grids = np.meshgrid(*[np.arange(n) / 5 for n in shape], indexing="ij")
    value = sum(np.sin(g + i) for i, g in enumerate(grids))
    value = value + np.random.default_rng(seed).normal(0, 0.05, shape)
    value = (value - value.min()) / (value.max() - value.min())
    top = {"uint8": 250, "uint16": 4000, "int16": 3000, "float32": 1.5}[dtype]
    low = -1000 if dtype == "int16" else 0
    return (value * top + low).astype(dtype)


def compressed(data: np.ndarray, axes: str, **target: Any) -> inif.File:
    return inif.compress(data, axes=axes, method="latent", **target)


SHAPES = {
    "X": (9000,),
    "YX": (70, 90),
    "ZX": (70, 90),
    "CT": (3, 3000),
    "ZYX": (9, 40, 50),
    "CYX": (3, 50, 40),
    "YXC": (50, 40, 3),
    "TZYX": (4, 5, 30, 32),
    "TZCYX": (3, 4, 2, 24, 30),
}


@pytest.mark.parametrize("axes", SHAPES)
def test_every_axis_order_meets_its_budget_and_decodes_alike(axes: str) -> None:
    data = smooth(SHAPES[axes])
    file = compressed(data, axes, ratio=12)
    assert 12 <= file.ratio <= 12.12
    whole = np.asarray(file)
    spread = whole.astype(float) - data
    assert np.sqrt(np.square(spread).mean()) < 0.06 * data.max()
    part = tuple(slice(n // 4, 3 * n // 4, 2) for n in data.shape)
    np.testing.assert_array_equal(file[part], whole[part])
    where = np.array([[n // 2 for n in data.shape], [0] * data.ndim])
    np.testing.assert_allclose(file.points(where), whole[tuple(where.T)], atol=0.51)
    mask = np.zeros(data.shape, bool)
    mask[tuple(n // 3 for n in data.shape)] = True
    np.testing.assert_array_equal(file.mask(mask), whole[mask])
    report = inif.verify(file.to_bytes())
    assert report["ok"]
    assert report["exact"]


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
def test_every_dtype(dtype: str) -> None:
    data = smooth((60, 70), dtype)
    file = compressed(data, "YX", size=1500)
    assert file.dtype == dtype
    assert 1500 / 1.01 <= file.file_bytes <= 1500
    assert file.header["lossy"]["psnr"] > 25


def test_the_record_is_what_the_samples_say() -> None:
    data = smooth((3, 40, 50))
    data[1] //= 7
    file = compressed(data, "CYX", size=1500)
    decoded = np.asarray(file).astype(float)
    span = np.ptp(data.reshape(3, -1), axis=1).reshape(3, 1, 1)
    error = np.square((decoded - data) / span).mean()
    assert file.header["lossy"]["psnr"] == pytest.approx(-10 * np.log10(error), abs=2e-3)
    assert file.header["lossy"]["max_error"] == np.abs(decoded - data).max()


def test_the_same_job_gives_the_same_bytes() -> None:
    data = smooth((6, 40, 40))
    files = [compressed(data, "ZYX", size=1200).to_bytes() for _ in range(2)]
    assert files[0] == files[1]


def test_bricks_decode_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inif.latent.layout.MOST_VOXELS", 96 * 96)
    data = smooth((150, 170))
    file = compressed(data, "YX", ratio=15)
    assert len(file.grid) == 4
    whole = np.asarray(file)
    opened = inif.open(file.to_bytes())
    np.testing.assert_array_equal(opened[100:, 100:], whole[100:, 100:])
    assert len(opened._samples._kept) == 1
    assert inif.verify(file.to_bytes())["exact"]


def test_a_preview_is_made_of_coarse_grids(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inif.latent.layout.MOST_VOXELS", 128 * 128)
    data = smooth((3, 150, 200))
    file = compressed(data, "ZYX", ratio=12)
    assert len(file.grid) > 1
    seen = inif.open(file.to_bytes()).preview(60)
    assert seen.shape == (3, 38, 50)
    means = data[:, :148, :200].reshape(3, 37, 4, 50, 4).mean((2, 4))
    assert np.abs(seen[:, :37].astype(float) - means).mean() < 0.1 * data.max()


def test_what_is_too_small_is_said_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(BudgetError, match="latents"):
        compressed(smooth((300, 300)), "YX", ratio=1900, out=tmp_path / "a.inif")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "change",
    [
        {"step": 0}, {"step": True}, {"step": 1e9}, {"levels": [1]}, {"levels": [9, 0]},
        {"lifting": [0, 3]}, {"tables": "none"}, {"finer": [1, 2]}, {"finer": [4000]},
        {"gains": [129], "nets": "1"}, {"gains": [9], "nets": "2"},
    ],
    ids=str,
)  # fmt: skip
def test_fields_that_are_refused(change: dict[str, Any]) -> None:
    body = LatentSpec(100.0).to_json()
    assert LatentSpec.from_json(body, 1, file="a") == LatentSpec(100.0)
    with pytest.raises(FormatError, match=f"field.({'|'.join(change)})"):
        LatentSpec.from_json(body | change, 1, file="a")


@given(st.permutations("CTZYX"), st.integers(1, 5), st.data())
def test_five_axes_and_back(letters: list[str], count: int, data: st.DataObject) -> None:
    axes = "".join(letters[:count])
    shape = tuple(data.draw(st.lists(st.integers(1, 4), min_size=count, max_size=count)))
    image = np.arange(np.prod(shape)).reshape(shape)
    five = to_five(image, axes)
    np.testing.assert_array_equal(from_five(five, axes), image)
    assert sorted(places(axes)) == list(places(axes))
    assert five.ndim == 5
    assert len(slots(axes)) == count


@settings(max_examples=60)
@given(st.lists(st.integers(1, 5000), min_size=3, max_size=3))
def test_bricks_are_of_bounded_size(shape: list[int]) -> None:
    grid = latent_grid("ZYX", tuple(shape))
    assert np.prod(grid.brick) <= 1 << 23
    assert all(b % 32 == 0 or b == n for b, n in zip(grid.brick[1:], shape[1:], strict=True))


def test_a_quality_holds_for_every_channel_that_varies() -> None:
    data = smooth((4, 80, 90))
    data[1] = np.random.default_rng(1).normal(1000, 200, data[1].shape)
    data[2] = 7
    data[3] = np.maximum(data[3], 2500)
    for target in (35.0, 48.0):
        file = compressed(data, "CYX", psnr=target)
        off = np.square(np.asarray(file).astype(float) - data).mean((1, 2))
        span = np.ptp(data.reshape(4, -1), axis=1).astype(float)
        reached = [-10 * np.log10(off[c] / span[c] ** 2) for c in (0, 1, 3)]
        assert min(reached) >= target
        assert max(reached) <= target + 0.35
