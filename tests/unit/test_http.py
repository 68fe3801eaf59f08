"""Servers as they are: without parts, slow, broken, lying. Each gives the file, or one sentence."""

from __future__ import annotations

import gzip
import json
import re
import socket
import ssl
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

import inif
from inif.errors import FormatError, InifError, InputError, RemarkWarning
from inif.image import Image
from inif.io import read_image, write_image
from inif.web import is_web, public
from inif.web.client import Client
from inif.web.file import WebFile, WebStream
from inif.web.limits import Limits

pytest.importorskip("aiohttp")
STACK = np.arange(3 * 16 * 20, dtype=np.uint16).reshape(3, 16, 20)


class Server(ThreadingHTTPServer):
    """Serves `files` by the second part of a URL, in the way that the first part names.

    `asked` has (path, range) of every request, `failed` what may fail only once.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.asked: list[tuple[str, str | None]] = []
        self.failed: set[str] = set()
        self.stop = threading.Event()

    def url(self, mode: str, name: str = "f.inif") -> str:
        return f"http://127.0.0.1:{self.server_port}/{mode}/{name}"

    def handle_error(self, *_: object) -> None:
        """A client that goes away is none of ours."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, *_: object) -> None:
        """Nothing."""

    def do_HEAD(self) -> None:
        self.reply(405)

    def do_GET(self) -> None:
        mode, _, name = self.path.partition("?")[0][1:].partition("/")
        wanted = self.headers.get("Range")
        self.server.asked.append((self.path, wanted))
        if mode.isdecimal():
            return self.reply(int(mode), b"oops")
        data = self.server.files.get(name)
        if data is None:
            return self.reply(403 if mode == "s3" else 404, b"no")
        match = re.fullmatch(r"bytes=(\d*)-(\d*)", wanted or "")
        start, stop = 0, len(data)
        if match and match[1]:
            start, stop = int(match[1]), min(int(match[2] or len(data)) + 1, len(data))
        elif match:
            start = max(0, len(data) - int(match[2]))
        getattr(self, mode)(data, start, stop, bool(match))

    def reply(self, status: int, body: bytes = b"", **headers: str | None) -> None:
        self.send_response(status)
        named = {k.replace("_", "-"): v for k, v in headers.items()}
        for key, value in ({"Content-Length": str(len(body))} | named).items():
            if value is not None:
                self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def part(self, data: bytes, start: int, stop: int, body: bytes, **headers: str | None) -> None:
        said = f"bytes {start}-{stop - 1}/{len(data)}"
        self.reply(206, body, **({"Content_Range": said} | headers))

    # One method for each kind of server; start and stop are those asked for.

    def good(self, data: bytes, start: int, stop: int, part: bool) -> None:
        if part:
            self.part(data, start, stop, data[start:stop])
        else:
            self.reply(200, data)

    s3 = good

    def norange(self, data: bytes, *_: object) -> None:
        self.reply(200, data)

    def nolen(self, data: bytes, *_: object) -> None:
        self.close_connection = True
        self.reply(200, data, Content_Length=None, Connection="close")

    def trunc(self, data: bytes, *_: object) -> None:
        self.close_connection = True
        self.reply(200, data[: len(data) // 2], Content_Length=str(len(data)), Connection="close")

    def trunc206(self, data: bytes, start: int, stop: int, _: bool) -> None:
        self.close_connection = True
        half = data[start : (start + stop) // 2]
        self.part(data, start, stop, half, Content_Length=str(stop - start), Connection="close")

    def short206(self, data: bytes, start: int, stop: int, _: bool) -> None:
        stop = start + (stop - start + 1) // 2
        self.part(data, start, stop, data[start:stop])

    def shift206(self, data: bytes, start: int, stop: int, _: bool) -> None:
        self.part(data, start + 7, stop, data[start + 7 : stop])

    def more206(self, data: bytes, start: int, stop: int, _: bool) -> None:
        self.part(data, start, stop, data)

    def norange206(self, data: bytes, start: int, stop: int, _: bool) -> None:
        self.part(data, start, stop, data[start:stop], Content_Range=None)

    def gzip206(self, data: bytes, start: int, stop: int, _: bool) -> None:
        self.part(data, start, stop, data[start:stop], Content_Encoding="gzip")

    def grows(self, data: bytes, start: int, stop: int, _: bool) -> None:
        size = len(data) + len(self.server.asked) - 1
        self.part(
            data, start, stop, data[start:stop], Content_Range=f"bytes {start}-{stop - 1}/{size}"
        )

    def flaky(self, data: bytes, start: int, stop: int, part: bool) -> None:
        if self.path in self.server.failed:
            self.good(data, start, stop, part)
        else:
            self.server.failed.add(self.path)
            self.reply(500, b"oops")

    def drops(self, data: bytes, start: int, stop: int, part: bool) -> None:
        if self.path in self.server.failed:
            self.good(data, start, stop, part)
        else:
            self.server.failed.add(self.path)
            self.trunc206(data, start, stop, part)

    def busy(self, data: bytes, start: int, stop: int, part: bool) -> None:
        if self.path in self.server.failed:
            self.good(data, start, stop, part)
        else:
            self.server.failed.add(self.path)
            self.reply(503, b"later", Retry_After="1")

    def later200(self, data: bytes, start: int, stop: int, part: bool) -> None:
        self.good(data, start, stop, part and len(self.server.asked) == 1)

    def cut(self, data: bytes, *_: object) -> None:
        self.nolen(data[: len(data) // 2])

    def total(self, data: bytes, start: int, stop: int, _: bool) -> None:
        said = f"bytes {start}-{stop - 1}/{len(data) + 10**9}"
        self.part(data, start, stop, data[start:stop], Content_Range=said)

    def raw(self, head: bytes) -> None:
        self.close_connection = True
        self.wfile.write(head)

    def rubbish(self, *_: object) -> None:
        self.raw(b"\0\xff this is another protocol\r\n\r\n")

    def longhead(self, *_: object) -> None:
        self.raw(b"HTTP/1.1 200 OK\r\nA: " + b"a" * 100_000 + b"\r\n\r\n")

    def badlen(self, *_: object) -> None:
        self.raw(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n")

    def slowhead(self, *_: object) -> None:
        self.close_connection = True
        for at in range(200):
            self.wfile.write(b"HTTP/1.1 200 OK\r\nA: "[at : at + 1] or b"a")
            if self.server.stop.wait(0.05):
                return

    def html(self, *_: object) -> None:
        self.reply(200, b"\n<html>login please</html>", Content_Type="text/html; charset=utf-8")

    def gzip(self, data: bytes, *_: object) -> None:
        self.reply(200, gzip.compress(data), Content_Encoding="gzip")

    def loop(self, *_: object) -> None:
        self.reply(302, Location=self.path)

    def leads(self, *_: object) -> None:
        self.reply(302, Location=self.path.replace("leads", "good") + "?token=secret")

    def ftp(self, *_: object) -> None:
        self.reply(302, Location="ftp://127.0.0.1/secret")

    def hang(self, *_: object) -> None:
        self.server.stop.wait(20)

    def hangbody(self, data: bytes, start: int, stop: int, _: bool) -> None:
        self.part(data, start, stop, b"", Content_Length=str(stop - start))
        self.server.stop.wait(20)

    def drip(self, data: bytes, start: int, stop: int, _: bool) -> None:
        self.part(data, start, stop, b"", Content_Length=str(stop - start))
        for at in range(start, stop):
            self.wfile.write(data[at : at + 1])
            if self.server.stop.wait(0.05):
                return

    def corrupt(self, data: bytes, start: int, stop: int, part: bool) -> None:
        self.good(data[:-9] + bytes([data[-9] ^ 255]) + data[-8:], start, stop, part)

    def biglie(self, data: bytes, *_: object) -> None:
        self.close_connection = True
        self.reply(200, data, Content_Length=str(10**12))

    def endless(self, data: bytes, *_: object) -> None:
        self.close_connection = True
        self.reply(200, data, Content_Length=None, Connection="close")
        while not self.server.stop.is_set():
            self.wfile.write(bytes(1 << 16))


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.stop.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def server(running: Server, data: bytes, monkeypatch: pytest.MonkeyPatch) -> Server:
    running.files = {"f.inif": data}
    running.asked.clear()
    running.failed.clear()
    monkeypatch.setenv("INIF_CONNECT_TIMEOUT", "60")
    monkeypatch.setenv("INIF_READ_TIMEOUT", "60")
    monkeypatch.setenv("INIF_DOWNLOAD_LIMIT", str(3 << 20))
    monkeypatch.setattr("inif.web.client.BACK_OFF", 0.01)
    return running


@pytest.fixture(scope="module")
def data(random_file: Callable[..., bytes]) -> bytes:
    made = random_file("ZYX", (6, 20, 24), width=90)
    assert len(made) > 3 * 4096
    return made


# ---------------------------------------------------------------- files


@pytest.mark.parametrize("mode", ["good", "short206", "flaky", "drops", "leads"])
def test_servers_that_send_parts(server: Server, data: bytes, mode: str) -> None:
    with inif.open(server.url(mode)) as file:
        assert file.to_bytes() == data
    assert all(part for _, part in server.asked)


@pytest.mark.parametrize("mode", ["norange", "nolen", "gzip"])
def test_servers_that_send_all_are_read_whole_once(server: Server, data: bytes, mode: str) -> None:
    with pytest.warns(RemarkWarning, match=f"{len(data)} bytes were downloaded"):
        file = inif.open(server.url(mode))
    with file:
        assert file.to_bytes() == data
    assert len(server.asked) == 1


FAILURES = {
    "401": "server refuses this file.*401 Unauthorized",
    "403": "server refuses this file.*403 Forbidden",
    "404": "no such file on the server.*404 Not Found",
    "418": "server refuses.*418",
    "500": "server fails.*500 Internal Server Error, 3 times",
    "503": "server fails.*503 Service Unavailable, 3 times",
    "html": "web page instead of the file",
    "loop": "redirects without end",
    "ftp": "no URL of http",
    "hang": "stopped answering.*nothing for 0.3 s",
    "hangbody": "stopped answering",
    "slowhead": "stopped answering",
    "rubbish": "does not speak HTTP",
    "longhead": "does not speak HTTP",
    "badlen": "does not speak HTTP|broke off",
    "drip": "too slow.*1000 bytes a second|stopped answering",
    "trunc": "connection broke off",
    "trunc206": "connection broke off",
    "shift206": "another part.*Content-Range.*bytes=0-4095.*bytes 7-4095",
    "more206": "broke off|larger than|too large|parts",
    "norange206": "another part.*none",
    "gzip206": "compresses the parts",
    "biglie": "too large to download whole.*at most 3145728 bytes.*1000000000000",
    "endless": "too large to download whole",
    "grows": "changed on the server",
}


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Waits shortly for servers that would be waited for, and for no others."""

    def set_for(mode: str) -> None:
        if mode in ("hang", "hangbody", "drip", "slowhead"):
            monkeypatch.setenv("INIF_READ_TIMEOUT", "0.3")
        if mode == "slowhead":
            monkeypatch.setenv("INIF_CONNECT_TIMEOUT", "0.7")

    return set_for


@pytest.mark.parametrize("mode", FAILURES)
def test_each_failure_is_one_sentence_without_secrets(
    server: Server, mode: str, hasty: Callable[[str], None]
) -> None:
    hasty(mode)
    url = server.url(mode).replace("127", "user:secret@127") + "?sign=secret"
    with pytest.raises(InputError, match=FAILURES[mode]) as caught, inif.open(url) as file:
        file.to_bytes()
    assert caught.value.file == server.url(mode)
    assert "secret" not in str(caught.value)
    assert caught.value.fix
    assert len(server.asked) <= (11 if mode == "loop" else 3)


def test_a_server_that_asks_for_a_pause_gets_it(server: Server, data: bytes) -> None:
    started = time.monotonic()
    with inif.open(server.url("busy")) as file:
        assert file.to_bytes() == data
    assert time.monotonic() - started >= 1


def test_a_server_that_stops_sending_parts(server: Server, data: bytes) -> None:
    with inif.open(server.url("later200")) as file:
        with pytest.warns(RemarkWarning, match="downloaded"):
            assert file.to_bytes() == data
        assert file.to_bytes() == data
    assert len(server.asked) == 2


@pytest.mark.parametrize("mode", ["cut", "total"])
@pytest.mark.filterwarnings("ignore:.*downloaded:inif.errors.RemarkWarning")
def test_what_http_cannot_tell_the_file_does(server: Server, mode: str) -> None:
    with pytest.raises(FormatError, match=r"the file (ends|is truncated)|bytes") as caught:
        inif.open(server.url(mode))
    assert caught.value.file == server.url(mode)


def test_damage_is_found_as_in_any_file(server: Server) -> None:
    with inif.open(server.url("corrupt")) as file, pytest.raises(FormatError):
        np.asarray(file)
    assert not inif.verify(server.url("corrupt"))["ok"]


def test_servers_that_are_not_there(server: Server) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        for name in ("a.inif", "a.zarr", "a.tif"):
            url = f"http://127.0.0.1:{port}/{name}"
            opener = inif.open if name == "a.inif" else read_image
            with pytest.raises(InputError, match=r"cannot connect.*Connection refused"):
                opener(url)  # type: ignore[operator]
    with pytest.raises(InputError, match=r"cannot connect.*name is not known"):
        inif.open("http://no-such-host.invalid/a.inif")
    with pytest.raises(InputError, match="secure connection"):
        inif.open(server.url("good").replace("http:", "https:"))
    with pytest.raises(InputError, match=r"no URL of http|cannot connect"):
        inif.open("http://:0/a.inif")


def test_a_certificate_that_nobody_trusts() -> None:
    import aiohttp

    from inif.web.failures import sentence

    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_message = "self-signed certificate"
    told = sentence(
        aiohttp.ClientConnectorCertificateError(None, error),  # type: ignore[arg-type]
        "https://host/a.inif",
        Limits(),
    )
    assert "certificate" in told.problem
    assert told.got == "self-signed certificate"


def test_a_connection_that_is_never_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INIF_CONNECT_TIMEOUT", "0.2")
    with socket.create_server(("127.0.0.1", 0), backlog=0) as deaf:
        full = [socket.socket() for _ in range(3)]
        for one in full:
            one.setblocking(False)
            one.connect_ex(deaf.getsockname())
        with pytest.raises(InputError, match=r"cannot connect.*no answer for 0\.2 s"):
            inif.open(f"http://127.0.0.1:{deaf.getsockname()[1]}/a.inif")
        for one in full:
            one.close()


@pytest.mark.parametrize("value", ["x", "0", "-3", "nan", "inf"])
def test_limits_that_are_no_numbers(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    assert Limits.from_environment() == Limits(10, 30, 1 << 30)
    monkeypatch.setenv("INIF_READ_TIMEOUT", value)
    with pytest.raises(InputError, match="INIF_READ_TIMEOUT"):
        inif.open("http://127.0.0.1:9/a.inif")


def test_long_waits_are_logged(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("INIF_READ_TIMEOUT", "1")
    monkeypatch.setattr("inif.web.client.TELL", 0.05)
    caplog.set_level("INFO", "inif.web")
    with pytest.raises(InputError):
        inif.open(server.url("drip") + "?sign=secret")
    assert re.search(r"/drip/f.inif: \d+ of 4096 bytes", caplog.text)
    assert "secret" not in caplog.text


def test_words_without_secrets() -> None:
    assert is_web("HTTPS://host/a")
    assert not is_web("s3://host/a")
    text = "at http://me:pass@host/a?b=c and 's3://k@b/x?y'"
    assert public(text) == "at http://host/a and 's3://b/x'"


def test_a_stream_of_a_file(server: Server, data: bytes) -> None:
    with WebStream(WebFile(server.url("good"), head=10)) as stream:
        assert stream.seek(-5, 2) == len(data) - 5
        assert stream.read() == data[-5:]
        assert (stream.read(), stream.tell()) == (b"", len(data))
        stream.seek(7)
        assert stream.read(20) == data[7:27]
    server.files["empty"] = b""
    with pytest.raises(InifError):
        inif.open(server.url("good", "empty"))


def test_the_command_line(server: Server, cli: Callable[..., Any], tmp_path: Path) -> None:
    done = cli("info", server.url("norange"), "--json")
    assert done.code == 0
    assert "downloaded" in done.json["remarks"][0]
    assert cli("verify", server.url("good"), "--json").json["ok"]
    out = tmp_path / "a.npy"
    done = cli("decompress", server.url("norange"), "-o", out)
    assert done.code == 0
    assert "warning: http" in done.stderr
    assert cli("info", server.url("403")).code == 2
    for command in ("info", "verify"):
        done = cli(command, server.url("norange").replace("127", "me:secret@127") + "?sign=secret")
        assert "secret" not in done.stdout + done.stderr


# ---------------------------------------------------------------- images


def serve(server: Server, folder: Path, name: str) -> None:
    for file in folder.rglob("*"):
        if file.is_file():
            server.files[f"{name}/{file.relative_to(folder).as_posix()}"] = file.read_bytes()


@pytest.mark.parametrize("mode", ["good", "s3", "norange", "flaky"])
@pytest.mark.parametrize("shards", [None, (2, 16, 20)])
def test_zarr(server: Server, tmp_path: Path, mode: str, shards: Any) -> None:
    group = zarr.create_group(tmp_path / "a.zarr")
    group.create_array(
        "0", data=STACK, chunks=(1, 8, 10), shards=shards, dimension_names=list("zyx")
    )
    serve(server, tmp_path / "a.zarr", "a.zarr")
    image = read_image(server.url(mode, "a.zarr/0"))
    assert (image.axes, image.remarks) == ("ZYX", ())
    np.testing.assert_array_equal(image.data, STACK)


@pytest.mark.parametrize("mode", ["good", "s3"])
def test_ome_zarr(server: Server, tmp_path: Path, mode: str) -> None:
    write_image(Image(STACK, "ZYX"), tmp_path / "a.zarr")
    serve(server, tmp_path / "a.zarr", "a.zarr")
    np.testing.assert_array_equal(read_image(server.url(mode, "a.zarr")).data, STACK)
    chunk = next(name for name in server.files if "/c/" in name)
    del server.files[chunk]
    if mode == "good":
        assert "1 of 1 chunks" in read_image(server.url(mode, "a.zarr")).remarks[0]
    else:  # what is refused may be there
        with pytest.raises(InputError, match="403 Forbidden"):
            read_image(server.url(mode, "a.zarr"))


def test_several_images_behind_a_server(server: Server, tmp_path: Path) -> None:
    root = zarr.create_group(tmp_path / "a.zarr", zarr_format=2)
    root.attrs["bioformats2raw.layout"] = 3
    for name in ("0", "1"):
        group = root.create_group(name)
        group.create_array("0", data=STACK + np.uint16(int(name)))
        group.attrs["multiscales"] = [{"axes": list("zyx"), "datasets": [{"path": "0"}]}]
    serve(server, tmp_path / "a.zarr", "a.zarr")
    image = read_image(server.url("good", "a.zarr"), scene=1)
    assert image.data[0, 0, 0] == 1
    assert "2 images" in image.remarks[0]


@pytest.mark.parametrize("name", ["a.ome.tif", "a.npy", "a.zarr.zip"])
def test_files_of_images(server: Server, tmp_path: Path, name: str) -> None:
    if name.endswith("zip"):
        zarr.create_array(tmp_path / "a.zarr", data=STACK, zarr_format=2)
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            for file in (tmp_path / "a.zarr").rglob("*"):
                archive.write(file, file.relative_to(tmp_path).as_posix())
    else:
        write_image(Image(STACK, "ZYX"), tmp_path / name)
    server.files[name] = (tmp_path / name).read_bytes()
    np.testing.assert_array_equal(read_image(server.url("good", name), axes="ZYX").data, STACK)
    with pytest.warns(RemarkWarning, match="downloaded"):
        image = read_image(server.url("norange", name), axes="ZYX")
    np.testing.assert_array_equal(image.data, STACK)
    whole = [path for path, _ in server.asked if path == f"/norange/{name}"]
    assert len(whole) <= (3 if name.endswith("zip") else 2)


@pytest.mark.parametrize("mode", ["500", "html", "loop", "hang", "trunc206", "401"])
def test_failures_of_images(server: Server, mode: str, hasty: Callable[[str], None]) -> None:
    hasty(mode)
    server.files |= {"a.zarr/zarr.json": json.dumps({}).encode()}
    with pytest.raises(InputError, match=FAILURES[mode]) as caught:
        read_image(server.url(mode, "a.zarr") + "?sign=secret", axes="ZYX")
    assert "secret" not in str(caught.value)


def test_threads_share_a_client(server: Server, data: bytes) -> None:
    client = Client("test")

    async def get() -> bytes:
        return (await client.get(server.url("good"), "f", limit=1 << 20)).body.read()

    got: list[bytes] = []
    threads = [threading.Thread(target=lambda: got.append(client.run(get()))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    client.close()
    assert got == [data] * 8
