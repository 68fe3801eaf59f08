"""The bytes of a file on any file system that fsspec knows, of which no handle stays open."""

from __future__ import annotations

from dataclasses import dataclass

from fsspec.spec import AbstractFileSystem

from inif.container.source import unreadable
from inif.container.spec import Rejection
from inif.errors import FormatError, InputError
from inif.web import public


@dataclass(frozen=True)
class Ranges:
    """A source of bytes as `inif.open` takes it; it pickles, and equal ones are the same file.

    Attributes
    ----------
    size
        In bytes.
    """

    fs: AbstractFileSystem
    path: str
    size: int

    @classmethod
    def of(cls, fs: AbstractFileSystem, path: str) -> Ranges:
        """The file at a path.

        Raises
        ------
        InputError
            It cannot be read, or its size is not known.
        """
        try:
            size = fs.size(path)
        except Exception as error:  # each file system has errors of its own
            raise unreadable(public(path), error) from error
        if size is None:
            raise InputError("the size of this file is not known", file=public(path))
        return cls(fs, path, int(size))

    @property
    def name(self) -> str:
        """The path, for messages."""
        return public(self.path)

    def read(self, offset: int, length: int) -> bytes:
        """Exactly `length` bytes from `offset`.

        Raises
        ------
        FormatError
            They are not there.
        InputError
            The file cannot be read.
        """
        if not length:
            return b""
        try:
            data = self.fs.cat_file(self.path, start=offset, end=offset + length)
        except Exception as error:
            raise unreadable(self.name, error) from error
        if len(data) != length:
            raise FormatError(
                "the file is truncated, or its server does not send parts of files",
                file=self.name,
                expected=f"{length} bytes from byte {offset} on",
                got=f"{len(data)} bytes",
                fix="get the whole file, and open that",
                rejection=Rejection.TRUNCATED,
            )
        return bytes(data)

    def close(self) -> None:
        """Nothing is open."""
