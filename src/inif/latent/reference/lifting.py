"""Lifting along the middle axis of (outer, length, inner) float32; see lifting.hpp."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from inif.latent.plan import CDF53, CDF97
from inif.latent.reference.mixing import Array

# Daubechies and Sweldens 1998, section 7.5
A, B, C, D = (
    np.float32(k)
    for k in (-1.586134342059924, -0.052980118572961, 0.882911075530934, 0.443506852043971)
)

Step = tuple[bool, np.float32]
"""Whether the high ones are moved by the low ones, or else the other way round, and how far."""


def steps_of(kind: int) -> list[Step]:
    """Steps of a transform forwards."""
    if kind == CDF97:
        return [(True, A), (False, B), (True, C), (False, D)]
    assert kind == CDF53
    return [(True, np.float32(-0.5)), (False, np.float32(0.25))]


def lift(low: Array, high: Array, steps: list[Step]) -> None:
    """Move high and low ones in turn; ends are mirrored."""
    lows, highs = low.shape[1], high.shape[1]
    if not highs:
        return
    after = np.minimum(np.arange(highs) + 1, lows - 1)
    here = np.minimum(np.arange(lows), highs - 1)
    before = np.where(np.arange(lows) > 0, np.arange(lows) - 1, here)
    for predicts, k in steps:
        if predicts:
            high += k * (low[:, :highs] + low[:, after])
        else:
            low += k * (high[:, before] + high[:, here])


def split(x: Array, kind: int) -> tuple[Array, Array]:
    """Low and high ones of an array."""
    low, high = x[:, ::2].copy(), x[:, 1::2].copy()
    if kind in (CDF97, CDF53):
        lift(low, high, steps_of(kind))
    else:
        part = low[:, : high.shape[1]]
        high -= part
        part += np.float32(0.5) * high
    return low, high


def join(low: Array, high: Array, kind: int) -> Array:
    """The array of low and high ones, the inverse of `split`."""
    low, high = low.copy(), high.copy()
    if kind in (CDF97, CDF53):
        lift(low, high, [(predicts, -k) for predicts, k in reversed(steps_of(kind))])
    else:
        part = low[:, : high.shape[1]]
        part -= np.float32(0.5) * high
        high += part
    out = np.empty((low.shape[0], low.shape[1] + high.shape[1], low.shape[2]), np.float32)
    out[:, ::2], out[:, 1::2] = low, high
    return out


def join_in_place(x: Array, kind: int, first: int, last: int) -> None:
    """Join an array whose low and high ones are in turns, for some of the last axis."""
    part = x[:, :, first:last]
    part[...] = join(part[:, ::2], part[:, 1::2], kind)


def join_planes(
    out: Array,
    places: Array,
    parts: Sequence[Array | None],
    samples: bool,
    times: Array,
    depths: Array,
    down: Sequence[Array],
    across: Sequence[Array],
    step: float,
    one: float,
    first: int,
    last: int,
) -> None:
    """Join some planes of bands along X and then along Y, into their places in an array."""
    quarters: list[Array | None] = []
    for k, part in enumerate(parts):
        if part is None or (samples and k == 0):
            quarters.append(None if part is None else part[first:last])
            continue
        values = part[first:last].astype(np.float32)
        if part.dtype == np.int32:
            sizes = np.abs(values)
            sizes[sizes == 1] = np.float32(one)
            values = np.copysign(sizes * np.float32(step), values)
        for by in (times, depths):
            values = values / by[first:last, None, None]
        quarters.append(values / down[k // 2][:, None] / across[k % 2])

    def joined(low: Array | None, high: Array | None, axis: int) -> Array | None:
        """Along the rows, or the columns."""
        if low is None or high is None:
            return low
        if axis == 1:
            return join(low, high, CDF97)
        return join(low.swapaxes(1, 2), high.swapaxes(1, 2), CDF97).swapaxes(1, 2)

    rows = [joined(quarters[k], quarters[k + 1], 2) for k in (0, 2)]
    out[places[first:last]] = joined(rows[0], rows[1], 1)


def norms(length: int, level: int, high: bool, kind: int) -> Array:
    """Norms of what each low or high coefficient of a level becomes in an axis of `length`."""
    lengths = [length]
    while len(lengths) <= level + 1:
        lengths.append((lengths[-1] + 1) // 2)
    x = np.eye(lengths[level] // 2 if high else lengths[level + 1], dtype=np.float32)[None]
    for n in lengths[level::-1]:
        rest = np.zeros((1, (n + 1) // 2 if high else n // 2, x.shape[2]), np.float32)
        x = join(rest, x, kind) if high else join(x, rest, kind)
        high = False
    squares = np.cumsum(np.square(x[0].astype(np.float64)), axis=0)[-1]
    out: Array = np.sqrt(squares).astype(np.float32)
    return out
