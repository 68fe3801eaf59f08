"""Tasks come from seeds, and a meta-training run that was stopped ends as one that was not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from inif.errors import InputError
from inif.optim import fits, learned, meta_train
from inif.optim.meta_train import MetaSettings, Progress

SETTINGS = MetaSettings(updates=2, pairs=1, steps=(5, 10), judged=1)


def sources() -> list[fits.TrainingImage]:
    rng = np.random.default_rng(0)
    return [
        fits.TrainingImage.of(rng.integers(0, 9, (3, 6, 90, 80)).astype(np.uint16), "CZYX"),
        fits.TrainingImage.of(rng.integers(0, 9, (4, 5, 60, 50)).astype(np.uint8), "TZYX"),
    ]


@pytest.mark.parametrize("seed", range(40))
def test_a_task_is_a_fit_of_values_in_range(seed: int) -> None:
    task = fits.draw(sources(), seed, (100, 1000))
    assert 100 <= task.steps <= 1000
    assert task.sides.shape == (task.kind.axes,)
    assert 1 <= task.sides.prod() <= fits.SAMPLES
    assert task.targets.shape == (fits.SAMPLES, task.kind.outputs)
    assert task.inputs.shape == (fits.SAMPLES, task.kind.extras)
    assert np.isfinite(task.targets).all()
    if not task.kind.extras:
        assert np.abs(task.targets).max() <= 1 + 1e-6
    again = fits.draw(sources(), seed, (100, 1000))
    np.testing.assert_array_equal(task.targets, again.targets)
    assert (task.kind, task.steps, task.omega) == (again.kind, again.steps, again.omega)


def test_a_source_has_its_channels_last_and_in_range() -> None:
    source = fits.TrainingImage.of(np.array([[[0, 5]], [[7, 7]]], np.uint8), "CYX")
    assert source.axes == "YX"
    np.testing.assert_array_equal(source.data, [[[-1, -1], [1, -1]]])


@pytest.mark.slow
def test_a_fit_gets_better_with_steps() -> None:
    image = fits.generated(np.random.default_rng(3), (40, 40), 1)
    source = fits.TrainingImage(image, "YX")
    weights = learned.start()
    few, many = (
        fits.score(fits.whole(source, 16, 256, steps), learned.learned, weights)
        for steps in (5, 150)
    )
    assert many > few + 1


def test_flat_weights_come_back() -> None:
    theta = np.arange(sum(np.prod(s) for s in learned.SHAPES), dtype=float)
    weights = meta_train.shaped(theta)
    np.testing.assert_array_equal(meta_train.flat(weights), theta)
    for a, b in zip(meta_train.shaped(meta_train.flat(weights)), weights, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_a_run_that_was_stopped_ends_as_one_that_was_not(tmp_path: Path) -> None:
    rows: list[dict[str, float]] = []
    whole = Progress.begin()
    path = tmp_path / "run.npz"
    for progress in meta_train.train(sources(), SETTINGS, whole, workers=1, report=rows.append):
        if progress.update == 1:
            progress.save(path, SETTINGS)
    assert [row["update"] for row in rows] == [1, 2]
    assert "gain" in rows[-1]
    resumed = Progress.load(path, SETTINGS)
    assert resumed.update == 1
    for _ in meta_train.train(sources(), SETTINGS, resumed, workers=1):
        pass
    np.testing.assert_allclose(resumed.theta, whole.theta, rtol=1e-12)
    assert not np.array_equal(whole.theta, Progress.begin().theta)
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.slow
def test_long_fits_may_be_trained_alone() -> None:
    alone = replace(SETTINGS, long_only=True).trained
    parts = meta_train.shaped(alone.astype(float))
    assert 0 < alone.sum() < alone.size / 2
    assert SETTINGS.trained.all()
    np.testing.assert_array_equal(parts.decays, 0)
    with_them = learned.Weights(*[3.0 * p for p in parts])
    image = fits.TrainingImage(fits.generated(np.random.default_rng(3), (40, 40), 1), "YX")
    short, narrow, wide = (
        [
            fits.score(fits.whole(image, width, 64, steps), learned.learned, weights)
            for weights in (with_them, learned.start())
        ]
        for width, steps in ((48, 100), (16, 1500), (48, 1500))
    )
    assert short[0] == short[1]
    assert narrow[0] == narrow[1]
    assert np.isfinite(wide[0])
    assert wide[0] != wide[1]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no"])
def test_other_files_are_no_checkpoints(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "run.npz"
    path.write_bytes(content)
    with pytest.raises(InputError, match="checkpoint"):
        Progress.load(path, SETTINGS)


def test_a_run_goes_on_with_its_own_settings_only(tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    Progress.begin().save(path, SETTINGS)
    assert Progress.load(path, replace(SETTINGS, updates=9)).update == 0
    with pytest.raises(InputError, match="other settings"):
        Progress.load(path, replace(SETTINGS, pairs=7))
