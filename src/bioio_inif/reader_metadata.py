"""What bioio asks of a reader before it opens a file."""

from __future__ import annotations

from typing import Any

from bioio_base import reader_metadata


class ReaderMetadata(reader_metadata.ReaderMetadata):
    """Which files the reader is for, and the reader."""

    @staticmethod
    def get_supported_extensions() -> list[str]:
        """Endings of names, with the dot."""
        return [".inif"]

    @staticmethod
    def get_reader() -> Any:
        """The class of readers."""
        from bioio_inif.reader import Reader

        return Reader
