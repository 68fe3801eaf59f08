"""Integer arrays to 32-bit words and back, by asymmetric numeral systems (constriction).

Several arrays share one stream, each under its own model; the exact arithmetic is written down in
docs/format.md ("Weights"), and tests/reference holds a decoder written from that page alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import constriction
import numpy as np

from inif.coding.models import ModelSpec, frequencies


def encode(arrays: Sequence[np.ndarray], specs: Sequence[ModelSpec]) -> bytes:
    """Code arrays of ints (any shape) one after the other; little-endian 32-bit words."""
    coder = constriction.stream.stack.AnsCoder()
    for symbols, spec in zip(reversed(arrays), reversed(specs), strict=True):
        if spec.bound:
            shifted = (symbols.ravel() + spec.bound).astype(np.int32)
            coder.encode_reverse(shifted, _categorical(spec))
    return np.asarray(coder.get_compressed(), dtype="<u4").tobytes()


def decode(data: bytes, counts: Sequence[int], specs: Sequence[ModelSpec]) -> list[np.ndarray]:
    """The inverse of `encode`: one (count,) int32 array per spec.

    Raises
    ------
    ValueError
        The words do not decode, or some are left over.
    """
    if len(data) % 4:
        raise ValueError("the coded stream is not a whole number of 32-bit words")
    words = np.frombuffer(data, dtype="<u4").astype(np.uint32)
    if words.size and words[-1] == 0:
        raise ValueError("the coded stream ends in an empty word")
    coder = constriction.stream.stack.AnsCoder(words)
    out = []
    for count, spec in zip(counts, specs, strict=True):
        if spec.bound and count:
            out.append(coder.decode(_categorical(spec), count) - np.int32(spec.bound))
        else:
            out.append(np.zeros(count, np.int32))
    if not coder.is_empty():
        raise ValueError("the coded stream does not end with its last symbol")
    return out


def _categorical(spec: ModelSpec) -> constriction.stream.model.Categorical:
    # constriction adds 1 to each of the n entries and scales the rest to 2**24 - n: with entries
    # f - 1 that scale is exactly 1, so its table is ours, entry by entry.
    table = (frequencies(spec) - 1).astype(np.float64)
    return constriction.stream.model.Categorical(table, perfect=False)
