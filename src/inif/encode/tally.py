"""The errors of a whole image, summed up brick by brick as the encoder decodes its own work."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from inif.bricks import BrickGrid
from inif.decode.brick import Intensities
from inif.image import Image


def psnr_of(mse: float) -> float:
    """PSNR in dB from a squared error in units of half the range."""
    return float(10 * np.log10(4 / min(max(mse, 1e-20), 1e20)))


def errors(decoded: np.ndarray, original: np.ndarray) -> tuple[float, float]:
    """Sum of the squared differences of samples and the largest one, without a whole copy."""
    total = worst = 0.0
    for got, wanted in zip(np.atleast_2d(decoded), np.atleast_2d(original), strict=True):
        difference = got.astype(np.float64) - wanted
        total += float(np.vdot(difference, difference))
        worst = max(worst, float(np.abs(difference).max()))
    return total, worst


def channel_psnr(total: float, image: Image, limits: Sequence[float]) -> float:
    """PSNR in dB of a channel, from the sum of its squared errors and its range."""
    count, span = image.data.size / image.n_channels, float(limits[1]) - float(limits[0])
    return psnr_of(4 * total / count / span**2) if total else math.inf


class Tally:
    """Squared errors of each channel and the largest error so far."""

    def __init__(self, image: Image, intensities: Intensities) -> None:
        self._image, self._intensities = image, intensities
        self._squares = np.zeros(image.n_channels)
        self._worst = 0.0

    def add(self, decoded: np.ndarray, grid: BrickGrid, brick: int) -> None:
        """Count a brick's decoded samples."""
        c = self._image.channel_axis
        channels = grid.channels(brick, c)
        original = self._image.data[grid.slices(brick)]
        for i, channel in enumerate(channels):
            pick = (slice(None),) * (c or 0) + (i,) if c is not None else ()
            total, worst = errors(decoded[pick], original[pick])
            self._squares[channel] += total
            self._worst = max(self._worst, worst)

    @property
    def psnr(self) -> float | None:
        """Pooled PSNR in dB; None where every sample is exact."""
        if not self._worst:
            return None
        span = np.diff(self._intensities.ranges, axis=1)[:, 0]
        per_channel = self._image.data.size / self._image.n_channels
        error = float((self._squares / np.where(span > 0, span, 1) ** 2).mean() / per_channel)
        return psnr_of(4 * error)

    @property
    def channels(self) -> dict[int, float]:
        """PSNR in dB of each channel that varies."""
        ranges = self._intensities.ranges
        return {
            c: channel_psnr(float(self._squares[c]), self._image, ranges[c])
            for c in range(len(ranges))
            if ranges[c][0] < ranges[c][1]
        }

    def facts(self, *, each: bool = False) -> dict[str, Any]:
        """For the header's record; with `each`, the least PSNR of any channel of several too."""
        found: dict[str, Any] = {"psnr": self.psnr, "max_error": self._stated_worst()}
        if each and len(self.channels) > 1 and self.psnr is not None:
            found["psnr_least"] = math.floor(min(self.channels.values()) * 1000) / 1000
        return found

    def _stated_worst(self) -> float | int:
        floats = self._image.data.dtype.kind == "f"
        return float(f"{self._worst:.8g}") if floats else int(self._worst)
