"""The errors of a whole image, summed up brick by brick as the encoder decodes its own work."""

from __future__ import annotations

from typing import Any

import numpy as np

from inif.bricks import BrickGrid
from inif.decode.brick import Intensities
from inif.image import Image


def psnr_of(mse: float) -> float:
    """PSNR in dB from a squared error in units of half the range."""
    return float(10 * np.log10(4 / min(max(mse, 1e-20), 1e20)))


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
            got, wanted = decoded[pick], original[pick]
            for g, w in zip(np.atleast_2d(got), np.atleast_2d(wanted), strict=True):
                difference = g.astype(np.float64) - w
                self._squares[channel] += float(np.vdot(difference, difference))
                self._worst = max(self._worst, float(np.abs(difference).max()))

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
    def facts(self) -> dict[str, Any]:
        """For the header's record."""
        floats = self._image.data.dtype.kind == "f"
        worst = float(f"{self._worst:.8g}") if floats else int(self._worst)
        return {"psnr": self.psnr, "max_error": worst}
