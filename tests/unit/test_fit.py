"""The fit loop: it learns, it reports, it stops when told to, it keeps the best."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from inif.bricks import BrickGrid
from inif.config import FitSettings, ProgressEvent
from inif.decode.brick import Intensities
from inif.encode.siren.sampling import Sampler
from inif.fields.siren import Siren

pytestmark = pytest.mark.numerical

SETTINGS = FitSettings(optimizer="adam:0.01", steps=96, points=256, check_every=16, omega=10.0)


def image() -> np.ndarray:
    y, x = np.meshgrid(np.linspace(0, 1, 24), np.linspace(0, 1, 30), indexing="ij")
    return (1000 * (1 + np.sin(5 * x) * np.cos(4 * y))).astype(np.uint16)


class Steps:
    """A quantizer that always gives the same steps, and counts how often it is asked."""

    def __init__(self) -> None:
        self.calls: list[bool] = []

    def steps(self, groups: list[np.ndarray], sensitivity: np.ndarray | None) -> np.ndarray:
        self.calls.append(sensitivity is not None)
        assert all(np.isfinite(g).all() for g in groups)
        if sensitivity is not None:
            assert sensitivity.shape == (len(groups[0]), len(groups))
            assert (sensitivity >= 0).all()
        return np.full((len(groups[0]), len(groups)), 1e-3, np.float32)


@pytest.fixture(scope="module")
def fitter() -> Any:
    """Two bricks of a small image; its programs are compiled once."""
    from inif.encode.siren.fit import Fitter

    data = image()
    limits = np.array([[float(data.min()), float(data.max())]])
    grid = BrickGrid(data.shape, (12, 30))
    sampler = Sampler(data, "YX", grid, Intensities(limits, data.dtype), True)
    return Fitter(Siren(2, 1, 16, 4), sampler, SETTINGS)


def with_settings(fitter: Any, **changes: Any) -> Any:
    """The same compiled fit under other settings of the loop."""
    import copy

    other = copy.copy(fitter)
    other.settings = replace(fitter.settings, **changes)
    return other


@pytest.fixture(scope="module")
def plain(fitter: Any) -> Any:
    return fitter.run()


def test_it_learns(plain: Any) -> None:
    assert plain.mse.shape == (2,)
    assert (plain.mse < 0.05).all()
    assert plain.psnr == pytest.approx(10 * np.log10(4 / plain.mse.mean()))
    assert plain.stopped == "steps"
    assert plain.steps >= 96


def test_it_gives_what_the_file_needs(plain: Any, fitter: Any) -> None:
    shapes = fitter.field.group_shapes
    assert [g.shape for g in plain.groups] == [(2, *s) for s in shapes]
    assert all(g.dtype == np.float32 for g in plain.groups)
    assert plain.sensitivity.shape == (2, len(shapes))
    assert (plain.sensitivity > 0).all()
    assert plain.frequency.shape == (2,)


def test_its_quality_is_that_of_the_decoded_field(plain: Any, fitter: Any) -> None:
    data = image()
    grid = fitter.sampler.grid
    for b in range(2):
        axes = [np.linspace(-1, 1, n).astype(np.float32) for n in grid.extent(b)]
        y = fitter.field.grid([g[b] for g in plain.groups], axes)[0]
        wanted = 2 * (data[grid.slices(b)].ravel() - data.min()) / np.ptp(data) - 1
        assert np.mean((y - wanted) ** 2) == pytest.approx(plain.mse[b], rel=0.2)


def test_the_same_seed_gives_the_same_weights(plain: Any, fitter: Any) -> None:
    for a, b in zip(plain.groups, fitter.run().groups, strict=True):
        np.testing.assert_array_equal(a, b)
    other = with_settings(fitter, seed=1).run()
    assert (other.groups[0] != plain.groups[0]).any()


def test_rounding_begins_late_and_with_the_sensitivity(fitter: Any) -> None:
    quantizer = Steps()
    result = with_settings(fitter, round_from=0.3).run(quantizer)
    assert quantizer.calls[0] is True
    assert not any(quantizer.calls[1:])
    assert len(quantizer.calls) >= 2
    assert (result.mse < 0.05).all()


def test_progress_goes_forward(fitter: Any) -> None:
    events: list[ProgressEvent] = []
    fitter.run(None, events.append, stage="trial")
    assert len(events) >= 4
    steps = [e.step for e in events]
    assert steps == sorted(set(steps))
    assert all(e.stage == "trial" and e.step <= e.steps for e in events)
    assert events[-1].step == events[-1].steps
    assert events[-1].eta == pytest.approx(0, abs=1e-3)
    assert events[-1].psnr > events[0].psnr


def interrupt(event: ProgressEvent) -> None:
    if event.step >= 32:
        raise KeyboardInterrupt


def test_an_interrupt_is_passed_on(fitter: Any) -> None:
    with pytest.raises(KeyboardInterrupt):
        fitter.run(None, interrupt)


def test_an_interrupt_can_keep_the_best(fitter: Any) -> None:
    kept = with_settings(fitter, keep_partial=True)
    for quantizer in (None, Steps()):
        result = kept.run(quantizer, interrupt)
        assert result.stopped == "interrupt"
        assert 32 <= result.steps < 96
        assert np.isfinite(result.mse).all()
        assert (result.mse < 1).all()


def test_an_interrupt_before_the_first_look_keeps_what_was_learned(
    fitter: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = with_settings(fitter, keep_partial=True, check_every=10**6)
    draw, drawn = kept._draw, []

    def interrupted(*given: Any) -> Any:
        drawn.append(given)
        if len(drawn) == 5:
            raise KeyboardInterrupt
        return draw(*given)

    monkeypatch.setattr(kept, "_draw", interrupted)
    result = kept.run()
    assert (result.steps, result.stopped) == (64, "interrupt")
    assert (result.mse < 0.1).all()


def test_a_time_limit_ends_it(fitter: Any) -> None:
    result = with_settings(fitter, steps=10**7, time_limit=0.5).run(Steps())
    assert result.stopped == "time"
    assert 0 < result.steps < 10**7
    assert np.isfinite(result.mse).all()


def test_work_before_the_first_look_is_not_lost(fitter: Any) -> None:
    """Few steps, and rounding from 70 % on: what was learned until then must stay."""
    rare = with_settings(fitter, check_every=10**6)
    result = rare.run(Steps())
    assert (result.mse < 0.05).all()


@pytest.mark.slow
def test_a_rate_far_too_large_gives_finite_weights(fitter: Any) -> None:
    from inif.encode.siren.fit import Fitter

    wild = Fitter(fitter.field, fitter.sampler, replace(SETTINGS, optimizer="sgd:99", steps=48))
    events: list[ProgressEvent] = []
    result = wild.run(Steps(), events.append)
    assert all(np.isfinite(g).all() for g in result.groups)
    assert np.isfinite(result.sensitivity).all()
