"""How an image of up to five axes becomes what a codec takes: one stack of frames per channel.

A video codec sees one axis besides the plane. Which order of time points and depths serves it best
depends on the image, so `orders` names the candidates and the search measures them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from inif.errors import InputError
from inif.image import scale_of

CANON = "CTZYX"
ORDERS = ("TZ", "ZT", "TZ~", "ZT~")


@dataclass(frozen=True)
class Geometry:
    """Axes, shape and dtype of an image, and the range of each of its channels.

    Attributes
    ----------
    axes, shape, dtype
        As of `inif.image.Image`.
    ranges
        (min, max) of each channel, in counts.
    order
        How frames are ordered, one of `orders`.
    """

    axes: str
    shape: tuple[int, ...]
    dtype: str
    ranges: tuple[tuple[float, float], ...]
    order: str = "TZ"

    @property
    def sizes(self) -> tuple[int, int, int, int, int]:
        """Lengths along C, T, Z, Y, X; 1 for an axis that is not there."""
        return sizes_of(self.axes, self.shape)

    def stacks(self, data: np.ndarray) -> list[np.ndarray]:
        """Frames of each channel: a list of (T·Z, Y, X) arrays in `order`."""
        letters = [a for a in CANON if a in self.axes]
        moved = data.transpose([self.axes.index(a) for a in letters]).reshape(self.sizes)
        return [arranged(channel, self.order) for channel in moved]

    def image(self, stacks: list[np.ndarray]) -> np.ndarray:
        """The inverse of `stacks`: an array in the image's own axes."""
        _, t, z, _, _ = self.sizes
        channels = [restored(stack, t, z, self.order) for stack in stacks]
        return from_canon(np.stack(channels), self.axes)

    def scaled(self, stack: np.ndarray, channel: int) -> np.ndarray:
        """A channel's samples as float32 in [0, 1] over the channel's own range."""
        low, scale = self.ranges[channel][0], scale_of(self.ranges[channel])
        out = np.empty(stack.shape, np.float32)
        for frame, values in zip(stack, out, strict=True):
            values[...] = (frame.astype(np.float64) - low) / scale
        return out

    def counts(self, stack: np.ndarray, channel: int) -> np.ndarray:
        """The inverse of `scaled`, rounded and clipped to the channel's range."""
        low, high = self.ranges[channel]
        values: np.ndarray = stack.astype(np.float64) * scale_of(self.ranges[channel]) + low
        if self.dtype != "float32":
            np.rint(values, out=values)
        np.clip(values, low, high, out=values)
        out: np.ndarray = values.astype(self.dtype)
        return out

    def levels(self, stack: np.ndarray, channel: int, bits: int) -> np.ndarray:
        """A channel's samples as uint16 that use all of `bits` bits."""
        values = self.scaled(stack, channel) * np.float32((1 << bits) - 1)
        return np.rint(values, out=values).astype(np.uint16)

    def from_levels(self, levels: np.ndarray, channel: int, bits: int) -> np.ndarray:
        """The inverse of `levels`, but for rounding."""
        return self.counts(levels.astype(np.float64) / ((1 << bits) - 1), channel)


def sizes_of(axes: str, shape: tuple[int, ...]) -> tuple[int, int, int, int, int]:
    """Lengths along C, T, Z, Y, X; 1 for an axis that is not there."""
    c, t, z, y, x = (shape[axes.index(a)] if a in axes else 1 for a in CANON)
    return c, t, z, y, x


def from_canon(array: np.ndarray, axes: str) -> np.ndarray:
    """A (C, T, Z, Y, X) array in an image's own axes; those that it lacks have length 1."""
    letters = [a for a in CANON if a in axes]
    kept = array.reshape([array.shape[CANON.index(a)] for a in letters])
    return np.ascontiguousarray(kept.transpose([letters.index(a) for a in axes]))


def orders(axes: str, shape: tuple[int, ...]) -> tuple[str, ...]:
    """Ways to put T and Z in one row of frames.

    "TZ" steps through the depths of one time point after the other, "ZT" through the times of one
    depth after the other; with "~" every second run goes backwards, so that no step is a jump.
    """
    _, t, z, _, _ = sizes_of(axes, shape)
    if t > 1 and z > 1:
        return ORDERS
    return ("TZ",)


def check_planes(axes: str, *, file: object = None, fix: str | None = None) -> None:
    """Codecs need pictures.

    Raises
    ------
    InputError
        The image has no Y or no X axis.
    """
    if not {"Y", "X"} <= set(axes):
        raise InputError(
            "codecs compress planes",
            file=file,
            field="axes",
            expected="Y and X among the axes",
            got=axes,
            fix=fix,
        )


def arranged(volume: np.ndarray, order: str) -> np.ndarray:
    """(T, Z, Y, X) → (T·Z, Y, X)."""
    outer = volume if order.startswith("TZ") else volume.swapaxes(0, 1)
    if order.endswith("~"):
        outer = outer.copy()
        outer[1::2] = outer[1::2, ::-1]
    return np.ascontiguousarray(outer).reshape(-1, *volume.shape[2:])


def restored(stack: np.ndarray, t: int, z: int, order: str) -> np.ndarray:
    """(T·Z, Y, X) → (T, Z, Y, X)."""
    first, second = (t, z) if order.startswith("TZ") else (z, t)
    outer = stack.reshape(first, second, *stack.shape[1:])
    if order.endswith("~"):
        outer = outer.copy()
        outer[1::2] = outer[1::2, ::-1]
    return outer if order.startswith("TZ") else outer.swapaxes(0, 1)
