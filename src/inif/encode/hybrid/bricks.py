"""Bricks of a hybrid as a codec takes them: where they lie, their levels, the order of frames."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from inif.bricks import BrickGrid
from inif.decode.codec import MAX_BRICK
from inif.encode.hybrid.guess import SIDE, Texture
from inif.encode.job import Job
from inif.frames import Geometry, restored, sizes_of

MOST_SAMPLES = 1 << 23
"""Of a brick: 16 MB of 16 bits, of which coding holds ten times that, and its encoder as much."""

MOST_SIDE, WIDE = 2048, 512
"""Of a frame, for which encoders hold a hundred bytes for each sample; and down to which frames are
cut before runs of frames are, whose first frame takes most."""

_LOOK = 8
"""Time points, and depths, that are looked at in the middle of a brick."""


def hybrid_grid(axes: str, shape: tuple[int, ...]) -> BrickGrid:
    """Bricks of whole runs of frames where they fit; channels together, so that they can help."""
    brick = list(shape)
    plane, rows, c = (
        [i for i, a in enumerate(axes) if a in letters] for letters in ("YX", "TZ", "C")
    )

    def halve(some: list[int], least: int) -> bool:
        """Cut the longest of some axes, if a part of it has at least so many samples."""
        longest = max(some, key=lambda i: brick[i], default=-1)
        if longest < 0 or brick[longest] < 2 * least:
            return False
        brick[longest] = math.ceil(brick[longest] / 2)
        return True

    while max(brick[i] for i in plane) > MOST_SIDE:
        halve(plane, 1)
    while math.prod(brick) > MOST_SAMPLES:
        if not (halve(plane, WIDE) or halve(rows, 1) or halve(c, 1)):
            break
    return BrickGrid(shape, tuple(brick))


@dataclass(frozen=True)
class Bricks:
    """The bricks of a job's image.

    Attributes
    ----------
    job, grid
        The image and its cut.
    """

    job: Job
    grid: BrickGrid

    @property
    def axes(self) -> str:
        """Of the image."""
        return self.job.image.axes

    def channels(self, brick: int) -> range:
        """The image's channels in a brick."""
        return self.grid.channels(brick, self.job.image.channel_axis)

    def frames(self, brick: int) -> int:
        """Frames of each stream of a brick."""
        _, t, z, _, _ = sizes_of(self.axes, self.grid.extent(brick))
        return t * z

    def samples(self, brick: int) -> np.ndarray:
        """A brick's original samples, in the image's axes and dtype."""
        return self.job.coded.read(self.grid.slices(brick))

    def levels(self, brick: int, order: str, bits: int) -> list[np.ndarray]:
        """What a codec is given, (N, Y, X) uint16 for each channel of a brick."""
        geometry = self._geometry(brick, self.grid.extent(brick), order)
        stacks = geometry.stacks(self.samples(brick))
        return [geometry.levels(stack, c, bits) for c, stack in enumerate(stacks)]

    def targets(self, brick: int) -> list[np.ndarray]:
        """The original of each channel of a brick, (T, Z, Y, X) float32 from 0 to 1."""
        return self._values(brick, self.grid.slices(brick))

    def middle(self, brick: int) -> list[np.ndarray]:
        """The same of the middle of a brick: at most so many frames that a look takes a moment."""
        most = {"T": _LOOK, "Z": _LOOK, "Y": SIDE, "X": SIDE}
        where = []
        for axis, span in zip(self.axes, self.grid.slices(brick), strict=True):
            length = min(span.stop - span.start, most.get(axis, MAX_BRICK))
            start = span.start + (span.stop - span.start - length) // 2
            where.append(slice(start, start + length))
        return self._values(brick, tuple(where))

    def _values(self, brick: int, where: tuple[slice, ...]) -> list[np.ndarray]:
        data = self.job.coded.read(where)
        geometry = self._geometry(brick, data.shape, "TZ")
        _, t, z, _, _ = geometry.sizes
        stacks = geometry.stacks(data)
        return [restored(geometry.scaled(s, c), t, z, "TZ") for c, s in enumerate(stacks)]

    def _geometry(self, brick: int, shape: tuple[int, ...], order: str) -> Geometry:
        channels = self.channels(brick)
        ranges = self.job.intensities.ranges[channels.start : channels.stop]
        pairs = tuple((float(low), float(high)) for low, high in ranges)
        return Geometry(self.axes, shape, self.job.image.dtype.name, pairs, order)


def textures(middle: list[np.ndarray]) -> list[Texture]:
    """Of each channel's (T, Z, Y, X) values, along the axis that has more frames."""
    stacks = [v[:, 0] if v.shape[0] > v.shape[1] else v[0] for v in middle]
    return [Texture.of(stack) for stack in stacks]


def frame_order(middles: list[list[np.ndarray]]) -> str:
    """How frames follow each other: the next one is that which differs less, time point or depth.

    Every second run goes backwards, so that no step is a jump.
    """
    values = [v for middle in middles for v in middle]
    if not any(v.shape[0] > 1 and v.shape[1] > 1 for v in values):
        return "TZ"
    along = [sum(float(np.abs(np.diff(v, axis=a)).mean()) for v in values) for a in (0, 1)]
    return "ZT~" if along[0] < along[1] else "TZ~"
