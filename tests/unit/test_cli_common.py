"""The small parts of the command line: sizes, names, JSON."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from inif.cli import common
from inif.errors import InputError
from inif.progress import format_time


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("20000", 20_000),
        ("20kB", 20_000),
        ("20 k", 20_000),
        ("1.5MB", 1_500_000),
        ("64KiB", 65_536),
        ("2gb", 2_000_000_000),
        (" 7B ", 7),
    ],
)
def test_sizes(text: str, count: int) -> None:
    assert common.parse_size(text) == count


@pytest.mark.parametrize("text", ["", "kB", "0", "-5", "1e400", "nan", "1.2.3", "5 TB", "0.1", "٣"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="--size"):
        common.parse_size(text)


def test_json_is_standard_json(capsys: pytest.CaptureFixture[str]) -> None:
    body = {
        "a": np.float32(0.5),
        "b": math.inf,
        "c": np.array([1, 2]),
        "d": (np.int64(3), Path("x")),
        "e": {"n": math.nan, "t": np.bool_(True)},
    }
    common.emit_json(body)
    printed = capsys.readouterr().out
    assert json.loads(printed) == {
        "a": 0.5,
        "b": None,
        "c": [1, 2],
        "d": [3, "x"],
        "e": {"n": None, "t": True},
    }
    assert printed.count("\n") == 1


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (61_440, "61.4 kB"), (7.86e6, "7.86 MB")]
)
def test_sizes_for_people(count: float, text: str) -> None:
    assert common.format_size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59, "59 s"), (185, "3:05"), (3760, "1:02:40"), (-1, "0 s")]
)
def test_times_for_people(seconds: float, text: str) -> None:
    assert format_time(seconds) == text
