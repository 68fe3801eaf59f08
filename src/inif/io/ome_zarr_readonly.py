"""What stores have in common that can be read only."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any

from zarr.abc.store import OffsetByteRequest, RangeByteRequest, Store, SuffixByteRequest

MAX_METADATA = 16 << 20
"""Largest value that is read of a store before its array is known, in bytes."""


class ReadOnlyStore(Store):
    """A store without any way to write or, unless a subclass has one, to list."""

    def __init__(self) -> None:
        super().__init__(read_only=True)

    async def get_partial_values(
        self, prototype: Any, key_ranges: Iterable[tuple[str, Any]]
    ) -> list[Any]:
        """See `zarr.abc.store.Store.get_partial_values`."""
        return [await self.get(key, prototype, part) for key, part in key_ranges]

    @property
    def supports_listing(self) -> bool:
        """No."""
        return False

    @property
    def supports_writes(self) -> bool:
        """No."""
        return False

    @property
    def supports_deletes(self) -> bool:
        """No."""
        return False

    def list(self) -> AsyncIterator[str]:
        """Every key."""
        raise NotImplementedError

    def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """Every key that starts so."""
        raise NotImplementedError

    def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """Names in a folder."""
        raise NotImplementedError

    async def set(self, key: str, value: Any) -> None:
        """Refused."""
        raise NotImplementedError

    async def delete(self, key: str) -> None:
        """Refused."""
        raise NotImplementedError

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = None  # type: ignore[assignment]


def cut(data: bytes, byte_range: Any) -> bytes:
    """The part of a value that a store was asked for."""
    if isinstance(byte_range, RangeByteRequest):
        return data[byte_range.start : byte_range.end]
    if isinstance(byte_range, OffsetByteRequest):
        return data[byte_range.offset :]
    if isinstance(byte_range, SuffixByteRequest):
        return data[max(0, len(data) - byte_range.suffix) :]
    return data
