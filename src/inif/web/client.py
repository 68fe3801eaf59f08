"""Requests to servers: time-outs, a few tries, and answers that are held against what was asked."""

from __future__ import annotations

import asyncio
import io
import logging
import os
import re
import tempfile
import threading
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, BinaryIO, TypeVar
from weakref import finalize

from inif.errors import InifError, InputError, MissingExtraError
from inif.web.failures import BROKEN, broken, sentence, status_text, too_large
from inif.web.limits import Limits

TRIES = 3
"""How often a request is made that fails by the server's fault or a broken connection."""
BACK_OFF = 0.25
"""Seconds before the second try; each wait after that is four times as long."""
MIN_RATE = 1000
"""Bytes a second below which a server is given up, once the time to read is over."""
PATIENCE = 10.0
"""Seconds that a server may ask to be left alone for, before it is asked again."""
TELL = 5.0
"""Seconds between two lines of the log on a request that takes long."""

_PART = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)")
_AGAIN = (429, 500, 502, 503, 504)
_LOG = logging.getLogger("inif.web")

Part = tuple[int | None, int | None]
"""First byte and byte after the last; ``(None, n)``: the last n; ``(n, None)``: from n on."""
T = TypeVar("T")


@dataclass
class Answer:
    """What a server gave.

    Attributes
    ----------
    status
        200 (the whole file), 206 (a part), or one below 500 that is no success.
    body
        At its beginning; empty unless 200 or 206; the caller closes it.
    start, total
        Where the part begins, and the length of the whole file; None: not said.
    tag
        The server's mark of this version of the file.
    """

    status: int
    body: BinaryIO = field(default_factory=io.BytesIO)
    start: int = 0
    total: int | None = None
    tag: str | None = None


class Client:
    """Connections to servers, in a thread of their own; any thread may use them.

    Raises
    ------
    MissingExtraError
        aiohttp is not installed.
    """

    def __init__(self, name: str, limits: Limits | None = None) -> None:
        try:
            import aiohttp
        except ImportError as error:
            raise MissingExtraError(
                error.name or "aiohttp", "remote", need="reading a URL", file=name
            ) from error
        self.limits = limits or Limits.from_environment()
        self._loop = asyncio.new_event_loop()
        thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        thread.start()
        self._process = os.getpid()
        timeout = aiohttp.ClientTimeout(
            total=None,
            connect=self.limits.connect,
            sock_connect=self.limits.connect,
            sock_read=self.limits.read,
        )

        async def session() -> aiohttp.ClientSession:
            return aiohttp.ClientSession(timeout=timeout, trust_env=True)

        self._session = self.run(session())
        self._stop = finalize(self, _stop, self._loop, thread, self._session)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for work of this client's."""
        if os.getpid() != self._process:
            work.close()
            raise InputError("a URL that was opened in another process must be opened anew")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    async def within(self, work: Coroutine[Any, Any, T]) -> T:
        """As `run`, from a coroutine of another loop."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    def close(self) -> None:
        """Close the connections."""
        self._stop()

    async def get(
        self,
        url: str,
        name: str,
        part: Part | None = None,
        limit: int | None = None,
        *,
        enough: int | None = None,
    ) -> Answer:
        """Ask for a file or a part of it.

        Parameters
        ----------
        name
            The URL for messages.
        limit
            Bytes of the longest body, which is held in memory; by default a part as long as asked
            for in memory, or a whole file of up to `Limits.download` in a temporary file.
        enough
            Bytes after which the rest of the body is left, however long it is.

        Raises
        ------
        InputError
            No answer, one that is broken off, too large, or no part of the file, or the server
            fails, also after `TRIES`.
        """
        import yarl

        headers = {"Accept-Encoding": "identity"}
        if part is not None:
            headers["Range"] = _header(part)
        state = {"": f"waiting for an answer of {name}"}
        teller = asyncio.create_task(_tell(state))
        try:
            for attempt in range(TRIES):
                last, pause = attempt == TRIES - 1, BACK_OFF * 4**attempt
                try:
                    # However slowly the head of an answer drips, it must come in this time.
                    async with asyncio.timeout(self.limits.connect + self.limits.read):
                        answer = await self._session.get(yarl.URL(url), headers=headers)
                    async with answer:
                        if answer.status not in _AGAIN:
                            return await self._take(answer, name, part, limit, enough, state)
                        if last:
                            raise InputError(
                                "the server fails",
                                file=name,
                                got=f"{status_text(answer.status)}, {TRIES} times",
                                fix="try again later",
                            )
                        pause = max(pause, _asked_pause(answer.headers.get("Retry-After", "")))
                except InifError as error:
                    if last or error.problem != BROKEN:
                        raise
                except Exception as error:  # of aiohttp, ssl, yarl and the operating system
                    told = sentence(error, name, self.limits)
                    if last or told.problem != BROKEN:
                        raise told from error
                await asyncio.sleep(pause)
            raise AssertionError
        finally:
            teller.cancel()

    async def _take(
        self,
        answer: Any,
        name: str,
        part: Part | None,
        limit: int | None,
        enough: int | None,
        state: dict[str, str],
    ) -> Answer:
        """Check the head of an answer, and read its body."""
        got = Answer(answer.status, tag=answer.headers.get("ETag"))
        if part is not None and got.status == 416:
            stated = re.fullmatch(r"bytes \*/(\d{1,18})", answer.headers.get("Content-Range", ""))
            got.total = int(stated[1]) if stated else None
            return got
        if got.status not in (200, 206):
            return got
        length = answer.content_length
        if got.status == 206:
            got.start, end, got.total = _part_of(answer, name, part)
            length = end - got.start
            if answer.headers.get("Content-Encoding", "identity") != "identity":
                raise InputError(
                    "the server compresses the parts that it sends, so they cannot be used",
                    file=name,
                    field="Content-Encoding",
                    got=answer.headers["Content-Encoding"][:40],
                    fix="download the file first",
                )
        most = self.limits.download if limit is None else limit
        if (length or 0) > most and enough is None:
            raise too_large(name, f"{length} bytes", most, whole=part is not None)
        sink: Any = io.BytesIO()
        if limit is None and enough is None and got.status == 200:
            sink = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
        count, began = 0, time.monotonic()
        try:
            async for block in answer.content.iter_chunked(1 << 18):
                if not count and answer.content_type == "text/html" and block.lstrip()[:1] == b"<":
                    raise InputError(
                        "the server sends a web page instead of the file",
                        file=name,
                        fix="check the address; it may lead to a page for signing in",
                    )
                count += len(block)
                if enough is not None and count >= enough:
                    sink.write(block)
                    break
                if count > (most if got.status == 200 else length or 0):
                    raise too_large(name, "more", most, whole=part is not None)
                sink.write(block)
                state[""] = f"{name}: {count} of {length or 'an unknown number of'} bytes"
                seconds = time.monotonic() - began
                if seconds > self.limits.read and count < MIN_RATE * seconds:
                    raise InputError(
                        "the server is too slow",
                        file=name,
                        expected=f"{MIN_RATE} bytes a second",
                        got=f"{count} bytes in {seconds:.0f} s",
                        fix="try again later, or download the file first",
                    )
            if got.status == 206 and count < (length or 0) and enough is None:
                raise broken(name, f"{count} of {length} bytes")
        except BaseException:
            sink.close()
            raise
        sink.seek(0)
        got.body = sink
        if got.status == 200:
            got.total = count
        return got


def _part_of(answer: Any, name: str, part: Part | None) -> tuple[int, int, int | None]:
    """First byte, byte after the last, and length of the file, of an answer that is the part."""
    stated = answer.headers.get("Content-Range", "")
    match = _PART.fullmatch(stated.strip())
    if match and part is not None:
        start, end = int(match[1]), int(match[2]) + 1
        total = None if match[3] == "*" else int(match[3])
        first, stop = part
        if first is None:  # the last `stop` bytes, or all
            right = total is not None and end == total and start == max(0, total - (stop or 0))
        else:
            right = start == first and start < end and (stop is None or end <= stop)
        if right and (total is None or end <= total):
            return start, end, total
    raise InputError(
        "the server sends another part of the file than was asked for",
        file=name,
        field="Content-Range",
        expected="the whole file" if part is None else _header(part),
        got=stated[:80] or "none",
        fix="download the file first",
    )


def _asked_pause(text: str) -> float:
    """Seconds that a Retry-After asks for; 0 where it is a date, or nothing that can be read."""
    return min(float(text), PATIENCE) if re.fullmatch(r"[0-9]{1,9}", text) else 0.0


def _header(part: Part) -> str:
    first, stop = part
    if first is None:
        return f"bytes=-{stop}"
    return f"bytes={first}-" + ("" if stop is None else str(stop - 1))


async def _tell(state: dict[str, str]) -> None:
    while True:
        await asyncio.sleep(TELL)
        _LOG.info("%s", state[""])


def _stop(loop: asyncio.AbstractEventLoop, thread: threading.Thread, session: Any) -> None:
    asyncio.run_coroutine_threadsafe(session.close(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()
