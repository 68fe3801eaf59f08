"""A file behind a URL, as something that is read by offset and length, or as a binary file."""

from __future__ import annotations

import io
import threading
import warnings
from typing import Any, BinaryIO

from inif.errors import InputError, RemarkWarning
from inif.web import public
from inif.web.client import TRIES, Answer, Client
from inif.web.failures import broken, refused

_NO_RANGES = "{}: the server does not send parts of a file, so all {} bytes were downloaded"


class WebFile:
    """A file behind a URL, read by parts.

    A server that does not send parts warns by a `RemarkWarning` when the file is read whole.

    Parameters
    ----------
    head
        Bytes that are read when it is opened.

    Raises
    ------
    InputError
        It cannot be read: see `Client.get`.
    MissingExtraError
        aiohttp is not installed.
    """

    def __init__(self, url: str, head: int = 1 << 16) -> None:
        self.url, self.name = url, public(url)
        self._client = Client(self.name)
        self._whole: BinaryIO | None = None
        self._lock = threading.Lock()
        self._head = b""
        self.size, self._tag = 0, None
        try:
            answer = self._ask(0, head)
            if answer.status == 416:
                return  # an empty file
            if self._whole is None:
                if answer.total is None:
                    raise InputError(
                        "the server does not say how long this file is",
                        file=self.name,
                        field="Content-Range",
                        fix="download the file first",
                    )
                self.size, self._tag = answer.total, answer.tag
                self._head = answer.body.read()
        except BaseException:
            self.close()
            raise

    def read(self, offset: int, length: int) -> bytes:
        """The bytes from `offset` on, as many as asked for or as there are.

        Raises
        ------
        InputError
            They cannot be read, or the file is another now.
        """
        length = max(0, min(length, self.size - offset))
        with self._lock:
            data = bytearray(self._head[offset : offset + length])
            for _ in range(TRIES * 32):  # a server may send less than asked for, but something
                if len(data) == length or self._whole is not None:
                    break
                answer = self._ask(offset + len(data), offset + length)
                if self._whole is None:
                    if answer.total not in (self.size, None) or answer.tag != self._tag:
                        raise InputError(
                            "the file changed on the server while it was read",
                            file=self.name,
                            fix="open it anew",
                        )
                    data += answer.body.read()
            if self._whole is not None:
                self._whole.seek(offset)
                data = bytearray(self._whole.read(length))
            if len(data) < length:
                raise broken(self.name, f"{len(data)} of {length} bytes")
        return bytes(data)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()
        if self._whole is not None:
            self._whole.close()

    def _ask(self, start: int, stop: int) -> Answer:
        """A part; if the server sends the whole file, it is kept."""
        answer = self._client.run(self._client.get(self.url, self.name, (start, stop)))
        if answer.status not in (200, 206) and not (answer.status == 416 and start == 0):
            raise refused(answer.status, self.name)
        if answer.status == 200:
            assert answer.total is not None
            self._whole, self.size = answer.body, answer.total
            told = _NO_RANGES.format(self.name, self.size)
            warnings.warn(told, RemarkWarning, stacklevel=3)
        return answer


class WebStream(io.RawIOBase):
    """A `WebFile` as a seekable binary file, which it closes."""

    def __init__(self, file: WebFile) -> None:
        super().__init__()
        self._file, self._at = file, 0

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """The position, in bytes."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a position."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._file.size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer as far as the file goes."""
        data = self._file.read(self._at, len(buffer))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def close(self) -> None:
        """Close the file too."""
        if not self.closed:
            self._file.close()
        super().close()
