"""Images that go with another: masks, labels, clean exposures, whose files may not name axes."""

from __future__ import annotations

import os

from inif.errors import AxesError
from inif.image import Image
from inif.io.registry import read_image


def read_companion(path: str | os.PathLike[str], axes: str, *, some: bool = False) -> Image:
    """An image that goes with one of `axes`; where its file does not name axes, it has those.

    Parameters
    ----------
    axes
        One letter of "TCZYX" per axis of the image that it goes with.
    some
        Whether the last ones of `axes` will do, as for a mask of planes.

    Raises
    ------
    InputError
        It cannot be read, or has another number of axes.
    """
    try:
        return read_image(path)
    except AxesError:
        if not some:
            return read_image(path, axes=axes)
        for start in range(len(axes)):
            try:
                return read_image(path, axes=axes[start:])
            except AxesError:
                continue
        raise
