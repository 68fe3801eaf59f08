"""Fingerprints of decoded bricks, the same in encoder and verifier (docs/format.md)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from inif.coding.check import Check
from inif.container.header import canonical_json
from inif.container.spec import crc32c

_STATED = ("axes", "dtype", "field", "codec", "shape")


def check_of(
    samples: np.ndarray, header: Mapping[str, Any], number: int, inputs: Iterable[bytes]
) -> Check:
    """The fingerprints of a brick for its section.

    Parameters
    ----------
    samples
        The decoded brick, in its shape and the image's dtype.
    header, number
        Of the file, complete but for its record; the brick's number.
    inputs
        Of the brick, as its decoder gives them.
    """
    return Check(crc_of(samples), digest(header, number, inputs))


def crc_of(samples: np.ndarray) -> int:
    """The CRC-32C of samples."""
    return crc32c(little_endian(samples))


def digest(header: Mapping[str, Any], number: int, inputs: Iterable[bytes]) -> int:
    """The CRC-32C of what a brick's samples follow from: the header, its place, its content."""
    stated = {key: header[key] for key in _STATED if key in header}
    stated["brick"] = header.get("brick", header["shape"])
    crc = crc32c(canonical_json(stated))
    crc = crc32c(np.array(header["range"], "<f8").tobytes(), crc)
    crc = crc32c(number.to_bytes(4, "little"), crc)
    for part in inputs:
        crc = crc32c(part, crc)
    return crc


def little_endian(samples: np.ndarray) -> bytes:
    """Samples as C-order little-endian bytes, as every checksum takes them."""
    return np.ascontiguousarray(samples, samples.dtype.newbyteorder("<")).tobytes()
