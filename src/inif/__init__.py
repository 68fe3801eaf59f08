"""inif: neural compression of microscopy images, with an honest account of what is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inif import errors
from inif._version import __version__
from inif.api import compress, evaluate, imread, inspect, open, verify

if TYPE_CHECKING:
    from inif.decode.file import File
    from inif.many import compress_many, evaluate_many
    from inif.scale.verbs import compress_zarr, to_zarr

__all__ = [
    "File",
    "__version__",
    "compress",
    "compress_many",
    "compress_zarr",
    "errors",
    "evaluate",
    "evaluate_many",
    "imread",
    "inspect",
    "open",
    "to_zarr",
    "verify",
]


def __getattr__(name: str) -> Any:
    # Rooms that many programs never enter are opened when they are first asked for.
    if name == "File":
        from inif.decode.file import File

        return File
    if name in ("compress_many", "evaluate_many"):
        from inif import many

        return getattr(many, name)
    if name in ("compress_zarr", "to_zarr"):
        from inif.scale import verbs

        return getattr(verbs, name)
    raise AttributeError(f"module 'inif' has no attribute {name!r}")
