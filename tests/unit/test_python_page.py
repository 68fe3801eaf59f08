"""The examples of docs/python.md give what the page says."""

from __future__ import annotations

import doctest
import re
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
import pytest

import inif
from inif.image import Channel, Image, Metadata

PAGE = Path(__file__).parents[2] / "docs/python.md"


def test_the_examples_of_the_page_are_true(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("dask", "xarray", "bioio"):
        pytest.importorskip(package)
    for group, name in (("bioio.readers", "bioinif"), ("xarray.backends", "inif")):
        if name not in entry_points(group=group).names:
            pytest.skip(f"inif was installed before it had the entry point {name} of {group}")
    monkeypatch.chdir(tmp_path)
    z, y, x = np.mgrid[:12, :96, :80]
    waves = [1000 + 400 * np.sin(x / 9 + z / 4 + c) * np.cos(y / 11) for c in range(2)]
    scale = {"Z": (0.5, "µm"), "Y": (0.1, "µm"), "X": (0.1, "µm")}
    meta = Metadata("cells", scale, (Channel("DNA"), Channel("actin")))
    image = Image(np.array(waves).astype(np.uint16), "CZYX", meta)
    inif.compress(image, out="cells.inif", ratio=16, method="latent").close()

    text = re.sub("^```.*$", "", PAGE.read_text("utf-8"), flags=re.MULTILINE)
    page = doctest.DocTestParser().get_doctest(text, {}, PAGE.name, str(PAGE), 0)
    assert len(page.examples) > 30
    said: list[str] = []
    runner = doctest.DocTestRunner(verbose=False)
    assert runner.run(page, out=said.append).failed == 0, "".join(said)
