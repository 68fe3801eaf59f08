"""The reader: `.inif` files as lazy layers. It imports neither napari, nor Qt, nor JAX."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inif.napari.layers import LayerData

Paths = str | Sequence[str]


def get_reader(path: Paths) -> Callable[[Paths], list[LayerData]] | None:
    """What reads a path, a URL or several of them; None unless all names end in ``.inif``."""
    paths = _listed(path)
    return read if paths and all(p.lower().endswith(".inif") for p in paths) else None


def read(path: Paths) -> list[LayerData]:
    """The layers of one file or of several, one after the other.

    The files stay open as long as somebody holds their layers.

    Raises
    ------
    FormatError, UnsupportedError, InputError
        A file cannot be opened or shown.
    MissingExtraError
        dask is not installed.
    """
    from weakref import finalize

    import inif
    from inif.napari.layers import layer_of

    found = []
    for one in _listed(path):
        file = inif.open(one)
        finalize(file, file.container.close)
        found.append(layer_of(file, PurePath(one).stem))
    return found


def _listed(path: Paths) -> list[str]:
    return [str(p) for p in ([path] if isinstance(path, str | PurePath) else path)]
