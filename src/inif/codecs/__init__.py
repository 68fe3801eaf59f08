"""Codecs: standard codecs whose decoded picture a field refines; the bits stay a standard stream.

How each codec is driven stands here and nowhere else; the benchmark's rivals are these codecs.
Each module imports its library only when it encodes or decodes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from inif.codecs.av1 import Av1
from inif.codecs.avif import Avif
from inif.codecs.base import Codec
from inif.codecs.hevc import Hevc
from inif.codecs.jpeg2000 import Htj2k, Jpeg2000
from inif.codecs.jpegxl import JpegXl
from inif.codecs.knob import Knob
from inif.codecs.sperr import Sperr
from inif.errors import InputError

CODECS: dict[str, Codec] = {
    codec.kind: codec for codec in (Av1(), Hevc(), JpegXl(), Avif(), Jpeg2000(), Htj2k(), Sperr())
}
"""All of them, by name."""


def load_codec(kind: str, **options: Any) -> Codec:
    """A codec by name, with other options of its encoder than the default ones.

    Parameters
    ----------
    kind
        One of `CODECS`.
    **options
        As the codec's class has them: ``preset`` of "av1" and "hevc".

    Raises
    ------
    InputError
        There is no such codec, or it has no such option.
    """
    if kind not in CODECS:
        raise InputError(
            "there is no such codec", field="codec", expected=", ".join(CODECS), got=ascii(kind)
        )
    try:
        return replace(CODECS[kind], **options)  # type: ignore[type-var]
    except TypeError:
        raise InputError(
            "this codec has no such option", field=f"codec {kind}", got=", ".join(options)
        ) from None


__all__ = ["CODECS", "Codec", "Knob", "load_codec"]
