"""Damage of a sound file: cut anywhere, any bit changed, sent in text mode."""

from __future__ import annotations

from typing import Any

import pytest

from inif.container import Rejection, open_container
from inif.errors import FormatError, UnsupportedError

R = Rejection


def test_the_small_file_is_sound(kit: Any) -> None:
    data, edges = kit.small_file()
    container = open_container(data)
    assert container.check_all() == []
    assert edges[-1] == len(data)


def test_truncation_at_every_byte(kit: Any) -> None:
    data, _ = kit.small_file()
    for end in range(len(data)):
        with pytest.raises(FormatError) as caught:
            open_container(data[:end])
        assert caught.value.rejection is R.TRUNCATED, end


def test_truncation_at_every_section_boundary(kit: Any) -> None:
    data, edges = kit.small_file()
    for end in [0, 8, 17, *edges[:-1]]:
        error = kit.refused(data[:end])
        assert error.rejection is R.TRUNCATED
        assert "again" in error.fix


def test_a_byte_added_or_lost_anywhere(kit: Any) -> None:
    data, _ = kit.small_file()
    for at in range(len(data)):
        for changed in (data[:at] + b"\0" + data[at:], data[:at] + data[at + 1 :]):
            with pytest.raises((FormatError, UnsupportedError)):
                open_container(changed)
    assert kit.refused(data + b"\0").rejection is R.TRAILING_BYTES


def test_every_bit_of_the_file(kit: Any) -> None:
    data, edges = kit.small_file()
    for bit in range(8 * len(data)):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        if bit // 8 < edges[0]:
            with pytest.raises((FormatError, UnsupportedError)) as caught:
                open_container(bytes(changed))
            assert caught.value.rejection in _expected_of_byte(bit // 8), bit
        else:
            container = open_container(bytes(changed))
            (problem,) = container.check_all()
            assert problem.rejection is R.SECTION_CRC
            bad = [s for s in container.sections if problem.field == s.label]
            assert bad[0].offset <= bit // 8 < bad[0].offset + bad[0].length
            with pytest.raises(FormatError):
                container.read(bad[0])


def _expected_of_byte(at: int) -> set[Rejection]:
    if at < 8:
        return {R.BAD_MAGIC, R.TEXT_MODE_DAMAGE}
    if at == 8:
        return {R.BAD_VERSION}
    if 13 <= at < 17:
        return {R.TABLE_CRC, R.TRUNCATED, R.HEADER_TOO_LARGE, R.TABLE_TOO_LARGE}
    return {R.TABLE_CRC}


def test_a_damaged_section_spares_the_others(kit: Any) -> None:
    data, edges = kit.small_file()
    changed = bytearray(data)
    changed[edges[1]] ^= 255
    container = open_container(bytes(changed))
    assert container.read(container.require(b"QWTS", 0)) == b"first brick"
    assert [p.rejection for p in container.check_all()] == [R.SECTION_CRC]


@pytest.mark.parametrize(
    "transfer",
    [
        lambda d: d.replace(b"\r\n", b"\n"),
        lambda d: d.replace(b"\n", b"\r\n"),
        lambda d: d.replace(b"\r", b""),
        lambda d: d.replace(b"\r", b"\n"),
        lambda d: bytes(c & 127 for c in d),
        lambda d: d.decode("latin-1").encode("utf-8"),
        lambda d: d.decode("utf-8", "replace").encode("utf-8"),
        lambda d: d.decode("ascii", "replace").encode("ascii", "replace"),
    ],
)
def test_text_mode_is_named(kit: Any, transfer: Any) -> None:
    error = kit.refused(transfer(kit.small_file()[0]))
    assert error.rejection is R.TEXT_MODE_DAMAGE
    assert "text mode" in str(error)
    assert "binary" in error.fix


def test_a_text_mode_reader_that_stops_at_ctrl_z(kit: Any) -> None:
    data, _ = kit.small_file()
    assert kit.refused(data[: data.index(b"\x1a")]).rejection is R.TRUNCATED


@pytest.mark.parametrize("data", [b"II*\0" + bytes(40), b"\x89PNG\r\n\x1a\n", bytes(100), b"{}"])
def test_other_files_are_not_ours(kit: Any, data: bytes) -> None:
    assert kit.refused(data).rejection is R.BAD_MAGIC


def test_nothing_at_all(kit: Any) -> None:
    assert kit.refused(b"").rejection is R.TRUNCATED
