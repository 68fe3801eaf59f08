"""Random voxels of every brick, drawn on the host, so that no coordinate grid is ever built.

Indices are 64-bit NumPy integers and samples are gathered straight from the image (a memory map
will do), so images larger than memory or than 2**31 voxels need nothing special.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from inif.axes import spread
from inif.bricks import BrickGrid
from inif.decode.brick import Intensities


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
        return self.data.shape[self.axes.index("C")] if self._packed else 1

    @property
    def _packed(self) -> bool:
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
        origins = np.array([self.grid.origin(b) for b in self.bricks])
        extents = np.array([self.grid.extent(b) for b in self.bricks])
        c = self.axes.find("C")
        index: list[np.ndarray] = []
        coords = []
        for i in range(len(self.axes)):
            if i == c and self._packed:
                index.append(np.arange(self.data.shape[c])[None, None])
                continue
            n = extents[:, i, None]
            local = (rng.random((len(extents), count)) * n).astype(np.int64)
            index.append((local + origins[:, i, None])[..., None])
            coords.append(spread(local, n))
        values = self.data[tuple(index)]
        channel = index[c] if c >= 0 else np.zeros((1, 1, 1), np.int64)
        shape = (len(extents), count)
        stacked = np.stack(coords, axis=2) if coords else np.zeros((*shape, 0), np.float32)
        return stacked, self._normalize(np.broadcast_to(values, (*shape, self.outputs)), channel)

    def _normalize(self, values: np.ndarray, channel: np.ndarray) -> np.ndarray:
        low, high = self.intensities.ranges[channel, 0], self.intensities.ranges[channel, 1]
        half = (high - low) / 2
        safe = np.where(half > 0, half, 1)
        y = np.where(half > 0, (values - (low + half)) / safe, 0)
        return y.astype(np.float32)
