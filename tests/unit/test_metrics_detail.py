"""Residual, peaks and spectrum: each must tell the losses apart that it is there for."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from inif.metrics.detail import PeakAccumulator, Peaks, ResidualAccumulator, ResidualFigures
from inif.metrics.fidelity import channel_ranges
from inif.metrics.planes import plane_layout, strips, walk
from inif.metrics.spectrum import (
    SpectrumAccumulator,
    octave_edges,
    resolution_kept,
    ring_edges,
    spectrum,
)

pytestmark = pytest.mark.numerical


def residual_figures(a: np.ndarray, b: np.ndarray) -> ResidualFigures:
    """Of one plane."""
    lay = plane_layout("YX", a.shape)
    total = ResidualAccumulator(lay, channel_ranges(a, "YX"), a.dtype)
    for plane in walk(a, b, lay):
        for strip in strips(plane):
            total.add(strip)
    return total.result()[0]


def peaks(a: np.ndarray, b: np.ndarray) -> Peaks:
    """Of one plane."""
    lay = plane_layout("YX", a.shape)
    total = PeakAccumulator(lay)
    for plane in walk(a, b, lay):
        for strip in strips(plane):
            total.add(strip)
    return total.result()[0]


@pytest.fixture(scope="module")
def structure() -> np.ndarray:
    """Smooth blobs, standard deviation 100."""
    smooth = gaussian_filter(np.random.default_rng(0).normal(size=(128, 128)), 3)
    return (1000 + 100 * smooth / smooth.std()).astype(np.float32)


def test_removing_noise_looks_like_noise(structure: np.ndarray) -> None:
    noise = np.random.default_rng(1).normal(0, 10, structure.shape).astype(np.float32)
    got = residual_figures(structure + noise, structure)
    assert got.std == pytest.approx(10, rel=0.03)
    assert got.lag1_y == pytest.approx(0, abs=0.03)
    assert got.lag1_x == pytest.approx(0, abs=0.03)
    assert got.lost_correlation == pytest.approx(0.1, abs=0.03)
    assert got.kept_correlation == pytest.approx(0, abs=0.03)
    assert got.saturated_original is None


def test_removing_structure_looks_like_structure(structure: np.ndarray) -> None:
    got = residual_figures(structure, structure * np.float32(0.5))
    assert got.lag1_y is not None
    assert got.lag1_y > 0.9
    assert got.lost_correlation == pytest.approx(1.0)
    assert got.kept_correlation == pytest.approx(1.0)


def test_residual_matches_numpy_whatever_the_strips() -> None:
    rng = np.random.default_rng(2)
    a = rng.integers(0, 256, (50, 37)).astype(np.uint8)
    b = rng.integers(0, 256, (50, 37)).astype(np.uint8)
    lay = plane_layout("YX", a.shape)
    total = ResidualAccumulator(lay, ((0.0, 255.0),), a.dtype)
    for plane in walk(a, b, lay):
        for strip in strips(plane, size=100):
            total.add(strip)
    got = total.result()[0]
    e = b.astype(float) - a
    assert got.std == pytest.approx(e.std())
    assert got.lag1_y == pytest.approx(np.corrcoef(e[:-1].ravel(), e[1:].ravel())[0, 1])
    assert got.lag1_x == pytest.approx(np.corrcoef(e[:, :-1].ravel(), e[:, 1:].ravel())[0, 1])
    assert got.lost_correlation == pytest.approx(np.corrcoef(-e.ravel(), a.ravel())[0, 1])
    assert got.kept_correlation == pytest.approx(np.corrcoef(-e.ravel(), b.ravel())[0, 1])
    assert got.off_by_5_percent == pytest.approx((np.abs(e) > 0.05 * 255).mean())
    assert got.saturated_original == pytest.approx((a == 255).mean())
    assert got.saturated_decoded == pytest.approx((b == 255).mean())


def test_no_correlation_where_nothing_varies() -> None:
    a = np.full((9, 9), 7, np.uint16)
    got = residual_figures(a, a + np.uint16(3))
    assert got.std == 0
    assert (got.lost_correlation, got.lag1_y, got.lag1_x) == (None, None, None)
    single = residual_figures(a[:1, :1], a[:1, :1])
    assert (single.lag1_y, single.lag1_x) == (None, None)


def test_peaks_tell_flattened_spots() -> None:
    a = np.full((100, 100), 10, np.uint16)
    a[::10, 5] = 1010
    b = a.copy()
    b[a == 1010] = 510
    got = peaks(a, b)
    assert got.voxels == 10
    assert got.threshold == 1010
    height = 1010 - a.mean()
    assert got.bias_percent == pytest.approx(-100 * 500 / height)
    flat = np.zeros((4, 4), np.uint8)
    assert peaks(flat, flat).bias_percent is None


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), top=st.sampled_from([2, 50, 60_000]), size=st.integers(1, 300))
def test_streamed_peaks_equal_sorting(seed: int, top: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    a = rng.integers(0, top, (3, 17, 23)).astype(np.uint16)
    b = rng.integers(0, top, (3, 17, 23)).astype(np.uint16)
    lay = plane_layout("ZYX", a.shape)
    total = PeakAccumulator(lay, share=0.02)
    for plane in walk(a, b, lay):
        for strip in strips(plane, size=size):
            total.add(strip)
    got = total.result()[0]
    keep = math.ceil(0.02 * a.size)
    order = np.argsort(-a.ravel().astype(int), kind="stable")[:keep]
    assert got.voxels == keep
    assert got.original_mean == pytest.approx(a.ravel()[order].mean())
    assert got.decoded_mean == pytest.approx(b.ravel()[order].mean())


def test_spectrum_of_identical_planes_is_one() -> None:
    a = np.random.default_rng(3).normal(size=(64, 48))
    got = spectrum(a, a)
    assert [r for *_, r in got.octaves] == pytest.approx([1.0] * 5)
    assert [v for v in got.ring_correlation if v is not None] == pytest.approx([1.0] * 24)
    assert got.resolution == got.correlated == 0.5


def test_blur_lowers_power_and_transfer_but_not_correlation() -> None:
    a = np.random.default_rng(4).normal(size=(256, 256))
    sigma = 1.0
    got = spectrum(a, gaussian_filter(a, sigma, mode="wrap"))
    half = math.sqrt(2 * math.log(2)) / (2 * math.pi * sigma)  # where a Gaussian passes a half
    assert got.resolution == pytest.approx(half, abs=1 / 64)
    assert got.correlated > 2 * got.resolution
    powers = [r for *_, r in got.octaves]
    assert powers == sorted(powers)
    assert powers[0] < 0.05
    assert powers[-1] > 0.95


def test_band_limited_copy_keeps_detail_up_to_its_band() -> None:
    a = np.random.default_rng(5).normal(size=(256, 256))
    f = np.fft.fft2(a)
    radius = np.hypot(np.fft.fftfreq(256)[:, None], np.fft.fftfreq(256)[None, :])
    b = np.fft.ifft2(np.where(radius < 0.25, f, 0)).real
    got = spectrum(a, b)
    assert got.resolution == pytest.approx(0.25, abs=1 / 32)
    assert got.octaves[0][2] == pytest.approx(0, abs=0.05)
    assert got.octaves[1][2] == pytest.approx(1, abs=0.05)


def test_unrelated_and_empty_planes() -> None:
    rng = np.random.default_rng(6)
    assert spectrum(rng.normal(size=(64, 64)), rng.normal(size=(64, 64))).resolution < 0.1
    flat = spectrum(np.full((32, 32), 9), np.full((32, 32), 9))
    assert flat.resolution == 0.0
    assert all(r is None for *_, r in flat.octaves)
    lost = spectrum(rng.normal(size=(32, 32)), np.zeros((32, 32)))
    assert lost.resolution == 0.0
    assert lost.ring_correlation[0] == 0.0


def test_edges() -> None:
    assert ring_edges(4) == pytest.approx([0, 0.125, 0.25, 0.375, 0.5])
    assert octave_edges(3) == pytest.approx([0.5, 0.25, 0.125, 0])
    edges = ring_edges(4)
    assert resolution_kept(edges, np.array([0.9, 0.4, 0.9, 0.9])) == 0.125
    assert resolution_kept(edges, np.array([0.9, np.nan, 0.9, np.nan])) == 0.375
    assert resolution_kept(edges, np.array([0.1, 0.9, 0.9, 0.9])) == 0.0


def test_spectrum_takes_few_planes_and_the_centre_of_large_ones() -> None:
    a = np.random.default_rng(7).normal(size=(40, 2, 16, 16)).astype(np.float32)
    lay = plane_layout("ZCYX", a.shape)
    total = SpectrumAccumulator(lay)
    for plane in walk(a, a, lay):
        total.add(plane)
    got = total.result()
    assert got is not None
    assert [s.planes for s in got] == [16, 16]
    wide = np.random.default_rng(8).normal(size=(20, 1500)).astype(np.float32)
    assert spectrum(wide, wide).resolution == 0.5
    assert SpectrumAccumulator(plane_layout("YX", (15, 400))).note
    assert SpectrumAccumulator(plane_layout("ZX", (50, 400))).result() is None
