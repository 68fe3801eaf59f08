"""Outliers set apart before an image is coded: kept exactly, and replaced by what is around them.

Then a channel's range is that of its other samples, and no codec meets a step of a thousand ranges.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from inif.container.spec import ENTRY_SIZE
from inif.decode.apart import MAX_COUNT, pack
from inif.image import Image
from inif.outliers import NO_OUTLIERS, Extremes, Outliers, far_values

_BUDGET_SHARE, _FREE_BYTES = 0.02, 64
"""Of the file, and bytes of a small one, that outliers may take."""

_REACH = 2
_PART = 1 << 22


@dataclass(frozen=True)
class Apart:
    """An image without its outliers.

    Attributes
    ----------
    image
        With what is around them in their places; the image itself where there are none.
    outliers
        What is kept exactly.
    remarks
        A sentence for each channel that has some.
    """

    image: Image
    outliers: Outliers
    remarks: tuple[str, ...] = ()


def set_apart(image: Image, budget: int) -> Apart:
    """An image, for a file of about `budget` bytes, without its outliers.

    Where keeping them would take more than 2 % of the file (or 64 bytes, if that is more), they are
    left where they are, and the remarks say so. They also say where one value that many samples
    have lies far from all others.
    """
    found, remarks, lows = [], [], []
    many: list[str] = []
    for index, channel in enumerate(image.each_channel()):
        extremes = Extremes(channel.size)
        flat = channel.reshape(-1)
        for start in range(0, flat.size, _PART):
            extremes.add(flat[start : start + _PART])
        low, high = extremes.inner
        lows.append(low)
        whose = f" of channel {index}" if image.n_channels > 1 else ""
        many += _of_one_value(flat, low, high, whose)
        far = np.flatnonzero((flat < low) | (flat > high))
        if not far.size:
            continue
        place = list(np.unravel_index(far, channel.shape))
        if image.channel_axis is not None:
            place.insert(image.channel_axis, np.full(far.size, index))
        found.append(np.ravel_multi_index(tuple(place), image.data.shape))
        values = flat[far]
        remarks.append(_sentence(values, low, high, whose))
    if not found:
        return Apart(image, NO_OUTLIERS, tuple(many))
    positions = np.sort(np.concatenate(found))
    outliers = Outliers(positions, image.data.reshape(-1)[positions])
    size = len(pack(outliers)) + ENTRY_SIZE
    if size > max(_BUDGET_SHARE * budget, _FREE_BYTES) or len(positions) > MAX_COUNT:
        wide = f"keeping them exactly would take {size} bytes, so that they span the range"
        return Apart(image, NO_OUTLIERS, (*(f"{text}: {wide}" for text in remarks), *many))
    kept = "kept exactly, and left out of the range"
    told = (*(f"{text}: {kept}" for text in remarks), *many)
    return Apart(_filled(image, positions, lows), outliers, told)


def _of_one_value(flat: np.ndarray, low: float, high: float, whose: str) -> list[str]:
    """The remark on a value of many samples that lies far from the others, if there is one.

    `low` and `high` are of the samples without outliers.
    """
    inner: tuple[float, float] | None = None
    parts = [flat[start : start + _PART] for start in range(0, flat.size, _PART)]
    for part in parts:
        between = part[(part > low) & (part < high)]
        if between.size:
            a, b = inner or (np.inf, -np.inf)
            inner = min(a, float(between.min())), max(b, float(between.max()))
    values, lowest, highest = far_values(low, high, inner)
    if not values:
        return []
    share = sum(np.count_nonzero(part == v) for part in parts for v in values) / flat.size
    return [
        f"{100 * share:.2g} % of the samples{whose} are {' or '.join(f'{v:g}' for v in values)}, "
        f"far from the others ({lowest:g} … {highest:g}), and span the range: the others may lose "
        "their detail; give them a value near the others first, or keep all with --lossless"
    ]


def _sentence(values: np.ndarray, low: float, high: float, whose: str) -> str:
    """Which samples are meant."""
    different = np.unique(values)
    named = ", ".join(f"{v:g}" for v in different[:3]) + (", …" if len(different) > 3 else "")
    samples = "1 sample" if len(values) == 1 else f"{len(values)} samples"
    lie = "lies" if len(values) == 1 else "lie"
    return (
        f"{samples}{whose} {lie} far from the others ({named}; the others span {low:g} … {high:g})"
    )


def _filled(image: Image, positions: np.ndarray, lows: list[float]) -> Image:
    """The image with the middle one of the samples around each outlier in its place.

    Where all around are outliers too, it is the lowest sample of the channel that is none.
    """
    data = image.data.copy()
    shape, axes = data.shape, image.axes
    planar = [a for a in "YX" if a in axes] or [axes[-1]]
    missing = np.zeros(shape, bool)
    missing.reshape(-1)[positions] = True
    for place in np.stack(np.unravel_index(positions, shape), axis=1).tolist():
        window = tuple(
            slice(max(0, n - _REACH), n + _REACH + 1) if a in planar else slice(n, n + 1)
            for a, n in zip(axes, place, strict=True)
        )
        around = image.data[window][~missing[window]]
        c = image.channel_axis
        lowest = lows[0 if c is None else place[c]]
        data[tuple(place)] = np.sort(around)[around.size // 2] if around.size else lowest
    return image.with_data(data)
