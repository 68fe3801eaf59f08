"""A quality as the target: every channel that varies has it, hardly more, in no larger a file."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest

import inif
from inif.config import FitSettings, ProgressEvent, Target
from inif.container.writer import Packed
from inif.encode import quality
from inif.encode.job import Job
from inif.errors import BudgetError, RemarkWarning
from inif.image import Image


def channels() -> np.ndarray:
    """(C, Y, X) uint16: bright and smooth, dim and noisy, empty, and one value."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:96, :90]
    bright = 9000 + 8000 * np.sin(x / 9) * np.cos(y / 7) + rng.normal(0, 90, y.shape)
    dim = 100 + 30 * np.exp(-((y - 40) ** 2 + (x - 50) ** 2) / 200) + rng.normal(0, 2, y.shape)
    flat = np.full(y.shape, 777.0)
    return np.stack([bright, dim, 0 * flat, flat]).clip(0).astype(np.uint16)


def asked(data: np.ndarray, axes: str, **options: Any) -> tuple[inif.File, list[str]]:
    """A file, and the remarks on it."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        file = inif.compress(data, axes=axes, **{"effort": 1, **options})
    assert all(issubclass(w.category, RemarkWarning) for w in caught), caught
    return file, [str(w.message) for w in caught]


def decibels(data: np.ndarray, file: inif.File) -> list[float]:
    """PSNR of each channel that varies, of (C, …) data."""
    out = []
    for a, b in zip(data.astype(float), np.asarray(file).astype(float), strict=True):
        if np.ptp(a):
            square = ((a - b) ** 2).mean()
            out.append(10 * math.log10(np.ptp(a) ** 2 / square) if square else math.inf)
    return out


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, marks=pytest.mark.slow),
        {"codec": "jpeg2000"},
        pytest.param({"codec": "hevc"}, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_every_channel_that_varies_has_it(options: dict[str, Any]) -> None:
    data = channels()
    sizes = []
    for target in (30.0, 46.0) if not options else (30.0, 38.0, 46.0):
        file, remarks = asked(data, "CYX", psnr=target, **options)
        reached = decibels(data, file)
        assert min(reached) >= target
        assert max(reached) <= target + 0.3 or "more than" in " ".join(remarks)
        np.testing.assert_array_equal(np.asarray(file)[2:], data[2:])
        least = file.header["lossy"]["psnr_least"]
        assert least == pytest.approx(min(reached), abs=0.0011)
        assert target <= least <= file.header["lossy"]["psnr"]
        assert inif.verify(file.to_bytes())["ok"]
        sizes.append(file.file_bytes)
    assert sizes == sorted(sizes)


def test_several_bricks_and_orders_of_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inif.encode.hybrid.bricks.MOST_SAMPLES", 3 * 48 * 45 * 2)
    data = np.stack([channels()[:2, ::2, ::2]] * 4, axis=1)
    file, _ = asked(data, "CZYX", psnr=36, codec="jpeg2000")
    assert len(file.grid) > 1
    assert min(decibels(data, file)) >= 36


@pytest.mark.slow
def test_guides_have_their_price_paid() -> None:
    data = channels()[:2]
    file, _ = asked(data, "CYX", psnr=36, codec="jpeg2000", guide="blobs:sigma=2")
    assert min(decibels(data, file)) >= 36


def test_the_samples_themselves_where_they_are_smaller() -> None:
    data = np.random.default_rng(0).integers(0, 4, (2, 48, 48)).astype(np.uint16)
    file, remarks = asked(data, "CYX", psnr=60, codec="jpeg2000")
    np.testing.assert_array_equal(np.asarray(file), data)
    assert file.header["lossy"]["method"] == "lossless"
    assert "kept exactly" in " ".join(remarks)


def test_a_quality_that_no_codec_reaches_is_reached_by_the_samples() -> None:
    data = channels()[:1, :40, :40]
    file, remarks = asked(data, "CYX", psnr=150, codec="hevc")
    np.testing.assert_array_equal(np.asarray(file), data)
    assert "no lossy file has 150 dB" in " ".join(remarks)


def test_a_constant_image() -> None:
    file, _ = asked(np.full((40, 40), 7, np.uint8), "YX", psnr=40)
    assert np.all(np.asarray(file) == 7)


def test_ctrl_c_keeps_a_file_that_has_it() -> None:
    data, seen = channels(), []

    def progress(event: ProgressEvent) -> None:
        seen.append(event.stage)
        if seen.count("check") and event.stage == "encode":
            raise KeyboardInterrupt

    options: dict[str, Any] = {"codec": "jpeg2000", "psnr": 38, "progress": progress}
    try:
        file, remarks = asked(data, "CYX", **options, keep_partial=True)
    except KeyboardInterrupt:
        pytest.fail("the first file had the quality, and is not kept")
    assert min(decibels(data, file)) >= 38
    if "encode" in seen[seen.index("check") :]:
        assert file.header["lossy"]["stopped"] == "interrupt"
        assert any("interrupted" in text for text in remarks)
    seen.clear()
    with pytest.raises(KeyboardInterrupt):
        asked(data, "CYX", **options | {"progress": at_once}, keep_partial=True)


def at_once(event: ProgressEvent) -> None:
    raise KeyboardInterrupt


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Pure fields that need no fit, of a PSNR that follows from their budget: what was tried."""
    tried: list[int] = []

    def encode(job: Any, window: Any) -> Packed:
        if window.most < 600:
            raise BudgetError("too small")
        tried.append(window.most)
        return Packed({}, (), bytes(window.most))

    def recorded(data: Packed) -> float:
        return 3 * math.log2(data.size) - 3

    monkeypatch.setattr(quality, "encode", encode)
    monkeypatch.setattr(quality, "recorded_psnr", recorded)
    monkeypatch.setattr(quality, "estimate", lambda image: 1 << 40)
    return tried


@pytest.mark.parametrize("target", [26.0, 30.0, 37.5])
def test_pure_fields_are_tried_until_one_is_near(fits: list[int], target: float) -> None:
    image = Image(np.arange(400 * 400, dtype=np.uint16).reshape(400, 400), "YX")
    job = Job(image, Target(psnr=target), FitSettings())
    data = quality.encode_quality(job, target)
    assert target <= quality.recorded_psnr(data) <= target + 0.3
    assert len(fits) <= 10


def test_a_quality_that_no_pure_field_reaches_names_the_best(fits: list[int]) -> None:
    image = Image(np.arange(40 * 400, dtype=np.uint16).reshape(40, 400), "YX", source="a.tif")
    with pytest.raises(BudgetError, match=r"a\.tif.*at most"):
        quality.encode_quality(Job(image, Target(psnr=80), FitSettings()), 80.0)
    assert fits
