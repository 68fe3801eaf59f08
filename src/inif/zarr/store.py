"""A `.inif` file as a Zarr store: OME-Zarr 0.5, read-only, decoded chunk by chunk.

``zarr.open_group(InifStore("stack.inif"))`` gives what zarr, dask, napari and others read of any
OME-Zarr: a group with an array per level, axes, units, scales, and channels with their display
limits. Chunks are planes of at most 1024 × 1024 samples, not compressed.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import math
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from zarr.abc.store import ByteRequest
from zarr.core.buffer import Buffer, BufferPrototype

from inif.decode.contract import Coarse
from inif.decode.file import File, open_file
from inif.decode.levels import Level
from inif.io.ome_zarr_meta import attributes, dataset
from inif.io.ome_zarr_readonly import ReadOnlyStore, cut

OME_ORDER = "TCZYX"
_GROUP = "zarr.json"


class InifStore(ReadOnlyStore):
    """A `.inif` file as a Zarr store with one multiscale image.

    Axes come in OME's order, TCZYX, and Y or X with length 1 where the file has none; levels are
    those of `File.levels`. It pickles as its file does, by path or URL.

    Parameters
    ----------
    file
        An open file, or what `inif.open` takes; what the store opened it also closes.

    Raises
    ------
    FormatError, UnsupportedError, InputError
        As `inif.open`.
    """

    def __init__(self, file: object) -> None:
        super().__init__()
        self._own = not isinstance(file, File)
        self.file = file if isinstance(file, File) else open_file(file)
        self._is_open = True

    @cached_property
    def axes(self) -> str:
        """Of the arrays."""
        return "".join(a for a in OME_ORDER if a in self.file.axes or a in "YX")

    def close(self) -> None:
        """Close the file, if the store opened it."""
        super().close()
        if self._own:
            self.file.close()

    def __reduce__(self) -> tuple[Callable[..., InifStore], tuple[object, ...]]:
        reopen, place = self.file.__reduce__()
        return _reopened, (reopen, *place)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, InifStore):
            return False
        return self.file.container.digest == other.file.container.digest

    __hash__ = None

    def __repr__(self) -> str:
        return f"InifStore({self.file.name!r})"

    @property
    def supports_listing(self) -> bool:
        """Yes: all keys are known."""
        return True

    def keys(self) -> Iterator[str]:
        """Every key, level by level: documents, then chunks."""
        yield _GROUP
        for number, grid in enumerate(self._grids):
            yield f"{number}/{_GROUP}"
            for index in itertools.product(*map(range, grid)):
                yield "/".join([str(number), "c", *map(str, index)])

    def entry(self, key: str) -> bytes | None:
        """The value of a key, decoded where it is a chunk; None where there is none."""
        make = self._maker(key)
        return None if make is None else make()

    def holds(self, key: str) -> bool:
        """Whether there is such a key; nothing is decoded."""
        return self._maker(key) is not None

    def _maker(self, key: str) -> Callable[[], bytes] | None:
        """What makes the value of a key; None where there is none."""
        if key == _GROUP:
            return lambda: _json(self._group())
        number, _, rest = key.partition("/")
        if not _is_number(number) or int(number) >= len(self.file.levels):
            return None
        level = self.file.levels[int(number)]
        if rest == _GROUP:
            return lambda: _json(self._array(level))
        index = self._index(rest, self._grids[level.number])
        return None if index is None else lambda: self._chunk(level, index)

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """See `zarr.abc.store.Store.get`; chunks are decoded in a thread."""
        value = await asyncio.to_thread(self.entry, key)
        return None if value is None else prototype.buffer.from_bytes(cut(value, byte_range))

    async def exists(self, key: str) -> bool:
        """See `zarr.abc.store.Store.exists`."""
        return self.holds(key)

    async def list(self) -> AsyncIterator[str]:
        """See `zarr.abc.store.Store.list`."""
        for key in self.keys():
            yield key

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """See `zarr.abc.store.Store.list_prefix`."""
        for key in self.keys():
            if key.startswith(prefix):
                yield key

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """See `zarr.abc.store.Store.list_dir`."""
        for name in self._names(prefix.strip("/")):
            yield name

    def _names(self, folder: str) -> Iterable[str]:
        """What is directly in a folder."""
        if not folder:
            return [_GROUP, *map(str, range(len(self._grids)))]
        number, *parts = folder.split("/")
        if not _is_number(number) or int(number) >= len(self._grids):
            return []
        if not parts:
            return [_GROUP, "c"]
        grid, rest = self._grids[int(number)], [0] * (len(self.axes) - len(parts) + 1)
        if not rest or self._index("/".join([*parts, *map(str, rest)]), grid) is None:
            return []
        return [] if len(parts) > len(grid) else map(str, range(grid[len(parts) - 1]))

    @cached_property
    def _grids(self) -> Sequence[tuple[int, ...]]:
        """Chunks along each of the arrays' axes, level by level."""
        return [
            tuple(
                math.ceil(n / c)
                for n, c in zip(self._ordered(one.shape), self._ordered(one.chunks), strict=True)
            )
            for one in self.file.levels
        ]

    def _ordered(self, lengths: tuple[int, ...]) -> tuple[int, ...]:
        """Lengths along the file's axes as they are along the arrays'."""
        known = dict(zip(self.file.axes, lengths, strict=True))
        return tuple(known.get(a, 1) for a in self.axes)

    def _index(self, rest: str, grid: tuple[int, ...]) -> tuple[int, ...] | None:
        """The chunk of a key such as "c/0/3/1", if there is one."""
        head, *numbers = rest.split("/")
        if head != "c" or len(numbers) != len(grid) or not all(map(_is_number, numbers)):
            return None
        index = tuple(map(int, numbers))
        return index if all(i < n for i, n in zip(index, grid, strict=True)) else None

    def _chunk(self, level: Level, index: tuple[int, ...]) -> bytes:
        """A chunk of its full shape: what lies beyond the image is 0."""
        known = dict(zip(self.axes, index, strict=True))
        place = tuple(known[a] for a in self.file.axes)
        samples = level.chunk(int(np.ravel_multi_index(place, level.grid.counts)))
        axes = self.file.axes + "".join(a for a in self.axes if a not in self.file.axes)
        samples = samples.reshape(samples.shape + (1,) * (len(axes) - samples.ndim))
        samples = samples.transpose([axes.index(a) for a in self.axes])
        full = self._ordered(level.chunks)
        if samples.shape != full:
            padded = np.zeros(full, samples.dtype)
            padded[tuple(map(slice, samples.shape))] = samples
            samples = padded
        return samples.astype(samples.dtype.newbyteorder("<"), copy=False).tobytes()

    def _group(self) -> dict[str, Any]:
        file, levels = self.file, self.file.levels
        datasets = [
            dataset(str(one.number), self.axes, file.meta.scale, one.step, shift=False)
            for one in levels
        ]
        kind = None
        if len(levels) > 1:
            kind = "mean" if isinstance(file.bricks, Coarse) else "nearest"
        windows = file.windows
        ome = attributes(file.meta, self.axes, file.dtype, datasets, windows, kind=kind)
        return {"zarr_format": 3, "node_type": "group", "attributes": {"ome": ome}}

    def _array(self, level: Level) -> dict[str, Any]:
        dtype = level.dtype
        zero: object = False if dtype.kind == "b" else 0.0 if dtype.kind == "f" else 0
        coder: dict[str, Any] = {"name": "bytes"}
        if dtype.itemsize > 1:
            coder["configuration"] = {"endian": "little"}
        chunks = {"chunk_shape": list(self._ordered(level.chunks))}
        return {
            "zarr_format": 3,
            "node_type": "array",
            "shape": list(self._ordered(level.shape)),
            "data_type": dtype.name,
            "chunk_grid": {"name": "regular", "configuration": chunks},
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "fill_value": zero,
            "codecs": [coder],
            "dimension_names": [a.lower() for a in self.axes],
            "attributes": {},
        }


def _reopened(reopen: Callable[..., File], *place: object) -> InifStore:
    return InifStore(reopen(*place))


def _is_number(text: str) -> bool:
    """Whether a part of a key is a number as Zarr writes it."""
    return text.isascii() and text.isdecimal() and (text == "0" or text[0] != "0")


def _json(body: dict[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode()
