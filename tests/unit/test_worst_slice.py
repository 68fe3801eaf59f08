"""The plane of the lowest PSNR that a file names is the one that an evaluation finds."""

from __future__ import annotations

import re
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from test_latent import smooth
from typer.testing import CliRunner

import inif
import inif.decode.latent  # with the limit that it has, not that of a test
from inif.cli.app import app
from inif.container.validate import validate_header
from inif.errors import FormatError

SHAPE = {"T": 2, "C": 2, "Z": 6, "Y": 128, "X": 160}


def image(axes: str, **odd: int) -> np.ndarray:
    """Smooth, but for one plane of noise."""
    data = smooth(tuple(SHAPE[a] for a in axes))
    where = tuple(odd.get(a, slice(None)) for a in axes)
    noise = np.random.default_rng(5).normal(0, 300, data[where].shape)
    data[where] = np.clip(data[where] + noise, 0, 4000).astype(data.dtype)
    return data


@pytest.mark.parametrize(
    ("axes", "odd", "options"),
    [
        ("ZYX", {"Z": 4}, {"method": "latent", "ratio": 10}),
        ("ZYX", {"Z": 4}, {"method": "latent", "psnr": 36}),
        ("ZYX", {"Z": 4}, {"method": "hybrid", "ratio": 10, "effort": 1}),
        ("ZYX", {"Z": 4}, {"max_error": 60}),
        ("YXC", {"C": 1}, {"method": "latent", "psnr": 36}),
        ("ZX", {}, {"method": "latent", "psnr": 36}),
        ("TCZYX", {"T": 1, "C": 0, "Z": 3}, {"method": "latent", "ratio": 20}),
    ],
)
def test_it_is_the_one_that_an_evaluation_finds(
    axes: str, odd: dict[str, int], options: dict[str, Any]
) -> None:
    data = image(axes, **odd)
    with patch("inif.latent.layout.MOST_VOXELS", 2 * 64 * 160):  # several bricks
        file = inif.compress(data, axes=axes, **options)
    found = inif.evaluate(data, file, axes=axes).worst_slice
    stated = dict(file.header["lossy"].get("worst_slice", {}))
    if not found.index:
        assert not stated
        return
    assert stated.pop("psnr") == pytest.approx(found.psnr, abs=0.006)
    assert stated == found.index


def test_a_field_states_it() -> None:
    data = image("ZYX", Z=2)
    file = inif.compress(data, axes="ZYX", method="siren", ratio=14, effort=1)
    found = inif.evaluate(data, file, axes="ZYX").worst_slice
    assert file.header["lossy"]["worst_slice"] == found.index | {"psnr": round(found.psnr, 2)}


@pytest.mark.parametrize(
    ("shape", "axes", "options"),
    [
        ((6, 32, 32), "ZYX", {"ratio": 10}),  # a small file has no room for it
        ((256, 256), "YX", {"psnr": 40}),
        ((1, 256, 256), "ZYX", {"psnr": 40}),
        ((6, 128, 128), "ZYX", {"lossless": True}),
    ],
)
def test_where_it_says_nothing(shape: tuple[int, ...], axes: str, options: dict[str, Any]) -> None:
    file = inif.compress(smooth(shape), axes=axes, method="auto", **options)
    assert "worst_slice" not in file.header.get("lossy", {})


def test_people_see_it(tmp_path: Any) -> None:
    source, out = tmp_path / "a.npy", tmp_path / "a.inif"
    np.save(source, image("ZYX", Z=4))
    words = ["compress", str(source), "-o", str(out), "--axes", "ZYX", "--ratio", "10"]
    made = CliRunner().invoke(app, words)
    assert made.exit_code == 0, made.output
    seen = CliRunner().invoke(app, ["info", str(out)])
    for text in (made.output, seen.output):
        assert re.search(r"worst slice +slice z=\d: \d\d\.\d+ dB", text)


@pytest.mark.parametrize("bad", ["z=3", {"z": 1.5}, {"z": 3, "psnr": "high"}])
def test_another_type_is_refused(bad: Any) -> None:
    file = inif.compress(smooth((2, 40, 50)), axes="ZYX", method="latent", ratio=12)
    header = file.header | {"lossy": {"worst_slice": bad}}
    with pytest.raises(FormatError, match="worst_slice"):
        validate_header(header, "a.inif")
