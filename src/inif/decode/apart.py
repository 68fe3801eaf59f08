"""The section of samples that are kept exactly, apart from the others (docs/format.md, "Outliers").

A critical section: a reader that does not know it refuses the file.
"""

from __future__ import annotations

import math

import numpy as np

from inif.coding import leb128
from inif.container.reader import Container
from inif.decode.check import little_endian
from inif.errors import FormatError
from inif.outliers import NO_OUTLIERS, Outliers

KIND = b"OUTL"
MAX_COUNT = 1 << 16


def pack(outliers: Outliers) -> bytes:
    """The section's bytes."""
    steps = np.diff(outliers.positions, prepend=-1) - 1
    numbers = [len(steps), *steps.tolist()]
    return b"".join(leb128.write(n) for n in numbers) + little_endian(outliers.values)


def unpack(
    data: bytes, shape: tuple[int, ...], dtype: np.dtype[np.generic], *, finite: bool = True
) -> Outliers:
    """The inverse of `pack`; `finite` where all values must be numbers.

    Raises
    ------
    ValueError
        Too short or too long, more outliers than there may be, one that lies outside the image or
        is no number.
    """
    count, at = leb128.read(data, 0)
    if not 1 <= count <= MAX_COUNT or count * (1 + dtype.itemsize) > len(data) - at:
        raise ValueError(f"{count} samples in {len(data)} bytes")
    positions, last = [], -1
    for _ in range(count):
        step, at = leb128.read(data, at)
        last += step + 1
        positions.append(last)
    if last >= math.prod(shape):
        raise ValueError(f"sample {last} of {math.prod(shape)}")
    if len(data) - at != count * dtype.itemsize:
        raise ValueError(f"{len(data) - at} bytes for {count} values of {dtype.itemsize}")
    values = np.frombuffer(data, dtype.newbyteorder("<"), count, at).astype(dtype)
    if finite and not np.isfinite(values).all():
        raise ValueError("a value that is no number")
    return Outliers(np.array(positions, np.int64), values)


def stored(container: Container) -> bytes:
    """The section's bytes; none where the file has no such section."""
    entry = container.find(KIND)
    return b"" if entry is None else container.read(entry)


def load(container: Container) -> Outliers:
    """The outliers of a file.

    Raises
    ------
    FormatError
        The section is not what it should be.
    """
    data = stored(container)
    if not data and container.find(KIND) is None:
        return NO_OUTLIERS
    header = container.header
    try:
        return unpack(data, tuple(header["shape"]), np.dtype(header["dtype"]))
    except ValueError as error:
        raise FormatError(
            "the outliers cannot be read",
            file=container.name,
            field="section OUTL",
            got=str(error),
            fix="get the file again from its source",
        ) from None
