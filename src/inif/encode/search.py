"""One knob of a rival, turned until its file fits the budget: as few encodes as possible.

Encoders have no exact rate control worth using, but size falls nearly exponentially along a
quality knob. So the search interpolates the logarithm of the size, inside a bracket that only
shrinks, and keeps every encode: several budgets of one image share them.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from inif.codecs.knob import Knob

TOLERANCE = 0.01
_LOOSE, _YIELD = 0.02, 0.01
_AIM, _FIRST_AIM, _BEYOND = 0.996, 0.994, 1.03
"""Parts of the budget that are aimed at: between two encodes, which tell well what comes; beyond
one; and beyond it where parts of both make a file."""
MOST = 12
_FAIR = 0.02
_CLIFF, _STEEP = math.log(16), math.log(2)
"""Of the logarithm of the size: wider brackets are halved, always or where only one end moves."""

_STRIDE = 0.25
"""Of a knob, the most by which a file is made finer at first: large files take long."""

_APART, _COARSER = 0.06, 0.006
"""Of the logarithm of the size, between two encodes that are made at once."""


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
    slope
        Growth of the logarithm of the size from one end of the knob to the other, where a search
        of something similar has measured it.
    ahead
        Where two encodes at once take little longer than one: makes those of several knob values,
        for `encode` to hand out.
    filled
        Where a file can be put together of parts of several encodes: the bytes of the largest
        such file of at most so many.
    """

    encode: Callable[[float], bytes]
    knob: Knob
    probes: dict[float, Probe] = field(default_factory=dict)
    slope: float | None = None
    ahead: Callable[[Sequence[float]], None] | None = None
    filled: Callable[[int], int] | None = None
    _told: set[float] = field(default_factory=set)

    def take_new(self) -> list[Probe]:
        """The encodes made since this was last asked."""
        new = [p for value, p in self.probes.items() if value not in self._told]
        self._told |= self.probes.keys()
        return new

    def run(
        self,
        budget: int,
        start: float | None = None,
        most: int = MOST,
        few: int = MOST,
        near: float = 0.0,
    ) -> Found:
        """The largest file of at most `budget` bytes.

        Within `TOLERANCE` of the budget where the knob allows it. Where even the coarsest setting
        is too large, that file is returned with ``fits`` false. At most `most` new encodes; after
        `few` of them a file within `_LOOSE` of the budget will do, after each more one a little
        smaller; and at once one whose size, larger or smaller, is within `near` of the budget (of
        the logarithm).
        """
        begin = self.knob.start if start is None else start
        sides: list[bool] = []
        for _ in range(most):
            unit = self._next(budget, begin, stuck=len(sides) > 1 and sides[-1] == sides[-2])
            if unit is None:
                break
            units = self._with_companion(unit)
            begun = time.perf_counter()
            if self.ahead and len(units) > 1:
                self.ahead([self.knob.from_unit(u) for u in units])
            spent = time.perf_counter() - begun
            for other in units:
                self._probe(other, spent)
            sides.append(len(self._probe(unit).data) <= budget)
            largest = max(
                (n for p in self.probes.values() if (n := len(p.data)) <= budget), default=0
            )
            largest = self.filled(budget) if self.filled and largest else largest
            more = len(sides) - few
            if largest >= (1 - (TOLERANCE if more < 0 else _LOOSE + _YIELD * more)) * budget:
                break
            if abs(math.log(len(self.nearest(budget).data) / budget)) <= near:
                break
        fitting = [p for p in self.probes.values() if len(p.data) <= budget]
        if not fitting:
            return Found(min(self.probes.values(), key=lambda p: len(p.data)), False)
        best = max(fitting, key=lambda p: (len(p.data), self.knob.to_unit(p.value)))
        return Found(best, True)

    def widen(self, near: Probe, far: float) -> None:
        """Where one encode was enough: another, so much smaller (of the logarithm of the size)."""
        if len(self.probes) == 1:
            unit = self.knob.to_unit(near.value)
            self._probe(max(unit - far / self.knob.steep, 0.0))

    def nearest(self, budget: int) -> Probe:
        """The encode whose size is nearest to a budget, whether it fits or not."""
        return min(self.probes.values(), key=lambda p: abs(math.log(len(p.data) / budget)))

    def measured_slope(self, budget: int) -> float | None:
        """Growth of the logarithm of the size along the knob, near a budget."""
        pairs = self._pairs()
        if len(pairs) < 2:
            return self.slope
        near = min(pairs, key=lambda p: abs(p[1] - math.log(budget)))
        far = [p for p in pairs if abs(p[0] - near[0]) >= _FAIR] or [
            max(pairs, key=lambda p: abs(p[0] - near[0]))
        ]
        other = min(far, key=lambda p: abs(p[0] - near[0]))
        return max((near[1] - other[1]) / (near[0] - other[0]), 2.0)

    def steepest(self) -> float:
        """The most that the logarithm of the size grows anywhere between encodes some way apart."""
        pairs = self._pairs()
        apart = [(p, q) for p, q in itertools.pairwise(pairs) if q[0] - p[0] >= _FAIR]
        return max(((q[1] - p[1]) / (q[0] - p[0]) for p, q in apart), default=0.0)

    def _aim(self, budget: int) -> float:
        """How much of the budget to aim at: where parts make a file, at the side that lacks one."""
        sizes = [len(p.data) for p in self.probes.values()]
        if min(sizes) <= budget < max(sizes):
            return _AIM
        if not self.filled:
            return _FIRST_AIM
        return _BEYOND if max(sizes) <= budget else 2 - _BEYOND

    def _pairs(self) -> list[tuple[float, float]]:
        """(Unit, logarithm of the size) of all encodes, in order."""
        return sorted(
            (self.knob.to_unit(p.value), math.log(len(p.data))) for p in self.probes.values()
        )

    def _probe(self, unit: float, spent: float = 0.0) -> Probe:
        value = self.knob.from_unit(unit)
        if value not in self.probes:
            start = time.perf_counter()
            data = self.encode(value)
            self.probes[value] = Probe(value, data, spent + time.perf_counter() - start)
        return self.probes[value]

    def _with_companion(self, unit: float) -> list[float]:
        """A unit, and the second to try along with it.

        At first some way off, so that the two show the slope; then a little coarser, for where
        the first turns out too large.
        """
        if not self.ahead:
            return [unit]
        pairs = self._pairs()
        slope = self.slope or _slope(pairs, self.knob.steep)
        move = (_COARSER if pairs else _APART) / slope
        other = unit - max(move, self.knob.unit_step)
        return [unit, other] if other >= 0 else [unit]

    def _next(self, budget: int, begin: float, *, stuck: bool) -> float | None:
        """The next unit to try; None where the bracket is used up or the goal is reached."""
        pairs = self._pairs()
        if not pairs:
            return self.knob.to_unit(begin)
        goal, most = math.log(budget * self._aim(budget)), math.log(budget)
        if any(most + math.log(1 - TOLERANCE) <= size <= most for _, size in pairs):
            return None
        high = min((p for p in pairs if p[1] > most), default=None)
        low = max((p for p in pairs if p[1] <= most and (not high or p[0] < high[0])), default=None)
        step = self.knob.unit_step
        if low is None or high is None:  # all on one side: walk on, twice as far as it seems
            edge = low or high
            assert edge is not None
            limit = 1.0 if low else 0.0
            if abs(edge[0] - limit) < step / 2:
                return None
            known = self.slope if len(pairs) == 1 else None
            slope = known or _slope(pairs, self.knob.steep)
            sure = known or self.ahead  # two encodes at once lie near each other
            move = (1 if sure else 1.25) * (goal - edge[1]) / slope
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
    """Growth of the log size along the knob."""
    if len(pairs) < 2:
        return usual
    (u0, s0), (u1, s1) = pairs[0], pairs[-1]
    return max((s1 - s0) / (u1 - u0), 2.0) if u1 > u0 else usual
