"""Label images and masks are known by their flat patches; nothing that a microscope gives is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from inif.image import Image
from inif.labels import label_channels

SIDE = 128
TYPES = ("uint8", "uint16", "int32", "uint32", "int64", "float32", "float64")
quick = settings(max_examples=10, deadline=None)
seeds = st.integers(0, 2**32 - 1)


def smooth(rng: np.random.Generator, sigma: float, side: int = SIDE) -> np.ndarray:
    """A random field of mean 0 and deviation 1 with details of this size."""
    field = ndimage.gaussian_filter(rng.standard_normal((side, side)), sigma, mode="wrap")
    return np.asarray(field / field.std())


def blobs(rng: np.random.Generator, size: float) -> np.ndarray:
    """Objects where a random field is high, numbered."""
    return np.asarray(ndimage.label(smooth(rng, size) > 0.8)[0])


def cells(rng: np.random.Generator, count: int) -> np.ndarray:
    """Every pixel has the number of the nearest of some points, as after a watershed."""
    points = rng.integers(0, SIDE, (count, 2))
    y, x = np.mgrid[:SIDE, :SIDE]
    return 1 + np.argmin([(y - p) ** 2 + (x - q) ** 2 for p, q in points], axis=0)


def semantic(rng: np.random.Generator, classes: int) -> np.ndarray:
    """The class of which a random field is highest."""
    return np.argmax([smooth(rng, 6) for _ in range(classes)], axis=0)


def discs(rng: np.random.Generator, count: int) -> np.ndarray:
    """Numbered discs of radius 2 to 6."""
    y, x = np.mgrid[:SIDE, :SIDE]
    out = np.zeros((SIDE, SIDE), np.int64)
    for number in range(1, count + 1):
        cy, cx = rng.integers(0, SIDE, 2)
        out[(y - cy) ** 2 + (x - cx) ** 2 < rng.uniform(5, 40)] = number
    return out


def found(data: np.ndarray, axes: str = "YX") -> dict[int, int]:
    return {c: p.values for c, p in label_channels(Image(data, axes)).items()}


LABELS: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    "blobs": lambda r: blobs(r, r.uniform(3, 10)),
    "mask": lambda r: blobs(r, r.uniform(3, 10)) > 0,
    "cells": lambda r: cells(r, int(r.integers(5, 120))),
    "cells in reading order": lambda r: in_reading_order(cells(r, 60)),
    "semantic": lambda r: semantic(r, int(r.integers(2, 7))),
    "discs": lambda r: discs(r, int(r.integers(20, 80))),
    "mask of 0 and 255": lambda r: 255 * (blobs(r, 5) > 0),
    "blocks": lambda r: np.kron(r.integers(0, 50, (8, 8)), np.ones((16, 16), int)),
}


def in_reading_order(labels: np.ndarray) -> np.ndarray:
    """Labels numbered anew by where each comes first."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse].reshape(labels.shape)


@pytest.mark.parametrize("kind", LABELS)
@quick
@given(seed=seeds, dtype=st.sampled_from(TYPES))
def test_labels_are_known_in_any_type(kind: str, seed: int, dtype: str) -> None:
    data = LABELS[kind](np.random.default_rng(seed))
    if dtype == "uint8" and data.max() > 255:
        data %= 256
    values = len(np.unique(data))
    assert found(data.astype(dtype)) == {0: values}


def poisson(rng: np.random.Generator, level: float) -> np.ndarray:
    return rng.poisson(level * np.exp(0.7 * smooth(rng, 6)))


IMAGES: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    "shot noise": lambda r: poisson(r, r.uniform(2, 500)),
    "camera noise": lambda r: np.rint(100 + 20 * smooth(r, 5) + r.normal(0, 1, (SIDE, SIDE))),
    "saturated": lambda r: np.clip(
        np.rint(200 + 80 * smooth(r, 5) + r.normal(0, 5, (SIDE, SIDE))), 0, 255
    ),
    "both ends clipped": lambda r: np.clip(np.rint(128 + 900 * smooth(r, 8)), 0, 255),
    "sparse ions": lambda r: r.poisson(r.uniform(0.001, 0.2) * (smooth(r, 6) > 0.5)),
    "clusters of ions": lambda r: r.poisson(2 * (smooth(r, 4) > 1)),
    "masked background": lambda r: np.where(smooth(r, 12) > 0.5, poisson(r, 30), 0),
    "few grey levels": lambda r: np.rint(2 + smooth(r, 5) + r.normal(0, 0.4, (SIDE, SIDE))),
    "slopes of few grey levels": lambda r: np.rint(r.uniform(3, 30) * (3 + smooth(r, 12))),
    "single photons": lambda r: r.random((SIDE, SIDE)) < 0.5 + 0.45 * np.sign(smooth(r, 8)),
    "few single photons": lambda r: r.random((SIDE, SIDE)) < 0.02 + 0.9 * (smooth(r, 8) > 1),
    "enlarged twice": lambda r: np.kron(r.poisson(9, (64, 64)), np.ones((2, 2), int)),
    "enlarged four times": lambda r: np.kron(r.poisson(9, (32, 32)), np.ones((4, 4), int)),
    "one value": lambda r: np.full((SIDE, SIDE), 7),
    "not whole": lambda r: cells(r, 30) + 0.25,
    "with holes": lambda r: np.where(blobs(r, 5) > 0, np.nan, poisson(r, 20)),
    "rows that repeat": lambda r: np.tile(r.poisson(5, SIDE), (SIDE, 1)),
}


@pytest.mark.parametrize("kind", IMAGES)
@quick
@given(seed=seeds)
def test_images_are_not_called_labels(kind: str, seed: int) -> None:
    data = IMAGES[kind](np.random.default_rng(seed))
    assert found(data.astype(np.float32)) == {}
    if np.isfinite(data).all() and (data == np.rint(data)).all():
        assert found(np.clip(data, 0, 255).astype(np.uint8)) == {}


def test_channels_are_judged_one_by_one_in_any_order_of_axes() -> None:
    rng = np.random.default_rng(0)
    image = np.stack([poisson(rng, 20), cells(rng, 30), poisson(rng, 3)]).astype(np.uint16)
    assert found(image, "CYX") == {1: 30}
    assert found(np.moveaxis(image, 0, -1), "YXC") == {1: 30}
    assert found(np.moveaxis(image, 0, -1)[:, :, None], "YXZC") == {1: 30}


def test_only_a_part_of_a_large_stack_is_looked_at() -> None:
    one = np.kron(np.arange(36).reshape(6, 6), np.ones((100, 100), np.uint8))
    (patches,) = label_channels(Image(np.broadcast_to(one, (40, 600, 600)), "ZYX")).values()
    assert not patches.whole
    (patches,) = label_channels(Image(one, "YX")).values()
    assert (patches.values, patches.whole) == (36, True)


@pytest.mark.parametrize(("shape", "axes"), [((9,), "X"), ((1, 9), "YX"), ((3, 4), "TC")])
def test_what_has_no_planes_has_no_patches(shape: tuple[int, ...], axes: str) -> None:
    assert found(np.arange(np.prod(shape)).reshape(shape), axes) == {}
