"""What the repair of a hybrid sees: the decoded codec around each block of 2 × 2 samples.

The values are taken relative to the block's own mean and in units of its own contrast, so that one
network serves all images. Absent neighbours (an image without time points, say) are zeros.
See docs/format.md, "The repair".
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from inif.fields.parallel import cores

MARGIN = 3
"""Blocks around a region that its inputs reach."""

Taps = tuple[tuple[int, int], ...]


def _square(low: int, high: int) -> Taps:
    return tuple((y, x) for y in range(low, high + 1) for x in range(low, high + 1))


OWN, NEAR, CORE, HALF = _square(-2, 3), _square(-1, 2), _square(0, 1), _square(-3, 3)

GROUPS: tuple[tuple[str, Taps], ...] = (
    ("own", OWN),
    ("half", HALF),
    ("z-1", NEAR),
    ("z+1", NEAR),
    ("z-2", CORE),
    ("z+2", CORE),
    ("t-1", NEAR),
    ("t+1", NEAR),
    ("partner", NEAR),
)
"""Inputs by group: offsets (y, x) from a block's first sample, of ``half`` in blocks."""

COLUMNS: tuple[tuple[str, int, int], ...] = tuple((g, y, x) for g, taps in GROUPS for y, x in taps)
"""One entry per input but the last two: contrast and likeness of the partner."""

INPUTS = len(COLUMNS) + 2
LIMIT = 4.0
_KEPT = 4 + 2 * cores()


@dataclass(frozen=True)
class Volume:
    """One channel of a decoded brick.

    Attributes
    ----------
    levels
        (T, Z, Y, X) uint16.
    peak
        The largest level; values are levels / peak.
    error
        The root mean square error that the encoder measured, in values.
    """

    levels: np.ndarray
    peak: int
    error: float
    _kept: dict[tuple[int, int, Blocks], Window] = field(
        default_factory=dict, compare=False, repr=False
    )
    _lock: Lock = field(default_factory=Lock, compare=False, repr=False)

    def window(self, t: int, z: int, blocks: Blocks) -> Window:
        """A region of one plane, and `MARGIN` blocks around it; beyond the edges it is mirrored.

        The last few are kept, because each plane is a neighbour of others; threads share them.
        """
        times, depths = self.levels.shape[:2]
        key = int(mirrored(t, times)), int(mirrored(z, depths)), blocks
        window = self._kept.get(key)
        if window is None:
            window = self._window(*key)
            with self._lock:
                while len(self._kept) >= _KEPT:
                    del self._kept[next(iter(self._kept))]
                self._kept[key] = window
        return window

    def _window(self, t: int, z: int, blocks: Blocks) -> Window:
        height, width = self.levels.shape[2:]
        plane = self.levels[t, z]
        spans = ((blocks.top, blocks.bottom, height), (blocks.left, blocks.right, width))
        rows, columns = (
            mirrored(np.arange(2 * (low - MARGIN), 2 * (high + MARGIN)), length)
            for low, high, length in spans
        )
        values = plane[np.ix_(rows, columns)].astype(np.float32)
        values *= np.float32(1 / self.peak)
        y, x = len(rows) // 2, len(columns) // 2
        parts = values.reshape(y, 2, x, 2).transpose(1, 3, 0, 2)
        return Window(np.ascontiguousarray(parts), blocks)


@dataclass(frozen=True)
class Blocks:
    """A rectangle of 2 × 2 blocks of a plane: rows top … bottom - 1, columns left … right - 1."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.bottom - self.top, self.right - self.left

    @classmethod
    def around(cls, y: np.ndarray, x: np.ndarray) -> Blocks:
        """The smallest rectangle with these samples."""
        return cls(y.min() // 2, y.max() // 2 + 1, x.min() // 2, x.max() // 2 + 1)

    def bands(self, most: int) -> Iterator[Blocks]:
        """The rectangle in bands of at most about `most` blocks."""
        rows = max(1, most // (self.right - self.left))
        for top in range(self.top, self.bottom, rows):
            yield Blocks(top, min(top + rows, self.bottom), self.left, self.right)


@dataclass(frozen=True)
class Window:
    """Values of a region and its margin by their place in the block: (2, 2, rows, columns)."""

    parts: np.ndarray
    blocks: Blocks

    def band(self, blocks: Blocks) -> Window:
        """Some rows of the region."""
        start = blocks.top - self.blocks.top
        rows = blocks.bottom - blocks.top + 2 * MARGIN
        return Window(self.parts[:, :, start : start + rows], blocks)

    def tap(self, y: int, x: int) -> np.ndarray:
        """The sample at an offset from each block's first."""
        return self._cut(self.parts[y & 1, x & 1], y >> 1, x >> 1)

    @cached_property
    def halves(self) -> np.ndarray:
        """Means of blocks, margin included."""
        (a, b), (c, d) = self.parts
        mean: np.ndarray = a + b
        mean += c
        mean += d
        mean *= np.float32(0.25)
        return mean

    def mean(self) -> np.ndarray:
        """Of the samples at the offsets `OWN`, which are 3 × 3 blocks: (rows, columns)."""
        return _box(self.halves[MARGIN - 1 : 1 - MARGIN, MARGIN - 1 : 1 - MARGIN], 3)

    def put(self, group: str, taps: Taps, out: np.ndarray, mean: np.ndarray) -> None:
        """Write the values at a square of offsets, less a mean (rows, columns), into (taps, N)."""
        (low, _), side = taps[0], math.isqrt(len(taps))
        square = out.reshape(side, side, *self.blocks.shape)
        if group == "half":
            self._shifted(self.halves, range(side), range(side), mean, square)
            return
        for y in (0, 1):
            for x in (0, 1):
                down, across = (range(low + i, low + side, 2) for i in (y, x))
                part = self.parts[down.start & 1, across.start & 1]
                rows, columns = ([MARGIN + (i >> 1) for i in r] for r in (down, across))
                self._shifted(part, rows, columns, mean, square[y::2, x::2])

    def _shifted(
        self,
        part: np.ndarray,
        rows: Sequence[int],
        columns: Sequence[int],
        mean: np.ndarray,
        out: np.ndarray,
    ) -> None:
        """Write a part at successive shifts, less a mean, into (shifts, shifts, rows, columns)."""
        views = sliding_window_view(part, self.blocks.shape)
        views = views[rows[0] : rows[0] + len(rows), columns[0] : columns[0] + len(columns)]
        np.subtract(views, mean, out=out)

    def _cut(self, part: np.ndarray, y: int, x: int) -> np.ndarray:
        rows, columns = self.blocks.shape
        cut: np.ndarray = part[MARGIN + y :, MARGIN + x :][:rows, :columns]
        return cut


def mirrored(index: np.ndarray | int, length: int) -> np.ndarray:
    """Positions outside 0 … length - 1 mirrored about the first and the last."""
    if length == 1:
        return np.zeros_like(index)
    period = 2 * (length - 1)
    inside = np.asarray(index) % period
    out: np.ndarray = np.minimum(inside, period - inside)
    return out


@dataclass(frozen=True)
class Surroundings:
    """All that the inputs of a region of one plane are made of.

    Attributes
    ----------
    windows
        By group; those of planes that are not there are missing.
    error, other
        Of the channel and of its partner, in values.
    """

    windows: dict[str, Window]
    error: float
    other: float

    @classmethod
    def of(
        cls, own: Volume, partner: Volume | None, t: int, z: int, region: Blocks
    ) -> Surroundings:
        """The surroundings of a region in a channel, with another channel that may help."""
        times, depths = own.levels.shape[:2]
        windows = {}
        for group, _ in GROUPS:
            if group in ("own", "half"):
                windows[group] = own.window(t, z, region)
            elif group == "partner":
                if partner is not None:
                    windows[group] = partner.window(t, z, region)
            else:
                step = int(group[1:])
                dt, dz, length = (0, step, depths) if group[0] == "z" else (step, 0, times)
                if length > abs(step):
                    windows[group] = own.window(t + dt, z + dz, region)
        return cls(windows, own.error, partner.error if partner else 1.0)

    def inputs(self, band: Blocks, out: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """The inputs of some rows of the region.

        Parameters
        ----------
        band
            The rows of blocks.
        out
            (INPUTS, at least N) float32 to use again in the same region; its first N columns are
            returned.

        Returns
        -------
        (INPUTS, N) float32, blocks row by row, and (N,) float32: the unit of each, in values.
        """
        count = band.shape[0] * band.shape[1]
        x = np.zeros((INPUTS, count), np.float32) if out is None else out[:, :count]
        here = self.windows["own"].band(band)
        mean = here.mean()
        unit = inverse = np.empty(0)
        start = 0
        for group, taps in GROUPS:
            part = x[start : start + len(taps)]
            start += len(taps)
            if group not in self.windows:
                continue
            there = self.windows[group].band(band)
            if group == "partner":
                x[-1] = _partner(part, here, there, self.error, self.other)
                continue
            there.put(group, taps, part, mean)
            if group == "own":
                spread = np.einsum("kn,kn->n", part, part) / np.float32(len(taps))
                unit = np.sqrt(spread + np.float32(self.error**2))
                inverse = 1 / unit
            part *= inverse
            if group not in ("own", "half"):
                np.clip(part, -LIMIT, LIMIT, out=part)
        x[-2] = np.log2(unit * np.float32(1 / self.error)) * np.float32(0.5)
        return x, unit


def _partner(
    out: np.ndarray, here: Window, there: Window, error: float, other: float
) -> np.ndarray:
    """Write another channel's values, scaled by how alike the two are; returns that, (N,)."""
    a, b, side = here.halves, there.halves, 2 * MARGIN + 1
    mean_a, mean_b = _box(a, side), _box(b, side)
    power_a = np.maximum(_box(a * a, side) - mean_a * mean_a, 0)
    power_b = np.maximum(_box(b * b, side) - mean_b * mean_b, 0)
    likeness = _box(a * b, side) - mean_a * mean_b
    floor_a, floor_b = np.float32(error**2 / 16), np.float32(other**2 / 16)
    likeness /= np.sqrt((power_a + floor_a) * (power_b + floor_b))
    np.clip(likeness, -1, 1, out=likeness)
    there.put("partner", NEAR, out, there.mean())
    out -= out.mean(axis=0)
    spread = np.einsum("kn,kn->n", out, out) / np.float32(len(NEAR))
    flat: np.ndarray = likeness.ravel()
    out *= flat / np.sqrt(spread + np.float32(other**2))
    return flat


def _box(values: np.ndarray, side: int) -> np.ndarray:
    """Mean of the side × side values around each that has so many."""
    rows, columns = (n - side + 1 for n in values.shape)
    down = values[:rows].copy()
    for i in range(1, side):
        down += values[i : i + rows]
    out: np.ndarray = down[:, :columns].copy()
    for i in range(1, side):
        out += down[:, i : i + columns]
    out *= np.float32(1 / side**2)
    return out
