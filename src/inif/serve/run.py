"""The application behind a port, until Ctrl-C."""

from __future__ import annotations

import ipaddress
import os
import socket
import sys
from collections.abc import Sequence
from typing import Protocol

from inif.errors import InputError
from inif.serve import MEMORY, app_of, missing
from inif.serve.facts import Facts

PORT = 8462
"""The port that is taken where none is named, if it is free."""
CONNECTIONS = 2048
"""Connections at once; one more is answered with 503."""
_GRACE = 3
"""Seconds that answers on their way have when the server ends."""


class Told(Protocol):
    """Told once that a server listens."""

    def __call__(self, url: str, files: list[Facts], complete: bool, *, local: bool) -> None:
        """Its URL, its files, whether these are all, and whether only this machine reaches it."""


def serve(
    places: Sequence[str | os.PathLike[str]],
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    memory: int = MEMORY,
    told: Told,
) -> None:
    """Serve files and folders until Ctrl-C or SIGTERM.

    Parameters
    ----------
    host
        The address to listen at.
    port
        0: any that is free; None: `PORT`, or any where that is taken.
    told
        Called once the server listens.

    Raises
    ------
    InputError
        There is no such file, address, or free port.
    MissingExtraError
        Starlette or uvicorn is not installed.
    """
    app = app_of(places, memory=memory)
    try:
        import uvicorn
    except ModuleNotFoundError as error:
        raise missing(error) from error
    with listener(host, port) as sock:
        _allow_files(2 * CONNECTIONS)
        facts, complete = app.state.facts()

        class Server(uvicorn.Server):
            async def startup(self, sockets: list[socket.socket] | None = None) -> None:
                await super().startup(sockets)
                told(url_of(sock, host), facts, complete, local=_is_local(sock))

        config = uvicorn.Config(
            app,
            lifespan="on",
            log_level="error",
            access_log=False,
            server_header=False,
            limit_concurrency=CONNECTIONS,
            timeout_graceful_shutdown=_GRACE,
        )
        try:
            Server(config).run([sock])
        except KeyboardInterrupt:
            return  # how people end a server


def listener(host: str, port: int | None, *, field: str = "--host, --port") -> socket.socket:
    """A socket that listens; see `serve`.

    Parameters
    ----------
    field
        The options that an error names.

    Raises
    ------
    InputError
        There is no such address, or the port is taken or not allowed.
    """
    wanted = PORT if port is None else port
    try:
        family, *_, address = socket.getaddrinfo(
            host, wanted, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise InputError(
            "this address is not known", field="--host", got=host, fix="use 127.0.0.1"
        ) from error
    try:
        return socket.create_server(address[:2], family=family, backlog=CONNECTIONS)
    except OSError as error:
        if port is None:
            return listener(host, 0, field=field)
        raise InputError(
            "the server cannot listen at this address",
            field=field,
            got=f"{host}, {port}: {error.strerror or error}",
            fix="choose another port, or --port 0 for any that is free",
        ) from error


def url_of(sock: socket.socket, host: str) -> str:
    """The URL of a server for people; of one that listens everywhere by this machine's name."""
    address, port = sock.getsockname()[:2]
    if ipaddress.ip_address(address).is_unspecified:
        host = socket.gethostname()
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


def _is_local(sock: socket.socket) -> bool:
    """Whether only this machine reaches it."""
    return ipaddress.ip_address(sock.getsockname()[0]).is_loopback


def _allow_files(count: int) -> None:
    """Let this process have as many files and connections open, as far as it may."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:
        count = min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
