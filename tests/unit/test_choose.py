"""The method nobody named: decided by a trial, with the reason on record."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import inif
from inif.config import FitSettings, Target, Window
from inif.container.writer import Packed
from inif.encode import choose
from inif.encode.job import Job
from inif.errors import BudgetError
from inif.image import Image

pytest.importorskip("av")


def picture() -> np.ndarray:
    y, x = np.mgrid[:64, :72]
    clean = np.stack([np.sin(x / (5 + z)) + np.cos(y / 7) for z in range(4)])
    noise = np.random.default_rng(0).normal(0, 0.1, clean.shape)
    return ((clean + noise) * 1000 + 3000).astype(np.uint16)


def made(data: np.ndarray, axes: str, **options: Any) -> inif.File:
    return inif.compress(data, axes=axes, **{"size": 1500, "effort": 1, **options})


Scores = Callable[..., None]


@pytest.fixture
def scores(monkeypatch: pytest.MonkeyPatch) -> Scores:
    """Sets what files of the sample score, in dB, by method; header records have room for it."""
    monkeypatch.setattr(choose, "TINY", 0)

    def fixed(**values: float) -> None:
        def scored(method: Any, job: Any, room: int) -> float:
            return values[method.__name__.strip("_")]

        monkeypatch.setattr(choose, "_scored", scored)

    return fixed


def test_the_reason_is_on_record() -> None:
    assert made(picture(), "ZYX").header["lossy"]["auto"] == "trial"  # tiny: no room for figures


def test_a_latent_field_unless_a_hybrid_saves_bytes(scores: Scores) -> None:
    scores(latent=40.0, hybrid=39.8)
    lossy = made(picture(), "ZYX").header["lossy"]
    assert (lossy["method"], lossy["auto"]) == ("latent", "latent 40.0, av1 39.8")
    scores(latent=40.0, hybrid=41.0)
    lossy = made(picture(), "ZYX").header["lossy"]
    assert (lossy["method"], lossy["auto"]) == ("hybrid", "latent 40.0, av1 41.0")


def test_savings_follow_from_what_bytes_are_worth() -> None:
    assert choose.better(40, 40, 3) == pytest.approx(0)
    assert choose.better(40, 43, 3) == pytest.approx(0.5)
    assert choose.better(40, 38, 3) < 0 < choose.better(40, 41, 3) < choose.better(40, 41, 1)


@pytest.mark.slow
def test_a_codec_with_a_repair_where_frames_are_judged_by_something_else() -> None:
    assert made(picture(), "ZYX", size=3000, select="ssim").header["lossy"]["method"] == "hybrid"


@pytest.mark.slow
@pytest.mark.parametrize("ahead", ["latent", "hybrid"])
def test_the_better_of_both_where_it_is_close(
    monkeypatch: pytest.MonkeyPatch, scores: Scores, ahead: str
) -> None:
    scores(latent=40.0, hybrid=40.0)

    def judged(data: Packed) -> float:
        return float(data.header["lossy"]["method"] == ahead)

    monkeypatch.setattr(choose, "recorded_psnr", judged)
    assert made(picture(), "ZYX", size=3000, effort=4).header["lossy"]["method"] == ahead


def test_what_is_named_is_not_chosen() -> None:
    assert "auto" not in made(picture(), "ZYX", method="hybrid").header["lossy"]
    file = made(picture(), "ZYX", codec="jpegxl", size=3000)
    assert file.header["codec"]["kind"] == "jpegxl"


def test_a_latent_field_where_there_are_no_planes() -> None:
    data = np.sin(np.arange(4000) / 50).astype(np.float32)
    lossy = made(data, "X", size=1200).header["lossy"]
    assert (lossy["method"], lossy["auto"]) == ("latent", "codecs need planes")


def test_a_latent_field_where_codecs_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inif.codecs.base.installed", lambda package: False)
    lossy = made(picture(), "ZYX", size=3000).header["lossy"]
    assert lossy["method"] == "latent"
    assert "needs the Python package" in lossy["auto"]


def refused(job: Any, window: Window) -> Packed:
    raise BudgetError("too small")


def test_a_latent_field_where_no_codec_is_small_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inif.encode.hybrid.make.encode_hybrid", refused)
    assert made(picture(), "ZYX", size=3000).header["lossy"]["method"] == "latent"
    with pytest.raises(BudgetError):
        made(picture(), "ZYX", size=3000, method="hybrid")


def test_another_method_where_the_chosen_one_does_not_get_there(
    monkeypatch: pytest.MonkeyPatch, scores: Scores
) -> None:
    scores(latent=40.0, hybrid=50.0)
    monkeypatch.setattr("inif.encode.hybrid.make.encode_hybrid", refused)
    lossy = made(picture(), "ZYX", size=3000).header["lossy"]
    assert (lossy["method"], lossy["auto"]) == ("latent", choose.TOO_SMALL)


@pytest.mark.usefixtures("unfitted")
def test_a_field_where_nothing_else_is_small_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inif.encode.hybrid.make.encode_hybrid", refused)
    monkeypatch.setattr("inif.encode.latent.make.encode_latent", refused)
    lossy = made(picture(), "ZYX", size=3000).header["lossy"]
    assert (lossy["method"], lossy["auto"]) == ("siren", choose.TOO_SMALL)
    with pytest.raises(BudgetError):
        made(picture(), "ZYX", size=3000, method="latent")


@pytest.mark.usefixtures("unfitted")
@pytest.mark.parametrize(("score", "method"), [(99.0, "siren"), (0.0, "latent")])
def test_a_pure_field_is_tried_at_high_efforts_and_on_a_gpu(
    monkeypatch: pytest.MonkeyPatch, scores: Scores, score: float, method: str
) -> None:
    scores(latent=50.0, hybrid=0.0, siren=score)
    monkeypatch.setattr(choose, "SIREN_RATIO", 10)
    assert "siren" not in made(picture(), "ZYX", size=3000).header["lossy"]["auto"]  # no GPU
    monkeypatch.setattr("inif.encode.siren.device.accelerated", lambda: True)
    lossy = made(picture(), "ZYX", size=3000).header["lossy"]
    assert lossy["method"] == method
    assert f"siren {score}" in lossy["auto"]
    monkeypatch.setattr(choose, "SIREN_RATIO", 20)
    assert "siren" not in made(picture(), "ZYX", size=3000).header["lossy"]["auto"]
    monkeypatch.setattr(choose, "SIREN_EFFORT", 1)
    assert "siren" in made(picture(), "ZYX", size=3000).header["lossy"]["auto"]


def job(data: np.ndarray, axes: str) -> Job:
    return Job(Image(data, axes), Target(ratio=128), FitSettings(), "auto")


def test_samples_are_small_and_keep_the_axes() -> None:
    data = np.random.default_rng(0).integers(0, 9, (20, 3, 512, 512)).astype(np.uint8)
    small, share = choose.sample_of(job(data, "ZCYX"))
    assert small.image.axes == "ZCYX"
    count = math.prod(small.image.shape)
    assert share == count / data.size
    assert 1 << 18 <= count <= 1 << 20


def test_samples_keep_the_ranges_of_their_channels() -> None:
    data = np.random.default_rng(0).integers(0, 9, (400, 64, 64))
    data += np.arange(400)[:, None, None]
    whole = job(data.astype(np.uint16), "CYX")
    small, _ = choose.sample_of(whole)
    first = small.ranges[0][0]
    assert small.image.n_channels == len(small.ranges) < 400
    assert [low - first for low, _ in small.ranges] == list(range(len(small.ranges)))


def test_hybrids_take_no_training_stack() -> None:
    script = "import inif.encode.hybrid.make, inif.encode.run, sys; print('jax' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
