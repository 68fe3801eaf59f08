"""inif: neural compression of microscopy images, with an honest account of what is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inif import errors
from inif._version import __version__
from inif.api import compress, evaluate, imread, inspect, open, verify
from inif.many import compress_many, evaluate_many

if TYPE_CHECKING:
    from inif.decode.file import File

__all__ = [
    "File",
    "__version__",
    "compress",
    "compress_many",
    "errors",
    "evaluate",
    "evaluate_many",
    "imread",
    "inspect",
    "open",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name == "File":
        from inif.decode.file import File

        return File
    raise AttributeError(f"module 'inif' has no attribute {name!r}")
