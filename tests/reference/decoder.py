"""A second decoder of `.inif` files, written from docs/format.md alone: its executable companion.

Plain Python, standard library only, no part of inif: slow, and short enough to be read beside the
page. It trusts its file more than a real reader may: see "Reading, and every reason to refuse".

    python decoder.py FILE.inif            header, and all samples in C order
    python decoder.py FILE.inif 0 12 7     the sample at one index

Weights, coordinates and ranges are rounded to float32 as the page says; the network itself runs in
float64, so samples may differ from another decoder's by what "Verification" allows.
"""

from __future__ import annotations

import json
import math
import re
import struct
import sys
import zlib
from bisect import bisect_right
from functools import cache
from itertools import accumulate, product
from operator import mul
from pathlib import Path
from typing import Any

Vector = list[float]
Matrix = list[Vector]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "format.md"
FEATURES = {"siren/1", "qweights/1"}
TOTAL = 1 << 24


def need(condition: bool, rule: str) -> None:
    if not condition:
        raise ValueError(rule)


def f32(value: float) -> float:
    """The nearest float32 number, ties to even."""
    return float(struct.unpack("<f", struct.pack("<f", value))[0])


# --- Container: prelude, header, section table -------------------------------------------------


def _crc_table() -> list[int]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


CRC_TABLE = _crc_table()


def crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def dictionary() -> bytes:
    """The preset dictionary of the header, from the page itself."""
    block = re.findall(r"```dictionary\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)[0]
    return "".join(block.splitlines()).encode()


def leb128(data: bytes, at: int) -> tuple[int, int]:
    """A number of seven bits a byte, lowest first, and where the next one begins."""
    value = shift = 0
    while True:
        byte = data[at]
        value, shift, at = value | (byte & 127) << shift, shift + 7, at + 1
        if byte < 128:
            return value, at


def read_table(table: bytes, count: int) -> list[tuple[str, int | None, int, int, int]]:
    """Kind, brick (None: the whole file), level, length and CRC-32C of each section."""
    kinds = (
        [table[at : at + 4].decode("ascii") for at in range(1, 4 * table[0], 4)] if count else []
    )
    at, end, numbers = 1 + 4 * len(kinds), len(table) - 4 * count, []
    while at < end:
        number, at = leb128(table, at)
        numbers.append(number)
    runs, lengths = numbers[: len(numbers) - count], numbers[len(numbers) - count :]
    places: list[tuple[str, int | None, int]] = []
    following = 0
    for what, step, many in zip(runs[::3], runs[1::3], runs[2::3], strict=True):
        level, index = divmod(what, len(kinds))
        if step:
            following += -(step // 2) if step % 2 == 0 else step // 2
        for _ in range(many):
            places.append((kinds[index], following if step else None, level))
            following += step > 0
    crcs = struct.unpack_from(f"<{count}I", table, end)
    return [(*p, length, crc) for p, length, crc in zip(places, lengths, crcs, strict=True)]


def read_container(data: bytes) -> tuple[dict[str, Any], dict[tuple[str, int | None], bytes]]:
    """The header, and the bytes of every section by kind and brick."""
    need(data[:9] == b"\x89INIF\r\n\x1a\1", "magic and version")
    stored, at = leb128(data, 13)
    size, at = leb128(data, at)
    count, at = leb128(data, at)
    table, end = at + stored, at + stored + size
    need(crc32c(data[:9] + data[13:end]) == struct.unpack_from("<I", data, 9)[0], "CRC-32C")
    text = zlib.decompressobj(-15, zdict=dictionary()).decompress(data[at:table])
    header = json.loads(text.decode("utf-8"))
    need(set(header["requires"]) <= FEATURES, "known features")
    sections = {}
    for kind, brick, _level, length, crc in read_table(data[table:end], count):
        need(crc32c(data[end : end + length]) == crc, "CRC-32C of a section")
        sections[kind, brick] = data[end : end + length]
        end += length
    need(end == len(data), "the last section ends the file")
    return header, sections


# --- Section QWTS: qweights/1 ------------------------------------------------------------------

EIGHTHS = [1.0, 1.0905077, 1.1892071, 1.2968396, 1.4142135, 1.5422108, 1.6817929, 1.8340081]


def step(base: float, k: int) -> float:
    """base · 2^(k/8): a float32 product, then an exact power of two."""
    return math.ldexp(f32(base * f32(EIGHTHS[k % 8])), k // 8)


def code_value(code: int) -> int:
    return 0 if code == 0 else (8 + (code - 1) % 8) << ((code - 1) // 8)


@cache
def frequencies(bound: int, linear: int, square: int) -> list[int]:
    """The frequencies of the symbols -K … K; their sum is 2^24."""
    a, b, n = code_value(linear), code_value(square), 2 * bound + 1
    density = []
    for symbol in range(-bound, bound + 1):
        k = abs(symbol)
        octaves, part = divmod(a * k + b * k * k, TOTAL)
        density.append(((2 * TOTAL - part) << 12) >> min(octaves, 60))
    whole = sum(density)
    table = [1 + d * (TOTAL - n) // whole for d in density]
    table[bound] += TOTAL - sum(table)
    return table


class Stream:
    """The stack of 32-bit words from which symbols are taken."""

    def __init__(self, data: bytes) -> None:
        need(len(data) % 4 == 0, "whole words")
        self.words = list(struct.unpack(f"<{len(data) // 4}I", data))
        need(not self.words or self.words[-1] != 0, "the last word is not 0")
        self.state = self.words.pop() if self.words else 0
        self.refill()

    def refill(self) -> None:
        if self.state < 1 << 32 and self.words:
            self.state = self.state << 32 | self.words.pop()

    def symbols(self, count: int, bound: int, table: list[int]) -> list[int]:
        start = [0, *accumulate(table)]
        out = []
        for _ in range(count):
            rest, quantile = divmod(self.state, TOTAL)
            index = bisect_right(start, quantile) - 1
            self.state = rest * table[index] + quantile - start[index]
            self.refill()
            out.append(index - bound)
        return out


def group_shapes(header: dict[str, Any]) -> list[tuple[int, int]]:
    """Rows and columns of each weight group, in the order of the file."""
    axes, field = header["axes"], header["field"]
    width, layers = field["width"], field["layers"]
    inputs, outputs = len(axes), 1
    if "C" in axes and field["channels"] == "outputs":
        inputs, outputs = inputs - 1, header["shape"][axes.index("C")]
    hidden = [(width, width)] * (layers - 2)
    return [(width, inputs), *hidden, (outputs, width), (layers - 1, width), (1, outputs)]


def read_symbols(section: bytes, shapes: list[tuple[int, int]]) -> tuple[list[float], list[Any]]:
    """Each group's step, and its symbols row by row."""
    _samples, _inputs, base = struct.unpack_from("<IIf", section)
    need(2.0**-64 <= base <= 2.0**64, "limits of the base step")
    stream = Stream(section[12 + 5 * len(shapes) :])
    steps, groups = [], []
    for i, (rows, columns) in enumerate(shapes):
        k, bound, linear, square = struct.unpack_from("<bHBB", section, 12 + 5 * i)
        need(bound <= 8191, "the largest symbol")
        flat = [0] * (rows * columns)
        if bound:
            flat = stream.symbols(len(flat), bound, frequencies(bound, linear, square))
        steps.append(step(base, k))
        groups.append([flat[r * columns : (r + 1) * columns] for r in range(rows)])
    need(stream.state == 0 and not stream.words, "the stream ends with its last symbol")
    return steps, groups


# --- Field: siren/1, coordinates, samples ------------------------------------------------------


def coordinate(index: float, length: int) -> float:
    return f32(index * (2.0 / (length - 1)) - 1.0) if length > 1 else 0.0


def affine(matrix: Matrix, bias: Vector, h: Vector) -> Vector:
    return [sum(map(mul, row, h)) + b for row, b in zip(matrix, bias, strict=True)]


def evaluate(weights: list[Matrix], h: Vector) -> Vector:
    *hidden, last, biases, (last_bias,) = weights
    for matrix, bias in zip(hidden, biases, strict=True):
        h = [math.sin(value) for value in affine(matrix, bias, h)]
    return affine(last, last_bias, h)


def sample(y: float, low: float, high: float, dtype: str) -> float | int:
    half, middle = f32((high - low) / 2), f32(low + (high - low) / 2)
    value = min(max(y * half + middle, f32(low)), f32(high))
    return f32(value) if dtype == "float32" else round(value)


class Decoder:
    """An open file; `f[index]` is one sample, `f.samples()` all of them in C order."""

    def __init__(self, data: bytes) -> None:
        self.header, self.sections = read_container(data)
        self.shape: list[int] = self.header["shape"]
        self.brick: list[int] = self.header.get("brick", self.shape)
        self.counts = [-(-n // b) for n, b in zip(self.shape, self.brick, strict=True)]
        self.c: int = self.header["axes"].find("C")
        self.as_outputs = self.c >= 0 and self.header["field"]["channels"] == "outputs"
        need(not self.as_outputs or self.counts[self.c] == 1, "outputs are not cut by bricks")
        self.weights: dict[int, list[Matrix]] = {}

    def brick_weights(self, number: int) -> list[Matrix]:
        if number not in self.weights:
            steps, groups = read_symbols(self.sections["QWTS", number], group_shapes(self.header))
            self.weights[number] = [
                [[f32(q * size) for q in row] for row in rows]
                for size, rows in zip(steps, groups, strict=True)
            ]
        return self.weights[number]

    def __getitem__(self, index: tuple[int, ...]) -> float | int:
        number, coordinates = 0, []
        for axis, (i, n, b, count) in enumerate(
            zip(index, self.shape, self.brick, self.counts, strict=True)
        ):
            number = number * count + i // b
            if axis != self.c or not self.as_outputs:
                start = i - i % b
                coordinates.append(coordinate(i - start, min(b, n - start)))
        outputs = evaluate(self.brick_weights(number), coordinates)
        channel = index[self.c] if self.c >= 0 else 0
        low, high = self.header["range"][channel]
        return sample(outputs[channel if self.as_outputs else 0], low, high, self.header["dtype"])

    def samples(self) -> list[float | int]:
        return [self[index] for index in product(*map(range, self.shape))]


if __name__ == "__main__":
    file = Decoder(Path(sys.argv[1]).read_bytes())
    if len(sys.argv) > 2:
        print(file[tuple(map(int, sys.argv[2:]))])
    else:
        print(json.dumps(file.header, ensure_ascii=False))
        print(*file.samples())
