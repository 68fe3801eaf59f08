"""Outputs: their default names, what is never replaced, what is checked before the work."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import inif
from inif.cli.outputs import default_output
from inif.errors import InputError, RemarkWarning
from inif.image import Image
from inif.io import write_image
from inif.outputs import check_room, check_target, replacing, write_file

Cli = Callable[..., Any]


@pytest.mark.parametrize(
    ("source", "series", "out"),
    [
        ("a/cells.ome.tif", 0, "a/cells.inif"),
        ("a/cells.OME.TIFF", 2, "a/cells_series2.inif"),
        ("cells.ome.zarr/", 0, "cells.inif"),
        ("cells.ome.zarr.zip", 0, "cells.inif"),
        ("a.b/day 1.czi", 0, "a.b/day 1.inif"),
        ("v1.2.npy", 0, "v1.2.inif"),
        ("day.2024", 0, "day.2024.inif"),
        ("plain", 1, "plain_series1.inif"),
        (".tif", 0, ".tif.inif"),
        ("/far/away/x.tif", 0, "/far/away/x.inif"),
        ("../x.tif", 0, "../x.inif"),
        ("https://host/set/cells.ome.zarr?x=1#y", 0, "cells.inif"),
        ("s3://bucket/my%20cells.tif", 3, "my cells_series3.inif"),
        ("https://host/plate.zarr/A/1/0/", 0, "plate_A_1_0.inif"),
        ("plate.zarr/A/1/0", 0, "plate_A_1_0.inif"),
        ("d/run.zarr/1", 0, "d/run_1.inif"),
        ("d/run.zarr/../x.tif", 0, "d/run.zarr/../x.inif"),
    ],
)
def test_default_names(source: str, series: int, out: str) -> None:
    assert default_output(source, series) == Path(out)


@settings(max_examples=40)
@given(st.text(st.sampled_from("ab.zr/_ "), min_size=1), st.integers(0, 3))
def test_a_default_name_is_always_a_file_name(source: str, series: int) -> None:
    try:
        out = default_output(source, series)
    except InputError:
        return
    assert out.name.endswith(".inif")
    assert out.name not in (".inif", Path(source).name)


def test_a_folder_named_by_dots_is_named_after_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in.zarr" / "0").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "in.zarr")
    assert default_output(".") == default_output("./") == Path("../in.inif")
    assert default_output("0/..") == Path("../in.inif")
    assert default_output("0") == default_output("0/.") == Path("../in_0.inif")
    monkeypatch.chdir(tmp_path / "in.zarr" / "0")
    assert default_output("..") == Path("../../in.inif")
    assert default_output(".") == Path("../../in_0.inif")
    with pytest.raises(InputError, match="-o"):
        default_output("/")


@pytest.fixture
def no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Encoding, and decoding of samples, fail the test."""

    def work(*_: object, **__: object) -> None:
        raise AssertionError("worked before the check")

    for place in ("inif.encode.choose.encode", "inif.decode.file.File.read"):
        monkeypatch.setattr(place, work)
    monkeypatch.setattr("inif.encode.quality.encode_quality", work)


@pytest.fixture
def here(
    stack: Image,
    random_file: Callable[..., bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """A folder with a stack as NPY and OME-TIFF, and an .inif file of its shape."""
    (tmp_path / "old.inif").write_bytes(random_file(stack.axes, stack.data.shape))
    np.save(tmp_path / "stack.npy", stack.data)
    write_image(stack, tmp_path / "stack.ome.tif")
    (tmp_path / "points.csv").write_text("z,y,x\n1,2,3\n")
    (tmp_path / "net.pkl").write_bytes(b"\x80\x04N.")
    monkeypatch.chdir(tmp_path)
    return tmp_path


COMPRESS = ("compress", "stack.npy", "--axes", "ZYX", "--ratio", "4", "--effort", "1")
WRITING: dict[str, tuple[tuple[str, ...], str]] = {
    "compress": (COMPRESS, "-o"),
    "decompress": (("decompress", "old.inif"), "-o"),
    "points": (("decompress", "old.inif", "--points", "points.csv"), "-o"),
    "convert": (("convert", "net.pkl"), ""),
    "figure": (("evaluate", "stack.ome.tif", "old.inif"), "--figure"),
    "report": (("evaluate", "stack.ome.tif", "old.inif"), "--report"),
    "train": (("optimizer", "train", "--updates", "1"), "-o"),
    "tune": (("perceptual", "tune", "stack.ome.tif"), "-o"),
}
ENDINGS = {
    "compress": "inif",
    "convert": "inif",
    "figure": "png",
    "report": "html",
    "train": "npz",
    "tune": "safetensors",
}


def run(cli: Cli, name: str, out: str, *more: str) -> Any:
    words, option = WRITING[name]
    return cli(*words, *filter(None, [option]), f"{out}.{ENDINGS.get(name, 'npy')}", *more)


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.usefixtures("no_work")
@pytest.mark.parametrize("name", WRITING)
class TestEveryCommand:
    """One rule for all commands that write."""

    def test_replaces_nothing_without_force(self, cli: Cli, here: Path, name: str) -> None:
        target = here / f"x.{ENDINGS.get(name, 'npy')}"
        target.write_bytes(b"precious")
        outcome = run(cli, name, "x")
        assert outcome.code == 2
        assert "exists already" in outcome.stderr
        assert "--force" in outcome.stderr
        assert target.read_bytes() == b"precious"

    def test_needs_an_existing_folder(self, cli: Cli, here: Path, name: str) -> None:
        before = snapshot(here)
        outcome = run(cli, name, "no/such/x", "--json")
        assert outcome.code == 2
        assert outcome.json["problem"] == "the folder does not exist"
        assert outcome.json["field"] == (WRITING[name][1] or "OUT.inif")
        assert outcome.json["got"] == "no/such"
        assert snapshot(here) == before

    def test_needs_a_folder_that_may_be_written_to(
        self, cli: Cli, here: Path, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make = os.open

        def closed(path: Any, *rest: Any, **more: Any) -> int:
            if str(path).endswith(".part"):
                raise OSError(errno.EROFS, "Read-only file system")
            return make(path, *rest, **more)

        before = snapshot(here)
        monkeypatch.setattr(os, "open", closed)
        outcome = run(cli, name, "x", "--force")
        assert outcome.code == 2
        assert "not writable" in outcome.stderr
        assert "Read-only file system" in outcome.stderr
        assert snapshot(here) == before

    def test_writes_local_files_only(self, cli: Cli, here: Path, name: str) -> None:
        before = snapshot(here)
        assert run(cli, name, "s3://bucket/x").code == 2
        assert snapshot(here) == before


@pytest.mark.usefixtures("no_work")
@pytest.mark.parametrize(
    "words",
    [
        ("compress", "stack.ome.tif", "-o", "stack.ome.tif"),
        ("compress", "stack.ome.tif", "-o", "link.tif"),
        ("decompress", "old.inif", "--points", "points.csv", "-o", "points.csv"),
        ("decompress", "old.inif", "--mask", "stack.npy", "-o", "stack.npy"),
        ("convert", "net.pkl", "net.pkl"),
        ("evaluate", "stack.ome.tif", "old.inif", "--report", "old.inif"),
        ("evaluate", "stack.ome.tif", "old.inif", "--figure", "./stack.ome.tif"),
        ("evaluate", "stack.ome.tif", "old.inif", "--figure", "x.png", "--report", "./x.png"),
        ("evaluate", "stack.ome.tif", "old.inif", "--against", "x.inif", "--report", "x.inif"),
    ],
    ids=" ".join,
)
def test_an_input_is_never_replaced(cli: Cli, here: Path, words: tuple[str, ...]) -> None:
    (here / "link.tif").symlink_to("stack.ome.tif")
    shutil.copy("old.inif", "x.inif")
    before = snapshot(here)
    assert cli(*words, "--force").code == 2
    assert snapshot(here) == before


def test_a_store_that_holds_an_input_is_not_replaced(cli: Cli, here: Path) -> None:
    (here / "store.zarr").mkdir()
    (here / "store.zarr" / "zarr.json").write_text("{}")
    shutil.copy("old.inif", "store.zarr/a.inif")
    before = snapshot(here)
    assert cli("decompress", "store.zarr/a.inif", "-o", "store.zarr", "--force").code == 2
    assert snapshot(here) == before


def test_series_have_outputs_of_their_own(cli: Cli, here: Path) -> None:
    import tifffile

    with tifffile.TiffWriter("several.ome.tif", ome=True) as tif:
        for i in range(3):
            tif.write(np.full((32, 32), i, np.uint8), metadata={"axes": "YX"})
    codes = [
        cli("compress", "several.ome.tif", "--series", series, "--ratio", "4", "-q").code
        for series in (0, 1, 2, 1)
    ]
    assert codes == [0, 0, 0, 2]
    assert sorted(p.name for p in here.glob("several*.inif")) == [
        "several.inif",
        "several_series1.inif",
        "several_series2.inif",
    ]
    for series in (0, 1, 2):
        name = f"several_series{series}.inif" if series else "several.inif"
        with inif.open(name) as file:
            assert np.all(file[...] == series)


def test_two_inputs_never_share_an_output(cli: Cli, here: Path) -> None:
    plain = np.full((32, 32), 7, np.uint8)
    for name in ("a.ome.tif", "a.tif"):
        write_image(Image(plain, "YX"), name)
    assert cli("compress", "a.ome.tif", "--ratio", "4", "-q").code == 0
    before = (here / "a.inif").read_bytes()
    refused = cli("compress", "a.tif", "--ratio", "4", "-q")
    assert refused.code == 2
    assert "exists already" in refused.stderr
    assert (here / "a.inif").read_bytes() == before
    assert cli("compress", "a.tif", "--ratio", "4", "-q", "--force").code == 0


def test_compress_into_a_folder(cli: Cli, here: Path) -> None:
    (here / "out").mkdir()
    write_image(Image(np.full((32, 32), 7, np.uint8), "YX"), "flat.ome.tif")
    assert cli("compress", "flat.ome.tif", "--ratio", "4", "-q", "-o", "out").code == 0
    assert cli("compress", "flat.ome.tif", "--ratio", "4", "-q", "-o", "out/").code == 2
    assert [p.name for p in (here / "out").iterdir()] == ["flat.inif"]
    missing = cli("compress", "flat.ome.tif", "--ratio", "4", "-q", "-o", "new/")
    assert missing.code == 2
    assert "mkdir -p 'new'" in missing.stderr


def test_what_is_no_image_is_said_before_what_is_wrong_with_the_output(
    cli: Cli, here: Path
) -> None:
    assert "no such file" in cli("compress", "no/such.tif").stderr
    assert "decompress it" in cli("compress", "old.inif").stderr
    assert "not an image" in cli("compress", ".").stderr


@pytest.mark.usefixtures("no_work")
@pytest.mark.parametrize("out", ["old.inif", "stack.npy", "no/x.inif", ".", "", "a\0b", "n" * 300])
def test_the_api_checks_before_the_work(here: Path, out: str) -> None:
    before = snapshot(here)
    for options in ({"ratio": 4}, {"psnr": 30.0}):
        with pytest.raises(InputError):
            inif.compress("stack.npy", axes="ZYX", out=out, **options)
    assert snapshot(here) == before


def test_the_api_replaces_where_it_is_told_to(here: Path) -> None:
    flat = Image(np.full((32, 32), 7, np.uint8), "YX")
    for _ in range(2):
        with pytest.warns(RemarkWarning, match="fewer than asked for"):
            inif.compress(flat, ratio=4, out="old.inif", overwrite=True).close()
    with inif.open("old.inif") as file:
        assert file.shape == (32, 32)
        with pytest.raises(InputError, match="exists already"):
            file.save("stack.npy")
        file.save("copy.inif")
        file.save("copy.inif", overwrite=True)


@pytest.mark.usefixtures("no_work")
def test_a_full_disk_is_seen_before_the_work(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = SimpleNamespace(total=10_000, free=100)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: disk)
    with pytest.raises(InputError, match="no room") as caught:
        inif.compress("stack.npy", axes="ZYX", out="x.inif", size=1000)
    assert (caught.value.expected, caught.value.got) == ("1000 bytes", "100 bytes free")
    check_room("x.inif", 100)
    disk.total = disk.free = 0  # some network file systems do not know
    check_room("x.inif", 1000)


@pytest.mark.parametrize("links", [True, False])
def test_a_name_that_is_taken_meanwhile_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    if not links:
        monkeypatch.setattr(os, "link", refuse)
    target = tmp_path / "x"

    def late() -> None:
        with replacing(target) as temporary:
            Path(temporary).write_bytes(b"mine")
            target.write_bytes(b"theirs")

    with pytest.raises(InputError, match="exists already"):
        late()
    assert target.read_bytes() == b"theirs"
    write_file(tmp_path / "y", b"mine")
    assert sorted(os.listdir(tmp_path)) == ["x", "y"]


def test_links_stand_for_what_they_point_to(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "nowhere").symlink_to("no/such/folder")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(InputError, match="exists already"):
        check_target(tmp_path / "link")
    with pytest.raises(InputError, match="folder does not exist"):
        check_target(tmp_path / "nowhere")
    with pytest.raises(InputError, match="not a file"):
        check_target(tmp_path / "loop", overwrite=True)
    write_file(tmp_path / "link", b"new", overwrite=True)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"
