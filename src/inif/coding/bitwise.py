"""Adaptive binary coding: each bit under the mixed opinion of several contexts, in whole numbers.

For short data that are nearly predictable, such as the headers of a codec's frames. Nothing here
is floating point, so encoder and decoder agree everywhere; docs/format.md ("Adaptive bits") has
the arithmetic.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

_UNSEEN = 32768 << 6
_MOST = 47
_RATES = [65536 * 10 // (10 * n + 23) for n in range(_MOST + 1)]
"""How far a probability moves towards the bit that came, of 65536, by how often it was asked."""

_LEARN = 3
_I = np.arange(4096)
_STRETCH: list[int] = np.rint(256 * np.log((_I + 0.5) / (4095.5 - _I))).astype(int).tolist()
_SQUASH: list[int] = (
    np.rint(65536 / (1 + np.exp((2048 - _I) / 256))).astype(int).clip(32, 65504).tolist()
)
_FIRST = 32768
_INPUTS = 3
_TOP, _ALL = 0xFF000000, 0xFFFFFFFF


@dataclass(frozen=True)
class Primed:
    """What a model knows before the first bit.

    Attributes
    ----------
    states
        Context and node → 64 times a probability (of 65536) plus how often it was asked, at
        most 47.
    weights
        One row of three per mixer, 65536 is 1.
    """

    states: Mapping[int, int]
    weights: Sequence[Sequence[int]]

    @classmethod
    def blank(cls, mixers: int) -> Primed:
        """Nothing."""
        return cls({}, [[_FIRST] * _INPUTS for _ in range(mixers)])


class Model:
    """Probabilities that learn from what was coded."""

    def __init__(self, primed: Primed) -> None:
        self.known, self.states = primed.states, dict[int, int]()
        self.weights = [list(row) for row in primed.weights]

    def _bit(self, chance: int, bit: int) -> int:
        """Code a bit of which 1 has a chance of so many of 65536."""
        raise NotImplementedError

    def number(self, bits: int, contexts: Sequence[int], mixer: int, value: int = 0) -> int:
        """A number of at most 8 bits, highest first.

        Parameters
        ----------
        bits
            Of it.
        contexts
            Up to three whole numbers that say what is known.
        mixer
            Which row of weights.
        value
            The number, where it is written.
        """
        # This is the one loop that takes time, so its at most three inputs are written out.
        known, states, weights = self.known.get, self.states, self.weights[mixer]
        mine, stretch, rates = states.get, _STRETCH, _RATES
        a, b, c = [*(context << 8 for context in contexts), -1, -1][:3]
        v, w, u = weights
        y = z = key2 = key3 = state2 = state3 = 0
        node = 1
        for shift in range(bits - 1, -1, -1):
            key1 = a | node
            state1 = mine(key1) or known(key1, _UNSEEN)
            x = stretch[state1 >> 10]
            total = v * x
            if b >= 0:
                key2 = b | node
                state2 = mine(key2) or known(key2, _UNSEEN)
                y = stretch[state2 >> 10]
                total += w * y
            if c >= 0:
                key3 = c | node
                state3 = mine(key3) or known(key3, _UNSEEN)
                z = stretch[state3 >> 10]
                total += u * z
            total >>= 16
            chance = _SQUASH[(-2048 if total < -2048 else min(total, 2047)) + 2048]
            bit = self._bit(chance, value >> shift & 1)
            goal = bit << 16
            error = _LEARN * (goal - chance)
            v += error * x >> 16
            p, n = state1 >> 6, state1 & 63
            states[key1] = p + ((goal - p) * rates[n] >> 16) << 6 | (n + 1 if n < _MOST else n)
            if b >= 0:
                w += error * y >> 16
                p, n = state2 >> 6, state2 & 63
                states[key2] = p + ((goal - p) * rates[n] >> 16) << 6 | (n + 1 if n < _MOST else n)
            if c >= 0:
                u += error * z >> 16
                p, n = state3 >> 6, state3 & 63
                states[key3] = p + ((goal - p) * rates[n] >> 16) << 6 | (n + 1 if n < _MOST else n)
            node = node << 1 | bit
        weights[:] = v, w, u
        return node - (1 << bits)

    def plain(self, bits: int, value: int = 0) -> int:
        """A number of which nothing is known."""
        out = 0
        for shift in range(bits - 1, -1, -1):
            out = out << 1 | self._bit(32768, value >> shift & 1)
        return out


class Encoder(Model):
    """Writes."""

    def __init__(self, primed: Primed) -> None:
        super().__init__(primed)
        self._low, self._high, self._out = 0, _ALL, bytearray()

    def _bit(self, chance: int, bit: int) -> int:
        middle = self._low + ((self._high - self._low) * chance >> 16)
        if bit:
            self._high = middle
        else:
            self._low = middle + 1
        while not (self._low ^ self._high) & _TOP:
            self._out.append(self._high >> 24)
            self._low = self._low << 8 & _ALL
            self._high = self._high << 8 & _ALL | 255
        return bit

    def finish(self) -> bytes:
        """All that was written; zeros follow where a decoder reads on."""
        for count in range(5):
            keep = self._high >> (32 - 8 * count) << (32 - 8 * count)
            if keep >= self._low:
                self._out += keep.to_bytes(4, "big")[:count]
                break
        return bytes(self._out)


class Decoder(Model):
    """Reads; beyond the end of the data are zeros."""

    def __init__(self, primed: Primed, data: bytes) -> None:
        super().__init__(primed)
        self._low, self._high, self._data, self._at = 0, _ALL, data, 4
        self._value = int.from_bytes(data[:4].ljust(4, b"\0"), "big")

    @property
    def over(self) -> bool:
        """Whether more was read than an encoder can have written."""
        return self._at > len(self._data) + 8

    def _bit(self, chance: int, bit: int) -> int:
        middle = self._low + ((self._high - self._low) * chance >> 16)
        found = int(self._value <= middle)
        if found:
            self._high = middle
        else:
            self._low = middle + 1
        while not (self._low ^ self._high) & _TOP:
            self._low = self._low << 8 & _ALL
            self._high = self._high << 8 & _ALL | 255
            following = self._data[self._at] if self._at < len(self._data) else 0
            self._value = self._value << 8 & _ALL | following
            self._at += 1
        return found
