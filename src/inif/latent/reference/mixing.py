"""Adaptive estimates of a bit by many contexts, and their mixing, in integers; see mixing.hpp."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

GROUPS = 48
"""Level (6) x band (8)."""

BLOCK, ZERO, ONE, TWO, REST, SIGN, LOW = range(7)
"""Kinds of bits, each with a mixer."""

MOST_WEIGHT = 1 << 19
"""65536 is 1."""

BIAS = 77
"""An input that is always the same."""

LEAST_ESTIMATE, MOST_ESTIMATE = 64, (1 << 22) - 64
"""Where estimates move to."""

POINTS = 33
"""Of a refinement, between which it is linear."""

Array = np.ndarray


class Functions(NamedTuple):
    """Tables of integers, as in functions.hpp, and the costs of events in bits."""

    stretch: list[int]
    squash: list[int]
    rate: list[int]
    confidence: list[int]
    level: list[int]
    activity: list[int]
    bits: list[np.float32]


def real_functions() -> dict[str, list[float]]:
    """The functions before they become integers; "stretch" and "confidence" are rounded."""
    squash = [65536 / (1 + math.exp(-(i - 2048) / 256)) for i in range(4096)]
    return {
        "stretch": [256 * math.log((i + 0.5) / (4095.5 - i)) for i in range(4096)],
        "squash": [min(max(q, 24.0), 65511.0) for q in squash],
        "rate": [32768 / (i + 1.6) for i in range(1024)],
        "confidence": [256 * (i + 0.3) / (i + 3) for i in range(1024)],
        "activity": [1 + 2.3 * math.log2(i) for i in range(1, 2048)],
    }


@lru_cache(maxsize=1)
def functions() -> Functions:
    """The tables."""
    real = real_functions()
    ends = [1, 2, 3, 4, 5, 6, 8, 11, 15, 21, 30, 45, 70, 120]
    return Functions(
        [min(max(round(v), -2047), 2047) for v in real["stretch"]],
        [int(v) for v in real["squash"]],
        [int(v) for v in real["rate"]],
        [round(v) for v in real["confidence"]],
        np.searchsorted(ends, np.arange(1024), side="right").tolist(),
        [0] + [min(int(v), 23) for v in real["activity"]],
        [np.float32(12)] + [np.float32(-math.log2(i / 4096)) for i in range(1, 4097)],
    )


def level_of(total: int) -> int:
    """15 classes of a sum of magnitudes."""
    return functions().level[min(total, 1023)]


def sizes_of(kind: int) -> list[int]:
    """How many values each context has."""
    G = GROUPS
    if kind == BLOCK:
        return [G * 28, G * 225, G * 80, G * 105, G * 60, G * 64, 6 * 15 * 28]
    if kind <= TWO:
        sizes = [G * n for n in (15, 15, 81, 45, 225, 225, 60, 675, 576, 15, 225)]
        return [*sizes, 6 * 225, G * 225, G * 225, G * 24 * 3, 6 * 24 * 27]
    if kind == REST:
        return [40 * 15, 40 * 15, 40 * G, 40 * 15, 40 * 225]
    return [G * 9, G * 9, G * 9, G * 9, G * 27, G * 3] if kind == SIGN else [40 * 15, 40 * 4]


class Mixer:
    """Estimates by many contexts, and weights that mix them; see mixing.hpp."""

    def __init__(self, kind: int) -> None:
        sizes = sizes_of(kind)
        self.contexts = len(sizes)
        self.limit, self.speed = 1000, 4
        self.first = [sum(sizes[:c]) for c in range(len(sizes))]
        start = {BLOCK: 0.2, ZERO: 0.05, SIGN: 0.5, LOW: 0.5}.get(kind, 0.3)
        self.estimates = [int(start * 4194304) << 10] * sum(sizes)
        selectors = {BLOCK: GROUPS, SIGN: GROUPS, REST: 40, LOW: 40}.get(kind, GROUPS * 15)
        n = self.contexts
        one = [65536 * 3 // n] * n + [0] * (n + 1)
        self.weights = one * selectors
        refines = ZERO <= kind <= TWO
        self.second = one * (6 * 24 if refines else 1)
        points = [functions().squash[min(128 * i, 4095)] for i in range(POINTS)]
        self.refined = points * (6 * 24 if refines else 0)

    @property
    def parts(self) -> tuple[list[int], list[int], list[int], list[int]]:
        """All that it has learned."""
        return self.estimates, self.weights, self.second, self.refined


class Prediction:
    """One bit as a mixer sees it; `one` is the probability of a 1 in 1/65536."""

    def __init__(self, mixer: Mixer, context: Sequence[int], selector: int, other: int = 0) -> None:
        f = functions()
        self.mixer = mixer
        self.at = [first + c for first, c in zip(mixer.first, context, strict=True)]
        values = [mixer.estimates[at] for at in self.at]
        sure = [f.confidence[v & 1023] for v in values]
        likely = [(f.stretch[v >> 20] * c) >> 8 for v, c in zip(values, sure, strict=True)]
        plain = [(((v >> 20) - 2048) * c) >> 11 for v, c in zip(values, sure, strict=True)]
        self.inputs = [*likely, *plain, BIAS]
        n = len(self.inputs)
        self.begin, self.begin2 = selector * n, other * n
        by_first = self.logit(mixer.weights[self.begin : self.begin + n])
        by_second = self.logit(mixer.second[self.begin2 : self.begin2 + n])
        self.ones = f.squash[by_first + 2048], f.squash[by_second + 2048]
        mixed = ((by_first + by_second) >> 1) + 2048
        self.one, self.point = f.squash[mixed], -1
        if mixer.refined:
            at, part = other * POINTS + (mixed >> 7), mixed & 127
            left, right = mixer.refined[at : at + 2]
            seen = (left * (128 - part) + right * part) >> 7
            self.point = at + (part >= 64)
            self.one = min(max((self.one + seen + 1) >> 1, 24), 65511)

    def logit(self, weights: Sequence[int]) -> int:
        """The prediction of a set of weights, stretched."""
        total = sum((w >> 6) * x for w, x in zip(weights, self.inputs, strict=True))
        return min(max((total + 512) >> 10, -2047), 2047)

    def cost(self, bit: int) -> np.float32:
        """Bits of an outcome."""
        return functions().bits[(self.one if bit else 65536 - self.one) >> 4]

    def learn(self, bit: int) -> None:
        """Move weights and estimates towards the outcome."""
        m = self.mixer
        sets = ((m.weights, self.begin), (m.second, self.begin2))
        for (weights, begin), one in zip(sets, self.ones, strict=True):
            error = (((bit << 16) - one) * m.speed) >> 4
            for i, x in enumerate(self.inputs):
                moved = weights[begin + i] + ((x * error + 8192) >> 14)
                weights[begin + i] = min(max(moved, -MOST_WEIGHT), MOST_WEIGHT)
        if self.point >= 0:
            m.refined[self.point] += (bit * 65535 - m.refined[self.point]) >> 7
        goal = MOST_ESTIMATE if bit else LEAST_ESTIMATE
        for at in self.at:
            p, n = m.estimates[at] >> 10, m.estimates[at] & 1023
            p += (((goal - p) >> 6) * functions().rate[n]) >> 9
            m.estimates[at] = p << 10 | (n + (n < m.limit))


class Model:
    """Mixers of all kinds of bits, and weights of 17 neighbours, level (4) x band (8)."""

    def __init__(self, data: bytes | None = None) -> None:
        self.mixers = [Mixer(kind) for kind in range(7)]
        self.expectation = np.zeros((32, 17), np.int64)
        if data is not None:
            numbers = np.frombuffer(data, "<i4")
            self.expect(numbers[:544].reshape(32, 17))
            begin = 544
            for part in (part for mixer in self.mixers for part in mixer.parts):
                values = numbers[begin : begin + len(part)].astype(np.int64)
                begin += len(part)
                part[:] = values.tolist()
            for mixer in self.mixers:
                mixer.estimates[:] = [e & 0xFFFFFFFF for e in mixer.estimates]

    def copy(self) -> Model:
        """One that learns by itself."""
        other = Model(self.store())
        for a, b in zip(self.mixers, other.mixers, strict=True):
            b.limit, b.speed = a.limit, a.speed
        return other

    def tune(self, limit: int, speed: int) -> None:
        """Observations that an estimate counts, and the rate at which weights move."""
        for mixer in self.mixers:
            mixer.limit, mixer.speed = limit, speed

    def expect(self, weights: Array) -> None:
        """Set the (32, 17) weights of neighbours, in 1/256."""
        self.expectation = weights.astype(np.int64)

    def store(self) -> bytes:
        """All that has been learned."""
        parts = [part for mixer in self.mixers for part in mixer.parts]
        numbers = [self.expectation.ravel(), *(np.array(part, np.int64) for part in parts)]
        return np.concatenate(numbers).astype("<u4").tobytes()
