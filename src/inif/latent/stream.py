"""Latents as bytes: a stream per level, from coarse to fine, by contexts that learn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

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
        writes: bool = True,
    ) -> tuple[list[bytes], Latents, float]:
        """Choose latents and code them: streams of the low grid and each level, latents, bits.

        Parameters
        ----------
        coefficients
            From `analyse`; None to code the latents `most` as they are.
        most
            Candidates: no latent's magnitude is above theirs.
        writes
            Whether streams are wanted, else they are empty and only the bits are known.
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
        streams = [stream.finish()]
        out = Latents(low)
        for i, grid in enumerate(plan.grids):
            stream = _core.Stream(self.model, writes)
            values = coefficients[0][i] if coefficients else None
            candidates = most.levels[i] if most else None
            out.levels.append(self._level(stream, grid, out.levels, values, candidates, rates))
            bits += stream.bits
            streams.append(stream.finish())
        return streams, out, bits

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
        values: Bands | None = None,
        most: Bands | None = None,
        rates: Rates | None = None,
    ) -> Bands:
        c, t, z, y, x = grid.largest
        sums = np.zeros((c * t * z + 2, y + 2, x + 2), np.int16)
        out: Bands = {}
        for band in grid.bands:
            shape = band.shape
            options: dict[str, Any] = {}
            if rates is not None:
                options = {
                    "values": _planes(values, band),
                    "most": _planes(most, band),
                    "step": rates.step,
                    "lambda_": rates.price,
                    "dead_zone": rates.dead_zone,
                    "one": ONE,
                    "rest": 0.0,
                }
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
                **options,
            )
            out[band.key] = latents.reshape(band.sizes)
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
