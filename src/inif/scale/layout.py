"""Chunks and shards of an array: a chunk is what is coded at once, a shard what is written at once.

A chunk is as large as a brick of a latent field may be, so that its coder sees as much as in a
`.inif` file. A shard holds many chunks in one file, so that terabytes are thousands of files and
not millions, and is small enough for a worker to hold and to lose.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from inif.axes import check_axes
from inif.errors import InputError

CHUNK = {"T": 1, "C": 1, "Z": 8, "Y": 1024, "X": 1024}
"""Samples of a chunk along each axis, at most; with fewer than 2 planes along Z, T takes its 8."""

SHARD = 1 << 28
"""Bytes of the samples of a shard, at most, unless one chunk has more."""

_ORDER = ("YX", "Z", "T", "C")
"""Axes along which a shard takes more chunks, in this order; Y and X grow evenly."""


def chunk_and_shard(
    axes: str,
    shape: tuple[int, ...],
    dtype: np.dtype | str,
    chunks: Mapping[str, int] | None = None,
    shards: Mapping[str, int] | None = None,
    block: Sequence[int] | None = None,
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The shapes of an array's chunks and shards.

    A chunk is no longer than the array along any axis. A shard is whole chunks, and no more of
    them along any axis than the array has.

    Parameters
    ----------
    axes
        One letter of "TCZYX" per axis, in the array's order.
    chunks, shards
        Samples by axis letter, in either case; axes that are not named get their default. Letters
        of axes that the array does not have are passed over, so that one setting serves an image
        and its labels.
    block
        Lengths of the boxes in which the source is read at least cost. A shard covers one of them
        first, as far as it can, so that few are read for several shards.

    Raises
    ------
    InputError
        No letter of an axis, no number from 1 on, or a shard that is not whole chunks.
    """
    axes = check_axes(axes, shape)
    wanted, given = _lengths("chunks", chunks), _lengths("shards", shards)
    sizes = dict(zip(axes, shape, strict=True))
    usual = dict(CHUNK)
    if sizes.get("Z", 1) < 2:
        usual |= {"T": CHUNK["Z"], "Z": 1}
    chunk = {a: max(1, min(wanted.get(a, usual[a]), n)) for a, n in sizes.items()}
    grid = {a: max(1, -(-n // chunk[a])) for a, n in sizes.items()}
    count = dict.fromkeys(axes, 1)
    for axis in given.keys() & sizes.keys():
        samples = given[axis]
        if samples % chunk[axis] and samples < sizes[axis]:
            raise InputError(
                "a shard is not a whole number of chunks",
                field=f"shards, {axis.lower()}",
                expected=f"a multiple of the chunk's {chunk[axis]} samples",
                got=samples,
            )
        count[axis] = max(1, min(-(-samples // chunk[axis]), grid[axis]))
    bytes_of_chunk = math.prod(chunk.values()) * np.dtype(dtype).itemsize
    boxes = dict(zip(axes, block or chunk.values(), strict=True))
    covering = {a: min(-(-n // chunk[a]), grid[a]) for a, n in boxes.items()}
    for ends in (covering, grid):
        for group in _ORDER:
            free = [a for a in group if a in sizes and a not in given]
            _grow(count, ends, free, SHARD // max(bytes_of_chunk, 1))
    return tuple(chunk.values()), tuple(chunk[a] * count[a] for a in axes)


def _grow(count: dict[str, int], ends: Mapping[str, int], free: list[str], most: int) -> None:
    """Double the number of chunks along the shortest of some axes, as long as there is room."""
    while True:
        able = []
        for axis in free:
            longer = min(2 * count[axis], ends[axis])
            if longer > count[axis] and math.prod(count.values()) // count[axis] * longer <= most:
                able.append((count[axis], -"YX".find(axis), axis, longer))
        if not able:
            return
        *_, axis, longer = min(able)
        count[axis] = longer


def _lengths(field: str, given: Mapping[str, int] | None) -> dict[str, int]:
    """Samples by upper-case letter."""
    out: dict[str, int] = {}
    for axis, samples in (given or {}).items():
        good = isinstance(samples, int) and not isinstance(samples, bool) and samples >= 1
        if str(axis).upper() not in CHUNK or not good:
            raise InputError(
                "the length along an axis cannot be used",
                field=f"{field}, {axis}",
                expected="a letter of TCZYX, and a whole number of samples from 1 on",
                got=samples,
            )
        out[axis.upper()] = samples
    return out
