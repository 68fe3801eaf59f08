"""A reader works from any source, and asks a server only for the bytes it needs."""

from __future__ import annotations

import contextlib
import importlib
import io
import mmap
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from inif.container import Rejection, Section, open_container, open_source, pack, spec
from inif.errors import FormatError, InputError, MissingExtraError, RemarkWarning

HEADER: dict[str, Any] = {
    "axes": "ZYX",
    "shape": [3, 8, 8],
    "dtype": "uint16",
    "range": [[0, 9]],
    "brick": [1, 8, 8],
    "field": {"kind": "siren"},
    "requires": [],
}
BRICK = 50_000
DATA = pack(
    HEADER,
    [*(Section(b"QWTS", bytes([i]) * BRICK, i) for i in range(3)), Section(b"OMEX", b"<OME/>")],
)


class Server(ThreadingHTTPServer):
    """Serves `DATA` at any path; `gets` lists (first byte, bytes sent) of every GET."""

    daemon_threads = True
    ranges = True
    length = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.gets: list[tuple[int, int]] = []
        self.url = f"http://127.0.0.1:{self.server_port}/a.inif"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        first, body = self._answer()
        self.server.gets.append((first, len(body)))
        with contextlib.suppress(ConnectionError):  # the client has read enough
            self.wfile.write(body)

    def _answer(self) -> tuple[int, bytes]:
        if self.path.startswith("/missing"):
            self.send_error(404)
            return 0, b""
        match = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if match and self.server.ranges:
            first, last = int(match[1]), int(match[2])
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(DATA)}")
            body = DATA[first : last + 1]
        else:
            self.send_response(200)
            first, body = 0, DATA
        if self.server.length:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        return first, body

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def test_a_server_sends_only_the_ranges_needed(server: Server) -> None:
    with open_container(server.url) as container:
        assert server.gets == [(0, spec.FIRST_READ)]
        section = container.require(b"QWTS", 1)
        assert container.read(section) == b"\1" * BRICK
        assert server.gets[1:] == [(section.offset, BRICK)]
        assert container.file_bytes == len(DATA)
        assert container.check_all() == []


def test_a_server_without_ranges_is_read_whole_once(server: Server) -> None:
    server.ranges = False
    with pytest.warns(RemarkWarning, match="does not send parts"):
        container = open_container(server.url)
    with container:
        assert container.read(container.require(b"QWTS", 2)) == b"\2" * BRICK
        before = len(server.gets)
        assert container.check_all() == []
        assert len(server.gets) == before


def test_a_server_that_hides_the_length_is_read_whole(server: Server) -> None:
    server.ranges = server.length = False
    with pytest.warns(RemarkWarning, match="does not send parts"):
        container = open_container(server.url)
    with container:
        assert container.read(container.require(b"OMEX")) == b"<OME/>"


def test_a_large_file_is_not_taken_whole(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INIF_DOWNLOAD_LIMIT", "1000")
    server.ranges = False
    with pytest.raises(InputError, match="download"):
        open_container(server.url)


def test_a_missing_url_is_one_error_without_its_secrets(server: Server) -> None:
    url = server.url.replace("127", "user:secret@127").replace("a.inif", "missing?sign=secret")
    with pytest.raises(InputError) as caught:
        open_container(url)
    assert "missing" in str(caught.value.file)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["nosuch://host/a.inif", "http://127.0.0.1:9/a.inif"])
def test_an_impossible_url_is_one_error(url: str) -> None:
    with pytest.raises(InputError):
        open_container(url)


def test_other_protocols_work(tmp_path: Path) -> None:
    (tmp_path / "a.inif").write_bytes(DATA)
    with open_container(f"file://{tmp_path}/a.inif") as container:
        assert container.check_all() == []


def test_without_fsspec_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ModuleNotFoundError(name=name.partition(".")[0])

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(MissingExtraError, match=r"inif\[remote\]"):
        open_container("s3://host/a.inif")


def test_every_local_source_reads_the_same(tmp_path: Path) -> None:
    path = tmp_path / "a.inif"
    path.write_bytes(DATA)
    with (
        open(path, "rb") as file,
        open(path, "r+b") as writable,
        mmap.mmap(writable.fileno(), 0) as mapped,
    ):
        sources = [path, str(path), DATA, bytearray(DATA), memoryview(DATA)]
        for source in [*sources, io.BytesIO(DATA), file, mapped, open_source(DATA)]:
            with open_container(source) as container:
                assert container.read(container.require(b"QWTS", 2)) == b"\2" * BRICK
        assert not file.closed
        assert not mapped.closed


def test_a_file_that_shrinks_is_truncated(tmp_path: Path) -> None:
    path = tmp_path / "a.inif"
    path.write_bytes(DATA)
    with open_container(path) as container:
        path.write_bytes(DATA[:-100_000])
        with pytest.raises(FormatError) as caught:
            container.read(container.require(b"QWTS", 2))
        assert caught.value.rejection is Rejection.TRUNCATED
        assert [p.rejection for p in container.check_all()] == [Rejection.TRUNCATED] * 3


def test_a_source_allocates_nothing_for_an_absurd_length() -> None:
    for source in (open_source(DATA), open_source(io.BytesIO(DATA))):
        with pytest.raises(FormatError) as caught:
            source.read(10, 1 << 60)
        assert caught.value.rejection is Rejection.TRUNCATED


@pytest.mark.parametrize("what", ["missing.inif", ".", "a\0b"])
def test_a_path_that_cannot_be_read_is_one_error(tmp_path: Path, what: str) -> None:
    with pytest.raises(InputError):
        open_container(f"{tmp_path}/{what}")


@pytest.mark.parametrize("what", [None, 3, ["a"], io.StringIO("text")])
def test_what_is_no_source_is_one_error(what: object) -> None:
    with pytest.raises(InputError):
        open_container(what)


def test_files_are_closed_when_opening_fails(tmp_path: Path) -> None:
    path = tmp_path / "bad.inif"
    path.write_bytes(b"not one of ours" * 9)
    with pytest.raises(FormatError):  # an unclosed file would be a ResourceWarning, an error here
        open_container(path)


def test_threads_may_share_a_container(tmp_path: Path) -> None:
    path = tmp_path / "a.inif"
    path.write_bytes(DATA)
    wrong: list[int] = []
    with open_container(path) as container:

        def work(brick: int) -> None:
            for _ in range(50):
                if container.read(container.require(b"QWTS", brick)) != bytes([brick]) * BRICK:
                    wrong.append(brick)

        threads = [threading.Thread(target=work, args=(i % 3,)) for i in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []
