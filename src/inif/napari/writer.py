"""The writers: an image layer as an `.inif` file, one writer for each kind of file in the dialog.

napari waits while a writer works, and cannot ask it for a ratio. The widget can do both better.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from inif.errors import InifError, InputError

EFFORT = 1
"""The quickest, because napari's window stands still."""


def write(path: str, data: Any, meta: Mapping[str, Any], **options: Any) -> list[str]:
    """Write a layer to a path, in place of what is there, and return the path.

    Parameters
    ----------
    data, meta
        What ``Layer.as_layer_data_tuple`` gives.
    options
        Of `inif.compress`.

    Raises
    ------
    InifError
        The labels of the layer's axes are not letters of "TCZYX", or it cannot be compressed like
        that; there is no file then.
    """
    import inif
    from inif.napari.layers import image_of

    try:
        image = image_of(data, meta)
        inif.compress(image, out=path, overwrite=True, effort=EFFORT, **options).close()
    except InputError as error:  # a ValueError, of which napari would say that nobody can write
        labels = ("file", "field", "expected", "got", "fix")
        raise InifError(error.problem, **{k: getattr(error, k) for k in labels}) from None
    return [path]


write_32 = partial(write, ratio=32)
write_128 = partial(write, ratio=128)
write_45_db = partial(write, psnr=45)
write_exact = partial(write, lossless=True)
