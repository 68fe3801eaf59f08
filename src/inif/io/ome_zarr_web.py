"""A Zarr store behind a URL: a value is asked for by its key, for servers list nothing."""

from __future__ import annotations

from typing import Any

from zarr.abc.store import OffsetByteRequest, RangeByteRequest, SuffixByteRequest

from inif.errors import InputError
from inif.io.location import Location, join
from inif.io.ome_zarr_readonly import MAX_METADATA, ReadOnlyStore, cut
from inif.outputs import ZARR_MARKERS
from inif.web.client import Client, Part
from inif.web.failures import refused


class WebStore(ReadOnlyStore):
    """The store.

    A server may refuse what is not there instead of saying so; for metadata that is taken as
    absence, and kept in `refusal`.

    Attributes
    ----------
    limit
        Largest value that is read from now on, in bytes.
    """

    limit = MAX_METADATA
    refusal: InputError | None = None

    def __init__(self, location: Location) -> None:
        super().__init__()
        self._location = location
        self._client = Client(location.name)

    async def get(self, key: str, prototype: Any, byte_range: Any = None) -> Any:
        """See `zarr.abc.store.Store.get`."""
        part: Part | None = None
        if isinstance(byte_range, RangeByteRequest):
            part = byte_range.start, byte_range.end
        elif isinstance(byte_range, OffsetByteRequest):
            part = byte_range.offset, None
        elif isinstance(byte_range, SuffixByteRequest):
            part = None, byte_range.suffix
        url, name = join(self._location.path, key), join(self._location.name, key)
        answer = await self._client.within(self._client.get(url, name, part, self.limit))
        with answer.body:
            data = answer.body.read()
        if answer.status in (404, 410):
            return None
        if answer.status == 403 and key.rpartition("/")[2] in (*ZARR_MARKERS, ".zmetadata"):
            self.refusal = refused(403, self._location.name)
            return None
        if answer.status not in (200, 206):
            raise refused(answer.status, name)
        return prototype.buffer.from_bytes(cut(data, byte_range) if answer.status == 200 else data)

    async def exists(self, key: str) -> bool:
        """Whether the server has it."""
        url = join(self._location.path, key)
        answer = await self._client.within(self._client.get(url, self._location.name, (0, 1)))
        answer.body.close()
        return answer.status in (200, 206)

    def close(self) -> None:
        """Close the connections."""
        super().close()
        self._client.close()
