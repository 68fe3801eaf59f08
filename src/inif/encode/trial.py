"""What trials of a codec find out: by its fast setting, and by the one that an effort takes."""

from __future__ import annotations

from dataclasses import dataclass

from inif.encode.search import Found
from inif.priors.base import Prior

_CLIFF = 35.0
"""Growth of the logarithm of the size along the whole knob from which an image is noise."""


@dataclass(frozen=True)
class Trial:
    """What the fast setting found.

    Attributes
    ----------
    order
        Of the frames.
    found
        The encode that fills the room best.
    score
        PSNR in dB at that size.
    slope
        Growth of the logarithm of the size along the knob.
    octave
        PSNR in dB per doubling of the size.
    seconds
        Of one encode.
    """

    order: str
    found: Found
    score: float
    slope: float | None
    octave: float
    seconds: float

    @property
    def noisy(self) -> bool:
        """Whether an image is mostly noise, by sizes that fall off a cliff along the knob."""
        return (self.slope or 0.0) > _CLIFF

    def settled(self, prior: Prior) -> Prior:
        """A faster setting for noise, which slow ones spend time on and do not make smaller."""
        return prior.brisk if self.noisy else prior


@dataclass(frozen=True)
class Judged:
    """What a slower setting does.

    Attributes
    ----------
    score
        PSNR in dB.
    offset
        How much finer than the fast one's its knob is at the same size, on a scale from 0 to 1.
    """

    score: float
    offset: float | None
