"""A rising curve, known at the points tried so far: where it reaches a wanted value."""

from __future__ import annotations

from dataclasses import dataclass, field

_EDGE = 0.05
"""Share of a bracket that the next point keeps from its ends."""

_FLAT = 0.2
"""Of the usual slope: a curve rises at least so steeply, or it would never get there."""

_STRIDE = 3.0
"""The most by which a point lies beyond those that were tried."""


@dataclass
class Curve:
    """Where a rising curve reaches a value: by secants, inside a bracket as soon as there is one.

    Attributes
    ----------
    wanted
        The value.
    slope
        Before two points have measured it.
    """

    wanted: float
    slope: float
    points: list[tuple[float, float]] = field(default_factory=list)

    def add(self, x: float, y: float) -> float:
        """Note a point; how far above the wanted value it lies."""
        self.points.append((x, y - self.wanted))
        return y - self.wanted

    @property
    def next(self) -> float:
        """The place to try next."""
        above = [p for p in self.points if p[1] > 0]
        below = [p for p in self.points if p[1] <= 0]
        if above and below:
            (x0, y0), (x1, y1) = max(below), min(above)
            y0, y1 = (y0, y1 * self._stale) if self.points[-1] in below else (y0 * self._stale, y1)
            if x0 < x1:
                share = min(max(-y0 / (y1 - y0), _EDGE), 1 - _EDGE)
                return x0 + share * (x1 - x0)
        x, y = max(below) if below else min(above)  # the farthest on the way
        slope = self.slope
        if len(self.points) > 1:
            x0, y0 = sorted(self.points)[-2 if below else 1]
            if x0 != x:
                slope = max((y0 - y) / (x0 - x), _FLAT * self.slope)
        return x - min(max(y / slope, -_STRIDE), _STRIDE)

    @property
    def _stale(self) -> float:
        """What the end of the bracket counts that stays where it is: half for each time it has.

        Source: the Illinois method, which keeps secants from creeping up on a bent curve.
        """
        signs = [y > 0 for _, y in self.points]
        run = next((n for n, sign in enumerate(reversed(signs)) if sign != signs[-1]), len(signs))
        return float(0.5 ** (run - 1))
