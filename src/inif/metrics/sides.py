"""Whatever a user hands over for comparison, as samples with axes.

The other rooms are imported here, when they are needed, and nowhere else in the metrics: the
figures themselves work on anything with a shape, a dtype and basic indexing.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from inif.axes import check_axes
from inif.errors import AxesError, InputError, MissingFileError
from inif.image import Image, Metadata
from inif.metrics.planes import Samples


@dataclass(frozen=True)
class Side:
    """One side of a comparison.

    Attributes
    ----------
    samples
        The voxels: an array, or a `File` that decodes when indexed.
    axes
        One letter per axis; None for a bare array whose axes nobody named.
    name
        Path or name for messages.
    file_bytes
        Size on disk; None if there is no file.
    meta
        Channel names and pixel sizes.
    lossy
        The record of how the file was made, for ``.inif`` files.
    close
        Gives back what was opened here; does nothing for what the user opened.
    """

    samples: Samples
    axes: str | None
    name: str | None
    file_bytes: int | None
    meta: Metadata
    lossy: Mapping[str, Any] | None = None
    close: Callable[[], None] = lambda: None


def load(thing: Any, axes: str | None = None) -> Side:
    """A path, `Image`, `File` or array as a `Side`; `axes` is for arrays and files without any.

    Raises
    ------
    InputError
        The file does not exist, or this kind of object cannot be compared.
    """
    if isinstance(thing, str | os.PathLike):
        return _load_path(os.fspath(thing), axes)
    if isinstance(thing, Image):
        return Side(thing.data, thing.axes, thing.source, None, thing.meta)
    if hasattr(thing, "header") and hasattr(thing, "axes"):
        return _from_file(thing, None, lambda: None)
    if hasattr(thing, "shape") and hasattr(thing, "dtype") and hasattr(thing, "__getitem__"):
        named = getattr(thing, "axes", None) if axes is None else axes
        if named is not None:
            named = check_axes(str(named), thing.shape)
        return Side(thing, named, None, None, Metadata())
    raise InputError(
        "this cannot be compared",
        expected="a path, an inif.Image, an inif.File or an array",
        got=type(thing).__name__,
    )


def load_pair(original: Any, compressed: Any, axes: str | None = None) -> tuple[Side, Side]:
    """Both sides of a comparison; a file that does not name its axes takes those of the other.

    Raises
    ------
    AxesError
        Neither side names its axes.
    InputError
        As for `load`.
    """
    try:
        first = load(original, axes)
    except AxesError:
        if axes is not None:
            raise
        second = load(compressed)
        with _closing_on_error(second):
            if second.axes is None:
                raise
            return load(original, second.axes), second
    with _closing_on_error(first):
        try:
            return first, load(compressed, axes)
        except AxesError:
            if axes is not None or first.axes is None:
                raise
            return first, load(compressed, first.axes)


def load_third(thing: Any, axes: str | None, known: str | None) -> Side:
    """One more image as a `Side`; if it does not name its axes, they are the `known` ones.

    Raises
    ------
    AxesError, InputError
        As for `load`.
    """
    try:
        return load(thing, axes)
    except AxesError:
        if axes is not None or known is None:
            raise
        return load(thing, known)


@contextlib.contextmanager
def _closing_on_error(source: Side) -> Iterator[None]:
    try:
        yield
    except BaseException:
        source.close()
        raise


def is_inif(path: str) -> bool:
    """Whether a path or URL holds an ``.inif`` file: by its first bytes, or failing that, name."""
    if "://" in path or path.lower().endswith(".inif"):
        return path.lower().split("?")[0].endswith(".inif")
    if not os.path.isfile(path):
        return False
    from inif.container.spec import MAGIC

    with open(path, "rb") as stream:
        return stream.read(len(MAGIC)) == MAGIC


def disk_size(path: str) -> int | None:
    """Bytes of a file, or of all files of a folder (OME-Zarr); None for anything else."""
    target = Path(path)
    if target.is_file():
        return target.stat().st_size
    if target.is_dir():
        return sum(f.stat().st_size for f in target.rglob("*") if f.is_file())
    return None


def _load_path(path: str, axes: str | None) -> Side:
    if "://" not in path and not os.path.exists(path):
        raise MissingFileError("there is no such file", file=path, fix="check the path")
    if is_inif(path):
        from inif.decode.file import open_file

        file = open_file(path)
        return _from_file(file, path, file.close)
    from inif.io import read_image

    image = read_image(path, axes=axes)
    return Side(image.data, image.axes, path, disk_size(path), image.meta)


def _from_file(file: Any, name: str | None, close: Callable[[], None]) -> Side:
    header = dict(file.header)
    meta = getattr(file, "meta", None)
    lossy = header.get("lossy")
    return Side(
        samples=file,
        axes=check_axes(str(file.axes), file.shape, file=name),
        name=name,
        file_bytes=int(file.file_bytes),
        meta=meta if isinstance(meta, Metadata) else Metadata(),
        lossy=lossy if isinstance(lossy, Mapping) else None,
        close=close,
    )


def agree(original: Side, compressed: Side) -> str:
    """The axes common to both sides, after checking that the two can be compared.

    Raises
    ------
    AxesError
        Neither side names its axes.
    InputError
        Axes, shape or dtype differ.
    """
    pairs = (
        (
            "in their axes",
            "axes",
            original.axes or compressed.axes,
            compressed.axes or original.axes,
            "bring both into one order of axes first",
        ),
        (
            "in shape",
            "shape",
            tuple(original.samples.shape),
            tuple(compressed.samples.shape),
            "compare an image with its own compressed version, cropped alike",
        ),
        (
            "in the type of their samples",
            "dtype",
            np.dtype(original.samples.dtype).name,
            np.dtype(compressed.samples.dtype).name,
            "convert one of them; a change of type is a change of scale, and inif guesses none",
        ),
    )
    file = compressed.name
    for what, field, expected, got, fix in pairs:
        if expected != got:
            raise InputError(
                f"the two images differ {what}",
                file=file,
                field=field,
                expected=expected,
                got=got,
                fix=fix,
            )
    return check_axes(original.axes or compressed.axes, original.samples.shape, file=file)
