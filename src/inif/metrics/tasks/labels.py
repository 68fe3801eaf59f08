"""A label image of the user's, cut to fit whatever part of the image is looked at.

Label images come as programs write them: without a channel axis, binary, as floats, or without any
names of axes; the last are taken to be the image's last ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from inif.errors import InputError
from inif.metrics.tasks.segment import as_labels


@dataclass(frozen=True)
class Labels:
    """Labels of an image, along some of its axes.

    Attributes
    ----------
    data
        Booleans or whole numbers ≥ 0, axes in the order of `axes`.
    axes
        Letters of "TCZYX"; an axis of length 1, or one that is missing, holds for all its places.
    """

    data: np.ndarray
    axes: str

    def at(self, where: Mapping[str, int], shape: tuple[int, ...]) -> np.ndarray:
        """Labels of a unit at `where`: int32 of `shape`, which is (Y, X) or (Z, Y, X)."""
        letters = "ZYX"[-len(shape) :]
        sides = dict(zip(letters, shape, strict=True))

        def picked(a: str, n: int) -> int | slice:
            start = where.get(a, 0)
            if a not in sides:
                return min(start, n - 1)
            return slice(None) if n == 1 else slice(start, start + sides[a])

        key = tuple(picked(a, n) for a, n in zip(self.axes, self.data.shape, strict=True))
        left = [a for a in self.axes if a in sides]
        part = self.data[key]
        ordered = part.transpose([left.index(a) for a in letters if a in left])
        lengths = dict(zip(left, part.shape, strict=True))
        spread = ordered.reshape([lengths.get(a, 1) for a in letters])
        return as_labels(np.broadcast_to(spread, shape), field="labels")


def read_labels(path: str, axes: str, shape: tuple[int, ...]) -> Labels:
    """The labels in a file, for an image of these axes and this shape.

    Numbers other than 0 that are all the same are a mask: its connected parts are the regions.

    Raises
    ------
    InputError
        No such file, an axis or a length that the image does not have, or numbers that are no
        labels.
    """
    from inif.io.companion import read_companion

    image = read_companion(path, axes, some=True)
    return check_labels(image.data, image.axes, axes, shape, file=path)


def check_labels(
    data: np.ndarray, own: str, axes: str, shape: tuple[int, ...], *, file: object = None
) -> Labels:
    """Labels whose axes are `own`, checked against an image of `axes` and `shape`.

    Raises
    ------
    InputError
        As `read_labels`.
    """
    lengths = dict(zip(axes, shape, strict=True))
    got = dict(zip(own, data.shape, strict=True))
    if any(n not in (1, lengths.get(a, 1)) for a, n in got.items()):
        raise InputError(
            "the labels do not fit the image",
            file=file,
            field="labels",
            expected=_named(lengths) + ", or some of these axes",
            got=_named(got),
        )
    if data.dtype.kind == "f":
        if not np.array_equal(data, np.rint(data)):
            raise InputError(
                "these are no labels", file=file, field="labels", expected="whole numbers"
            )
        data = data.astype(np.int64)
    if data.dtype.kind not in "bui":
        raise InputError(
            "these are no labels",
            file=file,
            field="labels",
            expected="whole numbers",
            got=data.dtype,
        )
    low, high = int(data.min()), int(data.max())
    if low < 0:
        raise InputError(
            "a label is negative",
            file=file,
            field="labels",
            expected="0 for background, then 1, 2, …",
            got=low,
        )
    # Axes of length 1 that the image does not have have no place in it.
    drop = tuple(i for i, a in enumerate(own) if a not in lengths)
    data, own = np.squeeze(data, drop), "".join(a for a in own if a in lengths)
    if high > 0 and bool(np.all((data == 0) | (data == high))):
        data = data != 0
    return Labels(data, own)


def _named(lengths: Mapping[str, int]) -> str:
    return ", ".join(f"{a} {n}" for a, n in lengths.items())
