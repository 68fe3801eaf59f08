"""The rate control: files land in their window, with about one encode of every brick."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inif.bricks import BrickGrid
from inif.config import Window
from inif.container.writer import Section
from inif.encode.rate.coder import Coded, Errors, Trial
from inif.encode.rate.control import TOLERANCE, to_quality, to_size
from inif.encode.rate.curve import Curve

HEAD = 100


@dataclass
class Fake:
    """Bricks whose size and errors follow a law of their own, which the control does not know."""

    grid: BrickGrid
    scales: np.ndarray
    law: float = 1.4
    told: bool = True
    jumps: float = 0.0
    near: float = 0.05
    encodes: int = 16
    final: bool = False
    workers: int = 1
    made: list[int] = field(default_factory=list)

    def channels(self, brick: int) -> range:
        return range(1)

    def guess(self, size: float) -> float:
        return 3.0

    def slope(self, knob: float) -> float:
        return 1.6

    def weight(self, brick: int) -> float:
        return float(self.scales[brick]) if self.told else 1.0

    def size(self, brick: int, knob: float) -> float:
        return float(self.scales[brick]) * 2 ** (self.law * knob)

    def squares(self, brick: int, knob: float) -> np.ndarray:
        return np.array([float(self.grid.voxels[brick]) * 4.0**-knob])

    def trial(self, brick: int, knob: np.ndarray, *, errors: bool = False) -> Trial:
        return Trial(self.size(brick, knob[0]), self.squares(brick, knob[0]))

    def encode(self, brick: int, knob: np.ndarray, stretch: float = 1.0) -> Coded:
        self.made.append(brick)
        size = stretch * self.size(brick, knob[0])
        if self.jumps:
            size = 2 ** (round(math.log2(size) / self.jumps) * self.jumps)
        data = bytes(min(max(round(size), 1), 1 << 20))
        squares = self.squares(brick, knob[0])
        errors = Errors(squares, 1.0, np.zeros(1))
        return Coded((Section(b"TEST", data, brick),), len(data), stretch, errors)

    def finish(self, brick: int, coded: Coded) -> Coded:
        return coded

    def total(self, knob: np.ndarray, bricks: Sequence[Coded]) -> int:
        return HEAD + sum(one.size for one in bricks)


def silent(stage: str, done: int, of: int) -> None:
    """Progress that nobody looks at."""


def fake(count: int, seed: int = 0, **changes: object) -> Fake:
    scales = np.random.default_rng(seed).uniform(5, 100, count)
    return Fake(BrickGrid((10 * count,), (10,)), scales, **changes)  # type: ignore[arg-type]


@given(count=st.integers(1, 60), seed=st.integers(0, 99), size=st.integers(3000, 100_000))
def test_files_land_in_their_window(count: int, seed: int, size: int) -> None:
    coder, window = fake(count, seed), Window.of_size(size)
    found = to_size(coder, 1, window, silent)
    assert coder.total(found.knob, found.bricks) in window
    assert len(found.bricks) == count


@given(count=st.integers(30, 90), seed=st.integers(0, 99))
def test_bricks_are_coded_once_where_the_model_is_right(count: int, seed: int) -> None:
    coder, window = fake(count, seed), Window.of_size(50_000)
    found = to_size(coder, 1, window, silent)
    assert coder.total(found.knob, found.bricks) in window
    assert len(coder.made) <= count + 5


def test_a_model_that_is_off_is_corrected_as_bricks_come() -> None:
    coder, window = fake(64, told=False), Window.of_size(50_000)
    found = to_size(coder, 1, window, silent)
    stretches = [one.stretch for one in found.bricks]
    assert coder.total(found.knob, found.bricks) in window
    assert max(stretches) < 1.3
    assert min(stretches) > 0.7


def test_the_file_does_not_depend_on_how_many_bricks_are_coded_at_once() -> None:
    files = [
        to_size(fake(40, workers=workers), 1, Window.of_size(30_000), silent).sizes
        for workers in (1, 2, 5)
    ]
    assert files[0] == files[1] == files[2]


@given(jumps=st.floats(0.001, 0.3), seed=st.integers(0, 20))
def test_sizes_that_jump_end_below_the_limit(jumps: float, seed: int) -> None:
    coder, window = fake(5, seed, jumps=jumps, encodes=4), Window.of_size(20_000)
    found = to_size(coder, 1, window, silent)
    assert coder.total(found.knob, found.bricks) <= window.most


def test_one_brick_takes_few_encodes_where_trials_encode() -> None:
    coder = fake(1, encodes=4, final=True, near=0.02)
    found = to_size(coder, 1, Window.of_size(20_000), silent)
    assert coder.total(found.knob, found.bricks) in Window.of_size(20_000)
    assert len(coder.made) <= 2


def test_where_nothing_fits_the_smallest_is_given() -> None:
    coder = fake(3)
    found = to_size(coder, 1, Window.of_size(HEAD + 2), silent)
    assert found.sizes == [1, 1, 1]


@given(decibels=st.floats(20, 60), count=st.integers(1, 20))
def test_a_quality_is_reached_and_hardly_passed(decibels: float, count: int) -> None:
    coder = fake(count)

    def psnrs(squares: np.ndarray, voxels: np.ndarray) -> dict[int, float]:
        return {0: float(-10 * np.log10(max(squares[0], 1e-30) / voxels[0]))}

    found, _ = to_quality(coder, psnrs, decibels, 2.0, 1, silent)
    squares = np.sum([one.errors.squares for one in found.bricks], axis=0)
    reached = psnrs(squares, np.array([coder.grid.voxels.sum()]))[0]
    assert decibels <= reached <= decibels + TOLERANCE


def test_progress_may_end_the_work() -> None:
    def leaves(stage: str, done: int, of: int) -> None:
        if stage == "encode":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        to_size(fake(9), 1, Window.of_size(9000), leaves)


@given(root=st.floats(-5, 5), slope=st.floats(0.3, 4))
def test_a_curve_is_followed_to_its_wanted_value(root: float, slope: float) -> None:
    curve, x = Curve(7.0, 1.0), 0.0
    for _ in range(12):
        if abs(curve.add(x, 7 + slope * (x - root) + 0.1 * math.sin(x - root))) < 1e-3:
            break
        x = curve.next
    assert abs(x - root) < 0.05
