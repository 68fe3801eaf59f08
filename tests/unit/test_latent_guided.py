"""Guided latent fields: weights of coefficients, masks that are served, budgets that are kept."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

import inif
from inif.config import FitSettings, Target
from inif.encode.job import Job
from inif.encode.latent.coder import LatentCoder
from inif.encode.latent.guided import INSIDE, Guides, averaged, mask_of
from inif.errors import InputError
from inif.guidance import GuidanceWarning
from inif.image import Image
from inif.latent.plan import CDF97, HAAR, Plan
from inif.latent.transform import analyse


def speckled(shape: tuple[int, ...], seed: int = 1) -> np.ndarray:
    """Structure everywhere, so that bits can go anywhere."""
    rng = np.random.default_rng(seed)
    data = rng.normal(0, 1, shape)
    for axis in range(len(shape) - 2, len(shape)):
        data = data + np.roll(data, 1, axis) + np.roll(data, 2, axis)
    return np.clip(np.rint(120 + 12 * data), 0, 255).astype(np.uint8)


def saved(path: Path, mask: np.ndarray, axes: str) -> str:
    tifffile.imwrite(path, mask.astype(np.uint8), metadata={"axes": axes}, ome=True)
    return f"mask:{path}"


def pressed(data: np.ndarray, axes: str, **more: Any) -> inif.File:
    given: dict[str, Any] = {"ratio": 20, "method": "latent", **more}
    return inif.compress(data, axes=axes, **given)


def error(data: np.ndarray, file: inif.File, where: np.ndarray) -> float:
    return float(np.square(np.asarray(file).astype(float) - data)[where].mean())


@given(
    st.tuples(*[st.integers(1, n) for n in (2, 5, 6, 33, 30)]),
    st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 4)),
    st.sampled_from([(CDF97, CDF97), (HAAR, HAAR)]),
)
def test_coefficients_have_the_means_of_samples_weights(
    sizes: Any, levels: Any, kinds: tuple[int, int]
) -> None:
    plan = Plan(sizes, levels, kinds)
    counts = np.random.default_rng(0).uniform(0.5, 4, sizes).astype(np.float32)
    weights = averaged(counts, plan)
    values, _ = analyse(counts, plan)
    assert [{k: v.shape for k, v in bands.items()} for bands in weights] == [
        {k: v.shape for k, v in bands.items()} for bands in values
    ]
    for bands in weights:
        for band in bands.values():
            assert band.dtype == np.float32
            assert band.size == 0 or (band.min() >= 0.49 and band.max() <= 4.01)
    same = averaged(np.ones(sizes, np.float32), plan)
    assert all((band == 1).all() for bands in same for band in bands.values())


def test_a_coefficient_counts_what_is_under_it() -> None:
    plan = Plan((1, 1, 4, 16, 16), (0, 1, 2), (CDF97, HAAR))
    counts = np.ones((1, 1, 4, 16, 16), np.float32)
    counts[0, 0, 2:, :4, 8:12] = 9
    fine = averaged(counts, plan)[-1]["-LHH"][0, 0]
    assert (fine[1, :2, 4:6] == 9).all()
    assert fine.sum() == pytest.approx(fine.size + 8 * 4)
    coarse = averaged(counts, plan)[0]["--HH"][0, 0]
    assert coarse[1, 0, 2] == 9
    assert coarse.sum() == pytest.approx(coarse.size + 8)


def masked(data: np.ndarray, axes: str, mask: np.ndarray) -> tuple[LatentCoder, Guides]:
    """A coder of an image, and a mask as its guide."""
    settings = FitSettings.for_effort(1)
    coder = LatentCoder(Job(Image(data, axes), Target(ratio=20.0), settings, "latent", 1))
    guides = Guides(coder, (mask,), None)
    guides.scale = guides.scaling()
    return coder, guides


def test_equal_weights_change_no_byte() -> None:
    coder, guides = masked(speckled((2, 4, 60, 70)), "CZYX", np.ones((1, 1, 1, 1), bool))
    knob = np.full(2, 5.0)
    plain = coder.encode(0, knob)
    coder.prepares(guides.weighed)
    again = coder.encode(0, knob)
    assert guides.weighed(0, ([], np.zeros(0))).weights
    assert [s.read() for s in plain.sections] == [s.read() for s in again.sections]


def test_each_channel_keeps_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    mask = np.zeros((2, 64, 96), bool)
    mask[0, :10] = mask[1] = True
    for most in (1 << 22, 64 * 32):
        monkeypatch.setattr("inif.latent.layout.MOST_VOXELS", most)
        coder, guides = masked(speckled((2, 64, 96)), "CYX", mask)
        counts = np.zeros((2, 64, 96))
        for brick in range(len(coder.grid)):
            own = coder.channels(brick)
            part = guides.counts(brick) * guides.scale[own.start : own.stop]
            shown = coder.grid.extent(brick)
            counts[coder.grid.slices(brick)] = part[:, 0, 0, : shown[1], : shown[2]]
        np.testing.assert_allclose(counts.mean(axis=(1, 2)), 1, rtol=0.05)
        np.testing.assert_allclose(counts[1], 1, rtol=1e-5)
        assert counts[0, 5, 5] == pytest.approx(INSIDE * counts[0, 50, 5], rel=1e-5)


@pytest.mark.parametrize("axes", ["YX", "ZYX", "CYX", "YXC"])
def test_a_mask_takes_bytes_from_outside(axes: str, tmp_path: Path) -> None:
    shape = {"YX": (128, 128), "ZYX": (8, 64, 64), "CYX": (2, 64, 64), "YXC": (64, 64, 2)}[axes]
    data = speckled(shape)
    inside = np.zeros([n for n, a in zip(shape, axes, strict=True) if a in "YX"], bool)
    inside[10:40, 20:50] = True
    name = saved(tmp_path / "m.ome.tif", inside, "YX")
    plain, guided = pressed(data, axes), pressed(data, axes, guide=name)
    assert guided.header["lossy"]["guides"] == ["mask"]
    assert 20 <= guided.ratio <= 20.2
    where = np.broadcast_to(mask_of(str(tmp_path / "m.ome.tif"), Image(data, axes)), shape)
    assert error(data, guided, where) < 0.95 * error(data, plain, where)
    assert error(data, guided, ~where) > error(data, plain, ~where)
    assert inif.verify(guided.to_bytes())["exact"]


def test_several_masks_work_together(tmp_path: Path) -> None:
    data = speckled((96, 96))
    halves = [np.zeros((96, 96), bool) for _ in range(2)]
    halves[0][:48], halves[1][:, :48] = True, True
    names = [saved(tmp_path / f"{i}.ome.tif", half, "YX") for i, half in enumerate(halves)]
    file = pressed(data, "YX", guide=names)
    corner, rest = halves[0] & halves[1], ~halves[0] & ~halves[1]
    assert INSIDE > 1
    assert error(data, file, corner) < error(data, file, halves[0] & ~halves[1])
    assert error(data, file, halves[0] & ~halves[1]) < error(data, file, rest)


def test_a_mask_along_some_axes_holds_for_the_others(tmp_path: Path) -> None:
    image = Image(np.zeros((3, 2, 8, 9), np.uint8), "ZCYX")
    inside = np.arange(72).reshape(8, 9) > 7
    mask = mask_of(saved(tmp_path / "m.ome.tif", inside, "YX").removeprefix("mask:"), image)
    np.testing.assert_array_equal(mask, inside[None, None])
    with pytest.raises(InputError):
        mask_of(str(tmp_path / "none.tif"), image)


@pytest.mark.parametrize("inside", [False, True])
def test_a_mask_that_says_nothing_leaves_the_file_as_it_is(inside: bool, tmp_path: Path) -> None:
    data = speckled((80, 90))
    name = saved(tmp_path / "m.ome.tif", np.full((80, 90), inside), "YX")
    with pytest.warns(GuidanceWarning, match="unguided by mask"):
        file = pressed(data, "YX", guide=name)
    assert file.to_bytes() == pressed(data, "YX").to_bytes()


def test_a_stated_quality_is_not_guided(tmp_path: Path) -> None:
    name = saved(tmp_path / "m.ome.tif", np.eye(50) > 0, "YX")
    with pytest.raises(InputError, match="number of bytes"):
        inif.compress(speckled((50, 50)), axes="YX", psnr=30, method="latent", guide=name)


def bright(image: Any) -> Any:
    """A segmenter that JAX can trace."""
    return jax.nn.sigmoid(30 * (image - 0.45))


def plain(image: np.ndarray) -> np.ndarray:
    """A segmenter that it cannot."""
    return np.asarray(image, float) > 140


def lines(shape: tuple[int, ...] = (128, 128)) -> np.ndarray:
    """Thin lines of all directions on a noisy ground."""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[: shape[-2], : shape[-1]]
    data = rng.normal(60, 4, shape)
    for _ in range(20):
        angle, offset = rng.uniform(0, np.pi), rng.uniform(-60, 60)
        far = (x - shape[-1] / 2) * np.cos(angle) + (y - shape[-2] / 2) * np.sin(angle) - offset
        data += rng.uniform(25, 60) * np.exp(-(far**2) / 2)
    return np.clip(np.rint(data), 0, 255).astype(np.uint8)


def decibels(file: inif.File) -> float:
    return float(file.header["lossy"]["psnr"])


@pytest.mark.parametrize(
    ("guide", "axes"),
    [
        (f"python:{__name__}:bright", "YX"),
        (f"python:{__name__}:plain", "YX"),
        (f"python:{__name__}:bright", "YXC"),
        pytest.param("filaments", "YX", marks=pytest.mark.slow),
        pytest.param("blobs:sigma=2", "ZYX", marks=pytest.mark.slow),
        pytest.param("perceptual", "YX", marks=pytest.mark.slow),
    ],
)
def test_every_guide_changes_a_file_for_little(guide: str, axes: str) -> None:
    shape = {"YX": (128, 128), "ZYX": (8, 64, 64), "YXC": (2, 96, 96)}[axes]
    data = lines(shape)
    if axes == "YXC":
        data = np.ascontiguousarray(np.moveaxis(data, 0, -1))
    before, after = pressed(data, axes), pressed(data, axes, guide=guide)
    assert after.header["lossy"]["guides"] == [guide.partition(":")[0]]
    assert 20 <= after.ratio <= 20.2
    assert after.to_bytes() != before.to_bytes()
    assert decibels(after) > decibels(before) - 0.5
    assert after.to_bytes() == pressed(data, axes, guide=guide).to_bytes()


def test_a_segmenter_finds_more_of_what_it_looks_for() -> None:
    data = lines((160, 160))

    def overlap(file: inif.File) -> float:
        low, high = float(data.min()), float(data.max())
        a, b = ((np.asarray(v) - low) / (high - low) > 0.45 for v in (data, file))
        return float((a & b).sum() / (a | b).sum())

    guide = f"python:{__name__}:bright"
    before, after = (pressed(data, "YX", ratio=40, guide=g) for g in ((), guide))
    assert overlap(after) > overlap(before) + 0.01


def test_a_guide_works_over_several_bricks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("inif.latent.layout.MOST_VOXELS", 96 * 96)
    data = lines((150, 170))
    name = saved(tmp_path / "m.ome.tif", data > 120, "YX")
    file = pressed(data, "YX", guide=(f"python:{__name__}:bright", name))
    assert len(file.grid) == 4
    assert file.header["lossy"]["guides"] == ["python", "mask"]
    assert inif.verify(file.to_bytes())["exact"]


def test_an_idle_guide_leaves_the_file_as_it_is() -> None:
    data = lines((80, 90))
    with pytest.warns(GuidanceWarning, match="unguided by python"):
        file = pressed(data, "YX", guide=f"python:{__name__}:nothing")
    assert file.to_bytes() == pressed(data, "YX").to_bytes()


def nothing(image: Any) -> Any:
    return 0.0 * image


def test_a_mask_needs_no_jax(tmp_path: Path) -> None:
    name = saved(tmp_path / "m.ome.tif", np.eye(50) > 0, "YX")
    script = (
        "import sys, inif, numpy as np; data = np.arange(2500).reshape(50, 50).astype('uint16');"
        f"inif.compress(data, axes='YX', ratio=20, method='latent', guide={name!r});"
        "assert not {'jax', 'optax', 'equinox'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
