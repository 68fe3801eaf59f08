"""One shard: its chunks are read and coded one after the other, and it appears whole or not at all.

These are the functions that workers call. What they give depends on nothing but what they take.
"""

from __future__ import annotations

import math
import os
import secrets
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO

import google_crc32c
import numpy as np

from inif.encode.chunk import Encoded
from inif.errors import InifError, InputError
from inif.fields.parallel import on_one_core
from inif.image import Region
from inif.samples import peak_memory
from inif.scale.tasks import Array, Shard, Try

ABSENT = 2**64 - 1
"""In a shard's index: a chunk of nothing but the fill value."""

TEMPORARY = ".tmp"
"""Folder of a store in which shards lie until they are whole."""


def never() -> bool:
    """Nothing stops the work."""
    return False


def write_shard(task: Shard, stopped: Callable[[], bool] = never) -> dict[str, Any]:
    """Code a shard and write it under its name, replacing what is there.

    Parameters
    ----------
    stopped
        Whether to give up, asked before every chunk.

    Returns
    -------
    dict
        "shard" (its key), "bytes" (0: all is the fill value, and there is no file), "crc32c" of the
        file, "squares", "low" and "high" of each of its channels, "worst", "exact" (chunks that are
        exact though it was not asked for), "absent" (chunks), "seconds", "worker", "memory" (bytes
        that its process has used at most; 0 where that is not known).

    Raises
    ------
    InputError
        Samples cannot be read; the message names array and region.
    InputError
        The file cannot be written.
    KeyboardInterrupt
        It was stopped.
    """
    time.sleep(task.attempt)
    array, start = task.array, time.perf_counter()
    channels = array.channels(array.region(task.place, array.shards))
    errors = _Errors(channels)
    index = np.full((math.prod(array.per_shard), 2), ABSENT, "<u8")
    target = os.path.join(task.store, *array.key(task.place).split("/"))
    temporary = os.path.join(task.store, TEMPORARY, secrets.token_hex(8))
    digest = size = 0
    try:
        with on_one_core(), _writing(target, temporary) as file:
            for number, place in array.chunks_of(task.place):
                if stopped():
                    raise KeyboardInterrupt
                region = array.region(place, array.chunks)
                samples = samples_of(array, region)
                own = array.channels(region)
                if is_fill(samples, array.fill_value):
                    errors.absent(own, float(array.fill_value))
                    continue
                made = task.way.chunk(array, samples, own).encode(0.0, task.stretch)
                errors.add(own, made)
                file.write(made.data)
                digest = google_crc32c.extend(digest, made.data)
                index[number] = size, len(made.data)
                size += len(made.data)
            if size:
                tail = index.tobytes()
                tail += struct.pack("<I", google_crc32c.value(tail))
                file.write(tail)
                digest = google_crc32c.extend(digest, tail)
                size += len(tail)
                file.flush()
                os.fsync(file.fileno())
        if size:
            _placed(temporary, target)
        else:
            with suppress(FileNotFoundError):
                os.unlink(target)
    finally:
        with suppress(OSError):
            os.unlink(temporary)
    return {
        "shard": array.key(task.place),
        "bytes": size,
        "crc32c": f"{digest:08x}" if size else None,
        **errors.facts(),
        "seconds": round(time.perf_counter() - start, 3),
        "worker": f"{socket.gethostname()}:{os.getpid()}",
        "memory": peak_memory(),
    }


def try_chunk(task: Try, stopped: Callable[[], bool] = never) -> tuple[float, tuple[float, ...]]:
    """Bytes that a chunk would take, and the sum of the squared errors of each of its channels.

    Raises
    ------
    InputError
        As `write_shard`.
    """
    region = task.array.region(task.place, task.array.chunks)
    channels = task.array.channels(region)
    with on_one_core():
        samples = samples_of(task.array, region)
        if is_fill(samples, task.array.fill_value):
            return 0.0, (0.0,) * len(channels)
        size, squares = task.way.chunk(task.array, samples, channels).trial()
    return float(size), tuple(map(float, squares))


def look_at_chunk(
    task: Try, stopped: Callable[[], bool] = never
) -> tuple[tuple[float, float], ...]:
    """The lowest and the highest finite sample of each channel of a chunk; zeros for none.

    Raises
    ------
    InputError
        As `write_shard`.
    """
    region = task.array.region(task.place, task.array.chunks)
    samples = samples_of(task.array, region)
    c = task.array.axes.find("C")
    parts = samples[None] if c < 0 else np.moveaxis(samples, c, 0)
    found = []
    for part in parts:
        finite = part[np.isfinite(part)] if part.dtype.kind == "f" else part
        found.append((float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0))
    return tuple(found)


def samples_of(array: Array, region: Region) -> np.ndarray:
    """The samples of a region.

    Raises
    ------
    InputError
        They cannot be read; the message names array and region.
    """
    try:
        return array.source.read(region)
    except InifError:
        raise
    except Exception as error:
        raise InputError(
            "samples of the input cannot be read",
            field=f"array {array.path or 'at the root'}, region "
            + ", ".join(f"{one.start}:{one.stop}" for one in region),
            got=f"{type(error).__name__}: {error}",
        ) from error


def is_fill(samples: np.ndarray, fill: Any) -> bool:
    """Whether all samples are the fill value."""
    if fill != fill:
        return bool(np.isnan(samples).all())
    return bool((samples == fill).all())


class _Errors:
    """What a shard's chunks have lost, and the range of the originals."""

    def __init__(self, channels: range) -> None:
        self._first = channels.start
        self._squares = np.zeros(len(channels))
        self._low = np.full(len(channels), np.inf)
        self._high = np.full(len(channels), -np.inf)
        self._worst, self._exact, self._absent = 0.0, 0, 0

    def _at(self, channels: range) -> slice:
        return slice(channels.start - self._first, channels.stop - self._first)

    def add(self, channels: range, made: Encoded) -> None:
        """Note a chunk."""
        own = self._at(channels)
        self._squares[own] += made.squares
        self._low[own] = np.minimum(self._low[own], made.low)
        self._high[own] = np.maximum(self._high[own], made.high)
        self._worst = max(self._worst, float(made.worst))
        self._exact += made.exact is not None

    def absent(self, channels: range, fill: float) -> None:
        """Note a chunk that is not stored."""
        own = self._at(channels)
        if math.isfinite(fill):
            self._low[own] = np.minimum(self._low[own], fill)
            self._high[own] = np.maximum(self._high[own], fill)
        self._absent += 1

    def facts(self) -> dict[str, Any]:
        """As `write_shard` returns them."""
        found = np.isfinite(self._low)
        return {
            "squares": self._squares.tolist(),
            "low": np.where(found, self._low, 0.0).tolist(),
            "high": np.where(found, self._high, 0.0).tolist(),
            "worst": self._worst,
            "exact": self._exact,
            "absent": self._absent,
        }


@contextmanager
def _writing(target: str, temporary: str) -> Iterator[BinaryIO]:
    """A file for a shard; what the system refuses is told by the shard's name."""
    try:
        os.makedirs(os.path.dirname(temporary), exist_ok=True)
        with open(temporary, "xb") as file:
            yield file
    except OSError as error:
        if isinstance(error, InifError):
            raise
        raise _unwritten(target, error) from error


def _placed(temporary: str, target: str) -> None:
    """Give a whole file its name, and see to it that the name stays."""
    try:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.replace(temporary, target)
    except OSError as error:
        raise _unwritten(target, error) from error


def _unwritten(target: str, error: OSError) -> InputError:
    return InputError(
        "the output cannot be written",
        file=target,
        got=error.strerror or error,
        fix="see to it that the disk has room and may be written to; then the same command goes on "
        "where it stopped",
    )
