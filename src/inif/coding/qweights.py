"""The section that holds one brick's quantised weights (docs/format.md, "Weights").

Each weight group has a step size: base · 2**(k/8), with base float32 and k a small integer. Weights
are stored as whole multiples of it, entropy coded under the group's own integer model.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from inif.coding import check, entropy
from inif.coding.check import Check
from inif.coding.models import MAX_SYMBOL, ModelSpec, fit
from inif.errors import FormatError

FEATURE = "qweights/1"
"""The section's name in a header's ``requires``."""

KIND = b"QWTS"
FREE_WEIGHTS = 1 << 20
WEIGHTS_PER_BYTE = 64
SMALLEST_BASE, LARGEST_BASE = 2.0**-64, 2.0**64
"""Within these no step is subnormal, and no field of finite weights can overflow float32."""

_BASE = struct.Struct("<f")
_GROUP = struct.Struct("<bHBB")
_EIGHTHS = np.array(
    [1.0, 1.0905077, 1.1892071, 1.2968396, 1.4142135, 1.5422108, 1.6817929, 1.8340081], np.float32
)


@dataclass(frozen=True)
class QuantizedWeights:
    """One brick's weights as integers.

    Attributes
    ----------
    base
        Step size that all groups share (a float32 number).
    exponents
        Each group's k in -128 … 127: its step is base · 2**(k/8).
    symbols
        Each group's integers, int32, in the group's shape.
    """

    base: float
    exponents: tuple[int, ...]
    symbols: tuple[np.ndarray, ...]

    def weights(self) -> list[np.ndarray]:
        """The float32 weights that these integers stand for, exactly as every decoder has them."""
        return [
            q.astype(np.float32) * step(self.base, k)
            for q, k in zip(self.symbols, self.exponents, strict=True)
        ]


def fixed_bytes(groups: int) -> int:
    """Bytes of a section besides its coded symbols."""
    return check.SIZE + _BASE.size + _GROUP.size * groups


def step(base: float, exponent: int) -> np.float32:
    """base · 2**(exponent/8) in float32: a table of eighths, then an exact power of two."""
    return np.float32(np.ldexp(np.float32(base) * _EIGHTHS[exponent % 8], exponent // 8))


def quantize(
    weights: Sequence[np.ndarray], base: float, exponents: Sequence[int]
) -> QuantizedWeights:
    """Round each group to multiples of its step; what lies beyond ±8191 steps is clipped."""
    base = min(max(float(np.float32(base)), SMALLEST_BASE), LARGEST_BASE)
    symbols = tuple(
        np.clip(np.rint(w / step(base, k)), -MAX_SYMBOL, MAX_SYMBOL).astype(np.int32)
        for w, k in zip(weights, exponents, strict=True)
    )
    return QuantizedWeights(base, tuple(exponents), symbols)


def pack(quantized: QuantizedWeights, stated: Check) -> bytes:
    """The section's bytes."""
    specs = [fit(q)[0] for q in quantized.symbols]
    head = stated.pack() + _BASE.pack(quantized.base)
    groups = b"".join(
        _GROUP.pack(k, s.bound, s.linear, s.square)
        for k, s in zip(quantized.exponents, specs, strict=True)
    )
    return head + groups + entropy.encode(quantized.symbols, specs)


def unpack(
    data: bytes,
    shapes: Sequence[tuple[int, ...]],
    *,
    file: object,
    brick: int,
) -> tuple[QuantizedWeights, Check]:
    """The inverse of `pack`, for groups of known shapes.

    Raises
    ------
    FormatError
        Too short, numbers out of their limits, or a stream that does not decode.
    """

    def bad(problem: str) -> FormatError:
        return FormatError(
            "this brick's weights cannot be decoded",
            file=file,
            field=f"section QWTS of brick {brick}",
            got=problem,
            fix="get the file again from its source",
        )

    start = fixed_bytes(len(shapes))
    if len(data) < start:
        raise bad(f"{len(data)} bytes, at least {start} needed")
    try:
        stated = Check.unpack(data)
    except ValueError as error:
        raise bad(str(error)) from None
    (base,) = _BASE.unpack_from(data, check.SIZE)
    if not SMALLEST_BASE <= base <= LARGEST_BASE:
        raise bad(f"base step {base}")
    specs, exponents = [], []
    for index in range(len(shapes)):
        k, bound, linear, square = _GROUP.unpack_from(data, fixed_bytes(index))
        if bound > MAX_SYMBOL:
            raise bad(f"group {index}: largest symbol {bound}")
        specs.append(ModelSpec(bound, linear, square))
        exponents.append(k)
    counts = [int(np.prod(shape)) for shape in shapes]
    coded = len(data) - start
    if sum(counts) > FREE_WEIGHTS + WEIGHTS_PER_BYTE * coded:  # before anything is allocated
        raise bad(f"{sum(counts)} weights from {coded} coded bytes")
    try:
        flat = entropy.decode(data[start:], counts, specs)
    except (ValueError, AssertionError) as error:
        raise bad(str(error)) from None
    symbols = tuple(q.reshape(shape) for q, shape in zip(flat, shapes, strict=True))
    return QuantizedWeights(base, tuple(exponents), symbols), stated
