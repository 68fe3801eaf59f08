"""Downloads of data sets: resumed where they broke off, checked before they get their name.

A file is written as ``NAME.part`` and renamed when its checksum is right, so that a name in the
folder always stands for a whole, checked file. The server's mark of a version (ETag) is kept beside
the part: a file that changed meanwhile is fetched from the start.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, Request, build_opener

from inif.errors import InputError
from inif_bench.datasets import DataFile, Dataset

_PIECE = 1 << 20
_TIMEOUT = 30.0
_TRIES = 4
_MOST = 1 << 40  # bytes of a file of unknown size
_AGAIN = (HTTPException, TimeoutError, ConnectionError, URLError)

Progress = Callable[[DataFile, int, int | None], None]


@dataclass(frozen=True)
class Fetched:
    """A file in the folder: its SHA-256, and whether anybody published a checksum to hold it to."""

    path: Path
    sha256: str
    checked: bool


class _ChangedError(Exception):
    """The server has another version than the part is of."""


class _Redirects(HTTPRedirectHandler):
    """Follows redirects within the web only."""

    def redirect_request(
        self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> Request | None:
        if urlsplit(newurl).scheme not in ("http", "https"):
            raise InputError("the server points to what is no web address", field="url", got=newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def fetch(
    dataset: Dataset,
    folder: Path,
    progress: Progress | None = None,
    pause: float = 1.0,
) -> list[Fetched]:
    """Download the files of a data set that are not there yet.

    Parameters
    ----------
    dataset
        From a manifest.
    folder
        Where the files go; made where it is missing.
    progress
        Called with file, bytes so far, and bytes in all where they are known.
    pause
        Seconds before the first repetition after a failure; doubled each time.

    Raises
    ------
    InputError
        The set has no files to download (the message says what to do instead), the server refuses,
        the connection stays broken (what came is kept), a size or a checksum is wrong, or the disk
        is full.
    """
    if not dataset.files:
        raise InputError(
            "this data set cannot be downloaded by a program",
            field="NAME",
            got=dataset.name,
            fix=dataset.how,
        )
    opener = build_opener(_Redirects)
    return [_one(opener, file, folder, progress, pause) for file in dataset.files]


def digest(path: Path, kind: str) -> str:
    """Checksum of a file: "sha256", "md5", or "git" (SHA-1 of Git's blob header and the bytes)."""
    found = hashlib.new("sha1" if kind == "git" else kind, usedforsecurity=False)
    if kind == "git":
        found.update(f"blob {path.stat().st_size}\0".encode())
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            found.update(piece)
    return found.hexdigest()


def _one(
    opener: OpenerDirector,
    file: DataFile,
    folder: Path,
    progress: Progress | None,
    pause: float,
) -> Fetched:
    target = folder / file.path
    remembered = target.with_name(target.name + ".sha256")
    known = file.checksum
    if known is None and remembered.exists():
        known = f"sha256:{remembered.read_text('utf-8').split()[0]}"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            part = target.with_name(target.name + ".part")
            _download(opener, file, part, progress, pause)
            _check(part, known, file.url)
            part.replace(target)
            _mark(part).unlink(missing_ok=True)
        else:
            _check(target, known, file.url, ours=False)
        sha256 = digest(target, "sha256")
        if file.checksum is None and not remembered.exists():
            remembered.write_text(f"{sha256}  {target.name}\n", "utf-8")
    except OSError as error:
        raise InputError(
            "the download cannot be written",
            file=target,
            got=error.strerror or error,
            fix="make room or choose another folder, then run the same command again: it resumes",
        ) from None
    return Fetched(target, sha256, file.checksum is not None)


def _download(
    opener: OpenerDirector,
    file: DataFile,
    part: Path,
    progress: Progress | None,
    pause: float,
) -> None:
    """Bring `part` to its full length, in as many requests as it takes."""
    for attempt in range(_TRIES):
        try:
            _request(opener, file, part, progress)
            return
        except _ChangedError:
            part.unlink(missing_ok=True)
            continue
        except HTTPError as error:
            error.close()
            if error.code < 500:
                raise InputError(
                    "the server does not give this file",
                    file=file.url,
                    got=f"{error.code} {error.reason}",
                    fix="look at the data set's source page: the file may have moved",
                ) from None
            reason: object = f"{error.code} {error.reason}"
        except _AGAIN as error:
            reason = getattr(error, "reason", None) or str(error) or type(error).__name__
        if attempt + 1 < _TRIES:
            time.sleep(pause * 2**attempt)
    kept = part.stat().st_size if part.exists() else 0
    raise InputError(
        "the connection keeps breaking off",
        file=file.url,
        got=f"{reason}, after {kept} bytes",
        fix="run the same command again: it resumes",
    )


def _request(opener: OpenerDirector, file: DataFile, part: Path, progress: Progress | None) -> None:
    have = part.stat().st_size if part.exists() else 0
    if file.bytes is not None and have == file.bytes:
        return
    mark = _mark(part)
    headers = {"User-Agent": "inif", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
        if mark.exists():
            headers["If-Range"] = mark.read_text("utf-8")
    try:
        answer = opener.open(Request(file.url, headers=headers), timeout=_TIMEOUT)
    except HTTPError as error:
        if error.code == 416 and have:  # the part is longer than the file, or all of it
            error.close()
            if error.headers.get("Content-Range") == f"bytes */{have}":
                return
            raise _ChangedError from None
        raise
    with answer:
        if answer.status == 206:
            if not (answer.headers.get("Content-Range") or "").startswith(f"bytes {have}-"):
                raise _ChangedError
        else:
            have = 0
            etag = answer.headers.get("ETag") or ""
            if etag and not etag.startswith("W/"):
                mark.write_text(etag, "utf-8")
            else:
                mark.unlink(missing_ok=True)
        length = answer.headers.get("Content-Length") or ""
        total = have + int(length) if length.isascii() and length.isdigit() else None
        if file.bytes is not None and total not in (None, file.bytes):
            raise _wrong_size(file, total)
        _copy(answer, file, part, have, total, progress)


def _copy(
    answer: Any,
    file: DataFile,
    part: Path,
    have: int,
    total: int | None,
    progress: Progress | None,
) -> None:
    most = file.bytes or total or _MOST
    with part.open("r+b" if have else "wb") as out:
        out.seek(have)
        out.truncate()
        while piece := answer.read(_PIECE):
            have += len(piece)
            if have > most:
                raise _wrong_size(file, f"more than {most}")
            out.write(piece)
            if progress:
                progress(file, have, file.bytes or total)
    wanted = file.bytes or total
    if wanted is not None and have < wanted:
        raise ConnectionError(f"the connection ended after {have} of {wanted} bytes")


def _check(path: Path, known: str | None, url: str, *, ours: bool = True) -> None:
    """Compare with a checksum; a wrong download is removed, somebody's file is not."""
    if known is None:
        return
    kind, _, wanted = known.partition(":")
    found = digest(path, kind)
    if found == wanted:
        return
    if ours:
        path.unlink()
        _mark(path).unlink(missing_ok=True)
    raise InputError(
        "the file is not what it should be",
        file=url if ours else path,
        field=kind,
        expected=wanted,
        got=found,
        fix="run the same command again" if ours else "move the file away and run this again",
    )


def _wrong_size(file: DataFile, got: object) -> InputError:
    return InputError(
        "the file has not the size it should have",
        file=file.url,
        field="bytes",
        expected=file.bytes or "what the server announced",
        got=got,
        fix="look at the data set's source page: the file may have changed",
    )


def _mark(part: Path) -> Path:
    return part.with_name(part.name + ".etag")
