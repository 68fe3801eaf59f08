"""From image to file: the asked-for bytes, and every kind of image.

Where only the bytes matter, networks of random weights take the place of fitted ones.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest

import inif
from inif.bricks import BrickGrid
from inif.decode.brick import Intensities
from inif.encode.siren.sampling import Sampler
from inif.errors import BudgetError, FormatError, InputError, RemarkWarning
from inif.image import Channel, Image, Metadata

Quick = Callable[..., inif.File]


def smooth(shape: tuple[int, ...], dtype: str = "uint16", noise: float = 0.0) -> np.ndarray:
    grids = np.meshgrid(*(np.linspace(0, 1, n) for n in shape), indexing="ij")
    phase = sum((4 - i) * g for i, g in enumerate(grids))
    wave = 0.5 + 0.4 * np.sin(3 * phase) + noise * np.random.default_rng(0).normal(size=shape)
    low, high = {"float32": (-1.0, 2.0), "uint8": (0, 255)}.get(dtype, (0, 30000))
    return (low + (high - low) * np.clip(wave, 0, 1)).astype(dtype)


def check(file: inif.File, data: np.ndarray, budget: int | None = None) -> np.ndarray:
    """What holds for every file: it is sound, says the truth about itself, and fits."""
    decoded = np.asarray(file)
    assert (decoded.shape, decoded.dtype) == (data.shape, data.dtype)
    assert np.isfinite(decoded.astype(np.float64)).all()
    assert decoded.min() >= data.min()
    assert decoded.max() <= data.max()
    facts = inif.verify(_bytes(file))
    assert facts["ok"]
    assert facts["exact"]
    lossy = file.header["lossy"]
    worst = np.abs(decoded.astype(np.float64) - data).max()
    assert lossy["max_error"] == pytest.approx(worst, rel=1e-5)
    assert (lossy["psnr"] is None) == (worst == 0)
    if budget is not None:
        assert file.file_bytes <= budget
        assert file.file_bytes * 1.01 >= budget or worst == 0
    return decoded


def _bytes(file: inif.File) -> bytes:
    return file.to_bytes()


SIZES = {
    "20 kB": ("YX", (100, 100), "uint16"),
    "60 kB": ("ZYX", (7, 90, 95), "uint8"),
    "150 kB": ("CZYX", (3, 8, 40, 40), "float32"),
    "500 kB": ("TZYX", (2, 10, 110, 113), "uint16"),
}


@pytest.mark.usefixtures("unfitted")
@pytest.mark.parametrize("ratio", [4.5, 24])
@pytest.mark.parametrize("name", SIZES)
def test_the_ratio_is_met_exactly(quick: Quick, name: str, ratio: float) -> None:
    axes, shape, dtype = SIZES[name]
    data = smooth(shape, dtype, noise=0.1)
    file = quick(data, axes=axes, ratio=ratio)
    assert ratio <= file.ratio <= 1.01 * ratio
    assert file.header["lossy"]["target"] == {"ratio": ratio}
    if data.nbytes < 100_000:
        check(file, data, int(data.nbytes / ratio))


@pytest.mark.usefixtures("unfitted")
@pytest.mark.parametrize("size", [700, 1001, 1777, 4096, 4799])
def test_a_size_is_met_exactly(quick: Quick, size: int) -> None:
    data = smooth((40, 60), "uint16")
    assert size / 1.01 <= quick(data, axes="YX", size=size).file_bytes <= size


@pytest.mark.usefixtures("unfitted")
@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=pytest.mark.slow if n in ("60 kB", "150 kB") else ()) for n in SIZES],
)
def test_the_largest_ratio_that_is_named_works(quick: Quick, name: str) -> None:
    axes, shape, dtype = SIZES[name]
    image = Image(smooth(shape, dtype), axes, source="a.tif")
    with pytest.raises(BudgetError, match=r"a\.tif") as caught:
        quick(image, ratio=image.raw_bytes / 150)
    text = str(caught.value.fix)
    assert "largest possible ratio" in text
    ratio = float(text.split()[-1])
    assert 5 < ratio < image.raw_bytes / 150
    file = quick(image, ratio=ratio)
    assert ratio <= file.ratio <= 1.01 * ratio


def test_an_image_smaller_than_any_file_is_better_kept_losslessly(quick: Quick) -> None:
    data = smooth((5, 6), "uint8")
    with pytest.raises(BudgetError, match="losslessly"):
        quick(data, axes="YX", ratio=1)


FORMS: dict[str, tuple[str, tuple[int, ...]]] = {
    "one axis": ("X", (701,)),
    "an axis of length 1": ("ZYX", (1, 33, 41)),
    "five axes": ("TCZYX", (2, 2, 3, 13, 17)),
}


@pytest.mark.usefixtures("unfitted")
@pytest.mark.parametrize("name", FORMS)
def test_images_of_any_form(quick: Quick, name: str) -> None:
    axes, shape = FORMS[name]
    data = smooth(shape)
    decoded = check(quick(data, axes=axes, size=1100), data, 1100)
    assert np.ptp(decoded) > 0


@pytest.mark.slow
def test_a_fit_of_five_axes(quick: Quick) -> None:
    axes, shape = FORMS["five axes"]
    data = smooth(shape)
    check(quick(data, axes=axes, size=1100), data, 1100)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["outputs", "coordinate"])
def test_both_treatments_of_channels(
    quick: Quick, mode: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    from inif.encode.siren import make

    if mode == "outputs":  # a fit of which is above
        request.getfixturevalue("unfitted")

    def chosen(job: Any, samples: Any, budget: int, overhead: int) -> Any:
        return make.make_plan(job.image, budget, job.settings, overhead, channels=mode)

    monkeypatch.setattr(make, "_choose_channels", chosen)
    data = smooth((21, 3, 20))
    meta = Metadata(channels=tuple(Channel(n) for n in ("DNA", "actin", "GFP")))
    file = quick(Image(data, "YCX", meta), size=1100)
    assert file.header["field"]["channels"] == mode
    assert file.channels == ["DNA", "actin", "GFP"]
    check(file, data, 1100)
    np.testing.assert_array_equal(file.sel(c="GFP"), np.asarray(file)[:, 2])


def test_a_spectrum_is_its_ranges(quick: Quick) -> None:
    data = np.repeat(smooth((10,)), 300)
    with pytest.warns(RemarkWarning, match="exactly"):
        file = quick(data, axes="C", size=4000)
    np.testing.assert_array_equal(check(file, data, 4000), data)


EXTREMES: dict[str, np.ndarray] = {
    "uint8 limits": np.array([0, 255], np.uint8),
    "uint16 limits": np.array([0, 65535], np.uint16),
    "int16 limits": np.array([-32768, 32767], np.int16),
    "float32 huge": np.array([-1e30, 1e30], np.float32),
    "float32 limits": np.array([-3.4e38, 3.4e38], np.float32),
    "float32 tiny": np.array([1e-30, 3e-30], np.float32),
    "float32 on a pedestal": np.array([16777216, 16777300], np.float32),
    "one count": np.array([7, 8], np.uint8),
}


def wave_between(limits: np.ndarray) -> np.ndarray:
    """(32, 40) of the dtype of the limits."""
    low, high = limits.astype(np.float64)
    wave = smooth((32, 40), "float32").astype(np.float64)
    wave = (wave - wave.min()) / np.ptp(wave)
    data = np.clip(low + (high / 2 - low / 2) * 2 * wave, low, high)
    if limits.dtype.kind != "f":
        data = np.rint(data)
    return data.astype(limits.dtype)


@pytest.mark.usefixtures("unfitted")
@pytest.mark.parametrize("name", EXTREMES)
def test_values_at_the_limits(quick: Quick, name: str) -> None:
    data = wave_between(EXTREMES[name])
    alike_labels = name == "one count"
    with pytest.warns(RemarkWarning, match="labels") if alike_labels else nullcontext():
        file = quick(data, axes="YX", size=1000)
    check(file, data, 1000)


@pytest.mark.parametrize("name", EXTREMES)
def test_a_fit_sees_values_at_the_limits_between_minus_one_and_one(name: str) -> None:
    data = wave_between(EXTREMES[name])
    ranges = np.array([[data.min(), data.max()]], np.float64)
    grid = BrickGrid(data.shape, data.shape)
    sampler = Sampler(data, "YX", grid, Intensities(ranges, data.dtype), True)
    _, targets = sampler.draw(np.random.default_rng(0), 4000)
    assert targets.dtype == np.float32
    assert (targets.min(), targets.max()) == (-1, 1)


@pytest.mark.slow
def test_a_fit_of_values_at_the_limits(quick: Quick) -> None:
    data = wave_between(EXTREMES["float32 limits"])
    check(quick(data, axes="YX", size=1000), data, 1000)


@pytest.mark.usefixtures("unfitted")
def test_noise(quick: Quick) -> None:
    data = np.random.default_rng(0).integers(0, 65536, (32, 40)).astype(np.uint16)
    check(quick(data, axes="YX", size=1000), data, 1000)


@pytest.mark.parametrize(
    ("axes", "shape", "value", "dtype"),
    [
        ("YX", (60, 70), 9, "uint8"),
        ("TCZYX", (3, 2, 4, 20, 20), -7, "int16"),
        ("ZYX", (20, 30, 30), 1.25e-7, "float32"),
        ("X", (2000,), 0, "uint16"),
        ("C", (2000,), 3, "uint16"),
    ],
)
def test_a_constant_image_is_kept_exactly_in_few_bytes(
    quick: Quick, axes: str, shape: tuple[int, ...], value: float, dtype: str
) -> None:
    data = np.full(shape, value, dtype)
    with pytest.warns(RemarkWarning, match="reproduce every sample exactly"):
        file = quick(data, axes=axes, ratio=1.5)
    np.testing.assert_array_equal(check(file, data, int(data.nbytes / 1.5)), data)
    assert file.file_bytes < 600


def test_a_constant_image_beyond_its_budget(quick: Quick) -> None:
    data = np.full((60, 70), 9, np.uint8)
    with pytest.raises(BudgetError, match="largest possible ratio") as caught:
        quick(data, axes="YX", ratio=30)
    ratio = float(str(caught.value.fix).split()[-1])
    with pytest.warns(RemarkWarning, match="exactly"):
        assert quick(data, axes="YX", ratio=ratio).ratio >= ratio


@pytest.mark.usefixtures("unfitted")
def test_one_constant_channel_among_others_is_exact(quick: Quick) -> None:
    one = smooth((21, 20))
    data = np.stack([one, np.full_like(one, 77), one[::-1]])
    decoded = check(quick(data, axes="CYX", size=1100), data, 1100)
    assert (decoded[1] == 77).all()


@pytest.fixture(scope="module")
def plane() -> np.ndarray:
    return smooth((32, 40))


@pytest.mark.slow
def test_the_seed_decides_the_bytes(quick: Quick, plane: np.ndarray) -> None:
    first, again = (quick(plane, axes="YX", size=1000, seed=4) for _ in range(2))
    assert _bytes(first) == _bytes(again)
    assert first.header["lossy"]["seed"] == 4
    other = quick(plane, axes="YX", size=1000)
    assert other.header["lossy"]["seed"] == 0
    assert not np.array_equal(np.asarray(first), np.asarray(other))


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["sgd:50", "adam:5"])
def test_a_fit_that_diverges_still_gives_a_file(
    quick: Quick, plane: np.ndarray, optimizer: str
) -> None:
    check(quick(plane, axes="YX", size=1000, optimizer=optimizer), plane, 1000)


@pytest.mark.slow
def test_a_time_limit_ends_the_fit(quick: Quick, plane: np.ndarray) -> None:
    settings = {"steps": 10**7, "points": 256}
    file = quick(plane, axes="YX", size=1000, settings=settings, time_limit=2)
    check(file, plane, 1000)
    assert file.header["lossy"]["stopped"] == "time"
    assert 0 < file.header["lossy"]["steps"] < 10**7


@pytest.mark.usefixtures("unfitted")
def test_quality_is_reached(quick: Quick) -> None:
    data = smooth((40, 60), noise=0.02)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RemarkWarning)  # it may have more than that
        file = quick(data, axes="YX", psnr=2)  # which weights of random phase give
    check(file, data)
    assert file.header["lossy"]["psnr"] >= 2
    assert file.header["lossy"]["target"] == {"psnr": 2}


@pytest.mark.usefixtures("unfitted")
def test_a_quality_out_of_reach_names_the_best(quick: Quick) -> None:
    data = smooth((40, 60), noise=0.2)
    with pytest.raises(BudgetError, match=r"at most -?\d+\.\d+ dB") as caught:
        quick(data, axes="YX", psnr=90)
    assert "--effort" in str(caught.value.fix)


@pytest.mark.usefixtures("unfitted")
def test_metadata_reach_the_file(quick: Quick) -> None:
    scale = {"Y": (0.25, "µm"), "X": (0.5, None)}
    meta = Metadata("a\x00b", scale, (Channel("DNA", "#00FF00"),))
    file = quick(Image(smooth((40, 60)), "YX", meta), size=1500)
    assert file.meta.scale == scale
    assert file.meta.channels == (Channel("DNA", "#00FF00"),)
    assert "\x00" not in (file.meta.name or "")


@pytest.mark.usefixtures("unfitted")
def test_the_ome_of_the_source_is_kept_where_it_is_small(quick: Quick) -> None:
    data = smooth((100, 200))
    small = Metadata(ome_xml="<OME>kept</OME>")
    file = quick(Image(data, "YX", small), ratio=6)
    assert "<OME>kept" in (file.to_image().meta.ome_xml or "")
    assert 6 <= file.ratio <= 6.06
    large = Metadata(ome_xml="".join(map(str, np.random.default_rng(0).random(2000))))
    file = quick(Image(data, "YX", large), ratio=6)
    assert file.to_image().meta.ome_xml is None


@pytest.mark.usefixtures("unfitted")
def test_metadata_that_do_not_fit_the_image_are_one_early_error(quick: Quick) -> None:
    meta = Metadata(channels=(Channel("a"), Channel("b")))
    with pytest.raises((InputError, FormatError), match="channels"):
        quick(Image(smooth((3, 21, 20)), "CYX", meta), size=1100)
