"""Tasks by name, label images, functions of the user's, and what the report makes of them."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from scipy import ndimage

from inif.errors import InputError, MissingExtraError
from inif.metrics import evaluate
from inif.metrics.html import html
from inif.metrics.tasks import IntensityTask, Labels, ObjectsTask, Otsu, Ridge, Tophat, parse_tasks
from inif.metrics.tasks.by_name import parse
from inif.metrics.tasks.labels import read_labels
from inif.metrics.tasks.mask import MaskTask
from inif.metrics.tasks.reused import SpotsTask
from inif.metrics.text import render

Cli = Callable[..., Any]


def image(*shape: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (1000 + 4000 * ndimage.gaussian_filter(rng.normal(size=shape), 2)).astype(np.uint16)


def changed(data: np.ndarray, by: int = 40) -> np.ndarray:
    return (data + np.random.default_rng(9).integers(-by, by, data.shape)).astype(data.dtype)


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module of the user's with good and bad segmenters."""
    (tmp_path / "my_cells.py").write_text(
        "import numpy as np\n"
        "def bright(a):\n    return a > 1100\n"
        "def parts(a):\n    return (a > 1100) * np.arange(1, 1 + a.shape[-1])\n"
        "def everything(a):\n    a[:] = 0\n    return np.ones(a.shape, np.uint8)\n"
        "def wrong_shape(a):\n    return a.sum() > 0\n"
        "def wrong_type(a):\n    return a / 2\n"
        "def negative(a):\n    return -np.ones(a.shape, int)\n"
        "def fails(a):\n    raise RuntimeError('no model')\n"
        "number = 3\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("my_cells", None)
    return "my_cells"


def test_grammar() -> None:
    assert parse("mask").about.startswith("Area")
    assert parse("objects") == ObjectsTask("objects", Otsu())
    assert parse("objects:ridge,sigma=1.25,dims=2,smallest=9") == ObjectsTask(
        "objects:ridge,sigma=1.25,dims=2,smallest=9", Ridge(1.25, 9), 2
    )
    assert parse("mask:tophat,radius=3") == MaskTask("mask:tophat,radius=3", Tophat(3.0))
    assert parse("objects:sigma=3") == ObjectsTask("objects:sigma=3", Otsu(3.0))
    assert parse("spots:radius=1,sigma=2") == SpotsTask("spots:radius=1,sigma=2", 2.0, 1.0)
    text = "intensity:background=median,labels=a,b=c.tif"
    assert parse(text) == IntensityTask(text, "a,b=c.tif", 3, "median")
    assert [t.name for t in parse_tasks("spots")] == ["spots"]
    assert [t.name for t in parse_tasks(["spots", "frc", "spots"])] == ["spots", "frc"]
    assert parse_tasks(SpotsTask()) == (SpotsTask(),)


@pytest.mark.parametrize(
    "text",
    [
        *("", "cells", "object:otsu", "objects:watershed", "objects:otsu,ridge", "frc:otsu"),
        *("objects:sigma=0", "objects:sigma=nan", "objects:sigma=x", "objects:smallest=0"),
        *(
            "objects:dims=4",
            "objects:background=median",
            "objects:labels=x.tif",
            "spots:smallest=2",
        ),
        *("objects:sigma=1,sigma=2", "intensity:labels=", "intensity:background=mean"),
        *("spots:otsu", "spots:python:a:b", "intensity:otsu,labels=x.tif", "objects:python:"),
        *("objects:python:os", "objects:python:no_such_module:f", "objects:python:os:no_such"),
        *(
            "objects:python:os:sep",
            "objects:sigma=2,python:os:getcwd",
            "clean",
            "clean:",
            "noise:x",
        ),
    ],
)
def test_what_cannot_be_read_is_one_error(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(text)
    assert caught.value.expected
    assert caught.value.field


def test_an_unknown_task_lists_all(cli: Cli, compressed: Any) -> None:
    outcome = cli(
        *("evaluate", compressed.image, compressed.file, "--axes", "ZYX", "--task", "cells")
    )
    assert outcome.code == 2
    assert outcome.stderr.count("\n") == 1
    assert "mask, objects, spots, intensity, frc, noise, clean" in outcome.stderr
    with pytest.raises(
        InputError, match="otsu or ridge or tophat or python:MODULE:FUNCTION or labels=FILE"
    ):
        parse("intensity:what")


def test_without_scipy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy", None)
    monkeypatch.setitem(sys.modules, "scipy.ndimage", None)
    with pytest.raises(MissingExtraError, match="scipy"):
        parse("objects")
    a = image(24, 30)
    labels = Labels(np.arange(a.size).reshape(a.shape) // 300, "YX")
    tasks = ("spots", "frc", IntensityTask("own", labels))
    got = evaluate(a, a, axes="YX", tasks=tasks)
    assert [t.channels[0].score for t in got.tasks] == pytest.approx([1, 1, 1])


def test_functions_of_the_users(module: str) -> None:
    a = image(24, 30)
    tasks = [f"{n}:python:{module}:{f}" for n in ("mask", "objects") for f in ("bright", "parts")]
    got = evaluate(a, changed(a), axes="YX", tasks=[*tasks, f"mask:python:{module}:everything"])
    scores = [t.channels[0].score for t in got.tasks]
    assert all(s is not None and 0 < s < 1 for s in scores[:4])
    assert got.tasks[3].channels[0]["original"] > got.tasks[2].channels[0]["original"]
    assert scores[4] == 1
    for name in ("wrong_shape", "wrong_type", "negative", "fails"):
        with pytest.raises(InputError, match="my_cells"):
            evaluate(a, a, axes="YX", tasks=f"objects:python:{module}:{name}")


def regions(shape: tuple[int, ...]) -> np.ndarray:
    out = np.zeros(shape, np.uint16)
    out[..., 2:8, 3:9] = 4
    out[..., 12:20, 10:25] = 9
    return out


@pytest.mark.parametrize(
    ("axes", "shape"),
    [("YX", (24, 30)), ("ZYX", (4, 24, 30)), ("TCZYX", (2, 1, 4, 24, 30)), ("XY", (30, 24))],
)
@pytest.mark.parametrize("form", [np.uint16, np.float32, np.int16])
def test_label_images_of_many_forms(
    axes: str, shape: tuple[int, ...], form: Any, tmp_path: Path
) -> None:
    a = image(2, 3, 4, 24, 30)  # T C Z Y X
    data = regions(shape) if axes[-1] == "X" else regions(shape[::-1]).T
    labels = Labels(data.astype(form), axes)
    got = evaluate(a, changed(a), axes="TCZYX", tasks=IntensityTask("own", labels)).tasks[0]
    assert [c["regions"] for c in got.channels] == [4, 4, 4]
    first = a[:, 0, :, 2:8, 3:9].astype(float).sum(axis=(1, 2, 3))
    second = a[:, 0, :, 12:20, 10:25].astype(float).sum(axis=(1, 2, 3))
    other = changed(a)[:, 0].astype(float)
    sums = np.stack([first, second])
    after = np.stack(
        [other[..., 2:8, 3:9].sum(axis=(1, 2, 3)), other[..., 12:20, 10:25].sum(axis=(1, 2, 3))]
    )
    expected = (after - sums) / sums
    largest = expected.ravel()[np.abs(expected).argmax()]
    assert got.channels[0]["largest_deviation_percent"] == pytest.approx(100 * largest)


def test_labels_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a,b.npy"
    np.save(path, regions((24, 30)))
    a = image(3, 24, 30)
    task = f"intensity:labels={path}"
    got = evaluate(a, changed(a), axes="ZYX", tasks=[task, f"intensity:dims=2,labels={path}"])
    assert [t.channels[0]["regions"] for t in got.tasks] == [2, 6]
    np.save(path, 255 * (regions((24, 30)) > 0).astype(np.uint8))
    mask = evaluate(a, changed(a), axes="ZYX", tasks=task)
    assert mask.tasks[0].channels[0]["regions"] == 2
    np.save(path, np.ones((24, 30), np.uint8))
    whole = evaluate(a, changed(a), axes="ZYX", tasks=task).tasks[0].channels[0]
    assert (whole["regions"], whole["psnr_outside"], whole["correlation"]) == (1, None, None)
    np.save(path, np.zeros((24, 30), np.uint8))
    none = evaluate(a, changed(a), axes="ZYX", tasks=task).tasks[0].channels[0]
    assert (none.score, none["regions"], none["bias_percent"]) == (None, 0, None)


def test_labels_that_do_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "labels.npy"
    for wrong in (np.zeros((24, 31), int), np.full((24, 30), 0.5), np.full((24, 30), -1)):
        np.save(path, wrong)
        with pytest.raises(InputError, match="label"):
            read_labels(str(path), "ZYX", (3, 24, 30))
    a = image(24, 30)
    with pytest.raises(InputError, match="fit the image"):
        evaluate(a, a, axes="YX", tasks=IntensityTask("x", Labels(np.zeros((5, 5), int), "YX")))
    with pytest.raises(InputError, match="no such file"):
        evaluate(a, a, axes="YX", tasks=f"intensity:labels={tmp_path / 'none.tif'}")


def test_images_that_tasks_cannot_use() -> None:
    line, small = np.zeros(30, np.uint8), np.zeros((8, 30), np.uint8)
    with pytest.raises(InputError, match="Y and X"):
        evaluate(line, line, axes="X", tasks="spots")
    with pytest.raises(InputError, match="too small"):
        evaluate(small, small, axes="YX", tasks="frc")


class Watched:
    """An array that remembers the largest block that was asked of it."""

    def __init__(self, data: np.ndarray) -> None:
        self._data, self.shape, self.dtype, self.largest = data, data.shape, data.dtype, 0

    def __getitem__(self, key: Any) -> np.ndarray:
        part = self._data[key]
        self.largest = max(self.largest, part.size)
        return part


@pytest.mark.parametrize(("dims", "most"), [(3, 4 * 24 * 30), (2, 24 * 30)])
def test_one_unit_at_a_time(dims: int, most: int) -> None:
    from inif.metrics.fidelity import channel_ranges
    from inif.metrics.tasks import measure

    a = image(3, 2, 4, 24, 30)
    first, second = Watched(a), Watched(changed(a))
    tasks = parse_tasks([f"objects:dims={dims}", f"spots:dims={dims}"])
    measure(tasks, first, [second], "TCZYX", channel_ranges(a, "TCZYX"))
    assert first.largest == second.largest == most


def test_both_files_in_text_html_and_json() -> None:
    a = image(2, 24, 30)
    b, c = changed(a, 20), changed(a, 300)
    tasks = ("objects:smallest=4", "frc")
    got = evaluate(a, b, axes="CYX", tasks=tasks, against=c)
    assert got.against is not None
    assert got.against == evaluate(a, c, axes="CYX", tasks=tasks)
    out = io.StringIO()
    Console(file=out, width=200).print(render(got))
    page = html(got)
    words = ("Side by side", "Task objects:smallest=4", "Task frc", "Average precision", "Other")
    for word in words:
        assert word in out.getvalue()
        assert word in page
    body = json.loads(json.dumps(got.to_json(), allow_nan=False))
    assert body["against"]["psnr"]["pooled"] < body["psnr"]["pooled"]
    assert body["against"]["tasks"][1]["task"] == "frc"
    plain = evaluate(a, b, axes="CYX", tasks=())
    assert plain.to_json()["tasks"] == []
    assert plain.to_json()["against"] is None
    with pytest.raises(InputError, match="shape"):
        evaluate(a, b, axes="CYX", against=c[:, :20])


def test_text_shows_tasks_of_the_weakest_channels_only() -> None:
    a = image(14, 16, 16)
    b = a.copy()
    b[3:] = changed(a[3:], 30)
    out = io.StringIO()
    Console(file=out, width=200).print(render(evaluate(a, b, axes="CYX", tasks="spots")))
    assert out.getvalue().count("Recall") == 12
    assert "The 12 weakest of 14 channels. " in out.getvalue()


def test_on_the_command_line(cli: Cli, compressed: Any, tmp_path: Path) -> None:
    np.save(tmp_path / "labels.npy", np.ones((24, 20), np.uint8))
    words = ("evaluate", compressed.image, compressed.file, "--axes", "ZYX", "--against")
    tasks = ("--task", "objects:otsu", "--task", f"intensity:labels={tmp_path / 'labels.npy'}")
    outcome = cli(*words, compressed.file, *tasks, "--json")
    assert outcome.code == 0
    body = outcome.json
    assert [t["task"] for t in body["tasks"]] == [tasks[1], tasks[3]]
    assert body["tasks"] == body["against"]["tasks"]
    assert body["tasks"][1]["channels"][0]["regions"] == 1
    text = cli(*words, compressed.file, *tasks)
    assert "Side by side" in text.stdout
    assert cli(*words, tmp_path / "no.inif").code == 2
