"""What a user must know reaches stderr and the JSON, asked for or not."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from inif.cli.common import remarks_noted
from inif.errors import RemarkWarning


@pytest.fixture
def negative(tmp_path: Path) -> Path:
    """A film negative: 0 is white."""
    path = tmp_path / "negative.tif"
    data = np.random.default_rng(0).integers(0, 4000, (16, 20)).astype(np.uint16)
    tifffile.imwrite(path, data, photometric="miniswhite")
    return path


@pytest.mark.parametrize("flags", [(), ("--quiet",), ("--json",), ("--quiet", "--json")])
def test_a_remark_is_never_silent(
    negative: Path, flags: tuple[str, ...], cli: Callable[..., Any]
) -> None:
    done = cli("compress", negative, "--lossless", *flags)
    assert done.stderr.count("0 is white") == 1
    if "--json" in flags:
        assert any("0 is white" in remark for remark in done.json["remarks"])


def test_remarks_show_when_they_are_made(capsys: pytest.CaptureFixture[str]) -> None:
    with remarks_noted(quiet=True) as remarks:
        warnings.warn("first", RemarkWarning, stacklevel=1)
        assert remarks == ["first"]
        assert "warning: first" in capsys.readouterr().err


def test_other_warnings_are_left_alone() -> None:
    with pytest.warns(DeprecationWarning, match="old"), remarks_noted(quiet=False) as remarks:
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    assert not remarks
