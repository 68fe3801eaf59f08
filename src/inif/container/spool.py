"""Sections that wait for their file: in memory while they are few, then in a temporary file.

The temporary file has no name where the system allows that, so that nothing is left of it however
the program ends. It lies in the folder of the output, whose disk has to hold the bytes anyway.
"""

from __future__ import annotations

import os
import tempfile
import threading
from dataclasses import dataclass
from types import TracebackType

from inif.container.spec import crc32c
from inif.errors import InputError

IN_MEMORY = 64 << 20
"""Bytes that a spool keeps in memory before it begins a file."""


class Spool:
    """Bytes put aside, to be read again one piece at a time; threads may share one.

    Parameters
    ----------
    folder
        Where the temporary file is made; None: the system's folder for such files.
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None) -> None:
        self.folder = tempfile.gettempdir() if folder is None else os.fspath(folder)
        self._file = tempfile.SpooledTemporaryFile(IN_MEMORY, dir=self.folder)  # noqa: SIM115
        self._lock = threading.Lock()
        self._end = 0

    def keep(self, data: bytes) -> Stored:
        """Put some bytes aside.

        Raises
        ------
        InputError
            The temporary file cannot be written, mostly because the disk is full.
        """
        crc = crc32c(data)
        with self._lock:
            try:
                self._file.seek(self._end)
                self._file.write(data)
            except OSError as error:
                raise InputError(
                    "the temporary file of the output cannot be written",
                    file=self.folder,
                    got=error.strerror or error,
                    fix="free some space in this folder, or write to another one",
                ) from error
            stored = Stored(self, self._end, len(data), crc)
            self._end += len(data)
        return stored

    def read(self, stored: Stored) -> bytes:
        """The bytes that were put aside.

        Raises
        ------
        InputError
            They cannot be read, or are not what was written.
        """
        with self._lock:
            try:
                self._file.seek(stored.offset)
                data = self._file.read(stored.length)
            except OSError as error:
                raise self._unreadable(error.strerror or error) from error
        if crc32c(data) != stored.crc:
            raise self._unreadable("other bytes than were written")
        return data

    def close(self) -> None:
        """Let go of everything."""
        self._file.close()

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _unreadable(self, got: object) -> InputError:
        return InputError(
            "the temporary file of the output cannot be read",
            file=self.folder,
            got=got,
            fix="check the disk of this folder, or write to another one",
        )


@dataclass(frozen=True)
class Stored:
    """Some bytes in a spool: where they begin, how many there are, and their CRC-32C."""

    spool: Spool
    offset: int
    length: int
    crc: int

    def __len__(self) -> int:
        return self.length

    def read(self) -> bytes:
        """The bytes; see `Spool.read`."""
        return self.spool.read(self)
