"""Whole numbers on top of a decoded field: one band of latents, whose contexts see the field.

Their size follows the noise, and noise follows intensity: so each is coded beside a class of how
bright the field is there, in the place where a band has the magnitudes of its siblings.
"""

from __future__ import annotations

import math

import numpy as np

from inif.latent import _core
from inif.latent.bands import earlier_planes, looks
from inif.latent.tables import load

CLASSES = 16
"""Of brightness; each holds as many samples of a channel as the others."""

MOST = 1 << 20
"""Magnitudes of corrections are below it."""

_LEVEL, _KIND, _SIDE = 0, 3, 8
"""The finest diagonal band, which is most like noise, is whose tables they begin with."""


def encoded(
    corrections: np.ndarray, outputs: np.ndarray, tables: str, *, writes: bool = True
) -> tuple[bytes, float]:
    """The stream of corrections, and its bits.

    Parameters
    ----------
    corrections
        (C, T, Z, Y, X) int32, magnitudes below `MOST`.
    outputs
        Of the decoded field, of the same shape: float32.
    tables
        Name of the tables.
    writes
        Whether the stream is wanted, else it is empty and only the bits are known.
    """
    stream = _core.Stream(load(tables).copy(), writes)
    _band(stream, outputs, corrections)
    return stream.finish(), stream.bits


def decoded(data: bytes, outputs: np.ndarray, tables: str) -> np.ndarray:
    """The inverse of `encoded`: (C, T, Z, Y, X) int32; any bytes are some corrections."""
    found = _band(_core.Stream(load(tables).copy(), data), outputs, None)
    return found.reshape(outputs.shape)


def brightness(outputs: np.ndarray) -> np.ndarray:
    """Class of each sample of a decoded field among those of its channel: 0 … 15, int16."""
    classes = np.empty(outputs.shape, np.int16)
    for own, channel in zip(classes, outputs, strict=True):
        rising = np.sort(channel, axis=None)
        ends = rising[np.arange(1, CLASSES) * rising.size // CLASSES]
        for row, values in zip(own, channel, strict=True):
            row[...] = np.searchsorted(ends, values, side="right")
    return classes


def _band(stream: _core.Stream, outputs: np.ndarray, corrections: np.ndarray | None) -> np.ndarray:
    c, t, z, height, width = outputs.shape
    planes = math.prod((c, t, z))
    shape = (planes, height, width)
    beside = np.zeros((planes + 2, height + 2, width + 2), np.int16)
    beside[1:-1, 1:-1, 1:-1] = brightness(outputs).reshape(shape)
    sizes = (c, t, z, height, width)
    given = None if corrections is None else np.ascontiguousarray(corrections).reshape(shape)
    return stream.band(
        shape,
        _LEVEL,
        _KIND,
        _SIDE,
        earlier_planes(sizes, looks(sizes)),
        None,
        np.zeros(planes, np.int32),
        beside,
        np.arange(1, planes + 1, dtype=np.int32),
        most=given,
    )
