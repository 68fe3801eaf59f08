"""The brick grid: how an image is cut into boxes that are coded, and decoded, each on its own.

Bricks are numbered in C order; the last one along an axis may be shorter. Encoder, decoder and
verifier share this geometry and nothing else.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from inif.axes import Selection

PART = 1 << 24
"""Bytes of samples that are read at once, at most."""


@dataclass(frozen=True)
class Piece:
    """The part of a selection that lies in one brick.

    Attributes
    ----------
    brick
        The brick's number.
    local
        For each axis, the wanted positions within the brick, (n,) int64.
    out
        Where they go in the selection's full (undropped) result.
    """

    brick: int
    local: tuple[np.ndarray, ...]
    out: tuple[slice, ...]


@dataclass(frozen=True)
class BrickGrid:
    """An image's shape and the shape of its bricks, axis by axis."""

    shape: tuple[int, ...]
    brick: tuple[int, ...]

    @property
    def counts(self) -> tuple[int, ...]:
        """Bricks along each axis."""
        return tuple(math.ceil(n / b) for n, b in zip(self.shape, self.brick, strict=True))

    def __len__(self) -> int:
        return math.prod(self.counts)

    def origin(self, brick: int) -> tuple[int, ...]:
        """First sample of a brick along each axis."""
        index = np.unravel_index(brick, self.counts)
        return tuple(int(i) * b for i, b in zip(index, self.brick, strict=True))

    def extent(self, brick: int) -> tuple[int, ...]:
        """Samples of a brick along each axis."""
        origin = self.origin(brick)
        return tuple(min(b, n - o) for b, n, o in zip(self.brick, self.shape, origin, strict=True))

    def channels(self, brick: int, axis: int | None) -> range:
        """The image's channels in a brick; channel 0 where there is no C axis (None or -1)."""
        if axis is None or axis < 0:
            return range(1)
        first = self.origin(brick)[axis]
        return range(first, first + self.extent(brick)[axis])

    @property
    def voxels(self) -> np.ndarray:
        """Samples of every brick: (bricks,) float64."""
        return np.array([math.prod(self.extent(b)) for b in range(len(self))], np.float64)

    def slices(self, brick: int) -> tuple[slice, ...]:
        """The brick as a slice of the image."""
        return tuple(
            slice(o, o + e) for o, e in zip(self.origin(brick), self.extent(brick), strict=True)
        )

    def pieces(self, selection: Selection) -> Iterator[Piece]:
        """Cut a selection into the bricks it touches."""
        per_axis = [
            list(_runs(np.arange(r.start, r.stop, r.step, dtype=np.int64), b))
            for r, b in zip(selection.ranges, self.brick, strict=True)
        ]
        for runs in itertools.product(*per_axis):
            index = tuple(run[0] for run in runs)
            yield Piece(
                int(np.ravel_multi_index(index, self.counts)),
                tuple(run[1] for run in runs),
                tuple(run[2] for run in runs),
            )

    def locate(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """For (N, D) positions in samples: their bricks (N,), positions within them (N, D)."""
        index = np.floor(points).astype(np.int64) // np.array(self.brick)
        index = np.clip(index, 0, np.array(self.counts) - 1)
        bricks = np.ravel_multi_index(tuple(index.T), self.counts)
        return bricks, points - index * np.array(self.brick)


def plan(axes: str, shape: Sequence[int], wanted: int, *, whole: str = "") -> BrickGrid:
    """A grid of at least `wanted` bricks, as near to cubes (in samples) as halving gets them.

    Axes named in `whole` are never cut. Fewer bricks result where every axis is down to 8 samples.
    """
    parts = [1] * len(shape)
    while math.prod(parts) < wanted:
        sizes = [math.ceil(n / p) for n, p in zip(shape, parts, strict=True)]
        candidates = [i for i, a in enumerate(axes) if a not in whole and sizes[i] >= 16]
        if not candidates:
            break
        longest = max(candidates, key=lambda i: sizes[i])
        parts[longest] += 1
    brick = tuple(math.ceil(n / p) for n, p in zip(shape, parts, strict=True))
    return BrickGrid(tuple(shape), brick)


def parts_of(shape: Sequence[int], itemsize: int, most: int = PART) -> Iterator[tuple[slice, ...]]:
    """Regions of at most `most` bytes, if a row is no longer, that cover an image in C order."""
    axis, inner = len(shape) - 1, itemsize
    while axis > 0 and inner * shape[axis] <= most:
        inner *= shape[axis]
        axis -= 1
    rows = max(most // inner, 1)
    for index in np.ndindex(*shape[:axis]):
        for start in range(0, shape[axis], rows):
            yield (
                *(slice(i, i + 1) for i in index),
                slice(start, min(start + rows, shape[axis])),
                *(slice(0, n) for n in shape[axis + 1 :]),
            )


def _runs(index: np.ndarray, size: int) -> Iterator[tuple[int, np.ndarray, slice]]:
    """Split monotonic indices where they pass from one brick to the next."""
    if not index.size:
        return
    owner = index // size
    starts = np.flatnonzero(np.diff(owner, prepend=-1))
    for begin, end in zip(starts, [*starts[1:], index.size], strict=True):
        brick = int(owner[begin])
        yield brick, index[begin:end] - brick * size, slice(int(begin), int(end))
