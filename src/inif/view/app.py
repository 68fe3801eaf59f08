"""The server of the page: routes, what they may be asked, and what browsers may do with answers.

Only pages of this server may read answers: there is no CORS, a request of another site's page is
refused, and so is one under another name than this machine's own (DNS rebinding). No request names
a file; those of the page are listed when the server starts.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Sequence
from importlib.resources import files
from typing import Any

import anyio
from anyio.to_thread import run_sync
from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as Connection

from inif.errors import FormatError, InifError, InputError
from inif.view.facts import Rows, facts_of, wire_type
from inif.view.figures import Ledger
from inif.view.scene import Scene, Slot, Tile

HOSTS = ["127.0.0.1", "localhost"]
"""Names that the page may be asked for under."""

AT_ONCE = 2
"""Requests that decode or measure at the same time; others wait."""

SECONDS = 0.2
"""How long planes are measured for one request; one plane at least."""

TYPES = {"html": "text/html", "js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

Answer = Callable[[Request], Awaitable[Response]]


def view_app(
    scene: Scene, rows: Rows = (), remarks: Sequence[str] = (), hosts: Sequence[str] = HOSTS
) -> Starlette:
    """The ASGI application that shows a file.

    Parameters
    ----------
    scene
        The file, with its original or without.
    rows, remarks
        What is said of it: see `inif.view.facts.facts_of`.
    hosts
        Names of this machine that requests may come under.
    """
    view = _View(scene, rows, remarks)
    return Starlette(
        routes=[
            *_page(),
            Route("/info", view.info),
            Route("/plane", view.plane),
            Route("/compare", view.compare),
            Route("/planes", view.planes),
        ],
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False),
            Middleware(_Guard),
        ],
        exception_handlers={InifError: _refused},
    )


class _View:
    """The routes that need the images."""

    def __init__(self, scene: Scene, rows: Rows, remarks: Sequence[str]) -> None:
        self.scene, self.ledger = scene, Ledger(scene)
        self._said = (rows, remarks)
        self._turns = anyio.CapacityLimiter(AT_ONCE)
        self._run = secrets.token_hex(8)

    async def info(self, request: Request) -> Response:
        """What the page must know first."""
        facts = await self._work(request, lambda: facts_of(self.scene, *self._said))
        return JSONResponse(facts, headers={"Cache-Control": "no-store"})

    async def plane(self, request: Request) -> Response:
        """The samples of a tile, little endian, with their shape and type in headers."""
        ask = request.query_params
        numbers = (_whole(ask.get(name), name) for name in ("level", "row", "column"))
        level, row, column = numbers
        tile = Tile(ask.get("of", "decoded"), level, self._slot(request), row, column)
        self.scene.check(tile)
        tag = f'"{self._run}.{tile.kind}.{level}.{".".join(map(str, tile.slot))}.{row}.{column}"'
        headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)

        def samples() -> tuple[bytes, dict[str, str]]:
            found = self.scene.tile(tile)
            sent = found.astype(wire_type(found.dtype), copy=False)
            shape = ",".join(map(str, sent.shape))
            return sent.tobytes(), {"X-Shape": shape, "X-Type": sent.dtype.name}

        body, described = await self._work(request, samples)
        return Response(body, media_type="application/octet-stream", headers=headers | described)

    async def compare(self, request: Request) -> Response:
        """The figures of one plane of one channel."""
        self._need_original()
        slot = self._slot(request)
        self.scene.check_slot(slot)
        return JSONResponse(await self._work(request, lambda: self.ledger.said(slot)))

    async def planes(self, request: Request) -> Response:
        """Measure some more planes; tell those from number `since` on."""
        self._need_original()
        since = _whole(request.query_params.get("since"), "since")
        return JSONResponse(
            await self._work(request, lambda: self.ledger.advance(since, SECONDS)),
            headers={"Cache-Control": "no-store"},
        )

    async def _work(self, request: Request, work: Callable[[], Any]) -> Any:
        """Do some work in a thread, in its turn, unless nobody waits for it any more."""
        async with self._turns:
            if await request.is_disconnected():
                raise _GoneError
            return await run_sync(work)

    def _slot(self, request: Request) -> Slot:
        ask = request.query_params
        return tuple(_whole(ask.get(a.lower()), a.lower()) for a in self.scene.slot_axes)

    def _need_original(self) -> None:
        if self.scene.original is None:
            raise InputError(
                "there is nothing to compare the file with", fix="name it with --original"
            )


class _GoneError(InifError):
    """Who asked has left."""

    def __init__(self) -> None:
        super().__init__("nobody waits for this answer")


def _page() -> list[Route]:
    """A route for each file of the page, read now."""
    routes = []
    for file in sorted(files("inif.view").joinpath("page").iterdir(), key=lambda f: f.name):
        kind = TYPES.get(file.name.rpartition(".")[2])
        if kind is None:
            continue
        path = "/" if file.name == "index.html" else f"/{file.name}"
        routes.append(Route(path, _fixed(file.read_bytes(), kind)))
    return routes


def _fixed(body: bytes, kind: str) -> Answer:
    async def answer(request: Request) -> Response:
        return Response(body, media_type=kind, headers={"Cache-Control": "no-cache"})

    return answer


class _Guard:
    """Refuses what pages of other sites ask for; adds `HEADERS` to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        asked = Headers(scope=scope)
        own = asked.get("sec-fetch-site", "none") in ("same-origin", "none")
        if own or asked.get("sec-fetch-mode") == "navigate":
            await self._app(scope, receive, told)
        else:
            refusal = Response("for pages of this server only", status_code=403)
            await refusal(scope, receive, told)


async def _refused(request: Request, error: Exception) -> Response:
    """A failure in words: 400 what cannot be asked, 500 where an image cannot be read."""
    assert isinstance(error, InifError)
    code = 499 if isinstance(error, _GoneError) else 500 if isinstance(error, FormatError) else 400
    return JSONResponse(error.to_json(), status_code=code)


def _whole(text: str | None, name: str) -> int:
    if text is None or not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise InputError(
            "this request cannot be read", field=name, expected="a whole number", got=text
        )
    return int(text)
