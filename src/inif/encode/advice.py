"""Where storing samples exactly would serve better: said before lossy work, never done unasked."""

from __future__ import annotations

import math

import numpy as np

from inif.config import Target
from inif.container.spec import ENTRY_SIZE
from inif.decode.lossless import HEAD
from inif.encode.lossless import lossless_grid, packed
from inif.image import ImageSource, Region
from inif.labels import Patches, label_channels

_KEEPS = "lossy coding changes labels; --lossless keeps them"
_CHUNKS, _BYTES = 8, 1 << 16
"""Of the sample on which the size of exact samples is tried: chunks, and bytes of each."""

_HEADER = 200
"""Bytes of a file besides its sections, about."""

AS_SMALL = 1.05
"""How much larger than what was asked for still is as small: the estimate is of quick settings."""


def advice(image: ImageSource, target: Target) -> tuple[str, ...]:
    """A sentence where samples should, or might as well, be stored exactly; else nothing.

    Parameters
    ----------
    image
        Checked for lossy methods.
    target
        What is asked for.
    """
    if image.labels:
        return (f"this is a label image by its metadata: {_KEEPS}",)
    if channels := label_channels(image):
        return (f"{_which(image, channels)}: {_KEEPS}",)
    window = target.window(image.raw_bytes)
    if window is None or (exact := estimate(image)) > AS_SMALL * window.most:
        return ()
    return (
        f"stored exactly, this image takes about {exact} bytes, and {window.most} were asked for: "
        "--lossless keeps every sample",
    )


def estimate(image: ImageSource) -> int:
    """Bytes that an image takes if stored exactly, about; tried on a bounded part of it."""
    axes, itemsize = image.axes, image.dtype.itemsize
    grid = lossless_grid(axes, image.shape, itemsize)
    some = np.unique(np.linspace(0, len(grid) - 1, _CHUNKS).astype(int))
    coded = seen = 0
    for brick in some:
        part = image.read(_part(grid.slices(int(brick)), itemsize, len(grid)))
        coded += len(packed(part, axes, 1)[1]) + HEAD.size
        seen += part.nbytes
    return _HEADER + len(grid) * ENTRY_SIZE + math.ceil(coded * image.raw_bytes / seen)


def _part(region: Region, itemsize: int, bricks: int) -> Region:
    """A part of a brick, so that all that is tried is of bounded size."""
    out = list(region)
    while (size := itemsize * math.prod(s.stop - s.start for s in out)) > _BYTES:
        if bricks * size <= _CHUNKS * _BYTES:
            break
        longest = max(range(len(out)), key=lambda i: out[i].stop - out[i].start)
        length = out[longest].stop - out[longest].start
        start = out[longest].start + length // 4
        out[longest] = slice(start, start + length // 2)
    return tuple(out)


def _which(image: ImageSource, channels: dict[int, Patches]) -> str:
    """The sentence's subject: what looks like labels, and how many values were seen."""
    most = max(channels.values(), key=lambda p: p.values)
    count = f"{most.values} values{'' if most.whole else ' or more'} in flat patches"
    if image.n_channels == 1:
        return f"this looks like a label image ({count})"
    names = ", ".join(map(str, channels))
    if len(channels) == 1:
        return f"channel {names} looks like labels ({count})"
    return f"channels {names} look like labels ({count})"
