"""Spots: found where they are, lost where a codec washes them out, never guessed."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from skimage.feature import blob_log

from inif.metrics.spots import FoundSpots, find_again, pooled, reference_spots, response

pytestmark = pytest.mark.numerical


def spots(shape: tuple[int, ...], places: list[tuple[int, ...]], noise: float = 2.0) -> np.ndarray:
    image = np.zeros(shape)
    for place in places:
        image[place] = 1.0
    image = ndimage.gaussian_filter(image, 1.5)
    image *= 100 / image.max()
    return image + np.random.default_rng(0).normal(0, noise, shape)


PLANE = [(10, 12), (30, 40), (50, 20), (44, 60)]
STACK = [(4, 10, 12), (9, 30, 40), (6, 50, 20)]


@pytest.mark.parametrize(("shape", "places"), [((64, 80), PLANE), ((14, 64, 80), STACK)])
def test_every_spot_is_found_and_nothing_else(
    shape: tuple[int, ...], places: list[tuple[int, ...]]
) -> None:
    found = reference_spots(spots(shape, places))
    assert sorted(map(tuple, found.positions.astype(int).tolist())) == sorted(places)


def test_the_response_is_scipys() -> None:
    image = np.random.default_rng(1).normal(0, 1, (40, 50))
    ours = response(image, 1.5)
    theirs = -(1.5**2) * ndimage.gaussian_laplace(image, 1.5, mode="nearest", truncate=4)
    np.testing.assert_allclose(ours, theirs, atol=2e-3)


def test_an_independent_detector_agrees() -> None:
    image = spots((64, 80), PLANE)
    theirs = blob_log(image / image.max(), min_sigma=1.5, max_sigma=1.5, num_sigma=1, threshold=0.2)
    ours = reference_spots(image).positions
    assert sorted(map(tuple, theirs[:, :2].astype(int))) == sorted(map(tuple, ours.astype(int)))


def test_lost_moved_and_new_spots_are_counted() -> None:
    reference = reference_spots(spots((64, 80), PLANE))
    moved = spots((64, 80), [(11, 12), (30, 41), (50, 20), (20, 70)])
    found = find_again(reference, moved)
    assert (found.original, found.decoded, found.matched) == (4, 4, 3)
    assert found.recall == found.precision == 0.75
    assert found.error == pytest.approx(2 / 3)
    washed = find_again(reference, ndimage.gaussian_filter(spots((64, 80), PLANE), 6))
    assert washed.recall == 0
    assert find_again(reference, spots((64, 80), PLANE)).f1 == 1


def test_images_without_spots() -> None:
    flat = np.full((20, 20), 7, np.uint8)
    none = reference_spots(flat)
    assert len(none.positions) == 0
    found = find_again(none, flat)
    assert (found.recall, found.precision, found.f1, found.error) == (1, 1, 1, None)
    noise = np.random.default_rng(0).normal(0, 1, (200, 200))
    assert len(reference_spots(noise).positions) <= 2


def test_pooling_counts_all() -> None:
    both = pooled([FoundSpots(4, 3, 2, 0.5), FoundSpots(1, 1, 1, 2.0), FoundSpots(0, 0, 0, None)])
    assert (both.original, both.decoded, both.matched) == (5, 4, 3)
    assert both.error == pytest.approx(1.0)
