"""Public data sets of the paper: what they are, whose, and how to get them (datasets.json).

A manifest is data that may come from anywhere, so everything in it is checked before use: only
http and https addresses, only file names inside the folder, only known checksums.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from inif.errors import InputError

_LENGTHS = {"sha256": 64, "md5": 32, "git": 40}
_TEXTS = ("name", "title", "used_for", "axes", "source", "licence", "licence_note", "how")
_FILE_KEYS = {"url", "path", "bytes", "checksum"}


@dataclass(frozen=True)
class DataFile:
    """One file of a data set.

    Attributes
    ----------
    url
        Where it is.
    path
        Its name in the folder, relative.
    bytes
        Its size, where it is known.
    checksum
        "sha256:…", "md5:…" or "git:…" (Git's name of the content), or None where nobody published
        one: then the first download's SHA-256 is kept beside the file and checked from then on.
    """

    url: str
    path: str
    bytes: int | None
    checksum: str | None


@dataclass(frozen=True)
class Dataset:
    """One data set; `how` says what to do by hand, `files` what can be downloaded."""

    name: str
    title: str
    used_for: str
    axes: str
    ratios: tuple[float, ...]
    source: str
    licence: str
    licence_note: str
    how: str
    files: tuple[DataFile, ...]


def load_manifest(path: Path | None = None) -> tuple[Dataset, ...]:
    """The data sets of a manifest; of the package's own for None.

    Raises
    ------
    InputError
        The file cannot be read or is not a manifest.
    """
    name = path or "datasets.json"
    try:
        text = (path or files("inif_bench") / "datasets.json").read_text("utf-8")
        body = json.loads(text)
    except (OSError, ValueError) as error:
        raise InputError("this manifest cannot be read", file=name, got=error) from None
    if not isinstance(body, list) or not body:
        raise _bad(name, "the manifest", "a list of data sets", type(body).__name__)
    found = tuple(_dataset(entry, name) for entry in body)
    if len({d.name for d in found}) < len(found):
        raise _bad(name, "name", "each name once", ", ".join(d.name for d in found))
    return found


def find_dataset(name: str, manifest: tuple[Dataset, ...]) -> Dataset:
    """A data set by name.

    Raises
    ------
    InputError
        There is none of this name.
    """
    for dataset in manifest:
        if dataset.name == name:
            return dataset
    known = ", ".join(d.name for d in manifest)
    raise InputError("there is no such data set", field="NAME", expected=known, got=name)


def _dataset(entry: Any, name: object) -> Dataset:
    wanted = {*_TEXTS, "ratios", "files"}
    if not isinstance(entry, dict) or entry.keys() != wanted:
        got = sorted(entry) if isinstance(entry, dict) else type(entry).__name__
        raise _bad(name, "a data set", ", ".join(sorted(wanted)), got)
    for key in _TEXTS:
        if not isinstance(entry[key], str) or not entry[key]:
            raise _bad(name, key, "a text", entry[key])
    ratios = entry["ratios"]
    if not isinstance(ratios, list) or not all(type(r) in (int, float) and r > 1 for r in ratios):
        raise _bad(name, "ratios", "a list of numbers above 1", ratios)
    if not isinstance(entry["files"], list):
        raise _bad(name, "files", "a list", entry["files"])
    found = tuple(_file(f, name) for f in entry["files"])
    texts = {key: entry[key] for key in _TEXTS}
    return Dataset(**texts, ratios=tuple(float(r) for r in ratios), files=found)


def _file(entry: Any, name: object) -> DataFile:
    if not isinstance(entry, dict) or entry.keys() != _FILE_KEYS:
        got = sorted(entry) if isinstance(entry, dict) else type(entry).__name__
        raise _bad(name, "files", ", ".join(sorted(_FILE_KEYS)), got)
    url, path, size, checksum = entry["url"], entry["path"], entry["bytes"], entry["checksum"]
    if not isinstance(url, str) or urlsplit(url).scheme not in ("http", "https"):
        raise _bad(name, "url", "an http or https address", url)
    parts = PurePosixPath(path).parts if isinstance(path, str) else ()
    if not parts or ".." in parts or parts[0].startswith("/") or "\\" in path or ":" in path:
        raise _bad(name, "path", "a name inside the folder", path)
    if size is not None and (type(size) is not int or size < 1):
        raise _bad(name, "bytes", "a whole number above 0, or null", size)
    if checksum is not None and not _is_checksum(checksum):
        raise _bad(name, "checksum", "sha256:…, md5:… or git:…, or null", checksum)
    return DataFile(url, path, size, checksum)


def _is_checksum(text: Any) -> bool:
    kind, _, digits = text.partition(":") if isinstance(text, str) else ("", "", "")
    return len(digits) == _LENGTHS.get(kind) and re.fullmatch("[0-9a-f]+", digits) is not None


def _bad(name: object, place: str, expected: str, got: object) -> InputError:
    return InputError("this is no manifest", file=name, field=place, expected=expected, got=got)
