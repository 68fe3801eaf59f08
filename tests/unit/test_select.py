"""By what frames are judged: squared error, structure, and the tasks of an analysis."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

import inif
from inif.config import FitSettings, Target
from inif.encode.hybrid.select import by_psnr, criterion
from inif.encode.job import Job
from inif.errors import InputError
from inif.image import Image
from inif.metrics import evaluate

pytestmark = pytest.mark.numerical

SHAPE = (2, 3, 40, 48)  # C Z Y X
PLACE = {"C": 0, "T": 0, "Z": 0, "Y": 0, "X": 0}


def picture() -> np.ndarray:
    """Discs on a slope with noise: uint16."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:40, :48]
    plane = np.zeros((40, 48))
    for y, x in ((10, 12), (28, 15), (20, 36)):
        plane += np.hypot(rows - y, columns - x) < 6
    plane = 500 + 2000 * ndimage.gaussian_filter(plane, 1.0) + 3 * columns
    return np.rint(plane + rng.normal(0, 20, SHAPE)).astype(np.uint16)


def job(select: str, data: np.ndarray | None = None, axes: str = "CZYX") -> Job:
    image = Image(picture() if data is None else data, axes)
    settings = FitSettings.for_effort(1)
    return Job(image, Target(10, None, None), settings, "hybrid", select=select)


def planes(data: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A plane of channel 0 as it is; brighter all over; with a disc lost. Values from 0 to 1."""
    low, high = float(data[0].min()), float(data[0].max())
    plane = ((data[0, 0] - low) / (high - low)).astype(np.float32)
    brighter = (plane + 0.2 * plane).clip(0, 1).astype(np.float32)
    lost = plane.copy()
    lost[3:18, 5:20] = plane[32:, 30:].mean()
    return plane, brighter, lost


@pytest.mark.parametrize("name", ["psnr", "ssim", "spots", "mask", "objects:otsu", "frc"])
def test_what_is_exact_is_better_and_nothing_is_better_than_itself(name: str) -> None:
    better = criterion(job(name))
    plane, _, lost = planes(picture())
    blurred = ndimage.gaussian_filter(plane, 2)
    for worse in (lost, blurred):
        assert better(plane, plane, worse, PLACE)
        assert not better(plane, worse, plane, PLACE)
        assert not better(plane, worse, worse.copy(), PLACE)


def test_each_judges_by_its_own() -> None:
    plane, brighter, lost = planes(picture())
    assert by_psnr(plane, brighter) > by_psnr(plane, lost)
    darker = (0.55 * plane).astype(np.float32)
    shifted = plane.copy()
    shifted[:, 24:] = 0.5 * (shifted[:, 24:] + shifted[:, 24:].mean())
    for name in ("objects:otsu", "mask:otsu,sigma=1"):
        assert criterion(job(name))(plane, brighter, lost, PLACE)
        assert criterion(job(name))(plane, shifted, darker, PLACE)
    assert not criterion(job("intensity:otsu"))(plane, darker, brighter, PLACE)


def test_ties_go_by_squared_error() -> None:
    plane, _, _ = planes(picture())
    near, far = (plane + step for step in (np.float32(1e-3), np.float32(2e-3)))
    for name in ("objects:otsu", "spots", "mask:otsu"):
        assert criterion(job(name))(plane, near, far, PLACE)
        assert not criterion(job(name))(plane, far, near, PLACE)


def test_tasks_see_what_an_evaluation_sees() -> None:
    data = picture()
    plane, brighter, lost = planes(data)
    better = criterion(job("intensity:otsu"))
    low, high = int(data[0].min()), int(data[0].max())
    scores = []
    for decoded in (brighter, lost):
        counts = np.rint(decoded.astype(float) * (high - low) + low).astype(np.uint16)
        got = evaluate(data[0, 0], counts, axes="YX", tasks="intensity:otsu")
        scores.append(got.tasks[0].channels[0].score or 0)
    assert scores[0] != scores[1]
    assert better(plane, brighter, lost, PLACE) == (scores[0] > scores[1])


def test_labels_are_those_of_the_place(tmp_path: Path) -> None:
    labels = np.zeros(SHAPE[1:], np.uint8)
    labels[2, 10:20, 30:40] = 1
    labels[2, 25:30, 30:40] = 2
    np.save(tmp_path / "labels.npy", labels)
    better = criterion(job(f"intensity:labels={tmp_path / 'labels.npy'}"))
    data = picture()
    low, high = int(data[1].min()), int(data[1].max())
    plane = ((data[1, 2, 5:35, 20:] - low) / (high - low)).astype(np.float32)
    inside, outside = plane.copy(), plane.copy()
    inside[5:15, 10:20] += 0.01
    outside[:4] = 1
    place = {"C": 1, "T": 0, "Z": 2, "Y": 5, "X": 20}
    assert by_psnr(plane, inside) > by_psnr(plane, outside)
    assert better(plane, outside, inside, place)
    assert better(plane, inside, outside, {**place, "Z": 0})  # no regions there: squared error


@pytest.mark.parametrize(
    "name", ["beauty", "", "noise", "clean:x.tif", "objects:what", "spots:otsu", "mask:sigma=0"]
)
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(InputError) as caught:
        criterion(job(name))
    assert caught.value.field == "select"
    assert caught.value.expected
    with pytest.raises(InputError, match="select"):
        inif.compress(picture(), axes="CZYX", size=3000, select=name)


def test_images_that_a_task_does_not_go_with(tmp_path: Path) -> None:
    small = np.arange(2 * 8 * 9, dtype=np.uint8).reshape(2, 8, 9)
    with pytest.raises(InputError, match="too small"):
        criterion(job("frc", small, "ZYX"))
    np.save(tmp_path / "labels.npy", np.zeros((5, 5), int))
    with pytest.raises(InputError, match="do not fit"):
        criterion(job(f"intensity:labels={tmp_path / 'labels.npy'}", small, "ZYX"))
    with pytest.raises(InputError, match="frames"):
        inif.compress(small, axes="ZYX", method="siren", select="spots")


def test_from_the_command_line_to_the_record(cli: Any, tmp_path: Path) -> None:
    pytest.importorskip("av")
    source, labels = tmp_path / "a.npy", tmp_path / "labels.npy"
    np.save(source, picture())
    marks = np.zeros(SHAPE[2:], np.uint8)
    marks[4:16, 6:18] = 1
    np.save(labels, marks)
    words = ("--axes", "CZYX", "--size", "2500", "--codec", "hevc", "--effort", "1", "--force")
    for select in ("objects:otsu,sigma=1", f"intensity:labels={labels}"):
        outcome = cli("compress", source, *words, "--select", select, "--json")
        assert outcome.code == 0, outcome.stderr
        assert outcome.json["select"] == select
        with inif.open(tmp_path / "a.inif") as file:
            assert file.header["lossy"]["select"] == select
            assert 2500 / 1.01 <= file.file_bytes <= 2500
        assert inif.verify(tmp_path / "a.inif")["exact"]
    assert "judged by" in cli("compress", source, *words, "--select", "ssim").stdout
    plain = cli("compress", source, *words, "--json").json
    assert "select" not in plain
    assert cli("compress", source, *words, "--select", "beauty").code == 2
