"""Many files at once: what is found, how outputs are named, what is refused, what is left alone."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

import inif
from inif.errors import InputError
from inif.image import Image
from inif.io import write_image
from inif.many.compress import plan
from inif.many.find import find

Cli = Callable[..., Any]
ASKED = ("--ratio", "3", "--effort", "1", "--axes", "ZYX", "--method", "latent")


def picture(seed: int = 0, shape: tuple[int, ...] = (3, 32, 32)) -> np.ndarray:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[-2], : shape[-1]]
    plane = 120 + 70 * np.sin(x / 5 + seed) * np.cos(y / 7)
    return np.rint(plane + rng.normal(0, 5, shape)).clip(0, 255).astype(np.uint16)


def tiff(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    how: dict[str, Any] = {"metadata": {"axes": "ZYX"}, "photometric": "minisblack"}
    tifffile.imwrite(path, picture(seed), ome=".ome." in path.name, **how)
    return path


def names(folder: Path) -> list[str]:
    """Everything in a folder, hidden or not."""
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if not p.is_dir())


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders "in", with images of several kinds and bad ones, and "out", made from it."""
    here = tmp_path_factory.mktemp("many")
    folder = here / "in"
    tiff(folder / "a.tif", 1)
    np.save(folder / "a.npy", picture(2))
    tiff(folder / "deep/b.ome.tif", 3)
    write_image(Image(picture(4), "ZYX"), folder / "c.ome.zarr")
    with tifffile.TiffWriter(folder / "two.ome.tif") as file:
        for seed in (5, 6):
            file.write(picture(seed), metadata={"axes": "ZYX"}, photometric="minisblack")
    (folder / "bad.tif").write_bytes((folder / "a.tif").read_bytes()[:2000])
    (folder / "empty.tif").touch()
    (folder / "notes.txt").write_text("no image")
    (folder / ".hidden.tif").touch()
    words = [sys.executable, "-m", "inif", "compress", folder, "--out-dir", here / "out", *ASKED]
    words += ["--jobs", "2", "--json", "--summary", here / "first.csv"]
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=False)
    (here / "first.jsonl").write_text(done.stdout)
    assert (done.returncode, done.stderr) == (2, "")
    return here


WHOLE = [
    "a.npy.inif",
    "a.tif.inif",
    "c.inif",
    "deep/b.inif",
    "two_series0.inif",
    "two_series1.inif",
]


def test_every_image_has_its_output_and_nothing_else_is_left(made: Path) -> None:
    assert names(made / "out") == WHOLE
    with inif.open(made / "out/deep/b.inif") as file:
        assert 3 <= file.ratio <= 3.03
        assert file.shape == (3, 32, 32)


def test_lines_of_json_and_the_table_say_the_same(made: Path) -> None:
    *lines, last = map(json.loads, (made / "first.jsonl").read_text().splitlines())
    assert last["totals"] == {"done": 6, "skipped": 0, "failed": 2}
    assert last["others"] == 1
    with open(made / "first.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    by_input = {(r["input"], r["series"]) for r in rows}
    assert by_input == {
        (r["input"], "" if r["series"] is None else str(r["series"])) for r in lines
    }
    whole = [r for r in lines if r["status"] == "done"]
    assert all(r["raw_bytes"] / r["file_bytes"] == r["ratio"] for r in whole)
    assert all(r["psnr"] > 20 and r["seconds"] > 0 for r in whole)
    failed = {Path(r["input"]).name: r["error"] for r in lines if r["status"] == "failed"}
    assert "not complete" in failed["bad.tif"]
    assert "an empty file" in failed["empty.tif"]


def test_what_is_done_is_left_alone(cli: Cli, made: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in (made / "out").rglob("*.inif")}
    again = cli("compress", made / "in", "--out-dir", made / "out", *ASKED, "--skip-existing")
    assert again.code == 2
    assert len(again.stderr.splitlines()) == 2
    assert "6 skipped, 2 failed, 1 other files" in again.stdout
    assert {p: p.stat().st_mtime_ns for p in (made / "out").rglob("*.inif")} == before
    assert not list((made / "out").glob(".inif-*"))


def test_existing_outputs_are_refused_before_any_work(cli: Cli, made: Path) -> None:
    outcome = cli("compress", made / "in", "--out-dir", made / "out", *ASKED)
    assert outcome.code == 2
    assert all(str(made / "out" / name) in outcome.stderr for name in WHOLE)
    assert "--skip-existing" in outcome.stderr


def test_another_target_is_not_taken_for_done(cli: Cli, made: Path) -> None:
    outcome = cli(
        *("compress", made / "in", "--out-dir", made / "out", "--ratio", "5", "--effort", "1"),
        "--skip-existing",
    )
    assert outcome.code == 2
    assert "another target" in outcome.stderr
    assert "deep/b.inif" in outcome.stderr


def test_what_is_damaged_or_older_is_made_again(made: Path, tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    for name in ("x.npy", "y.npy", "z.npy"):
        np.save(source / name, picture())
    out = tmp_path / "out"
    out.mkdir()
    whole = (made / "out/a.npy.inif").read_bytes()
    for name, data in (("x", whole), ("y", whole[:-1]), ("z", whole)):
        (out / f"{name}.inif").write_bytes(data)
    os.utime(out / "z.inif", ns=(1, 1))
    options: dict[str, Any] = {"ratio": 3, "effort": 1, "axes": "ZYX"}
    found = plan([source], out, skip_existing=True, **options)
    assert [Path(one.path).name for one in found.todo] == ["y.npy", "z.npy"]
    assert [r.status for r in found.settled] == ["skipped"]


def test_folders_are_compared(cli: Cli, made: Path, tmp_path: Path) -> None:
    out = tmp_path / "summary.jsonl"
    outcome = cli(
        *("evaluate", made / "in", made / "out", "--quick", "--jobs", 1, "--summary", out)
    )
    assert outcome.code == 2
    assert "6 measured, 2 failed" in outcome.stdout
    rows = {Path(r["output"] or "").name: r for r in map(json.loads, out.read_text().splitlines())}
    assert rows["two_series1.inif"]["series"] == 1
    with inif.open(made / "out/two_series1.inif") as file:
        assert rows["two_series1.inif"]["psnr"] == pytest.approx(
            file.header["lossy"]["psnr"], abs=0.01
        )
    assert rows["b.inif"]["worst_slice"].startswith("slice z=")
    assert rows["b.inif"]["worst_slice_psnr"] <= rows["b.inif"]["psnr"]
    assert "there is no file of this image" in outcome.stderr


def test_a_dry_run_writes_nothing(cli: Cli, made: Path, tmp_path: Path) -> None:
    outcome = cli("compress", made / "in", "--out-dir", tmp_path / "new", *ASKED, "--dry-run")
    assert outcome.code == 2  # the bad files
    assert "6 to compress, 2 failed" in outcome.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_of_one_file(cli: Cli, tmp_path: Path) -> None:
    tiff(tmp_path / "a.tif")
    outcome = cli(
        "compress", tmp_path / "a.tif", "--ratio", 4, "--effort", 1, "--dry-run", "--json"
    )
    assert outcome.code == 0
    line, totals = map(json.loads, outcome.stdout.splitlines())
    assert line["output"] == str(tmp_path / "a.inif")
    assert totals["file_bytes"] == 3 * 32 * 32 * 2 // 4
    assert totals["exact"] is True
    assert totals["seconds"] > 0
    assert names(tmp_path) == ["a.tif"]


def test_a_dry_run_says_that_the_disk_is_full(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiff(tmp_path / "in/a.tif")
    usage = type("Usage", (), {"total": 100, "free": 10})
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    outcome = cli("compress", tmp_path / "in", "--out-dir", tmp_path / "o", *ASKED, "--dry-run")
    assert outcome.code == 2
    assert "no room for the outputs" in outcome.stderr


def test_names_that_would_collide_keep_their_endings(tmp_path: Path) -> None:
    for name in ("a.tif", "a.ome.tif", "b.tif", "b_series1.tif", "c.tif", "sub/c.tif", "D.tif"):
        tiff(tmp_path / name)
    outputs = {Path(o.path).name: o.name for o in find([tmp_path]).inputs if "sub" not in o.path}
    assert outputs == {
        "a.tif": "a.tif",
        "a.ome.tif": "a.ome.tif",
        "b.tif": "b",
        "b_series1.tif": "b_series1.tif",  # as an image of b.tif might be called
        "c.tif": "c",
        "D.tif": "D",
    }


def test_one_output_of_two_folders_is_refused(cli: Cli, tmp_path: Path) -> None:
    tiff(tmp_path / "one/a.tif")
    tiff(tmp_path / "two/a.tif")
    outcome = cli("compress", tmp_path / "one", tmp_path / "two", "--out-dir", tmp_path / "o")
    assert outcome.code == 2
    assert "two images would have one output" in outcome.stderr
    assert not (tmp_path / "o").exists()


def test_an_input_is_never_replaced(cli: Cli, tmp_path: Path) -> None:
    tiff(tmp_path / "in/a.tif").rename(tmp_path / "in/a.inif")  # an image, whatever it is called
    outcome = cli("compress", tmp_path / "in/a.inif", "--out-dir", tmp_path / "in", "--force")
    assert outcome.code == 2
    assert "also an input" in outcome.stderr


def test_what_is_found(tmp_path: Path) -> None:
    tiff(tmp_path / "a[1].tif")
    tiff(tmp_path / "plates/p1.tif")
    tiff(tmp_path / "plates/p2.tif")
    (tmp_path / "plates/readme.md").write_text("x")
    (tmp_path / "plates/roi.zip").write_bytes(b"PK\x05\x06" + bytes(18))
    given = [tmp_path / "a[1].tif", tmp_path / "plates", tmp_path / "plates/p*.tif", "nothing*.tif"]
    found = find(given)
    assert [Path(one.path).name for one in found.inputs] == ["a[1].tif", "p1.tif", "p2.tif"]
    assert found.others == 2
    assert [path for path, _ in found.wrong] == ["nothing*.tif"]


def test_a_named_file_that_is_no_image_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    assert len(find([tmp_path / "notes.txt"]).wrong) == 1
    with pytest.raises(InputError, match="there is no image here"):
        plan([tmp_path], tmp_path / "out")


def test_odd_names(tmp_path: Path) -> None:
    odd = ["new\nline.tif", "-dash.tif", "2024.05.tif", "ünïcode 日本.tif", "a'b\"c.tif"]
    for name in odd:
        tiff(tmp_path / name)
    found = find([tmp_path])
    assert {one.name for one in found.inputs} == {name.removesuffix(".tif") for name in odd}
    result = inif.many.Result("new\nline.tif", None, "failed")
    assert result.to_json()["input"] == "new\\nline.tif"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["in", "in", "--ratio", "4"], "--out-dir"),
        (["in", "--jobs", "2"], "--jobs"),
        (["in", "--skip-existing"], "--skip-existing"),
        (["in", "--out-dir", "out", "-o", "x.inif"], "-o"),
        (["in", "--out-dir", "out", "--series", "1"], "--series"),
        (["in", "--out-dir", "out", "--summary", "x.txt"], ".csv or .jsonl"),
        (["in", "--out-dir", "out", "--ratio", "0.5"], "ratio"),
        (["in", "--out-dir", "out", "--guide", "no-such"], "filaments"),
        (["in", "--out-dir", "in/a.tif"], "output folder is a file"),
        (["nowhere", "--out-dir", "out"], "no such file"),
    ],
)
def test_what_cannot_be_is_said_before_the_work(
    cli: Cli, words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tiff(tmp_path / "in/a.tif")
    outcome = cli("compress", *words)
    assert outcome.code == 2
    assert said in outcome.stderr
    assert names(tmp_path) == ["in/a.tif"]


@pytest.mark.slow
def test_files_of_a_set_are_one_image(tmp_path: Path) -> None:
    data = picture()
    planes = "".join(
        f'<TiffData FirstZ="{z}" IFD="0" PlaneCount="1"><UUID FileName="s_{z}.ome.tif">urn:uuid:{z}'
        "</UUID></TiffData>"
        for z in range(3)
    )
    for z in range(3):
        xml = (
            '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
            f'UUID="urn:uuid:{z}"><Image ID="Image:0"><Pixels ID="Pixels:0" '
            'DimensionOrder="XYZCT" Type="uint16" SizeX="32" SizeY="32" SizeZ="3" SizeC="1" '
            f'SizeT="1"><Channel ID="Channel:0:0" SamplesPerPixel="1"/>{planes}</Pixels>'
            "</Image></OME>"
        )
        tifffile.imwrite(tmp_path / f"s_{z}.ome.tif", data[z], description=xml, metadata=None)
    results = list(inif.compress_many([tmp_path], tmp_path / "out", ratio=4, effort=1))
    assert [(r.status, Path(r.input).name) for r in results] == [("done", "s_0.ome.tif")]
    assert inif.imread(tmp_path / "out/s_0.inif").shape == (3, 32, 32)
    measured = list(inif.evaluate_many(tmp_path, tmp_path / "out", quick=True))
    assert [r.status for r in measured] == ["measured"]


@pytest.mark.slow
def test_the_files_do_not_depend_on_the_jobs(made: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"ratio": 3.0, "effort": 1, "axes": "ZYX", "method": "latent"}
    list(inif.compress_many([made / "in"], tmp_path / "one", jobs=1, **options))
    for name in WHOLE:
        assert (tmp_path / "one" / name).read_bytes() == (made / "out" / name).read_bytes()


def children() -> list[int]:
    found = []
    for task in Path("/proc/self/task").iterdir():
        found += map(int, (task / "children").read_text().split())
    return found


needs_proc = pytest.mark.skipif(
    not Path("/proc/self/task").is_dir(), reason="finds the processes by /proc"
)


@pytest.mark.slow
@needs_proc
def test_a_killed_process_costs_its_file(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", picture(1, (8, 256, 256)))
    np.save(tmp_path / "b.npy", picture(2))
    killed = []

    def kill(status: object) -> None:
        if not killed:
            killed.extend(children())
            for process in killed:
                os.kill(process, signal.SIGKILL)

    results = list(
        inif.compress_many(
            *([tmp_path], tmp_path / "out"),
            jobs=1,
            axes="ZYX",
            ratio=4,
            effort=1,
            progress=kill,
        )
    )
    assert killed
    assert [r.status for r in results] == ["failed", "done"]
    assert "SIGKILL" in (results[0].error or "")
    assert names(tmp_path / "out") == ["b.inif"]


@pytest.mark.slow
def test_an_interrupt_leaves_what_is_whole(tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    np.save(source / "a.npy", picture(1))
    np.save(source / "b.npy", picture(2, (40, 512, 512)))
    words = ["compress", str(source), "--out-dir", str(out), *ASKED, "--jobs", "2"]
    summary = tmp_path / "s.csv"
    process = subprocess.Popen(
        [sys.executable, "-m", "inif", *words, "--summary", str(summary)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    until = time.monotonic() + 120
    while not (out / "a.inif").exists() and time.monotonic() < until:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=300)
    assert process.returncode == 3
    assert "1 done" in stdout
    assert "1 files were written" in stderr
    assert [p.name for p in out.iterdir()] == ["a.inif"]
    assert len(summary.read_text().splitlines()) == 2


FULL = """
import resource, sys, inif
resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))
for r in inif.compress_many([sys.argv[1]], sys.argv[2], ratio=2, effort=1, axes="ZYX", jobs=1):
    print(r.status, r.error)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="has no such limit")
def test_a_full_disk_costs_the_files_that_do_not_fit(tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    np.save(source / "a.npy", picture(1, (3, 64, 64)))
    np.save(source / "b.npy", picture(2))
    words = [sys.executable, "-c", FULL, str(source), str(out)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    failed, whole = done.stdout.splitlines()
    assert failed.startswith("failed the output cannot be written; file: " + str(out / "a.inif"))
    assert whole == "done None"
    assert names(out) == ["b.inif"]


def mixed(folder: Path, count: int) -> Iterator[str]:
    """Write small images of five kinds, in folders; their names without endings."""
    for number in range(count):
        data, kind = picture(number), number % 5
        where = folder / f"day{number % 3}"
        where.mkdir(parents=True, exist_ok=True)
        path = where / f"im{number:03}"
        if kind == 0:
            tiff(path.with_suffix(".tif"), number)
        elif kind == 1:
            tiff(path.with_suffix(".ome.tif"), number)
        elif kind == 2:
            np.save(path.with_suffix(".npy"), data)
        elif kind == 3:
            write_image(Image(data[0].astype(np.uint8), "YX"), path.with_suffix(".png"))
        else:
            write_image(Image(data, "ZYX"), path.with_suffix(".ome.zarr"))
        yield str(path.relative_to(folder))


def spoil(folder: Path) -> None:
    """Ten bad files."""
    whole = tiff(folder / "day0/im000.tif").read_bytes()
    for number, size in enumerate((9, 500, 2000)):
        (folder / f"cut{number}.tif").write_bytes(whole[:size])
    (folder / "empty.tif").touch()
    (folder / "page.tif").write_text("<html>404</html>")
    png = (folder / "day0/im003.png").read_bytes()
    (folder / "cut.png").write_bytes(png[: len(png) // 2])
    np.save(folder / "nan.npy", np.full((3, 24, 24), np.nan, np.float32))
    np.save(folder / "type.npy", picture().astype(np.int64))
    np.save(folder / "flat.npy", picture()[0, 0])
    (folder / "none.zarr").mkdir()
    (folder / "none.zarr/.zgroup").write_text('{"zarr_format": 2}')


@pytest.mark.slow
def test_three_hundred_files_of_which_ten_are_bad(tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    expected = sorted(f"{name}.inif" for name in mixed(source, 290))
    spoil(source)
    words = [sys.executable, "-m", "inif", "compress", source, "--out-dir", out, *ASKED]
    words += ["--summary", tmp_path / "summary.csv", "--skip-existing"]
    for round_ in ("done", "skipped"):
        begun = time.monotonic()
        done = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=False)
        print(f"{round_}: {time.monotonic() - begun:.1f} s")
        assert done.returncode == 2
        lines = done.stderr.splitlines()
        assert len(lines) == 10, done.stderr
        assert all(line.startswith("error: ") for line in lines)
        assert names(out) == expected
        assert f"290 {round_}, 10 failed" in done.stdout
        with open(tmp_path / "summary.csv", newline="") as file:
            rows = [row["status"] for row in csv.DictReader(file)]
        assert (rows.count(round_), rows.count("failed")) == (290, 10)
