"""PSNR, SSIM and their relatives: parity with scikit-image and NumPy, invariances, odd shapes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from inif.errors import AxesError, InputError
from inif.metrics import planes
from inif.metrics.fidelity import Psnr, channel_ranges, fidelity, psnr, ssim_map

pytestmark = pytest.mark.numerical


def image(shape: tuple[int, ...], dtype: str = "uint16", seed: int = 0) -> np.ndarray:
    """Smooth structure plus noise, somewhere inside the dtype's range."""
    rng = np.random.default_rng(seed)
    grids = np.meshgrid(*[np.linspace(0, 3, n) for n in shape], indexing="ij")
    values = 100 + 40 * np.sin(sum(grids) * 2) + rng.normal(0, 5, shape)
    return values.astype(dtype) if dtype.startswith("f") else values.round().astype(dtype)


def noisy(values: np.ndarray, sigma: float = 4.0, seed: int = 1) -> np.ndarray:
    error = np.random.default_rng(seed).normal(0, sigma, values.shape)
    if values.dtype.kind == "f":
        return (values + error).astype(values.dtype)
    info = np.iinfo(values.dtype)
    return np.clip(values + error.round(), info.min, info.max).astype(values.dtype)


def plain_psnr(a: np.ndarray, b: np.ndarray, axes: str) -> float:
    """The definition, written down naively."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    c = axes.find("C")
    a, b = (x[None] if c < 0 else np.moveaxis(x, c, 0) for x in (a, b))
    means = []
    for x, y in zip(a, b, strict=True):
        size = x.max() - x.min()
        means.append((((x - y) / (size if size > 0 else 1.0)) ** 2).mean())
    mean = np.mean(means)
    return math.inf if mean == 0 else float(-10 * np.log10(mean))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
def test_single_channel_matches_scikit_image(dtype: str) -> None:
    a = image((5, 40, 33), dtype)
    b = noisy(a)
    size = float(a.max()) - float(a.min())
    wide_a, wide_b = a.astype(np.float64), b.astype(np.float64)
    got = fidelity(a, b, "ZYX")
    assert got.psnr.pooled == pytest.approx(
        peak_signal_noise_ratio(wide_a, wide_b, data_range=size), abs=1e-9
    )
    expected = [
        structural_similarity(x, y, data_range=size, win_size=7)
        for x, y in zip(wide_a, wide_b, strict=True)
    ]
    assert got.slice_ssim == pytest.approx(np.array(expected), abs=1e-10)
    assert got.ssim.mean == pytest.approx(np.mean(expected), abs=1e-10)
    assert got.ssim.window == 7
    assert got.ssim.note is None
    assert got.psnr.ranges == ((float(a.min()), float(a.max())),)


@pytest.mark.parametrize("axes", ["CZYX", "ZYXC", "XYCZ", "ZCYX", "CXY", "TZ", "CX", "X", "C"])
def test_matches_the_definition_in_any_order_of_axes(axes: str) -> None:
    sizes = {"T": 3, "C": 2, "Z": 4, "Y": 9, "X": 11}
    a = image(tuple(sizes[x] for x in axes), "int16")
    if "C" in axes:
        a[tuple(slice(1, 2) if x == "C" else slice(None) for x in axes)] *= 7
    b = noisy(a)
    got = fidelity(a, b, axes)
    error = b.astype(np.float64) - a
    assert got.psnr.pooled == pytest.approx(plain_psnr(a, b, axes), abs=1e-9)
    assert got.nrmse == pytest.approx(10 ** (-got.psnr.pooled / 20))
    assert got.max_error == np.abs(error).max()
    assert got.mean_error == pytest.approx(error.mean())


def test_ssim_of_small_planes_and_missing_axes() -> None:
    a = image((2, 5, 20))
    small = fidelity(a, noisy(a), "ZYX").ssim
    wide = a.astype(float)
    expected = [
        structural_similarity(x, y, data_range=wide.max() - wide.min(), win_size=5)
        for x, y in zip(wide, noisy(a).astype(float), strict=True)
    ]
    assert small.window == 5
    assert small.mean == pytest.approx(np.mean(expected), abs=1e-10)
    assert small.note is not None
    assert "5" in small.note
    for shape, axes in [((2, 20), "YX"), ((20,), "X"), ((4, 20), "ZX"), ((3, 20), "CX")]:
        a = image(shape)
        none = fidelity(a, noisy(a), axes).ssim
        assert none.mean is None
        assert none.window is None
        assert none.note


def test_ssim_map_of_a_plane_smaller_than_the_window_is_empty() -> None:
    assert ssim_map(np.zeros((6, 9)), np.zeros((6, 9)), 1.0).size == 0


def test_identical_images() -> None:
    a = image((2, 8, 9))
    got = fidelity(a, a.copy(), "CYX")
    assert got.psnr.pooled == math.inf
    assert got.psnr.per_channel == (math.inf, math.inf)
    assert (got.nrmse, got.max_error, got.mean_error) == (0.0, 0.0, 0.0)
    assert got.ssim.mean == pytest.approx(1.0)


def test_constant_channel_has_a_range_of_one_count() -> None:
    a = np.full((2, 8, 8), 5, np.uint8)
    exact = fidelity(a, a, "CYX")
    assert exact.psnr.pooled == math.inf
    assert exact.psnr.ranges == ((5.0, 5.0), (5.0, 5.0))
    assert exact.ssim.mean == pytest.approx(1.0)
    b = a.copy()
    b[1] += 1
    off = fidelity(a, b, "CYX")
    assert off.psnr.per_channel == (math.inf, 0.0)
    assert off.psnr.pooled == pytest.approx(10 * math.log10(2))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16"])
def test_extreme_values_do_not_overflow(dtype: str) -> None:
    info = np.iinfo(dtype)
    a = np.full((8, 8), info.min, dtype)
    a[::2] = info.max
    b = np.where(a == info.max, info.min, info.max).astype(dtype)
    got = fidelity(a, b, "YX")
    assert got.psnr.pooled == pytest.approx(0.0, abs=1e-12)
    assert got.max_error == float(info.max) - float(info.min)
    assert got.mean_error == 0.0


def test_float32_extremes() -> None:
    for size in (3e38, 1e-38):
        a = (image((9, 9), "float32") / 200 * size).astype(np.float32)
        b = (a * np.float32(0.99)).astype(np.float32)
        got = fidelity(a, b, "YX")
        assert got.psnr.pooled == pytest.approx(plain_psnr(a, b, "YX"))
        assert got.ssim.mean is not None
        assert 0.9 < got.ssim.mean <= 1


def test_one_plane_and_axes_of_length_one() -> None:
    a = image((1, 1, 1, 12, 10))
    b = noisy(a)
    got = fidelity(a, b, "TZCYX")
    flat = fidelity(a[0, 0, 0], b[0, 0, 0], "YX")
    assert got.psnr == flat.psnr
    assert got.ssim == flat.ssim
    assert got.worst == (0, 0, 0)
    assert fidelity(a[..., :1, :1], b[..., :1, :1], "TZCYX").ssim.mean is None


def test_forty_one_channels() -> None:
    a = image((41, 16, 16)) * np.arange(1, 42, dtype=np.uint16)[:, None, None]
    b = noisy(a, 10)
    got = psnr(a, b, "CYX")
    assert got.pooled == pytest.approx(plain_psnr(a, b, "CYX"))
    assert len(got.per_channel) == 41
    for c in (0, 17, 40):
        assert got.per_channel[c] == pytest.approx(plain_psnr(a[c], b[c], "YX"))


def test_worst_slice_is_found() -> None:
    a = image((2, 6, 10, 10))
    b = a.copy()
    b[1, 4] += 3
    got = fidelity(a, b, "CZYX")
    assert got.worst == (1, 4)
    assert got.layout.index_json(got.worst) == {"c": 1, "z": 4}
    assert got.slice_psnr[1, 4] < math.inf
    assert np.isinf(got.slice_psnr).sum() == 11


def test_known_ranges_save_a_pass_and_must_fit() -> None:
    a = image((3, 8, 8))
    ranges = channel_ranges(a, "CYX")
    assert psnr(a, noisy(a), "CYX", ranges) == psnr(a, noisy(a), "CYX")
    with pytest.raises(InputError, match="one range per channel"):
        psnr(a, a, "CYX", ranges[:1])


def test_bad_input_is_refused() -> None:
    a = image((4, 8, 8), "float32")
    with pytest.raises(InputError, match="differ in shape"):
        psnr(a, a[:3], "ZYX")
    with pytest.raises(AxesError):
        psnr(a, a, "YX")
    with pytest.raises(InputError, match="without samples"):
        psnr(a[:0], a[:0], "ZYX")
    with pytest.raises(InputError, match="real numbers"):
        psnr(a, a.astype(np.complex64), "ZYX")
    bad = a.copy()
    bad[2, 3, 4] = np.nan
    with pytest.raises(InputError, match="original image holds NaN"):
        psnr(bad, a, "ZYX")
    with pytest.raises(InputError, match="decoded image holds NaN"):
        psnr(a, bad, "ZYX")
    bad[2, 3, 4] = np.inf
    with pytest.raises(InputError, match="decoded image holds NaN or inf"):
        psnr(a, bad, "ZYX")


class Lazy:
    """An array that only gives blocks, and remembers the largest one."""

    def __init__(self, values: np.ndarray) -> None:
        self._values = values
        self.shape = values.shape
        self.dtype = values.dtype
        self.largest = 0
        self.reads = 0

    def __getitem__(self, key: tuple[slice, ...]) -> np.ndarray:
        block = self._values[key]
        self.largest = max(self.largest, block.size)
        self.reads += 1
        return block


def test_streaming_equals_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    a = image((3, 2, 5, 30, 17))
    b = noisy(a)
    whole = fidelity(a, b, "TCZYX")
    lay = planes.plane_layout("TCZYX", a.shape)
    for block, strip in [(1, 1), (600, 64), (5200, 100)]:
        first, second = Lazy(a), Lazy(b)
        from inif.metrics.fidelity import FidelityAccumulator

        total = FidelityAccumulator(lay, channel_ranges(a, "TCZYX"))
        for plane in planes.walk(first, second, lay, block):
            for part in planes.strips(plane, size=strip):
                total.add(part)
        got = total.result()
        assert got.psnr.pooled == pytest.approx(whole.psnr.pooled, abs=1e-10)
        assert got.ssim.mean == pytest.approx(whole.ssim.mean, abs=1e-12)
        assert got.slice_psnr == pytest.approx(whole.slice_psnr, abs=1e-10)
        assert second.largest <= max(block, 30 * 17)
        assert second.reads < 31


def test_a_block_of_the_wrong_shape_is_refused() -> None:
    class Broken(Lazy):
        def __getitem__(self, key: tuple[slice, ...]) -> np.ndarray:
            return super().__getitem__(key)[..., :-1]

    a = image((2, 8, 8))
    with pytest.raises(InputError, match="another shape"):
        psnr(a, Broken(a), "ZYX")


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 1000),
    shape=st.tuples(st.integers(1, 5), st.integers(1, 12), st.integers(1, 12)),
    axes=st.sampled_from(["ZYX", "CYX", "YXC", "TZX"]),
    factor=st.sampled_from([0.5, 3.0, 1000.0]),
)
def test_order_of_slices_and_scale_do_not_matter(
    seed: int, shape: tuple[int, int, int], axes: str, factor: float
) -> None:
    rng = np.random.default_rng(seed)
    a = rng.normal(size=shape).astype(np.float32)
    b = a + rng.normal(size=shape).astype(np.float32) * np.float32(0.1)
    base = psnr(a, b, axes)
    assert base.pooled == pytest.approx(plain_psnr(a, b, axes))
    order = rng.permutation(shape[0])
    assert psnr(a[order], b[order], axes).pooled == pytest.approx(base.pooled, abs=1e-9)
    if all(hi > lo for lo, hi in base.ranges):
        scaled: Psnr = psnr(a.astype(float) * factor, b.astype(float) * factor, axes)
        assert scaled.pooled == pytest.approx(base.pooled, abs=1e-9)
