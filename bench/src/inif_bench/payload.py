"""The smallest honest file around a rival's bitstreams: what decoding needs, and not a byte more.

Rivals are judged by bytes on disk, decoded from these bytes alone. A rich container would put them
at a disadvantage in files of 3 kB; leaving out shapes and ranges would favour them.

Layout: axes and dtype and order in 3 bytes, shape and stream lengths as LEB128, two samples of the
image's dtype per channel (its range), then the streams.
"""

from __future__ import annotations

import numpy as np

from inif.axes import AXES
from inif.coding import leb128
from inif.errors import FormatError
from inif.frames import ORDERS, Geometry
from inif.image import DTYPES


def pack(geometry: Geometry, streams: list[bytes]) -> bytes:
    """A file of bitstreams, decodable without any other knowledge than which codec wrote it."""
    head = bytes([len(geometry.axes), DTYPES.index(geometry.dtype), ORDERS.index(geometry.order)])
    head += bytes(AXES.index(a) for a in geometry.axes)
    head += b"".join(leb128.write(n) for n in geometry.shape)
    head += np.array(geometry.ranges, geometry.dtype).astype(_little(geometry.dtype)).tobytes()
    return head + leb128.write(len(streams)) + leb128.join(streams[:-1], streams[-1])


def unpack(data: bytes) -> tuple[Geometry, list[bytes]]:
    """The inverse of `pack`.

    Raises
    ------
    FormatError
        The bytes are not what `pack` writes.
    """
    try:
        return _unpack(data)
    except (IndexError, ValueError) as error:
        raise FormatError("this is not a rival's file", got=str(error)) from None


def _unpack(data: bytes) -> tuple[Geometry, list[bytes]]:
    count, dtype, order = data[0], DTYPES[data[1]], ORDERS[data[2]]
    axes = "".join(AXES[i] for i in data[3 : 3 + count])
    at = 3 + count
    shape = []
    for _ in axes:
        length, at = leb128.read(data, at)
        shape.append(length)
    channels = shape[axes.index("C")] if "C" in axes else 1
    kind = np.dtype(_little(dtype))
    ranges = np.frombuffer(data, kind, 2 * channels, at).reshape(channels, 2)
    at += ranges.nbytes
    streams, at = leb128.read(data, at)
    parts, last = leb128.split(data, at, streams - 1)  # the last one ends with the file
    pairs = tuple((float(low), float(high)) for low, high in ranges)
    return Geometry(axes, tuple(shape), dtype, pairs, order), [*parts, last]


def _little(dtype: str) -> str:
    return np.dtype(dtype).newbyteorder("<").str
