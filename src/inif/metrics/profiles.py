"""Quality along the axes that number planes: of every slice, of every time point."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from inif.metrics.fidelity import Fidelity, psnr_of
from inif.metrics.planes import PlaneLayout

AROUND = 3
"""Slices to either side with which one is compared."""


@dataclass(frozen=True)
class Profile:
    """Quality along one axis of a channel: of each index, all its planes together.

    Attributes
    ----------
    axis
        "z", "t", or another axis that numbers planes.
    psnr, ssim
        One value per index; dB (infinite where exact), and None where there is no SSIM.
    """

    channel: int
    axis: str
    psnr: tuple[float, ...]
    ssim: tuple[float, ...] | None

    def to_json(self) -> dict[str, Any]:
        """Lists; a PSNR of null is exact."""
        return {
            "channel": self.channel,
            "axis": self.axis,
            "psnr": [p if math.isfinite(p) else None for p in self.psnr],
            "ssim": None if self.ssim is None else list(self.ssim),
        }

    def worst(self) -> int:
        """The index of the lowest PSNR."""
        return int(np.argmin(self.psnr))

    def drops(self, decibels: float) -> list[tuple[int, float]]:
        """Indices that lie this far below their neighbours, and how far, the farthest first."""
        found = []
        for i, value in enumerate(self.psnr):
            around = neighbours(np.array(self.psnr), i)
            if math.isfinite(value) and len(around):
                middle = float(np.median(around))
                if middle - value > decibels:
                    found.append((i, middle - value))
        return sorted(found, key=lambda pair: -pair[1])


def profiles(figures: Fidelity) -> tuple[Profile, ...]:
    """Quality along every axis that numbers planes (Z, T, …) and has more than one index."""
    lay = figures.layout
    out = []
    for c in range(lay.n_channels):
        square = _of_channel(10.0 ** (-figures.slice_psnr / 10), lay, c)
        alike = None if figures.slice_ssim is None else _of_channel(figures.slice_ssim, lay, c)
        letters = [lay.axes[i].lower() for i in lay.slots if lay.axes[i] != "C"]
        for k, letter in enumerate(letters):
            others = tuple(i for i in range(len(letters)) if i != k)
            if square.shape[k] < 2:
                continue
            psnr = tuple(psnr_of(float(v)) for v in square.mean(axis=others))
            ssim = None if alike is None else tuple(float(v) for v in alike.mean(axis=others))
            out.append(Profile(c, letter, psnr, ssim))
    return tuple(out)


def neighbours(values: np.ndarray, i: int) -> np.ndarray:
    """Up to three values before and after the i-th of an array of one axis."""
    return np.concatenate([values[max(0, i - AROUND) : i], values[i + 1 : i + 1 + AROUND]])


def _of_channel(values: np.ndarray, lay: PlaneLayout, c: int) -> np.ndarray:
    return values if lay.channel_slot is None else np.take(values, c, axis=lay.channel_slot)
