"""A few samples far from all others: known, kept exactly, and out of everybody's way."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import inif
from inif.container import Section, open_container, pack
from inif.decode import apart
from inif.encode.survey import survey
from inif.errors import FormatError, RemarkWarning
from inif.image import Image, ImageSource
from inif.outliers import FAR, LEAST, Extremes, Outliers, far_values

GOLDEN = Path(__file__).parents[1] / "golden"
REFERENCE = runpy.run_path(str(Path(__file__).parents[1] / "reference" / "checks.py"))


def smooth(*shape: int, dtype: str = "uint16", noise: float = 0.01) -> np.ndarray:
    grids = np.meshgrid(*(np.linspace(0, 1, n) for n in shape), indexing="ij")
    rng = np.random.default_rng(1)
    picture = 0.5 + 0.4 * np.sin(7 * grids[-1]) * np.cos(5 * grids[-2])
    picture = np.clip(picture + rng.normal(0, noise, shape), 0, 1)
    scale = {"uint8": 40, "uint16": 900, "int16": 300, "float32": 1}[dtype]
    return np.asarray((picture * scale).astype(dtype))


def inner(samples: np.ndarray) -> tuple[float, float]:
    extremes = Extremes(samples.size)
    for part in np.array_split(samples.reshape(-1), 3):
        extremes.add(part)
    return extremes.inner


@pytest.mark.parametrize(
    ("dtype", "values"),
    [
        ("float32", [-9999]),
        ("float32", [-1e9, 3e4]),
        ("float32", [-3.4e38]),
        ("uint16", [65535, 65535, 65535]),
        ("uint16", [4000]),
        ("uint8", [255]),
        ("int16", [-32768, 32767, 9000]),
    ],
)
def test_what_lies_far_from_the_others_is_an_outlier(dtype: str, values: list[float]) -> None:
    samples = smooth(3, 60, 70, dtype=dtype)
    span = float(samples.min()), float(samples.max())
    assert inner(samples) == span
    samples.reshape(-1)[[7 + 500 * i for i in range(len(values))]] = values
    assert inner(samples) == span


@pytest.mark.parametrize("peak", [1.0, 5.0, 50.0])
@pytest.mark.parametrize("width", [0.6, 1.0, 2.0])
def test_bright_spots_are_none(peak: float, width: float) -> None:
    """Beads on a dark background: their flanks fill the gap between them and the rest."""
    samples = np.random.default_rng(0).normal(1, 0.05, (256, 256))
    y, x = np.mgrid[:256, :256]
    for cy, cx in np.random.default_rng(1).uniform(10, 246, (12, 2)):
        samples += peak * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (2 * width**2))
    assert inner(samples) == (samples.min(), samples.max())


def test_other_channels_without_outliers() -> None:
    rng = np.random.default_rng(2)
    heavy = rng.pareto(2, 40_000)
    counts = rng.poisson(0.02, 40_000)
    many = np.where(np.arange(40_000) % 2000 == 0, 1e6, heavy.clip(0, 5))
    for samples in (heavy, counts, many, np.arange(3.0), np.zeros(1), np.full(9, 5)):
        assert inner(samples) == (samples.min(), samples.max())


@given(st.lists(st.integers(-50, 50), min_size=1, max_size=400))
def test_they_are_what_the_definition_says(numbers: list[int]) -> None:
    samples = np.array(numbers)
    low, high = inner(samples)
    rest = samples[(samples >= low) & (samples <= high)]
    out = samples[(samples < low) | (samples > high)]
    assert (rest.min(), rest.max()) == (low, high)
    assert len(out) <= min(LEAST, len(samples) // 4)
    assert (np.maximum(low - out, out - high) >= 3 * (high - low)).all()


CASES: dict[str, tuple[np.ndarray, str, list[tuple[int, ...]], list[float]]] = {
    "float": (smooth(4, 64, 64, dtype="float32"), "ZYX", [(1, 3, 3), (1, 3, 4)], [-1e9, -9999.0]),
    "one channel": (smooth(2, 70, 64), "CYX", [(1, 0, 0), (1, 69, 63)], [65535.0, 60000.0]),
    "bytes": (smooth(128, 140, dtype="uint8"), "YX", [(5, 6)], [255.0]),
    "signed": (smooth(3, 64, 64, dtype="int16"), "TYX", [(0, 9, 9), (2, 1, 1)], [-32768.0] * 2),
}


def compressed(name: str) -> tuple[np.ndarray, np.ndarray, Any]:
    clean, axes, places, values = CASES[name]
    spoiled = clean.copy()
    for place, value in zip(places, values, strict=True):
        spoiled[place] = value
    with pytest.warns(RemarkWarning, match="far from the others"):
        file = inif.compress(spoiled, axes=axes, size=1200, method="hybrid", effort=1)
    return clean, spoiled, file


def decibels(a: np.ndarray, b: np.ndarray) -> float:
    error = np.mean((a.astype(np.float64) - b) ** 2)
    return float(10 * np.log10(np.ptp(a.astype(np.float64)) ** 2 / error))


@pytest.mark.parametrize("name", CASES)
@pytest.mark.slow
def test_the_rest_is_as_good_as_without_them(name: str) -> None:
    clean, spoiled, file = compressed(name)
    _, axes, places, _ = CASES[name]
    decoded = np.asarray(file)
    for place in places:
        assert decoded[place] == spoiled[place]
        decoded[place] = clean[place]
    without = inif.compress(clean, axes=axes, size=1200, method="hybrid", effort=1)
    assert decibels(clean, decoded) > decibels(clean, np.asarray(without)) - 0.5
    assert 1200 / 1.01 <= file.file_bytes <= 1200
    assert file.container.find(apart.KIND).length <= 64
    assert inif.verify(file.to_bytes())["exact"]
    stated = file.header["lossy"]["psnr"]
    assert inif.evaluate(spoiled, file).psnr == pytest.approx(stated, abs=0.1)


def test_partial_reads_have_them_too() -> None:
    _, _, file = compressed("one channel")
    whole = np.asarray(file)
    assert whole[1, 0, 0] == 65535
    stride = slice(None, None, 3)
    for key in (1, (1, 0), (1, 0, 0), (..., stride), (slice(None), -1, slice(63, 64))):
        assert np.array_equal(file[key], whole[key])
    assert np.array_equal(file.sel(c=1, y=slice(60, 70)), whole[1, 60:])
    assert file.preview(32)[1, 0, 0] == 65535
    mask = np.zeros((70, 64), bool)
    mask[[0, 3, 69], [0, 5, 63]] = True
    assert np.array_equal(file.mask(mask), whole[:, mask].ravel())
    points = file.points([[1, 69, 63], [1, 68.5, 63], [0, 69, 63]])
    assert points[0] == 60000
    assert points[1:].max() < 1000
    stored = REFERENCE["outliers"](apart.stored(file.container), "uint16")
    assert stored == {70 * 64: 65535, 2 * 70 * 64 - 1: 60000}


def test_one_value_and_a_hot_pixel_are_exact() -> None:
    image = np.full((20, 30), 7, np.uint16)
    image[4, 5] = 900
    with (
        pytest.warns(RemarkWarning, match="fewer than asked for"),
        pytest.warns(RemarkWarning, match="1 sample lies far"),
    ):
        file = inif.compress(image, axes="YX", size=900, method="siren")
    assert np.array_equal(np.asarray(file), image)
    assert file.header["range"] == [[7, 7]]


def whole(image: ImageSource) -> np.ndarray:
    """All samples of an image."""
    return image.read(tuple(slice(0, n) for n in image.shape))


@pytest.mark.slow
def test_a_pure_field_keeps_them(quick: Any) -> None:
    image = smooth(40, 44)
    image[4, 5] = 65535
    with pytest.warns(RemarkWarning, match="1 sample lies far"):
        file = quick(image, axes="YX", size=1500)
    assert file[4, 5] == 65535
    assert int(np.asarray(file).max(initial=0, where=image < 60000)) < 1000
    assert inif.verify(file.to_bytes())["exact"]


def test_too_many_for_the_file_are_left_and_said() -> None:
    image = smooth(1000, 1024)
    image.reshape(-1)[:: image.size // 90] = 65535
    few, many = (survey(Image(image, "YX"), budget=budget) for budget in (4000, 40_000))
    assert not len(few.outliers.positions)
    assert np.array_equal(whole(few.image), image)
    assert "so that they span the range" in few.remarks[0]
    assert len(many.outliers.positions) == 91
    assert int(whole(many.image).max()) < 1000
    assert int(image.max()) == 65535
    assert len(apart.pack(many.outliers)) <= 0.02 * 40_000


@pytest.mark.parametrize("dtype", ["uint16", "float32", "int16"])
def test_a_value_of_many_samples_that_is_far_from_the_others_is_said(dtype: str) -> None:
    image = smooth(2, 90, 100, dtype=dtype)
    assert survey(Image(image, "CYX"), budget=4000).remarks == ()
    image[1, :, :7] = -9999 if dtype != "uint16" else 65535
    image[0, 3, 3] = 30000
    split = survey(Image(image, "CYX"), budget=4000)
    assert len(split.outliers.positions) == 1
    assert "1 sample of channel 0" in split.remarks[0]
    assert split.remarks[1].startswith("7 % of the samples of channel 1 are ")
    assert len(split.remarks) == 2


@pytest.mark.parametrize(
    "image",
    [
        np.arange(4000).reshape(50, 80),
        np.where(np.arange(4000).reshape(50, 80) % 3, 0, 255),
        np.where(np.arange(4000).reshape(50, 80) % 3, 0, 100 + np.arange(80)),
        np.full((50, 80), 7),
    ],
    ids=["ramp", "mask", "padded with zeros", "constant"],
)
def test_values_that_are_not_far_are_not_said(image: np.ndarray) -> None:
    assert survey(Image(image.astype(np.uint16), "YX"), budget=4000).remarks == ()


@given(st.lists(st.integers(0, 200), min_size=1, max_size=9, unique=True).map(sorted))
def test_far_values_are_what_the_definition_says(numbers: list[int]) -> None:
    inner = (numbers[1], numbers[-2]) if len(numbers) > 2 else None
    values, low, high = far_values(numbers[0], numbers[-1], inner)
    rest = [n for n in numbers if n not in values]
    assert (rest[0], rest[-1]) == (low, high)
    assert all(max(low - v, v - high) >= FAR * (high - low) > 0 for v in values)
    assert far_values(-9999, 30000, (3, 9)) == ([-9999, 30000], 3, 9)


def test_neighbours_that_are_all_outliers() -> None:
    image = smooth(300, 300)
    image[:2, :2] = 65535
    split = survey(Image(image[:, :, None], "YXC"), budget=10_000)
    assert len(split.outliers.positions) == 4
    assert int(whole(split.image).max()) < 1000
    thin = smooth(300, 300).reshape(-1)
    thin[:3] = 65535
    assert int(whole(survey(Image(thin, "Z"), budget=10_000).image).max()) < 1000


SHAPE = (3, 4, 5)
positions = st.lists(st.integers(0, 59), min_size=1, max_size=60, unique=True).map(sorted)
picks = st.tuples(
    *(st.tuples(st.integers(0, n), st.integers(0, n), st.integers(1, 3)) for n in SHAPE)
)


@given(positions, picks)
def test_selections_agree_with_the_whole(numbers: list[int], keys: Any) -> None:
    outliers = Outliers(np.array(numbers), np.arange(1, len(numbers) + 1, dtype=np.int16))
    again = apart.unpack(apart.pack(outliers), SHAPE, outliers.values.dtype)
    assert np.array_equal(again.positions, numbers)
    whole = np.zeros(SHAPE, np.int16)
    outliers.put(whole, tuple(map(range, SHAPE)), SHAPE)
    assert np.array_equal(whole.reshape(-1)[numbers], outliers.values)
    assert np.count_nonzero(whole) == len(numbers)
    ranges = tuple(range(*key) for key in keys)
    part = np.zeros(tuple(map(len, ranges)), np.int16)
    outliers.put(part, ranges, SHAPE)
    assert np.array_equal(part, whole[np.ix_(*(np.array(r, np.int64) for r in ranges))])
    flat = np.zeros(60, np.int16)
    outliers.put_at(flat, np.argwhere(np.ones(SHAPE)).astype(np.float64), SHAPE)
    assert np.array_equal(flat, whole.reshape(-1))
    outliers.put_at(flat, np.full((60, 3), 0.5), SHAPE)
    assert np.array_equal(flat, whole.reshape(-1))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        b"\1\5",
        b"\1\5\0\0\0",
        b"\1\x80",
        b"\2\5\1\0\0",
        b"\1\x80\x80\x80\1\0\0",
        b"\xff\xff\xff\xff\xff\x7f" + bytes(99),
    ],
)
def test_sections_that_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"bytes|sample|length"):
        apart.unpack(data, (10, 10), np.dtype(np.uint16))


def test_damage_is_found() -> None:
    _, _, file = compressed("one channel")
    with open_container(file.to_bytes()) as container:
        header = container.header
        sections = [Section(s.kind, container.read(s), s.brick) for s in container.sections]
    at = next(n for n, s in enumerate(sections) if s.kind == apart.KIND)
    whole = sections[at].data
    for n in range(len(whole)):
        forged = bytearray(whole)
        forged[n] ^= 1
        sections[at] = Section(apart.KIND, bytes(forged))
        assert not inif.verify(pack(header, sections))["ok"]
    sections[at] = Section(apart.KIND, whole[:-1])
    with pytest.raises(FormatError, match="OUTL"):
        np.asarray(inif.open(pack(header, sections)))
    del sections[at]
    assert not inif.verify(pack(header, sections))["ok"]


def test_a_quality_says_what_range_it_is_of(cli: Any, tmp_path: Path) -> None:
    spoiled = smooth(64, 60)
    spoiled[3, 4] = 65535
    np.save(tmp_path / "a.npy", spoiled)
    quick = ("--axes", "YX", "--codec", "jpeg2000", "--method", "hybrid", "--effort", "1")
    done = cli("compress", tmp_path / "a.npy", "--size", "900", *quick)
    for said in (done, cli("info", tmp_path / "a.inif")):
        assert "PSNR on the image's range without its outliers" in " ".join(said.stdout.split())
    plain = cli("info", GOLDEN / "hybrid_jpeg2000_cyx_float32.inif")
    assert "PSNR on the image's own range" in " ".join(plain.stdout.split())
