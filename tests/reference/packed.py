"""Packed AV1 unpacked, written from docs/format.md alone: its executable companion.

python packed.py BLOCK HEIGHT WIDTH > STREAM     (frames' sides, padding included)
"""

from __future__ import annotations

import math
import sys
from itertools import accumulate
from pathlib import Path

import numpy as np

START = Path(__file__).resolve().parents[2] / "src" / "inif" / "codecs" / "headers.npz"


class Bits:
    """Adaptive bits."""

    def __init__(self, data: bytes) -> None:
        with np.load(START) as start:
            keys = accumulate(int(step) for step in start["steps"])
            pairs = zip(keys, (int(s) for s in start["states"]), strict=True)
            self.known = {key: (state // 64, state % 64) for key, state in pairs}
            self.weights = [[int(w) for w in row] for row in start["weights"]]
        self.rest = iter(data)
        self.a, self.b, self.x = 0, 2**32 - 1, 0
        for _ in range(4):
            self.x = 256 * self.x + next(self.rest, 0)

    def bit(self, p: int) -> int:
        middle = self.a + (self.b - self.a) * p // 65536
        one = self.x <= middle
        self.a, self.b = (self.a, middle) if one else (middle + 1, self.b)
        while self.a // 2**24 == self.b // 2**24:
            self.a = self.a * 256 % 2**32
            self.b = self.b * 256 % 2**32 + 255
            self.x = self.x * 256 % 2**32 + next(self.rest, 0)
        return int(one)

    def number(self, bits: int, row: int, *contexts: tuple[int, ...]) -> int:
        node = 1
        while node < 1 << bits:
            keys = [key(node, *context) for context in contexts]
            pairs = [self.known.get(k, (32768, 0)) for k in keys]
            s = [stretch(p) for p, _ in pairs]
            w = self.weights[row]
            d = max(-2048, min(2047, sum(x * y for x, y in zip(w, s, strict=False)) // 65536))
            p = max(32, min(65504, round(65536 / (1 + math.exp(-d / 256)))))
            bit = self.bit(p)
            for i, x in enumerate(s):
                w[i] += 3 * (65536 * bit - p) * x // 65536
            for k, (q, n) in zip(keys, pairs, strict=True):
                rate = 655360 // (10 * n + 23)
                self.known[k] = q + (65536 * bit - q) * rate // 65536, min(n + 1, 47)
            node = 2 * node + bit
        return node - (1 << bits)


def stretch(p: int) -> int:
    i = p // 16
    return round(256 * math.log((i + 0.5) / (4095.5 - i)))


def key(node: int, place: int, which: int, a: int = 0, b: int = 0, c: int = 0) -> int:
    return (place * 4 + which) * 2**32 + a * 2**24 + b * 2**16 + c * 2**8 + node


def number(data: bytes) -> tuple[int, bytes]:
    """LEB128, and what follows."""
    value = i = 0
    while True:
        value += (data[i] & 127) << 7 * i
        if data[i] < 128:
            return value, data[i + 1 :]
        i += 1


def leb128(value: int) -> bytes:
    out = []
    while value > 127:
        out.append(value % 128 + 128)
        value //= 128
    return bytes([*out, value])


def unpack(block: bytes, sides: tuple[int, int]) -> bytes:
    """The standard stream."""
    if block[0] % 2 == 0:
        return block
    twice, rest = number(block)
    bits, tails = Bits(rest[: twice // 2]), rest[twice // 2 :]
    out = b""
    last = before = frames = shown = 0
    newest = [0] * 20
    alike: dict[tuple[int, int], list[int]] = {}
    lengths: dict[tuple[int, int], int] = {}

    def length(k: int, f: int) -> int:
        n = bits.number(5, 21, (21, 0, k, f), (21, 1, f, lengths.get((k, f), 0)))
        lengths[k, f] = n
        known = min(n - 1, 2)
        value = 1 << known | bits.number(known, 22, (22, 0, n), (22, 1, n, f))
        for _ in range(n - 1 - known):
            value = 2 * value + bits.bit(32768)
        return value

    while True:
        kind = bits.number(3, 20, (20, 0, last, before), (20, 1, frames % 16, last))
        if kind == 0:
            return out
        before, last = last, kind
        if kind == 2:
            out += b"\x12\0"
            continue
        size = length(0, 1) if kind == 1 else 0
        contexts = (0, newest[0], newest[1]), (1, shown, before), (2, frames % 16)
        first = bits.number(8, 0, *((32 * kind, *c) for c in contexts))
        size = size or length(kind, first)
        head, like = [first], alike.get((kind, first), [0] * 20)
        for i in range(1, min(size, 20)):
            ways = (
                (0, first, like[i], newest[i]),
                (1, head[i - 1], like[i - 1], like[i]),
                (2, first, head[i - 1]),
            )
            head.append(bits.number(8, i, *((32 * kind + i, *c) for c in ways)))
        payload, tails = bytes(head) + tails[: size - len(head)], tails[size - len(head) :]
        if kind == 3:
            shown = first
        if kind == 6:
            newest = alike[kind, first] = head + [0] * (20 - len(head))
            frames += 1
        if kind == 1:
            payload = masked(payload, sides)
        out += bytes([8 * kind + 2]) + leb128(size) + payload


def masked(payload: bytes, sides: tuple[int, int]) -> bytes:
    """A sequence header with the sides of its frames put in."""
    bits = "".join(f"{byte:08b}" for byte in payload)
    if bits[4] == "1":
        at = 10
    else:
        delays, points, at = int(bits[6]), int(bits[7:12], 2) + 1, 12
        for _ in range(points):
            high = int(bits[at + 12 : at + 17], 2) > 7
            at += 17 + high
            at += 1 + 4 * int(bits[at]) if delays else 0
    height, width = (side - 1 for side in sides)
    n, m = (max(v.bit_length(), 1) for v in (width, height))
    pattern = f"{n - 1:04b}{m - 1:04b}{width:0{n}b}{height:0{m}b}"
    flipped = [str(int(x != y)) for x, y in zip(bits[at:], pattern, strict=False)]
    bits = bits[:at] + "".join(flipped) + bits[at + len(pattern) :]
    return bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8))


if __name__ == "__main__":
    data = Path(sys.argv[1]).read_bytes()
    sys.stdout.buffer.write(unpack(data, (int(sys.argv[2]), int(sys.argv[3]))))
