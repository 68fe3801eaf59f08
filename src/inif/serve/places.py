"""What is served: the files that names in URLs stand for.

A name is looked up among what was given, and never joined to a path that it could lead out of: a
folder serves only files that end in ``.inif`` and lie in it once every link is followed. Nothing
that begins with a dot is served, so neither ``..`` nor a hidden folder is.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from inif.errors import InputError, MissingFileError

FILE, GROUP = ".inif", ".ome.zarr"
"""How served names end: a file as it is, and as OME-Zarr."""

MOST_FILES, MOST_FOLDERS = 1000, 10_000
"""What is listed, and what is looked through for it, at most; more can be asked for by name."""


@dataclass(frozen=True)
class Place:
    """A file or folder that was given.

    Attributes
    ----------
    name
        What its URL begins with; nothing of a folder that is the only place.
    path
        Absolute; a link stays one, so that it may lead elsewhere later.
    """

    name: str
    path: Path

    @property
    def is_folder(self) -> bool:
        """Whether it is one now."""
        return self.path.is_dir()


class Places:
    """The files and folders that were given.

    Raises
    ------
    InputError
        There is no such file or folder, or none was given.
    """

    def __init__(self, paths: Sequence[str | os.PathLike[str]]) -> None:
        if not paths:
            raise InputError("there is nothing to serve", expected="files or folders")
        self.places: list[Place] = []
        for path in map(_existing, paths):
            name = path.resolve().name if path.is_dir() else path.name
            if len(paths) == 1 and path.is_dir():
                name = ""
            self.places.append(Place(self._free(name), path))

    def find(self, name: str) -> Path | None:
        """The file that a name stands for, with all links followed; None where there is none."""
        for place in self.places:
            if not place.is_folder:
                if name == place.name:
                    return _file(place.path)
                continue
            inside = name.removeprefix(f"{place.name}/") if place.name else name
            if inside == name and place.name:
                continue
            return _inside(place.path, inside)
        return None

    def find_group(self, path: str) -> tuple[str, Path, str] | None:
        """The file's name, the file and the key that the path of a group or in one stands for.

        ``"sub/a.ome.zarr/0/zarr.json"`` has the name ``"sub/a.inif"`` and the key
        ``"0/zarr.json"``. None where there is no such file.
        """
        parts = path.split("/")
        for count, part in enumerate(parts, 1):
            if not part.endswith(GROUP):
                continue
            start = "/".join(parts[:count]).removesuffix(GROUP)
            for name in (start + FILE, start):
                if (file := self.find(name)) is not None:
                    return name, file, "/".join(parts[count:])
        return None

    def names(self) -> tuple[list[str], bool]:
        """Names of the files that are served now, and whether these are all."""
        found: list[str] = []
        left = [MOST_FOLDERS]
        for place in self.places:
            if not place.is_folder:
                found += [place.name] if _file(place.path) else []
                continue
            for name in _walk(place.path, left):
                if len(found) >= MOST_FILES:
                    return found, False
                found.append(f"{place.name}/{name}" if place.name else name)
        return found, left[0] > 0

    def _free(self, name: str) -> str:
        """The name, or the first of ``a-2.inif``, ``a-3.inif`` … that no other place has."""
        taken = {place.name for place in self.places}
        stem, dot, end = name.partition(".")
        number = 2
        while name in taken:
            name, number = f"{stem}-{number}{dot}{end}", number + 1
        return name


def group_of(name: str) -> str:
    """The name of a file as OME-Zarr: ``"a.ome.zarr"`` of ``"a.inif"``."""
    return name.removesuffix(FILE) + GROUP


def _existing(path: str | os.PathLike[str]) -> Path:
    found = Path(os.path.abspath(path))
    if not found.exists():
        raise MissingFileError(
            "there is no such file or folder", file=os.fspath(path), fix="check the path"
        )
    if not (found.is_dir() or found.is_file()):
        raise InputError(
            "this cannot be served", file=os.fspath(path), expected="a file or a folder"
        )
    return found


def _file(path: Path) -> Path | None:
    """A path with all links followed, if it is a file."""
    try:
        real = path.resolve(strict=True)
        return real if real.is_file() else None
    except (OSError, ValueError, RuntimeError):  # also a zero in a name, and links in a circle
        return None


def _inside(folder: Path, name: str) -> Path | None:
    """An ``.inif`` file of a folder by its relative name, with all links followed."""
    parts = name.split("/")
    if not name.endswith(FILE) or any(not part or part.startswith(".") for part in parts):
        return None
    real = _file(folder.joinpath(*parts))
    return real if real is not None and real.is_relative_to(folder.resolve()) else None


def _walk(folder: Path, left: list[int]) -> Iterator[str]:
    """Names that `_inside` finds, sorted folder by folder, until `left` folders were looked at."""
    for here, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(here, name).relative_to(folder).as_posix()
            if path.isprintable() and _inside(folder, path):
                yield path
        left[0] -= 1
        if left[0] <= 0:
            return
