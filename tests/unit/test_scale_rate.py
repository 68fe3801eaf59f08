"""How a store of any size meets its goal, tried on shards that are only numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from inif.scale.control import ROUNDS, Bytes, Control, Quality, psnr_of_channels
from inif.scale.rate import (
    Done,
    Grid,
    Model,
    Setting,
    Unit,
    sampled,
    settled_quality,
    settled_rate,
    shuffled,
)

RATE = 0.06
"""Bytes for each voxel that are wanted."""


def units(count: int, seed: int) -> list[Unit]:
    """Shards of an image and of its second level."""
    return shuffled(
        [
            Unit(
                int(n % 5 == 0),
                (n,),
                f"{seed}/{n}",
                10**8 >> 2 * (n % 5 == 0),
                n % 5 == 0,
                (0,),
                260,
            )
            for n in range(count)
        ]
    )


def run(
    control: Control, code: Sequence[Unit], made: Callable[[int, Setting], Done]
) -> tuple[int, list[Setting]]:
    """Code everything as a run does; how many shards were coded again, and how each was."""
    for wave in range(-(-len(code) // control.length)):
        setting = control.setting(wave)
        for n in range(wave * control.length, min((wave + 1) * control.length, len(code))):
            control.done[n] = made(n, setting)
    again = 0
    for turn in range(ROUNDS):
        for n, setting in control.again(turn).items():
            control.done[n] = made(n, setting)
            again += 1
    return again, [one.setting for one in control.done if one is not None]


@pytest.mark.parametrize("count", [1, 5, 64, 600])
@pytest.mark.parametrize("wrong", [0.7, 1.0, 1.4])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_total_is_met_whatever_the_model_says(count: int, wrong: float, seed: int) -> None:
    code = units(count, seed)
    random = np.random.default_rng(seed)
    own = random.lognormal(0, 0.5, count)
    voxels = np.array([unit.voxels for unit in code])
    own *= wrong * RATE * voxels.sum() / (own * voxels).sum()
    goal = RATE * float(voxels.sum())
    model = Model((7.0,), RATE, 1.6, (1.0,), 16)

    def made(n: int, setting: Setting) -> Done:
        size = own[n] * voxels[n] * 2 ** (1.8 * setting.octaves[0]) * setting.stretch**0.95
        return Done(int(size) + 260, setting, (1.0,), (0.0,), (1.0,))

    control = Bytes(code, 1, model, goal)
    again, settings = run(control, code, made)
    total = sum(one.size for one in control.done if one is not None)
    assert total == pytest.approx(goal, rel=0.01)
    assert all(0.88 <= one.stretch <= 1.12 for one in settings)
    if count == 600:
        assert again < count / 4


def test_settings_follow_from_earlier_waves_only() -> None:
    code, model = units(300, 0), Model((7.0,), RATE, 1.6, (1.0,), 16)
    goal = RATE * sum(unit.voxels for unit in code)
    one, other = Bytes(code, 1, model, goal), Bytes(code, 1, model, goal)
    for n, unit in enumerate(code[: 3 * one.length]):
        done = Done(int(unit.voxels * RATE * 1.05), Setting((0.0,)), (1.0,), (0.0,), (1.0,))
        one.done[n] = done
        if n < 2 * one.length:  # the wave before may still be at work
            other.done[n] = done
    assert one.setting(3) == other.setting(3)
    assert one.setting(3).octaves[0] < 0  # they are too large


@pytest.mark.parametrize("count", [1, 40, 300])
def test_every_channel_has_its_quality(count: int) -> None:
    code = [
        Unit(0, (n,), f"{n}", 10**6, 0, (n % 2,) if count > 1 else (0, 1), 260)
        for n in range(count)
    ]
    model = Model((5.0, 5.0), RATE, 5.0, (2.0, 8.0), 16)
    random = np.random.default_rng(count)
    own = random.lognormal(0.2, 0.3, (count, 2)) * (2.0, 8.0)

    def made(n: int, setting: Setting) -> Done:
        each = code[n].voxels / len(code[n].channels)
        squares = tuple(
            each * own[n, c] * 10 ** (-0.45 * setting.octaves[c]) for c in code[n].channels
        )
        high = tuple((100.0, 200.0)[c] for c in code[n].channels)
        return Done(1000, setting, squares, (0.0,) * len(high), high)

    control = Quality(code, model, 36.0, [(0.0, 100.0), (0.0, 200.0)])
    run(control, code, made)
    for psnr in psnr_of_channels(code, control.done, 2):
        assert psnr is not None
        assert 36.0 <= psnr < 36.5


def test_sampled_chunks_are_spread_over_channels_and_levels() -> None:
    grids = [Grid(0, (2, 8, 10, 10), 10**6, (0, 1), 0), Grid(1, (2, 8, 5, 5), 10**6, (0, 1), 0)]
    found = sampled(grids)
    assert 28 <= len(found) <= 36
    assert len({(one.array, one.place) for one in found}) == len(found)
    assert {one.channels for one in found} == {(0,), (1,)}
    assert 0.6 < sum(one.array == 0 for one in found) / len(found) < 0.95
    assert sum(one.weight for one in found) == pytest.approx(2000 * 10**6)
    assert sampled(grids) == found


def test_every_chunk_of_a_small_array_is_looked_at_if_so_many_are_wanted() -> None:
    grid = Grid(0, (3, 4, 5), 1000, (0,))
    assert {one.place for one in sampled([grid], 256)} == set(np.ndindex(3, 4, 5))


@pytest.mark.parametrize("rate", [0.01, 0.1, 1.0])
def test_a_knob_is_found_by_few_trials(rate: float) -> None:
    asked = []

    def trial(knobs: tuple[float, ...], few: int | None) -> tuple[float, tuple[float, ...]]:
        asked.append((knobs[0], few))
        return 2.0 ** (1.5 * (knobs[0] - 7) - 0.05 * (knobs[0] - 7) ** 2) / 10, (1.0,)

    model = settled_rate(trial, rate, 1, 16, 16.0)
    assert model.reached
    assert trial(model.knobs, None)[0] == pytest.approx(rate, rel=0.03)
    assert len(asked) <= 9


def test_what_cannot_be_reached_is_said() -> None:
    model = settled_rate(lambda knobs, few: (0.5, (1.0,)), 0.1, 1, 16, 16.0)
    assert not model.reached
    assert model.knobs[0] < 0


def test_each_channel_has_a_knob_of_its_own_for_a_quality() -> None:
    def trial(knobs: tuple[float, ...], few: int | None) -> tuple[float, tuple[float, ...]]:
        return 0.1, tuple(s * 4.0**-k for s, k in zip((500.0, 9000.0), knobs, strict=True))

    model = settled_quality(trial, (100.0, 1000.0), 40.0, 16, 16.0)
    for error, span in zip(model.errors, (100.0, 1000.0), strict=True):
        assert 10 * math.log10(span**2 / error) == pytest.approx(40.0, abs=0.1)
