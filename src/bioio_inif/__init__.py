"""Reads `.inif` files for bioio: ``BioImage("cells.inif")``.

bioio loads this package to ask which files it reads, so nothing else is imported until then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bioio_inif.reader_metadata import ReaderMetadata

if TYPE_CHECKING:
    from bioio_inif.reader import Reader

__all__ = ["Reader", "ReaderMetadata"]


def __getattr__(name: str) -> Any:
    if name == "Reader":
        from bioio_inif.reader import Reader

        return Reader
    raise AttributeError(f"module 'bioio_inif' has no attribute {name!r}")
