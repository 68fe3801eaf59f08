"""What the coder of latents knows before it has seen an image: tables, trained and shipped.

They are part of the format: a file names the version that it was coded with, and no version ever
changes. `benchmarks/latent/tables.py` trains them.
"""

from __future__ import annotations

import lzma
from functools import lru_cache
from importlib.resources import files

from inif.latent import _core

VERSION = "1"
"""The tables that new files are coded with."""

FILES = {"1": "tables.xz"}
"""By version."""

MOST_SEEN = 15
"""Observations that a trained estimate counts for: few, so that it follows the image."""

LIMIT, SPEED = 1000, 4
"""Observations that an estimate counts while it codes, and how fast mixing weights move."""


def load(name: str = VERSION) -> _core.Model:
    """The tables of a version name. They are shared: coders work on copies.

    Raises
    ------
    ValueError
        If there is no such version, or its file is damaged.
    """
    if name not in FILES:
        raise ValueError(f"tables {name!r} are unknown; known: {', '.join(FILES)}")
    return _loaded(FILES[name])


@lru_cache(maxsize=len(FILES))
def _loaded(name: str) -> _core.Model:
    return tuned(unpacked((files("inif.latent") / name).read_bytes()))


def tuned(model: _core.Model) -> _core.Model:
    """The model, set to learn as files do."""
    model.tune(LIMIT, SPEED)
    return model


def unpacked(data: bytes) -> _core.Model:
    """Model of compressed tables; never more memory than a model takes."""
    size = _core.Model.size
    try:
        # The filter's dictionary is bounded by the memory limit, the output by its length.
        decompressor = lzma.LZMADecompressor(memlimit=100_000_000)
        numbers = decompressor.decompress(data, max_length=size + 1)
    except lzma.LZMAError as error:
        raise ValueError(f"the tables are damaged: {error}") from error
    if len(numbers) != size or not decompressor.eof or decompressor.unused_data:
        raise ValueError("the tables are damaged: their size is wrong")
    return _core.Model(numbers)
