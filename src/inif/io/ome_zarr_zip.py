"""A Zarr store in a ZIP file, read in place: nothing is unpacked to disk.

The store may lie at the root of the ZIP file or in a folder of it. What a member claims about its
size is held against what a chunk of the array can need, before it is inflated.
"""

from __future__ import annotations

import zipfile
from collections.abc import AsyncIterator, Sequence
from typing import Any

from inif.errors import InputError
from inif.io.location import Location
from inif.io.ome_zarr_readonly import MAX_METADATA, ReadOnlyStore, cut
from inif.outputs import ZARR_MARKERS


def store_roots(members: Sequence[str]) -> list[str]:
    """The outermost folders of a ZIP file that are Zarr stores: "" for the file's own root."""
    folders = {
        name.rpartition("/")[0] for name in members if name.rpartition("/")[2] in ZARR_MARKERS
    }
    depth = min((f.count("/") + bool(f) for f in folders), default=0)
    return sorted(f for f in folders if f.count("/") + bool(f) == depth)


class ZipArchive(ReadOnlyStore):
    """The store.

    Attributes
    ----------
    limit
        Largest member that is read from now on, in bytes.
    """

    limit = MAX_METADATA

    def __init__(self, location: Location) -> None:
        """Find the store in the file.

        Raises
        ------
        InputError
            Several stores, or an encrypted one.
        """
        super().__init__()
        self._name = location.name
        self._last: tuple[str, bytes] = ("", b"")
        self._file = location.open()
        try:
            self._zip = zipfile.ZipFile(self._file)
            roots = store_roots(self._zip.namelist())
            if len(roots) != 1:
                raise InputError(
                    "this ZIP file holds several Zarr stores",
                    file=self._name,
                    expected="one",
                    got=", ".join(roots),
                    fix="unpack it, and name one of them",
                )
            prefix = f"{roots[0]}/" if roots[0] else ""
            self._members = {
                info.filename.removeprefix(prefix): info
                for info in self._zip.infolist()
                if info.filename.startswith(prefix) and not info.is_dir()
            }
            locked = [m.filename for m in self._members.values() if m.flag_bits & 1]
            if locked:
                raise InputError(
                    "this ZIP file is encrypted",
                    file=self._name,
                    field=locked[0],
                    fix="unpack it with its password, and name the folder",
                )
        except BaseException:
            self._file.close()
            raise

    def read(self, key: str) -> bytes | None:
        """One member, whole; None if there is none of this name.

        Raises
        ------
        InputError
            It claims to be larger than `limit`, or is damaged.
        """
        info = self._members.get(key)
        if info is None:
            return None
        if self._last[0] == key:  # chunks of one shard
            return self._last[1]
        if info.file_size > self.limit:
            raise InputError(
                "a member of this ZIP file is larger than it can be",
                file=self._name,
                field=info.filename,
                expected=f"at most {self.limit} bytes",
                got=f"{info.file_size} bytes",
            )
        try:
            self._last = key, self._zip.read(info)
        except Exception as error:  # zipfile and the codecs below it raise what they like
            raise InputError(
                "a member of this ZIP file is damaged",
                file=self._name,
                field=info.filename,
                got=str(error) or type(error).__name__,
                fix="get the file again from its source",
            ) from error
        return self._last[1]

    async def get(self, key: str, prototype: Any, byte_range: Any = None) -> Any:
        """See `zarr.abc.store.Store.get`."""
        data = self.read(key)
        return None if data is None else prototype.buffer.from_bytes(cut(data, byte_range))

    async def exists(self, key: str) -> bool:
        """Whether there is such a member."""
        return key in self._members

    async def list(self) -> AsyncIterator[str]:
        """Every key."""
        for key in self._members:
            yield key

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """Every key that starts so."""
        for key in self._members:
            if key.startswith(prefix):
                yield key

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """Names in a folder."""
        start = f"{prefix.rstrip('/')}/" if prefix else ""
        found = {k.removeprefix(start).split("/")[0] for k in self._members if k.startswith(start)}
        for name in sorted(found):
            yield name

    @property
    def supports_listing(self) -> bool:
        """Yes."""
        return True

    def close(self) -> None:
        """Close the ZIP file."""
        super().close()
        self._zip.close()
        self._file.close()
