"""The ASGI application: requests to answers. What decodes or reads a disk does so in a thread."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from urllib.parse import quote

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from inif.errors import InifError
from inif.serve import page
from inif.serve.answers import Data, InTurn, Turns, failure, known, refusal, tag_of
from inif.serve.facts import Facts, facts_of
from inif.serve.places import Places, group_of
from inif.serve.shelf import Shelf, Stamp, stamp_of
from inif.zarr import InifStore

OPEN_FILES = 8
"""Files that stay open."""
LARGEST = 8 << 20
"""Bytes of a chunk, at most: 1024 × 1024 samples of 8 bytes."""
WAITING = 1024
"""Requests that wait for their turn, at most."""
LISTED = 200
"""Files that the page tells of, at most: their headers are read for it."""

_EXPOSED = ("Accept-Ranges", "Content-Length", "Content-Range", "ETag", "Retry-After")
_ALWAYS = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
"""A file may change, so a client that has an answer asks whether it still holds."""


def build(
    places: Sequence[str | os.PathLike[str]], *, memory: int, decodes: int | None
) -> Starlette:
    """See `inif.serve.app_of`."""
    service = Service(Places(places), memory, decodes or min(4, os.cpu_count() or 1))

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        service.shelf.close()

    cors = Middleware(
        CORSMiddleware,
        allow_origins=["*"],
        allow_methods=["GET", "HEAD"],
        allow_headers=["*"],
        allow_private_network=True,
        expose_headers=_EXPOSED,
    )
    app = Starlette(
        routes=[
            Route("/", service.index),
            Route("/files.json", service.listing),
            Route("/{path:path}", service.answer),
        ],
        middleware=[cors],
        exception_handlers={HTTPException: _refused},
        lifespan=lifespan,
    )
    app.state.shelf = service.shelf
    app.state.facts = service.facts
    return app


class Service:
    """What is served, what of it is open, and who has a turn."""

    def __init__(self, places: Places, memory: int, decodes: int) -> None:
        self.places = places
        folders = any(place.is_folder for place in places.places)
        most = OPEN_FILES if folders else min(OPEN_FILES, len(places.places))
        self.shelf = Shelf(most, memory - memory // 4)
        self._turns = Turns(max(4, memory // 4 // LARGEST), WAITING)
        self._threads = CapacityLimiter(decodes)

    def facts(self) -> tuple[list[Facts], bool]:
        """What is told of the files, and whether these are all."""
        names, complete = self.places.names()
        found = ((name, self.places.find(name)) for name in names[:LISTED])
        return [facts_of(n, path) for n, path in found if path], complete and len(names) <= LISTED

    async def index(self, request: Request) -> Response:
        """The page of what is served."""
        facts, complete = await run_sync(self.facts, limiter=self._threads)
        return HTMLResponse(page.page(facts, _base(request), complete=complete), headers=_ALWAYS)

    async def listing(self, request: Request) -> Response:
        """The same as JSON."""
        facts, complete = await run_sync(self.facts, limiter=self._threads)
        base = _base(request)
        files = [one.to_json(base) for one in facts]
        return JSONResponse({"files": files, "complete": complete}, headers=_ALWAYS)

    async def answer(self, request: Request) -> Response:
        """A file as it is, or a key of its OME-Zarr."""
        path = request.path_params["path"]
        file = await run_sync(self.places.find, path)
        if file is not None:
            return await _raw(file, request)
        found = await run_sync(self.places.find_group, path)
        if found is None:
            return refusal(404, "there is no such file here; the page at / lists what there is")
        return InTurn(self._turns, partial(self._in_group, request, *found))

    async def _in_group(self, request: Request, name: str, file: Path, key: str) -> Response:
        if await request.is_disconnected():  # while it waited for its turn
            return Response()
        headers, root = dict(request.headers), request.scope.get("root_path", "")
        work = partial(self._entry, name, file, key, headers, root)
        return await run_sync(work, limiter=self._threads)

    def _entry(
        self, name: str, path: Path, key: str, headers: dict[str, str], root: str
    ) -> Response:
        """The answer for a key, decoded in this thread."""
        before: Stamp | None = None
        try:
            before = stamp_of(path)
            with self.shelf.lend(path) as opened:
                folder = key.strip("/")
                tag = tag_of(opened.file.container.digest, key)
                own = {"ETag": tag, **_ALWAYS}
                if key == folder and opened.store.holds(key):
                    if known(tag, headers.get("if-none-match")):
                        return Response(status_code=304, headers=own)
                    data = opened.store.entry(key)
                    assert data is not None
                    wanted = headers.get("range")
                    if headers.get("if-range", tag) != tag:
                        wanted = None
                    return Data(data, wanted, own, _type(key))
                names = _children(opened.store, folder)
        except (InifError, MemoryError) as error:
            if before is not None and _changed(path, before):
                return refusal(503, "the file changed while it was read", {"Retry-After": "1"})
            return failure(error, name)
        except OSError:
            return refusal(404, "the file is gone")
        if not names:
            return refusal(404, f"{group_of(name)} has no such key")
        here = f"{group_of(name)}/{folder}".rstrip("/")
        start = quote(f"{root}/{here}/")
        return HTMLResponse(page.folder(here, [start + n for n in names]), headers=_ALWAYS)


async def _raw(file: Path, request: Request) -> Response:
    """The bytes of a file, or a part of them."""
    try:
        found = await run_sync(os.stat, file)
    except OSError:
        return refusal(404, "the file is gone")
    tag = tag_of(f"{found.st_dev} {found.st_ino} {found.st_size} {found.st_mtime_ns}", "")
    own = {"ETag": tag, **_ALWAYS}
    if known(tag, request.headers.get("if-none-match")):
        return Response(status_code=304, headers=own)
    return FileResponse(file, headers=own, media_type=_type(""), stat_result=found)


def _children(store: InifStore, folder: str) -> list[str]:
    """What lies in a group or an array, but for chunks: there may be millions."""
    if not folder:
        return ["zarr.json", *(f"{level.number}/" for level in store.file.levels)]
    return ["zarr.json"] if store.holds(f"{folder}/zarr.json") else []


def _changed(path: Path, before: Stamp) -> bool:
    try:
        return stamp_of(path) != before
    except OSError:
        return True


def _base(request: Request) -> str:
    """The URL of this application as the client knows it, with a slash at its end."""
    host = request.headers.get("host") or ":".join(map(str, request.scope["server"]))
    return f"{request.url.scheme}://{host}{request.scope.get('root_path', '')}/"


def _type(key: str) -> str:
    return "application/json" if key.endswith("zarr.json") else "application/octet-stream"


def _refused(request: Request, error: Exception) -> Response:
    """What Starlette refuses: a method that is not known here."""
    assert isinstance(error, HTTPException)
    return refusal(error.status_code, error.detail, error.headers)
