"""Which images are meant by files, folders and patterns, and where each one's output goes.

What a file is, is judged by what it holds. Nothing is opened as an image here, so that ten thousand
files are found in seconds.
"""

from __future__ import annotations

import glob
import os
import re
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from inif.errors import InifError, InputError
from inif.io.registry import detect
from inif.outputs import ZARR_MARKERS, default_output, is_url, stem

ENDINGS = (".tif", ".tiff", ".png", ".npy", ".npz", ".zarr", ".czi", ".nd2", ".lif", ".lsm")
"""What has one of these and is no image is reported, even where it was only found in a folder."""

_PATTERN = re.compile(r"[*?\[]")
_SERIES = re.compile(r"(.+)_series\d+")


@dataclass(frozen=True)
class Input:
    """A file, a folder that is a Zarr store, or a URL.

    Attributes
    ----------
    path
        As it is opened.
    name
        Of its output, below the output folder and without an ending.
    bytes
        On the disk; 0 of a URL.
    changed
        When it last did, in nanoseconds; 0 of a URL, where that is not known.
    """

    path: str
    name: str
    bytes: int
    changed: int

    def output(self, folder: str, series: int | None = None) -> str:
        """Where its output goes; `series` is None where the file holds one image."""
        number = "" if series is None else f"_series{series}"
        return os.path.join(folder, f"{self.name}{number}.inif")


@dataclass(frozen=True)
class Found:
    """The inputs in the order of their names, what cannot be read and why, and how many others."""

    inputs: tuple[Input, ...]
    wrong: tuple[tuple[str, str], ...]
    others: int


def find(given: Sequence[str | os.PathLike[str]]) -> Found:
    """The images that files, folders and patterns name, each once.

    Folders are searched with all folders in them, except for hidden files and what symbolic links
    to folders lead to. What lies in a folder and is no image is counted; it is wrong where it has
    the name of one (`ENDINGS`), or was named itself.

    Raises
    ------
    InputError
        Two images would have one output.
    """
    wrong: dict[str, str] = {}
    named: dict[str, Input] = {}
    others = 0
    for word in given:
        for path, root in _paths(os.fspath(word), wrong):
            real = path if is_url(path) else os.path.realpath(path)
            if real in named or path in wrong:
                continue
            try:
                if root is not None and not _is_image(path):
                    others += 1
                    continue
                if not is_url(path):
                    detect(path)
                named[real] = _input(path, root)
            except InifError as error:
                wrong[path] = str(error)
            except OSError as error:
                wrong[path] = f"this cannot be read; file: {path}; got: {error.strerror}"
    inputs = sorted(_distinct(list(named.values())), key=lambda one: one.path)
    return Found(tuple(inputs), tuple(wrong.items()), others)


def _paths(text: str, wrong: dict[str, str]) -> Iterator[tuple[str, str | None]]:
    """Files and stores that a word of the user means, and the folder they were found in, if any."""
    if is_url(text):
        yield text, None
    elif os.path.isdir(text) and not _is_store(text):
        for path in _within(text, wrong):
            yield path, text
    elif not os.path.lexists(text) and _PATTERN.search(text):
        fits = sorted(glob.glob(text, recursive=True))
        if not fits:
            yield text, None
        for path in fits:
            folder = os.path.isdir(path) and not _is_store(path)
            yield from ((p, path) for p in _within(path, wrong)) if folder else [(path, None)]
    else:
        yield text, None


def _within(folder: str, wrong: dict[str, str]) -> Iterator[str]:
    """Files of a folder and the folders in it; a Zarr store is one. Closed folders are wrong."""

    def closed(error: OSError) -> None:
        wrong[error.filename] = (
            f"this folder cannot be read; file: {error.filename}; got: {error.strerror}"
        )

    for root, folders, files in os.walk(folder, onerror=closed):
        inner = sorted(f for f in folders if not f.startswith("."))
        stores = [f for f in inner if _is_store(os.path.join(root, f))]
        folders[:] = [f for f in inner if f not in stores]
        for name in sorted([*stores, *(f for f in files if not f.startswith("."))]):
            yield os.path.join(root, name)


def _is_image(path: str) -> bool:
    """Whether a file of a folder is an image, or has the name of one and should be."""
    if path.lower().endswith(ENDINGS):
        return True
    try:
        if detect(path) != "npz":
            return True
        with zipfile.ZipFile(path) as archive:  # many other kinds of file are ZIP files
            return any(name.endswith(".npy") for name in archive.namelist())
    except InifError as error:
        if isinstance(error.__cause__, OSError):
            raise
        return False


def _is_store(folder: str) -> bool:
    return any(os.path.isfile(os.path.join(folder, marker)) for marker in ZARR_MARKERS)


def _input(path: str, root: str | None) -> Input:
    if root is None:
        name = default_output(path, ending="").name
    else:
        relative = os.path.relpath(path, root)
        name = os.path.join(os.path.dirname(relative), stem(os.path.basename(path)))
    if is_url(path):
        return Input(path, name, 0, 0)
    size, changed = 0, 0
    inside = (os.path.join(root, f) for root, _, files in os.walk(path) for f in files)
    for file in inside if os.path.isdir(path) else [path]:
        found = os.stat(file)
        size, changed = size + found.st_size, max(changed, found.st_mtime_ns)
    return Input(path, name, size, changed)


def _distinct(inputs: list[Input]) -> list[Input]:
    """The inputs with names of their own: those that would share one keep their endings."""
    keys = Counter(one.name.casefold() for one in inputs)

    def shared(one: Input) -> bool:
        key = one.name.casefold()
        base = _SERIES.fullmatch(key)  # as the first image of another file would be called
        return keys[key] > 1 or (base is not None and base[1] in keys)

    named = [replace(one, name=_whole(one)) if shared(one) else one for one in inputs]
    by_name: dict[str, str] = {}
    for one in named:
        if (other := by_name.setdefault(one.name, one.path)) != one.path:
            raise InputError(
                "two images would have one output",
                file=f"{other} and {one.path}",
                got=f"{one.name}.inif",
                fix="give each folder an output folder of its own, or name a folder above both",
            )
    return named


def _whole(one: Input) -> str:
    """The name of an output with the ending of its input."""
    own = Path(one.path.split("?")[0].rstrip("/\\")).name
    return os.path.join(os.path.dirname(one.name), own)
