"""The method nobody named: decided by a trial, with the reason on record."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import inif
from inif.encode import auto
from inif.encode.trial import Judged, Trial
from inif.errors import BudgetError

pytest.importorskip("av")


def picture() -> np.ndarray:
    y, x = np.mgrid[:64, :72]
    clean = np.stack([np.sin(x / (5 + z)) + np.cos(y / 7) for z in range(4)])
    noise = np.random.default_rng(0).normal(0, 0.1, clean.shape)
    return ((clean + noise) * 1000 + 3000).astype(np.uint16)


def made(data: np.ndarray, axes: str, **options: Any) -> inif.File:
    return inif.compress(data, axes=axes, **{"size": 1500, "effort": 1, **options})


def unlike(monkeypatch: pytest.MonkeyPatch) -> None:
    """Latent fields are as bad as can be, so that codecs are chosen."""
    monkeypatch.setattr(auto, "_latent", lambda job, room: 1.0)


def test_a_latent_field_is_the_usual_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auto, "_latent", lambda job, room: 99.0)
    assert made(picture(), "ZYX").header["lossy"]["auto"] == "trial"  # tiny: no room for figures
    monkeypatch.setattr(auto, "TINY", 0)
    lossy = made(picture(), "ZYX").header["lossy"]
    assert lossy["method"] == "latent"
    assert "latent" in lossy["auto"]
    assert "av1" in lossy["auto"]


def test_a_codec_with_a_repair_where_it_saves_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    unlike(monkeypatch)
    monkeypatch.setattr(auto, "TINY", 0)
    lossy = made(picture(), "ZYX").header["lossy"]
    assert lossy["method"] == "hybrid"
    assert "latent 1.0, av1" in lossy["auto"]


@pytest.mark.slow
def test_a_codec_with_a_repair_where_frames_are_judged_by_something_else() -> None:
    assert made(picture(), "ZYX", size=3000, select="ssim").header["lossy"]["method"] == "hybrid"


@pytest.mark.slow
@pytest.mark.parametrize("ahead", ["latent", "hybrid"])
def test_the_better_of_both_where_it_is_close(monkeypatch: pytest.MonkeyPatch, ahead: str) -> None:
    monkeypatch.setattr(auto, "BOTH_EFFORT", 1)
    monkeypatch.setattr(auto, "_CLOSE", 1e9)
    worse = "hybrid" if ahead == "latent" else "latent"

    def judged(data: bytes) -> float:
        return 1.0 if inif.open(data).header["lossy"]["method"] == worse else 2.0

    monkeypatch.setattr("inif.encode.siren.finish.recorded_psnr", judged)
    assert made(picture(), "ZYX", size=3000).header["lossy"]["method"] == ahead


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


def refused(job: Any, budget: int) -> bytes:
    raise BudgetError("too small")


def test_a_latent_field_where_no_codec_is_small_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    unlike(monkeypatch)
    monkeypatch.setattr("inif.encode.hybrid.encode_hybrid", refused)
    lossy = made(picture(), "ZYX", size=3000).header["lossy"]
    assert (lossy["method"], lossy["auto"]) == ("latent", "nothing else makes a file this small")
    with pytest.raises(BudgetError):
        made(picture(), "ZYX", size=3000, method="hybrid")


@pytest.mark.usefixtures("unfitted")
def test_a_field_where_nothing_else_is_small_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inif.encode.hybrid.encode_hybrid", refused)
    monkeypatch.setattr("inif.encode.latent.encode_latent", refused)
    lossy = made(picture(), "ZYX", size=3000).header["lossy"]
    assert (lossy["method"], lossy["auto"]) == ("siren", "nothing else makes a file this small")
    with pytest.raises(BudgetError):
        made(picture(), "ZYX", size=3000, method="latent")
    monkeypatch.setattr(auto, "_trials", lambda streams, kinds, wanted: {})
    lossy = made(picture(), "ZYX", size=3000).header["lossy"]
    assert (lossy["method"], lossy["auto"]) == ("siren", "nothing else makes a file this small")


@pytest.mark.usefixtures("unfitted")
def test_a_high_effort_tries_the_field(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auto, "_fitted", lambda job, budget: 99.0)
    monkeypatch.setattr(auto, "SIREN_EFFORT", 1)
    monkeypatch.setattr(auto, "TINY", 0)
    lossy = made(picture(), "ZYX", size=3000).header["lossy"]
    assert lossy["method"] == "siren"
    assert "siren 99.0" in lossy["auto"]


@pytest.mark.usefixtures("unfitted")
@pytest.mark.parametrize("score", [99.0, 0.0])
def test_a_gpu_tries_the_field_at_high_ratios(
    monkeypatch: pytest.MonkeyPatch, score: float
) -> None:
    monkeypatch.setattr(auto, "_latent", lambda job, room: 50.0)
    monkeypatch.setattr(auto, "_fitted", lambda job, budget: score)
    monkeypatch.setattr(auto, "TINY", 0)
    monkeypatch.setattr(auto, "SIREN_RATIO", 10)
    assert "siren" not in made(picture(), "ZYX", size=3000).header["lossy"]["auto"]  # no GPU
    monkeypatch.setattr(auto, "accelerated", lambda: True)
    lossy = made(picture(), "ZYX", size=3000).header["lossy"]
    assert lossy["method"] == ("siren" if score > 50 else "latent")
    assert f"siren {score}" in lossy["auto"]
    monkeypatch.setattr(auto, "SIREN_RATIO", 20)
    assert "siren" not in made(picture(), "ZYX", size=3000).header["lossy"]["auto"]


@pytest.mark.slow
def test_another_codec_needs_a_clear_lead(monkeypatch: pytest.MonkeyPatch) -> None:
    unlike(monkeypatch)
    scores = {"av1": 30.0, "jpeg2000": 30.1}
    trials = auto._trials

    def scored(*args: Any) -> dict[str, Trial]:
        made = trials(*args)
        return {kind: replace(made["av1"], score=scores[kind]) for kind in scores}

    def judged(streams: Any, kind: str, trial: Trial, **of: Any) -> Judged:
        return Judged(scores[kind], None)

    monkeypatch.setattr(auto, "_trials", scored)
    monkeypatch.setattr(auto, "_judged", judged)
    assert made(picture(), "ZYX").header["codec"]["kind"] == "av1"
    scores["jpeg2000"] = 30.2
    assert made(picture(), "ZYX").header["codec"]["kind"] == "jpeg2000"


@pytest.mark.slow
def test_slow_settings_are_tried_only_where_the_fast_ones_leave_it_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unlike(monkeypatch)
    asked = []

    def judged(streams: Any, kind: str, trial: Trial, **of: Any) -> Judged:
        asked.append(kind)
        return Judged(trial.score, None)

    monkeypatch.setattr(auto, "_judged", judged)
    made(picture(), "ZYX", effort=3)
    assert asked == []
    made(picture()[0], "YX", effort=3)
    assert set(asked) >= {"av1", "aom"}


def test_sparse_counts_are_known() -> None:
    counts = np.random.default_rng(0).poisson(0.3, (3, 40, 40)).astype(np.uint8)
    dense = np.random.default_rng(0).poisson(9, (3, 40, 40)).astype(np.uint8)
    assert auto._sparse(inif.api.as_image(counts, "CYX"))
    assert auto._sparse(inif.api.as_image(counts[0], "YX"))
    assert not auto._sparse(inif.api.as_image(dense, "CYX"))
    assert not auto._sparse(inif.api.as_image(np.stack([counts[0], *dense]), "CYX"))
    assert not auto._sparse(inif.api.as_image(np.zeros((40, 40), np.float32), "YX"))


def test_samples_are_small_and_keep_the_axes() -> None:
    image = inif.api.as_image(np.random.default_rng(0).integers(0, 9, (20, 3, 512, 512)), "ZCYX")
    sample, share, channels = auto.sample_of(image)
    assert sample.axes == "ZCYX"
    assert channels == slice(None)
    assert share == sample.data.size / image.data.size
    assert 1 << 18 <= sample.data.size <= 1 << 20
    flat = np.zeros((400, 400), np.uint8)
    flat[0, 0] = 1
    assert auto.sample_of(inif.api.as_image(flat, "YX"))[1] == 1


def test_samples_keep_the_ranges_of_their_channels() -> None:
    data = np.random.default_rng(0).integers(0, 9, (400, 64, 64))
    data += np.arange(400)[:, None, None]
    image = inif.api.as_image(data.astype(np.uint16), "CYX")
    sample, _, channels = auto.sample_of(image)
    assert sample.data.shape[0] < 400
    np.testing.assert_array_equal(sample.data[:, 20, 20], image.data[channels, 20, 20])


def test_hybrids_take_no_training_stack() -> None:
    script = "import inif.encode.hybrid, inif.encode.auto, sys; print('jax' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
