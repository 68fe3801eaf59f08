"""What the rate control turns: a codec or a field that codes the bricks of one image.

A knob is a number for each channel of the image, in octaves of the quantiser: with a knob of one
more, errors are half as large, about, and a brick takes one and a half to three times the bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from inif.bricks import BrickGrid
from inif.container.writer import Section


@dataclass(frozen=True)
class Trial:
    """What a brick takes and reaches at a knob, as far as that is known without writing it.

    Attributes
    ----------
    size
        Bytes.
    squares
        Of each channel of the image, the sum of the squared errors of decoded samples, in squared
        counts; zeros unless they were asked for. (C,) float64.
    """

    size: float
    squares: np.ndarray


class Errors(NamedTuple):
    """The errors of decoded samples of a brick, or of an image.

    Attributes
    ----------
    squares
        As `Trial` has them.
    worst
        The largest error of a sample, in counts.
    planes
        The sum of the squared errors of each plane, in squared counts: float64, in the image's
        axes, 1 long along those of a plane.
    """

    squares: np.ndarray
    worst: float
    planes: np.ndarray


@dataclass(frozen=True)
class Coded:
    """A brick as the file will have it.

    Attributes
    ----------
    sections
        Payloads may lie in a spool.
    size
        Bytes of the payloads.
    stretch
        By how much that is more than what the knob alone gives.
    errors
        NaN where they are known only after `BrickCoder.finish`.
    """

    sections: tuple[Section, ...]
    size: int
    stretch: float
    errors: Errors


class BrickCoder(Protocol):
    """Codes bricks of one image, each independently of the others.

    Attributes
    ----------
    grid
        The bricks.
    workers
        How many bricks may be coded at once, by the memory that there is.
    near
        How near to the wanted size a trial must be, in octaves, for the knob to be settled.
    encodes
        How often a brick is coded at most, trials included.
    final
        Whether an encode at the knob of a trial takes the very bytes that the trial said.
    """

    grid: BrickGrid
    workers: int
    near: float
    encodes: int
    final: bool

    def channels(self, brick: int) -> range:
        """The image's channels in a brick."""
        ...

    def guess(self, size: float) -> float:
        """The knob, the same for all channels, at which the bricks take so many bytes, about."""
        ...

    def slope(self, knob: float) -> float:
        """Octaves of bytes for one of the knob, about, near a knob."""
        ...

    def weight(self, brick: int) -> float:
        """Bytes that a brick takes beside others at the same knob, in any unit."""
        ...

    def trial(self, brick: int, knob: np.ndarray, *, errors: bool = False) -> Trial:
        """What a brick takes at a knob, and with `errors` what it reaches."""
        ...

    def encode(self, brick: int, knob: np.ndarray, stretch: float = 1.0) -> Coded:
        """A brick at a knob, of `stretch` times the bytes that the knob gives, about."""
        ...

    def finish(self, brick: int, coded: Coded) -> Coded:
        """The same with all that does not change its size: repaired, decoded, checked."""
        ...

    def total(self, knob: np.ndarray, bricks: Sequence[Coded]) -> int:
        """Bytes of the file with these bricks; without any, what it takes besides payloads."""
        ...
