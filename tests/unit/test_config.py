"""Settings: exactly one target, sensible efforts, and the way through JSON and back."""

from __future__ import annotations

import dataclasses
import itertools
import json

import hypothesis.strategies as st
import pytest
from hypothesis import given

from inif.config import FitSettings, Target
from inif.errors import InputError

TARGETS = (
    st.builds(Target, ratio=st.floats(1, 1e6))
    | st.builds(Target, size=st.integers(1, 10**12))
    | st.builds(Target, psnr=st.floats(0, 200))
)


@given(TARGETS)
def test_target_round_trip(target: Target) -> None:
    body = json.loads(json.dumps(target.to_json()))
    assert len(body) == 1
    assert Target.from_json(body) == target


@pytest.mark.parametrize(
    "given_",
    [
        {},
        {"ratio": 2.0, "size": 100},
        {"ratio": 2.0, "psnr": 30.0},
        {"ratio": 0.5},
        {"ratio": -3.0},
        {"ratio": float("nan")},
        {"ratio": float("inf")},
        {"size": 0},
        {"psnr": -1.0},
        {"psnr": float("nan")},
    ],
    ids=repr,
)
def test_bad_targets(given_: dict[str, float]) -> None:
    with pytest.raises(InputError):
        Target(**given_)


def test_each_effort_doubles_the_steps() -> None:
    steps = [FitSettings.for_effort(e).steps for e in range(1, 10)]
    assert all(b == 2 * a for a, b in itertools.pairwise(steps))


@pytest.mark.parametrize("effort", [0, 10, -1, 2.0, "3", None, True])
def test_bad_efforts(effort: object) -> None:
    with pytest.raises(InputError, match="effort"):
        FitSettings.for_effort(effort)  # type: ignore[arg-type]


def test_changes_win() -> None:
    settings = FitSettings.for_effort(3, steps=7, seed=5)
    assert (settings.steps, settings.seed) == (7, 5)


@given(st.integers(1, 9), st.integers(0, 2**31 - 1), st.none() | st.floats(0.1, 1e6))
def test_settings_round_trip(effort: int, seed: int, limit: float | None) -> None:
    settings = FitSettings.for_effort(effort, seed=seed, time_limit=limit)
    assert FitSettings.from_json(json.loads(json.dumps(settings.to_json()))) == settings


def test_settings_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        FitSettings().steps = 3  # type: ignore[misc]
