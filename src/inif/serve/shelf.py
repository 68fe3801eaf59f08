"""The files that are open: a few, each as it is on disk now, and closed when nobody reads it."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from inif.decode.file import open_file
from inif.zarr import InifStore

if TYPE_CHECKING:
    from inif.decode.file import File

Stamp = tuple[int, int, int, int]
"""What changes when a file does: device, number, bytes, and time of its last change."""


@dataclass(eq=False)
class Opened:
    """An open file.

    Attributes
    ----------
    users
        How many read it.
    """

    stamp: Stamp
    file: File
    store: InifStore
    users: int = 0


class Shelf:
    """The files that were asked for last. Threads may share it.

    Parameters
    ----------
    most
        Files that stay open without a reader.
    memory
        Bytes that bricks and decoded chunks of all these take, but for one of each.
    """

    def __init__(self, most: int, memory: int) -> None:
        self._most, self._share = most, memory // most
        self._open: OrderedDict[Path, Opened] = OrderedDict()
        self._lock = Lock()

    @contextmanager
    def lend(self, path: Path) -> Iterator[Opened]:
        """A file, opened where it is not or where it changed; it stays open inside.

        Raises
        ------
        FormatError, UnsupportedError, InputError
            As `inif.open`.
        """
        opened = self._take(path)
        try:
            yield opened
        finally:
            with self._lock:
                opened.users -= 1
                self._tidy(opened)

    def close(self) -> None:
        """Close all files that nobody reads; the others close when they are given back."""
        with self._lock:
            held = list(self._open.values())
            self._open.clear()
            for opened in held:
                self._tidy(opened)

    def _take(self, path: Path) -> Opened:
        stamp = stamp_of(path)
        with self._lock:
            if (known := self._known(path, stamp)) is not None:
                return known
        file = open_file(path)
        file.keep_at_most(self._share)
        mine = Opened(stamp, file, InifStore(file), users=1)
        with self._lock:
            known = self._known(path, stamp)
            if known is not None:  # another thread was faster
                file.close()
                return known
            stale = self._open.pop(path, None)
            self._open[path] = mine
            if len(self._open) > self._most:
                stale = self._open.popitem(last=False)[1]
            if stale is not None:
                self._tidy(stale)
        return mine

    def _known(self, path: Path, stamp: Stamp) -> Opened | None:
        """The open file, with one more reader."""
        found = self._open.get(path)
        if found is None or found.stamp != stamp:
            return None
        self._open.move_to_end(path)
        found.users += 1
        return found

    def _tidy(self, opened: Opened) -> None:
        """Close a file that nobody reads and that is no longer kept."""
        if not opened.users and opened not in self._open.values():
            opened.file.close()


def stamp_of(path: Path) -> Stamp:
    """See `Stamp`.

    Raises
    ------
    OSError
        There is no such file.
    """
    found = os.stat(path)
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
