"""Which codecs the installed libraries can do; asked before they are needed, never at import."""

from __future__ import annotations

import subprocess
from functools import cache
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


def ffmpeg() -> str:
    """FFmpeg as a program: ``$IMAGEIO_FFMPEG_EXE``, imageio-ffmpeg's own, or the system's.

    Raises
    ------
    RuntimeError
        There is none.
    """
    import imageio_ffmpeg

    return str(imageio_ffmpeg.get_ffmpeg_exe())


def missing_ffmpeg(encoder: str, pixels: str) -> str | None:
    """Why the program FFmpeg cannot encode these pixels with `encoder`, or None."""
    if not installed("imageio_ffmpeg"):
        return "imageio-ffmpeg is not installed: pip install imageio-ffmpeg"
    try:
        program = ffmpeg()
    except RuntimeError as error:
        return str(error)
    if pixels not in _described(program, encoder):
        return f"this build of FFmpeg has no encoder {encoder} for {pixels}: {program}"
    return None


@cache
def _described(program: str, encoder: str) -> str:
    """What FFmpeg says of an encoder; empty where it cannot be asked."""
    command = [program, "-hide_banner", "-h", f"encoder={encoder}"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode(errors="replace")
