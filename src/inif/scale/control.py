"""What the waves of shards are coded with, so that all of them together meet the goal.

The setting of a wave follows only from waves before the last one: so workers are never idle, and
the bytes do not depend on their number or on what was interrupted. Shards are worked on in an order
that has nothing to do with where they are: so those that are done are a sample of the rest.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from inif.scale.rate import Done, Model, Setting, Unit, psnr_of, wave_length

APART = 0.12
"""By how much more or less than steps of the plan give a shard may take: errors then differ by
0.3 dB. Waves move the steps so far; what is coded again is stretched as much, at its own steps."""

_MOVES = 0.25
"""Share of the voxels that must still come for the steps to move; at the end shards are coded
again instead."""

GOOD, LANDED = 0.005, 0.01
"""How far off the total may be for nothing to be coded again, and after that."""

ROUNDS = 4
"""How often shards are coded again at most."""

_ABOVE, _TOLERANCE, _SHIFT, _LEAP = 0.05, 0.3, 0.5, 2.0
"""dB by which a quality is aimed at above what is asked for, and may be above it; and by how many
octaves a channel's step moves at once, from wave to wave and when it is coded again."""

_FINER = 1
"""How often units are coded again only because they are better than they must be."""


class Control(Protocol):
    """What decides how units are coded.

    Attributes
    ----------
    units
        Of the images, in the order of the work.
    done
        What became of each; None until then.
    length
        Units of a wave.
    """

    units: Sequence[Unit]
    done: list[Done | None]
    length: int

    def setting(self, wave: int) -> Setting:
        """Of a wave's units; all waves but the one before must be done."""
        ...

    def again(self, turn: int) -> Mapping[int, Setting]:
        """Units that are to be coded again with which settings, once all are done; none: good.

        Parameters
        ----------
        turn
            How often that has been done before.
        """
        ...


class _Waves:
    """Units in waves."""

    def __init__(self, units: Sequence[Unit], channels: int) -> None:
        self.units, self.channels = units, channels
        self.done: list[Done | None] = [None] * len(units)
        self.length = wave_length(len(units))

    def known(self, wave: int) -> Iterable[tuple[Unit, Done]]:
        """Units of all waves but the one before a wave."""
        stop = max(wave - 1, 0) * self.length
        for unit, done in zip(self.units[:stop], self.done[:stop], strict=True):
            assert done is not None
            yield unit, done

    def running(self, wave: int) -> Sequence[Unit]:
        """Units of the wave before a wave."""
        return self.units[max(wave - 1, 0) * self.length : wave * self.length]

    def rest(self, wave: int) -> Sequence[Unit]:
        """Units of a wave and those after it."""
        return self.units[wave * self.length :]

    def results(self) -> list[Done]:
        """Of all units."""
        return [one for one in self.done if one is not None]


class Fixed(_Waves):
    """No goal: all units are coded by what the plan says."""

    def setting(self, wave: int) -> Setting:
        """As of every control."""
        return Setting((0.0,) * self.channels)

    def again(self, turn: int) -> Mapping[int, Setting]:
        """As of every control."""
        return {}


_Kind = tuple[int, tuple[int, ...]]
"""Level and channels of a unit: by them units differ most in how many bytes a voxel takes."""


@dataclass(frozen=True)
class _Found:
    """A wave that is done: its octaves, and the bytes of each kind of unit."""

    octaves: float
    sizes: Mapping[_Kind, float]


class Bytes(_Waves):
    """A goal in bytes: of all units' files together.

    Parameters
    ----------
    model
        What trials say.
    goal
        Bytes of all units, their indexes included.
    """

    def __init__(self, units: Sequence[Unit], channels: int, model: Model, goal: float) -> None:
        super().__init__(units, channels)
        self.model, self.goal = model, goal
        self._settings: list[Setting] = []
        self._payload = max(goal - sum(unit.index for unit in units), 1.0)
        starts = range(0, len(units), self.length)
        self._voxels = [_by_kind(units[start : start + self.length]) for start in starts]
        self._all = sum(self._voxels, Counter())
        self._found: list[_Found] = []
        self._base = 0.0

    def setting(self, wave: int) -> Setting:
        """As of every control."""
        while len(self._settings) <= wave:
            self._settings.append(self._next(len(self._settings)))
        return self._settings[wave]

    def _next(self, wave: int) -> Setting:
        while len(self._found) < wave - 1:
            self._found.append(self._look(len(self._found)))
        running = sum(self._voxels[max(wave - 1, 0) : wave], Counter())
        rest = sum(self._voxels[wave:], Counter())
        left = self._payload - sum(sum(one.sizes.values()) for one in self._found)
        if running:
            left -= self._judged(self._settings[-1].octaves[0], running)
        most = math.log2(1 + APART) / self.model.slope
        whole = self._octaves(self._payload, self._all)
        much = wave > 1 and rest.total() > _MOVES * self._all.total()
        if much and abs(whole - self._base) > most:
            self._base = _near(whole, self._base, _LEAP)
        octaves = _whole(_near(self._octaves(left, rest), self._base, most))
        return Setting((octaves,) * self.channels)

    def _octaves(self, size: float, voxels: Counter[_Kind]) -> float:
        """At which voxels take so many bytes."""
        plain = max(self._judged(0.0, voxels), 1e-9)
        return math.log2(max(size, 1.0) / plain) / self.model.slope

    def _look(self, wave: int) -> _Found:
        """What became of a wave, all of whose units had one setting."""
        one = slice(wave * self.length, (wave + 1) * self.length)
        sizes: defaultdict[_Kind, float] = defaultdict(float)
        for unit, done in zip(self.units[one], self.done[one], strict=True):
            assert done is not None
            sizes[_kind(unit)] += _payload(unit, done)
        return _Found(self._settings[wave].octaves[0], sizes)

    def _judged(self, octaves: float, voxels: Counter[_Kind]) -> float:
        """Bytes of voxels of each kind at such steps, judged by the model and by what is known.

        Known units count as they are, and a sampled chunk says half as much as a unit. Units of one
        kind are taken to be alike; the less of them is known, the more they are taken for any.
        """
        unit = self._all.total() / len(self.units)
        known: Counter[_Kind] = Counter()
        sizes: defaultdict[_Kind, float] = defaultdict(float)
        for found, of in zip(self._found, self._voxels, strict=False):
            known += of
            for kind, size in found.sizes.items():
                sizes[kind] += self._at(size, octaves - found.octaves)
        tried = self.model.samples / 2 * unit
        whole = sum(sizes.values()) + tried * self._at(self.model.rate, octaves)
        rate = whole / (known.total() + tried)
        return sum(
            wanted * (sizes[kind] + unit * rate) / (known[kind] + unit)
            for kind, wanted in voxels.items()
        )

    def _at(self, size: float, octaves: float) -> float:
        """Bytes at steps that are so much finer."""
        return size * math.exp2(self.model.slope * octaves)

    def again(self, turn: int) -> Mapping[int, Setting]:
        """As of every control: the fewest units that bring the total to the goal."""
        found = self.results()
        sizes = [_payload(unit, one) for unit, one in zip(self.units, found, strict=True)]
        gap = self.goal - sum(one.size for one in found)
        if abs(gap) <= (LANDED if turn else GOOD) * self.goal:
            return {}
        reach = [
            size * ((1 + APART if gap > 0 else 1 - APART) / one.setting.stretch - 1)
            for size, one in zip(sizes, found, strict=True)
        ]
        reach = [r if r * gap > 0 else 0.0 for r in reach]
        if abs(sum(reach)) < abs(gap):  # the model was wrong
            moved = math.log2(max(sum(sizes) + gap, 1.0) / max(sum(sizes), 1.0)) / self.model.slope
            moved = min(max(moved, -2.0), 2.0)
            return {
                n: Setting(tuple(_whole(o + moved) for o in one.setting.octaves))
                for n, one in enumerate(found)
                if sizes[n]
            }
        out = {}
        for n in sorted(range(len(found)), key=lambda n: (-abs(reach[n]), n)):
            change = math.copysign(min(abs(reach[n]), abs(gap)), gap)
            one = found[n].setting
            out[n] = Setting(one.octaves, round(one.stretch * (1 + change / sizes[n]), 4))
            gap -= change
            if abs(gap) < 1:
                break
        return out


class Quality(_Waves):
    """A goal in dB: of each channel against its range, at full resolution."""

    def __init__(
        self,
        units: Sequence[Unit],
        model: Model,
        decibels: float,
        ranges: Sequence[tuple[float, float]],
    ) -> None:
        super().__init__(units, len(ranges))
        self.model, self.decibels, self.ranges = model, decibels, ranges
        self._settings: list[Setting] = []
        self._tried = model.samples / 2 / max(len(units), 1)  # a chunk says half as much as a unit

    def setting(self, wave: int) -> Setting:
        """As of every control."""
        while len(self._settings) <= wave:
            self._settings.append(self._next(len(self._settings)))
        return self._settings[wave]

    def _next(self, wave: int) -> Setting:
        known, rest = list(self.known(wave)), self.rest(wave)
        now = self._settings[-1].octaves if self._settings else (0.0,) * self.channels
        if not known or sum(u.voxels for u in rest) < _MOVES * sum(u.voxels for u in self.units):
            return Setting(now)
        out = []
        for c, before in enumerate(now):
            whole = _voxels(self.units, c)
            count = self._tried * whole
            seen, plain = 0.0, self.model.errors[c] * count  # the model counts what it was of
            for unit, done in known:
                if unit.level == 0 and c in unit.channels:
                    k = unit.channels.index(c)
                    seen += done.squares[k]
                    plain += done.squares[k] * self._errors(-done.setting.octaves[c])
                    count += unit.voxels / len(unit.channels)
            error = max(plain / count, 1e-12)
            left = self._allowed(c, (done for _, done in known)) * whole - seen
            left -= error * self._errors(before) * _voxels(self.running(wave), c)
            moved = self._octaves(max(left / max(error * _voxels(rest, c), 1e-12), 1e-12))
            out.append(_whole(_near(moved, before, _SHIFT)))
        return Setting(tuple(out))

    def _allowed(self, c: int, done: Iterable[Done]) -> float:
        """The mean squared error of a channel that is aimed at, by the range that is known."""
        low, high = self.ranges[c]
        for unit, one in zip(self.units, done, strict=False):
            if c in unit.channels and unit.level == 0:
                k = unit.channels.index(c)
                low, high = min(low, one.low[k]), max(high, one.high[k])
        return float((high - low) ** 2 * 10 ** (-(self.decibels + _ABOVE) / 10))

    def _errors(self, octaves: float) -> float:
        """By what squared errors are multiplied where steps are so much finer, about."""
        return float(10 ** (-self.model.slope * octaves / 10))

    def _octaves(self, share: float) -> float:
        """The inverse."""
        return -10 * math.log10(share) / self.model.slope

    def again(self, turn: int) -> Mapping[int, Setting]:
        """As of every control: the fewest units that bring every channel to its quality."""
        found = self.results()
        out: dict[int, list[float]] = {}
        psnrs = psnr_of_channels(self.units, found, self.channels)
        for c, psnr in enumerate(psnrs):
            limit = self.decibels + (_TOLERANCE if turn < _FINER else math.inf)
            if psnr is None or self.decibels <= psnr <= limit:
                continue
            own = {
                n: found[n].squares[unit.channels.index(c)]
                for n, unit in enumerate(self.units)
                if unit.level == 0 and c in unit.channels
            }
            gap = self._allowed(c, found) * _voxels(self.units, c) - sum(own.values())
            for n in sorted(own, key=lambda n: (-own[n], n)):
                if not own[n]:
                    break
                most = own[n] * (self._errors(-_LEAP if gap > 0 else _LEAP) - 1)
                change = math.copysign(min(abs(most), abs(gap)), gap)
                octaves = out.setdefault(n, list(found[n].setting.octaves))
                octaves[c] = _whole(octaves[c] + self._octaves(1 + change / own[n]))
                gap -= change
                if abs(gap) < 1e-6:
                    break
        return {n: Setting(tuple(octaves)) for n, octaves in out.items()}


def psnr_of_channels(
    units: Sequence[Unit], found: Sequence[Done | None], channels: int
) -> list[float | None]:
    """PSNR in dB of each channel at full resolution, against its range; None where nothing is."""
    squares, voxels = [0.0] * channels, [0.0] * channels
    low, high = [math.inf] * channels, [-math.inf] * channels
    for unit, one in zip(units, found, strict=True):
        if one is None or unit.level:
            continue
        for k, c in enumerate(unit.channels):
            squares[c] += one.squares[k]
            voxels[c] += unit.voxels / len(unit.channels)
            low[c], high[c] = min(low[c], one.low[k]), max(high[c], one.high[k])
    return [
        psnr_of(squares[c] / voxels[c], high[c] - low[c]) if voxels[c] else None
        for c in range(channels)
    ]


def _kind(unit: Unit) -> _Kind:
    return unit.level, unit.channels


def _by_kind(units: Iterable[Unit]) -> Counter[_Kind]:
    """Voxels of each kind."""
    found: Counter[_Kind] = Counter()
    for unit in units:
        found[_kind(unit)] += unit.voxels
    return found


def _payload(unit: Unit, done: Done) -> float:
    """Bytes of a unit's chunks."""
    return float(max(done.size - unit.index, 0))


def _voxels(units: Iterable[Unit], c: int) -> float:
    """Of a channel at full resolution."""
    own = (u for u in units if u.level == 0 and c in u.channels)
    return float(sum(u.voxels / len(u.channels) for u in own))


def _near(value: float, middle: float, most: float) -> float:
    """The value, or what is nearest to it within `most` of the middle."""
    return min(max(value, middle - most), middle + most)


def _whole(octaves: float) -> float:
    """As records have them."""
    return round(octaves * 256) / 256
