"""A Zarr hierarchy as its documents have it: groups, arrays, their attributes, and other files.

Documents are read as JSON, not by Zarr, so that attributes stay as they are and arrays of types
that Zarr does not know (tables of text, say) do not stop the visit.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from inif.errors import InputError
from inif.io.location import Location
from inif.io.ome_zarr_series import node_at
from inif.io.ome_zarr_store import Watched, keys_below, names_in, open_store, read_value
from inif.outputs import ZARR_MARKERS
from inif.scale.source import StoreFile, ZarrSource

_OWN = {*ZARR_MARKERS, ".zmetadata"}
"""Documents of Zarr itself, which are read here and written anew."""

_LARGEST = 1 << 28
"""Largest document that is read, in bytes: the root's may repeat those of all groups and arrays."""


@dataclass(frozen=True)
class Node:
    """A group or an array.

    Attributes
    ----------
    is_array
        Whether it is an array.
    attributes
        As they are stored.
    """

    is_array: bool
    attributes: Mapping[str, Any] = field(default_factory=dict)


class Hierarchy:
    """A store's groups, arrays and files, by path; "" is the root.

    Attributes
    ----------
    name
        Of the store, for messages.
    """

    def __init__(self, location: Location, *, zipped: bool) -> None:
        self._location, self._zipped = location, zipped
        self._store: Watched = open_store(location, zipped=zipped)
        self.name = location.name

    def close(self) -> None:
        """Close the store."""
        self._store.close()

    @property
    def listed(self) -> bool:
        """Whether the store says what it holds; web servers do not."""
        return bool(self._store.supports_listing)

    def node(self, path: str) -> Node | None:
        """What lies at a path; None if that is neither a group nor an array.

        Raises
        ------
        InputError
            Its documents are no JSON objects.
        """
        if (body := self._json(path, "zarr.json")) is not None:
            attributes = body.get("attributes", {})
            if not isinstance(attributes, dict):
                raise self._damaged(path, "zarr.json")
            return Node(body.get("node_type") == "array", attributes)
        is_array = self._json(path, ".zarray") is not None
        attributes = self._json(path, ".zattrs")
        if attributes is None and not is_array and self._json(path, ".zgroup") is None:
            return None
        return Node(is_array, attributes or {})

    def array(self, path: str) -> Any:
        """The array at a path, as Zarr gives it; None if there is none."""
        found = node_at(self._store, path)
        return found if hasattr(found, "dtype") else None

    def block(self, array: Any) -> tuple[int, ...]:
        """Lengths of the boxes in which an array is read at least cost; of a ZIP file, shards."""
        return tuple((self._zipped and array.shards) or array.chunks)

    def group(self, path: str) -> Any:
        """The group at a path, as Zarr gives it."""
        return node_at(self._store, path)

    @property
    def store(self) -> Watched:
        """The store itself."""
        return self._store

    def names(self, path: str) -> list[str]:
        """Names in a group, without Zarr's own documents; none where the store lists nothing."""
        return [n for n in names_in(self._store, path) if n not in _OWN] if self.listed else []

    def keys(self, path: str) -> list[str]:
        """Keys of all files below a path, or of the one that it names."""
        return keys_below(self._store, path) or [path]

    def holds(self, key: str) -> bool:
        """Whether there is a file of this key."""
        return self._location.holds(key) if not self._zipped else self.read(key) is not None

    def read(self, key: str) -> bytes | None:
        """A document or another small file; None if there is none."""
        if self._location.remote or self._zipped:
            return read_value(self._store, key, _LARGEST)
        return self._location.read_small(key, _LARGEST)

    def source(self, path: str) -> ZarrSource:
        """The samples of an array."""
        return ZarrSource(self._location.path, path, self._zipped)

    def file(self, key: str) -> StoreFile:
        """A file, to be read later."""
        return StoreFile(self._location.path, key, self._zipped)

    def _json(self, path: str, document: str) -> dict[str, Any] | None:
        raw = self.read(f"{path}/{document}".lstrip("/"))
        if raw is None:
            return None
        try:
            body = json.loads(raw)
        except ValueError:
            raise self._damaged(path, document) from None
        if not isinstance(body, dict):
            raise self._damaged(path, document)
        return body

    def _damaged(self, path: str, document: str) -> InputError:
        return InputError(
            "this Zarr document is damaged",
            file=self.name,
            field=f"{path}/{document}".lstrip("/"),
            expected="a JSON object",
            fix="get the store again from its source, or export it again",
        )
