"""Which codecs the installed libraries can do; asked before they are needed, never at import."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Literal


def installed(package: str) -> bool:
    """Whether a Python package can be imported."""
    return find_spec(package) is not None


def missing_av(codec: str, mode: Literal["r", "w"]) -> str | None:
    """Why PyAV cannot encode (mode "w") or decode ("r") with `codec`, or None."""
    if not installed("av"):
        return "PyAV is not installed: pip install av"
    import av

    try:
        av.Codec(codec, mode)
    except av.error.FFmpegError:
        return f"this build of PyAV has no {'encoder' if mode == 'w' else 'decoder'} {codec}"
    return None


def missing_imagecodec(name: str) -> str | None:
    """Why imagecodecs cannot do `name` ("JPEGXL", …), or None."""
    if not installed("imagecodecs"):
        return "imagecodecs is not installed: pip install imagecodecs"
    import imagecodecs

    if not getattr(getattr(imagecodecs, name), "available", False):
        return f"this build of imagecodecs has no {name}"
    return None
