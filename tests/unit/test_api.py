"""The public verbs: what they take, what they refuse, what they leave behind."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import inif
from inif.config import FitSettings, ProgressEvent, Target
from inif.encode.job import TINY, Job, draft_header
from inif.errors import (
    AxesError,
    FormatError,
    InifError,
    InputError,
    RemarkWarning,
    UnsupportedError,
)
from inif.image import Image

Quick = Callable[..., inif.File]
SIZE = 1000


@pytest.fixture(scope="module")
def data() -> np.ndarray:
    y, x = np.meshgrid(np.linspace(0, 1, 32), np.linspace(0, 1, 40), indexing="ij")
    return (1000 * (1 + np.sin(5 * x) * np.cos(4 * y))).astype(np.uint16)


@pytest.fixture(scope="module")
def made(quick: Quick, data: np.ndarray) -> inif.File:
    return quick(data, axes="yx", size=SIZE)


def test_in_memory(made: inif.File, data: np.ndarray) -> None:
    assert (made.axes, made.shape, made.dtype) == ("YX", data.shape, data.dtype)
    assert SIZE / 1.01 <= made.file_bytes <= SIZE
    assert made.raw_bytes == data.nbytes


def test_onto_the_disk(quick: Quick, made: inif.File, data: np.ndarray, tmp_path: Path) -> None:
    out = tmp_path / "a.inif"
    with quick(data, axes="YX", size=SIZE, out=out) as file:
        np.testing.assert_array_equal(file, made)
    assert [p.name for p in tmp_path.iterdir()] == ["a.inif"]
    assert out.stat().st_size == made.file_bytes
    with inif.open(str(out)) as file:
        np.testing.assert_array_equal(file, made)


@pytest.mark.usefixtures("unfitted")
def test_from_path_image_and_any_byte_order(quick: Quick, data: np.ndarray, tmp_path: Path) -> None:
    made = quick(data, axes="YX", size=SIZE)
    np.save(tmp_path / "a.npy", data)
    odd = np.asfortranarray(data[::-1].astype(">u2"))[::-1]
    for source in (tmp_path / "a.npy", odd):
        file = quick(source, axes="YX", size=SIZE)
        assert file.header["lossy"]["sha256"] == made.header["lossy"]["sha256"]
        np.testing.assert_array_equal(file, made)
    np.testing.assert_array_equal(quick(Image(data, "YX"), size=SIZE), made)


def test_the_record(made: inif.File, data: np.ndarray) -> None:
    import hashlib

    lossy = made.header["lossy"]
    assert lossy["sha256"] == hashlib.sha256(data.tobytes()).hexdigest()[:16]
    assert lossy["target"] == {"size": SIZE}
    assert lossy["seed"] == 0
    assert lossy["encoder"] == f"inif {inif.__version__}"
    error = np.asarray(made, np.float64) - data
    psnr = -10 * np.log10(np.mean((error / float(np.ptp(data))) ** 2))
    assert lossy["psnr"] == pytest.approx(psnr, abs=1e-3)
    report = inif.evaluate(data, made, axes="YX").to_json()
    assert report["psnr"]["pooled"] == pytest.approx(psnr, abs=1e-3)


def test_inspect(made: inif.File, tmp_path: Path) -> None:
    raw = made.to_bytes()
    facts = inif.inspect(raw)
    assert facts["axes"] == "YX"
    assert facts["raw_bytes"] == made.raw_bytes
    assert facts["file_bytes"] == made.file_bytes
    assert facts["ratio"] == pytest.approx(made.ratio)
    assert facts["bricks"] == len(made.grid) == len(facts["sections"])
    assert facts["bits_per_voxel"] == pytest.approx(8 * made.file_bytes / made.size)


def test_progress(quick: Quick, data: np.ndarray) -> None:
    events: list[ProgressEvent] = []
    quick(data, axes="YX", size=SIZE, progress=events.append)
    assert {e.stage for e in events} >= {"fit", "check"}
    fit = [e for e in events if e.stage == "fit"]
    assert fit[-1].step == fit[-1].steps
    assert fit[-1].psnr is not None


BAD: dict[str, tuple[dict[str, Any], type[InifError], str]] = {
    "two targets": ({"ratio": 4, "size": 900}, InputError, "exactly one"),
    "ratio 0": ({"ratio": 0}, InputError, "ratio"),
    "effort": ({"effort": 0}, InputError, "effort"),
    "seed": ({"seed": -1}, InputError, "seed"),
    "large seed": ({"seed": 2**31}, InputError, "seed"),
    "half a seed": ({"seed": 0.5}, InputError, "seed"),
    "time": ({"time_limit": 0}, InputError, "time_limit"),
    "nan time": ({"time_limit": float("nan")}, InputError, "time_limit"),
    "method": ({"method": "jpeg"}, UnsupportedError, "hybrid"),
    "no such codec": ({"method": "hybrid", "codec": "vvc"}, InputError, "av1"),
    "codec of a field": ({"method": "siren", "codec": "av1"}, InputError, "hybrid"),
    "select": ({"select": "beauty"}, InputError, "spots"),
    "optimizer": ({"optimizer": "best"}, InputError, "adamw"),
    "rate": ({"optimizer": "adam:x"}, InputError, "rate"),
    "axes": ({"axes": "ZYX"}, AxesError, "ZYX"),
    "no axes": ({"axes": None}, AxesError, "--axes"),
    "no such setting": ({"settings": {"step": 3}}, InputError, "step"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_options(data: np.ndarray, tmp_path: Path, name: str) -> None:
    options, kind, words = BAD[name]
    if {"ratio", "size"}.isdisjoint(options):
        options = {"size": SIZE, **options}
    with pytest.raises(kind, match=words):
        inif.compress(data, **{"axes": "YX", "out": tmp_path / "a.inif", **options})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (np.full((20, 20), np.nan, np.float32), "nan_to_num"),
        (np.zeros((20, 20), np.float64), "float32"),
        (np.zeros((20, 20), bool), "uint8"),
        (np.zeros((20, 20), np.uint32), "uint16"),
        (np.zeros((0, 20), np.uint8), "no samples"),
    ],
)
def test_bad_samples(bad: np.ndarray, words: str) -> None:
    with pytest.raises(InputError, match=words):
        inif.compress(bad, axes="YX", size=SIZE)


def test_a_missing_image() -> None:
    with pytest.raises(InputError, match=r"no-such\.tif"):
        inif.compress("no-such.tif", size=SIZE)


def interrupt(event: ProgressEvent) -> None:
    if event.stage == "fit":
        raise KeyboardInterrupt


def test_ctrl_c_leaves_nothing(quick: Quick, data: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        quick(data, axes="YX", size=SIZE, out=tmp_path / "a.inif", progress=interrupt)
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_can_keep_the_best(quick: Quick, data: np.ndarray, tmp_path: Path) -> None:
    out = tmp_path / "a.inif"
    with pytest.warns(RemarkWarning, match="interrupted"):
        file = quick(data, axes="YX", size=SIZE, out=out, progress=interrupt, keep_partial=True)
    with file:
        assert file.header["lossy"]["stopped"] == "interrupt"
        assert SIZE / 1.01 <= file.file_bytes <= SIZE
    assert inif.verify(out)["ok"]


@pytest.mark.usefixtures("unfitted")
@pytest.mark.parametrize("step", ["replace", "open"])
def test_a_full_disk_leaves_what_was_there(
    quick: Quick, data: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    out = tmp_path / "a.inif"
    out.write_bytes(b"before")
    monkeypatch.setattr(f"inif.outputs.os.{step}", full)
    with pytest.raises(InputError, match="No space left") as caught:
        quick(data, axes="YX", size=SIZE, out=out, overwrite=True)
    assert str(out) in str(caught.value.file)
    assert [p.name for p in tmp_path.iterdir()] == ["a.inif"]
    assert out.read_bytes() == b"before"


@pytest.mark.parametrize("verb", [inif.open, inif.inspect, inif.verify])
def test_what_is_no_file_of_ours(verb: Callable[[object], Any], tmp_path: Path) -> None:
    path = tmp_path / "a.inif"
    with pytest.raises(InputError, match=r"a\.inif"):
        verb(path)
    for junk in (b"", b"II*\0" * 20):
        path.write_bytes(junk)
        with pytest.raises(FormatError, match=r"a\.inif"):
            verb(path)


def test_the_package_shows_its_verbs() -> None:
    for name in inif.__all__:
        assert getattr(inif, name) is not None
    assert isinstance(inif.File, type)
    with pytest.raises(AttributeError):
        _ = inif.no_such_thing


def test_large_files_have_the_whole_digest(data: np.ndarray) -> None:
    for budget, digits in ((TINY - 1, 16), (TINY, 64)):
        job = Job(Image(data, "YX"), Target(size=budget), FitSettings())
        assert len(draft_header(job, budget)["lossy"]["sha256"]) == digits
