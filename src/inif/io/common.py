"""What all readers and writers share: errors, remarks, axes, and files that appear whole.

The libraries behind the readers raise errors of dozens of types and warn in their own ways; here
each becomes one `InputError` that names the file.
"""

from __future__ import annotations

import contextlib
import logging
import math
import re
import threading
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from inif.errors import InifError, InputError, RemarkWarning
from inif.image import Channel, ImageSource, LazyImage, Region
from inif.io.units import known
from inif.outputs import replacing as _replacing
from inif.web import public

_SEVERAL = "this file holds "


@contextlib.contextmanager
def translated(
    name: str, problem: str, fix: str, only: type[Exception] = Exception
) -> Iterator[None]:
    """Silence a library's log, and turn what it raises into an InputError that names the file."""
    logs = [logging.getLogger(library) for library in ("tifffile", "bioio.bio_image")]
    silence = _Silence()
    for log in logs:
        log.addFilter(silence)
    try:
        yield
    except InifError:
        raise
    except only as error:  # libraries raise what they like on damaged files
        reason = str(error) or type(error).__name__
        if isinstance(error, OSError) and error.strerror:
            reason = error.strerror
        if isinstance(error, MemoryError):
            reason = f"not enough memory ({error})"
        raise InputError(problem, file=name, got=public(reason), fix=fix) from error
    finally:
        for log in logs:
            log.removeFilter(silence)


OPENING = threading.RLock()
"""Held by whoever opens files in several threads: `guarded` is for one thread at a time."""


@contextlib.contextmanager
def guarded(name: str, problem: str, fix: str, only: type[Exception] = Exception) -> Iterator[None]:
    """`translated`, with the library's warnings silenced too; for one thread at a time."""
    with translated(name, problem, fix, only), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", RemarkWarning)
        yield


def reading(name: str, kind: str) -> contextlib.AbstractContextManager[None]:
    """`guarded` for readers."""
    return guarded(
        name, f"this {kind} cannot be read", "check that the file is complete, or export it again"
    )


class _Silence(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return False


def only_scene(scene: int, count: int, name: str) -> None:
    """Check a scene's number against how many images the file holds."""
    if isinstance(scene, bool) or not isinstance(scene, int) or not 0 <= scene < count:
        raise InputError(
            "there is no such image in this file",
            file=name,
            field="--series (in Python: scene)",
            expected=f"0 … {count - 1}" if count > 1 else "0",
            got=scene,
        )


def several_images(count: int, scene: int, name: str | None = None) -> str:
    """The remark on a file of several images of which one was taken.

    Parameters
    ----------
    count
        How many images the file holds.
    scene
        The number of the one that was taken, from 0 on.
    name
        Its name, where the file states one.
    """
    title = one_line(name)
    taken = f"number {scene} (“{title}”)" if title else f"number {scene}"
    return f"{_SEVERAL}{count} images, {taken} was taken; --series N takes another"


def without_several(image: LazyImage) -> LazyImage:
    """The image without that remark, for those who take all images of its file."""
    return replace(image, remarks=tuple(r for r in image.remarks if not r.startswith(_SEVERAL)))


def sound_scale(
    scale: Mapping[str, tuple[float, str | None]],
) -> tuple[dict[str, tuple[float, str | None]], list[str]]:
    """Steps as an image may have them, finite and above 0, and remarks on those that were not.

    Microscopes write negative steps for stacks that are taken downwards: the size is kept. What is
    no size at all is left out. A unit that is not known stays, as text.
    """
    sound: dict[str, tuple[float, str | None]] = {}
    remarks: list[str] = []
    unknown: dict[str, str] = {}
    for axis, (step, unit) in scale.items():
        if not math.isfinite(step) or step == 0:
            remarks.append(
                f"the step along {axis} is given as {step:g}, which is no size: left out"
            )
            continue
        if step < 0:
            said = f"{step:g} {unit or ''}".rstrip()
            remarks.append(
                f"the step along {axis} is negative ({said}); its size is kept, its sign is not"
            )
        sound[axis] = (abs(float(step)), unit)
        if unit is not None and not known(axis, unit):
            unknown[unit] = unknown.get(unit, "") + axis
    remarks.extend(
        f"the unit “{one_line(unit)}” of the step along {', '.join(axes)} is not known: it is kept "
        "as text, and OME-XML cannot state it"
        for unit, axes in unknown.items()
    )
    return sound, remarks


def one_line(text: str | None, most: int = 60) -> str:
    """A file's text as a part of one line: nothing that steers a terminal, at most `most` long."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text or "").split())
    return line if len(line) <= most else line[: most - 1] + "…"


def rgb_channels(samples: int) -> tuple[Channel, ...]:
    """Names and colours of interleaved colour samples; nothing unless there are 3 or 4."""
    names = [("R", "#FF0000"), ("G", "#00FF00"), ("B", "#0000FF"), ("A", None)]
    return tuple(Channel(n, c) for n, c in names[:samples]) if samples in (3, 4) else ()


def hex_color(color: object) -> str | None:
    """The six digits, in upper case, of a colour like "#00ff00"; None if it is none."""
    match = re.fullmatch(r"#?([0-9A-Fa-f]{6})(?:[0-9A-Fa-f]{2})?", str(color))
    return match[1].upper() if match else None


def unkept_metadata(image: ImageSource, kind: str) -> list[str]:
    """The remark of a format that holds samples alone, on an image that has more."""
    meta = image.meta
    parts = [
        ("its name", bool(meta.name)),
        (f"the steps along {', '.join(meta.scale)}", bool(meta.scale)),
        ("the names of channels", any(c.name for c in meta.channels)),
        ("the colours of channels", any(c.color for c in meta.channels)),
        ("its OME-XML", bool(meta.ome_xml)),
    ]
    lost = ", ".join(text for text, there in parts if there)
    return [f"{kind} holds samples alone, without what else the image has: {lost}"] * bool(lost)


def planes_last(image: ImageSource, order: str | None = None) -> LazyImage:
    """The image with Y and X as the last axes; both are added if missing, with length 1.

    `order` (letters of "TCZYX") fixes the order of all axes; by default the others keep theirs.
    """
    added = tuple(a for a in "YX" if a not in image.axes)
    axes = (*image.axes, *added)
    wanted = [a for a in order or axes if a in axes and a not in "YX"] + ["Y", "X"]
    turn = [axes.index(a) for a in wanted]

    def reader(region: Region) -> np.ndarray:
        own = dict(zip(wanted, region, strict=True))
        part = image.read(tuple(own[a] for a in image.axes))
        return part.reshape(part.shape + (1,) * len(added)).transpose(turn)

    def turned(lengths: tuple[int, ...]) -> tuple[int, ...]:
        return tuple((*lengths, *(1 for _ in added))[i] for i in turn)

    return LazyImage(
        *("".join(wanted), turned(image.shape), image.dtype, reader, image.meta, image.source),
        labels=image.labels,
        block=None if image.block is None else turned(image.block),
        windows=image.windows,
    )


@contextlib.contextmanager
def replacing(path: str, *, overwrite: bool) -> Iterator[str]:
    """`inif.outputs.replacing`, with the warnings and the log of the library that writes silenced.

    Raises
    ------
    InputError
        The target exists and may not be replaced, or the operating system refuses (disk full, …).
    """
    with (
        _replacing(path, overwrite=overwrite) as temporary,
        guarded(path, "the image cannot be written", "check the free space", OSError),
    ):
        yield temporary
