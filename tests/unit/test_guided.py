"""Guided hybrids: the repair serves the guide, squared error and the file keep their promises."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

import inif
from inif.encode.hybrid import guided
from inif.encode.hybrid.guided import PRICE, Bowl, Guided, Region, region_sides
from inif.encode.job import guides_record
from inif.errors import InputError
from inif.fields.repair import load_network
from inif.guidance import GuidanceWarning

pytest.importorskip("av")

SIDE = 256
BYTES = 2600


def lines(depths: int = 1, side: int = SIDE) -> np.ndarray:
    """Thin bright lines of all directions on a noisy ground, (depths, Y, X) or (Y, X)."""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:side, :side]
    planes = []
    for _ in range(depths):
        plane = rng.normal(60, 4, (side, side))
        for _ in range(40):
            angle, offset = rng.uniform(0, np.pi), rng.uniform(-120, 120)
            far = (x - side / 2) * np.cos(angle) + (y - side / 2) * np.sin(angle) - offset
            plane += rng.uniform(25, 60) * np.exp(-(far**2) / 2)
        planes.append(plane)
    data = np.clip(np.rint(planes), 0, 255).astype(np.uint8)
    return data if depths > 1 else data[0]


def bright(image: Any) -> Any:
    """A segmenter that JAX can trace."""
    return jax.nn.sigmoid(30 * (image - 0.45))


def pressed(data: np.ndarray, **given: Any) -> inif.File:
    """By HEVC unless the test says otherwise: encodes of so small images take no time."""
    options = {"size": BYTES, "method": "hybrid", "effort": 1, "codec": "hevc", **given}
    return inif.compress(data, axes="ZYX"[-data.ndim :], **options)


def psnr(data: np.ndarray, file: inif.File) -> float:
    error = np.square(np.asarray(file).astype(float) - data).mean()
    return float(10 * np.log10(np.ptp(data).astype(float) ** 2 / error))


def overlap(data: np.ndarray, file: inif.File) -> float:
    low, high = float(data.min()), float(data.max())
    a, b = ((np.asarray(v) - low) / (high - low) > 0.45 for v in (data, file))
    return float((a & b).sum() / (a | b).sum())


GUIDE = f"python:{__name__}:bright"


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("guided") / "plain.inif"
    with pressed(lines(), out=path) as file:
        assert "guides" not in file.header["lossy"]
    return path


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("guided") / "served.inif"
    with pressed(lines(), guide=GUIDE, out=path):
        return path


def test_a_guided_file_serves_the_guide_for_a_little_psnr(plain: Path, served: Path) -> None:
    data = lines()
    with inif.open(plain) as before, inif.open(served) as after:
        assert after.header["lossy"]["guides"] == ["python"]
        assert BYTES / 1.01 <= after.file_bytes <= BYTES
        assert overlap(data, after) > overlap(data, before)
        assert psnr(data, after) > psnr(data, before) - 1.1 * PRICE


def test_the_same_seed_gives_the_same_file(served: Path, tmp_path: Path) -> None:
    with pressed(lines(), guide=GUIDE, out=tmp_path / "again.inif"):
        pass
    assert (tmp_path / "again.inif").read_bytes() == served.read_bytes()


def test_large_files_record_what_guided_them(tmp_path: Path) -> None:
    guides = (GUIDE, f"mask:{tmp_path}/cells.tif", "blobs:sigma=2")
    assert guides_record(guides) == [GUIDE, "mask:cells.tif", "blobs:sigma=2"]


@pytest.mark.parametrize(
    "axes",
    [
        pytest.param("ZYX", marks=pytest.mark.slow),
        pytest.param("TCYX", marks=pytest.mark.slow),
        pytest.param("YX", marks=pytest.mark.slow),
        "YXC",
    ],
)
def test_every_guide_works_along_any_axes(axes: str, tmp_path: Path) -> None:
    data = lines(8 if axes == "ZYX" else 4, 64)
    if axes == "TCYX":
        data = data.reshape(2, 2, 64, 64)
    elif axes == "YXC":
        data = np.moveaxis(data[:2], 0, 2)
    elif axes == "YX":
        data = data[0]
    tifffile.imwrite(
        tmp_path / "m.tif",
        (data > 100).astype(np.uint8),
        metadata={"axes": axes},
        ome=axes != "YXC",
    )
    guides = {
        "YX": ("filaments", "blobs:sigma=2", "mask"),
        "ZYX": ("blobs:sigma=2", "mask"),
        "TCYX": (GUIDE, "mask"),
        "YXC": ("blobs:sigma=2",),
    }[axes]
    file = inif.compress(
        data,
        axes=axes,
        size=min(3 * BYTES, data.nbytes // 4),
        method="hybrid",
        codec="hevc",
        effort=1,
        guide=[f"mask:{tmp_path / 'm.tif'}" if g == "mask" else g for g in guides],
    )
    assert len(file.header["lossy"]["guides"]) == len(guides)
    assert np.asarray(file).shape == data.shape


def test_inside_a_mask_errors_are_smaller(plain: Path, tmp_path: Path) -> None:
    data = lines()
    mask = data > 100
    tifffile.imwrite(tmp_path / "m.tif", mask.astype(np.uint8))
    errors = []
    with inif.open(plain) as before, pressed(data, guide=f"mask:{tmp_path / 'm.tif'}") as after:
        for file in (before, after):
            errors.append(np.square(np.asarray(file).astype(float) - data)[mask].mean())
    assert errors[1] < errors[0]


def test_an_idle_guide_leaves_the_unguided_file(plain: Path, tmp_path: Path) -> None:
    data = lines()
    tifffile.imwrite(tmp_path / "m.tif", np.zeros_like(data))
    with (
        pytest.warns(GuidanceWarning, match="the mask is empty"),
        pressed(data, guide=f"mask:{tmp_path / 'm.tif'}", out=tmp_path / "idle.inif"),
    ):
        pass
    assert plain.read_bytes() == (tmp_path / "idle.inif").read_bytes()


def test_a_wanted_psnr_is_reached_in_spite_of_guides() -> None:
    data = lines(8, 64)
    file = pressed(data, size=None, psnr=30.0, guide=GUIDE)
    assert psnr(data, file) >= 30.0


@pytest.mark.slow
def test_a_field_for_the_rest_goes_with_guides() -> None:
    quick: Any = {"steps": 16, "points": 256, "check_every": 16}
    file = pressed(lines(side=64), size=1500, share=0.3, settings=quick, guide=GUIDE)
    assert file.header["lossy"]["guides"] == ["python"]


@pytest.mark.slow
def test_auto_makes_a_guided_latent_field() -> None:
    file = pressed(lines(8, 64), size=4000, method="auto", codec=None, guide=GUIDE)
    assert file.header["lossy"]["method"] == "latent"


def test_unknown_guides_are_refused_before_any_work() -> None:
    with pytest.raises(InputError, match="guide"):
        pressed(lines(), guide="filament")


@pytest.mark.parametrize(
    ("volume", "wanted"),
    [
        ((20, 384, 384), {"Z": 12, "Y": 96, "X": 96}),
        ((7, 51, 33), {"Z": 7, "Y": 50, "X": 32}),
        ((3, 500, 90), {"Y": 256, "X": 90}),
        ((9, 7, 90), None),
    ],
)
def test_regions_fit_into_bricks(volume: tuple[int, int, int], wanted: Any) -> None:
    assert region_sides(*volume) == wanted


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), size=st.integers(1, 12), guides=st.integers(1, 3))
def test_the_rim_costs_what_it_should(seed: int, size: int, guides: int) -> None:
    rng = np.random.default_rng(seed)
    if size == 1:
        guides = 1  # two that pull opposite ways would cancel
    network = load_network("a")
    shape = (3, 16, 16)
    region = Region(
        rng.random(shape, np.float32),
        rng.random(shape, np.float32),
        rng.normal(size=(network.bases, *shape)).astype(np.float32),
        np.zeros((guides, *shape), np.float32),
    )
    bowl = Bowl.of(network, [region, region], size)
    off = bowl.lowest_on_rim(rng.normal(size=(guides, size)), PRICE) - bowl.best
    assert off @ bowl.gram @ off == pytest.approx(bowl.least * (10 ** (PRICE / 10) - 1), rel=1e-6)
    silent = bowl.lowest_on_rim(np.zeros((guides, size)), PRICE)
    np.testing.assert_array_equal(silent, bowl.best)


@pytest.mark.slow
def test_guides_of_planes_see_planes_of_a_stack() -> None:
    pytest.importorskip("safetensors")
    data = lines(8, 64)
    seen: list[Any] = []

    def spy(cls: Any, job: Any, grid: Any) -> Any:
        seen.append(real(job, grid))
        return seen[-1]

    real = Guided.of
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(guided.Guided, "of", classmethod(spy))
        pressed(data, size=4000, guide="perceptual")
    assert set(seen[0].sides) == {"Y", "X"}
