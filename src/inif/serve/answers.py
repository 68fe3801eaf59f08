"""Answers to requests: marks of versions, parts, errors, and how many are at work at once."""

from __future__ import annotations

import errno
import hashlib
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

import anyio
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from inif._version import __version__
from inif.errors import FormatError, InifError, UnsupportedError

PIECE = 256 << 10
"""Bytes that are handed to the connection at a time."""
SLOW = 30.0
"""Seconds after which a client that takes no piece is given up."""
PATIENCE = 60.0
"""Seconds that a request waits for its turn."""
RETRY = {"Retry-After": "1"}

_RANGE = re.compile(r"bytes=\s*(\d{0,18})-(\d{0,18})\s*", re.ASCII)
_TAG = re.compile(r'(?:W/)?("[^"]*")')
_FULL = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)


def tag_of(digest: str, key: str) -> str:
    """The ETag of a key of a file: another one once the file or this release is."""
    return f'"{hashlib.sha256(f"{digest} {__version__} {key}".encode()).hexdigest()[:32]}"'


def known(tag: str, if_none_match: str | None) -> bool:
    """Whether a client that sends this If-None-Match has the version with this tag."""
    wanted = (if_none_match or "").strip()
    return wanted == "*" or tag in _TAG.findall(wanted)


def part_of(size: int, wanted: str | None) -> tuple[int, int] | None:
    """First byte and byte after the last that a Range header asks for; None: everything.

    What is no range, or are several, is answered with everything, as the standard allows. Of a
    range that lies outside the file the first byte is not below `size`.
    """
    match = _RANGE.fullmatch(wanted or "")
    if match is None or match[0].strip() == "bytes=-":
        return None
    if not match[1]:
        last = int(match[2])
        return (max(0, size - last), size) if last else (size, size)
    start, stop = int(match[1]), int(match[2] or size) + 1
    return None if start >= stop else (start, min(stop, size))


class Data(Response):
    """Bytes, whole or a part of them, handed over piece by piece.

    Parameters
    ----------
    wanted
        The Range header, if it is to be heeded.
    """

    def __init__(
        self, data: bytes, wanted: str | None, headers: Mapping[str, str], media_type: str
    ) -> None:
        own, status = {"Accept-Ranges": "bytes", **headers}, HTTPStatus.OK
        part = part_of(len(data), wanted)
        if part is not None and part[0] >= len(data):
            status = HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
            own["Content-Range"] = f"bytes */{len(data)}"
            data = b""
        elif part is not None:
            status = HTTPStatus.PARTIAL_CONTENT
            own["Content-Range"] = f"bytes {part[0]}-{part[1] - 1}/{len(data)}"
            data = data[part[0] : part[1]]
        super().__init__(data, status, own, media_type)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it; a client that takes nothing for `SLOW` seconds is left alone."""
        await send(
            {
                "type": "http.response.start",
                "status": self.status_code,
                "headers": self.raw_headers,
            }
        )
        body = memoryview(b"" if scope["method"] == "HEAD" else self.body)
        for at in range(0, len(body) or 1, PIECE):
            piece = {"body": bytes(body[at : at + PIECE]), "more_body": at + PIECE < len(body)}
            with anyio.move_on_after(SLOW) as waiting:
                await send({"type": "http.response.body", **piece})
            if waiting.cancelled_caught:
                return


def failure(error: InifError | MemoryError, name: str) -> Response:
    """The answer to a request that ends in an error, which then names the file as served.

    A file that is damaged, or needs another release, is 422: what is no file at all is 404, which
    readers of Zarr take for a chunk of zeros.
    """
    if isinstance(error, MemoryError):
        return refusal(503, "not enough memory for this request", RETRY)
    cause = error.__cause__
    if isinstance(cause, OSError) and cause.errno in _FULL:
        return refusal(503, "too many files or too little memory for this request", RETRY)
    status = 422 if isinstance(error, FormatError | UnsupportedError) else 500
    return _json(status, {**error.to_json(), "file": name}, {})


def refusal(status: int, problem: str, headers: Mapping[str, str] | None = None) -> Response:
    """An answer that says in JSON why there is no other."""
    error = "".join(HTTPStatus(status).phrase.title().split())
    return _json(status, {"error": error, "problem": problem}, headers or {})


def _json(status: int, body: Mapping[str, Any], headers: Mapping[str, str]) -> Response:
    text = json.dumps(body, ensure_ascii=False) + "\n"
    own = {"Cache-Control": "no-store", **headers}
    return Response(text, status, own, "application/json")


class Turns:
    """Lets a few requests be worked at, and keeps others waiting in turn.

    Parameters
    ----------
    at_once
        Requests at work, until the last of their answer is on its way.
    waiting
        Requests that wait, at most.
    """

    def __init__(self, at_once: int, waiting: int) -> None:
        self._waiting = waiting
        self._free = anyio.Semaphore(at_once)

    @asynccontextmanager
    async def taken(self) -> AsyncIterator[bool]:
        """Have a turn inside; False where too many wait, or after `PATIENCE` seconds."""
        mine = False
        if self._free.statistics().tasks_waiting < self._waiting:
            with anyio.move_on_after(PATIENCE):
                await self._free.acquire()
                mine = True
        try:
            yield mine
        finally:
            if mine:
                self._free.release()


class InTurn(Response):
    """An answer that is made, and sent, in its turn; 503 with Retry-After if that does not come.

    Parameters
    ----------
    make
        Makes the answer.
    """

    def __init__(self, turns: Turns, make: Callable[[], Awaitable[Response]]) -> None:
        super().__init__()
        self._turns, self._make = turns, make

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Make the answer and send it."""
        async with self._turns.taken() as mine:
            busy = refusal(503, "the server has too much to do; ask again", RETRY)
            answer = await self._make() if mine else busy
            await answer(scope, receive, send)
