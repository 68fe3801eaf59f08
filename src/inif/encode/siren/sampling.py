"""Random voxels of every brick, drawn on the host, so that no coordinate grid is ever built.

Indices are 64-bit NumPy integers and samples are gathered straight from the image (a memory map
will do), so images larger than memory or than 2**31 voxels need nothing special.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from inif.axes import spread
from inif.bricks import BrickGrid
from inif.decode.brick import Intensities
from inif.guidance.boxes import Boxes


@dataclass(frozen=True)
class Sampler:
    """Draws training points from an image.

    Attributes
    ----------
    data
        The image's samples.
    axes
        Its axes.
    grid
        Its bricks.
    intensities
        The range of each channel.
    as_outputs
        Whether one point carries all channels (else C is one more coordinate).
    bricks
        Numbers of the bricks to draw from; all of them by default.
    """

    data: np.ndarray
    axes: str
    grid: BrickGrid
    intensities: Intensities
    as_outputs: bool
    bricks: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not self.bricks:
            object.__setattr__(self, "bricks", tuple(range(len(self.grid))))

    @property
    def outputs(self) -> int:
        """Values per point."""
        return self.data.shape[self.axes.index("C")] if self.packed else 1

    @property
    def packed(self) -> bool:
        """Whether a point carries all channels."""
        return self.as_outputs and "C" in self.axes

    def draw(self, rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Points of every brick.

        Returns
        -------
        coords
            (bricks, count, D) float32 in [-1, 1] over the brick.
        targets
            (bricks, count, outputs) float32 in [-1, 1] over the channel's range.
        """
        extents = self.extents
        local = [
            (rng.random((len(extents), count)) * n[:, None]).astype(np.int64)
            for axis, n in zip(self.axes, extents.T, strict=True)
            if not (axis == "C" and self.packed)
        ]
        return self._gather(local, count)[:2]

    def boxes(self, rng: np.random.Generator, sides: Mapping[str, int]) -> Boxes:
        """A box of every brick, at random; `sides` by the letters of axes, at most a brick's."""
        extents = self.extents
        lengths = tuple(sides.get(a, 1) for a in self.axes)
        count = int(np.prod(lengths))
        grid = np.unravel_index(np.arange(count), lengths)
        local = []
        for axis, n, length, steps in zip(self.axes, extents.T, lengths, grid, strict=True):
            start = (rng.random(len(extents)) * (n - length + 1)).astype(np.int64)
            if not (axis == "C" and self.packed):
                local.append(start[:, None] + steps)
        channel = np.zeros(len(extents), np.int64)
        if self.packed:
            channel = rng.integers(self.outputs, size=len(extents))
        coords, targets, index = self._gather(local, count)
        if "C" in self.axes and not self.packed:
            channel = index[self.axes.index("C")][:, 0, 0]
        where = tuple(i[..., 0] for a, i in zip(self.axes, index, strict=True) if a != "C")
        return Boxes(lengths, coords, targets, channel, where)

    @cached_property
    def extents(self) -> np.ndarray:
        """(bricks, axes) samples of each brick."""
        return np.array([self.grid.extent(b) for b in self.bricks])

    @cached_property
    def origins(self) -> np.ndarray:
        """(bricks, axes) first sample of each brick."""
        return np.array([self.grid.origin(b) for b in self.bricks])

    def _gather(
        self, local: list[np.ndarray], count: int
    ) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
        """Coordinates, targets and indices of voxels; `local` (bricks, count) per coordinate."""
        origins, extents = self.origins, self.extents
        c = self.axes.find("C")
        index: list[np.ndarray] = []
        coords = []
        left = iter(local)
        for i in range(len(self.axes)):
            if i == c and self.packed:
                index.append(np.arange(self.data.shape[c])[None, None])
                continue
            inside = next(left)
            index.append((inside + origins[:, i, None])[..., None])
            coords.append(spread(inside, extents[:, i, None]))
        values = self.data[tuple(index)]
        channel = index[c] if c >= 0 else np.zeros((1, 1, 1), np.int64)
        shape = (len(extents), count)
        stacked = np.stack(coords, axis=2) if coords else np.zeros((*shape, 0), np.float32)
        values = np.broadcast_to(values, (*shape, self.outputs))
        return stacked, self._normalize(values, channel), index

    def _normalize(self, values: np.ndarray, channel: np.ndarray) -> np.ndarray:
        low, high = self.intensities.ranges[channel, 0], self.intensities.ranges[channel, 1]
        half = (high - low) / 2
        safe = np.where(half > 0, half, 1)
        y = np.where(half > 0, (values - (low + half)) / safe, 0)
        return y.astype(np.float32)
