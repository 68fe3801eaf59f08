"""What a guide sees of an image: one box of neighbouring voxels from every brick."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Boxes:
    """One box of neighbouring voxels from every brick.

    Attributes
    ----------
    sides
        Samples along each axis of a box, in the image's order of axes; 1 for those not asked for.
    coords, targets
        (bricks, voxels, D) in [-1, 1] over the brick and (bricks, voxels, outputs) in [-1, 1] over
        the channel's range, both float32; the voxels of a box in C order.
    channel
        (bricks,) which channel's values count.
    index
        Per axis but C (bricks, voxels), where the voxels are in the image.
    """

    sides: tuple[int, ...]
    coords: np.ndarray
    targets: np.ndarray
    channel: np.ndarray
    index: tuple[np.ndarray, ...]
