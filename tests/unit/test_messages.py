"""What the commands say of a region, a table of points or a path that they cannot use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import inif
from inif.errors import SelectionError
from inif.image import Channel, Metadata

Cli = Callable[..., Any]


@pytest.fixture
def here(
    random_file: Callable[..., bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A folder with a.inif (CZYX, channels "DNA" and "488") and b.inif (ZYX)."""
    names = Metadata(channels=(Channel("DNA"), Channel("488")))
    (tmp_path / "a.inif").write_bytes(random_file("CZYX", (2, 3, 9, 8), meta=names))
    (tmp_path / "b.inif").write_bytes(random_file("ZYX", (3, 9, 8)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("file", "region", "axis", "word"),
    [
        ("b.inif", "z=1;y=2", "z", "commas"),
        ("b.inif", "z=1 y=2", "z", "commas"),
        ("b.inif", "z=1.5", "z", "whole numbers"),
        ("b.inif", "z=1-2", "z", "whole numbers"),
        ("b.inif", "z=one", "z", "whole numbers"),
        ("b.inif", "y=0:5,x=3:b", "x", "whole numbers"),
        ("b.inif", "y=0:5:0", "y", "whole numbers"),
        ("b.inif", "y=1:2:3:4", "y", "whole numbers"),
        ("b.inif", "z=99", "z", "-3 … 2"),
        ("b.inif", "z=-4", "z", "-3 … 2"),
        ("b.inif", "y=5:5", "y", "0 … 8"),
        ("b.inif", "y=2,x=50:60", "x", "0 … 7"),
        ("b.inif", "z=1,Z=2", "Z", "once"),
        ("b.inif", "c=1", "c", "ZYX"),
        ("a.inif", "c=GFP", "c", "DNA, 488"),
        ("a.inif", "c=DNA;z=1", "c", "commas"),
        ("a.inif", "c=5", "c", "-2 … 1"),
    ],
)
def test_a_bad_region_names_its_axis_and_the_file(
    cli: Cli, here: Path, file: str, region: str, axis: str, word: str
) -> None:
    body = cli("decompress", file, "-o", "x.npy", "--region", region, "--json").json
    assert body["error"] == "SelectionError"
    assert (body["file"], body["field"]) == (file, f"--region {axis}")
    assert word in body["expected"]
    assert not (here / "x.npy").exists()


@pytest.mark.parametrize(
    ("stride", "field", "word"),
    [
        ("y=4;x=4", "--stride y", "commas"),
        ("y=1.5", "--stride y", "whole number"),
        ("x=0", "--stride x", "from 1"),
        ("y=2,x=-1", "--stride x", "from 1"),
        ("q=2", "--stride q", "ZYX"),
        ("4", "--stride", "commas"),
    ],
)
def test_a_bad_stride_names_its_axis_and_the_file(
    cli: Cli, here: Path, stride: str, field: str, word: str
) -> None:
    body = cli("decompress", "b.inif", "-o", "x.npy", "--stride", stride, "--json").json
    assert (body["file"], body["field"]) == ("b.inif", field)
    assert word in body["expected"]


@pytest.mark.parametrize("option", ["--region", "--stride"])
@pytest.mark.parametrize("text", ["", " ", ","])
def test_an_empty_selection_is_not_the_whole_image(
    cli: Cli, here: Path, option: str, text: str
) -> None:
    body = cli("decompress", "b.inif", "-o", "x.npy", option, text, "--json").json
    assert body["field"] == option


@pytest.mark.parametrize(
    ("table", "field", "word"),
    [
        ("z,y,x\n0,2,3\n1,9999,3\n", "line 3, y", "0 … 8"),
        ("z,y,x\n0,2,3\n\n1,2,-0.5\n", "line 4, x", "0 … 7"),
        ("id,Z,Y,X\na,0,2,3\nb,1,nan,3\n", "line 3, y", "0 … 8"),
        ("z,y,x\n0,2,far\n", "line 2, x", "0 … 7"),
        ("z,y,x\n1,5,2,3\n", "line 2", "dots in numbers"),
        ("z,y,x\n0,2\n", "line 2", "3 columns"),
        ("z;y;x\n0;2;3\n", "z, y, x", "commas"),
        ("z,y\n0,2\n", "x", "z,y,x"),
        ("", "z, y, x", "z,y,x"),
    ],
)
def test_a_bad_point_names_file_line_and_axis(
    cli: Cli, here: Path, table: str, field: str, word: str
) -> None:
    (here / "p.csv").write_text(table)
    body = cli("decompress", "b.inif", "-o", "x.csv", "--points", "p.csv", "--json").json
    assert (body["file"], body["field"]) == ("p.csv", f"--points {field}")
    assert word in body["expected"]
    assert not (here / "x.csv").exists()


def test_a_point_between_channels(cli: Cli, here: Path) -> None:
    (here / "p.csv").write_text("c,z,y,x\n0,0,0,0.5\n0.5,1,2,3\n")
    body = cli("decompress", "a.inif", "-o", "x.csv", "--points", "p.csv", "--json").json
    assert body["field"] == "--points line 3, c"
    assert "between channels" in body["problem"]


def test_the_number_of_a_channel_may_be_its_name(cli: Cli, here: Path) -> None:
    for part, index in (("c=488", 1), ("c=1", 1), ("c=DNA", 0)):
        outcome = cli("decompress", "a.inif", "-o", "x.npy", "--region", part, "--force")
        assert outcome.code == 0
        with inif.open("a.inif") as file:
            np.testing.assert_array_equal(np.load("x.npy"), file[index])


@pytest.mark.parametrize(
    ("words", "field"),
    [
        (("decompress", "b.inif", "-o", "x.npy", "--points", "no.csv"), "-o"),
        (("decompress", "b.inif", "-o", "x.csv", "--points", "no.csv"), "--points"),
        (("decompress", "b.inif", "-o", "x.npy", "--mask", "no.tif"), "--mask"),
        (("decompress", "b.inif", "-o", "no/x.npy"), "-o"),
        (("evaluate", "i.npy", "b.inif", "--axes", "ZYX", "--report", "no/r.html"), "--report"),
        (("evaluate", "i.npy", "b.inif", "--axes", "ZYX", "--figure", "no/f.png"), "--figure"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_path_is_named_with_the_option_that_gave_it(
    cli: Cli, here: Path, words: tuple[str, ...], field: str
) -> None:
    np.save("i.npy", np.zeros((3, 9, 8), np.uint16))
    if words[-1] == "no.csv" and field == "-o":
        (here / "x.npy").write_bytes(b"precious")
    body = cli(*words, "--json").json
    assert body["field"].split()[0] == field


def test_errors_in_python_name_axis_and_file_too(here: Path) -> None:
    with inif.open("b.inif") as file:
        for bad in (lambda: file[0, 9], lambda: file.sel(y=9)):
            with pytest.raises(SelectionError, match=r"file: b\.inif; field: axis [Yy]"):
                bad()
        with pytest.raises(SelectionError, match=r"file: b\.inif; field: point 1, axis X"):
            file.points([[0, 0, 0], [0, 0, 8]])


def test_an_image_that_is_not_there_names_the_option(cli: Cli, here: Path) -> None:
    np.save(here / "in.npy", np.zeros((3, 9, 8), np.uint8))
    done = cli("compress", here / "in.npy", "--axes", "ZYX", "--series", "2")
    assert done.code == 2
    assert "there is no such image in this file" in done.stderr
    assert "--series" in done.stderr
