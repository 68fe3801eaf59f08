"""A store that has been written is read back: digests of shards, and every chunk decoded."""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import google_crc32c
import numpy as np

from inif.decode.chunk import open_chunk
from inif.errors import InifError
from inif.fields.parallel import on_one_core
from inif.scale.shard import ABSENT, never
from inif.scale.tasks import Array


@dataclass(frozen=True)
class Check:
    """A shard that is to be read back.

    Attributes
    ----------
    store
        Folder of the store.
    array, place
        Which one.
    size, digest
        Of its file, as its record has them; 0 for no file.
    """

    store: str
    array: Array
    place: tuple[int, ...]
    size: int
    digest: str | None


def check_shard(task: Check, stopped: Callable[[], bool] = never) -> str | None:
    """Read a shard back: what is wrong with it, or None.

    Every chunk is decoded; its samples are compared with the check that its encoder took of them.
    """
    path = os.path.join(task.store, *task.array.key(task.place).split("/"))
    try:
        with open(path, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        return "it is missing" if task.size else None
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    if len(data) != task.size:
        return f"it has {len(data)} bytes instead of {task.size}"
    if f"{google_crc32c.value(data):08x}" != task.digest:
        return "its digest is another one"
    index = index_of(data, math.prod(task.array.per_shard))
    if index is None:
        return "its index is damaged"
    with on_one_core():
        for number, place in task.array.chunks_of(task.place):
            if stopped():
                raise KeyboardInterrupt
            begin, length = (int(n) for n in index[number])
            if begin == ABSENT:
                continue
            if problem := _chunk(data[begin : begin + length], task.array, place):
                return f"chunk {place}: {problem}"
    return None


def index_of(data: bytes, chunks: int) -> np.ndarray | None:
    """Offsets and lengths of a shard's chunks, (chunks, 2) uint64; None for a damaged index."""
    tail = data[-16 * chunks - 4 :]
    if len(tail) != 16 * chunks + 4:
        return None
    body, (digest,) = tail[:-4], struct.unpack("<I", tail[-4:])
    if google_crc32c.value(body) != digest:
        return None
    return np.frombuffer(body, "<u8").reshape(chunks, 2)


def _chunk(data: bytes, array: Array, place: tuple[int, ...]) -> str | None:
    region = array.region(place, array.chunks)
    try:
        with open_chunk(data, array.axes, array.chunks, array.dtype) as file:
            shape = np.asarray(file[...]).shape
    except InifError as error:
        return error.problem
    wanted = tuple(one.stop - one.start for one in region)
    return None if shape == wanted else f"it has shape {shape} instead of {wanted}"


def sizes_differ(store: str, records: Mapping[str, int]) -> list[str]:
    """Keys of shards whose files are not of their records' bytes."""
    found = []
    for key, size in records.items():
        try:
            there = os.stat(os.path.join(store, *key.split("/"))).st_size
        except OSError:
            there = 0
        if there != size:
            found.append(key)
    return found
