"""Sections that wait in a temporary file: none is lost, mixed up, or in memory twice."""

from __future__ import annotations

import errno
import os
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NoReturn

import pytest

from inif.container import Section, Spool, Stored, assemble, open_container, spool, write_file
from inif.errors import InputError

HEADER: dict[str, Any] = {
    "axes": "ZYX",
    "shape": [64, 4, 4],
    "brick": [1, 4, 4],
    "dtype": "uint8",
    "range": [[0, 9]],
    "field": {"kind": "siren"},
    "requires": [],
}


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A spool that begins its file early."""
    monkeypatch.setattr(spool, "IN_MEMORY", 100)


@pytest.mark.usefixtures("small")
def test_threads_get_back_what_they_put_aside(tmp_path: Path) -> None:
    parts = [bytes([i]) * (7 * i % 50) for i in range(64)]
    with Spool(tmp_path) as waiting, ThreadPoolExecutor(4) as pool:
        kept = list(pool.map(waiting.keep, parts))
        assert [len(one) for one in kept] == [len(part) for part in parts]
        assert list(pool.map(Stored.read, kept)) == parts
    assert os.listdir(tmp_path) == []


@pytest.mark.usefixtures("small")
def test_a_file_of_spooled_sections_is_the_file_of_their_bytes(tmp_path: Path) -> None:
    parts = [os.urandom(9) for _ in range(64)]
    target = tmp_path / "a.inif"
    with Spool(tmp_path) as waiting:
        stored = [Section(b"QWTS", waiting.keep(p), b) for b, p in enumerate(parts)]
        packed = assemble(HEADER, stored)
        write_file(target, packed)
    plain = assemble(HEADER, [Section(b"QWTS", p, b) for b, p in enumerate(parts)])
    assert target.read_bytes() == plain.to_bytes()
    assert packed.size == plain.size == target.stat().st_size
    assert os.listdir(tmp_path) == ["a.inif"]
    with open_container(target) as container:
        assert not container.check_all()


@pytest.mark.usefixtures("small")
def test_writing_holds_one_section_at_a_time(tmp_path: Path) -> None:
    size = 1 << 16
    with Spool(tmp_path) as waiting:
        stored = [Section(b"QWTS", waiting.keep(bytes(size)), b) for b in range(64)]
        tracemalloc.start()
        write_file(tmp_path / "a.inif", assemble(HEADER, stored))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 8 * size


@pytest.mark.usefixtures("small")
def test_a_full_disk_is_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device")

    with Spool(tmp_path) as waiting:
        monkeypatch.setattr(waiting._file, "write", full)
        with pytest.raises(InputError, match="No space left") as caught:
            waiting.keep(b"data")
    assert caught.value.file == str(tmp_path)


@pytest.mark.usefixtures("small")
def test_what_a_disk_has_changed_is_not_written_to_the_output(tmp_path: Path) -> None:
    with Spool(tmp_path) as waiting:
        section = Section(b"QWTS", waiting.keep(bytes(200)), 0)
        waiting._file.seek(3)
        waiting._file.write(b"x")
        with pytest.raises(InputError, match="other bytes"):
            write_file(tmp_path / "a.inif", assemble(HEADER, [section]))
    assert os.listdir(tmp_path) == []
