"""The perceptual guide: what is wanted where, its boxes, and its part in a fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tifffile
from arithmetic import tolerance
from hypothesis import given
from hypothesis import strategies as st

import inif
from inif.bricks import BrickGrid
from inif.decode.brick import Intensities
from inif.encode.siren.sampling import Sampler
from inif.errors import InputError
from inif.guidance import GuidanceWarning, guides
from inif.guidance.boxes import Boxes
from inif.guidance.clean import CleanImage, match
from inif.guidance.guide import Guidance, box_sides
from inif.guidance.perceptual import Perceptual, split
from inif.guidance.regions import RegionGuide
from inif.image import Image
from inif.perceptual import weights

QUICK: dict[str, Any] = {"steps": 16, "points": 256, "check_every": 8}


def scene(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Something smooth, 0 to 1."""
    rng = np.random.default_rng(seed)
    grid = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
    waves = sum(np.sin(g * rng.uniform(0.05, 0.5) + 6 * rng.random()) for g in grid)
    return np.asarray((waves - np.min(waves)) / np.ptp(waves))


def matched(clean: np.ndarray, data: np.ndarray, axes: str, **more: Any) -> CleanImage:
    image = Image(data, axes)
    c = axes.find("C")
    parts = [data] if c < 0 else [data.take(i, axis=c) for i in range(data.shape[c])]
    ranges = np.array([[p.min(), p.max()] for p in parts], float)
    return match(clean, more.pop("clean_axes", axes), image, ranges, **more)


def boxes(data: np.ndarray, axes: str, sides: dict[str, int], seed: int = 0) -> Boxes:
    channels = data.shape[axes.index("C")] if "C" in axes else 1
    ranges = np.tile([[float(data.min()), float(data.max())]], (channels, 1))
    grid = BrickGrid(data.shape, data.shape)
    sampler = Sampler(data, axes, grid, Intensities(ranges, data.dtype), True)
    return sampler.boxes(np.random.default_rng(seed), sides)


@given(gain=st.floats(0.2, 3), offset=st.floats(-0.5, 0.5), noise=st.floats(0, 0.1))
def test_intensities_of_the_same_scene_are_matched(
    gain: float, offset: float, noise: float
) -> None:
    truth = scene((40, 50))
    rng = np.random.default_rng(1)
    data = (truth + noise * rng.normal(size=truth.shape)).astype(np.float32)
    data[3, 4] = data.max() + 0.5  # a hot pixel
    clean = matched(gain * truth + offset, data, "YX")
    assert clean.registered
    low, high = float(data.min()), float(data.max())
    found = clean.gain[0] * (gain * truth + offset) + clean.offset[0]
    np.testing.assert_allclose(found, (truth - low) / (high - low), atol=0.02)


def test_intensities_of_another_scene_are_matched_by_quantiles() -> None:
    truth = scene((80, 90))
    other = 300 + 50 * np.roll(truth, (31, 17), (0, 1))[:70]
    clean = matched(other, truth, "YX")
    assert not clean.registered
    found = clean.gain[0] * other + clean.offset[0]
    np.testing.assert_allclose(np.median(found), np.median(truth), atol=0.03)
    np.testing.assert_allclose(np.std(found), np.std(truth), rtol=0.1)


@pytest.mark.parametrize(
    ("axes", "shape", "sides"),
    [
        ("YX", (70, 64), {"Y": 56, "X": 56}),
        ("ZYX", (9, 64, 66), {"Z": 7, "Y": 20, "X": 20}),
        ("TCYX", (3, 2, 64, 60), {"Y": 30, "X": 31}),
        ("YXZ", (64, 66, 9), {"Z": 7, "Y": 20, "X": 20}),
    ],
)
def test_the_same_scene_is_wanted_at_the_same_place(
    axes: str, shape: tuple[int, ...], sides: dict[str, int]
) -> None:
    data = scene(shape).astype(np.float32)
    clean = matched(2 * data, data, axes)
    assert clean.registered
    seen = boxes(data, axes, sides)
    found = clean.patches(seen)
    letters = axes.replace("C", "")
    places = dict(zip(letters, seen.index, strict=True))
    places["C"] = np.broadcast_to(seen.channel[:, None], seen.index[0].shape)
    wanted = 2 * data[tuple(places[a] for a in axes)]
    channel = seen.channel[:, None]
    np.testing.assert_allclose(
        found,
        np.clip(wanted * clean.gain[channel] + clean.offset[channel], 0, 1),
        rtol=0,
        atol=tolerance(4, float(np.abs(wanted).max() * np.abs(clean.gain).max() + 1)),
    )


@pytest.mark.parametrize("clean_axes", ["YX", "ZYX", "TCYX", "CZYX"])
def test_another_scene_is_wanted_anywhere_but_always_the_same(clean_axes: str) -> None:
    data = scene((9, 64, 66)).astype(np.float32)
    sizes = {"T": 2, "C": 1, "Z": 4, "Y": 61, "X": 100}
    other = np.arange(np.prod([sizes[a] for a in clean_axes]), dtype=np.float64)
    other = other.reshape([sizes[a] for a in clean_axes])
    clean = matched(other, data, "ZYX", clean_axes=clean_axes, seed=5)
    again = matched(other, data, "ZYX", clean_axes=clean_axes, seed=5)
    third = matched(other, data, "ZYX", clean_axes=clean_axes, seed=6)
    assert not clean.registered
    sides = {"Z": 7, "Y": 20, "X": 20}
    seen, elsewhere = (boxes(data, "ZYX", sides, seed=s) for s in (0, 1))
    found = clean.patches(seen)
    assert found.shape == seen.targets.shape[:2]
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, again.patches(seen))
    assert not np.array_equal(found, third.patches(seen))
    assert not np.array_equal(found, clean.patches(elsewhere))
    planes = found.reshape(-1, 7, 20, 20)  # neighbours along X are neighbours
    step = float(clean.gain[0])
    inside = (planes > 0) & (planes < 1)
    both = inside[..., 1:] & inside[..., :-1]
    np.testing.assert_allclose(np.diff(planes)[both], step, rtol=0, atol=tolerance(4))


@pytest.mark.parametrize(
    ("shape", "axes", "fault", "field"),
    [
        ((40, 90), "YX", 0.0, "shape"),
        ((90, 90), "ZX", 0.0, "axes"),
        ((3, 90, 90), "CYX", 0.0, "channels"),
        ((90, 90), "YX", np.nan, "samples"),
    ],
)
def test_clean_images_that_cannot_guide(
    shape: tuple[int, ...], axes: str, fault: float, field: str
) -> None:
    other = scene(shape) + fault
    with pytest.raises(InputError, match="clean") as error:
        matched(other, scene((80, 80)), "YX", clean_axes=axes)
    assert error.value.field == field


def test_boxes_are_planes_where_no_guide_needs_depth() -> None:
    extents = np.array([[12, 64, 60]])
    assert box_sides("ZYX", extents, planar=True) == {"Y": 56, "X": 56}
    guide, deep = (
        Perceptual("perceptual", weights.load()),
        RegionGuide("mask", extents > 0, "ZYX", "ZYX"),
    )
    assert Guidance((guide,)).planar
    assert not Guidance((guide, deep)).planar


@pytest.mark.slow
def test_slopes_point_to_what_is_wanted() -> None:
    guide = Perceptual("perceptual", weights.load())
    original = jnp.asarray(scene((2, 24, 26)), jnp.float32)
    decoded = original.at[0].set(original[0].mean())
    slope = jax.jit(jax.grad(guide.loss))(decoded, original, jnp.array(0), jnp.zeros_like(original))
    assert float(jnp.abs(slope[0]).max()) > 0
    assert float(jnp.abs(slope[1]).max()) == 0  # that plane is right
    assert float(jnp.vdot(slope[0], original[0] - decoded[0])) < 0


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ("", ("", "lpips")),
        ("a,b.tif", ("a,b.tif", "lpips")),
        ("heads=h.safetensors", ("", "h.safetensors")),
        ("a,b.tif,heads=h", ("a,b.tif", "h")),
    ],
)
def test_options_of_the_guide(options: str, wanted: tuple[str, str]) -> None:
    assert split(options) == wanted


def test_heads_that_are_not_there_are_refused_before_any_work() -> None:
    with pytest.raises(InputError, match="heads"):
        guides.check(["perceptual:heads=no-such"])


def pressed(data: np.ndarray, **given: Any) -> inif.File:
    return inif.compress(data, axes="YX", size=1500, method="siren", settings=QUICK, **given)


@pytest.mark.slow
def test_it_changes_the_fit_and_a_constant_clean_image_does_not(tmp_path: Path) -> None:
    data = (255 * scene((64, 64))).astype(np.uint8)
    plain = pressed(data)
    guided = pressed(data, guide="perceptual")
    assert guided.header["lossy"]["guides"] == ["perceptual"]
    assert not np.array_equal(np.asarray(guided), np.asarray(plain))
    tifffile.imwrite(tmp_path / "c.tif", np.full((64, 64), 7, np.uint8))
    with pytest.warns(GuidanceWarning, match="clean image is constant"):
        idle = pressed(data, guide=f"perceptual:{tmp_path / 'c.tif'}")
    assert idle.to_bytes() == plain.to_bytes()
