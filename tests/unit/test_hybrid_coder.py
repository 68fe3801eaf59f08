"""Bricks of hybrids as the rate control codes them: sizes that hold, regions only, little kept."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inif.config import FitSettings, Target, Window
from inif.decode.codec import BrickData, Content
from inif.encode.hybrid import bricks, coder
from inif.encode.hybrid.make import _coder, encode_hybrid
from inif.encode.job import Job
from inif.encode.survey import survey
from inif.image import Image, Region

pytest.importorskip("imagecodecs")


def stack() -> np.ndarray:
    """(Z, C, Y, X) uint16: two channels that are alike."""
    z, c, y, x = np.mgrid[:5, :2, :40, :44]
    wave = 2000 + 1500 * np.sin(x / 7 + z / 3) * np.cos(y / (9 + c))
    return (wave + np.random.default_rng(0).normal(0, 60, wave.shape)).astype(np.uint16)


def made(data: np.ndarray, axes: str, codec: str = "jpeg2000", size: int = 6000) -> Any:
    target = Target(size=size)
    job = Job(Image(data, axes), target, FitSettings(), "hybrid", 1, codec=codec)
    return _coder(job, size)


@settings(max_examples=5)
@given(st.floats(1.0, 7.0), st.floats(0.5, 2.0))
def test_a_brick_is_never_larger_in_the_end(knob: float, stretch: float) -> None:
    one = made(stack(), "ZCYX")
    coded = one.encode(0, np.full(2, knob), stretch)
    done = one.finish(0, coded)
    assert done.size <= coded.size
    assert done.size == len(done.sections[0].data)
    assert np.isfinite(done.errors.squares).all()
    held = BrickData.unpack(done.sections[0].read(), Content(2, 5, 12), file=None, brick=0)
    assert len(held.streams) == len(held.repairs) == 2


def test_a_trial_takes_the_bytes_that_an_encode_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    one, asked = made(stack(), "ZCYX"), []
    encode = type(one.codec).encode

    def counted(codec: Any, levels: np.ndarray, *given: Any) -> bytes:
        asked.append(given)
        return encode(codec, levels, *given)

    monkeypatch.setattr(type(one.codec), "encode", counted)
    knob = np.full(2, 4.0)
    trial = one.trial(0, knob, errors=True)
    assert one.encode(0, knob).size == trial.size
    assert len(asked) == 2  # one for each channel
    assert (trial.squares > 0).all()


def test_more_bytes_are_asked_for_by_the_slope_that_was_measured() -> None:
    one, knob = made(stack(), "ZCYX"), np.full(2, 4.0)
    plain = one.encode(0, knob)
    one.encode(0, knob + 0.3)
    more = one.encode(0, knob, 1.1)
    assert more.size / plain.size == pytest.approx(1.1, rel=0.03)
    assert more.stretch == 1.1


def test_only_streams_of_few_bricks_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bricks, "MOST_SAMPLES", 2 * 40 * 44)
    monkeypatch.setattr(coder, "_KEPT", 2)
    one = made(stack(), "ZCYX", size=20_000)
    assert len(one.grid) == 5
    for brick in range(5):
        one.encode(brick, np.full(2, 4.0))
    assert len(one._made) == 2


class Regions(Image):
    """An image that is read in parts only."""

    def read(self, region: Region) -> np.ndarray:
        part = super().read(region)
        assert part.size < self.data.size
        return part


def test_no_one_asks_for_the_whole_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bricks, "MOST_SAMPLES", 2 * 40 * 44)
    image = Regions(stack(), "ZCYX")
    known = replace(survey(Image(stack(), "ZCYX")), image=image)
    target = Target(size=9000)
    job = Job(image, target, FitSettings(), "hybrid", 1, codec="jpeg2000", surveyed=known)
    file = encode_hybrid(job, Window.of_size(9000))
    assert 9000 / 1.01 <= file.size <= 9000
