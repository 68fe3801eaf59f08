"""Files that are written: one rule for all of them, checked before the work.

An existing file is replaced only where the caller says so, an input never; what stands under a name
is whole or it is not there.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Protocol
from urllib.parse import unquote

from inif.errors import InputError

ZARR_MARKERS = ("zarr.json", ".zattrs", ".zgroup", ".zarray")
"""Files of which every Zarr array or group has at least one."""

REPLACE = "choose another name, or replace it with --force (in Python: overwrite=True)"
URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+(?:::|://)")
# An ending is what names a format; in "day.2024" it is no ending.
_ENDING = re.compile(r"(\.ome)?(\.zarr)?(\.zip)?$|(\.ome)?\.[a-z][a-z0-9]{0,7}$", re.IGNORECASE)
_O_BINARY: int = getattr(os, "O_BINARY", 0)  # Windows needs it; elsewhere every file is binary


def is_url(path: str) -> bool:
    """Whether a path is the address of something remote."""
    return bool(URL.match(path))


def is_store(path: str | os.PathLike[str]) -> bool:
    """Whether a path has the name of a Zarr store."""
    return os.fspath(path).lower().rstrip("/").endswith(".zarr")


def default_output(source: str, series: int = 0, ending: str = ".inif") -> Path:
    """The input's name with another ending, beside the input (here, for a remote input).

    The number of the series is added unless it is 0. An image inside a Zarr store is named after
    the store and its place in it, and is written beside the store.

    Raises
    ------
    InputError
        The input has no name, as the root of a file system.
    """
    if is_url(source):
        address = re.split(r"[?#]", source.split("://", 1)[-1])[0]
        parts = [unquote(part).replace("/", "_") for part in address.split("/") if part]
        folder, names = Path(), _from_store(parts)
    else:
        path = Path(source)
        if path.name in ("", ".."):  # ".", "a/.."
            path = Path(os.path.realpath(source))
        full = Path(os.path.realpath(path.parent), path.name)
        names = _from_store(full.parts[1:])
        folder = path.parent
        if len(names) > 1 or path.name != Path(source).name:
            folder = full.parents[max(len(names), 1) - 1]
            folder = folder if os.path.isabs(source) else Path(os.path.relpath(folder))
    if not names:
        raise InputError("this input has no name to write beside", file=source, fix="name one: -o")
    name = "_".join([stem(names[0]), *names[1:-1], *map(stem, names[1:][-1:])])
    return folder / (name + (f"_series{series}" if series else "") + ending)


def check_target(
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    field: str | None = None,
    inputs: Iterable[object] = (),
) -> None:
    """Refuse an output that cannot be written, or may not be, before any work is done.

    Parameters
    ----------
    path
        A file, or a Zarr store (its name ends in ``.zarr``). A symbolic link stands for what it
        points to.
    overwrite
        Whether an existing file, or an existing Zarr store by another one, may be replaced.
    field
        The option that names the output, for the message.
    inputs
        What the work reads. Those that are local paths are never replaced.

    Raises
    ------
    InputError
        A URL, a missing folder or one that may not be written to, a name that cannot be used, an
        existing file without `overwrite`, something that is not a file, or an input.
    """
    text = os.fspath(path)
    store = is_store(text)
    if is_url(text):
        raise InputError("only local files are written", file=text, field=field)
    if os.path.basename(text.rstrip("/") if store else text) in ("", ".", ".."):
        raise InputError(
            "the output is a folder", file=text, field=field, expected="the path of a file"
        )
    there = True
    try:
        target = os.path.realpath(text)
        os.lstat(target)
    except (FileNotFoundError, NotADirectoryError):
        there = False
    except (OSError, ValueError) as error:
        got = getattr(error, "strerror", None) or error
        raise InputError("this name cannot be used", file=text, field=field, got=got) from None
    check_folder(os.path.dirname(target), text, field)
    if not there:
        return
    for name in inputs:
        if isinstance(name, str | os.PathLike) and _holds(target, os.fspath(name)):
            raise InputError(
                "the output is also an input, which is never replaced",
                file=text,
                field=field,
                fix="choose another name",
            )
    if os.path.isdir(target):
        if not (store and any(os.path.exists(os.path.join(target, m)) for m in ZARR_MARKERS)):
            raise InputError(
                "the output is a directory that holds something else",
                file=text,
                field=field,
                fix="choose another name",
            )
    elif not os.path.isfile(target):
        raise InputError(
            "the output is not a file", file=text, field=field, expected="the path of a file"
        )
    elif store:
        raise InputError(
            "the output is a file, and a Zarr store is a directory",
            file=text,
            field=field,
            fix="choose another name",
        )
    if not overwrite:
        raise _exists(text, field)


def check_folder(folder: str, path: str, field: str | None = None) -> None:
    """Refuse a folder in which no file can be made; the only sure way to know is to make one.

    Raises
    ------
    InputError
        The folder of the output `path` does not exist, or is closed to us.
    """
    if not os.path.isdir(folder):
        raise InputError(
            "the folder does not exist",
            file=path,
            field=field,
            expected="an existing folder",
            got=os.path.dirname(path) or folder,
            fix=f"mkdir -p '{os.path.dirname(path) or folder}'",
        )
    probe = os.path.join(folder, f".{secrets.token_hex(8)}.part")
    try:
        os.close(os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _O_BINARY, 0o666))
        os.unlink(probe)
    except OSError as error:
        raise InputError(
            "the folder is not writable",
            file=path,
            field=field,
            got=f"{folder}: {error.strerror}",
            fix="write to another folder",
        ) from None


def check_room(path: str | os.PathLike[str], count: int, *, field: str | None = None) -> None:
    """Refuse an output of `count` bytes where the disk has less room.

    Raises
    ------
    InputError
        The disk says that it has less.
    """
    folder = os.path.dirname(os.path.realpath(path))
    try:
        disk = shutil.disk_usage(folder)
    except OSError:
        return
    if disk.total and disk.free < count:  # some network file systems say 0 of 0
        raise InputError(
            "there is no room for the output",
            file=os.fspath(path),
            field=field,
            expected=f"{count} bytes",
            got=f"{disk.free} bytes free",
            fix="free some space, or write to another disk",
        )


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str], *, overwrite: bool = False) -> Iterator[str]:
    """A temporary name beside `path` to write a file or a Zarr store to; at the end it is `path`.

    On any failure the temporary file or directory is removed and `path` is as it was. A symbolic
    link is followed.

    Raises
    ------
    InputError
        As `check_target`, or the operating system refuses (disk full, …).
    """
    check_target(path, overwrite=overwrite)
    target = os.path.realpath(path)
    mark = os.path.join(os.path.dirname(target), f".{secrets.token_hex(8)}")
    temporary, aside = mark + ".part", mark + ".old"
    try:
        yield temporary
        if not overwrite:
            publish(temporary, target, os.fspath(path))
        elif os.path.isdir(target):
            os.rename(target, aside)
            try:
                os.rename(temporary, target)
            except OSError:
                os.rename(aside, target)
                raise
            shutil.rmtree(aside, ignore_errors=True)
        else:
            os.replace(temporary, target)
    except OSError as error:
        raise InputError(
            "the output cannot be written",
            file=os.fspath(path),
            got=error.strerror or error,
            fix="check that the folder exists, may be written to, and has room",
        ) from error
    finally:
        if os.path.isdir(temporary):
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


class Writable(Protocol):
    """What writes itself, piece by piece."""

    def write_to(self, file: BinaryIO) -> None:
        """Write everything to a file from its present position on."""


def write_file(
    path: str | os.PathLike[str],
    data: bytes | Writable,
    *,
    overwrite: bool = False,
    sync: bool = False,
) -> None:
    """Write `data` to a file: all of it or nothing. With `sync` it is on the disk at the return.

    Raises
    ------
    InputError
        As `replacing`.
    """
    with (
        replacing(path, overwrite=overwrite) as temporary,
        open(temporary, "xb") as file,
    ):
        if isinstance(data, bytes):
            file.write(data)
        else:
            data.write_to(file)
        if sync:
            file.flush()
            os.fsync(file.fileno())


def publish(temporary: str, target: str, name: str) -> None:
    """Give a whole file its name, unless another program has taken the name meanwhile.

    Parameters
    ----------
    name
        `target`, as messages name it.

    Raises
    ------
    InputError
        It has.
    """
    if os.path.isfile(temporary):
        try:
            os.link(temporary, target)
            return
        except FileExistsError:
            raise _exists(name, None) from None
        except OSError:  # a file system without hard links
            pass
    if os.path.lexists(target):
        raise _exists(name, None)
    os.rename(temporary, target)


def _holds(target: str, name: str) -> bool:
    """Whether a local path is `target`, or lies in it."""
    try:
        inside = os.path.realpath(name)
        return os.path.exists(inside) and (
            os.path.samefile(target, inside) or inside.startswith(target + os.sep)
        )
    except (OSError, ValueError):
        return False


def _exists(path: str, field: str | None) -> InputError:
    return InputError("the output exists already", file=path, field=field, fix=REPLACE)


def _from_store(parts: Iterable[str]) -> list[str]:
    """The last part of a path; from the Zarr store on, where one lies above it."""
    parts = list(parts)
    stores = [i for i, p in enumerate(parts[:-1]) if PurePosixPath(p).suffix.lower() == ".zarr"]
    return parts[stores[0] if stores else -1 :]


def stem(name: str) -> str:
    """A file's name without the ending that names its format."""
    return _ENDING.sub("", name, count=1) or name
