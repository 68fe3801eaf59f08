"""One bar for a whole job: the fraction done never falls, and is not 1 before the end."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import inif
from inif.cli.progress import progress_bar
from inif.config import ProgressEvent
from inif.progress import Overall

Steps = Iterable[tuple[str, int, int]]


def _rounds(stage: str, count: int, steps: int = 1, ends: bool = False) -> list[Any]:
    return [(stage, step, steps) for _ in range(count) for step in range(steps + ends)]


# As the encoders report them: stages, and how often each came back.
JOBS: dict[str, list[tuple[str, int, int]]] = {
    "auto, effort 2": [
        *_rounds("read", 1), *_rounds("choose", 1), *_rounds("trial", 3), ("trial", 1, 1),
        *_rounds("trial", 1, ends=True), *_rounds("encode", 23), *_rounds("repair", 1),
        ("check", 1, 1), *_rounds("write", 1),
    ],
    "hybrid of 4 bricks": [
        *_rounds("trial", 8, 4), ("trial", 1, 1), *_rounds("encode", 4, 4),
        *_rounds("repair", 1, 4), ("check", 1, 1), *_rounds("write", 1),
    ],
    "hybrid with a share": [
        *_rounds("trial", 8), *_rounds("encode", 22), *_rounds("repair", 1),
        *[("fit", n, 256) for n in (64, 128, 192, 256)], ("check", 0, 1), ("check", 1, 1),
    ],
    "pure field": [*[("fit", n, 256) for n in (64, 128, 192, 256)], ("check", 0, 1)],
    "pure field of channels": [
        *[(f"trial {mode}", n, 64) for mode in ("outputs", "coordinate") for n in (32, 64)],
        *[("fit", n, 256) for n in (64, 128, 192, 256)], ("check", 0, 1), ("check", 0, 1),
    ],
    "pure field, psnr": 4 * [*[("fit", n, 256) for n in (64, 128, 192, 256)], ("check", 0, 1)],
    "hybrid, psnr": [
        *_rounds("trial", 4), ("trial", 1, 1), *_rounds("encode", 8, ends=True),
        *_rounds("repair", 1), ("check", 1, 1),
    ],
    "lossless": [("pack", n, 12) for n in range(1, 13)],
}  # fmt: skip


def fractions(steps: Steps, *, by_psnr: bool = False) -> list[float]:
    overall = Overall(by_psnr=by_psnr)
    return [overall.update(ProgressEvent(*step, None, 0.0, None)) for step in steps]


@pytest.mark.parametrize("name", JOBS)
def test_the_bar_goes_on_through_all_stages(name: str) -> None:
    seen = fractions(JOBS[name], by_psnr="psnr" in name)
    assert seen == sorted(seen)
    assert 0.5 < seen[-1] < 1
    # What comes late is seen to come late: no stage starts at the end, or ends at the start.
    middle = seen[len(seen) // 2]
    assert 0.1 < middle < 0.95


STEP = st.tuples(
    st.sampled_from(["read", "choose", "trial", "encode", "repair", "fit", "check", "write", "x"]),
    st.integers(0, 9),
    st.integers(0, 9),
).map(lambda e: (e[0], min(e[1:]), max(e[1:])))


@given(st.lists(STEP, max_size=60), st.booleans())
def test_the_fraction_never_falls_and_the_end_is_never_early(
    steps: list[tuple[str, int, int]], by_psnr: bool
) -> None:
    seen = [0.0, *fractions(steps, by_psnr=by_psnr)]
    assert seen == sorted(seen)
    assert seen[-1] < 1


def test_a_fit_is_even() -> None:
    seen = fractions([("fit", n, 100) for n in range(0, 101, 10)])
    np.testing.assert_allclose(np.diff(seen), seen[1] - seen[0])
    assert seen[-1] > 0.8


def test_time_left() -> None:
    overall = Overall()
    assert overall.left(10) is None
    overall.update(ProgressEvent("fit", 50, 100, None, 0.0, None))
    left = overall.left(60)
    assert left is not None
    assert left == pytest.approx(60 * (1 / overall.fraction - 1))
    assert 60 < left < 120


def test_what_a_job_tells() -> None:
    data = (np.indices((3, 40, 40)).sum(0) % 50 * 40).astype(np.uint16)
    events: list[ProgressEvent] = []
    inif.compress(data, axes="ZYX", size=1500, effort=1, progress=events.append).close()
    stages = list(dict.fromkeys(event.stage for event in events))
    assert stages[:2] == ["read", "choose"]
    assert stages[-1] == "check"
    assert {"trial", "encode"} <= set(stages)
    seen = fractions((e.stage, e.step, e.steps) for e in events)
    assert seen == sorted(seen)


def test_there_is_no_bar_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar(quiet=False) as update:
        assert update is None
    assert capsys.readouterr() == ("", "")


def test_the_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    with progress_bar(quiet=False) as update:
        assert update is not None
        update(ProgressEvent("encode", 1, 2, 36.25, 1.0, None))
        update(ProgressEvent("check", 1, 1, float("inf"), 1.0, None))
    shown = capsys.readouterr().err
    assert "36.2 dB" in shown
    assert "checking" in shown
    assert "100%" not in shown
    with progress_bar(quiet=True) as update:
        assert update is None
