"""Downloads: whole, resumed, checked; what a server can do wrong ends in one clear error."""

from __future__ import annotations

import errno
import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from inif.errors import InputError
from inif_bench.datasets import DataFile, Dataset, find_dataset, load_manifest
from inif_bench.fetch import fetch

BODY = bytes(range(256)) * 9000  # 2.3 MB: three pieces
SHA = "sha256:" + hashlib.sha256(BODY).hexdigest()


class Server(ThreadingHTTPServer):
    """A server that misbehaves on request; `log` holds (path, Range, If-Range) of each request."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.log: list[tuple[str, str | None, str | None]] = []
        self.drop_after: list[int] = []  # for the next requests: bytes, then hang up
        self.fail_with: list[int] = []  # for the next requests: a status
        self.ranges = True
        self.announce: int | None = None
        self.body = BODY
        self.etag = '"one"'
        self.location: str | None = None

    def file(self, name="a.bin", *, size: int | None = len(BODY), checksum=SHA) -> DataFile:
        return DataFile(f"http://127.0.0.1:{self.server_port}/{name}", name, size, checksum)


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server = self.server
        wanted, mark = self.headers.get("Range"), self.headers.get("If-Range")
        server.log.append((self.path, wanted, mark))
        if server.location:
            self.send_response(302)
            self.send_header("Location", server.location)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if server.fail_with:
            self.send_error(server.fail_with.pop(0))
            return
        body, first = server.body, 0
        if wanted and server.ranges and mark in (None, server.etag):
            first = int(wanted.removeprefix("bytes=").rstrip("-"))
            if first >= len(body):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(body)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{len(body) - 1}/{len(body)}")
        else:
            self.send_response(200)
        length = len(body) - first if server.announce is None else server.announce
        self.send_header("Content-Length", str(length))
        self.send_header("ETag", server.etag)
        self.end_headers()
        stop = first + server.drop_after.pop(0) if server.drop_after else len(body)
        self.wfile.write(body[first:stop])

    def log_message(self, *args: object) -> None:
        """Nothing on stderr."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as served:
        thread = threading.Thread(target=served.serve_forever, args=(0.01,))
        thread.start()
        yield served
        served.shutdown()
        thread.join()


def dataset(*files: DataFile) -> Dataset:
    return Dataset("x", "t", "u", "ZYX", (64.0,), "http://s", "CC0", "n", "do it by hand", files)


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_a_file_is_fetched_whole(server, tmp_path):
    steps = []
    (found,) = fetch(dataset(server.file()), tmp_path, lambda *s: steps.append(s[1:]))
    assert found.path.read_bytes() == BODY
    assert found.checked
    assert SHA.endswith(found.sha256)
    assert names(tmp_path) == ["a.bin"]
    assert steps[-1] == (len(BODY), len(BODY))
    assert [s[0] for s in steps] == sorted(s[0] for s in steps)


def test_what_is_there_is_not_fetched_again(server, tmp_path):
    fetch(dataset(server.file()), tmp_path)
    fetch(dataset(server.file()), tmp_path)
    assert len(server.log) == 1


def test_a_broken_download_is_resumed_at_once(server, tmp_path):
    server.drop_after = [1_000_000]
    (found,) = fetch(dataset(server.file()), tmp_path, pause=0)
    assert found.path.read_bytes() == BODY
    assert [r[1:] for r in server.log] == [(None, None), ("bytes=1000000-", '"one"')]


def test_a_stopped_download_is_resumed_by_the_next_call(server, tmp_path):
    server.drop_after = [1_000_000, 0, 0, 0]
    with pytest.raises(InputError, match="it resumes"):
        fetch(dataset(server.file()), tmp_path, pause=0)
    assert (tmp_path / "a.bin.part").stat().st_size == 1_000_000
    assert not (tmp_path / "a.bin").exists()
    (found,) = fetch(dataset(server.file()), tmp_path, pause=0)
    assert found.path.read_bytes() == BODY
    assert server.log[-1][1] == "bytes=1000000-"
    assert names(tmp_path) == ["a.bin"]


def test_a_server_without_ranges_starts_again(server, tmp_path):
    server.ranges = False
    server.drop_after = [1_000_000]
    (found,) = fetch(dataset(server.file()), tmp_path, pause=0)
    assert found.path.read_bytes() == BODY


def test_a_file_that_changed_meanwhile_starts_again(server, tmp_path):
    server.drop_after = [1_000_000, 0, 0, 0]
    with pytest.raises(InputError):
        fetch(dataset(server.file()), tmp_path, pause=0)
    server.body, server.etag = BODY[::-1], '"two"'
    wanted = "sha256:" + hashlib.sha256(server.body).hexdigest()
    (found,) = fetch(dataset(server.file(checksum=wanted)), tmp_path, pause=0)
    assert found.path.read_bytes() == server.body


def test_a_part_that_is_whole_is_only_checked(server, tmp_path):
    (tmp_path / "a.bin.part").write_bytes(BODY)
    (found,) = fetch(dataset(server.file()), tmp_path)
    assert found.path.read_bytes() == BODY
    assert not server.log
    (tmp_path / "b.bin.part").write_bytes(BODY)
    fetch(dataset(server.file("b.bin", size=None)), tmp_path)  # size unknown: the server says 416
    assert len(server.log) == 1


def test_a_part_that_is_too_long_starts_again(server, tmp_path):
    (tmp_path / "a.bin.part").write_bytes(BODY + b"more")
    (found,) = fetch(dataset(server.file(size=None)), tmp_path, pause=0)
    assert found.path.read_bytes() == BODY


@pytest.mark.parametrize("kind", ["sha256", "md5", "git"])
def test_a_wrong_checksum_leaves_nothing(server, tmp_path, kind):
    length = {"sha256": 64, "md5": 32, "git": 40}[kind]
    with pytest.raises(InputError, match="not what it should be") as caught:
        fetch(dataset(server.file(checksum=f"{kind}:{'0' * length}")), tmp_path)
    assert caught.value.expected == "0" * length
    assert caught.value.got
    assert names(tmp_path) == []


def test_checksums_as_git_and_md5_make_them(server, tmp_path):
    git = hashlib.sha1(b"blob %d\0" % len(BODY) + BODY, usedforsecurity=False).hexdigest()
    md5 = hashlib.md5(BODY, usedforsecurity=False).hexdigest()
    files = [server.file("a", checksum=f"git:{git}"), server.file("b", checksum=f"md5:{md5}")]
    assert all(f.checked for f in fetch(dataset(*files), tmp_path))


def test_a_file_of_somebody_else_is_not_removed(server, tmp_path):
    (tmp_path / "a.bin").write_bytes(b"mine")
    with pytest.raises(InputError, match="move the file away"):
        fetch(dataset(server.file()), tmp_path)
    assert (tmp_path / "a.bin").read_bytes() == b"mine"


def test_without_a_published_checksum_the_first_one_is_kept(server, tmp_path):
    file = server.file(size=None, checksum=None)
    (found,) = fetch(dataset(file), tmp_path)
    assert not found.checked
    assert names(tmp_path) == ["a.bin", "a.bin.sha256"]
    (tmp_path / "a.bin").write_bytes(b"changed")
    with pytest.raises(InputError, match="not what it should be"):
        fetch(dataset(file), tmp_path)


def test_trouble_on_the_server_is_waited_out(server, tmp_path):
    server.fail_with = [503, 500]
    (found,) = fetch(dataset(server.file()), tmp_path, pause=0)
    assert found.path.read_bytes() == BODY
    server.fail_with = [503] * 10
    with pytest.raises(InputError, match="503"):
        fetch(dataset(server.file("b.bin")), tmp_path, pause=0)
    assert len(server.log) == 3 + 4


def test_a_missing_file_is_not_asked_for_twice(server, tmp_path):
    server.fail_with = [404] * 5
    with pytest.raises(InputError, match="404"):
        fetch(dataset(server.file()), tmp_path)
    assert len(server.log) == 1
    assert names(tmp_path) == []


def test_no_server_at_all(tmp_path, server):
    file = server.file()
    server.shutdown()
    server.server_close()
    with pytest.raises(InputError, match="run the same command again"):
        fetch(dataset(file), tmp_path, pause=0)


def test_a_file_of_another_size_is_refused(server, tmp_path):
    with pytest.raises(InputError, match="size") as caught:
        fetch(dataset(server.file(size=1000)), tmp_path, pause=0)
    assert caught.value.expected == "1000"


def test_more_bytes_than_announced_are_not_taken(server, tmp_path):
    server.announce = 1_000_000
    with pytest.raises(InputError):
        fetch(dataset(server.file(size=None)), tmp_path, pause=0)
    assert not (tmp_path / "a.bin").exists()


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/a"])
def test_redirects_leave_the_web_for_nothing(server, tmp_path, target):
    server.location = target
    with pytest.raises(InputError, match=r"no web address|not allowed"):
        fetch(dataset(server.file()), tmp_path)
    assert names(tmp_path) == []


def test_a_full_disk_is_named(server, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("inif_bench.fetch._copy", full)
    with pytest.raises(InputError, match="No space left") as caught:
        fetch(dataset(server.file()), tmp_path)
    assert "make room" in caught.value.fix


def test_sets_without_files_say_what_to_do(tmp_path):
    with pytest.raises(InputError, match="do it by hand"):
        fetch(dataset(), tmp_path)


def test_the_package_lists_the_papers_data():
    manifest = load_manifest()
    assert {d.name for d in manifest} == {"hipsc-dna", "tnni1", "tribolium", "tnbc", "organoid"}
    assert find_dataset("tnbc", manifest).axes == "CYX"
    for entry in manifest:
        assert entry.licence
        assert entry.how
        assert all(f.checksum for f in entry.files)
    with pytest.raises(InputError, match="hipsc-dna"):
        find_dataset("nothing", manifest)


def manifest_of(tmp_path: Path, **changes) -> Path:
    file = {"url": "http://h/f", "path": "f", "bytes": None, "checksum": None}
    file |= {k: v for k, v in changes.items() if k in file}
    texts = ("name", "title", "used_for", "axes", "source", "licence", "licence_note", "how")
    entry = {**dict.fromkeys(texts, "x"), "ratios": [64], "files": [file]}
    entry |= {k: v for k, v in changes.items() if k not in file}
    path = tmp_path / "m.json"
    path.write_text(json.dumps([entry]))
    return path


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"url": "file:///etc/passwd"}, "url"),
        ({"url": "ftp://h/f"}, "url"),
        ({"url": 3}, "url"),
        ({"path": "../f"}, "path"),
        ({"path": "/f"}, "path"),
        ({"path": "a\\b"}, "path"),
        ({"path": "C:f"}, "path"),
        ({"path": ""}, "path"),
        ({"bytes": -1}, "bytes"),
        ({"bytes": True}, "bytes"),
        ({"checksum": "sha256:zz"}, "checksum"),
        ({"checksum": "crc:" + "0" * 8}, "checksum"),
        ({"ratios": [0]}, "ratios"),
        ({"ratios": "64"}, "ratios"),
        ({"files": {}}, "files"),
        ({"files": [{}]}, "files"),
        ({"title": ""}, "title"),
        ({"extra": 1}, "a data set"),
    ],
)
def test_a_bad_manifest_is_refused(tmp_path, changes, field):
    with pytest.raises(InputError) as caught:
        load_manifest(manifest_of(tmp_path, **changes))
    assert caught.value.field == field


@pytest.mark.parametrize("text", ["", "{}", "[]", "[1]", "not json"])
def test_what_is_no_manifest_is_refused(tmp_path, text):
    path = tmp_path / "m.json"
    path.write_text(text)
    with pytest.raises(InputError):
        load_manifest(path)
    with pytest.raises(InputError):
        load_manifest(tmp_path / "missing.json")


def test_the_command(cli, server, tmp_path):
    file = {"url": server.file().url, "path": "sub/a.bin", "bytes": len(BODY), "checksum": SHA}
    manifest = manifest_of(tmp_path, files=[file], name="mine")
    words = ["fetch", "mine", "--manifest", manifest, "-o", tmp_path / "out"]
    done = cli(*words, "--json", "--quiet")
    assert done.code == 0
    assert done.json["files"][0]["checked"]
    assert (tmp_path / "out" / "sub" / "a.bin").read_bytes() == BODY
    assert "inif-bench run" in cli(*words).stderr
    assert "mine" in cli("fetch", "--list", "--manifest", manifest).stdout
    listed = cli("fetch", "--list", "--json").json["datasets"]
    assert len(listed) == 5


@pytest.mark.parametrize("words", [[], ["nothing"], ["organoid"]])
def test_the_command_says_what_it_cannot_do(cli, tmp_path, words):
    done = cli("fetch", *words, "-o", tmp_path / "out")
    assert done.code == 2
    assert "error:" in done.stderr
    assert not (tmp_path / "out").exists()
