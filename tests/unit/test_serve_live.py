"""The command ``inif serve`` in a process of its own, and clients that are rude to it."""

from __future__ import annotations

import asyncio
import http.client
import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import inif
from inif.errors import FormatError
from inif.zarr import InifStore

pytest.importorskip("starlette", reason="the extra 'serve' is not installed")
pytest.importorskip("uvicorn", reason="the extra 'serve' is not installed")

GROUP = "stack.ome.zarr"


@contextmanager
def running(*words: object) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-m", "inif", "serve", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture(scope="module")
def folder(random_file: Callable[..., bytes], tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("live") / "served"
    made.mkdir()
    data = random_file("ZYX", (40, 64, 64))
    (made / "stack.inif").write_bytes(data)
    (made / "bad.inif").write_bytes(data[:-9])
    (made.parent / "secret.inif").write_bytes(data)
    return made


@pytest.fixture(scope="module")
def port(folder: Path) -> Iterator[int]:
    with running(folder, "--port", 0, "--json") as process:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        assert [file["name"] for file in told["files"]] == ["bad.inif", "stack.inif"]
        yield int(told["url"].rstrip("/").rpartition(":")[2])
        assert process.poll() is None, "the server did not stay up"


@pytest.fixture(scope="module")
def chunks(folder: Path) -> list[bytes]:
    store = InifStore(folder / "stack.inif")
    found = [store.entry(f"0/c/{z}/0/0") or b"" for z in range(40)]
    store.close()
    return found


@pytest.fixture(autouse=True)
def still_well(port: int, chunks: list[bytes]) -> Iterator[None]:
    yield
    assert get(port, f"/{GROUP}/0/c/7/0/0") == (200, chunks[7])


def get(port: int, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def asked(port: int, data: bytes, *, more: bool = True) -> bytes:
    """What a server answers to bytes of any kind, until it closes the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as sock:
        sock.sendall(data)
        if not more:
            sock.shutdown(socket.SHUT_WR)
        parts = []
        while part := sock.recv(1 << 16):
            parts.append(part)
    return b"".join(parts)


@pytest.mark.parametrize(
    "target",
    [
        "/../secret.inif",
        "/%2e%2e/secret.inif",
        "/%2E%2E%2Fsecret.inif",
        "/..%5csecret.inif",
        "/.%00./secret.inif",
        "/stack.ome.zarr/../../secret.inif",
        "/stack.ome.zarr/..%2f..%2fsecret.inif",
        "/../secret.ome.zarr/zarr.json",
        "/%252e%252e/secret.inif",
        "//secret.inif",
        "/{folder}/../secret.inif",
        "/{folder}/stack.inif",
        "/%ff%fe.inif",
        "/stack.inif%00",
        "/stack.inif/",
        "http://127.0.0.1/../secret.inif",
        "*",
    ],
)
def test_no_path_leads_out_of_the_folder(port: int, folder: Path, target: str) -> None:
    line = f"GET {target.format(folder=folder)} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    answer = asked(port, line.encode())
    assert re.match(rb"HTTP/1.1 40[04] ", answer)
    assert b"INIF\r\n" not in answer
    assert str(folder.parent).encode() not in answer


async def one(port: int, path: str, after: Callable[[], Any]) -> tuple[int, bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
    await after()
    answer = await reader.read()
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), body


def test_a_thousand_requests_at_once(port: int, chunks: list[bytes]) -> None:
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limits[1] != resource.RLIM_INFINITY and limits[1] < 3000:
        pytest.skip("this process may not open 1000 connections")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(limits[0], 3000), limits[1]))

    async def main() -> list[tuple[int, bytes]]:
        everybody = asyncio.Barrier(1000)  # all are connected before any reads
        paths = [f"/{GROUP}/0/c/{n % 40}/0/0" for n in range(1000)]
        return await asyncio.gather(*(one(port, path, everybody.wait) for path in paths))

    try:
        answers = asyncio.run(main())
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert {status for status, _ in answers} <= {200, 503}
    good = [(n, body) for n, (status, body) in enumerate(answers) if status == 200]
    assert len(good) >= 500
    assert all(body == chunks[n % 40] for n, body in good)


def test_clients_that_go_away(port: int) -> None:
    line = f"GET /{GROUP}/0/c/%d/0/0 HTTP/1.1\r\nHost: a\r\n\r\n"
    for number in range(200):
        with socket.create_connection(("127.0.0.1", port), timeout=60) as sock:
            sock.sendall((line % (number % 40)).encode())
            if number % 3 == 0:
                sock.recv(10)
            if number % 3 == 1:  # without a goodbye
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /stack.inif",
        b"GET / HTTP/1.1\r\n" + b"A: " + b"a" * 200_000 + b"\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: a\r\n\r\n",
        b"POST /stack.inif HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000000\r\n\r\nabc",
        b"GET /stack.inif HTTP/1.1\r\nHost: [::1\r\nRange: bytes=a-b\r\n\r\n",
        b"GET /files.json HTTP/1.1\r\nHost: [::1\r\nConnection: close\r\n\r\n",
    ],
    ids=range(8),
)
def test_clients_that_do_not_speak_http(port: int, data: bytes) -> None:
    try:
        answer = asked(port, data, more=False)
    except OSError:  # the server was quicker to hang up
        return
    assert not answer or answer.startswith(b"HTTP/1.1 ")
    assert b"Traceback" not in answer


def test_a_client_that_does_not_read(port: int, chunks: list[bytes]) -> None:
    held = []
    for number in range(40):
        sock = socket.create_connection(("127.0.0.1", port))
        line = f"GET /{GROUP}/0/c/{number}/0/0 HTTP/1.1\r\nHost: a\r\n\r\n"
        sock.sendall(line.encode() * 20)
        held.append(sock)
    assert get(port, f"/{GROUP}/0/c/3/0/0") == (200, chunks[3])
    for sock in held:
        sock.close()


def test_damage_is_told_and_the_rest_goes_on(port: int) -> None:
    status, body = get(port, "/bad.ome.zarr/zarr.json")
    assert (status, json.loads(body)["error"]) == (422, "FormatError")


def test_inif_opens_what_is_served(port: int, folder: Path, chunks: list[bytes]) -> None:
    pytest.importorskip("aiohttp", reason="the extra 'remote' is not installed")
    with inif.open(f"http://127.0.0.1:{port}/stack.inif") as file:
        np.testing.assert_array_equal(file[5], np.frombuffer(chunks[5], "<u2").reshape(64, 64))
    with pytest.raises(FormatError):
        inif.open(f"http://127.0.0.1:{port}/bad.inif")


# ---------------------------------------------------------------- the command


def test_ctrl_c_is_a_good_end(folder: Path) -> None:
    with running(folder / "stack.inif", "--port", 0) as process:
        assert process.stdout is not None
        assert re.fullmatch(
            r"1 file is served at http://127.0.0.1:\d+/\n", process.stdout.readline()
        )
        for line in process.stdout:
            if "Ctrl-C" in line:
                break
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60) == ("", "")
        assert process.returncode == 0


def test_a_port_that_is_taken(folder: Path, cli: Callable[..., Any], port: int) -> None:
    done = cli("serve", folder, "--port", port, "--json")
    assert (done.code, done.json["field"]) == (2, "--host, --port")
    assert "--port 0" in done.json["fix"]


def test_without_a_port_another_is_taken_and_that_is_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch, port: int
) -> None:
    from inif.serve import run

    monkeypatch.setattr(run, "PORT", port)
    with run.listener("127.0.0.1", None) as sock:
        url = run.url_of(sock, "127.0.0.1")
        assert url != f"http://127.0.0.1:{port}/"
    with run.listener("127.0.0.1", 0) as sock:
        assert run.url_of(sock, "localhost").startswith("http://localhost:")
    with run.listener("0.0.0.0", 0) as sock:
        assert socket.gethostname() in run.url_of(sock, "0.0.0.0")


@pytest.mark.parametrize(
    ("words", "field"),
    [
        (("--host", "no-such-host.invalid"), "--host"),
        (("--memory", "lots"), "--memory"),
        (("--port", "70000"), None),
        (("nothing-there",), None),
    ],
)
def test_what_cannot_be_is_one_message(
    cli: Callable[..., Any], folder: Path, words: tuple[str, ...], field: str | None
) -> None:
    done = cli("serve", folder, *words, "--json")
    assert (done.code, done.json.get("field")) == (2, field)


def test_a_server_open_to_others_warns(folder: Path) -> None:
    with running(folder / "stack.inif", "--port", 0, "--host", "0.0.0.0", "--quiet") as process:
        assert process.stderr is not None
        assert "without a password" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60)[0] == ""
