"""A chunk of a Zarr array that `inif` has coded: a small `.inif` without what the array knows.

Axes, sample type and shape of a chunk are in the array's metadata, so its header lacks them; it has
a shape only where it holds less than the whole chunk. See docs/zarr-codec.md, "Payload".
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from inif.container.reader import Container, open_container
from inif.container.source import MemorySource
from inif.container.spec import CORRECTIONS, LOSSLESS
from inif.decode.file import File
from inif.decode.latent import FEATURE
from inif.errors import FormatError

FEATURES = frozenset((FEATURE, LOSSLESS, CORRECTIONS))
"""What a chunk's header may require."""


def known(axes: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> dict[str, Any]:
    """The fields of a chunk's header that its array's metadata give."""
    return {"axes": axes, "shape": [int(n) for n in shape], "dtype": dtype.name}


def open_chunk(
    data: bytes, axes: str, shape: tuple[int, ...], dtype: Any, *, name: str = "<chunk>"
) -> File:
    """Open a chunk's payload; nothing is decoded, and nothing allocated that it declares.

    Parameters
    ----------
    axes, shape, dtype
        Of the chunk, by its array's metadata.
    name
        For messages.

    Returns
    -------
    A file of the chunk's axes and dtype. Its shape is the chunk's or, where the payload holds only
    the first samples along some axes, smaller.

    Raises
    ------
    FormatError, UnsupportedError
        The payload is damaged, needs a newer release, or belongs to another array.
    """
    stated = known(axes, shape, np.dtype(dtype))
    source = MemorySource(bytes(data), name)
    container = open_container(source, supported=FEATURES, known=stated)
    _check(container, stated)
    return File(container)


def _check(container: Container, stated: dict[str, Any]) -> None:
    """Refuse a payload of other samples than the array has, or of more than the chunk has.

    Also one that is cut into more bricks than it can hold: they are counted off one by one.
    """
    header, full = container.header, stated["shape"]
    own = header["shape"]
    fits = len(own) == len(full) and all(a <= b for a, b in zip(own, full, strict=True))
    for field, good in (
        ("axes", header["axes"] == stated["axes"]),
        ("dtype", header["dtype"] == stated["dtype"]),
        ("shape", fits),
    ):
        if not good:
            raise FormatError(
                "the payload does not belong to this chunk",
                file=container.name,
                field=f"header.{field}",
                expected=stated[field],
                got=header[field],
                fix="get the chunk again from its source",
            )
    bricks, sections = math.prod(container.grid), len(container.sections)
    if bricks > sections:
        raise FormatError(
            "the payload lacks bricks",
            file=container.name,
            field="header.brick",
            expected=f"at most {sections} bricks, each with a section",
            got=bricks,
            fix="get the chunk again from its source",
        )
