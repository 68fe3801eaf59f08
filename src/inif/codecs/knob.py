"""The one setting of an encoder that trades bytes for quality, and where it ends.

An encoder's own unit is of no use to a rate control, so a knob also counts in octaves of the
quantiser, from its coarse end on: with one more, errors are half as large, about.
"""

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
    octave
        By how much an octave finer changes the value, or for `log` its logarithm to base 2; 0 where
        nobody has to know.
    log
        Whether the setting acts by ratios (a tolerance), not by differences (a level).
    steep
        Growth of the logarithm of the size from `coarse` to `fine`, roughly.
    rate
        Whether the setting is the bits of a sample themselves.
    """

    name: str
    coarse: float
    fine: float
    step: float
    start: float
    octave: float = 0.0
    log: bool = False
    steep: float = 7.0
    rate: bool = False

    @property
    def octaves(self) -> float:
        """From `coarse` to `fine`."""
        return self._span / self.octave

    def at_octave(self, octaves: float) -> float:
        """The value so many octaves finer than `coarse`, on the encoder's grid."""
        return self.from_unit(octaves / self.octaves)

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
