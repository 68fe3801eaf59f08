"""Every guide passes this: a new one needs no new test."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tifffile

from inif.bricks import BrickGrid
from inif.decode.brick import Intensities
from inif.encode.siren.sampling import Sampler
from inif.guidance import guides
from inif.guidance.guide import box_sides
from inif.image import Image

pytestmark = pytest.mark.numerical

NAMES = (
    "filaments",
    "blobs",
    "mask",
    f"python:{__name__}:traced",
    f"python:{__name__}:plain",
    "perceptual",
    "perceptual:clean",
)
AXES = {"YX": (40, 44), "ZYX": (12, 40, 44), "TCYX": (2, 2, 40, 44)}
SLOW = [
    ("YX", "perceptual:clean"),
    *((a, n) for a in ("ZYX", "TCYX") for n in ("filaments", "blobs", "perceptual")),
]
CASES = [
    pytest.param((a, n), marks=pytest.mark.slow if (a, n) in SLOW else ())
    for a in AXES
    for n in NAMES
    if a == "YX" or n != "perceptual:clean"
]
RANGE = (0.0, 255.0)


def traced(image: Any) -> Any:
    return jax.nn.sigmoid(10 * (image - 0.4))


def plain(image: np.ndarray) -> np.ndarray:
    return np.asarray(image, float) > 100


def picture(axes: str) -> Image:
    """Bright bars and spots on noise."""
    rng = np.random.default_rng(4)
    data = rng.normal(40, 3, AXES[axes])
    data[..., 20:23, 5:35] += 120
    data[..., 30:36, 10:16] += 150
    return Image(np.clip(data, 0, 255).astype(np.uint8), axes)


@pytest.fixture(scope="module", params=CASES, ids=str)
def made(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Any, Any, Any]:
    """Guides, boxes, and the first guide's loss with its slope as one compiled function."""
    axes, name = request.param
    tmp_path = tmp_path_factory.mktemp("guide")
    image = picture(axes)
    if name == "mask":
        mask = (image.data > 100).astype(np.uint8)
        tifffile.imwrite(tmp_path / "m.tif", mask, metadata={"axes": axes}, ome=True)
        name = f"mask:{tmp_path / 'm.tif'}"
    if name == "perceptual:clean":
        clean = np.where(image.data > 100, image.data, 40).astype(np.uint8)
        tifffile.imwrite(tmp_path / "c.tif", clean, metadata={"axes": axes}, ome=True)
        name = f"perceptual:{tmp_path / 'c.tif'}"
    shape = image.data.shape
    sides = box_sides(axes, np.array([shape]))
    assert sides is not None
    ranges = np.tile([RANGE], (image.n_channels, 1))
    guidance, idle = guides.build([name], image, ranges, deep="Z" in sides)
    assert not idle
    assert guidance is not None
    intensities = Intensities(ranges, image.data.dtype)
    sampler = Sampler(image.data, axes, BrickGrid(shape, shape), intensities, True)
    slope = jax.jit(jax.value_and_grad(guidance.guides[0].loss))
    return guidance, sampler.boxes(np.random.default_rng(0), sides), slope


def test_its_loss_is_a_finite_scalar_with_finite_slopes(made: tuple[Any, Any, Any]) -> None:
    guidance, boxes, value_and_slope = made
    sides = tuple(n for n in boxes.sides if n > 1)[-3:]
    original = jnp.asarray((boxes.targets[0, :, boxes.channel[0]] + 1) / 2).reshape(sides)
    extra = jnp.asarray(guidance.extras(boxes)[0, 0]).reshape(sides)
    rng = np.random.default_rng(1)
    noisy = original + 0.1 * jnp.asarray(rng.normal(size=sides), jnp.float32)
    channel = jnp.asarray(boxes.channel[0])
    for decoded in (original, noisy, 0 * original, 0 * original + 1, 0.5 * original):
        value, slope = value_and_slope(decoded, original, channel, extra)
        assert value.shape == ()
        assert np.isfinite(float(value))
        assert slope.shape == decoded.shape
        assert np.isfinite(np.asarray(slope)).all()


def test_what_is_washed_out_costs_more(made: tuple[Any, Any, Any]) -> None:
    guidance, boxes, value_and_slope = made
    sides = tuple(n for n in boxes.sides if n > 1)[-3:]
    losses = []
    channel = jnp.asarray(boxes.channel[0])
    extra = jnp.asarray(guidance.extras(boxes)[0, 0]).reshape(sides)
    original = jnp.asarray((boxes.targets[0, :, boxes.channel[0]] + 1) / 2).reshape(sides)
    for strength in (1.0, 0.0):
        decoded = strength * original + (1 - strength) * original.min()
        losses.append(float(value_and_slope(decoded, original, channel, extra)[0]))
    assert losses[0] < losses[1]


def test_it_is_named_as_the_user_named_it(made: tuple[Any, Any, Any]) -> None:
    guidance, _, _ = made
    assert guidance.guides[0].name.partition(":")[0] in {n.partition(":")[0] for n in NAMES}
