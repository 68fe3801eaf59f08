"""The page on a port of this machine, and a browser that shows it."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
import webbrowser
from typing import TYPE_CHECKING

import uvicorn

from inif.serve.run import listener, url_of

if TYPE_CHECKING:
    from starlette.types import ASGIApp

HOST = "127.0.0.1"

WAITING = 64
"""Connections at once; a browser opens six."""


def bound(port: int = 0) -> socket.socket:
    """A socket that listens on this machine only; port 0 takes a free one.

    Raises
    ------
    InputError
        The port is taken, or not ours to take.
    """
    return listener(HOST, port, field="--port")


def address(sock: socket.socket) -> str:
    """The URL of the page."""
    return url_of(sock, HOST)


def serve(app: ASGIApp, sock: socket.socket) -> None:
    """Serve until Ctrl-C or SIGTERM; then connections are given a second to end."""
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        limit_concurrency=WAITING,
        timeout_graceful_shutdown=1,
    )
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[sock])


def show(url: str) -> bool:
    """Open a page in the user's browser without waiting for it; False where there is no screen."""
    screen = sys.platform != "linux" or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    )
    if screen:
        threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
    return screen
