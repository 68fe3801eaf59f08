"""What can go wrong between a file and its reader: one sentence each."""

from __future__ import annotations

import os
from http import HTTPStatus
from typing import Any

from inif.errors import InputError
from inif.web.limits import Limits

BROKEN = "the connection broke off"


def broken(name: str, got: str) -> InputError:
    """The error for a body that ends too early."""
    return InputError(BROKEN, file=name, got=got, fix="try again, or download the file first")


def too_large(name: str, got: str, most: int, *, whole: bool) -> InputError:
    """The error for a body that is longer than it may be."""
    return InputError(
        "the server does not send parts of a file, and this one is too large to download whole"
        if whole
        else "a part of this image is larger than it can be",
        file=name,
        expected=f"at most {most} bytes" + (", the INIF_DOWNLOAD_LIMIT" if whole else ""),
        got=got,
        fix="download the file first" if whole else None,
    )


def refused(status: int, name: str) -> InputError:
    """The error for an answer that is no success."""
    absent = status in (404, 410)
    return InputError(
        "there is no such file on the server" if absent else "the server refuses this file",
        file=name,
        got=status_text(status),
        fix="check the address" if absent else "check the address and who may read it",
    )


def sentence(error: Exception, name: str, limits: Limits) -> InputError:
    """What went wrong below HTTP, in one sentence."""
    import aiohttp

    got: str | None = None
    fix: str | None = "check the address and the network"
    match error:
        case aiohttp.TooManyRedirects():
            problem, fix = "the server redirects without end", "check the address"
        case aiohttp.ConnectionTimeoutError():
            problem, got = "cannot connect to the server", f"no answer for {limits.connect:g} s"
        case TimeoutError():
            problem, got = "the server stopped answering", f"nothing for {limits.read:g} s"
            fix = "try again later, or set INIF_READ_TIMEOUT (seconds)"
        case aiohttp.ClientConnectorCertificateError():
            problem = "the certificate of the server cannot be trusted"
            got = getattr(error.certificate_error, "verify_message", None)
        case aiohttp.ClientSSLError():
            problem, got = "no secure connection (TLS) to the server", _system(error)
        case aiohttp.ClientConnectorDNSError():
            problem, got = "cannot connect to the server", "its name is not known"
        case aiohttp.ClientConnectorError():
            problem, got = "cannot connect to the server", _system(error)
        case aiohttp.ClientPayloadError() | aiohttp.ServerDisconnectedError() | OSError():
            return broken(name, "an end before the end of the file")
        case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError() | ValueError():
            problem = "this address, or one that it leads to, is no URL of http"
            fix = "check the address"
        case _:
            problem, got = "the server does not speak HTTP as it should", type(error).__name__
    return InputError(problem, file=name, got=got, fix=fix)


def _system(error: Any) -> str:
    """What the operating system says, without addresses."""
    cause = getattr(error, "os_error", error)
    reason = getattr(cause, "reason", None)
    if isinstance(reason, str):
        return reason.replace("_", " ").lower()
    number = getattr(cause, "errno", None)
    return os.strerror(number) if isinstance(number, int) and number > 0 else type(cause).__name__


def status_text(status: int) -> str:
    """A status and its usual words: those of the server could be anything."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
