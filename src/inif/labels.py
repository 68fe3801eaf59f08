"""Is this a label image? Then its numbers are names of objects, not brightness, and must stay.

Labels and masks lie in flat patches of exactly equal samples with sharp borders. Brightness does
not: it has noise, or slopes, or both. So a look at the borders between patches tells one from the
other, whatever the values are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from inif.image import ImageSource

_SAMPLES, _PLANES, _SIDE = 1 << 21, 8, 128
"""What is looked at, at most: samples of an image (but this many of each plane along Y and X), and
planes of a channel."""

_LEAST_BORDER = 12
_LEAST_RUN = 4.5
"""Mean length of a run of equal samples along a row or a column. Intensities that were enlarged by
repeating samples have runs of 2 to 4."""

_LEAST_SOLID, _MOST_LONE = 0.6, 0.05
"""Of the samples at borders: at least this share lies in a square of 2 × 2 equal ones, as in any
patch but a thread, and at most this share has no equal neighbour, as most samples of a noisy or a
blurred border."""

_MANY, _LEAST_JUMPS = 3, 0.25
"""With more values than this, at least this share of the borders is between values that are not
next to each other: a slope of few grey levels has steps, labels have jumps."""


@dataclass(frozen=True)
class Patches:
    """What was found where samples lie in flat patches.

    Attributes
    ----------
    values
        How many different ones were seen.
    whole
        Whether all samples were looked at.
    """

    values: int
    whole: bool


@dataclass
class _Borders:
    """Counts over the planes of a channel."""

    samples: int = 0
    lines: int = 0
    borders: int = 0
    at_border: int = 0
    solid: int = 0
    lone: int = 0
    jumps: int = 0

    def add(self, plane: np.ndarray) -> None:
        """Count the borders of a (Y, X) plane of ranks: 0 for the lowest value, and so on."""
        below, right = plane[1:] == plane[:-1], plane[:, 1:] == plane[:, :-1]
        like = np.zeros(plane.shape, np.uint8)  # how many of four neighbours are equal
        there = np.full(plane.shape, 4, np.uint8)
        like[1:] += below
        like[:-1] += below
        like[:, 1:] += right
        like[:, :-1] += right
        there[[0, -1]] -= 1
        there[:, [0, -1]] -= 1
        square = below[:, 1:] & below[:, :-1] & right[1:]
        solid = np.zeros(plane.shape, bool)
        for rows in (slice(1, None), slice(None, -1)):
            for columns in (slice(1, None), slice(None, -1)):
                solid[rows, columns] |= square
        border = like < there
        self.samples += plane.size
        self.lines += sum(plane.shape)
        self.borders += below.size + right.size - int(below.sum()) - int(right.sum())
        self.at_border += int(border.sum())
        self.solid += int((border & solid).sum())
        self.lone += int((like == 0).sum())
        for step, same in ((np.diff(plane, axis=0), below), (np.diff(plane, axis=1), right)):
            self.jumps += int((np.abs(step[~same]) > 1).sum())

    def patches(self, count: int) -> bool:
        """Whether these are the borders of flat patches with so many values."""
        runs = 2 * self.samples / (self.borders + self.lines)
        return (
            self.at_border >= _LEAST_BORDER
            and runs >= _LEAST_RUN
            and self.solid >= _LEAST_SOLID * self.at_border
            and self.lone <= _MOST_LONE * self.at_border
            and (count <= _MANY or self.jumps >= _LEAST_JUMPS * self.borders)
        )


def flat_patches(planes: list[np.ndarray]) -> int:
    """How many values the planes of one channel have, if they lie in flat patches; else 0.

    Parameters
    ----------
    planes
        (Y, X) samples each, of any type; floating-point labels must be whole numbers.
    """
    found = _Borders()
    seen: set[float] = set()
    for plane in planes:
        if min(plane.shape) < 2:
            continue
        if 2 * np.count_nonzero(plane[:, 1:] == plane[:, :-1]) < plane.size // 2:  # as most images
            return 0
        if plane.dtype.kind == "f" and not np.array_equal(np.rint(plane), plane):  # nor with NaN
            return 0
        values, ranks = np.unique(plane, return_inverse=True)
        seen |= set(values.tolist())
        found.add(ranks.reshape(plane.shape))
    return len(seen) if len(seen) > 1 and found.patches(len(seen)) else 0


def label_channels(image: ImageSource) -> dict[int, Patches]:
    """The channels that look like labels or masks, by number; a bounded sample is looked at."""
    if not {"Y", "X"} <= set(image.axes) or image.dtype.kind not in "biuf":
        return {}
    out = {}
    for c in range(image.n_channels):
        planes = middles(image, c)
        if count := flat_patches(planes):
            whole = sum(p.size for p in planes) == math.prod(image.shape) // image.n_channels
            out[c] = Patches(count, whole)
    return out


def middles(image: ImageSource, channel: int) -> list[np.ndarray]:
    """The middle of some planes, (Y, X) each, of a channel of an image with axes Y and X."""
    axes, sizes = image.axes, dict(zip(image.axes, image.shape, strict=True))
    others = [sizes[a] for a in "TZ" if a in axes]
    places = list(np.ndindex(*others))
    picked = [places[i] for i in np.unique(np.linspace(0, len(places) - 1, _PLANES).astype(int))]
    side = max(_SIDE, math.isqrt(_SAMPLES // (image.n_channels * len(picked))))
    ends = [i for i, a in enumerate(axes) if a in "YX"]
    planes = []
    for place in picked:
        at = dict(zip([a for a in "TZ" if a in axes], place, strict=True)) | {"C": channel}
        where = [_middle(sizes[a], side) if a in "YX" else slice(at[a], at[a] + 1) for a in axes]
        plane = image.read(tuple(where)).reshape([where[i].stop - where[i].start for i in ends])
        planes.append(plane if axes.index("Y") < axes.index("X") else plane.T)
    return planes


def _middle(length: int, side: int) -> slice:
    """The middle of an axis, at most so many samples."""
    start = max(0, (length - side) // 2)
    return slice(start, min(start + side, length))
