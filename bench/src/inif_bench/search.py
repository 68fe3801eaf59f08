"""One knob of a rival, turned until its file fits the budget: as few encodes as possible.

Encoders have no exact rate control worth using, but size falls nearly exponentially along a
quality knob. So the search interpolates the logarithm of the size, inside a bracket that only
shrinks, and keeps every encode: several budgets of one image share them.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from inif.codecs import Knob

TOLERANCE = 0.01
"""Part of the budget that may stay unused."""
MOST = 12
"""Encodes for one budget."""

_AIM, _FIRST_AIM = 0.996, 0.994
"""Parts of the budget that are aimed at: between two encodes, which tell well what comes; else."""
_CLIFF, _STEEP = math.log(16), math.log(2)
"""Of the logarithm of the size: wider brackets are halved, always or where only one end moves."""
_STRIDE = 0.25
"""Of a knob, the most by which a file is made finer at first: large files take long."""


@dataclass(frozen=True)
class Probe:
    """One encode: the knob, the file, and the seconds it took."""

    value: float
    data: bytes
    seconds: float


@dataclass(frozen=True)
class Found:
    """What a search ends with: the chosen encode, and whether it fits."""

    probe: Probe
    fits: bool


@dataclass
class Search:
    """Encodes of one image by one arm, shared between budgets.

    Attributes
    ----------
    encode
        Knob value → file.
    knob
        What is turned.
    probes
        Knob value → encode, all so far.
    """

    encode: Callable[[float], bytes]
    knob: Knob
    probes: dict[float, Probe] = field(default_factory=dict)
    _told: set[float] = field(default_factory=set)

    def take_new(self) -> list[Probe]:
        """The encodes made since this was last asked."""
        new = [p for value, p in self.probes.items() if value not in self._told]
        self._told |= self.probes.keys()
        return new

    def run(self, budget: int, start: float | None = None, most: int = MOST) -> Found:
        """The largest file of at most `budget` bytes, after at most `most` new encodes.

        Within `TOLERANCE` of the budget where the knob allows it. Where even the coarsest setting
        is too large, that file is returned with ``fits`` false.
        """
        begin = self.knob.start if start is None else start
        sides: list[bool] = []
        for _ in range(most):
            unit = self._next(budget, begin, stuck=len(sides) > 1 and sides[-1] == sides[-2])
            if unit is None:
                break
            sides.append(len(self._probe(unit).data) <= budget)
        fitting = [p for p in self.probes.values() if len(p.data) <= budget]
        if not fitting:
            return Found(min(self.probes.values(), key=lambda p: len(p.data)), False)
        best = max(fitting, key=lambda p: (len(p.data), self.knob.to_unit(p.value)))
        return Found(best, True)

    def _probe(self, unit: float) -> Probe:
        value = self.knob.from_unit(unit)
        if value not in self.probes:
            start = time.perf_counter()
            data = self.encode(value)
            self.probes[value] = Probe(value, data, time.perf_counter() - start)
        return self.probes[value]

    def _next(self, budget: int, begin: float, *, stuck: bool) -> float | None:
        """The next unit to try; None where the bracket is used up or the goal is reached."""
        pairs = sorted(
            (self.knob.to_unit(p.value), math.log(len(p.data))) for p in self.probes.values()
        )
        if not pairs:
            return self.knob.to_unit(begin)
        most = math.log(budget)
        if any(most + math.log(1 - TOLERANCE) <= size <= most for _, size in pairs):
            return None
        high = min((p for p in pairs if p[1] > most), default=None)
        low = max((p for p in pairs if p[1] <= most and (not high or p[0] < high[0])), default=None)
        goal = math.log(budget * (_AIM if low and high else _FIRST_AIM))
        step = self.knob.unit_step
        if low is None or high is None:  # all on one side: walk on, a little further than it seems
            edge = low or high
            assert edge is not None
            if abs(edge[0] - (1.0 if low else 0.0)) < step / 2:
                return None
            move = 1.25 * (goal - edge[1]) / _slope(pairs, self.knob.steep)
            move = min(max(move, step), _STRIDE * len(pairs)) if low else min(move, -step)
            return min(max(edge[0] + move, 0.0), 1.0)
        if high[0] - low[0] < 1.5 * step:
            return None
        slope = max(high[1] - low[1], 1e-9) / (high[0] - low[0])
        unit = low[0] + (goal - low[1]) / slope
        if high[1] - low[1] > (_STEEP if stuck else _CLIFF):
            unit = (low[0] + high[0]) / 2
        elif stuck:  # twice on one side: go twice as far as it seems from the nearer end
            near = min((low, high), key=lambda p: abs(p[1] - goal))
            unit = near[0] + 2 * (goal - near[1]) / slope
        return min(max(unit, low[0] + step), high[0] - step)


def _slope(pairs: list[tuple[float, float]], usual: float) -> float:
    """Growth of the logarithm of the size along the knob."""
    if len(pairs) < 2:
        return usual
    (u0, s0), (u1, s1) = pairs[0], pairs[-1]
    return max((s1 - s0) / (u1 - u0), 2.0) if u1 > u0 else usual
