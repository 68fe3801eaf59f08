"""How finely shards are coded: units, their order, and the knob that trials of a few chunks settle.

Everything here follows from numbers alone, and from nothing that depends on how many workers there
are or on what was interrupted: so the same request always gives the same bytes.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from inif.encode.rate.curve import Curve

WAVES, LEAST = 24, 4
"""Waves into which the shards of all images are parted, about, and shards of a wave at least."""

SAMPLED, SHARE, FEW = 32, 16, 4
"""Chunks that are tried at most, the share of all chunks (one in so many), and at least."""

SLOPE, DECIBELS = 1.6, 5.0
"""Octaves of bytes, and dB, for an octave of the step, before anything has measured them."""

_NEAR, _ROUGH, _TRIALS = 0.03, 0.3, 8
"""How near a trial must come, in octaves of bytes, with all sampled chunks and with the first few;
and rounds of trials at most."""

LOOKED = 256
"""Chunks that are looked at where the range of a channel counts, about: more than are tried."""

_CLOSE, _LACKING = 0.1, 0.5
"""How near trials must come, in dB; and by how much less says that a quality cannot be had."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A shard of an array: what one task makes.

    Attributes
    ----------
    array
        Number of the array in the tree.
    place
        Of the shard in the array's grid of shards.
    key
        Of its file in the store.
    voxels
        Samples within the array.
    level
        Of the image's pyramid.
    channels
        Numbers of its channels among all that there are (`channels_of`); none where it is exact.
    index
        Bytes of the index at its end.
    """

    array: int
    place: tuple[int, ...]
    key: str
    voxels: int
    level: int
    channels: tuple[int, ...]
    index: int


@dataclass(frozen=True, slots=True)
class Setting:
    """How a unit is coded.

    Attributes
    ----------
    octaves
        By how much the steps of each channel are finer than those of the plan.
    stretch
        Bytes over those that the steps give.
    """

    octaves: tuple[float, ...]
    stretch: float = 1.0


@dataclass(frozen=True, slots=True)
class Done:
    """A unit that has been coded.

    Attributes
    ----------
    size
        Bytes of its file; 0 where there is none, because all of it is the fill value.
    setting
        How it was coded.
    squares, low, high
        Of each of its channels: the sum of squared errors in squared counts, and the extremes of
        the original.
    """

    size: int
    setting: Setting
    squares: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """The chunks of an array that may lose detail.

    Attributes
    ----------
    array
        Its number in the tree.
    grid
        Chunks along each axis.
    voxels
        Of a whole chunk.
    channels
        As `Unit.channels`, of all of it.
    c
        Place of C among its axes; -1 where there is none.
    """

    array: int
    grid: tuple[int, ...]
    voxels: int
    channels: tuple[int, ...]
    c: int = -1

    def rows(self) -> list[tuple[tuple[int, ...], int]]:
        """The channels of chunks at each place along C, and that place."""
        steps = self.grid[self.c] if self.c >= 0 else 1
        length = -(-len(self.channels) // steps)
        return [(self.channels[k * length : (k + 1) * length], k) for k in range(steps)]

    @property
    def row(self) -> int:
        """Chunks of one place along C."""
        return math.prod(self.grid) // (self.grid[self.c] if self.c >= 0 else 1)

    def place(self, number: int, step: int) -> tuple[int, ...]:
        """Of a chunk of such a row."""
        out = []
        for k in reversed(range(len(self.grid))):
            n = 1 if k == self.c else self.grid[k]
            number, own = divmod(number, n)
            out.append(step if k == self.c else own)
        return tuple(reversed(out))


@dataclass(frozen=True, slots=True)
class Sample:
    """A chunk that stands for others.

    Attributes
    ----------
    array, place
        Number of the array, and the chunk's place in the array's grid of chunks.
    channels
        As `Unit.channels`.
    weight
        Voxels for which it stands.
    """

    array: int
    place: tuple[int, ...]
    channels: tuple[int, ...]
    weight: float


def shuffled(units: Sequence[Unit]) -> list[Unit]:
    """Units in an order that has nothing to do with where they are, the same every time."""

    def digest(unit: Unit) -> bytes:
        return hashlib.blake2b(unit.key.encode(), digest_size=16).digest()

    return sorted(units, key=digest)


def wave_length(count: int) -> int:
    """Units of a wave, where there are so many of them."""
    return max(LEAST, -(-count // WAVES))


def sampled(grids: Sequence[Grid], wanted: int | None = None) -> list[Sample]:
    """Chunks that stand for all: of every channel in proportion to its voxels, at least one.

    The first few of them are as good a sample as all, of fewer.

    Parameters
    ----------
    wanted
        How many, about; by default a sixteenth of all, but from 4 to 32.
    """
    if wanted is None:
        wanted = min(max(sum(math.prod(one.grid) for one in grids) // SHARE, FEW), SAMPLED)
    rows: dict[tuple[int, ...], list[tuple[Grid, int]]] = {}
    for one in grids:
        for channels, step in one.rows():
            rows.setdefault(channels, []).append((one, step))
    weights = {own: sum(one.row * one.voxels for one, _ in rows[own]) for own in rows}
    whole = sum(weights.values())
    found: dict[tuple[int, tuple[int, ...]], Sample] = {}
    for own, parts in rows.items():
        most = sum(one.row for one, _ in parts)
        count = min(max(1, round(wanted * weights[own] / whole)), most)
        for number in range(count):
            inside = 0.5 if count == most else _uniform(f"{own} {number}")
            at = (number + inside) / count * weights[own]
            rest = iter(parts)
            one, step = next(rest)
            while at >= one.row * one.voxels:
                at -= one.row * one.voxels
                one, step = next(rest)
            place = one.place(min(int(at / one.voxels), one.row - 1), step)
            before = found.get((one.array, place))
            stands = weights[own] / count + (before.weight if before else 0.0)
            found[one.array, place] = Sample(one.array, place, own, stands)
    return sorted(found.values(), key=lambda s: _uniform(f"{s.array} {s.place}"))


def _uniform(text: str) -> float:
    """A number from 0 to 1 that looks random, the same every time."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=6).digest(), "big") / 2.0**48


@dataclass(frozen=True)
class Model:
    """What trials say of all chunks.

    Attributes
    ----------
    knobs
        For each channel, octaves of the step below its range.
    rate
        Bytes for each voxel, headers of chunks included.
    slope
        For an octave of the step, octaves of bytes, or dB where a quality is the goal.
    errors
        Mean squared error of each channel, in squared counts.
    samples
        Chunks that were tried.
    reached
        Whether the knobs give what was wanted: not where the finest or the coarsest do not.
    """

    knobs: tuple[float, ...]
    rate: float
    slope: float
    errors: tuple[float, ...]
    samples: int
    reached: bool = True


Trial = Callable[[tuple[float, ...], int | None], tuple[float, tuple[float, ...]]]
"""From knobs, and how many of the sampled chunks are tried (None: all), to bytes for each voxel and
the mean squared error of each channel."""


def settled_rate(
    trial: Trial, rate: float, channels: int, samples: int, finest: float, coarsest: float = -1.0
) -> Model:
    """The knob, one for all channels, at which chunks take so many bytes for each voxel.

    The first few sampled chunks find about where it is, then all of them where.
    """
    knob, slope = min(max(7.0 + math.log2(rate) / SLOPE, coarsest), finest), SLOPE
    for few, near in ((FEW, _ROUGH), (None, _NEAR)):
        curve = Curve(math.log2(rate), slope)
        for _ in range(_TRIALS):
            found, errors = trial((knob,) * channels, few)
            apart = curve.add(knob, math.log2(max(found, 1e-9)))
            slope = _slope(curve)
            stuck = (knob >= finest and apart < -near) or (knob <= coarsest and apart > near)
            if abs(apart) <= near or stuck:
                break
            knob = min(max(curve.next, coarsest), finest)
    if not stuck:  # the last small step needs no trial
        moved = min(max(curve.points[-1][0] - apart / slope, coarsest), finest)
        found *= 2.0 ** (slope * (moved - curve.points[-1][0]))
        knob = moved
    return Model((knob,) * channels, found, slope, errors, samples, not stuck)


def settled_quality(
    trial: Trial, spans: Sequence[float], decibels: float, samples: int, finest: float
) -> Model:
    """The knob of each channel at which it has a PSNR in dB against its range."""
    curves = [Curve(decibels, DECIBELS) for _ in spans]
    knobs = [min(max(decibels / 6.0 - 1.0, 0.0), finest)] * len(spans)
    for _ in range(_TRIALS):
        rate, errors = trial(tuple(knobs), None)
        psnrs = [psnr_of(error, span) for error, span in zip(errors, spans, strict=True)]
        each = list(zip(curves, knobs, psnrs, strict=True))
        apart = [curve.add(knob, psnr) for curve, knob, psnr in each]
        if all(
            abs(d) <= _CLOSE or (d < 0 and k >= finest)
            for d, (_, k, _) in zip(apart, each, strict=True)
        ):
            break
        knobs = [
            knob if abs(d) <= _CLOSE else min(max(curve.next, -1.0), finest)
            for d, (curve, knob, _) in zip(apart, each, strict=True)
        ]
    tried = tuple(knob for _, knob, _ in each)
    slopes = [_slope(curve, 1.0, 7.0) for curve in curves]
    slope = sum(slopes) / len(slopes)
    return Model(tried, rate, slope, errors, samples, min(apart) > -_LACKING)


def psnr_of(error: float, span: float) -> float:
    """PSNR in dB of a mean squared error against a range; 200 for no error at all."""
    if error <= 0 or span <= 0:
        return 200.0
    return min(10 * math.log10(span**2 / error), 200.0)


def _slope(curve: Curve, least: float = 0.5, most: float = 4.0) -> float:
    """How steep a curve is, by the two trials that came closest."""
    points = sorted(curve.points, key=lambda p: abs(p[1]))[:2]
    if len(points) < 2 or abs(points[0][0] - points[1][0]) < 0.05:
        return curve.slope
    (x0, y0), (x1, y1) = points
    return min(max((y1 - y0) / (x1 - x0), least), most)
