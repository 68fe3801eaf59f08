"""Samples that stay in their file until a region of them is asked for.

Three kinds lie below every reader: one run of plain samples (`Run`), blocks that are decoded one by
one (`Blocks`), and what a format gives only whole (`Whole`). Several threads may read at once.
"""

from __future__ import annotations

import itertools
import math
import os
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, BinaryIO, Protocol

import numpy as np

from inif.axes import check_axes
from inif.errors import InputError
from inif.image import LazyImage, Metadata, Region
from inif.io.common import sound_scale, translated

CACHE = 64 << 20
"""Bytes of decoded blocks that are kept for the regions beside the one that needed them."""

LARGE = 64 << 20
"""Bytes of an image from which on it is said that its format can only be read whole."""

_READ = 16 << 20
"""Bytes that are read from a file at once, at most."""

_NEAR = 1 << 18
"""Bytes that cost less to read, or to decode, than one more call."""

_THREADS = min(8, os.cpu_count() or 1)


class Samples(Protocol):
    """What a reader knows how to give: calling it gives the samples of a region that is sound."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Samples along each axis."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the samples, in the file's byte order."""

    def __call__(self, region: Region) -> np.ndarray:
        """The samples; any byte order and layout."""


class Whole:
    """Samples that are in memory because their format gives no less."""

    def __init__(self, data: np.ndarray) -> None:
        self.data, self.shape, self.dtype = data, data.shape, data.dtype

    def __call__(self, region: Region) -> np.ndarray:
        """See `Samples`."""
        return self.data[region]


class Run:
    """Plain samples that follow one another in a file, the last axis fastest.

    They are read rather than mapped: memory stays bounded, and a file that is cut or out of reach
    meanwhile is an error.

    Parameters
    ----------
    file
        Open for reading; other users of it take the same `lock`.
    offset
        Of the first sample, in bytes.
    """

    def __init__(
        self,
        file: BinaryIO,
        offset: int,
        shape: Sequence[int],
        dtype: np.dtype[Any],
        lock: AbstractContextManager[Any] | None = None,
    ) -> None:
        self.shape, self.dtype = tuple(shape), dtype
        self._file, self._offset, self._lock = file, offset, lock or threading.Lock()

    def __call__(self, region: Region) -> np.ndarray:
        """See `Samples`."""
        out = np.empty([s.stop - s.start for s in region], self.dtype)
        if out.size:
            self._fill(out, self._offset, self.shape, region)
        return out

    def _fill(self, out: np.ndarray, offset: int, shape: Sequence[int], region: Region) -> None:
        first, count = region[0].start, region[0].stop - region[0].start
        step = math.prod(shape[1:]) * self.dtype.itemsize
        gap = step - out[:1].nbytes
        at_once = max(_READ // max(step, 1), 1)
        if len(shape) == 1 or (gap <= _NEAR and step <= _READ):
            for i in range(0, count, at_once):
                n = min(at_once, count - i)
                part = self._read(offset + (first + i) * step, n * step)
                out[i : i + n] = part.reshape(n, *shape[1:])[(slice(None), *region[1:])]
            return
        for i in range(count):
            self._fill(out[i], offset + (first + i) * step, shape[1:], region[1:])

    def _read(self, offset: int, size: int) -> np.ndarray:
        raw = bytearray(size)
        view, filled = memoryview(raw), 0
        with self._lock:
            self._file.seek(offset)
            while filled < size:
                part = self._file.read(size - filled)
                if not part:
                    raise EOFError("the file ends too early")
                view[filled : filled + len(part)] = part
                filled += len(part)
        return np.frombuffer(raw, self.dtype)


class Turned:
    """Samples whose file has the axes the other way round, as Fortran does."""

    def __init__(self, samples: Samples) -> None:
        self._samples = samples
        self.shape, self.dtype = samples.shape[::-1], samples.dtype

    def __call__(self, region: Region) -> np.ndarray:
        """See `Samples`."""
        return self._samples(region[::-1]).T


class Blocks:
    """Samples that are decoded block by block; blocks at the rim of a region are kept for the next.

    Parameters
    ----------
    block
        Shape of a block; the last one along an axis may be cut by the end of the image.
    load
        Decodes one block, given as a region; several threads call it.
    threads
        How many blocks are decoded at once.
    keep
        Bytes of blocks that are kept; `CACHE` by default.
    """

    def __init__(
        self,
        shape: Sequence[int],
        dtype: np.dtype[Any],
        block: Sequence[int],
        load: Callable[[Region], np.ndarray],
        threads: int = _THREADS,
        keep: int | None = None,
    ) -> None:
        self.shape, self.dtype = tuple(shape), dtype
        self._block = tuple(max(1, min(b, n)) for b, n in zip(block, shape, strict=True))
        self._load, self._threads, self._most = load, threads, keep
        self._kept: OrderedDict[tuple[int, ...], np.ndarray] = OrderedDict()
        self._bytes, self._lock = 0, threading.Lock()

    def __call__(self, region: Region) -> np.ndarray:
        """See `Samples`."""
        out = np.empty([s.stop - s.start for s in region], self.dtype)
        if not out.size:
            return out
        ranges = [
            range(s.start // b, -(-s.stop // b)) for s, b in zip(region, self._block, strict=True)
        ]

        def copy(index: tuple[int, ...]) -> None:
            box = self._box(index)
            into, of = [], []
            for want, have in zip(region, box, strict=True):
                low, high = max(want.start, have.start), min(want.stop, have.stop)
                into.append(slice(low - want.start, high - want.start))
                of.append(slice(low - have.start, high - have.start))
            whole = all(s.stop - s.start == b.stop - b.start for s, b in zip(of, box, strict=True))
            out[tuple(into)] = self._get(index, box, keep=not whole)[tuple(of)]

        count = math.prod(map(len, ranges))
        if min(count, self._threads) == 1:
            for index in itertools.product(*ranges):
                copy(index)
            return out
        with ThreadPoolExecutor(min(count, self._threads)) as pool:
            indices = itertools.product(*ranges)
            while batch := list(itertools.islice(indices, 1024)):
                for _ in pool.map(copy, batch):
                    pass
        return out

    def _box(self, index: tuple[int, ...]) -> Region:
        return tuple(
            slice(i * b, min((i + 1) * b, n))
            for i, b, n in zip(index, self._block, self.shape, strict=True)
        )

    def _get(self, index: tuple[int, ...], box: Region, *, keep: bool) -> np.ndarray:
        with self._lock:
            if (kept := self._kept.get(index)) is not None:
                self._kept.move_to_end(index)
                return kept
        block = self._load(box)
        if block.shape != (due := tuple(s.stop - s.start for s in box)):
            raise ValueError(f"a block of shape {due} has shape {block.shape}")
        if keep:
            with self._lock:
                if index not in self._kept:
                    self._kept[index] = block
                    self._bytes += block.nbytes
                while self._bytes > (self._most or CACHE) and len(self._kept) > 1:
                    self._bytes -= self._kept.popitem(last=False)[1].nbytes
        return block


def grown(
    unit: Sequence[int], shape: Sequence[int], dtype: np.dtype[Any], axes: int
) -> tuple[int, ...]:
    """A block of whole units along the last so many axes: small ones are not worth a call each."""
    block = [max(1, u) for u in unit]
    for axis in reversed(range(max(len(block) - axes, 0), len(block))):
        while math.prod(block) * dtype.itemsize < _NEAR and block[axis] < shape[axis]:
            block[axis] *= 2
    return tuple(block)


class Reader:
    """What a `LazyImage` reads with: whatever goes wrong is one error that names the file.

    Parameters
    ----------
    samples
        What is read.
    name, kind
        The file, and the kind of file, for messages.
    close
        Closes the file; done once, at the latest when nobody has the reader any more.
    """

    def __init__(
        self, samples: Samples, name: str, kind: str, close: Callable[[], object] | None = None
    ) -> None:
        self._samples, self._name, self._kind = samples, name, kind
        self.close = weakref.finalize(self, close or (lambda: None))

    def __call__(self, region: Region) -> np.ndarray:
        """The samples of a region; see `inif.image.ImageSource.read`."""
        if not self.close.alive:
            raise InputError("this image has been closed", file=self._name, fix="open it again")
        fix = "check that the file is complete, or export it again"
        with translated(self._name, f"this {self._kind} cannot be read", fix):
            return self._samples(region)


def build(
    samples: Samples,
    kind: str,
    stored: str | None,
    axes: str | None,
    meta: Metadata,
    name: str,
    remarks: Sequence[str] = (),
    *,
    close: Callable[[], object] | None = None,
    labels: bool | None = None,
    noticed: Callable[[], tuple[str, ...]] = tuple,
) -> LazyImage:
    """An image, with the axes that the file states or else those that the user gave.

    Explicit `axes` win if they fit the array. Metadata of axes that the image does not have are
    left out; channels that say nothing, or whose number does not fit, are too. Steps are made
    sound, with a remark on each that was not (`sound_scale`). A large image that is in memory
    because its format gives no less has a remark that says so.

    Parameters
    ----------
    kind
        Of file, for messages: "TIFF file".
    close
        Closes the file; it is closed at once if the axes are refused.

    Raises
    ------
    AxesError
        Neither the file nor the user names the axes, or the names do not fit.
    """
    reader = Reader(samples, name, kind, close)
    try:
        chosen = check_axes(axes or stored, samples.shape, file=name)
    except BaseException:
        reader.close()
        raise
    count = samples.shape[chosen.index("C")] if "C" in chosen else 1
    channels = meta.channels if any(c.name or c.color for c in meta.channels) else ()
    scale, doubts = sound_scale({a: meta.scale[a] for a in chosen if a in meta.scale})
    meta = replace(meta, scale=scale, channels=channels if len(channels) == count else ())
    said = [*remarks, *doubts]
    if isinstance(samples, Whole) and (size := samples.data.nbytes) > LARGE:
        said.append(f"this {kind} can only be read whole: it takes {size / 1e6:.0f} MB of memory")
    return LazyImage(
        *(chosen, samples.shape, samples.dtype, reader, meta, name, tuple(said), labels),
        closer=reader.close,
        noticed=noticed,
    )
