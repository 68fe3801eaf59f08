"""What a server of files answers: names, versions, parts, damage, and who may ask."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import inif
from inif.errors import InputError
from inif.serve import app_of
from inif.serve.places import group_of

pytest.importorskip("starlette", reason="the extra 'serve' is not installed")
pytest.importorskip("httpx2", reason="httpx2, which starlette's client needs, is not installed")

from starlette.testclient import TestClient

from inif.serve.answers import PIECE, Data, InTurn, Turns, known, part_of, refusal
from inif.zarr import InifStore

STACK = "stack.ome.zarr"
CHUNK = f"{STACK}/0/c/1/0/0"


# ---------------------------------------------------------------- files as they are


def test_a_file_is_served_as_it_is(client: TestClient, folder: Path) -> None:
    data = (folder / "stack.inif").read_bytes()
    whole = client.get("/stack.inif")
    assert (whole.status_code, whole.content) == (200, data)
    assert whole.headers["content-type"] == "application/octet-stream"
    head = client.head("/stack.inif")
    assert (head.content, head.headers["content-length"]) == (b"", str(len(data)))
    part = client.get("/stack.inif", headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, data[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(data)}"
    assert client.get("/stack.inif", headers={"Range": "bytes=-7"}).content == data[-7:]
    beyond = client.get("/stack.inif", headers={"Range": f"bytes={len(data)}-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{len(data)}")


def test_a_damaged_file_is_served_as_it_is_too(client: TestClient, folder: Path) -> None:
    assert client.get("/bad.inif").content == (folder / "bad.inif").read_bytes()


# ---------------------------------------------------------------- files as OME-Zarr


@pytest.mark.parametrize("name", ["stack.inif", "sub/two channels.inif"])
def test_every_key_is_that_of_the_store(client: TestClient, folder: Path, name: str) -> None:
    store = InifStore(folder / name)
    keys = list(store.keys())
    assert len(keys) > 3
    for key in keys:
        got = client.get(f"/{group_of(name)}/{key}")
        assert (got.status_code, got.content) == (200, store.entry(key))
        kind = "application/json" if key.endswith(".json") else "application/octet-stream"
        assert got.headers["content-type"] == kind
    store.close()


def test_parts_and_heads_of_a_chunk(client: TestClient) -> None:
    data = client.get(f"/{CHUNK}").content
    assert len(data) == 20 * 24 * 2
    head = client.head(f"/{CHUNK}")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(data))
    for wanted, start, stop in [("3-9", 3, 10), ("900-", 900, 960), ("-5", 955, 960)]:
        part = client.get(f"/{CHUNK}", headers={"Range": f"bytes={wanted}"})
        assert (part.status_code, part.content) == (206, data[start:stop])
        assert part.headers["content-range"] == f"bytes {start}-{stop - 1}/960"
    beyond = client.get(f"/{CHUNK}", headers={"Range": "bytes=960-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, "bytes */960")
    old = client.get(f"/{CHUNK}", headers={"Range": "bytes=3-9", "If-Range": '"older"'})
    assert (old.status_code, old.content) == (200, data)


@pytest.mark.parametrize(
    ("wanted", "part"),
    [
        (None, None),
        ("bytes=0-0", (0, 1)),
        ("bytes=2-", (2, 10)),
        ("bytes=2-99", (2, 10)),
        ("bytes=-3", (7, 10)),
        ("bytes=-99", (0, 10)),
        ("bytes=-0", (10, 10)),
        ("bytes=10-", (10, 10)),
        ("bytes=10-12", (10, 10)),
        ("bytes=5-4", None),
        ("bytes=-", None),
        ("bytes=1-2,4-5", None),
        ("bytes=1-" + "9" * 30, None),
        ("bytes=-1-2", None),
        ("bytes=٣-٤", None),
        ("lines=1-2", None),
    ],
)
def test_which_part_is_meant(wanted: str | None, part: tuple[int, int] | None) -> None:
    found = part_of(10, wanted)
    assert found == part or (found is not None and part is not None and found[0] >= 10)


@pytest.mark.parametrize("path", ["stack.inif", f"{STACK}/zarr.json", CHUNK])
def test_who_has_a_version_is_told_so(client: TestClient, folder: Path, path: str) -> None:
    first = client.get(f"/{path}")
    tag = first.headers["etag"]
    assert re.fullmatch(r'"[0-9a-f]{32}"', tag)
    assert first.headers["cache-control"] == "no-cache"
    for sent in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = client.get(f"/{path}", headers={"If-None-Match": sent})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert client.get(f"/{path}", headers={"If-None-Match": '"other"'}).status_code == 200
    os.replace(folder / "sub" / "two channels.inif", folder / "stack.inif")
    changed = client.get(f"/{path}", headers={"If-None-Match": tag})
    assert (changed.status_code, changed.headers["etag"] != tag) == (200, True)


def test_keys_have_marks_of_their_own() -> None:
    assert known('"a"', 'W/"a"')
    assert not known('"a"', None)
    assert not known('"a"', "a")


@pytest.mark.parametrize(
    "path",
    [
        "nothing.inif",
        "notes.txt",
        "sub",
        "stack.inif/zarr.json",
        "nothing.ome.zarr/zarr.json",
        "notes.txt.ome.zarr/zarr.json",
        f"{STACK}/.zattrs",
        f"{STACK}/9/zarr.json",
        f"{STACK}/0/c/4/0/0",
        f"{STACK}/0/c/0/0",
        f"{STACK}/0/c/00/0/0",
        f"{STACK}/0/c",
        f"{STACK}//zarr.json",
        ".hidden/a.inif",
        ".hidden/a.ome.zarr/zarr.json",
    ],
)
def test_what_is_not_there_is_404_in_json(client: TestClient, path: str) -> None:
    got = client.get(f"/{path}")
    assert (got.status_code, got.json()["error"]) == (404, "NotFound")


@pytest.mark.parametrize("method", ["post", "put", "delete", "patch"])
def test_nothing_can_be_changed(client: TestClient, method: str) -> None:
    for path in ("/", "/stack.inif", f"/{CHUNK}"):
        got = client.request(method, path)
        assert (got.status_code, got.json()["error"]) == (405, "MethodNotAllowed")


def test_browsers_may_ask_from_any_page(client: TestClient) -> None:
    ask = {
        "Origin": "https://viewer.example",
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "range",
        "Access-Control-Request-Private-Network": "true",
    }
    allowed = client.options(f"/{CHUNK}", headers=ask)
    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == "*"
    assert allowed.headers["access-control-allow-private-network"] == "true"
    assert "range" in allowed.headers["access-control-allow-headers"]
    for path, status in ((CHUNK, 200), ("nothing", 404), ("bad.ome.zarr/zarr.json", 422)):
        got = client.get(f"/{path}", headers={"Origin": "https://viewer.example"})
        assert (got.status_code, got.headers["access-control-allow-origin"]) == (status, "*")
        assert "Content-Range" in got.headers["access-control-expose-headers"]


# ---------------------------------------------------------------- damage and change


def test_a_damaged_file_says_so_and_others_go_on(client: TestClient, folder: Path) -> None:
    got = client.get("/bad.ome.zarr/zarr.json")
    assert got.status_code == 422
    body = got.json()
    assert (body["error"], body["file"]) == ("FormatError", "bad.inif")
    assert str(folder) not in got.text
    assert client.get(f"/{CHUNK}").status_code == 200


def test_damage_within_a_file_is_told_where_it_is_met(client: TestClient, folder: Path) -> None:
    data = bytearray((folder / "stack.inif").read_bytes())
    data[-20] ^= 255
    (folder / "stack.inif").write_bytes(data)
    assert client.get(f"/{STACK}/0/zarr.json").status_code == 200
    got = client.get(f"/{CHUNK}")
    assert (got.status_code, got.json()["problem"]) == (422, "a section is damaged")


def test_a_file_that_may_not_be_read(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> Any:
        raise InputError("the file cannot be read", file=path) from PermissionError(13, "denied")

    monkeypatch.setattr("inif.serve.shelf.open_file", refuse)
    got = client.get(f"/{CHUNK}")
    assert (got.status_code, got.json()["file"]) == (500, "stack.inif")


@pytest.mark.parametrize("error", [MemoryError(), InputError("no")])
def test_too_little_memory_or_files_is_503(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(path: Path) -> Any:
        raise error from OSError(24, "too many open files")

    monkeypatch.setattr("inif.serve.shelf.open_file", fail)
    got = client.get(f"/{CHUNK}")
    assert (got.status_code, got.headers["retry-after"]) == (503, "1")


def test_files_are_served_as_they_are_now(client: TestClient, folder: Path) -> None:
    first = client.get(f"/{CHUNK}").content
    os.replace(folder.parent / "secret.inif", folder / "new.inif")
    assert client.get("/new.ome.zarr/0/c/1/0/0").content == first
    (folder / "new.inif").unlink()
    assert client.get("/new.ome.zarr/0/c/1/0/0").status_code == 404
    os.replace(folder / "sub" / "two channels.inif", folder / "stack.inif")
    shape = client.get(f"/{STACK}/0/zarr.json").json()["shape"]
    assert shape == [2, 9, 8]


@pytest.mark.skipif(sys.platform != "linux", reason="counts open files as Linux tells of them")
def test_few_files_stay_open_and_none_at_the_end(folder: Path) -> None:
    def held() -> int:
        links = (os.readlink(f"/proc/self/fd/{n}") for n in os.listdir("/proc/self/fd") if here(n))
        return sum(link.startswith(str(folder)) for link in links)

    def here(number: str) -> bool:
        return os.path.lexists(f"/proc/self/fd/{number}")

    data = (folder / "stack.inif").read_bytes()
    with TestClient(app_of([folder])) as client:
        for number in range(20):
            (folder / f"{number}.inif").write_bytes(data)
            assert client.get(f"/{number}.ome.zarr/0/c/0/0/0").status_code == 200
            assert client.get(f"/{number}.inif").status_code == 200
        assert 1 < held() <= 8
    assert held() == 0


# ---------------------------------------------------------------- turns


def test_requests_wait_for_their_turn_and_too_many_are_sent_away() -> None:
    import anyio

    async def main() -> list[int]:
        turns, statuses, free = Turns(at_once=1, waiting=2), [], anyio.Event()

        async def make() -> Any:
            await free.wait()
            return refusal(404, "made")

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])
                if message["status"] == 503:
                    assert (b"retry-after", b"1") in message["headers"]

        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(InTurn(turns, make), {"type": "http", "method": "GET"}, None, send)
            await anyio.wait_all_tasks_blocked()
            assert statuses == [503, 503]
            free.set()
        return statuses

    assert anyio.run(main) == [503, 503, 404, 404, 404]


def test_who_waits_too_long_is_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    import anyio

    monkeypatch.setattr("inif.serve.answers.PATIENCE", 0.01)

    async def main() -> None:
        turns = Turns(at_once=1, waiting=2)
        async with turns.taken() as first, turns.taken() as second:
            assert (first, second) == (True, False)
        async with turns.taken() as third:
            assert third

    anyio.run(main)


def test_a_client_that_takes_nothing_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    import anyio

    monkeypatch.setattr("inif.serve.answers.SLOW", 0.01)
    sent: list[int] = []

    async def send(message: Any) -> None:
        sent.append(len(message.get("body", b"")))
        if len(sent) == 3:
            await anyio.sleep_forever()

    async def main() -> None:
        answer = Data(bytes(PIECE * 3 + 1), None, {}, "application/octet-stream")
        await answer({"type": "http", "method": "GET"}, None, send)  # type: ignore[arg-type]

    anyio.run(main)
    assert sent == [0, PIECE, PIECE]


def test_decoded_samples_take_no_more_memory_than_allowed(folder: Path) -> None:
    app = app_of([folder], memory=32 << 10)
    with TestClient(app) as client, app.state.shelf.lend(folder / "stack.inif") as opened:
        for z in range(4):
            assert client.get(f"/{STACK}/0/c/{z}/0/0").status_code == 200
        kept = [opened.file.kept.peek((0, z)) for z in range(4)]
        assert sum(k.nbytes for k in kept if k is not None) <= (32 << 10) * 3 // 4 // 8 // 2
        whole = np.asarray(opened.file)
    with inif.open(folder / "stack.inif") as file:
        np.testing.assert_array_equal(whole, np.asarray(file))
