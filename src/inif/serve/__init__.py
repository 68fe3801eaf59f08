"""``inif serve``: files behind HTTP, as OME-Zarr for viewers and as they are for inif.

Needs the extra ``serve``. `app_of` makes an ASGI application of files and folders; `inif.serve.run`
puts it behind a port. A request names a file, never a path: see `places`.
"""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import TYPE_CHECKING

from inif.errors import MissingExtraError

if TYPE_CHECKING:
    from starlette.applications import Starlette

MEMORY = 1 << 30
"""Bytes for decoded chunks and answers by default."""


def app_of(
    places: Sequence[str | PathLike[str]], *, memory: int = MEMORY, decodes: int | None = None
) -> Starlette:
    """An ASGI application that serves files and the ``.inif`` files of folders.

    Its files are closed when it shuts down; who mounts it in another application calls
    ``app.state.shelf.close()`` at the end.

    Parameters
    ----------
    places
        Files and folders; what stands in a folder when it is asked for is served.
    memory
        Bytes that decoded chunks and answers on their way take at most. What a decoder needs for
        the brick that it is at comes on top.
    decodes
        How many requests are worked at at once; by default one per processor, at most 4.

    Raises
    ------
    InputError
        There is no such file or folder, or nothing was named.
    MissingExtraError
        Starlette is not installed.
    """
    try:
        from inif.serve.app import build
    except ModuleNotFoundError as error:
        raise missing(error) from error
    return build(places, memory=memory, decodes=decodes)


def missing(error: ModuleNotFoundError) -> MissingExtraError:
    """The error for a package of the extra that is not installed."""
    return MissingExtraError(error.name or "starlette", "serve", need="serving files")
