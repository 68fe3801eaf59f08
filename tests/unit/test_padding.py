"""Files made larger: to the byte, of every kind, and readable as before."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from inif.config import Window
from inif.container.padding import KIND, padded
from inif.container.reader import open_container
from inif.container.writer import Section, pack, packed_size


def header_of(bricks: int = 1, **lossy: Any) -> dict[str, Any]:
    return {
        "axes": "YX",
        "shape": [bricks, 60],
        "brick": [1, 60],
        "dtype": "uint8",
        "range": [[3, 250]],
        "field": {"kind": "siren", "layers": 7, "width": 6},
        "lossy": lossy,
        "requires": ["siren/1", "qweights/1"],
    }


@given(
    st.text("0123456789abcdef", max_size=64),
    st.floats(0, 100),
    st.integers(0, 120),
    st.sampled_from([0, 1, 17, 4000]),
)
def test_every_size_is_met_to_the_byte(digest: str, psnr: float, more: int, length: int) -> None:
    header = header_of(sha256=digest, psnr=psnr)
    sections = [Section(b"QWTS", bytes(length), 0)]
    size = len(pack(header, sections)) + more
    data = padded(header, sections, Window(size, size)).to_bytes()
    assert len(data) == size
    with open_container(data) as container:
        assert container.header == header
        assert container.read(container.require(b"QWTS", 0)) == bytes(length)
        assert not container.check_all()


@pytest.mark.parametrize("bricks", [1, 63, 64, 65, 300])
@pytest.mark.parametrize("more", [1, 20, 33, 700, 5000])
def test_files_of_many_sections_too(bricks: int, more: int) -> None:
    header = header_of(bricks)
    sections = [Section(b"QWTS", b"weights", brick) for brick in range(bricks)]
    size = packed_size(header, sections) + more
    assert padded(header, sections, Window(size, size)).size == size


def test_what_is_large_enough_stays_as_it_is() -> None:
    header, sections = header_of(), [Section(b"QWTS", bytes(50), 0)]
    plain = pack(header, sections)
    for window in (Window(0, 10), Window(len(plain), len(plain)), Window(0, 10**6)):
        assert padded(header, sections, window).to_bytes() == plain


def test_much_is_a_section_of_zeros() -> None:
    header, sections = header_of(), [Section(b"QWTS", bytes(50), 0)]
    data = padded(header, sections, Window(3000, 3010)).to_bytes()
    assert len(data) == 3000
    with open_container(data) as container:
        (fill,) = (s for s in container.sections if s.kind == KIND)
        assert not any(container.read(fill))
