"""LEB128: every number back, and no reading beyond the end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inif.coding import leb128


@given(st.integers(0, 2**56 - 1), st.binary(max_size=3))
def test_numbers_come_back(value, after):
    data = leb128.write(value)
    assert leb128.read(b"x" + data + after, 1) == (value, 1 + len(data))
    assert len(data) == max(1, -(-value.bit_length() // 7))


@pytest.mark.parametrize("data", [b"", b"\x80", b"\xff" * 8, b"\x80" * 9 + b"\x01", b"\xff" * 99])
def test_what_is_no_number_is_refused(data):
    with pytest.raises(ValueError, match="no length"):
        leb128.read(data, 0)
