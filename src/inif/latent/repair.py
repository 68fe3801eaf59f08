"""The repair: a small pretrained network that corrects what the quantiser left of an image.

It sees each block of 4 × 4 samples with its neighbourhood in units of the step, in stacks and
series also the planes before and after. A gain for each channel says how far to trust it.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files

import numpy as np

from inif.fields.parallel import cores, in_order
from inif.latent import _core
from inif.latent.bands import Sizes
from inif.latent.box import Box

GAIN_PARTS = 64
MOST_GAIN = 2 * GAIN_PARTS
"""A gain is a whole number of 1/64, at most 2."""

_SIDE = 4
"""Of a block; the blocks around it count too."""

_ROWS = 64
"""Rows that a thread takes at once."""


VERSION = "1"
"""The networks that new files are made with."""

FILES = {"1": "nets.bin"}
"""By version. They are part of the format: no version ever changes."""


@lru_cache(maxsize=len(FILES))
def load(name: str = VERSION) -> tuple[bytes, bytes]:
    """The networks of planes and of stacks of a version.

    Raises
    ------
    ValueError
        If there is no such version.
    """
    if name not in FILES:
        raise ValueError(f"networks {name!r} are unknown; known: {', '.join(FILES)}")
    data = (files("inif.latent") / FILES[name]).read_bytes()
    first = _core.REPAIR_BYTES[0]
    return data[:first], data[first:]


def correction(
    y: np.ndarray,
    step: float,
    *,
    nets: tuple[bytes, bytes] | None = None,
    threads: int | None = None,
    planes: tuple[int, int] | None = None,
) -> np.ndarray:
    """What to add to a decoded image, times the gain.

    Parameters
    ----------
    y
        (C, T, Z, Y, X) float32. Blocks begin at its first row and column, as grids do: of a part
        of an image these must be multiples of 4 there.
    step
        Of the quantiser, in the unit of the samples.
    nets
        Networks of planes and of stacks, see `load`.
    threads
        By default as many as there are processors; the result is the same.
    planes
        First and last + 1 along T, or along Z if there is one time point, that are wanted; others
        stay 0.

    Returns
    -------
    The correction, of y's shape, float32.
    """
    c, t, z, h, w = y.shape
    along_time = t > 1
    x = y.transpose(0, 2, 1, 3, 4) if along_time else y
    x = np.ascontiguousarray(x, np.float32).reshape(-1, t if along_time else z, h, w)
    depth = x.shape[1]
    begin, end = planes or (0, depth)
    out = np.empty_like(x) if end - begin == depth else np.zeros_like(x)
    net = (nets or load())[depth > 1]
    workers = threads or cores()
    count = x.shape[0] * (end - begin)
    many = min(end - begin, max(1, count * h // (workers * 4 * _ROWS)))
    jobs = [
        (k * depth + first, k * depth + min(first + many, end), top, min(top + _ROWS, h))
        for k in range(x.shape[0])
        for first in range(begin, end, many)
        for top in range(0, h, _ROWS)
    ]
    for _ in in_order(lambda job: _core.repair(x, step, net, out, *job), jobs, workers=workers):
        pass
    if along_time:
        return np.ascontiguousarray(out.reshape(c, z, t, h, w).transpose(0, 2, 1, 3, 4))
    return out.reshape(y.shape)


def around(box: Box, sizes: Sizes) -> Box:
    """What the correction of a box looks at, in an image of `sizes`: along C, T, Z, Y and X."""
    reach = [0, 1, 0, 0, 0] if sizes[1] > 1 else [0, 0, 1, 0, 0]
    out = [(max(a - r, 0), min(b + r, n)) for (a, b), r, n in zip(box, reach, sizes, strict=True)]
    for axis in (3, 4):
        (a, b), n = box[axis], sizes[axis]
        out[axis] = max(a // _SIDE - 1, 0) * _SIDE, min((-(-b // _SIDE) + 1) * _SIDE, n)
    return tuple(out)


def gains(original: np.ndarray, decoded: np.ndarray, correction: np.ndarray) -> np.ndarray:
    """The gain of each channel in 1/64 that leaves the least squared error, (C,) uint8."""
    return gains_of(products(original, decoded, correction))


def products(original: np.ndarray, decoded: np.ndarray, correction: np.ndarray) -> np.ndarray:
    """Sums of each channel, (2, C): the correction times what is missing, and its square."""
    channels = zip(original, decoded, correction, strict=True)
    return np.array([(np.vdot(r, x - y), np.vdot(r, r)) for x, y, r in channels], np.float64).T


def gains_of(sums: np.ndarray) -> np.ndarray:
    """The gains that `products`, of all parts of an image together, come to: (C,) uint8."""
    missing, square = sums
    best = GAIN_PARTS * missing / np.where(square > 0, square, np.inf)
    out: np.ndarray = np.rint(np.clip(best, 0, MOST_GAIN)).astype(np.uint8)
    return out


def apply(decoded: np.ndarray, correction: np.ndarray, gains: np.ndarray) -> np.ndarray:
    """The repaired image, (C, T, Z, Y, X) float32."""
    factor = gains.astype(np.float32) / np.float32(GAIN_PARTS)
    added: np.ndarray = correction * factor[:, None, None, None, None]
    added += decoded
    return added
