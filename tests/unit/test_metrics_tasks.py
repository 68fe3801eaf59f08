"""The figures of tasks: by hand, and as other packages compute them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from scipy.optimize import linear_sum_assignment
from skimage.filters import apply_hysteresis_threshold, sato, threshold_otsu
from skimage.measure import label
from skimage.morphology import ball as their_ball
from skimage.morphology import disk, white_tophat

from inif.metrics.planes import plane_layout
from inif.metrics.spectrum import SpectrumAccumulator
from inif.metrics.tasks import (
    FrcTask,
    IntensityTask,
    Labels,
    ObjectsTask,
    Otsu,
    Ridge,
    Tophat,
    Unit,
    tophat,
)
from inif.metrics.tasks.hysteresis import hysteresis
from inif.metrics.tasks.intensity import bland_altman, correlation
from inif.metrics.tasks.mask import Overlap, overlap
from inif.metrics.tasks.objects import THRESHOLDS, match, pooled
from inif.metrics.tasks.ridge import response
from inif.metrics.tasks.segment import as_labels, components, otsu_threshold

pytestmark = pytest.mark.numerical


def row(*lengths: tuple[int, int]) -> np.ndarray:
    """Labels in one row of 60 samples: (first sample, length) each."""
    out = np.zeros((1, 60), np.int32)
    for number, (start, length) in enumerate(lengths, start=1):
        out[0, start : start + length] = number
    return out


def smooth(*shape: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (1000 + 4000 * ndimage.gaussian_filter(rng.normal(size=shape), 2.5)).astype(np.uint16)


def test_average_precision_by_hand() -> None:
    # 1 is exact; 2 overlaps by 6 of 10 (IoU 0.6); 3 by 7 of 13 (IoU 7/13); 4 is lost, one is new.
    original = row((0, 10), (12, 8), (24, 10), (40, 5))
    decoded = row((0, 10), (14, 8), (27, 10), (50, 6))
    found = match(original, decoded)
    assert (found.original, found.decoded, found.split, found.merged) == (4, 4, 0, 0)
    assert found.pairs == (3, 2, 2, 1, 1, 1, 1, 1, 1)
    assert found.iou == pytest.approx(1 + 0.6 + 7 / 13)
    task = ObjectsTask("objects", Otsu())
    figures = task.figures([found])
    assert figures["ap"] == 3 / 5
    assert figures["ap_75"] == 1 / 7
    assert figures["ap_mean"] == pytest.approx((3 / 5 + 2 * 2 / 6 + 6 / 7) / 9)
    assert figures["f1"] == 6 / 8
    assert (figures["missed"], figures["added"]) == (1, 1)
    assert figures.score == figures["ap_mean"]
    both = task.figures([found, match(row((3, 9)), row((3, 9)))])
    assert both["ap"] == 4 / 6


def test_exact_halves_are_pairs_once() -> None:
    found = match(row((0, 10)), row((0, 5), (5, 5)))
    assert found.pairs == (1, *[0] * 8)
    assert (found.split, found.merged) == (1, 0)
    back = match(row((0, 5), (5, 5)), row((0, 10)))
    assert (back.pairs[0], back.split, back.merged) == (1, 0, 1)


def test_pairs_are_the_best_assignment() -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        a = label(ndimage.gaussian_filter(rng.normal(size=(40, 40)), 2) > 0.03, connectivity=1)
        noise = ndimage.gaussian_filter(rng.normal(size=(40, 40)), 2)
        b = label((ndimage.gaussian_filter((a > 0).astype(float), 1) + noise) > 0.5, connectivity=1)
        iou = np.zeros((a.max(), b.max()))
        for i in range(a.max()):
            for j in range(b.max()):
                one, two = a == i + 1, b == j + 1
                iou[i, j] = (one & two).sum() / (one | two).sum()
        found = match(a, b)
        for t, pairs in zip(THRESHOLDS, found.pairs, strict=True):
            good = iou >= t / 100 - 1e-12
            rows, columns = linear_sum_assignment(-good.astype(float))
            assert pairs == good[rows, columns].sum()


def test_no_objects() -> None:
    none = row()
    figures = ObjectsTask("objects", Otsu()).figures
    assert figures([match(none, none)]).score == 1
    assert figures([match(none, row((0, 3)))]).score == 0
    assert figures([match(row((0, 3)), none)])["f1"] == 0
    assert figures([match(row((0, 60)), row((0, 60)))]).score == 1
    assert pooled([]).original == 0


def test_overlap() -> None:
    a, b = row((0, 10)) > 0, row((5, 10)) > 0
    assert (overlap(a, b).iou, overlap(a, b).dice) == (5 / 15, 10 / 20)
    assert (Overlap(0, 0, 0).iou, Overlap(0, 0, 0).dice) == (1, 1)
    assert (Overlap(0, 4, 0).iou, Overlap(0, 4, 0).dice) == (0, 0)
    full = np.ones((4, 4), bool)
    assert overlap(full, full).iou == 1


def test_bland_altman_by_hand() -> None:
    got = bland_altman(np.array([100.0, 200.0, 300.0]), np.array([110.0, 190.0, 300.0]))
    # Differences of 10, -10 and 0 on means of 105, 195 and 300: 9.5238, -5.1282 and 0 percent.
    assert got.bias == pytest.approx(1.465201)
    assert got.low == pytest.approx(1.465201 - 1.96 * 7.435085, abs=1e-4)
    assert got.high == pytest.approx(1.465201 + 1.96 * 7.435085, abs=1e-4)
    alone = bland_altman(np.array([100.0]), np.array([110.0]))
    assert (alone.low, alone.high) == (None, None)
    assert bland_altman(np.zeros(0), np.zeros(0)).bias is None


def test_correlation_needs_something_that_varies() -> None:
    line = np.array([1.0, 2.0, 4.0])
    assert correlation(line, 3 * line + 1) == pytest.approx(1)
    assert correlation(line, np.ones(3)) is None
    assert correlation(line[:1], line[:1]) is None


def test_intensity_by_hand() -> None:
    image = np.array([[10, 10, 20, 20, 1, 1]], np.uint16)
    decoded = np.array([[10, 12, 18, 18, 1, 3]], np.uint16)
    labels = Labels(np.array([[5, 5, 9, 9, 0, 0]]), "YX")
    unit = Unit(image, (0.0, 100.0), {})
    task = IntensityTask("i", labels)
    got = task.figures([task.compare(task.reference(unit), decoded)])
    # Sums 20 → 22 and 40 → 36.
    assert got["bias_percent"] == pytest.approx(100 * (2 / 21 - 4 / 38) / 2)
    assert got["largest_deviation_percent"] == pytest.approx(10)
    assert got["regions"] == 2
    assert got["psnr_regions"] == pytest.approx(-10 * np.log10(12 / 4 / 1e4))
    assert got["psnr_worst_region"] == pytest.approx(-10 * np.log10(4 / 1e4))
    assert got["psnr_outside"] == pytest.approx(-10 * np.log10(2 / 1e4))
    assert got.score == pytest.approx(0.9)
    less = IntensityTask("i", labels, background="median")
    other = less.figures([less.compare(less.reference(unit), decoded)])
    # The background is 1: sums 18 → 20 and 38 → 34.
    assert other["largest_deviation_percent"] == pytest.approx(100 * 2 / 18)
    assert other["psnr_outside"] == got["psnr_outside"]


def test_regions_without_a_positive_sum_are_counted_and_left_out() -> None:
    image = np.array([[-5, -5, 4, 4]], np.float32)
    unit = Unit(image, (-5.0, 4.0), {})
    task = IntensityTask("i", Labels(np.array([[1, 1, 2, 2]]), "YX"))
    got = task.figures([task.compare(task.reference(unit), image)])
    assert (got["regions"], got["left_out"], got["bias_percent"]) == (2, 1, 0)


@pytest.mark.parametrize("shape", [(64, 72), (14, 40, 44)])
def test_otsu_is_scikit_images(shape: tuple[int, ...]) -> None:
    image = smooth(*shape)
    soft = ndimage.gaussian_filter(image.astype(np.float32) - image.min(), 2, mode="nearest")
    theirs = threshold_otsu(soft, nbins=1024)
    assert otsu_threshold(soft) == pytest.approx(theirs, abs=1.01 * float(np.ptp(soft)) / 1024)
    keep = label(soft > otsu_threshold(soft), connectivity=1)
    keep[np.bincount(keep.ravel())[keep] < 30] = 0
    ours = Otsu().fix(image)(image)
    assert ours.dtype == np.int32
    assert np.array_equal(ours > 0, keep > 0)
    assert ours.max() == len(np.unique(keep)) - 1
    assert match(ours, label(keep > 0, connectivity=1)).pairs[-1] == ours.max()


@pytest.mark.parametrize("shape", [(64, 72), (14, 40, 44)])
def test_the_ridge_filter_is_satos(shape: tuple[int, ...]) -> None:
    image = smooth(*shape).astype(np.float32)
    ours = response(image, (2.0,))
    hessian = np.empty((*shape, len(shape), len(shape)))
    for i, j in np.ndindex(len(shape), len(shape)):
        order = [(i == a) + (j == a) for a in range(len(shape))]
        hessian[..., i, j] = ndimage.gaussian_filter(image, 2.0, order, mode="nearest")
    across = np.maximum(-np.linalg.eigvalsh(hessian)[..., :-1], 0)
    expected = 4 * np.prod(across, axis=-1) ** (1 / across.shape[-1])
    np.testing.assert_allclose(ours, expected, atol=2e-4 * expected.max())
    # scikit-image takes the derivatives in two steps, which is not quite the same.
    theirs = sato(image, [2.0], black_ridges=False, mode="nearest")
    assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.97


def test_hysteresis_is_scikit_images_but_for_corners() -> None:
    values = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(60, 60)), 1.5)
    ours = hysteresis(values, 0.05, 0.25)
    assert np.all(ours[apply_hysteresis_threshold(values, 0.05, 0.25)] > 0)
    parts = label(values > 0.05)
    strong = np.unique(parts[values > 0.25])
    assert np.array_equal(ours > 0, np.isin(parts, strong))
    assert ours.max() == len(strong) < parts.max()


def test_a_line_is_found_and_a_washed_out_one_is_lost() -> None:
    image = np.full((50, 60), 100.0)
    image[20, 5:55] = 1100
    image[10:40, 30] = 1100
    image = ndimage.gaussian_filter(image, 1.2)
    cut = Ridge().fix(image.astype(np.uint16))
    found = cut(image.astype(np.uint16))
    assert found.max() == 1
    assert found[20, 10] == found[15, 30] == 1
    assert cut(ndimage.gaussian_filter(image, 6).astype(np.uint16)).max() == 0


@pytest.mark.parametrize("shape", [(64, 72), (14, 40, 44)])
@pytest.mark.parametrize("radius", [2, 4])
def test_the_top_hat_is_scikit_images(shape: tuple[int, ...], radius: int) -> None:
    image = smooth(*shape).astype(np.float32)
    ours = tophat.response(image, radius, 1.0)
    footprint = disk(radius) if len(shape) == 2 else their_ball(radius)
    assert np.array_equal(tophat.ball(radius, len(shape)), footprint > 0)
    theirs = white_tophat(ndimage.gaussian_filter(image, 1.0, mode="nearest"), footprint)
    inside = (slice(2 * radius, -2 * radius),) * 2  # images go on differently beyond their edges
    np.testing.assert_allclose(ours[(..., *inside)], theirs[(..., *inside)], atol=1e-3)
    assert ours.min() >= 0


def test_the_top_hat_finds_lines_and_puncta_but_not_what_is_wider() -> None:
    image = np.full((80, 90), 100.0)
    image[20, 5:85] = 1100
    rows, columns = np.mgrid[:80, :90]
    wide = np.hypot(rows - 58, columns - 55) < 14
    image[wide] = 900
    image[55, 10] = image[35, 70] = 6000
    image = ndimage.gaussian_filter(image, 1.0) + np.linspace(0, 400, 90)
    cut = Tophat().fix(image.astype(np.uint16))
    found = cut(image.astype(np.uint16))
    assert found.max() == 3
    assert min(found[20, 40], found[55, 10], found[35, 70]) > 0
    assert not found[wide].any()
    assert cut(ndimage.gaussian_filter(image, 6).astype(np.uint16)).max() == 0


def test_thresholds_do_not_follow_the_decoded_image() -> None:
    image = np.zeros((40, 40), np.uint16)
    image[10:20, 10:20] = 1000
    cut = Otsu(sigma=1).fix(image)
    assert cut(image).max() == 1
    assert cut(image // 4).max() == 0
    flat = Otsu(sigma=1).fix(np.full((40, 40), 5, np.uint16))
    assert flat(np.full((40, 40), 5, np.uint16)).max() == 0
    assert flat(image).max() == 1


def test_components() -> None:
    mask = np.array([[1, 0, 0, 1], [0, 1, 0, 1], [0, 0, 0, 1]], bool)
    assert components(mask).max() == 3
    assert components(mask, corners=True).max() == 2
    assert np.array_equal(components(mask, 3) > 0, [[0, 0, 0, 1]] * 3)
    assert components(np.zeros((2, 2), bool)).max() == 0
    assert np.array_equal(as_labels(np.array([[0, 7, 3]]), field="x"), [[0, 2, 1]])
    assert np.array_equal(as_labels(np.array([[7, 7, 3]]), field="x"), [[2, 2, 1]])


def test_frc_is_the_reports() -> None:
    image = smooth(20, 32, 36)
    decoded = ndimage.gaussian_filter(image, 0.7)
    task = FrcTask()
    got = task.figures([task.compare(task.reference(Unit(image, (0.0, 1.0), {})), decoded)])
    from inif.metrics.planes import walk

    lay = plane_layout("ZYX", image.shape)
    sums = SpectrumAccumulator(lay)
    for plane in walk(image, decoded, lay):
        sums.add(plane)
    spectra = sums.result()
    assert spectra is not None
    assert got["cycles_per_pixel"] == spectra[0].resolution
    assert got["frc_cycles_per_pixel"] == spectra[0].correlated
    assert got["planes"] == spectra[0].planes == 16
    assert got["mean_correlation"] == pytest.approx(
        np.mean([c for c in spectra[0].ring_correlation if c is not None])
    )
