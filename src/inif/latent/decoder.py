"""Latents from bytes: a stream per level or part of one, decoded as far as somebody needs it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from inif.fields.parallel import in_order
from inif.latent import _core
from inif.latent.bands import MANY, Band, Part
from inif.latent.box import Box, joined
from inif.latent.plan import Level, Plan
from inif.latent.transform import ONE, Bands


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


class Decoder:
    """Latents of one plan, decoded as they are needed; parts that were are kept.

    It is not safe for threads that decode at the same time; it has threads of its own.

    Parameters
    ----------
    model
        What contexts begin with; it stays as it is.
    streams
        As many as there are, from coarse to fine.
    """

    def __init__(self, plan: Plan, model: _core.Model, streams: Sequence[bytes]) -> None:
        self.plan, self._model = plan, model.copy()
        sizes = plan.low_sizes
        stream = _core.Stream(self._model, streams[0])
        flat = stream.low((int(np.prod(sizes[:3])), *sizes[3:]), plan.low_earlier)
        self._latents = Latents(flat.reshape(sizes))
        self._missing: list[dict[int, bytes]] = []
        at = 1
        for grid in plan.grids:
            if at >= len(streams):
                break
            own = [*streams[at : at + len(grid.parts)], *[b""] * len(grid.parts)]
            self._missing.append(dict(enumerate(own[: len(grid.parts)])))
            at += len(grid.parts)

    @property
    def complete(self) -> bool:
        """Whether nothing is left to decode."""
        return not any(self._missing)

    def decoded(self, box: Box | None = None) -> Latents:
        """Latents of all levels there are.

        Parameters
        ----------
        box
            The part of the image along T, Z, Y and X that is wanted, by default all: what it does
            not need may be 0.
        """
        if not self.complete:
            for number, wanted in enumerate(self._wanted(box)):
                self._decode(number, wanted)
        return self._latents

    def _wanted(self, box: Box | None) -> list[list[int]]:
        """The parts of each level that a box needs, from coarse to fine."""
        plan = self.plan
        joins = joined(plan, 0, box) if box else []
        out: list[list[int]] = []
        seen: list[slice] = []  # by parts of the next finer level
        for grid in plan.grids[len(self._missing) - 1 :: -1] if self._missing else ():
            wanted = list(range(len(grid.parts)))
            if box and len(wanted) > 1:
                along = joins[grid.number][grid.axis - 1]
                spans = [along.part(letter) for letter in along.letters]
                spans += [(one.start or 0, one.stop or MANY) for one in seen]
                wanted = [i for i in wanted if _meet(grid.parts[i].cut(grid.axis), spans)]
            seen = [grid.parts[i].parents[grid.axis] for i in wanted]
            out.append(wanted)
        return out[::-1]

    def _decode(self, number: int, wanted: list[int]) -> None:
        """Parts of a level, whose coarser levels are decoded as far as these need them."""
        grid, missing, done = self.plan.grids[number], self._missing[number], self._latents.levels
        alone = len(grid.parts) == 1

        def one(index: int) -> Bands:
            model = self._model if alone else self._model.copy()
            stream = _core.Stream(model, missing[index])
            return coded_part(grid, grid.parts[index], done[:number], stream, lambda _: {})

        todo = [index for index in wanted if index in missing]
        if alone and todo:
            done.append(one(0))
        elif len(done) == number:
            done.append({band.key: np.zeros(band.sizes, np.int32) for band in grid.bands})
        found = () if alone else in_order(one, todo)
        for index, latents in zip(todo, found, strict=False):
            for key, values in latents.items():
                done[number][key][grid.parts[index].where[key]] = values
        for index in todo:
            del missing[index]


def coded_part(
    grid: Level,
    part: Part,
    done: list[Bands],
    stream: _core.Stream,
    options: Callable[[Band], dict[str, Any]],
) -> Bands:
    """The bands of a part of a level, coded with some options or read."""
    c, t, z, y, x = part.largest
    sums = np.zeros((c * t * z + 2, y + 2, x + 2), np.int16)
    latents: Bands = {}
    for band in part.bands:
        found = stream.band(
            band.shape,
            grid.number,
            band.kind,
            band.side,
            band.earlier,
            parent_of_band(band, done, part.parents),
            band.parent_of,
            sums,
            band.sibling_of,
            **options(band),
        )
        latents[band.key] = found.reshape(band.sizes)
    return latents


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


def parent_of_band(
    band: Band, done: list[Bands], where: tuple[slice, ...] = ()
) -> np.ndarray | None:
    """The latents one level coarser that a band looks at, (planes, height, width) int32."""
    if band.parent is None:
        return None
    above = {key: v[where] for key, v in done[-1].items() if band.parent in ("*", key)}
    if band.parent != "*":
        found: np.ndarray = np.ascontiguousarray(above[band.parent])
    else:
        found = np.zeros([max(v.shape[i] for v in above.values()) for i in range(5)], np.int32)
        for v in above.values():
            found[tuple(slice(n) for n in v.shape)] += np.abs(v)
    flat: np.ndarray = found.reshape(-1, *found.shape[3:])
    return flat


def _meet(cut: tuple[int, int], spans: list[tuple[int, int]]) -> bool:
    return any(first < cut[1] and cut[0] < last for first, last in spans)
