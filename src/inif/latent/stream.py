"""Latents as bytes: a stream per level, from coarse to fine, by contexts that learn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from inif.latent import _core
from inif.latent.plan import Band, Level, Plan
from inif.latent.transform import ONE, Bands

LOW_LIMIT = 1 << 23
"""Latents of the low grid are below it."""


@dataclass
class Latents:
    """Quantised coefficients.

    Attributes
    ----------
    low
        (C, T, Z, Y, X) int32, the coarsest grid.
    levels
        From coarse to fine: by the band's key, (C, T, Z, Y, X) int32.
    """

    low: np.ndarray
    levels: list[Bands] = field(default_factory=list)


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
    planned: list[Bands]

    def __post_init__(self) -> None:
        self.after = sum(float(v.sum()) for level in self.planned for v in level.values())


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
        The same for each block of latents: by level and band, (planes, blocks down, across).
    """

    streams: list[bytes]
    latents: Latents
    bits: float
    spent: list[Bands]

    def pace(self, share: float) -> Pace:
        """For a pass that takes such a share of the bits of this one."""
        of = np.float32(share)
        planned = [{key: v * of for key, v in level.items()} for level in self.spent]
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
        for i, grid in enumerate(plan.grids):
            stream = _core.Stream(self.model, writes)
            values = coefficients[0][i] if coefficients else None
            candidates = most.levels[i] if most else None
            if pace:
                pace.left -= 8 * len(streams[-1])
            blocks = {band.key: np.zeros(band.blocks, np.float32) for band in grid.bands}
            counts = weights[i] if weights else None
            options = _Options(rates, values, candidates, counts, blocks, pace, i)
            out.levels.append(self._level(stream, grid, out.levels, options))
            bits += stream.bits
            streams.append(stream.finish())
            spent.append(blocks)
        return Pass(streams, out, bits, spent)

    def decode(self, streams: Sequence[bytes]) -> Latents:
        """Latents of as many streams as there are, from coarse to fine."""
        plan = self.plan
        sizes = plan.low_sizes
        stream = _core.Stream(self.model, streams[0])
        flat = stream.low((int(np.prod(sizes[:3])), *sizes[3:]), plan.low_earlier)
        out = Latents(flat.reshape(sizes))
        for grid, data in zip(plan.grids, streams[1:], strict=False):
            stream = _core.Stream(self.model, data)
            out.levels.append(self._level(stream, grid, out.levels))
        return out

    def _level(
        self,
        stream: _core.Stream,
        grid: Level,
        done: list[Bands],
        options: _Options | None = None,
    ) -> Bands:
        c, t, z, y, x = grid.largest
        sums = np.zeros((c * t * z + 2, y + 2, x + 2), np.int16)
        out: Bands = {}
        for band in grid.bands:
            shape = band.shape
            given = options.of(band, stream) if options else {}
            latents = stream.band(
                shape,
                grid.number,
                band.kind,
                band.side,
                band.earlier,
                parent_of_band(band, done),
                band.parent_of,
                sums,
                band.sibling_of,
                **given,
            )
            out[band.key] = latents.reshape(band.sizes)
        return out


@dataclass(frozen=True)
class _Options:
    """How the bands of a level are chosen."""

    rates: Rates
    values: Bands | None
    most: Bands | None
    weights: Bands | None
    spent: Bands
    pace: Pace | None
    level: int

    def of(self, band: Band, stream: _core.Stream) -> dict[str, Any]:
        """Arguments of `_core.Stream.band`."""
        rates, pace = self.rates, self.pace
        out: dict[str, Any] = {
            "values": _planes(self.values, band),
            "most": _planes(self.most, band),
            "weights": _planes(self.weights, band),
            "step": rates.step,
            "lambda_": rates.price,
            "dead_zone": rates.dead_zone,
            "one": ONE,
            "rest": 0.0,
            "spent": self.spent[band.key],
        }
        if pace:
            planned = pace.planned[self.level][band.key]
            pace.after -= float(planned.sum())
            left = pace.left - 8 * stream.size
            out |= {"planned": planned, "left": left, "after": pace.after}
        return out


def coefficients_of(latents: Latents, step: float) -> tuple[list[Bands], np.ndarray]:
    """What latents stand for: coefficients as float32, of the levels that there are."""
    size = np.float32(step)

    def values(q: np.ndarray) -> np.ndarray:
        magnitude = np.abs(q).astype(np.float32)
        magnitude[magnitude == 1] = ONE
        out: np.ndarray = np.copysign(magnitude * size, q.astype(np.float32))
        return out

    levels = [{key: values(q) for key, q in level.items()} for level in latents.levels]
    return levels, latents.low.astype(np.float32) * size


def _planes(bands: Bands | None, band: Band) -> np.ndarray | None:
    if bands is None:
        return None
    return np.ascontiguousarray(bands[band.key]).reshape(band.shape)


def parent_of_band(band: Band, done: list[Bands]) -> np.ndarray | None:
    """The latents one level coarser that a band looks at, (planes, height, width) int32."""
    if band.parent is None:
        return None
    above = done[-1]
    if band.parent != "*":
        found: np.ndarray = above[band.parent]
    else:
        found = np.zeros([max(v.shape[i] for v in above.values()) for i in range(5)], np.int32)
        for v in above.values():
            found[tuple(slice(n) for n in v.shape)] += np.abs(v)
    flat: np.ndarray = found.reshape(-1, *found.shape[3:])
    return flat
