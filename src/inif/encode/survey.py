"""One pass over an image, part by part: what its header states, and which samples lie far off.

Outliers are kept exactly, and replaced by what is around them. Then a channel's range is that of
its other samples, and no codec meets a step of a thousand ranges.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from inif.bricks import parts_of
from inif.decode.apart import MAX_COUNT, pack
from inif.decode.check import little_endian
from inif.decode.display import Window, limits
from inif.image import ImageSource, Metadata, Region, need_finite
from inif.outliers import NO_OUTLIERS, Extremes, Outliers, far_values

_BUDGET_SHARE, _FREE_BYTES = 0.02, 64
"""Of the file, and bytes of a small one, that outliers may take."""

_ENTRY = 12
"""Bytes that a section costs besides its payload, about."""

_SEEN = 1 << 16
"""Samples of a channel, at most, that display limits follow from."""

_REACH = 2
"""Samples along Y and X, around an outlier, of which the middle one takes its place."""

Range = list[float | int]


@dataclass(frozen=True)
class Survey:
    """What is known of an image before it is coded.

    Attributes
    ----------
    image
        With what is around outliers in their places; the image itself where there are none.
    ranges
        Lowest and highest sample of each channel of `image`, as the header states them.
    digest
        SHA-256 of the image's samples, in C order, little endian.
    windows
        Display limits of each channel; None of a channel of one value. None at all of labels.
    outliers
        What is kept exactly.
    remarks
        A sentence for each channel that has outliers, or one value of many samples far off.
    """

    image: ImageSource
    ranges: list[Range]
    digest: str
    windows: tuple[Window | None, ...] = ()
    outliers: Outliers = NO_OUTLIERS
    remarks: tuple[str, ...] = ()


def survey(
    image: ImageSource,
    *,
    exact: bool = False,
    budget: int | None = None,
    report: Callable[[int, int], None] = lambda done, of: None,
) -> Survey:
    """Read an image once, and once more where some of its samples lie far from all others.

    Parameters
    ----------
    exact
        Whether samples may be NaN or infinite.
    budget
        Bytes of the file, of which outliers may take 2 % (or 64 bytes, if that is more); where that
        is not enough they are left where they are, and the remarks say so. None: none are looked
        for.
    report
        Called with parts done and their number.

    Raises
    ------
    InputError
        A sample that is no number, and may not be.
    """
    c, count = image.channel_axis, image.n_channels
    channel_size = math.prod(image.shape) // count
    found = [_Channel(Extremes(channel_size)) for _ in range(count)]
    digest = hashlib.sha256()
    regions = list(parts_of(image.shape, image.dtype.itemsize))
    for number, region in enumerate(regions):
        samples = image.read(region)
        digest.update(little_endian(samples))
        if not exact:
            need_finite(samples, image.axes, region[0].start, file=image.source)
        for channel, part in _by_channel(samples, region, c):
            found[channel].add(part, extremes=budget is not None)
        report(number + 1, len(regions))
    ranges = [one.range(image.dtype) for one in found]
    labels = image.labels or image.dtype.kind == "b"
    windows = () if labels else tuple(one.window(image.dtype) for one in found)
    plain = Survey(image, ranges, digest.hexdigest(), windows)
    if budget is None:
        return plain
    inner = [one.extremes.inner for one in found]
    if all(one.is_plain(limits) for one, limits in zip(found, inner, strict=True)):
        return plain
    return _set_apart(plain, inner, budget)


@dataclass
class _Channel:
    """What is found of a channel, fed part by part.

    Attributes
    ----------
    extremes
        Its lowest and highest samples.
    low, high
        The two lowest and the two highest values, fewer where there are no more.
    seen
        Some samples of each part, far enough from each other.
    """

    extremes: Extremes
    low: list[Any] = field(default_factory=list)
    high: list[Any] = field(default_factory=list)
    seen: list[np.ndarray] = field(default_factory=list)

    def add(self, part: np.ndarray, *, extremes: bool) -> None:
        """Take in some samples."""
        if part.dtype.kind == "f" and not (finite := np.isfinite(part)).all():
            part = part[finite]
        if not part.size:
            return
        every = self.extremes.size // _SEEN | 1  # odd, so that it does not follow a column
        self.seen.append(part[::every].copy())
        low, high = part.min(), part.max()
        lows, highs = [*self.low, low], [*self.high, high]
        if extremes:
            self.extremes.add(part)
            if low < high:
                lows.append(part[part > low].min())
                highs.append(part[part < high].max())
        self.low = sorted(set(lows))[:2]
        self.high = sorted(set(highs), reverse=True)[:2]

    def range(self, dtype: np.dtype[Any]) -> Range:
        """As the header states it; zeros where no sample is finite."""
        return [number(self.low[0]), number(self.high[0])] if self.low else [0, 0]

    def window(self, dtype: np.dtype[Any]) -> Window | None:
        """Display limits, of so many digits as an eye can tell apart."""
        found = limits(np.concatenate(self.seen)) if self.seen else None
        if found is None:
            return None
        low, high = found
        digits = 2 - math.floor(math.log10(high - low))
        if dtype.kind in "iu":
            digits = min(digits, 0)
        low, high = round(low, digits), round(high, digits)
        return (int(low), int(high)) if dtype.kind in "iu" else (low, high)

    def is_plain(self, inner: tuple[float, float]) -> bool:
        """Whether no sample lies far from all others, and no value either."""
        low, high = float(self.low[0]), float(self.high[0])
        if inner != (low, high):
            return False
        between = None
        if low < high and float(self.low[1]) < high:
            between = float(self.low[1]), float(self.high[1])
        return not far_values(low, high, between)[0]


def _set_apart(plain: Survey, inner: list[tuple[float, float]], budget: int) -> Survey:
    """The survey of an image of which some samples, or values, lie far off: by another pass."""
    image, c = plain.image, plain.image.channel_axis
    places: list[np.ndarray] = []
    values: list[list[np.ndarray]] = [[] for _ in inner]
    between: list[tuple[float, float] | None] = [None] * len(inner)
    ends = [[0, 0] for _ in inner]
    for region in parts_of(image.shape, image.dtype.itemsize):
        samples = image.read(region)
        far = np.zeros(samples.shape, bool)
        for channel, part, where in _with_place(samples, region, c):
            low, high = inner[channel]
            far[where] = (part < low) | (part > high)
            values[channel].append(part[far[where]])
            ends[channel][0] += int(np.count_nonzero(part == low))
            ends[channel][1] += int(np.count_nonzero(part == high))
            middle = part[(part > low) & (part < high)]
            if middle.size:
                a, b = between[channel] or (math.inf, -math.inf)
                between[channel] = min(a, float(middle.min())), max(b, float(middle.max()))
        own = np.argwhere(far) + [one.start for one in region]
        places.append(np.ravel_multi_index(tuple(own.T), image.shape).astype(np.int64))
    size = math.prod(image.shape) // len(inner)
    remarks: list[str] = []
    many: list[str] = []
    for channel, (low, high) in enumerate(inner):
        whose = f" of channel {channel}" if len(inner) > 1 else ""
        own_values = np.concatenate(values[channel])
        if own_values.size:
            remarks.append(_sentence(own_values, low, high, whose))
        many += _of_one_value(low, high, between[channel], ends[channel], size, whose)
    positions = np.sort(np.concatenate(places))
    if not positions.size:
        return replace(plain, remarks=tuple(many))
    found = Outliers(positions, _samples_at(image, positions))
    cost = len(pack(found)) + _ENTRY
    if cost > max(_BUDGET_SHARE * budget, _FREE_BYTES) or len(positions) > MAX_COUNT:
        wide = f"keeping them exactly would take {cost} bytes, so that they span the range"
        return replace(plain, remarks=(*(f"{text}: {wide}" for text in remarks), *many))
    kept = "kept exactly, and left out of the range"
    told = (*(f"{text}: {kept}" for text in remarks), *many)
    scalar = image.dtype.type
    ranges = [[number(scalar(low)), number(scalar(high))] for low, high in inner]
    filled = Filled.of(image, positions, [low for low, _ in inner])
    return Survey(filled, ranges, plain.digest, plain.windows, found, told)


@dataclass(frozen=True)
class Filled:
    """An image with other samples in some places.

    Attributes
    ----------
    original
        The image.
    samples
        What is in these places.
    """

    original: ImageSource
    samples: Outliers
    axes: str = field(init=False)
    shape: tuple[int, ...] = field(init=False)
    dtype: np.dtype[Any] = field(init=False)
    meta: Metadata = field(init=False)
    source: str | None = field(init=False)
    remarks: tuple[str, ...] = field(init=False)
    labels: bool | None = field(init=False)
    block: tuple[int, ...] | None = field(init=False)
    windows: tuple[tuple[float, float], ...] = field(init=False)
    channel_axis: int | None = field(init=False)
    n_channels: int = field(init=False)
    raw_bytes: int = field(init=False)

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            if name not in ("original", "samples"):
                object.__setattr__(self, name, getattr(self.original, name))

    def read(self, region: Region) -> np.ndarray:
        """As of every `ImageSource`."""
        out = self.original.read(region).copy()
        self.samples.put(out, tuple(range(s.start, s.stop) for s in region), self.shape)
        return out

    def late_remarks(self) -> tuple[str, ...]:
        """As of every `ImageSource`."""
        return self.original.late_remarks()

    @classmethod
    def of(cls, image: ImageSource, positions: np.ndarray, lows: list[float]) -> Filled:
        """The image with the middle one of the samples around each position in its place.

        Where all around are outliers too, it is the lowest sample of the channel that is none.
        """
        shape, axes = image.shape, image.axes
        planar = [a for a in "YX" if a in axes] or [axes[-1]]
        values = []
        for place in np.stack(np.unravel_index(positions, shape), axis=1).tolist():
            window = tuple(
                slice(max(0, n - _REACH), min(n + _REACH + 1, size))
                if a in planar
                else slice(n, n + 1)
                for a, n, size in zip(axes, place, shape, strict=True)
            )
            around = image.read(window)
            grid = np.meshgrid(*[np.arange(s.start, s.stop) for s in window], indexing="ij")
            known = np.isin(np.ravel_multi_index(tuple(grid), shape), positions, invert=True)
            sound = around[known]
            c = image.channel_axis
            lowest = lows[0 if c is None else place[c]]
            values.append(np.sort(sound)[sound.size // 2] if sound.size else lowest)
        return cls(image, Outliers(positions, np.array(values, image.dtype)))


def _samples_at(image: ImageSource, positions: np.ndarray) -> np.ndarray:
    """The samples at some positions, one by one."""
    places = np.stack(np.unravel_index(positions, image.shape), axis=1).tolist()
    read = partial(_sample, image)
    return np.array([read(place) for place in places], image.dtype)


def _sample(image: ImageSource, place: list[int]) -> Any:
    return image.read(tuple(slice(n, n + 1) for n in place)).reshape(-1)[0]


def _by_channel(
    samples: np.ndarray, region: Region, c: int | None
) -> Iterator[tuple[int, np.ndarray]]:
    """The samples of each channel in a region, (N,)."""
    for channel, part, _ in _with_place(samples, region, c):
        yield channel, part.reshape(-1)


def _with_place(
    samples: np.ndarray, region: Region, c: int | None
) -> Iterator[tuple[int, np.ndarray, Any]]:
    """Each channel in a region: its number, its samples, and where they are in the region."""
    if c is None:
        yield 0, samples, ...
        return
    for i in range(samples.shape[c]):
        where: Any = (*[slice(None)] * c, i)
        yield region[c].start + i, samples[where], where


def _of_one_value(
    low: float,
    high: float,
    inner: tuple[float, float] | None,
    ends: list[int],
    size: int,
    whose: str,
) -> list[str]:
    """The remark on a value of many samples that lies far from the others, if there is one."""
    values, lowest, highest = far_values(low, high, inner)
    if not values:
        return []
    share = sum(ends[0] if v == low else ends[1] for v in values) / size
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


def number(value: Any) -> float | int:
    """A sample as JSON: floats by the shortest text that gives the same sample."""
    return float(str(value)) if isinstance(value, np.floating) else int(value)
