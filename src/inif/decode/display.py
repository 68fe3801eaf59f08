"""Display limits: what of the range of samples a viewer should show to begin with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from inif.errors import FormatError

if TYPE_CHECKING:
    from inif.decode.file import File

SHARES = (0.01, 0.998)
"""Of all samples of a channel, those that are black, and those that are below white."""

Window = tuple[float, float]


def limits(samples: np.ndarray) -> Window | None:
    """Lowest and highest sample to show, of finite samples (N,); None where all are the same.

    Where nearly all samples are the same, as in images of a few spots, it is the whole range.
    """
    if samples.dtype.kind == "f":
        samples = samples[np.isfinite(samples)]
    if not samples.size:
        return None
    low, high = map(float, np.quantile(samples, SHARES))
    if low >= high:
        low, high = float(samples.min()), float(samples.max())
    return (low, high) if low < high else None


def windows_of(file: File) -> tuple[Window, ...]:
    """Of each channel the limits that the file states, or those of what it shows in the middle."""
    stated = file.stated_windows or [None] * file.sizes.get("C", 1)
    ranges = [(float(low), float(high)) for low, high in file.header["range"]]
    found: list[Window] = []
    for channel, pair in enumerate(stated):
        shown = (float(pair[0]), float(pair[1])) if pair else _seen(file, channel)
        found.append(shown or ranges[channel])
    return tuple(found)


def _seen(file: File, channel: int) -> Window | None:
    """The limits of the middle plane of a channel, at the smallest level.

    None of labels, and where the plane is damaged: whoever looks at it is told.
    """
    if file.dtype.kind == "b" or (file.exact and file.dtype.itemsize > 2):
        return None
    level = file.levels[-1]
    middle = {"C": channel, "T": file.sizes.get("T", 1) // 2, "Z": file.sizes.get("Z", 1) // 2}
    key = tuple(middle.get(a, slice(None)) for a in file.axes)
    try:
        return limits(np.asarray(level[key]).reshape(-1))
    except FormatError:
        return None
