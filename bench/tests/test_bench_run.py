"""The benchmark's loop and its command: everything kept, nothing run twice, failures by name."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import imagecodecs
import numpy as np
import pytest

from inif.cli.common import find_images
from inif.errors import InputError
from inif.image import Image
from inif.io import write_image
from inif.metrics.fidelity import channel_ranges
from inif_bench import run as bench_run
from inif_bench.arms import Options, find_arms
from inif_bench.crop import choose_crop, cut
from inif_bench.run import Plan, default_ratios, run
from inif_bench.score import to_reference
from inif_bench.store import load_all, load_original, load_record, path_of
from inif_bench.worker import Task, run_task, stem


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    data = tmp_path / "data"
    data.mkdir()
    y, x = np.mgrid[:80, :96]
    for name, phase in (("one", 0), ("two", 2)):
        planes = [900 + 800 * np.sin(y / 7 + phase + z) * np.cos(x / 9) for z in range(3)]
        write_image(Image(np.stack(planes).astype(np.uint16), "ZYX"), data / f"{name}.ome.tif")
    return data


def plan_of(folder: Path, **changes) -> Plan:
    settings = {
        "images": find_images(folder),
        "arms": tuple(find_arms(["sperr", "htj2k", "zstd"])),
        "results": folder.parent / "results",
        "ratios": (20.0, 40.0),
        "options": Options(threads=1),
    }
    return Plan(**{**settings, **changes})


def everything(results: Path) -> dict[str, str]:
    return {str(p.relative_to(results)): p.read_text() for p in sorted(results.rglob("*.json"))}


def test_a_run_keeps_all_cells_and_a_second_one_changes_nothing(folder):
    events = []
    plan = plan_of(folder)
    assert run(plan, "inif-bench run", events.append) == 10
    assert [e.done for e in events] == list(range(1, 11))
    assert {e.total for e in events} == {10}
    records = list(load_all(plan.results))
    assert {(r.image["name"], r.arm["name"]) for r in records} == {
        (i, a) for i in ("one", "two") for a in ("sperr", "htj2k", "zstd")
    }
    for record in records:
        wanted = {"1"} if record.arm["family"] == "lossless" else {"20", "40"}
        assert set(record.cells) == wanted
        assert record.run["command"] == "inif-bench run"
        assert {"inif", "numpy", "python"} <= record.run["versions"].keys()
        assert record.run["date"]
        for target, cell in record.met().items():
            assert cell["file_bytes"] <= record.image["raw_bytes"] / target
            assert cell["ratio"] >= target * 0.999
            assert len(base64.b64decode(cell["crop_png"])) > 100
            assert cell["peak_memory_bytes"] > 10**7
    before = everything(plan.results)
    assert run(plan, "another command") == 0
    assert everything(plan.results) == before


@pytest.mark.slow
def test_a_stopped_run_goes_on_where_it_stopped(folder):
    def stop(event):
        if event.done == 3:
            raise KeyboardInterrupt

    plan = plan_of(folder, arms=tuple(find_arms(["htj2k", "zstd"])))
    with pytest.raises(KeyboardInterrupt):
        run(plan, "first", stop)
    kept = sum(len(r.cells) for r in load_all(plan.results))
    assert 3 <= kept < 6
    assert run(plan, "second") == 6 - kept


@pytest.mark.slow
def test_more_ratios_are_added_to_what_is_there(folder):
    plan = plan_of(folder, arms=tuple(find_arms(["sperr"])))
    run(plan, "x")
    more = plan_of(folder, arms=plan.arms, ratios=(20.0, 30.0, 40.0))
    assert run(more, "x") == 2
    record = load_record(path_of(plan.results, "one", "sperr"))
    assert list(record.cells) == ["20", "30", "40"]


@pytest.mark.slow
def test_jobs_side_by_side_give_the_same_scores(folder):
    few = {"arms": tuple(find_arms(["htj2k", "zstd"])), "ratios": (20.0,)}
    alone = plan_of(folder, results=folder.parent / "a", **few)
    both = plan_of(folder, results=folder.parent / "b", jobs=2, **few)
    run(alone, "x")
    run(both, "x")
    for a, b in zip(load_all(alone.results), load_all(both.results), strict=True):
        assert a.arm == b.arm
        assert {k: c["file_bytes"] for k, c in a.cells.items()} == {
            k: c["file_bytes"] for k, c in b.cells.items()
        }


def test_another_image_of_the_same_name_is_refused(folder):
    plan = plan_of(folder, arms=tuple(find_arms(["zstd"])))
    run(plan, "x")
    other = Image(np.ones((3, 80, 96), np.uint16), "ZYX")
    write_image(other, folder / "one.ome.tif", overwrite=True)
    with pytest.raises(InputError, match="another image of this name"):
        run(plan, "x")


def test_a_missing_library_is_named_and_tried_again_later(folder, monkeypatch):
    cells = {}
    (arm,) = find_arms(["hevc"])
    monkeypatch.setattr(type(arm), "missing", lambda self: "PyAV is not installed")
    image = Image(np.zeros((8, 8), np.uint16), "YX")
    task = Task(
        folder / "one.ome.tif",
        None,
        "hevc",
        (64.0, 128.0),
        channel_ranges(image.data, "YX"),
        Options(),
        None,
        None,
    )
    run_task(task, cells.__setitem__)
    assert cells == {
        r: {"status": "missing", "reason": "PyAV is not installed"} for r in (64.0, 128.0)
    }


def test_an_arm_that_cannot_take_an_image_fails_by_name(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    np.save(data / "line.npy", np.arange(64, dtype=np.uint16).reshape(4, 16))
    plan = Plan(
        find_images(data), tuple(find_arms(["sperr"])), tmp_path / "r", ratios=(4.0,), axes="TX"
    )
    assert run(plan, "x") == 1
    (record,) = load_all(tmp_path / "r")
    assert record.cells["4"]["status"] == "failed"
    assert "Y and X" in record.cells["4"]["reason"]
    assert run(plan, "x") == 1  # what failed is tried again


def test_a_crash_of_an_arm_is_a_failed_cell(folder, monkeypatch):
    monkeypatch.setattr(bench_run, "_child", _crash)
    plan = plan_of(folder, images=find_images(folder, ["one"]), arms=tuple(find_arms(["sperr"])))
    assert run(plan, "x") == 2
    (record,) = load_all(plan.results)
    assert {c["status"] for c in record.cells.values()} == {"failed"}
    assert "exit code 7" in record.cells["20"]["reason"]


def _crash(task, pipe):
    import os

    os._exit(7)


def test_a_second_exposure_is_scored_after_matching_scale_and_offset(folder, tmp_path):
    rng = np.random.default_rng(0)
    clean = rng.integers(100, 4000, (3, 80, 96)).astype(np.uint16)
    same = (clean * 3.0 + 500).astype(np.uint16)
    best = to_reference(clean, same, "ZYX")
    assert best is None or best > 60  # None is exact
    noisy = (clean + rng.normal(0, 300, clean.shape)).clip(0).astype(np.uint16)
    assert 15 < to_reference(noisy, same, "ZYX") < 40
    assert to_reference(np.zeros_like(clean), same, "ZYX") < 20

    other = tmp_path / "second.ome.tif"
    write_image(Image(same, "ZYX"), other)
    plan = plan_of(folder, references={"one": other}, arms=tuple(find_arms(["htj2k"])))
    run(plan, "x")
    scored = load_record(path_of(plan.results, "one", "htj2k"))
    assert scored.image["reference"] == "second"
    assert scored.cells["20"]["reference"]["name"] == "second"
    assert load_original(plan.results, "one")["reference_psnr"] is not None
    assert load_record(path_of(plan.results, "two", "htj2k")).cells["20"]["reference"] is None


def test_a_reference_of_another_shape_is_refused(folder, tmp_path):
    other = tmp_path / "second.ome.tif"
    write_image(Image(np.ones((80, 96), np.uint16), "YX"), other)
    with pytest.raises(InputError, match="axes and shape"):
        run(plan_of(folder, references={"one": other}), "x")


def test_the_crop_lies_where_something_is():
    data = np.zeros((2, 5, 200, 300), np.uint16)
    data[1, 3, 110:140, 200:230] = np.random.default_rng(0).integers(0, 4000, (30, 30))
    image = Image(data, "CZYX")
    crop = choose_crop(image, channel_ranges(data, "CZYX"))
    assert crop["plane"] == {"C": 1, "Z": 3}
    window = cut(data, "CZYX", crop)
    assert window.shape == (72, 72)
    assert window.max() > 3000
    assert choose_crop(Image(data[0, 0, 0], "X"), ((0.0, 1.0),)) is None


def test_crops_are_pictures_of_the_image(folder):
    plan = plan_of(folder, arms=tuple(find_arms(["zstd"])))
    run(plan, "x")
    original = load_original(plan.results, "one")
    record = load_record(path_of(plan.results, "one", "zstd"))
    png = record.cells["1"]["crop_png"]
    assert png == original["crop"]["png"]
    assert imagecodecs.png_decode(base64.b64decode(png)).shape == (72, 72)


def test_names_and_ratios():
    assert stem(Path("a/cells.ome.tif")) == "cells"
    assert stem(Path("a/cells.OME.TIFF")) == "cells"
    assert stem(Path("a/cells.v2.npy")) == "cells.v2"
    assert len(default_ratios(np.dtype("uint8"))) >= 5
    assert {64, 128, 256, 512} <= set(default_ratios(np.dtype("uint16")))
    assert {32, 64, 128, 256} <= set(default_ratios(np.dtype("uint8")))


def test_the_command(cli, folder, tmp_path):
    results = tmp_path / "r"
    words = ["run", "--data", str(folder), "--images", "one", "--arms", "htj2k"]
    words += ["--ratios", "20,30", "--results", str(results)]
    done = cli(*words, "--json")
    assert done.code == 0
    assert json.loads(done.stdout)["cells_run"] == 2
    (record,) = load_all(results)
    assert str(tmp_path) not in json.dumps(record.run)
    assert "--ratios 20,30" in record.run["command"]
    again = cli(*words, "--json")
    assert json.loads(again.stdout)["cells_run"] == 0


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--arms", "vvc"], "vvc"),
        (["--ratios", "0.5"], "--ratios"),
        (["--ratios", "many"], "--ratios"),
        (["--images", "three"], "--images"),
        (["--reference", "one"], "--reference"),
        (["--reference", "one=nowhere.tif"], "--reference"),
    ],
)
def test_bad_options_are_named(cli, folder, tmp_path, words, named):
    done = cli("run", "--data", str(folder), "--results", str(tmp_path / "r"), *words)
    assert done.code == 2
    assert named in done.stderr
    assert not (tmp_path / "r").exists()


def test_a_missing_folder_is_named(cli, tmp_path):
    done = cli("run", "--data", str(tmp_path / "nowhere"))
    assert done.code == 2
    assert "nowhere" in done.stderr


def test_arms_are_listed(cli):
    body = json.loads(cli("arms", "--json").stdout)
    assert [a["name"] for a in body["arms"]][:3] == ["hevc", "hevc-veryslow", "av1"]
    assert "hevc" in cli("arms").stdout
