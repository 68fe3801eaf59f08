"""From a size or a quality to coded bricks: the same loop for every codec and field.

(a) Trials of a few bricks settle the knob, one for the whole image, so that a byte more would gain
as much in any brick. (b) Every brick is coded once; what the model got wrong is spread over the
bricks that follow. (c) Landing: the fewest bricks are coded again until the file is in its window.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from inif.bricks import BrickGrid
from inif.config import Window
from inif.encode.rate.coder import BrickCoder, Coded, Trial
from inif.encode.rate.curve import Curve
from inif.fields.parallel import in_order

SAMPLED = 4
"""Bricks that stand for all of them."""

WAVE = 8
"""Bricks between two corrections of the model; a number of its own, so that a file does not depend
on how many bricks are coded at once."""

_DECIBELS = 5.0
"""dB for an octave of a knob, before trials have measured them."""

_TRIALS, _LANDINGS, _ROUNDS = 8, 6, 10
"""At most, of the model, of landing, and of all bricks for a quality."""

APART = 0.12
"""How much more or less than its knob gives a brick may take: errors then differ by 0.3 dB."""

_FULL = 0.95
"""Share of the window that a file fills at least, if a few encodes more can do that."""

_LEFT, _FEW = 0.003, 8
"""Shares of the window, or bytes, that are not worth another encode."""

ABOVE, TOLERANCE = 0.05, 0.3
"""How far above the wanted PSNR a channel is aimed at, and may be, in dB."""

_EXACT = 200.0
"""PSNR in dB that stands for no error at all."""

Report = Callable[[str, int, int], None]
Psnrs = Callable[[np.ndarray, np.ndarray], dict[int, float]]
Result = TypeVar("Result")


@dataclass
class Settled:
    """The bricks of a file, and the knob that they were coded with."""

    knob: np.ndarray
    bricks: list[Coded]

    @property
    def sizes(self) -> list[int]:
        """Bytes of the payloads of each brick."""
        return [one.size for one in self.bricks]


def to_size(
    coder: BrickCoder,
    channels: int,
    window: Window,
    report: Report,
    keeps: Callable[[], bool] = lambda: False,
) -> Settled:
    """Bricks whose file fills a window: no more bytes than it allows, and if it can be no fewer.

    Parameters
    ----------
    channels
        Of the image.
    report
        Called with a stage, the bricks done and their number; it may raise to end the work.
    keeps
        Whether bricks that make a file that fits are kept where the work is interrupted.

    Returns
    -------
    Where even the coarsest encode is too large, bricks whose file is too large.
    """
    model = modelled(coder, channels, window, report)
    found = Settled(np.full(channels, model.knob), [])
    _encode(coder, found, model.goal, report)
    landing = _Landing(coder, window, report)
    landing.look(found)
    try:
        landing.run(found, model.encodes + 1)
    except KeyboardInterrupt:
        if not (landing.fitting and keeps()):
            raise
    return finished(coder, landing.fitting or found, report)


def to_quality(
    coder: BrickCoder,
    psnrs: Psnrs,
    decibels: float,
    start: float,
    channels: int,
    report: Report,
    keeps: Callable[[], bool] = lambda: False,
) -> tuple[Settled, dict[int, float]]:
    """Bricks in which every channel that varies has a PSNR, and hardly more, if that can be.

    Parameters
    ----------
    psnrs
        From the sum of the squared errors of each channel, and the samples that these are of (both
        (C,) float64), to the PSNR in dB of each channel that varies.
    decibels
        The PSNR.
    start
        A first guess of the knob.
    channels, report, keeps
        As `to_size`; bricks are kept where they have the quality.

    Returns
    -------
    The bricks, and what they reach; where no knob found reaches it, the best.
    """
    grid = coder.grid
    voxels = np.zeros((len(grid), channels))
    for brick, count in enumerate(grid.voxels):
        own = coder.channels(brick)
        voxels[brick, own.start : own.stop] = count / len(own)
    some = sorted({*spread(grid), *np.argmax(voxels > 0, axis=0).tolist()})
    varied = sorted(psnrs(np.zeros(channels), voxels.sum(axis=0)))
    curves = {c: Curve(decibels + ABOVE, _DECIBELS) for c in varied}
    knob = np.full(channels, start)
    for _ in range(min(_TRIALS, coder.encodes - 1)):
        trials = _trials(coder, some, knob, report, errors=True)
        squares = np.sum([one.squares for one in trials], axis=0)
        reached = psnrs(squares, voxels[some].sum(axis=0))
        off = [curves[c].add(knob[c], min(reached[c], _EXACT)) for c in varied]
        if max(map(abs, off)) < ABOVE:
            break
        for c in varied:
            knob[c] = curves[c].next
    whole = {c: Curve(decibels + 2 * ABOVE, _DECIBELS) for c in varied}
    best: tuple[Settled, dict[int, float]] | None = None
    order = (-math.inf, 0.0)
    for number in range(_ROUNDS):
        if number == _ROUNDS - 1:  # qualities that jump meet it, each channel, if not at once
            for c, curve in whole.items():
                knob[c] = min((x for x, y in curve.points if y >= -2 * ABOVE), default=knob[c])
        found = Settled(knob.copy(), [])
        try:
            _encode(coder, found, None, report)
            found = finished(coder, found, report)
        except KeyboardInterrupt:
            if best is None or order[0] < decibels or not keeps():
                raise
            return best
        squares = np.sum([one.errors.squares for one in found.bricks], axis=0)
        reached = psnrs(squares, voxels.sum(axis=0))
        now = min(min(reached.values()), decibels), -float(sum(found.sizes))  # met, then small
        if now > order:
            best, order = (found, reached), now
        missed = {c: y for c, y in reached.items() if not decibels <= y <= decibels + TOLERANCE}
        if not missed:
            return found, reached
        for c, y in reached.items():
            whole[c].add(knob[c], min(y, _EXACT))
        for c in missed:
            knob[c] = whole[c].next
    assert best is not None
    return best


def spread(grid: BrickGrid, most: int = SAMPLED) -> list[int]:
    """A few bricks that stand for all of them."""
    return [int(b) for b in np.linspace(0, len(grid) - 1, min(len(grid), most)).round()]


def finished(coder: BrickCoder, found: Settled, report: Report) -> Settled:
    """The same bricks, each with what comes last."""

    def one(brick: int) -> Coded:
        return coder.finish(brick, found.bricks[brick])

    bricks = _pooled(coder, one, range(len(found.bricks)), "check", report)
    return Settled(found.knob, bricks)


@dataclass
class Model:
    """What trials say: the knob for a window, bytes for the payloads of all, encodes so far."""

    knob: float
    goal: float
    encodes: int


def modelled(coder: BrickCoder, channels: int, window: Window, report: Report) -> Model:
    """The knob for a window, by trials of a few bricks."""
    some, count = spread(coder.grid), len(coder.grid)
    weights = np.array([coder.weight(b) for b in range(count)])
    share = weights[some].sum() / weights.sum()
    x = coder.guess(float(window.most))
    frame = coder.total(np.full(channels, x), [])
    goal = max(_aim(window) - frame, 1.0)
    curve = Curve(0.0, coder.slope(x))
    for number in range(max(min(_TRIALS, coder.encodes - 1), 1)):
        trials = _trials(coder, some, np.full(channels, x), report)
        size = max(sum(one.size for one in trials) / share, 1.0)
        off = curve.add(x, math.log2(size / goal))
        if len(some) == count and coder.final and frame + size in window:
            return Model(x, goal, number + 1)
        x = curve.next
        if abs(off) < coder.near:
            break
    return Model(x, goal, number + 1 if len(some) == count else 0)


def _encode(coder: BrickCoder, found: Settled, goal: float | None, report: Report) -> None:
    """Code every brick once; with a goal in bytes, the model is corrected from wave to wave."""
    weights = np.array([coder.weight(b) for b in range(len(coder.grid))])
    stretch = 1.0
    for first in range(0, len(weights), WAVE):
        if goal is not None and first:
            plain = sum(one.size / one.stretch for one in found.bricks)
            rest = plain / weights[:first].sum() * weights[first:].sum()
            stretch = (goal - sum(found.sizes)) / max(rest, 1.0)
            stretch = min(max(stretch, 1 - APART), 1 + APART)

        def one(brick: int, stretch: float = stretch) -> Coded:
            return coder.encode(brick, found.knob, stretch)

        wave = range(first, min(first + WAVE, len(weights)))
        found.bricks += _pooled(coder, one, wave, "encode", report, len(weights))


@dataclass
class _Landing:
    """Bricks are coded again until the file is in its window, largest first: the fewest that do.

    Attributes
    ----------
    fitting
        The fullest so far that is not too large.
    """

    coder: BrickCoder
    window: Window
    report: Report
    fitting: Settled | None = None

    def look(self, found: Settled) -> int:
        """Bytes of the file; bricks that fit best are remembered."""
        total = self.coder.total(found.knob, found.bricks)
        if total <= self.window.most:
            best = -1 if self.fitting is None else sum(self.fitting.sizes)
            if best < sum(found.sizes):
                self.fitting = Settled(found.knob, list(found.bricks))
        return total

    def run(self, found: Settled, encodes: int) -> None:
        """Land, where each brick has been coded so often already."""
        aim = _aim(self.window)
        least = min(max(self.window.least, aim - _LEFT * aim), aim - _FEW)
        curve = Curve(math.log2(aim), self.coder.slope(float(found.knob[0])))
        for number in range(_LANDINGS):
            total = self.look(found)
            curve.add(found.knob[0], math.log2(total))
            spent = encodes + number >= self.coder.encodes
            if least <= total <= self.window.most or (spent and self._is_full()):
                return
            if abs(aim - total) > APART * sum(found.sizes):  # the model was wrong
                found = Settled(np.full_like(found.knob, curve.next), [])
                _encode(self.coder, found, None, self.report)
            else:
                self._again(found, aim - total, _LEFT * aim)
        self.look(found)

    def _is_full(self) -> bool:
        """Whether the fullest file that fits has hardly any padding."""
        if self.fitting is None:
            return False
        return self.coder.total(self.fitting.knob, self.fitting.bricks) >= _FULL * self.window.most

    def _again(self, found: Settled, missing: float, enough: float) -> None:
        """Code the largest bricks again until hardly any bytes are missing."""
        for brick in np.argsort(found.sizes)[::-1].tolist():
            old = found.bricks[brick]
            change = min(max(missing, -APART * old.size), APART * old.size)
            stretch = old.stretch * (old.size + change) / max(old.size, 1)
            found.bricks[brick] = self.coder.encode(brick, found.knob, stretch)
            self.report("land", brick + 1, len(found.bricks))
            missing -= found.bricks[brick].size - old.size
            if -_FEW <= missing <= enough:
                return


def _aim(window: Window) -> float:
    """Bytes of the file that are aimed at."""
    return window.most - _FEW - _LEFT / 2 * window.most


def _trials(
    coder: BrickCoder,
    bricks: Sequence[int],
    knob: np.ndarray,
    report: Report,
    *,
    errors: bool = False,
) -> list[Trial]:
    def one(brick: int) -> Trial:
        return coder.trial(brick, knob, errors=errors)

    return _pooled(coder, one, bricks, "trial", report)


def _pooled(
    coder: BrickCoder,
    task: Callable[[int], Result],
    bricks: Sequence[int],
    stage: str,
    report: Report,
    of: int | None = None,
) -> list[Result]:
    """Results for bricks in their order, as many at once as the coder allows."""
    out = []
    for brick, made in zip(bricks, in_order(task, bricks, workers=coder.workers), strict=True):
        out.append(made)
        report(stage, brick + 1 if of else len(out), of or len(bricks))
    return out
