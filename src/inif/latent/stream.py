"""Latents as bytes: a stream per level, from coarse to fine, by contexts that learn.

The finest levels of a large image are several streams, of a part of it each: they are coded at
once, and decoded alone, each by a copy of what the coarser levels have taught.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from inif.fields.parallel import in_order
from inif.latent import _core
from inif.latent.bands import Band, Part
from inif.latent.decoder import Decoder, Latents, coded_part
from inif.latent.plan import Level, Plan
from inif.latent.transform import ONE, Bands

LOW_LIMIT = 1 << 23
"""Latents of the low grid are below it."""


@dataclass(frozen=True)
class Rates:
    """How latents are chosen.

    Attributes
    ----------
    step
        Of the quantiser, in the unit of the coefficients.
    price
        λ: what a bit costs, in squared steps.
    dead_zone
        Added to a magnitude before it is rounded down.
    """

    step: float
    price: float = 0.1
    dead_zone: float = 0.5


@dataclass
class Pace:
    """Bits that a pass may take, spent where they are planned: its price changes as it goes.

    Attributes
    ----------
    left
        Bits of all streams that are not written yet.
    planned
        What each block is expected to take, as `Pass.spent`.
    after
        Bits of all blocks that are not begun.
    """

    left: float
    planned: list[list[Bands]]

    def __post_init__(self) -> None:
        self.after = sum(_total(parts) for parts in self.planned)

    def of(self, level: int) -> list[_PartPace]:
        """The same for each part of a level, which must come next."""
        planned = self.planned[level]
        rest = _total(planned)
        self.after -= rest
        if len(planned) == 1:
            return [_PartPace(self.left, planned, rest + self.after)]
        return [
            _PartPace(self.left * _total([one]) / max(rest, 1.0), [one], _total([one]))
            for one in planned
        ]


class Pass(NamedTuple):
    """What coding gives.

    Attributes
    ----------
    streams
        Of the low grid and of each level, from coarse to fine; empty where none were wanted.
    latents
        As they were chosen.
    bits
        An estimate of what the streams take.
    spent
        The same for each block of latents: by level, part and band, (planes, blocks down, across).
    """

    streams: list[bytes]
    latents: Latents
    bits: float
    spent: list[list[Bands]]

    def pace(self, share: float) -> Pace:
        """For a pass that takes such a share of the bits of this one."""
        of = np.float32(share)
        planned = [
            [{key: v * of for key, v in part.items()} for part in level] for level in self.spent
        ]
        return Pace(share * self.bits, planned)


class Coder:
    """Codes latents of one plan; contexts begin with what the model knows, and go on learning.

    Parameters
    ----------
    shared
        Whether the model itself learns, and not a copy: to train it.
    """

    def __init__(self, plan: Plan, model: _core.Model, *, shared: bool = False) -> None:
        self.plan = plan
        self.model = model if shared else model.copy()
        self._shared = shared

    def encode(
        self,
        coefficients: tuple[list[Bands], np.ndarray] | None,
        rates: Rates,
        *,
        most: Latents | None = None,
        weights: list[Bands] | None = None,
        writes: bool = True,
        pace: Pace | None = None,
    ) -> Pass:
        """Choose latents and code them.

        Parameters
        ----------
        coefficients
            From `analyse`; None to code the latents `most` as they are.
        most
            Of an earlier pass: where a block of it is empty, it stays so.
        weights
            What each coefficient's squared error counts, by level and band; None for 1.
        writes
            Whether streams are wanted, else they are empty and only the bits are known.
        pace
            Where the streams must not take more than some bits.
        """
        plan = self.plan
        if coefficients is None:
            assert most is not None
            low = most.low
        else:
            limit = np.float32(LOW_LIMIT - 1)
            scaled = np.rint(coefficients[1] / np.float32(rates.step))
            low = np.clip(scaled, -limit, limit).astype(np.int32)
        stream = _core.Stream(self.model, writes)
        flat = np.ascontiguousarray(low).reshape(-1, *low.shape[3:])
        stream.low(flat.shape, plan.low_earlier, flat)
        bits = stream.bits
        streams, spent = [stream.finish()], []
        out = Latents(low)
        if pace:
            pace.left -= 8 * len(streams[0])
        for i, grid in enumerate(plan.grids):
            given = _Given(
                rates,
                coefficients[0][i] if coefficients else None,
                most.levels[i] if most else None,
                weights[i] if weights else None,
                pace.of(i) if pace else None,
            )
            made = self._level(grid, out.levels, given, writes=writes)
            out.levels.append(made.latents)
            bits += made.bits
            streams += made.streams
            spent.append(made.spent)
            if pace:
                pace.left -= 8 * sum(map(len, made.streams))
        return Pass(streams, out, bits, spent)

    def decode(self, streams: Sequence[bytes]) -> Latents:
        """Latents of as many streams as there are, from coarse to fine."""
        return Decoder(self.plan, self.model, streams).decoded()

    def _level(self, grid: Level, done: list[Bands], given: _Given, *, writes: bool) -> _Made:
        """The bands of a level, chosen and coded."""
        alone = len(grid.parts) == 1 or self._shared

        def one(index: int) -> tuple[_core.Stream, Bands, Bands]:
            part, model = grid.parts[index], self.model if alone else self.model.copy()
            stream = _core.Stream(model, writes)
            spent = {b.key: np.zeros(b.blocks, np.float32) for b in part.bands}

            def options(band: Band) -> dict[str, Any]:
                return given.of(index, part, band, stream) | {"spent": spent[band.key]}

            return stream, coded_part(grid, part, done, stream, options), spent

        count = len(grid.parts)
        found = list(in_order(one, range(count), workers=1 if alone else None))
        bands = found[0][1]
        if count > 1:
            bands = {band.key: np.empty(band.sizes, np.int32) for band in grid.bands}
            for part, (_, latents, _) in zip(grid.parts, found, strict=True):
                for key, values in latents.items():
                    bands[key][part.where[key]] = values
        bits = sum(stream.bits for stream, _, _ in found)
        return _Made(
            [stream.finish() for stream, _, _ in found], bands, bits, [spent for *_, spent in found]
        )


class _Made(NamedTuple):
    """A level, as `Pass` has all of them."""

    streams: list[bytes]
    latents: Bands
    bits: float
    spent: list[Bands]


@dataclass
class _PartPace:
    """`Pace` of a part of a level; `after` are bits of all blocks that are not begun."""

    left: float
    planned: list[Bands]
    after: float


def _total(parts: list[Bands]) -> float:
    return sum(float(v.sum()) for part in parts for v in part.values())


@dataclass(frozen=True)
class _Given:
    """How the bands of a level are chosen: what `Coder.encode` takes, of the level."""

    rates: Rates
    values: Bands | None
    most: Bands | None
    weights: Bands | None
    paces: list[_PartPace] | None

    def of(self, index: int, part: Part, band: Band, stream: _core.Stream) -> dict[str, Any]:
        """Arguments of `_core.Stream.band` for a band of a part."""
        rates, where = self.rates, part.where[band.key]

        def own(bands: Bands | None) -> np.ndarray | None:
            if bands is None:
                return None
            return np.ascontiguousarray(bands[band.key][where]).reshape(band.shape)

        out: dict[str, Any] = {
            "values": own(self.values),
            "most": own(self.most),
            "weights": own(self.weights),
            "step": rates.step,
            "lambda_": rates.price,
            "dead_zone": rates.dead_zone,
            "one": ONE,
            "rest": 0.0,
        }
        if self.paces:
            pace = self.paces[index]
            planned = pace.planned[0][band.key]
            pace.after -= float(planned.sum())
            left = pace.left - 8 * stream.size
            out |= {"planned": planned, "left": left, "after": pace.after}
        return out
