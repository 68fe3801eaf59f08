"""A file appears whole or not at all, and only if the reader would take it."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Any, NoReturn

import pytest

from inif.container import Rejection, Section, pack, write_file
from inif.errors import FormatError, InputError, UnsupportedError

HEADER: dict[str, Any] = {
    "axes": "YX",
    "shape": [4, 4],
    "dtype": "uint8",
    "range": [[0, 9]],
    "field": {"kind": "siren"},
    "requires": [],
}


@pytest.mark.parametrize("sync", [False, True])
def test_write_file_replaces_the_target(tmp_path: Path, sync: bool) -> None:
    target = tmp_path / "a.inif"
    write_file(target, b"one", sync=sync)
    write_file(target, b"two", overwrite=True, sync=sync)
    assert target.read_bytes() == b"two"
    assert os.listdir(tmp_path) == ["a.inif"]


def test_write_file_honours_the_umask(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        write_file(tmp_path / "a.inif", b"x")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "a.inif").stat().st_mode) == 0o640


def test_write_file_follows_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write_file(tmp_path / "link", b"x")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"x"


def test_write_file_accepts_a_long_name(tmp_path: Path) -> None:
    write_file(tmp_path / ("n" * 250), b"x")


@pytest.mark.parametrize("where", ["replace", "fsync"])
def test_a_full_disk_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    target = tmp_path / "a.inif"
    target.write_bytes(b"old")

    def full(*_: object) -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, where, full)
    with pytest.raises(InputError, match="No space left") as caught:
        write_file(target, b"new", overwrite=True, sync=True)
    assert caught.value.file == str(target)
    assert target.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.inif"]


def test_an_interrupt_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_file(tmp_path / "a.inif", b"new", overwrite=True)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["missing/a.inif", ".", "a\0b", "n" * 300])
def test_an_impossible_target_is_one_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError):
        write_file(f"{tmp_path}/{name}", b"x")
    assert os.listdir(tmp_path) == []


def test_a_device_is_not_replaced() -> None:
    with pytest.raises(InputError, match="not a file"):
        write_file(os.devnull, b"x", overwrite=True)
    assert not os.path.isfile(os.devnull)


@pytest.mark.parametrize(
    ("sections", "why"),
    [
        ([Section(b"QWTS", b"a", 0), Section(b"QWTS", b"b", 0)], Rejection.SECTION_DUPLICATE),
        ([Section(b"QWTS", b"a", 1)], Rejection.SECTION_BRICK),
        ([Section(b"Q TS", b"a", 0)], Rejection.SECTION_KIND),
        ([Section(b"abc", b"a", 0)], Rejection.SECTION_KIND),
        ([Section(b"4abc", b"a", 0)], Rejection.SECTION_KIND),
    ],
)
def test_pack_refuses_what_the_reader_refuses(sections: list[Section], why: Rejection) -> None:
    with pytest.raises(FormatError) as caught:
        pack(HEADER, sections)
    assert caught.value.rejection is why


def test_pack_refuses_an_unknown_critical_kind_unless_told_of_it() -> None:
    parts = [Section(b"MOVE", b"stream", 0)]
    with pytest.raises(UnsupportedError, match="MOVE") as caught:
        pack(HEADER, parts)
    assert caught.value.rejection is Rejection.UNKNOWN_SECTION
    assert pack(HEADER, parts, kinds={b"MOVE"})


def test_pack_refuses_a_bad_header() -> None:
    with pytest.raises(FormatError, match="shape"):
        pack({**HEADER, "shape": [0, 4]}, [])
