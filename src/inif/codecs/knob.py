"""The one setting of an encoder that trades bytes for quality, and where it ends."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Knob:
    """A quality setting that a search may turn.

    Attributes
    ----------
    name
        As in the encoder's own documentation.
    coarse, fine
        The values of the smallest and of the largest file.
    step
        Smallest change that the encoder notices.
    start
        Where a first search begins.
    log
        Whether the setting acts by ratios (a tolerance), not by differences (a level).
    steep
        Growth of the logarithm of the size from `coarse` to `fine`, roughly.
    """

    name: str
    coarse: float
    fine: float
    step: float
    start: float
    log: bool = False
    steep: float = 7.0

    def to_unit(self, value: float) -> float:
        """0 at `coarse`, 1 at `fine`."""
        return (self._scale(value) - self._scale(self.coarse)) / self._span

    def from_unit(self, unit: float) -> float:
        """The inverse of `to_unit`, on the encoder's grid."""
        raw = self._scale(self.coarse) + min(max(unit, 0.0), 1.0) * self._span
        raw = round(raw / self.step) * self.step
        return float(f"{math.exp2(raw) if self.log else raw:.6g}")

    @property
    def unit_step(self) -> float:
        """`step` on the scale from 0 to 1."""
        return abs(self.step / self._span)

    @property
    def _span(self) -> float:
        return self._scale(self.fine) - self._scale(self.coarse)

    def _scale(self, value: float) -> float:
        return math.log2(value) if self.log else value
