"""The first eight bytes of a brick's section: what the encoder says of its own decode.

See docs/format.md, "Verification".
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass

SIZE = 8
"""Bytes of a packed check."""

_DIGESTS, _MEAN = struct.Struct("<II"), struct.Struct("<If")


@dataclass(frozen=True)
class Check:
    """Fingerprints of a brick.

    Attributes
    ----------
    crc
        CRC-32C of the brick's decoded samples, C order, little endian.
    inputs
        CRC-32C of all that the samples follow from, which is the same on every machine; None in
        files of ``hybrid/1`` and ``qweights/1``.
    mean
        In those, the samples' mean over all channels, each scaled to [-1, 1] by its range.
    """

    crc: int = 0
    inputs: int | None = 0
    mean: float = 0.0

    def pack(self) -> bytes:
        """The section's first bytes."""
        if self.inputs is None:
            return _MEAN.pack(self.crc, self.mean)
        return _DIGESTS.pack(self.crc, self.inputs)

    @classmethod
    def unpack(cls, data: bytes, *, means: bool) -> Check:
        """The inverse of `pack`; `means` for files of the first features.

        Raises
        ------
        ValueError
            Too few bytes, or a mean that is not finite.
        """
        if len(data) < SIZE:
            raise ValueError(f"{len(data)} bytes")
        if not means:
            return cls(*_DIGESTS.unpack_from(data))
        crc, mean = _MEAN.unpack_from(data)
        if not math.isfinite(mean):
            raise ValueError(f"mean {mean}")
        return cls(crc, None, mean)
