"""What is said where exact samples would serve better than lossy coding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import zarr

import inif
from inif.config import Target
from inif.encode.advice import advice, estimate
from inif.errors import RemarkWarning
from inif.image import Image
from inif.io import read_image

RNG = np.random.default_rng(0)
BLOCKS = np.kron(np.arange(64).reshape(8, 8), np.ones((16, 16))).astype(np.uint16)
NOISE = RNG.normal(1000, 30, (4, 256, 256)).astype(np.uint16)


def said(data: np.ndarray, axes: str, **target: float) -> str:
    return " ".join(advice(Image(data, axes), Target(**target)))  # type: ignore[arg-type]


def test_labels_are_told_whatever_the_target() -> None:
    for target in ({"ratio": 128.0}, {"size": 500}, {"psnr": 40.0}):
        text = said(BLOCKS, "YX", **target)
        assert "label image (64 values in flat patches)" in text
        assert "--lossless keeps them" in text
    both = np.stack([BLOCKS, NOISE[0, :128, :128], BLOCKS])
    assert "channels 0, 2 look like labels" in said(both, "CYX", ratio=8)
    assert "channel 1 looks like labels" in said(both[1:], "CYX", ratio=8)


def test_the_remark_reaches_the_user_and_the_record() -> None:
    pattern = "looks like a label image"
    with pytest.warns(RemarkWarning, match=pattern):
        inif.compress(BLOCKS, axes="YX", size=500, effort=1, codec="jpegxl")
    assert inif.compress(BLOCKS, axes="YX", lossless=True).ratio > 50  # and nothing to say


def test_where_exact_samples_are_as_small_that_is_said() -> None:
    assert "--lossless keeps every sample" in said(NOISE, "ZYX", ratio=1.2)
    assert said(NOISE, "ZYX", ratio=4) == ""
    assert said(NOISE, "ZYX", psnr=60) == ""
    tiny = RNG.normal(1000, 30, (16, 16)).astype(np.uint16)
    assert "--lossless" in said(tiny, "YX", size=500)


@pytest.mark.parametrize("shape", [(4, 256, 256), (40, 64, 64), (1, 1500, 2000)])
def test_the_estimate_is_near_the_truth_and_of_a_bounded_part(shape: tuple[int, ...]) -> None:
    data = RNG.normal(1000, 30, shape).astype(np.uint16)
    with inif.compress(data, axes="ZYX", lossless=True, effort=1) as file:
        assert estimate(Image(data, "ZYX")) == pytest.approx(file.file_bytes, rel=0.05)


@pytest.mark.parametrize("where", ["image-label", "labels"])
def test_labels_of_ome_zarr_are_told_by_their_metadata(tmp_path: Path, where: str) -> None:
    place = "cells.ome.zarr/labels/nuclei" if where == "labels" else "cells.ome.zarr"
    root = zarr.create_group(str(tmp_path / place), zarr_format=2)
    root.create_array("0", data=NOISE[0])
    datasets = [
        {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [1.0, 1.0]}]}
    ]
    axes = [{"name": name, "type": "space"} for name in "yx"]
    root.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": datasets}]
    if where == "image-label":
        root.attrs["image-label"] = {"version": "0.4"}
    image = read_image(tmp_path / place)
    assert image.labels
    (text,) = advice(image, Target(ratio=8))
    assert "label image by its metadata" in text
