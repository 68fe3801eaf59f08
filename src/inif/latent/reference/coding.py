"""A stream of bits and the latents in it; see range_coder.hpp and band.cpp."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from inif.latent.reference.contexts import ABOVE, BESIDE, Seen, Surroundings, contexts
from inif.latent.reference.mixing import (
    BLOCK,
    GROUPS,
    LOW,
    ONE,
    REST,
    SIGN,
    TWO,
    ZERO,
    Array,
    Model,
    Prediction,
    level_of,
)

MOST_PLAIN, MOST_LENGTH, MOST_LOW_LENGTH = 19, 19, 27
"""Lengths of codes for large magnitudes: from where they share contexts, and at most."""

MOST_LATENT, MOST_LOW = 1 << 19, 1 << 27
MOST_SIZE = 1023
"""Of a magnitude in contexts."""

LEAST_PEAK = np.float32(0.8)
"""In steps, of the largest of a block that may have latents."""

CODED = ((1, 0), (0, 1), (0, 0), (0, 2))
"""Blocks beside the one in the middle that are coded before it."""


class RangeCoder:
    """Reads `data`, or writes if it is None; see range_coder.hpp."""

    def __init__(self, data: bytes | None) -> None:
        self.low, self.high = 0, 0xFFFFFFFF
        self.out = bytearray()
        self.data = None if data is None else self._zeros_after(data)
        self.code = 0
        if self.data is not None:
            self.code = int.from_bytes(bytes(next(self.data) for _ in range(4)))

    @staticmethod
    def _zeros_after(data: bytes) -> Iterator[int]:
        yield from data
        while True:
            yield 0

    def bit(self, value: int, one: int) -> int:
        """The bit that was given, or read."""
        middle = self.low + ((self.high - self.low) * one >> 16)
        if self.data is not None:
            value = int(self.code <= middle)
        if value:
            self.high = middle
        else:
            self.low = middle + 1
        while (self.low ^ self.high) >> 24 == 0:
            if self.data is None:
                self.out.append(self.high >> 24)
            self.low = self.low << 8 & 0xFFFFFFFF
            self.high = self.high << 8 & 0xFFFFFFFF | 255
            if self.data is not None:
                self.code = self.code << 8 & 0xFFFFFFFF | next(self.data)
        return value

    def finish(self) -> bytes:
        """What was written, without zeros at the end."""
        if self.low:
            self.out.append((self.low >> 24) + 1)
        return bytes(self.out).rstrip(b"\0")


class Choice:
    """How latents are chosen: least distortion / step² + price x bits, in float32."""

    def __init__(
        self,
        values: Array | None,
        most: Array | None,
        weights: Array | None,
        step: float,
        price: float,
        dead_zone: float,
        one: float,
        rest: float,
    ) -> None:
        self.values, self.most, self.weights = values, most, weights
        self.step, self.price = np.float32(step), np.float32(price)
        self.dead_zone, self.one, self.rest = (np.float32(v) for v in (dead_zone, one, rest))

    def wanted(self, block: tuple[int, slice, slice]) -> int:
        """Whether a block has anything but zeros."""
        if self.most is not None:
            return int(np.any(self.most[block]))
        assert self.values is not None
        least = LEAST_PEAK * self.step
        errors = self.values[block] * self.values[block]
        if self.weights is not None:
            errors = self.weights[block] * errors
        return int(np.any(errors >= least * least))

    def latent(self, at: tuple[int, int, int], predictions: Sequence[Prediction]) -> int:
        """The cheapest of its rounding, one less and none."""
        if self.values is None:
            assert self.most is not None
            return int(self.most[at])
        value = self.values[at] * (np.float32(1) / self.step)
        size = np.abs(value)
        largest = np.float32(MOST_LATENT)
        top = int(size + self.dead_zone if size + self.dead_zone < largest else largest)
        if top <= 0:
            return 0
        costs = [self.cost(size, k, at, predictions) for k in dict.fromkeys((top, top - 1, 0))]
        best = list(dict.fromkeys((top, top - 1, 0)))[int(np.nanargmin(costs))]
        return -best if value < 0 else best

    def cost(
        self, size: np.float32, k: int, at: tuple[int, int, int], predictions: Sequence[Prediction]
    ) -> np.float32:
        """What a magnitude costs."""
        zero, one, two = predictions
        rate = zero.cost(0)
        if k >= 1:
            rate = zero.cost(1) + np.float32(1) + one.cost(k > 1)
        if k >= 2:
            rate += two.cost(k > 2)
        if k >= 3:
            rate += np.float32(2 * ((k - 2).bit_length() - 1) + 1)
        value = np.float32(0) if k == 0 else self.one if k == 1 else np.float32(k) + self.rest
        off = size - value
        weight = np.float32(1) if self.weights is None else self.weights[at]
        return weight * (off * off) + self.price * rate


class Stream:
    """Bits that are written, or read from `data`, by what a model knows; the model learns."""

    def __init__(self, model: Model, data: bytes | bool) -> None:
        self.model = model
        self.reads, self.writes = isinstance(data, bytes), data is True
        self.coder = RangeCoder(data if isinstance(data, bytes) else None)
        self.bits = 0.0

    def finish(self) -> bytes:
        """What was written."""
        return self.coder.finish() if self.writes else b""

    def plain(self, bit: int) -> int:
        """A bit without contexts."""
        self.bits += 1
        return self.coder.bit(bit, 32768)

    def predicted(self, prediction: Prediction, bit: int) -> int:
        """A bit of a prediction, which learns it."""
        bit = self.coder.bit(bit, prediction.one)
        self.bits += float(prediction.cost(bit))
        prediction.learn(bit)
        return bit

    def mixed(
        self, kind: int, context: Sequence[int], selector: int, bit: int, other: int = 0
    ) -> int:
        """A bit of a kind by its contexts."""
        prediction = Prediction(self.model.mixers[kind], context, selector, other)
        return self.predicted(prediction, bit)

    def band(
        self,
        shape: Sequence[int],
        level: int,
        kind: int,
        side: int,
        earlier: Array,
        parent: Array | None,
        parent_of: Array,
        siblings: Array,
        sibling_of: Array,
        values: Array | None = None,
        most: Array | None = None,
        weights: Array | None = None,
        step: float = 1.0,
        lambda_: float = 0.0,
        dead_zone: float = 0.5,
        one: float = 0.94,
        rest: float = -0.03,
        spent: Array | None = None,
    ) -> Array:
        """Latents of a band, (planes, height, width), chosen or read."""
        planes, height, width = shape
        choice = Choice(values, most, weights, step, lambda_, dead_zone, one, rest)
        around = Surroundings(shape, earlier, parent, parent_of, siblings, sibling_of)
        out = np.zeros(shape, np.int32)
        rows = [slice(y, min(y + side, height)) for y in range(0, height, side)]
        columns = [slice(x, min(x + side, width)) for x in range(0, width, side)]
        # Of each block: 0 nothing, else a class of how many latents are not zero.
        flags = np.zeros((planes + 1, len(rows) + 2, len(columns) + 2), np.int64)
        bits = np.zeros((planes, len(rows), len(columns))) if spent is None else spent
        for i in range(planes):
            for by, ys in enumerate(rows):
                for bx, xs in enumerate(columns):
                    wanted = 0 if self.reads else choice.wanted((i, ys, xs))
                    context = block_contexts(level, kind, around, flags, (i, by, bx), (ys, xs))
                    before = self.bits
                    flag = self.mixed(BLOCK, context, level * 8 + kind, wanted)
                    flags[i, by + 1, bx + 1] = flag
                    bits[i, by, bx] += self.bits - before
                for y in range(ys.start, ys.stop):
                    for x in range(width):
                        if flags[i, by + 1, x // side + 1]:
                            at, before = (i, y, x), self.bits
                            seen = contexts(self.model, level, kind, around.neighbours(*at))
                            q = self.latent(seen, level * 8 + kind, around, at, choice)
                            out[at] = q
                            clipped = min(max(q, -MOST_SIZE), MOST_SIZE)
                            around.latents[i, y + ABOVE, x + BESIDE] = clipped
                            bits[i, by, x // side] += self.bits - before
                for bx, xs in enumerate(columns):
                    if flags[i, by + 1, bx + 1]:
                        some = np.count_nonzero(out[i, ys, xs])
                        flags[i, by + 1, bx + 1] = 1 if some <= 1 else 2 if some <= 4 else 3
        for i in range(planes):
            sums = siblings[sibling_of[i], 1 : height + 1, 1 : width + 1]
            own = np.minimum(np.abs(out[i]), MOST_SIZE)
            sums[:] = np.minimum(sums + own, 255)
        return out

    def latent(
        self, seen: Seen, group: int, around: Surroundings, at: tuple[int, int, int], choice: Choice
    ) -> int:
        """A latent of a block that is not empty."""
        predictions = [
            Prediction(self.model.mixers[kind], seen.zero, seen.selector, seen.other)
            for kind in (ZERO, ONE, TWO)
        ]
        q = 0 if self.reads else choice.latent(at, predictions)
        size, value = abs(q), 0
        for prediction in predictions:
            bit = self.predicted(prediction, int(size > value))
            value += bit
            if not bit:
                break
        if value == 3:
            value += self.rest(seen, group, size - 3)
        if not value:
            return 0
        return -value if self.sign(group, around, at, int(q < 0)) else value

    def rest(self, seen: Seen, group: int, n: int) -> int:
        """An exponential Golomb code with contexts for its length and its first bit."""
        near_wide, parents, siblings, near = seen.rest

        def context(j: int) -> list[int]:
            last = (j * 15 + near) * 15 + parents
            return [
                j * 15 + near_wide,
                j * 15 + parents,
                j * GROUPS + group,
                j * 15 + siblings,
                last,
            ]

        length = 0 if self.reads else min((n + 1).bit_length() - 1, MOST_LENGTH)
        j = 0
        while True:
            c = min(j, MOST_PLAIN)
            longer = self.mixed(REST, context(c), c, int(j < length))
            if not longer or j >= MOST_LENGTH:
                break
            j += 1
        value = 1
        for t in range(j - 1, -1, -1):
            bit = 0 if self.reads else (n + 1) >> t & 1
            c = 20 + min(j, MOST_PLAIN)
            bit = self.mixed(REST, context(c), c, bit) if t == j - 1 else self.plain(bit)
            value = value << 1 | bit
        return value - 1

    def sign(
        self, group: int, around: Surroundings, at: tuple[int, int, int], negative: int
    ) -> int:
        """Whether a latent is negative."""
        i, y, x = at

        def of(plane: int, a: int = 0, b: int = 0) -> int:
            v = int(around.latents[plane, y + ABOVE + a, x + BESIDE + b])
            return 2 if v > 0 else int(v < 0)

        B, (u, v, t) = group * 3, (of(around.earlier[i, k]) for k in range(3))
        w, n, nw, ne = of(i, 0, -1), of(i, -1, 0), of(i, -1, -1), of(i, -1, 1)
        context = [
            (B + w) * 3 + n,
            (B + u) * 3 + v,
            (B + nw) * 3 + ne,
            (B + v) * 3 + t,
            ((B + w) * 3 + n) * 3 + u,
            B + t,
        ]
        return self.mixed(SIGN, context, group, negative)

    def low(self, shape: Sequence[int], earlier: Array, latents: Array | None = None) -> Array:
        """Latents of the coarsest band, given or read, predicted from their neighbours."""
        q = np.zeros(shape, np.int64) if latents is None else latents.astype(np.int64)
        errors = np.zeros(shape, np.int64)
        for i, y, x in np.ndindex(*shape):
            r = int(earlier[i, 0])
            sides = [(y, x - 1)] * (x > 0) + [(y - 1, x)] * (y > 0)
            around = sum(abs(errors[i][s]) for s in sides) + (abs(errors[r, y, x]) if r >= 0 else 0)
            where = (r >= 0) * 2 + (y > 0 and x > 0)
            guess = guessed(q, (i, y, x), r)
            off = 0 if self.reads else int(q[i, y, x]) - guess
            value = self.golomb(level_of(int(around)), where, off)
            errors[i, y, x] = value
            q[i, y, x] = min(max(guess + value, -MOST_LOW), MOST_LOW)
        return q.astype(np.int32)

    def golomb(self, around: int, where: int, off: int) -> int:
        """A number of the coarsest band: an exponential Golomb code and a sign."""
        size, j = abs(off), 0
        while True:
            c = min(j, MOST_PLAIN)
            longer = self.mixed(LOW, [c * 15 + around, c * 4 + where], c, int((size + 1) >> j > 1))
            if not longer or j >= MOST_LOW_LENGTH:
                break
            j += 1
        value = 1
        for t in range(j - 1, -1, -1):
            value = value << 1 | self.plain((size + 1) >> t & 1)
        value -= 1
        return -value if value and self.plain(int(off < 0)) else value


def guessed(q: Array, at: tuple[int, int, int], r: int) -> int:
    """The prediction of a low latent from its neighbours and the plane `r`, if not -1."""
    i, y, x = at
    west = int(q[i, y, x - 1]) if x else 0
    north = int(q[i, y - 1, x]) if y else 0
    if r >= 0:
        west_off = west - int(q[r, y, x - 1]) if x else 0
        north_off = north - int(q[r, y - 1, x]) if y else 0
        both = west_off + north_off
        # Rounded towards zero.
        return int(q[r, y, x]) + (int(both / 2) if x and y else both)
    if not (x and y):
        return north if y else west
    corner = int(q[i, y - 1, x - 1])
    most, least = max(west, north), min(west, north)
    return least if corner >= most else most if corner <= least else west + north - corner


def block_contexts(
    level: int,
    kind: int,
    around: Surroundings,
    flags: Array,
    block: tuple[int, int, int],
    places: tuple[slice, slice],
) -> list[int]:
    """Contexts of whether a block has anything but zeros."""
    B, L, (i, by, bx), (ys, xs) = level * 8 + kind, level, block, places
    parents = around.parents[around.parent_of[i] + 1, 1:-1, 1:-1]
    there = parents[ys.start // 2 : (ys.stop + 1) // 2, xs.start // 2 : (xs.stop + 1) // 2]
    above = int(there.sum()) // 4
    sums = around.siblings[around.sibling_of[i], 1:-1, 1:-1]
    pq, sq = level_of(above), level_of(int(sums[ys, xs].sum()))
    me = flags[i, by : by + 3, bx : bx + 3]
    u, v, t = (flags[around.earlier[i, k], by : by + 3, bx : bx + 3] for k in range(3))
    near = sum(weight * int(me[p] > 0) for p, weight in zip(CODED, (2, 2, 1, 1), strict=True))
    beside = sum(int(u[p] > 0) for p in ((1, 0), (1, 2), (0, 1), (2, 1)))
    q0, q1, q2 = int(u[1, 1]), int(v[1, 1]), int(t[1, 1])
    return [
        (B * 7 + near) * 4 + q0,
        (B * 15 + pq) * 15 + sq,
        ((B * 4 + q0) * 5 + beside) * 4 + q1,
        (B * 15 + pq) * 7 + near,
        (B * 15 + sq) * 4 + q0,
        ((B * 4 + q0) * 4 + q1) * 4 + q2,
        ((L * 15 + pq) * 7 + near) * 4 + q0,
    ]
