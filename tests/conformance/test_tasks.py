"""Every task passes this: a new one needs no new test."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from inif.metrics import evaluate
from inif.metrics.tasks import (
    CleanReference,
    CleanTask,
    IntensityTask,
    Labels,
    Task,
    TaskResult,
    measure,
    parse_tasks,
)
from inif.metrics.tasks.by_name import SEGMENTERS, TASKS, names
from inif.metrics.tasks.run import prepare

SEGMENTED = [n for n in names() if TASKS[n].segments]
ALL = [*names(), *(f"{n}:{s}" for n in SEGMENTED for s in SEGMENTERS), "objects:dims=2"]


@pytest.fixture(params=ALL)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def cells(*shape: int, seed: int = 0) -> np.ndarray:
    """Blobs of many sizes and brightnesses, some lines, on noise: uint16."""
    rng = np.random.default_rng(seed)
    image = np.zeros(shape)
    for _ in range(24):
        image[tuple(rng.integers(2, n - 2) if n > 4 else 0 for n in shape)] = rng.uniform(1, 2)
    image = ndimage.gaussian_filter(image, 2.0, mode="wrap")
    image /= image.max()
    image[..., shape[-2] // 2, 5:-5] += 0.5
    smooth = ndimage.gaussian_filter(image, 1.0)
    return (500 + 3000 * smooth + rng.normal(0, 8, shape)).clip(0, 65535).astype(np.uint16)


def asked(name: str | Task, original: np.ndarray, axes: str) -> str | Task:
    """The task; one that needs a file gets the original itself."""
    return CleanTask(name, CleanReference(original, axes)) if name == "clean" else name


def run(name: str | Task, original: np.ndarray, decoded: np.ndarray, axes: str) -> TaskResult:
    from inif.metrics.fidelity import channel_ranges

    tasks = prepare(parse_tasks([asked(name, original, axes)]), axes, original.shape)
    ranges = channel_ranges(original, axes)
    return measure(tasks, original, [decoded], axes, ranges)[0][0]


def blurred(image: np.ndarray, sigma: float = 3) -> np.ndarray:
    spread = [sigma if n > 1 else 0 for n in image.shape]
    return np.rint(ndimage.gaussian_filter(image.astype(float), spread)).astype(image.dtype)


CASES = [
    ((72, 80), "YX"),
    pytest.param((1, 48, 56), "ZYX", marks=pytest.mark.slow),
    ((12, 40, 48), "ZYX"),
]


@pytest.mark.parametrize(("shape", "axes"), CASES)
def test_identical_images_are_perfect_and_others_are_not(
    name: str, shape: tuple[int, ...], axes: str
) -> None:
    image = cells(*shape)
    same = run(name, image, image.copy(), axes).channels[0]
    assert same.score == pytest.approx(1, abs=1e-12)
    shuffled = np.random.default_rng(1).permuted(image.reshape(-1)).reshape(shape)
    for worse in (blurred(image), shuffled):
        figures = run(name, image, worse, axes).channels[0]
        assert figures.score is not None
        assert 0 <= figures.score < 0.999


def test_a_little_blur_is_better_than_much(name: str) -> None:
    image = cells(72, 80)
    little, much = (run(name, image, blurred(image, s), "YX").channels[0] for s in (0.5, 6))
    assert little.score is not None
    assert much.score is not None
    assert little.score > much.score


def test_units_are_pooled(name: str) -> None:
    first, second = cells(48, 56), cells(48, 56, seed=1)
    a, b = (blurred(i, 1) for i in (first, second))
    both = run(name, np.stack([first, second]), np.stack([a, b]), "TYX").channels[0]
    turned = run(name, np.stack([second, first]), np.stack([b, a]), "TYX").channels[0]
    one, two = (run(name, i, j, "YX").channels[0] for i, j in ((first, a), (second, b)))
    assert both.score == pytest.approx(turned.score)
    scores = [one.score, two.score]
    assert min(scores) - 1e-9 <= both.score <= max(scores) + 1e-9
    for key in ("original", "decoded", "regions", "original_samples", "missed", "planes"):
        if any(f.key == key for f in both.figures):
            assert both[key] == one[key] + two[key] == turned[key]


def test_channels_are_kept_apart_whatever_the_order_of_the_axes(name: str) -> None:
    image = np.stack([cells(2, 8, 32, 36, seed=s) for s in range(2)])  # C T Z Y X
    image[1] //= 2
    decoded = blurred(image, 0)
    decoded[1] = blurred(image[1].reshape(16, 32, 36), 1).reshape(image[1].shape)
    found = run(name, image, decoded, "CTZYX")
    assert found.channels[0].score == pytest.approx(1, abs=1e-12)
    assert found.channels[1].score is not None
    assert found.channels[1].score < 1
    moved = run(name, image.transpose(1, 4, 2, 0, 3), decoded.transpose(1, 4, 2, 0, 3), "TXZCY")
    assert json.dumps(moved.to_json("ab")) == json.dumps(found.to_json("ab"))


@pytest.mark.parametrize(("fill", "other"), [(0, 0), (7, 7), (7, 9)])
def test_images_without_anything(name: str, fill: int, other: int) -> None:
    image = np.full((3, 20, 24), fill, np.uint16)
    decoded = image.copy()
    decoded[1:, 4:16, 4:16] = other
    figures = run(name, image, decoded, "ZYX").channels[0]
    assert figures.score in ((1.0, None) if fill == other else (0.0, 1.0, None))
    json.dumps(figures.to_json(), allow_nan=False)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
def test_sample_types(name: str, dtype: str) -> None:
    image = (cells(48, 56).astype(float) / 20 - 20).astype(dtype)
    assert run(name, image, image, "YX").channels[0].score == pytest.approx(1, abs=1e-12)


def test_json_is_strict_and_so_is_the_evaluation(name: str) -> None:
    image = cells(2, 40, 48)
    task = asked(name, image, "CYX")
    got = evaluate(image, blurred(image, 1), axes="CYX", tasks=task, against=blurred(image, 2))
    body = json.loads(json.dumps(got.to_json(), allow_nan=False))
    assert [c["channel"] for c in body["tasks"][0]["channels"]] == ["0", "1"]
    assert body["tasks"][0]["task"] == name
    mine, other = (x["tasks"][0]["channels"][0]["score"] for x in (body, body["against"]))
    assert mine >= other
    assert got.tasks[0].about.endswith(".")


def test_a_task_is_its_value(name: str) -> None:
    text = f"{name}:file.tif" if name == "clean" else name
    assert parse_tasks([text]) == parse_tasks((text, text))


@pytest.mark.parametrize("task", ["objects", "intensity"])
def test_numbers_of_labels_do_not_matter(task: str) -> None:
    from inif.metrics.tasks.objects import match

    image, rng = cells(48, 56), np.random.default_rng(2)
    labels = ndimage.label(ndimage.gaussian_filter(image.astype(float), 2) > 900)[0]
    numbers = np.concatenate([[0], 1 + rng.permutation(labels.max())])
    decoded = blurred(image, 1)
    found: list[Any] = []
    for these in (labels, numbers[labels]):
        if task == "objects":
            found.append(match(these, np.roll(labels, 1, axis=0)))
        else:
            figures = run(IntensityTask("own", Labels(these, "YX")), image, decoded, "YX")
            found.append({f.key: f.value for f in figures.channels[0].figures})
    if task == "intensity":
        assert found[0] == pytest.approx(found[1])
    else:
        assert found[0].pairs == found[1].pairs
        assert found[0].iou == pytest.approx(found[1].iou)
