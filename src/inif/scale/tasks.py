"""What workers are told: an array, how it is coded, and which shard or chunk of it.

All of it pickles to little; a source is opened by the worker that reads from it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from inif.encode.chunk import Chunk, ChunkCoder
from inif.image import Region
from inif.scale.plan import ArrayPlan
from inif.scale.source import ArraySource


@dataclass(frozen=True)
class Array:
    """What tasks need to know of an array.

    Attributes
    ----------
    path
        In the store.
    axes, shape, dtype, chunks, shards, source, fill_value
        As `inif.scale.plan.ArrayPlan` has them.
    """

    path: str
    axes: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    chunks: tuple[int, ...]
    shards: tuple[int, ...]
    source: ArraySource
    fill_value: Any

    def grid(self, parts: tuple[int, ...]) -> tuple[int, ...]:
        """How many chunks or shards there are along each axis."""
        return tuple(-(-n // part) for n, part in zip(self.shape, parts, strict=True))

    def region(self, place: tuple[int, ...], parts: tuple[int, ...]) -> Region:
        """The samples of a chunk or shard, without those beyond the array."""
        return tuple(
            slice(k * part, min((k + 1) * part, n))
            for k, part, n in zip(place, parts, self.shape, strict=True)
        )

    @property
    def per_shard(self) -> tuple[int, ...]:
        """Chunks of a shard along each axis."""
        return tuple(s // c for s, c in zip(self.shards, self.chunks, strict=True))

    @property
    def index(self) -> int:
        """Bytes of a shard's index."""
        return 16 * math.prod(self.per_shard) + 4

    def key(self, place: tuple[int, ...]) -> str:
        """Of a shard's file in the store."""
        return "/".join([*filter(None, [self.path]), "c", *map(str, place)])

    def channels(self, region: Region) -> range:
        """Of a region; one where there is no C."""
        c = self.axes.find("C")
        return range(1) if c < 0 else range(region[c].start, region[c].stop)

    def chunks_of(self, place: tuple[int, ...]) -> Iterator[tuple[int, tuple[int, ...]]]:
        """For each chunk of a shard that the array has: its number in the index, its place."""
        grid = self.grid(self.chunks)
        for number, own in enumerate(itertools.product(*map(range, self.per_shard))):
            at = tuple(p * n + k for p, n, k in zip(place, self.per_shard, own, strict=True))
            if all(k < n for k, n in zip(at, grid, strict=True)):
                yield number, at


def array_of(plan: ArrayPlan) -> Array:
    """What workers know of an array."""
    return Array(
        *(plan.path, plan.axes, plan.shape, plan.dtype, plan.chunks, plan.shards),
        *(plan.source, plan.fill_value),
    )


@dataclass(frozen=True)
class Unread:
    """A source of which nothing is read: little to send, where a real one is large."""

    def read(self, region: Region) -> np.ndarray:
        """As of every source."""
        raise NotImplementedError


@dataclass(frozen=True)
class Way:
    """How samples are coded.

    Attributes
    ----------
    steps
        In counts, of each channel of the array; empty where something else is asked for.
    max_error
        By how much no sample may be off; None where that is not asked for either: then exact.
    effort
        1 to 9.
    """

    steps: tuple[float, ...] = ()
    max_error: float | None = None
    effort: int = 1

    def chunk(self, array: Array, samples: np.ndarray, channels: range) -> Chunk:
        """A chunk that is to be coded so."""
        steps = tuple(self.steps[c] for c in channels) if self.steps else None
        coder = ChunkCoder(
            array.axes,
            array.dtype,
            steps=steps,
            max_error=self.max_error,
            lossless=steps is None and self.max_error is None,
            effort=self.effort,
        )
        return coder.chunk(samples, array.chunks)


@dataclass(frozen=True)
class Shard:
    """A shard that is to be written.

    Attributes
    ----------
    store
        Folder of the store.
    array, place, way
        Which one, and how it is coded.
    stretch
        Bytes over those that the steps give.
    attempt
        How often it has failed before.
    """

    store: str
    array: Array
    place: tuple[int, ...]
    way: Way
    stretch: float = 1.0
    attempt: int = 0


@dataclass(frozen=True)
class Try:
    """A chunk that stands for others.

    Attributes
    ----------
    array, place, way
        Which one, and how it would be coded.
    """

    array: Array
    place: tuple[int, ...]
    way: Way
