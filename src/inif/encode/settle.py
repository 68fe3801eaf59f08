"""A knob value for each channel, so that every channel has the quality asked for, and hardly more.

Channels have streams of their own, so each is searched on its own; they are encoded together.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from inif.codecs.base import Codec
from inif.decode.codec import CodecSpec
from inif.encode.streams import Streams
from inif.encode.tally import channel_psnr, errors

NEAR = 0.06
"""How far above its goal a channel may be, in dB, for its search to end."""

_MOST = 8
_SLOPE, _FASTER = 30.0, 1.5
"""What a whole knob spans at first sight, in dB; how much further each further step goes."""


@dataclass(frozen=True)
class Settled:
    """Where a channel's search has ended: on a knob, from 0 to 1, and its PSNR in dB there."""

    unit: float
    psnr: float


@dataclass
class Settler:
    """Channels of an image by one setting of a codec.

    Attributes
    ----------
    streams, codec, order
        What is encoded, and how.
    """

    streams: Streams
    codec: Codec
    order: str
    _squares: dict[tuple[int, float], float] = field(default_factory=dict)

    def settle(
        self, goals: Mapping[int, float], begin: Mapping[int, float], stage: str = "encode"
    ) -> dict[int, Settled]:
        """The coarsest knob found for each channel at which it reaches its goal.

        Parameters
        ----------
        goals
            In dB, by the number of the channel.
        begin
            Where to begin, from 0 to 1.

        Returns
        -------
        A channel that cannot reach its goal is at the knob's fine end.
        """
        knob = self.codec.knob(self.streams.frames)
        slope = abs(knob.fine - knob.coarse) if knob.name == "psnr" else _SLOPE
        searches = {c: _Bracket(goal, knob.unit_step, slope, begin[c]) for c, goal in goals.items()}
        for _ in range(_MOST):
            todo = {c: search for c, search in searches.items() if not search.done}
            if not todo:
                break
            values = {c: knob.from_unit(search.unit) for c, search in todo.items()}
            reached = self.psnrs(values, stage)
            for c, search in todo.items():
                search.tell(knob.to_unit(values[c]), reached[c])
            self.streams.report(stage, 1, 1, min(reached.values()))
        late = {c: knob.fine for c, search in searches.items() if search.high is None}
        for c, value in self.psnrs(late, stage).items():
            searches[c].high = (1.0, value)
        return {c: Settled(*s.high) for c, s in searches.items() if s.high is not None}

    def made(self, settled: Mapping[int, Settled]) -> list[bytes]:
        """All streams, those of channels that were not searched at the knob's coarse end."""
        knob = self.codec.knob(self.streams.frames)
        values = {c: knob.from_unit(s.unit) for c, s in settled.items()}
        places = enumerate(self.streams.places)
        wanted = [(i, values.get(c, knob.coarse)) for i, (_, c) in places]
        return self.streams.make(self.codec, self.order, wanted)

    def psnrs(self, values: Mapping[int, float], stage: str) -> dict[int, float]:
        """PSNR in dB of some channels, each at a knob value, decoded and not repaired."""
        streams, sums = self.streams, dict.fromkeys(values, 0.0)
        wanted = [(i, values[c]) for i, (_, c) in enumerate(streams.places) if c in values]
        made = streams.make(self.codec, self.order, wanted, stage)
        for (i, value), data in zip(wanted, made, strict=True):
            if (i, value) not in self._squares:
                streams.job.interrupt.check()
                self._squares[i, value] = self._squared(i, data)
            sums[streams.places[i][1]] += self._squares[i, value]
        job = streams.job
        return {c: channel_psnr(total, job.image, job.ranges[c]) for c, total in sums.items()}

    def _squared(self, index: int, stream: bytes) -> float:
        """Sum of the squared errors of one stream, decoded."""
        streams = self.streams
        (number, channel), image = streams.places[index], streams.job.image
        parts = [b""] * len(streams.places)
        parts[index] = stream
        brick = streams.bricks(CodecSpec(self.codec.kind, self.order), parts)[number]
        picks, where = [np.arange(n) for n in brick.extent], list[Any](streams.grid.slices(number))
        if (c := image.channel_axis) is not None:
            picks[c] = np.array([channel - brick.channel_start])
            where[c] = slice(channel, channel + 1)
        return errors(brick.grid(picks), image.data[tuple(where)])[0]


@dataclass
class _Bracket:
    """One channel's search.

    Attributes
    ----------
    goal, step, slope, unit
        In dB; of the knob; first guess, in dB over the whole knob; what to try next.
    low, high
        Finest below the goal and coarsest that reaches it: where, and the PSNR in dB.
    """

    goal: float
    step: float
    slope: float
    unit: float
    low: tuple[float, float] | None = None
    high: tuple[float, float] | None = None
    tries: int = 0

    @property
    def done(self) -> bool:
        """Whether another encode would tell nothing, or need not."""
        low = -self.step if self.low is None else self.low[0]
        if self.high is None:
            return low > 1 - self.step / 2
        return self.high[1] - self.goal <= NEAR or self.high[0] - low < 1.5 * self.step

    def tell(self, unit: float, value: float) -> None:
        """What was reached at a unit; sets the next to try."""
        point = (unit, value)
        self.tries += 1
        if value >= self.goal:
            self.high = point if self.high is None else min(self.high, point)
        else:
            self.low = point if self.low is None else max(self.low, point)
        aim, low, high = self.goal + NEAR / 2, self.low, self.high
        if low and high:
            span = high[1] - low[1]
            steep = not math.isfinite(span) or span <= 0 or self.tries > _MOST // 2
            share = 0.5 if steep else (aim - low[1]) / span
            unit = low[0] + share * (high[0] - low[0])
        elif math.isfinite(value):
            unit += (aim - value) / self.slope * _FASTER ** (self.tries - 1)
        else:
            unit /= 2
        first = 0.0 if low is None else low[0] + self.step
        last = 1.0 if high is None else high[0] - self.step
        self.unit = max(first, min(unit, last))
