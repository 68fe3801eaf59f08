"""Fingerprints of decoded bricks, the same in encoder and verifier (docs/format.md)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from inif.coding.check import Check
from inif.container.header import canonical_json
from inif.container.spec import crc32c
from inif.decode.brick import Intensities

_STATED = ("axes", "dtype", "field", "codec", "shape")


def check_of(
    samples: np.ndarray, header: Mapping[str, Any], number: int, inputs: Iterable[bytes]
) -> Check:
    """The fingerprints of a brick for its section.

    Parameters
    ----------
    samples
        The decoded brick, in its shape and the image's dtype.
    header, number
        Of the file, complete but for its record; the brick's number.
    inputs
        Of the brick, as its decoder gives them.
    """
    return Check(crc_of(samples), digest(header, number, inputs))


def crc_of(samples: np.ndarray) -> int:
    """The CRC-32C of samples."""
    return crc32c(little_endian(samples))


def digest(header: Mapping[str, Any], number: int, inputs: Iterable[bytes]) -> int:
    """The CRC-32C of what a brick's samples follow from: the header, its place, its content."""
    stated = {key: header[key] for key in _STATED if key in header}
    stated["brick"] = header.get("brick", header["shape"])
    crc = crc32c(canonical_json(stated))
    crc = crc32c(np.array(header["range"], "<f8").tobytes(), crc)
    crc = crc32c(number.to_bytes(4, "little"), crc)
    for part in inputs:
        crc = crc32c(part, crc)
    return crc


def mean_of(
    samples: np.ndarray, channel_axis: int | None, start: int, intensities: Intensities
) -> float:
    """The mean that files of ``hybrid/1`` and ``qweights/1`` state of a brick's samples.

    Parameters
    ----------
    channel_axis, start
        Where C is among its axes, and the brick's first channel.
    """
    moved = samples[None] if channel_axis is None else np.moveaxis(samples, channel_axis, 0)
    means = moved.reshape(len(moved), -1).mean(axis=1, dtype=np.float64)
    low, high = intensities.ranges[start : start + len(moved)].T
    half = (high - low) / 2
    scaled = np.where(half > 0, (means - low - half) / np.where(half > 0, half, 1), 0)
    return float(np.float32(scaled.mean()))


def little_endian(samples: np.ndarray) -> bytes:
    """Samples as C-order little-endian bytes, as every checksum takes them."""
    return np.ascontiguousarray(samples, samples.dtype.newbyteorder("<")).tobytes()
