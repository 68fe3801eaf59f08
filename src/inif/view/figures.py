"""What a file and its original differ by, plane by plane, in the terms of `inif.metrics.fidelity`.

The planes of an image are measured in their order, a little at a time, whenever the page asks for
more: a page that is closed costs nothing, and what somebody looks at goes first.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np

from inif.image import scale_of
from inif.metrics.fidelity import finite, psnr_of
from inif.metrics.noise import estimate
from inif.view.scene import Scene, Slot

MOST = 512
"""Rows and columns from which the noise of a plane is estimated."""


@dataclass(frozen=True)
class Figures:
    """Of one plane of one channel.

    Attributes
    ----------
    mean_square
        Mean of (error / range of the channel)², over the whole image's range.
    largest, bias
        Largest absolute error, and mean of decoded - original, in counts.
    low, high
        Lowest and highest sample of the original in this plane.
    unlike
        Samples that are NaN or infinite on one side only; they are in no other figure.
    """

    mean_square: float
    largest: float
    bias: float
    low: float
    high: float
    unlike: int


class Ledger:
    """The figures of all planes that were measured so far. Threads may share it."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.shape = scene.layout.slot_shape
        self.ranges = [(float(low), float(high)) for low, high in scene.file.header["range"]]
        self._known: dict[Slot, Figures] = {}
        self._noise: dict[Slot, float | None] = {}
        self._done = 0
        self._turn = Lock()

    @property
    def total(self) -> int:
        """Planes of the image, all channels counted."""
        return math.prod(self.shape)

    def figures(self, slot: Slot) -> Figures:
        """Of one plane, measured unless it was before.

        Raises
        ------
        InputError, FormatError
            There is no such plane, or one of the images cannot be read there.
        """
        known = self._known.get(slot)
        if known is None:
            self.scene.check_slot(slot)
            known = self._known[slot] = self._measure(slot)
        return known

    def said(self, slot: Slot) -> dict[str, Any]:
        """The figures of one plane, for JSON.

        "noise" is the standard deviation of the original's own noise (`inif.metrics.noise`), in the
        middle of a large plane; None where it does not show.
        """
        f = self.figures(slot)
        if slot not in self._noise:
            self._noise[slot] = self._estimate(slot)
        return {
            "range": [finite(v) for v in self._range(slot)],
            "psnr": finite(psnr_of(f.mean_square)),
            "exact": f.mean_square == 0 and not f.unlike,
            "largest": f.largest,
            "bias": f.bias,
            "unlike": f.unlike,
            "noise": self._noise[slot],
        }

    def advance(self, since: int, seconds: float) -> dict[str, Any]:
        """Measure planes for a while, at least one, and tell those from number `since` on.

        Returns
        -------
        of, done
            How many planes there are, and how many are measured from the first one on, in C order
            of the axes of `Scene.slot_axes`.
        since, psnr, largest
            The number of the first that is told, and a list each: PSNR in dB, None where the plane
            is exact; largest error.
        image
            Figures of the whole image, once all planes are measured; else None.
        """
        end = time.monotonic() + seconds
        with self._turn:
            while self._done < self.total:
                self.figures(self._slot(self._done))
                self._done += 1
                if time.monotonic() > end:
                    break
            done = self._done
        since = min(max(since, 0), done)
        found = [self._known[self._slot(i)] for i in range(since, done)]
        return {
            "of": self.total,
            "done": done,
            "since": since,
            "psnr": [finite(psnr_of(f.mean_square)) for f in found],
            "largest": [finite(f.largest) for f in found],
            "image": self._image() if done == self.total else None,
        }

    def _slot(self, number: int) -> Slot:
        return tuple(int(i) for i in np.unravel_index(number, self.shape)) if self.shape else ()

    def _range(self, slot: Slot) -> tuple[float, float]:
        return self.ranges[self.scene.layout.channel_of(slot)]

    def _estimate(self, slot: Slot) -> float | None:
        if not self.scene.layout.is_picture:
            return None
        rows, columns = (
            slice(max(0, (n - MOST) // 2), min(n, (n + MOST) // 2))
            for n in self.scene.layout.plane_shape
        )
        part = np.concatenate([b.original for b in self.scene.bands(slot, rows, columns)])
        if not np.isfinite(part).all():
            return None
        model = estimate(part)
        if model is None:
            return None
        variance = float(model.variance(part.astype(np.float64)).mean())
        return finite(math.sqrt(max(variance, 0.0)))

    def _measure(self, slot: Slot) -> Figures:
        rows, columns = (slice(0, n) for n in self.scene.layout.plane_shape)
        square = total = largest = 0.0
        low, high = math.inf, -math.inf
        count = unlike = 0
        for band in self.scene.bands(slot, rows, columns):
            error, original = band.error, band.original
            if original.dtype.kind == "f":
                good = np.isfinite(error)
                unlike += error.size - int(np.count_nonzero(good))
                good &= np.isfinite(original)
                error, original = error[good], original[good]
            if not error.size:
                continue
            square += float(np.square(error, dtype=np.float64).sum())
            total += float(error.sum())
            largest = max(largest, float(error.max()), -float(error.min()))
            low, high = min(low, float(original.min())), max(high, float(original.max()))
            count += error.size
        count = max(count, 1)
        scale = scale_of(self._range(slot))
        return Figures(square / count / scale**2, largest, total / count, low, high, unlike)

    def _image(self) -> dict[str, Any]:
        """Figures of the whole image, pooled as `inif.metrics.fidelity` does."""
        channels: dict[int, list[Figures]] = {}
        for slot, figures in self._known.items():
            channels.setdefault(self.scene.layout.channel_of(slot), []).append(figures)
        squares = [np.mean([f.mean_square for f in of]) for of in channels.values()]
        return {
            "psnr": finite(psnr_of(float(np.mean(squares)))),
            "largest": max(f.largest for f in self._known.values()),
            "unlike": sum(f.unlike for f in self._known.values()),
            "remarks": self._remarks(channels),
        }

    def _remarks(self, channels: dict[int, list[Figures]]) -> list[str]:
        """Whether the original can be what the file was made from, by the ranges of channels."""
        if self.scene.file.outliers.positions.size:
            return []
        found = []
        for channel, figures in sorted(channels.items()):
            seen = (min(f.low for f in figures), max(f.high for f in figures))
            stated = self.ranges[channel]
            if math.isfinite(seen[0]) and not np.allclose(seen, stated, rtol=1e-6, atol=0):
                found.append(
                    f"channel {channel} of the original holds {seen[0]:g} … {seen[1]:g}, but the "
                    f"file was made of an image that holds {stated[0]:g} … {stated[1]:g}: is this "
                    "the right original?"
                )
        return found
