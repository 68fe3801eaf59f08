"""Where an image lies: a path or a URL, and how the bytes there are reached."""

from __future__ import annotations

import contextlib
import io
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from inif.errors import InputError, MissingExtraError
from inif.outputs import URL as _URL
from inif.web import is_web, public
from inif.web.failures import refused

if TYPE_CHECKING:
    from inif.web.client import Answer

_FIELD = re.compile(r"\{[TCZtcz](?::[^{}]*)?\}")
_READ_AHEAD = 1 << 18


@dataclass(frozen=True)
class Location:
    """Where an image lies.

    Attributes
    ----------
    path
        Local path, or URL.
    remote
        Whether `path` is a URL.
    """

    path: str
    remote: bool

    @property
    def name(self) -> str:
        """The path for messages: a URL without user, password and query."""
        if not self.remote:
            return self.path
        return public(self.path)

    def open(self) -> BinaryIO:
        """The file, for reading; the caller closes it."""
        if not self.remote:
            return open(self.path, "rb")
        if is_web(self.path):
            from inif.web.file import WebFile, WebStream

            return cast(BinaryIO, io.BufferedReader(WebStream(WebFile(self.path)), _READ_AHEAD))
        return cast(BinaryIO, self.filesystem()[0].open(self.filesystem()[1], "rb"))

    def head(self, count: int) -> bytes:
        """The first bytes of the file, as many as asked for or as there are."""
        if is_web(self.path):
            with self._answer((0, count), enough=count) as answer:
                if answer.status not in (200, 206, 416):
                    raise refused(answer.status, self.name)
                return answer.body.read()[:count]
        with self.open() as file:
            return file.read(count)

    def filesystem(self) -> tuple[Any, str]:
        """The fsspec file system of a URL, and the path in it."""
        try:
            from fsspec.core import url_to_fs

            fs, path = url_to_fs(self.path)
        except ImportError as error:
            raise MissingExtraError(
                error.name or "fsspec", "remote", need="reading a URL", file=self.name
            ) from error
        return fs, path

    def read_small(self, relative: str, limit: int) -> bytes | None:
        """A file inside this directory; None if it is absent, InputError if it is larger."""
        inner = Location(join(self.path, relative), self.remote)
        if is_web(self.path):
            with inner._answer(None, limit=limit) as answer:
                return answer.body.read() if answer.status == 200 else None
        try:
            with inner.open() as file:
                data = file.read(limit + 1)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        if len(data) > limit:
            raise InputError(
                "a part of this image is too large",
                file=self.name,
                field=relative,
                expected=f"at most {limit} bytes",
            )
        return data

    def holds(self, relative: str) -> bool:
        """Whether this directory has such a file."""
        if not self.remote:
            return os.path.isfile(join(self.path, relative))
        if is_web(self.path):
            inner = Location(join(self.path, relative), self.remote)
            with inner._answer((0, 1), enough=1) as answer:
                return answer.status in (200, 206)
        fs, path = self.filesystem()
        return bool(fs.isfile(join(path, relative)))

    @contextlib.contextmanager
    def _answer(
        self, part: tuple[int, int] | None, *, limit: int | None = None, enough: int | None = None
    ) -> Iterator[Answer]:
        """What a server answers to one request for this file, or a part of it."""
        from inif.web.client import Client

        client = Client(self.name)
        try:
            answer = client.run(client.get(self.path, self.name, part, limit, enough=enough))
            with answer.body:
                yield answer
        finally:
            client.close()


def location_of(path: str | os.PathLike[str]) -> Location:
    """The place that a path or URL names."""
    if not isinstance(path, str | os.PathLike):
        raise InputError(
            "an image is read from a path or a URL", expected="str or Path", got=type(path).__name__
        )
    text = os.fspath(path)
    return Location(text, bool(_URL.match(text)))


def is_pattern(path: str) -> bool:
    """Whether a path is a pattern of names of local files, and no file that is called so.

    See `inif.io.planes`.
    """
    return bool(_FIELD.search(path) and not _URL.match(path)) and not os.path.exists(path)


def join(path: str, relative: str) -> str:
    """A path inside a directory or URL; a query stays at the end."""
    head, mark, query = path.partition("?") if _URL.match(path) else (path, "", "")
    return f"{head.rstrip('/')}/{relative}{mark}{query}" if relative else path
