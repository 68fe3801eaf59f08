"""Byte ranges of a file, wherever it lies: on disk, in memory, or behind a URL.

A reader asks for ranges only, so that a file on a web server costs its header and the bricks
wanted. Nothing is allocated from a length that the source has not been shown to have.
"""

from __future__ import annotations

import importlib
import os
import re
import threading
from typing import Any, BinaryIO, Protocol, cast, runtime_checkable

from inif.container.spec import FIRST_READ, Rejection
from inif.errors import FormatError, InputError, MissingExtraError, MissingFileError
from inif.web import is_web, public

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+(?:::|://)")


@runtime_checkable
class ByteSource(Protocol):
    """What a reader needs of a file.

    Attributes
    ----------
    name
        For messages; without passwords or signatures of a URL.
    size
        In bytes.
    """

    name: str
    size: int

    def read(self, offset: int, length: int) -> bytes:
        """Exactly `length` bytes from `offset`; FormatError (TRUNCATED) if they are not there."""

    def close(self) -> None:
        """Release what this source opened itself."""


def open_source(source: object) -> ByteSource:
    """A `ByteSource` over a path, a URL, bytes, or a seekable binary file object.

    Raises
    ------
    InputError
        There is no such file, it cannot be read, or `source` is none of these.
    MissingExtraError
        A URL, and fsspec or what it needs for this protocol is not installed.
    """
    if isinstance(source, ByteSource) and not hasattr(source, "seek"):
        return source
    if isinstance(source, bytes | bytearray | memoryview):
        return MemorySource(bytes(source))
    if isinstance(source, str) and is_web(source):
        return WebSource(source)
    if isinstance(source, str) and _URL.match(source):
        return RemoteSource(source)
    if isinstance(source, str | os.PathLike):
        return _open_path(source)
    if hasattr(source, "read") and hasattr(source, "seek"):
        file = cast(BinaryIO, source)
        return FileSource(file, name=str(getattr(file, "name", "<file object>")))
    raise InputError(
        "this cannot be opened",
        expected="a path, a URL, bytes or a binary file object",
        got=type(source).__name__,
    )


def origin(source: ByteSource) -> object:
    """What `open_source` takes to open the same file again, in another process too.

    Raises
    ------
    InputError
        The source is a file object, which only its owner could open again.
    """
    if isinstance(source, MemorySource):
        return source.data
    if isinstance(source, RemoteSource | WebSource):
        return source.url
    if not isinstance(source, FileSource):
        return source
    if source.path is None:
        raise InputError(
            "a file object cannot be sent to another process",
            file=source.name,
            expected="a path, a URL or bytes",
            fix="open the file by its path",
        )
    return source.path


class MemorySource:
    """A file held in memory."""

    def __init__(self, data: bytes, name: str = "<bytes>") -> None:
        self.data = data
        self.name = name
        self.size = len(data)

    def read(self, offset: int, length: int) -> bytes:
        """See `ByteSource.read`."""
        return _exactly(self.data[offset : offset + length], offset, length, self)

    def close(self) -> None:
        """Nothing to release."""


class FileSource:
    """A seekable binary file; calls from several threads take turns.

    `path` is the absolute path of a file that this source opened itself, and closes.
    """

    def __init__(self, file: BinaryIO, *, name: str, path: str | None = None) -> None:
        self._file = file
        self.path = path
        self._lock = threading.Lock()
        self.name = name
        try:
            file.seek(0, os.SEEK_END)
            self.size = file.tell()
        except (OSError, ValueError) as error:
            raise unreadable(name, error) from error

    def read(self, offset: int, length: int) -> bytes:
        """See `ByteSource.read`."""
        if offset + length > self.size:  # before the file allocates the buffer
            raise _truncated(offset, length, self)
        try:
            with self._lock:
                self._file.seek(offset)
                data = self._file.read(length)
        except (OSError, ValueError) as error:
            raise unreadable(self.name, error) from error
        if not isinstance(data, bytes):
            raise InputError(
                "this file object does not give bytes",
                file=self.name,
                expected="a file opened in binary mode",
                got=type(data).__name__,
            )
        return _exactly(data, offset, length, self)

    def close(self) -> None:
        """Close the file if this source opened it."""
        if self.path is not None:
            self._file.close()


class WebSource:
    """A file behind http:// or https://, read by ranges (see `inif.web`)."""

    def __init__(self, url: str) -> None:
        from inif.web.file import WebFile

        self._file = WebFile(url, FIRST_READ)
        self.url, self.name, self.size = url, self._file.name, self._file.size

    def read(self, offset: int, length: int) -> bytes:
        """See `ByteSource.read`."""
        if offset + length > self.size:
            raise _truncated(offset, length, self)
        return self._file.read(offset, length)

    def close(self) -> None:
        """Close the connection."""
        self._file.close()


class RemoteSource:
    """A file behind another URL, read by ranges through fsspec without read-ahead.

    Storage that cannot serve ranges is read once, whole, up to a limit (`inif.web.limits`).
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.name = public(url)
        self._lock = threading.Lock()
        self._whole: bytes | None = None
        try:
            fsspec: Any = importlib.import_module("fsspec.core")
            self._fs, self._path = fsspec.url_to_fs(url)
            self._file = self._fs.open(self._path, "rb", cache_type="none")
        except ImportError as error:
            package = error.name or "fsspec"
            raise MissingExtraError(
                package, "remote", need="reading a URL", file=self.name
            ) from error
        except Exception as error:  # each protocol has errors of its own
            raise unreadable(self.name, error) from error
        try:
            self.size = int(self._file.size)
        except (AttributeError, TypeError):
            self._whole = self._download()
            self.size = len(self._whole)

    def read(self, offset: int, length: int) -> bytes:
        """See `ByteSource.read`."""
        if offset + length > self.size:
            raise _truncated(offset, length, self)
        with self._lock:
            if self._whole is None:
                try:
                    self._file.seek(offset)
                    return _exactly(self._file.read(length), offset, length, self)
                except ValueError:  # how fsspec says that the server does not know ranges
                    self._whole = self._download()
                except FormatError:
                    raise
                except Exception as error:
                    raise unreadable(self.name, error) from error
            return _exactly(self._whole[offset : offset + length], offset, length, self)

    def close(self) -> None:
        """Close the remote file."""
        self._file.close()

    def _download(self) -> bytes:
        from inif.web.limits import Limits

        most = Limits.from_environment().download
        try:
            with self._fs.open(self._path, "rb", block_size=0) as file:
                data = bytearray()
                # A stream gives what has arrived; only nothing means the end.
                while len(data) <= most and (part := file.read(1 << 20)):
                    data += part
        except Exception as error:
            raise unreadable(self.name, error) from error
        if len(data) > most:
            raise InputError(
                "the server cannot serve parts of this file, and it is too large to read whole",
                file=self.name,
                expected=f"at most {most} bytes, or a server with HTTP range requests",
                fix="download the file first",
            )
        return bytes(data)


def _open_path(path: str | os.PathLike[str]) -> FileSource:
    name = os.fspath(path)
    if not os.path.isfile(name) and os.path.exists(name):
        raise InputError("this is not a file", file=name, expected="an .inif file")
    try:
        file = open(name, "rb")  # noqa: SIM115 - the source closes it
    except FileNotFoundError:
        raise MissingFileError("there is no such file", file=name, fix="check the path") from None
    except (OSError, ValueError) as error:
        raise unreadable(name, error) from error
    return FileSource(file, name=name, path=os.path.abspath(name))


def _exactly(data: bytes, offset: int, length: int, source: ByteSource) -> bytes:
    if len(data) != length:
        raise _truncated(offset, length, source, offset + len(data))
    return data


def _truncated(offset: int, length: int, source: ByteSource, end: int | None = None) -> FormatError:
    return FormatError(
        "the file is truncated",
        file=source.name,
        expected=f"{length} bytes from byte {offset} on",
        got=f"an end at byte {source.size if end is None else end}",
        fix="get the file again from its source",
        rejection=Rejection.TRUNCATED,
    )


def unreadable(name: str, error: Exception) -> InputError:
    """What to say where a file system, or a server, refuses."""
    text = str(getattr(error, "strerror", None) or error or type(error).__name__)
    return InputError(
        "the file cannot be read",
        file=name,
        got=public(text),
        fix="check that the file exists and may be read",
    )
