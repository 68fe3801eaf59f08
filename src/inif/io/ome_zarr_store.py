"""Zarr stores, opened for reading only, and the chunks in them: missing, damaged, unsafe.

A chunk that is not in a store is legal: it reads as the fill value. How many there were is said. A
chunk that is there and cannot be decoded ends the reading. Zarr names its codecs in JSON, and one
of them unpickles; only codecs from a list are run.
"""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
from zarr.abc.store import SuffixByteRequest
from zarr.storage import FsspecStore, LocalStore, WrapperStore

from inif.errors import InifError, InputError
from inif.image import check_memory
from inif.io.common import Source
from inif.io.ome_zarr_web import WebStore
from inif.io.ome_zarr_zip import ZipArchive
from inif.web import is_web

_CODECS = frozenset(
    (
        *("blosc", "zstd", "zlib", "gzip", "lz4", "lzma", "bz2", "zfpy", "pcodec"),
        *("delta", "shuffle", "bitround", "fixedscaleoffset", "quantize", "packbits", "astype"),
        *("crc32", "crc32c", "adler32", "fletcher32", "jenkins_lookup3"),
        *("bytes", "transpose", "sharding_indexed", "scale_offset", "cast_value"),
    )
)
_NO_CHUNK = 2**64 - 1
"""What a shard's index has for a chunk that is not in the shard."""


class Watched(WrapperStore[Any]):
    """A store that notes which keys it was asked for in vain, and what the indices of shards say.

    Attributes
    ----------
    inner
        The store itself.
    absent
        Keys that are not in the store.
    index_bytes
        Length of a shard's index, which ends each shard that is read from now on; 0: no shards.
    indices
        Key of a shard → its index.
    """

    def __init__(self, store: Any) -> None:
        super().__init__(store)
        self.inner = store
        self.absent: set[str] = set()
        self.index_bytes = 0
        self.indices: dict[str, bytes] = {}

    async def get(self, key: str, prototype: Any, byte_range: Any = None) -> Any:
        """See `zarr.abc.store.Store.get`."""
        found = await super().get(key, prototype, byte_range)
        if found is None:
            self.absent.add(key)
        elif self.index_bytes and (byte_range is None or isinstance(byte_range, SuffixByteRequest)):
            self.indices[key] = found.as_numpy_array()[-self.index_bytes :].tobytes()
        return found


def open_store(source: Source, *, zipped: bool) -> Watched:
    """The store of a directory, of a ZIP file, or behind a URL."""
    if zipped:
        return Watched(ZipArchive(source))
    if is_web(source.path):
        return Watched(WebStore(source))
    if source.remote:
        return Watched(FsspecStore.from_url(source.path, read_only=True))
    return Watched(LocalStore(source.path, read_only=True))


def read_small(source: Source, store: Watched, relative: str, limit: int) -> bytes | None:
    """A file of the store that is no array; None if it is absent, InputError if it is larger."""
    if isinstance(store.inner, ZipArchive):
        return store.inner.read(relative)
    return source.read_small(relative, limit)


def read_array(array: Any, store: Watched, name: str) -> tuple[np.ndarray, list[str]]:
    """All samples of an array, and remarks.

    Raises
    ------
    InputError
        Codecs that are not safe, more samples than memory, or a damaged chunk, which is named.
    """
    check_codecs(array, name)
    dtype = np.dtype(array.dtype)
    check_memory(array.shape, dtype, name)
    chunk = array.shards or array.chunks
    check_memory(chunk, dtype, name)
    if isinstance(store.inner, ZipArchive | WebStore):
        store.inner.limit = 2 * math.prod(chunk) * dtype.itemsize + (1 << 24)
    store.index_bytes = _index_bytes(array)
    store.absent.clear()
    try:
        data = np.asarray(array[...])
    except (InifError, MemoryError):
        raise
    except Exception as error:  # codecs raise what they like
        raise _damaged(array, error, name) from error
    missing, total = _count_missing(array, store)
    if not missing:
        return data, []
    what = f"array {array.path}" if array.path else "the array"
    return data, [
        f"{missing} of {total} chunks of {what} are not in the store: they were read as the fill "
        f"value {array.fill_value}"
    ]


def check_codecs(array: Any, name: str) -> None:
    """Refuse codecs outside the list: numcodecs has one that unpickles, which runs code."""
    kind = np.dtype(array.dtype).kind
    found = _codec_names(json.loads(json.dumps(array.metadata.to_dict(), default=str)))
    unknown = sorted(c for c in found if c not in _CODECS and not c.startswith("imagecodecs_"))
    if unknown or kind not in "biufc":
        raise InputError(
            "this Zarr array cannot be read safely",
            file=name,
            field="codecs" if unknown else "dtype",
            expected="numbers, and codecs for numbers",
            got=", ".join(unknown) or array.dtype,
            fix="store it again with a common codec, such as zstd",
        )


def _codec_names(metadata: Any) -> set[str]:
    names: set[str] = set()
    for key in ("codecs", "filters", "compressor", "index_codecs"):
        entries = metadata.get(key) or []
        for entry in entries if isinstance(entries, list | tuple) else [entries]:
            if not isinstance(entry, dict):
                names.add(str(entry))
                continue
            name = str(entry.get("name") or entry.get("id"))
            names.add(name.removeprefix("numcodecs.").lower())
            names |= _codec_names(entry.get("configuration") or {})
    return names


def _damaged(array: Any, error: Exception, name: str) -> InputError:
    """The error on an array whose samples cannot be read, with the first chunk that is to blame."""
    chunk = array.shards or array.chunks
    field = array.path or None
    for place in np.ndindex(*_grid(array.shape, chunk)):
        part = tuple(slice(i * n, (i + 1) * n) for i, n in zip(place, chunk, strict=True))
        try:
            array[part]
        except Exception:
            field = _key(array, place)
            break
    return InputError(
        "a chunk of this Zarr array is damaged or cut short",
        file=name,
        field=field,
        got=str(error) or type(error).__name__,
        fix="get the store again from its source, or export it again",
    )


def _grid(shape: tuple[int, ...], chunk: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(-(-n // c) for n, c in zip(shape, chunk, strict=True))


def _key(array: Any, place: tuple[int, ...]) -> str:
    return f"{array.path}/{array.metadata.encode_chunk_key(place)}".lstrip("/")


def _index_bytes(array: Any) -> int:
    """The length of the index that ends each shard; 0 without shards, or for another index."""
    if array.shards is None:
        return 0
    shard = json.loads(json.dumps(array.metadata.to_dict(), default=str))["codecs"][0]
    settings = shard.get("configuration", {})
    codecs = [c.get("name") for c in settings.get("index_codecs", [])]
    if settings.get("index_location", "end") != "end" or codecs not in (
        ["bytes"],
        ["bytes", "crc32c"],
    ):
        return 0
    count = math.prod(s // c for s, c in zip(array.shards, array.chunks, strict=True))
    return int(16 * count + (4 if "crc32c" in codecs else 0))


def _count_missing(array: Any, store: Watched) -> tuple[int, int]:
    """How many chunks are not in the store, after the array was read, and how many there can be."""
    grid = _grid(array.shape, array.chunks)
    if array.shards is None:
        return len(store.absent), math.prod(grid)
    per_shard = tuple(s // c for s, c in zip(array.shards, array.chunks, strict=True))
    missing = 0
    for place in np.ndindex(*_grid(array.shape, array.shards)):
        inside = [min(n, g - i * n) for i, n, g in zip(place, per_shard, grid, strict=True)]
        key = _key(array, place)
        if key in store.absent:
            missing += math.prod(inside)
        elif key in store.indices:
            entries = np.frombuffer(store.indices[key], "<u8", 2 * math.prod(per_shard))
            offsets = entries.reshape(*per_shard, 2)[..., 0]
            missing += int(np.sum(offsets[tuple(map(slice, inside))] == _NO_CHUNK))
    return missing, math.prod(grid)
