"""The first eight bytes of a brick's section: what the encoder says of its own decode.

See docs/format.md, "Verification".
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

_DIGESTS = struct.Struct("<II")

SIZE = _DIGESTS.size
"""Bytes of a packed check."""


@dataclass(frozen=True)
class Check:
    """Fingerprints of a brick.

    Attributes
    ----------
    crc
        CRC-32C of the brick's decoded samples, C order, little endian.
    inputs
        CRC-32C of all that the samples follow from, which is the same on every machine.
    """

    crc: int = 0
    inputs: int = 0

    def pack(self) -> bytes:
        """The section's first bytes."""
        return _DIGESTS.pack(self.crc, self.inputs)

    @classmethod
    def unpack(cls, data: bytes) -> Check:
        """The inverse of `pack`.

        Raises
        ------
        ValueError
            Too few bytes.
        """
        if len(data) < SIZE:
            raise ValueError(f"{len(data)} bytes")
        return cls(*_DIGESTS.unpack_from(data))
