"""Fingerprints of decoded bricks, the same in encoder and verifier (docs/format.md)."""

from __future__ import annotations

import numpy as np

from inif.coding.qweights import Check
from inif.container.spec import crc32c
from inif.decode.brick import Intensities


def check_of(
    samples: np.ndarray, channel_axis: int | None, start: int, intensities: Intensities
) -> Check:
    """The fingerprint of a brick's samples.

    Parameters
    ----------
    samples
        The decoded brick, in its shape and the image's dtype.
    channel_axis, start
        Where C is among its axes, and the brick's first channel.
    """
    moved = samples[None] if channel_axis is None else np.moveaxis(samples, channel_axis, 0)
    means = moved.reshape(len(moved), -1).mean(axis=1, dtype=np.float64)
    low, high = intensities.ranges[start : start + len(moved)].T
    half = (high - low) / 2
    scaled = np.where(half > 0, (means - low - half) / np.where(half > 0, half, 1), 0)
    return Check(crc32c(little_endian(samples)), float(np.float32(scaled.mean())))


def little_endian(samples: np.ndarray) -> bytes:
    """Samples as C-order little-endian bytes, as every checksum takes them."""
    return np.ascontiguousarray(samples, samples.dtype.newbyteorder("<")).tobytes()
