"""Zarr stores, opened for reading only, and the chunks in them: missing, damaged, unsafe.

A chunk that is not in a store is legal: it reads as the fill value. How many there were is said. A
chunk that is there and cannot be decoded ends the reading. Zarr names its codecs in JSON, and one
of them unpickles; only codecs from a list are run.
"""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from typing import Any

import numpy as np
from zarr.abc.store import SuffixByteRequest
from zarr.storage import FsspecStore, LocalStore, WrapperStore

from inif.errors import FormatError, InifError, InputError
from inif.image import Region, check_memory
from inif.io.location import Location
from inif.io.ome_zarr_readonly import MAX_METADATA
from inif.io.ome_zarr_web import WebStore
from inif.io.ome_zarr_zip import ZipArchive
from inif.io.samples import Blocks, grown
from inif.web import is_web

_CODECS = frozenset(
    (
        *("blosc", "zstd", "zlib", "gzip", "lz4", "lzma", "bz2", "zfpy", "pcodec"),
        *("delta", "shuffle", "bitround", "fixedscaleoffset", "quantize", "packbits", "astype"),
        *("crc32", "crc32c", "adler32", "fletcher32", "jenkins_lookup3"),
        *("bytes", "transpose", "sharding_indexed", "scale_offset", "cast_value", "inif"),
    )
)
_NO_CHUNK = 2**64 - 1
"""What a shard's index has for a chunk that is not in the shard."""


class Watched(WrapperStore[Any]):
    """A store that notes which chunks of an array were asked for in vain.

    Attributes
    ----------
    inner
        The store itself.
    index
        What the index at the end of each shard means, from now on; None: no shards.
    missing
        Key of a chunk that is not in the store, or of a shard → how many chunks that are.
    """

    def __init__(self, store: Any) -> None:
        super().__init__(store)
        self.inner = store
        self.index: ShardIndex | None = None
        self.missing: dict[str, int] = {}

    async def get(self, key: str, prototype: Any, byte_range: Any = None) -> Any:
        """See `zarr.abc.store.Store.get`."""
        found = await super().get(key, prototype, byte_range)
        if found is None:
            self.missing[key] = self.index.inside(key) if self.index else 1
        elif self.index and (byte_range is None or isinstance(byte_range, SuffixByteRequest)):
            self.missing[key] = self.index.missing(key, found.as_numpy_array())
        return found


_OWN = EntryPoint("inif", "inif.zarr:InifCodec", "zarr.codecs")
"""What the metadata of an installed inif say; a checkout that is not installed has none."""


def open_store(location: Location, *, zipped: bool) -> Watched:
    """The store of a directory, of a ZIP file, or behind a URL; Zarr then knows the codec inif."""
    _OWN.load()  # which registers it
    if zipped:
        return Watched(ZipArchive(location))
    if is_web(location.path):
        return Watched(WebStore(location))
    if location.remote:
        return Watched(FsspecStore.from_url(location.path, read_only=True))
    return Watched(LocalStore(location.path, read_only=True))


def read_small(location: Location, store: Watched, relative: str, limit: int) -> bytes | None:
    """A file of the store that is no array; None if it is absent, InputError if it is larger."""
    if isinstance(store.inner, ZipArchive):
        return store.inner.read(relative)
    return location.read_small(relative, limit)


def read_value(store: Watched, key: str, limit: int = MAX_METADATA) -> bytes | None:
    """The value of any key of the store; None if it is absent.

    Raises
    ------
    InputError
        It is larger than `limit`, where the store is a ZIP file or behind a web server.
    """
    from zarr.core.buffer import default_buffer_prototype
    from zarr.core.sync import sync

    inner = store.inner
    if isinstance(inner, ZipArchive | WebStore):
        inner.limit = limit
    found = sync(inner.get(key, default_buffer_prototype()))
    return None if found is None else bytes(found.to_bytes())


def names_in(store: Watched, path: str) -> list[str]:
    """Names of what lies directly in a folder of a store that can be listed, sorted."""
    return sorted(_listed(store.inner.list_dir(path)))


def keys_below(store: Watched, path: str) -> list[str]:
    """Keys of all files in a folder of a store that can be listed, and in its folders, sorted."""
    return sorted(_listed(store.inner.list_prefix(f"{path}/")))


def _listed(names: AsyncIterator[str]) -> list[str]:
    from zarr.core.sync import sync

    async def collect() -> list[str]:
        return [name async for name in names]

    return sync(collect())


def samples(array: Any, store: Watched, name: str, keep: int | None = None) -> Blocks:
    """The samples of an array, by chunks; in a ZIP file, which gives whole shards only, by shards.

    Parameters
    ----------
    keep
        Bytes of them that are kept for the regions beside the one that needed them.

    Raises
    ------
    InputError
        Codecs that are not safe, or chunks larger than memory; on reading, a damaged chunk, which
        is named.
    """
    check_codecs(array, name)
    dtype = np.dtype(array.dtype)
    largest = array.shards or array.chunks
    check_memory(largest, dtype, name)
    zipped = isinstance(store.inner, ZipArchive)
    if isinstance(store.inner, ZipArchive | WebStore):
        store.inner.limit = 2 * math.prod(largest) * dtype.itemsize + (1 << 24)
    store.index = ShardIndex.of(array)
    store.missing.clear()

    def load(region: Region) -> np.ndarray:
        try:
            return np.asarray(array[region])
        except FormatError as error:  # of a chunk that inif has coded
            raise _damaged(array, region, error, name) from error
        except (InifError, MemoryError):
            raise
        except Exception as error:  # codecs raise what they like
            raise _damaged(array, region, error, name) from error

    block = grown(largest if zipped else array.chunks, array.shape, dtype, 2)
    return Blocks(array.shape, dtype, block, load, keep=keep)


def missing_chunks(array: Any, store: Watched) -> tuple[str, ...]:
    """The remark on chunks that were not in the store when they were to be read."""
    count = sum(store.missing.values())
    if not count:
        return ()
    what = f"array {array.path}" if array.path else "the array"
    total = math.prod(_grid(array.shape, array.chunks))
    return (
        f"{count} of {total} chunks of {what} are not in the store: they were read as the fill "
        f"value {array.fill_value}",
    )


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


def _damaged(array: Any, region: Region, error: Exception, name: str) -> InputError:
    """The error on a region that cannot be read, with the first chunk that is to blame."""
    chunk = array.shards or array.chunks
    field = array.path or None
    ranges = [range(s.start // c, -(-s.stop // c)) for s, c in zip(region, chunk, strict=True)]
    for place in itertools.product(*ranges):
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


def _grid(shape: Sequence[int], chunk: Sequence[int]) -> tuple[int, ...]:
    return tuple(-(-n // c) for n, c in zip(shape, chunk, strict=True))


def _key(array: Any, place: Sequence[int]) -> str:
    return f"{array.path}/{array.metadata.encode_chunk_key(tuple(place))}".lstrip("/")


@dataclass(frozen=True)
class ShardIndex:
    """The index that ends each shard of an array: where its chunks lie, and which are not there.

    Attributes
    ----------
    array
        The array.
    checked
        Whether a checksum of 4 bytes follows.
    """

    array: Any
    checked: bool

    @classmethod
    def of(cls, array: Any) -> ShardIndex | None:
        """That of an array; None without shards, or for an index of another kind."""
        if array.shards is None:
            return None
        shard = json.loads(json.dumps(array.metadata.to_dict(), default=str))["codecs"][0]
        settings = shard.get("configuration", {})
        codecs = [c.get("name") for c in settings.get("index_codecs", [])]
        if settings.get("index_location", "end") != "end" or codecs[:1] != ["bytes"]:
            return None
        return cls(array, codecs[1:] == ["crc32c"]) if codecs[1:] in ([], ["crc32c"]) else None

    @property
    def shape(self) -> tuple[int, ...]:
        """Chunks in a shard."""
        sizes = zip(self.array.shards, self.array.chunks, strict=True)
        return tuple(s // c for s, c in sizes)

    def _inside(self, key: str) -> tuple[int, ...]:
        """How many chunks of a shard lie within the array, along each axis."""
        grid = _grid(self.array.shape, self.array.chunks)
        place = map(int, re.findall(r"\d+", key)[-len(grid) :])
        sizes = zip(place, self.shape, grid, strict=True)
        return tuple(max(min(n, g - i * n), 0) for i, n, g in sizes)

    def inside(self, key: str) -> int:
        """How many chunks of the array a shard holds if it is whole."""
        return math.prod(self._inside(key))

    def missing(self, key: str, value: np.ndarray) -> int:
        """How many of them a shard does not hold; `value` are bytes, its index the last of them."""
        length = 16 * math.prod(self.shape)
        end = value.nbytes - (4 if self.checked else 0)
        index = value.view(np.uint8)[max(end - length, 0) : end]
        if index.size < length:
            return 0  # damaged, which reading it will tell
        offsets = np.frombuffer(index.tobytes(), "<u8").reshape(*self.shape, 2)[..., 0]
        return int(np.sum(offsets[tuple(map(slice, self._inside(key)))] == _NO_CHUNK))
