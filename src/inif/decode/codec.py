"""What a hybrid file says of its codec: the header's object, and the CODE section of a brick.

See docs/format.md, "Hybrid".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from inif.codecs import CODECS
from inif.codecs.base import Codec
from inif.coding import leb128
from inif.coding.check import SIZE, Check
from inif.errors import FormatError
from inif.fields.repair import Repair
from inif.frames import ORDERS

FEATURE = "hybrid/1"
"""A hybrid's name in a header's ``requires``."""

KIND = b"CODE"
MAX_BRICK = 1 << 27
"""Most samples of a brick; its streams are decoded whole."""


@dataclass(frozen=True)
class CodecSpec:
    """The header's ``codec`` object.

    Attributes
    ----------
    kind
        One of `inif.codecs.CODECS`.
    frame_order
        How time points and depths lie in one row of frames, one of `inif.frames.ORDERS`.
    """

    kind: str
    frame_order: str = "TZ"

    @property
    def codec(self) -> Codec:
        """The codec."""
        return CODECS[self.kind]

    def to_json(self) -> dict[str, str]:
        """The header's object; the usual order is left out."""
        order = {} if self.frame_order == "TZ" else {"frame_order": self.frame_order}
        return {"kind": self.kind, **order}

    @classmethod
    def from_json(cls, spec: Mapping[str, Any], *, file: object) -> CodecSpec:
        """The inverse of `to_json`.

        Raises
        ------
        FormatError
            An unknown kind or order.
        """
        kind, order = spec.get("kind"), spec.get("frame_order", "TZ")
        for name, value, known in (("kind", kind, tuple(CODECS)), ("frame_order", order, ORDERS)):
            if value not in known:
                raise FormatError(
                    "this codec is not known",
                    file=file,
                    field=f"header.codec.{name}",
                    expected=" or ".join(known),
                    got=ascii(value),
                )
        return cls(str(kind), str(order))


@dataclass(frozen=True)
class BrickData:
    """What a CODE section holds.

    Attributes
    ----------
    streams
        One per channel of the brick.
    check
        Of the encoder's decode.
    repairs
        One per channel where the file has a repair, else none.
    rest
        Bytes after all this: padding up to the byte budget.
    """

    streams: tuple[bytes, ...]
    check: Check
    repairs: tuple[Repair, ...] = ()
    rest: bytes = b""

    def pack(self, frames: int) -> bytes:
        """The section's bytes; each stream has so many frames."""
        parts = list(self.streams)
        if self.repairs:
            parts.append(b"".join(repair.pack(frames) for repair in self.repairs))
        return self.check.pack() + leb128.join(parts, self.rest)

    @classmethod
    def unpack(cls, data: bytes, content: Content, *, file: object, brick: int) -> BrickData:
        """The inverse of `pack`.

        Raises
        ------
        FormatError
            Too short, lengths beyond the section's end, or repairs that cannot be.
        """
        try:
            check = Check.unpack(data)
            parts, rest = leb128.split(data, SIZE, content.channels + bool(content.bases))
            repairs = content.repairs(parts.pop()) if content.bases else ()
        except ValueError as error:
            raise FormatError(
                "this brick's streams cannot be read",
                file=file,
                field=f"section CODE of brick {brick}",
                got=str(error),
                fix="get the file again from its source",
            ) from None
        return cls(tuple(parts), check, repairs, rest)


@dataclass(frozen=True)
class Content:
    """What a brick's section must hold.

    Attributes
    ----------
    channels, frames
        Of the brick.
    bases
        Most coefficients of a repair; 0: the file has no repair.
    """

    channels: int
    frames: int
    bases: int = 0

    def repairs(self, data: bytes) -> tuple[Repair, ...]:
        """The repairs of all channels.

        Raises
        ------
        ValueError
            Too short or too long, or a repair that cannot be.
        """
        out, at = [], 0
        for _ in range(self.channels):
            repair, at = Repair.unpack(data, at, self.frames, self.channels, self.bases)
            out.append(repair)
        if at != len(data):
            raise ValueError(f"{len(data) - at} bytes after the repairs")
        return tuple(out)
