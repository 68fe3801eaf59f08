"""Files of earlier releases keep their bytes and their meaning (tests/golden/README.md).

What is entropy coded comes back exactly on every machine. What a network makes of it is within the
format's tolerance (docs/format.md, "Verification"): `PART` of the range, for each of two decoders.
"""

from __future__ import annotations

import hashlib
import json
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from arithmetic import round_otherwise

import inif

pytestmark = pytest.mark.numerical

PART = 1e-5
FOLDER = Path(__file__).parents[1] / "golden"
MANIFEST: dict[str, Any] = json.loads((FOLDER / "manifest.json").read_text(encoding="utf-8"))

MAKE = runpy.run_path(str(FOLDER / "make.py"))
ROUNDED = sorted(name for name, stated in MANIFEST.items() if "samples" not in stated)
"""Whose samples a network or a codec may round otherwise elsewhere."""

golden = pytest.mark.parametrize("name", sorted(MANIFEST))


def test_the_manifest_names_every_file() -> None:
    assert {path.stem for path in FOLDER.glob("*.inif")} == set(MANIFEST)
    assert {path.stem for path in FOLDER.glob("*.npy")} == set(ROUNDED)
    assert set(MAKE["FILES"]) == set(MANIFEST)
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert all(f"| `{name}` |" in readme for name in MANIFEST)


@golden
def test_the_bytes_are_unchanged(name: str) -> None:
    data = (FOLDER / f"{name}.inif").read_bytes()
    assert hashlib.sha256(data).hexdigest() == MANIFEST[name]["sha256"]
    assert len(data) < 6000


@golden
def test_the_header_is_read_as_ever(name: str) -> None:
    header = MANIFEST[name]["header"]
    with inif.open(FOLDER / f"{name}.inif") as file:
        assert file.header == header
        assert file.axes == header["axes"]
        assert list(file.shape) == header["shape"]
        assert file.dtype == header["dtype"]


@golden
def test_what_is_the_same_everywhere_comes_back_exactly(name: str) -> None:
    with inif.open(FOLDER / f"{name}.inif") as file:
        stated = {key: MANIFEST[name][key] for key in ("coded", "samples") if key in MANIFEST[name]}
        assert MAKE["digests"](file) == stated


@pytest.mark.parametrize("name", ROUNDED)
def test_the_samples_are_decoded_as_ever(name: str) -> None:
    expected = np.load(FOLDER / f"{name}.npy", allow_pickle=False)
    with inif.open(FOLDER / f"{name}.inif") as file:
        decoded = np.asarray(file)
        assert (decoded.shape, decoded.dtype) == (expected.shape, expected.dtype)
        difference = np.abs(decoded.astype(np.float64) - expected.astype(np.float64))
        span = max(high - low for low, high in file.header["range"])
        if decoded.dtype.kind == "f":
            assert (difference <= PART * span + 2 * np.spacing(np.abs(expected))).all()
        else:
            assert difference.max() <= 1
            assert (difference > 0).mean() <= round_otherwise(2 * PART * span, decoded.size)


@golden
def test_the_file_verifies(name: str) -> None:
    report = inif.verify(FOLDER / f"{name}.inif")
    assert report["ok"], report["problems"]


def test_the_ome_xml_is_kept() -> None:
    with inif.open(FOLDER / "siren_x_int16_omex.inif") as file:
        assert 'Name="golden µ"' in file.ome


def test_metadata_is_kept() -> None:
    with inif.open(FOLDER / "siren_zyx_uint16.inif") as file:
        assert file.meta.name == "stack"
        assert file.meta.scale == {"Z": (0.5, "µm"), "Y": (0.1, "µm"), "X": (0.1, "µm")}
        assert [channel.name for channel in file.meta.channels] == ["DNA"]
