"""Guides in a fit: how much they count, what they see, and what happens where they see nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tifffile
from arithmetic import tolerance
from scipy import ndimage

import inif
from inif.bricks import BrickGrid
from inif.decode.brick import Intensities
from inif.encode.siren.sampling import Sampler
from inif.errors import InputError, RemarkWarning
from inif.guidance import GuidanceWarning, guides
from inif.guidance.guide import Guidance, box_sides
from inif.guidance.regions import RegionGuide
from inif.guidance.segmentation import Segmentation
from inif.guidance.smoothing import gaussian, radius, scales
from inif.image import Image, Metadata

SHAPE = (20, 24)
QUICK: dict[str, Any] = {"steps": 16, "points": 256, "check_every": 8}


class Bright:
    """A guide that wants the sum to be larger, in any unit."""

    name = "bright"

    def __init__(self, unit: float) -> None:
        self.unit = unit

    def loss(self, decoded: Any, original: Any, channel: Any, extra: Any) -> Any:
        return -self.unit * jnp.sum(decoded * jnp.arange(decoded.size).reshape(decoded.shape))

    def extra(self, boxes: Any) -> None:
        return None


class Silent(Bright):
    """A guide that has nothing to say."""

    def loss(self, decoded: Any, original: Any, channel: Any, extra: Any) -> Any:
        return 0 * jnp.sum(decoded)


def pair() -> tuple[jax.Array, jax.Array]:
    rng = np.random.default_rng(0)
    return jnp.asarray(rng.random(SHAPE)), jnp.asarray(rng.random(SHAPE))


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_the_unit_of_a_loss_does_not_matter(unit: float) -> None:
    decoded, original = pair()
    extras = jnp.zeros((1, *SHAPE))
    found = Guidance((Bright(unit),)).direction(decoded, original, jnp.array(0), extras)
    assert float(jnp.mean(found**2)) == pytest.approx(1, rel=tolerance(2 * decoded.size))


def test_a_silent_guide_adds_nothing() -> None:
    decoded, original = pair()
    extras = jnp.zeros((2, *SHAPE))
    both = Guidance((Bright(1.0), Silent(1.0))).direction(decoded, original, jnp.array(0), extras)
    alone = Guidance((Bright(1.0),)).direction(decoded, original, jnp.array(0), extras[:1])
    np.testing.assert_allclose(both, alone / 2, rtol=tolerance(2 * decoded.size))


def test_guides_count_as_a_share_of_the_squared_error() -> None:
    decoded, original = (2 * v.ravel() - 1 for v in pair())
    guidance = Guidance((Bright(1.0),), share=0.3)
    extras = jnp.zeros((1, decoded.size))

    def ours(outputs: Any) -> Any:
        return guidance.surrogate(outputs, original, SHAPE, jnp.array(0), extras)

    def squared(outputs: Any) -> Any:
        return jnp.mean((outputs - original) ** 2)

    a, b = (float(jnp.sqrt(jnp.mean(jax.grad(f)(decoded) ** 2))) for f in (ours, squared))
    assert a == pytest.approx(0.3 * b, rel=tolerance(2 * decoded.size))


def sampler(axes: str, shape: tuple[int, ...], brick: tuple[int, ...]) -> Sampler:
    data = np.arange(np.prod(shape)).reshape(shape).astype(np.float32)
    channels = shape[axes.index("C")] if "C" in axes else 1
    ranges = np.tile([[0.0, float(data.size - 1)]], (channels, 1))
    return Sampler(
        data, axes, BrickGrid(shape, brick), Intensities(ranges, np.dtype("float32")), True
    )


@pytest.mark.parametrize(
    ("axes", "shape", "brick"),
    [
        ("ZYX", (9, 30, 28), (5, 15, 14)),
        ("TCYX", (3, 2, 20, 22), (2, 2, 10, 22)),
        ("YX", (17, 40), (17, 20)),
    ],
)
def test_a_box_is_neighbouring_voxels(
    axes: str, shape: tuple[int, ...], brick: tuple[int, ...]
) -> None:
    given = sampler(axes, shape, brick)
    sides = {a: 4 for a in axes if a in "ZYX"}
    boxes = given.boxes(np.random.default_rng(1), sides)
    letters = axes.replace("C", "")
    for b in range(len(given.bricks)):
        low, extent = given.grid.origin(b), given.grid.extent(b)
        for letter, where in zip(letters, boxes.index, strict=True):
            i = axes.index(letter)
            assert len(np.unique(where[b])) == np.ptp(where[b]) + 1 == sides.get(letter, 1)
            assert low[i] <= where[b].min() <= where[b].max() < low[i] + extent[i]
        places = dict(zip(letters, (w[b] for w in boxes.index), strict=True))
        for channel in range(boxes.targets.shape[-1]):
            key = tuple(places[a] if a != "C" else channel for a in axes)
            wanted = 2 * given.data[key] / (given.data.size - 1) - 1
            np.testing.assert_allclose(
                boxes.targets[b, :, channel], wanted, rtol=0, atol=tolerance(4)
            )


def test_a_mask_is_seen_where_it_is() -> None:
    given = sampler("TCYX", (3, 2, 20, 22), (2, 2, 10, 22))
    mask = given.data[:, 0] % 3 == 0
    guide = RegionGuide("mask", mask, "TYX", "TYX")
    boxes = given.boxes(np.random.default_rng(1), {"Y": 6, "X": 7})
    t, y, x = boxes.index
    np.testing.assert_array_equal(guide.extra(boxes), mask[t, y, x])


@pytest.mark.parametrize(
    ("axes", "extents", "wanted"),
    [
        ("ZYX", [[12, 64, 64]], {"Z": 10, "Y": 20, "X": 20}),
        ("ZYX", [[12, 64, 15]], {"Z": 10, "Y": 20, "X": 15}),
        ("TZYX", [[9, 3, 64, 64], [9, 3, 40, 64]], {"Y": 40, "X": 56}),
        ("YX", [[7, 100]], None),
        ("TX", [[70, 100]], None),
    ],
)
def test_boxes_fit_into_bricks(axes: str, extents: Any, wanted: Any) -> None:
    assert box_sides(axes, np.array(extents)) == wanted


@pytest.mark.parametrize(
    "text",
    ["", "no-such", "filaments:nothing=1", "blobs:sigma=x", "mask", "python:", "filaments:1"],
)
def test_unknown_guides_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="guide"):
        guides.check([text])


def lines() -> np.ndarray:
    """A dark plane with bright lines."""
    rng = np.random.default_rng(2)
    plane = rng.normal(100, 2, (64, 64))
    for row in (12, 30, 31, 50):
        plane[row, 4:60] += 80
    return np.clip(plane, 0, 255).astype(np.uint8)


def pressed(data: np.ndarray, **given: Any) -> inif.File:
    return inif.compress(data, axes="YX", size=1500, method="siren", settings=QUICK, **given)


@pytest.fixture(scope="module")
def unguided() -> bytes:
    """The file of `lines` without any guide."""
    return pressed(lines()).to_bytes()


def soft_half(image: Any) -> Any:
    """A segmenter that JAX can trace."""
    return jax.nn.sigmoid(20 * (image - 0.5))


def hard_half(image: np.ndarray) -> np.ndarray:
    """A segmenter for NumPy only."""
    return np.asarray(image, float) > float(np.mean(image))


@pytest.mark.slow
@pytest.mark.parametrize(
    "guides",
    [
        ("filaments",),
        ("blobs", f"python:{__name__}:soft_half", f"python:{__name__}:hard_half", "mask"),
    ],
)
def test_guides_change_the_fit(guides: tuple[str, ...], unguided: bytes, tmp_path: Path) -> None:
    data = lines()
    tifffile.imwrite(tmp_path / "m.tif", (data > 140).astype(np.uint8))
    given = [f"mask:{tmp_path / 'm.tif'}" if g == "mask" else g for g in guides]
    guided = pressed(data, guide=given)
    named = ["mask:m.tif" if g == "mask" else g for g in guides]
    assert guided.header["lossy"]["guides"] == named
    assert not np.array_equal(np.asarray(guided), np.asarray(inif.open(unguided)))


def nothing(image: Any) -> Any:
    """A segmenter that never finds anything."""
    return 0 * image


@pytest.mark.slow
@pytest.mark.parametrize("guide", [f"python:{__name__}:nothing", "mask of 0", "mask of 1"])
def test_where_a_guide_sees_nothing_the_fit_is_the_unguided_one(
    guide: str, unguided: bytes, tmp_path: Path
) -> None:
    data = lines()
    if guide.startswith("mask"):
        tifffile.imwrite(tmp_path / "m.tif", np.full(data.shape, int(guide[-1]), np.uint8))
        guide = f"mask:{tmp_path / 'm.tif'}"
    image = Image(data, "YX")
    assert guides.build([guide], image, np.array([[0.0, 255.0]]), deep=False)[0] is None
    if guide.startswith("mask"):
        with pytest.warns(GuidanceWarning, match="unguided"):
            assert pressed(data, guide=guide).to_bytes() == unguided


def test_a_constant_image_with_a_guide() -> None:
    flat = np.full((32, 32), 7, np.uint8)
    with pytest.warns(RemarkWarning, match="fewer than asked for"):
        file = inif.compress(flat, axes="YX", size=600, guide="filaments")
    assert (np.asarray(file) == 7).all()


def test_voxels_say_how_long_they_are_along_z(monkeypatch: pytest.MonkeyPatch) -> None:
    data = sampler("ZYX", (9, 30, 28), (9, 30, 28)).data
    ranges = np.array([[0.0, 1.0]])

    def found(text: str, **scale: tuple[float, str | None]) -> float:
        image = Image(data, "ZYX", Metadata(scale=scale))
        guide = guides._guide(text, image, ranges, deep=True)
        assert isinstance(guide, Segmentation)
        return float(guide.settings.z)

    sizes = {"Z": (0.3, "µm"), "X": (0.1, "µm")}
    monkeypatch.setattr(guides, "fixed_on", lambda *_: None)
    for name in ("blobs", "filaments"):
        assert found(name, **sizes) == pytest.approx(3)
        assert found(f"{name}:z=2", **sizes) == 2
        assert found(name) == found(name, Z=(0.3, "µm")) == 1
        assert found(name, Z=(300, "nm"), X=(0.1, "µm")) == 1
    with pytest.raises(InputError, match="z"):
        guides.check(["blobs:z=0"])


@pytest.mark.parametrize("sigma", [2.0, 0.3])
def test_scales_of_long_voxels(sigma: float) -> None:
    assert scales(sigma, 3.0, 2) == (sigma, sigma)
    assert scales(sigma, 1.0, 3) == (sigma,) * 3
    own = scales(sigma, 3.0, 3)
    assert own == (max(sigma / 3, min(0.5, sigma)), sigma, sigma)
    assert scales(sigma, 0.5, 3)[0] == 2 * sigma
    traced = jax.jit(lambda s: scales(s, 3.0, 3))(sigma)
    np.testing.assert_allclose(traced, own, rtol=tolerance(2))
    image = np.random.default_rng(0).uniform(0, 1, (9, 20, 22))
    wanted = ndimage.gaussian_filter(image, own, mode="nearest", truncate=3)
    ours = gaussian(jnp.asarray(image, jnp.float32), own)
    terms = sum(3 * radius(s) + 5 for s in own)
    np.testing.assert_allclose(ours, wanted, rtol=0, atol=tolerance(terms))
