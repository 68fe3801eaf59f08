"""Estimates of known noise, and what is said of residuals that are noise, or are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import fft, ndimage

from inif.errors import InputError
from inif.metrics import evaluate
from inif.metrics.noise import NoiseModel, estimate, local_mean
from inif.metrics.structure import most_of_noise
from inif.metrics.tasks import Figures, NoiseTask, Unit
from inif.metrics.tasks.noise import cosine, rings, spectra, verdict

pytestmark = pytest.mark.numerical

PLANE, STACK = (256, 256), (8, 96, 96)
CASES = [
    # gain, read noise, camera offset, sample type
    (1.0, 5.0, 0.0, "uint16"),
    (2.0, 3.0, 100.0, "uint16"),
    (0.5, 20.0, 100.0, "float32"),
    (0.0, 10.0, 50.0, "int16"),
    (4.0, 0.0, 0.0, "uint16"),
]


def scene(shape: tuple[int, ...], kind: str = "cells", high: float = 2000) -> np.ndarray:
    """Expected signal in counts, the same along Z's neighbours: (…) float64."""
    rng = np.random.default_rng(1)
    if kind == "flat":
        return np.full(shape, 0.3 * high)
    spread = [2] * (len(shape) - 2) + [8, 8]
    if kind == "smooth":
        out = ndimage.gaussian_filter(rng.normal(size=shape), spread, mode="wrap")
        return 50 + high * (out - out.min()) / np.ptp(out)
    points = np.zeros(shape)
    for _ in range(40):
        points[tuple(rng.integers(0, n) for n in shape)] = rng.uniform(0.5, 1)
    out = ndimage.gaussian_filter(points, 5)
    return 50 + high * np.clip(2 * out / out.max(), 0, 1)


def noisy(
    signal: np.ndarray, gain: float, read: float, offset: float, dtype: str, seed: int = 0
) -> np.ndarray:
    rng = np.random.default_rng(seed)
    photons = gain * rng.poisson(signal / gain) if gain else signal
    image = photons + rng.normal(0, read, signal.shape) + offset
    kind = np.dtype(dtype)
    if kind.kind in "iu":
        limits = np.iinfo(kind)
        image = np.rint(image).clip(limits.min, limits.max)
    return image.astype(kind)


def judged(original: np.ndarray, decoded: np.ndarray) -> Figures:
    task = NoiseTask()
    unit = Unit(original, (float(original.min()), float(original.max())), {})
    return task.figures([task.compare(task.reference(unit), decoded)])


@pytest.mark.parametrize(("gain", "read", "offset", "dtype"), CASES)
@pytest.mark.parametrize("shape", [PLANE, STACK])
@pytest.mark.parametrize("kind", ["cells", "smooth", "flat"])
def test_known_noise_is_found(
    kind: str, shape: tuple[int, ...], gain: float, read: float, offset: float, dtype: str
) -> None:
    signal = scene(shape, kind)
    model = estimate(noisy(signal, gain, read, offset, dtype))
    assert model is not None
    level = np.quantile(signal, [0.1, 0.5, 0.9])
    wanted = np.sqrt(gain * level + read**2)
    np.testing.assert_allclose(np.sqrt(model.variance(level + offset)), wanted, rtol=0.1)
    if kind == "cells":
        assert model.gain == pytest.approx(gain, rel=0.15, abs=0.1)
    assert model.used > 0.99


def test_small_numbers_in_8_bits() -> None:
    image = noisy(scene(PLANE, high=150), 0.5, 1.0, 10, "uint8")
    model = estimate(image)
    assert model is not None
    assert model.gain == pytest.approx(0.5, rel=0.2)


def test_clipped_samples_do_not_count() -> None:
    signal = scene(PLANE, high=300)
    image = noisy(signal, 0.0, 20, 0, "int16").clip(60, 240)
    assert np.mean(image == 60) > 0.1
    model = estimate(image)
    assert model is not None
    assert np.sqrt(model.variance(150)) == pytest.approx(20, rel=0.1)
    assert model.used < 0.7


@pytest.mark.parametrize("shape", [(6, 40), (40, 40)])
def test_nothing_to_estimate(shape: tuple[int, ...]) -> None:
    image = np.full(shape, 7, np.uint8)
    if min(shape) < 7:
        image[::2] = 9
    assert estimate(image) is None


def test_an_image_without_noise_has_none() -> None:
    rows, columns = np.mgrid[:64, :64]
    model = estimate((rows + 3.0 * columns).astype(np.float32))
    assert model is not None
    assert float(model.variance(100.0)) == pytest.approx(0, abs=1e-6)


@given(st.floats(0.1, 50), st.floats(-500, 500))
def test_the_estimate_follows_scale_and_offset(scale: float, offset: float) -> None:
    image = noisy(scene((64, 64)), 1, 5, 0, "float32").astype(np.float64)
    one, two = estimate(image), estimate(scale * image + offset)
    assert one is not None
    assert two is not None
    assert two.gain == pytest.approx(scale * one.gain, rel=1e-6)
    wanted = scale**2 * one.variance(500.0)
    assert two.variance(scale * 500 + offset) == pytest.approx(wanted, rel=1e-6)


def test_the_tools_are_scipys() -> None:
    plane = np.random.default_rng(0).normal(size=(19, 26))
    np.testing.assert_allclose(local_mean(plane), ndimage.uniform_filter(plane, 5, mode="nearest"))
    np.testing.assert_allclose(cosine() @ cosine().T, np.eye(8), atol=1e-12)
    ours = spectra(plane)
    assert len(ours) == 6
    np.testing.assert_allclose(ours[4], fft.dctn(plane[8:16, 8:16], norm="ortho"), atol=1e-12)
    assert np.bincount(rings().ravel()).min() == 1
    from scipy.stats import chi2

    for n in (4, 9, 51):
        assert most_of_noise(n, 3.09) == pytest.approx(chi2.ppf(0.999, n) / n, rel=0.02)


@pytest.mark.parametrize(("gain", "read", "offset", "dtype"), CASES)
@pytest.mark.parametrize("kind", ["cells", "smooth", "flat"])
def test_what_leaves_the_signal_looks_like_noise(
    kind: str, gain: float, read: float, offset: float, dtype: str
) -> None:
    signal = scene(PLANE, kind)
    image = noisy(signal, gain, read, offset, dtype)
    clean = noisy(signal, 0.0, 0.0, offset, dtype)
    got = judged(image, clean)
    assert got.details["verdict"] == "looks like noise"
    assert got.score == pytest.approx(1, abs=2e-3)
    assert got["ratio"] == pytest.approx(1, abs=0.1)
    assert got["beyond_3_sigma"] == pytest.approx(0.0027, abs=0.003)
    assert got["flatness"] == pytest.approx(1, abs=0.01)
    for key in ("level_correlation", "gradient_correlation", "lag1_y", "lag1_x"):
        assert abs(got[key] or 0) < 0.05


@pytest.mark.parametrize("shape", [PLANE, STACK])
def test_blur_takes_structure_and_is_flagged(shape: tuple[int, ...]) -> None:
    image = noisy(scene(shape), 1, 5, 100, "uint16")
    scores = []
    for sigma in (1.5, 3, 6):
        spread = [0] * (len(shape) - 2) + [sigma] * 2
        got = judged(image, np.rint(ndimage.gaussian_filter(image.astype(float), spread)))
        assert "structure" in got.details["verdict"]
        assert (got["ratio"] or 0) > 1
        scores.append(got.score or 0)
    assert scores == sorted(scores, reverse=True)
    assert scores[-1] < 0.2
    assert got["lag1_x"] == pytest.approx(1, abs=0.1)


def test_structure_that_is_lost_in_one_place_only_is_flagged() -> None:
    signal = scene((512, 512), "flat")
    spots = np.zeros_like(signal)
    spots[100:400:40, 100:400:40] = 1
    spots = 3000 * ndimage.gaussian_filter(spots, 1.5)
    got = judged(noisy(signal + spots, 1, 5, 0, "uint16"), signal.astype(np.uint16))
    assert got["ratio"] == pytest.approx(1, abs=0.1)
    assert got.score is not None
    assert got.score < 0.99
    got = judged(noisy(signal + spots, 1, 5, 0, "uint16"), (signal + spots).astype(np.uint16))
    assert got.score == pytest.approx(1, abs=2e-3)


def test_nothing_removed_is_no_denoising() -> None:
    image = noisy(scene(PLANE), 1, 5, 100, "uint16")
    got = judged(image, image)
    assert (got.score, got["ratio"]) == (1, 0)
    assert got.details["verdict"].startswith("nothing")
    nearly = image + np.random.default_rng(0).integers(0, 2, PLANE).astype(np.uint16)
    assert judged(image, nearly).details["verdict"] == "hardly anything"
    flat = np.full(PLANE, 7, np.uint16)
    assert judged(flat, flat).score == 1
    other = judged(flat, flat + 1)
    assert (other.score, other["ratio"]) == (None, None)
    assert "cannot" in other.details["verdict"]


def test_a_blank_time_point_is_left_out() -> None:
    signal = scene((3, 96, 96))
    image, clean = noisy(signal, 1, 5, 100, "uint16"), noisy(signal, 0, 0, 100, "uint16")
    whole = evaluate(image[:2], clean[:2], axes="TYX", tasks="noise").tasks[0].channels[0]
    image[2] = clean[2] = 0
    got = evaluate(image, clean, axes="TYX", tasks="noise").tasks[0].channels[0]
    for key in ("ratio", "gain", "removed_std", "flatness"):
        assert got[key] == whole[key]
    assert got.score == whole.score == pytest.approx(1, abs=2e-3)
    assert got["used"] == pytest.approx(2 / 3 * (whole["used"] or 0))


def test_noise_that_is_added_or_invented_is_not_explained() -> None:
    signal = scene(PLANE)
    image = noisy(signal, 1, 5, 0, "uint16")
    other = noisy(signal, 4, 20, 0, "uint16", seed=9)
    assert (judged(image, other).score or 1) < 0.5


@given(st.integers(0, 1000), st.floats(0.3, 6))
def test_scores_are_shares(seed: int, sigma: float) -> None:
    image = noisy(scene((48, 48)), 1, 5, 100, "uint16", seed)
    got = judged(image, ndimage.gaussian_filter(image, sigma))
    assert got.score is not None
    assert 0 <= got.score <= 1
    flat = got["flatness"]
    assert flat is not None
    assert 0 <= flat <= 1


def test_verdicts() -> None:
    assert verdict(1, 1, 0.99, 0.0, 0.0) == verdict(1, 1, 0.99, None, -0.5) == "looks like noise"
    assert verdict(1, 1, 0.99, 0.2, 0.0) == verdict(1, 1, 0.9, 0.0, 0.0) == "partly structure"
    assert verdict(1, 1, 0.99, 0.0, 0.2) == "partly structure"
    assert verdict(1, 1, 0.4, 0.0, 0.0) == "mostly structure"
    assert verdict(1, 0.05, 0.99, 0.5, 0.0) == "hardly anything"


def test_in_the_report() -> None:
    stack = noisy(scene(STACK), 1, 5, 100, "uint16")
    clean = noisy(scene(STACK), 0, 0, 100, "uint16")
    got = evaluate(stack, clean, axes="ZYX", tasks="noise").to_json()["tasks"][0]["channels"][0]
    assert got["verdict"] == "looks like noise"
    assert abs(got["lag1_z"]) < 0.05
    with pytest.raises(InputError, match="too small"):
        evaluate(stack[:, :8], clean[:, :8], axes="ZYX", tasks="noise")


def test_darker_than_seen_is_as_noisy_as_the_darkest() -> None:
    model = NoiseModel(gain=2.0, at_zero=-150.0, darkest=100.0, used=1.0)
    np.testing.assert_array_equal(model.variance(np.array([0, 100, 200])), [50, 50, 250])


def test_a_second_exposure_of_a_real_image_says_the_same(data_dir: Path) -> None:
    import tifffile

    low, high = (
        tifffile.imread(data_dir / f"nuclei_pair_{which}_yx_u16.ome.tif").astype(np.float64)
        for which in ("low", "high")
    )
    scale, offset = np.polyfit(high.ravel(), low.ravel(), 1)
    got = judged(low, scale * high + offset)
    assert got["ratio"] == pytest.approx(1, abs=0.1)
    assert got.score == pytest.approx(1, abs=0.02)
