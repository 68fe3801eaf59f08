"""Places of an image asked for by positions or by a mask, and values between samples."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from inif.errors import SelectionError


def positions(coords: Any, axes: str, shape: tuple[int, ...], *, file: object) -> np.ndarray:
    """Positions in an image: (N, D) float64.

    Raises
    ------
    SelectionError
        Wrong shape, a position outside the image, or a fractional channel.
    """
    where = np.asarray(coords, np.float64)
    last = np.array(shape) - 1
    if where.ndim != 2 or where.shape[1] != len(shape):
        raise SelectionError(
            "points must be a table", expected=f"(N, {len(shape)}) numbers", got=where.shape
        )
    good = (where >= 0) & (where <= last)
    if not good.all():
        point, axis = np.argwhere(~good)[0]
        raise SelectionError(
            "a point lies outside the image",
            file=file,
            field=f"point {point}, axis {axes[axis]}",
            expected=f"0 … {last[axis]}",
            got=where[point, axis],
        )
    c = axes.find("C")
    if c >= 0 and not bool(np.all(where[:, c] == np.floor(where[:, c]))):
        raise SelectionError(
            "there is nothing between channels", file=file, field="axis C", expected="whole numbers"
        )
    return where


def masked(mask: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Positions where a mask of an image's shape, or of its last axes, is true: (N, D) float64.

    Raises
    ------
    SelectionError
        Not boolean, or a shape that does not fit.
    """
    chosen = np.asarray(mask)
    if chosen.dtype != bool or chosen.shape != shape[len(shape) - chosen.ndim :]:
        raise SelectionError(
            "this mask does not fit the image",
            expected=f"booleans of shape {shape} or of its last axes",
            got=f"{chosen.dtype} {chosen.shape}",
        )
    return np.argwhere(np.broadcast_to(chosen, shape)).astype(np.float64)


def between(
    where: np.ndarray, dtype: np.dtype[np.generic], pick: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Values between samples: the nearest for whole numbers, linear for others.

    Parameters
    ----------
    where
        (N, D) positions in samples, inside the image.
    dtype
        Of the image, and of what is returned.
    pick
        Samples at (N, D) positions that are whole numbers.
    """
    if dtype.kind != "f":  # between the labels 3 and 9 there is no label 6
        return pick(np.floor(where + 0.5))
    low = np.floor(where)
    share = where - low
    out = np.zeros(len(where))
    with np.errstate(invalid="ignore", over="ignore"):  # infinities that meet
        for corner in itertools.product((0, 1), repeat=where.shape[1]):
            weight = np.where(corner, share, 1 - share).prod(axis=1)
            rows = np.flatnonzero(weight)
            out[rows] += weight[rows] * pick(low[rows] + corner)
        return out.astype(dtype)
