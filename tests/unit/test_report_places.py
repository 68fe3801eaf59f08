"""The default report names the places where structure was lost, and is silent on mere denoising."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from inif.metrics import Evaluation, evaluate
from inif.metrics.smoothing import smooth
from inif.metrics.tasks import run
from inif.metrics.tasks.run import Sample, sample_of

SIZE = 96
Pair = tuple[np.ndarray, np.ndarray]


def blur(image: np.ndarray, sigma: float) -> np.ndarray:
    """Every plane of an image, smoothed."""
    flat = image.reshape(-1, *image.shape[-2:]).astype(np.float64)
    return np.stack([smooth(p, sigma, "edge") for p in flat]).reshape(image.shape)


def cells(*outer: int, seed: int = 0) -> np.ndarray:
    """What a scene is without noise: soft blobs with texture, 500 … some 5000 counts."""
    rng = np.random.default_rng(seed)
    shape = (*outer, SIZE, SIZE)
    coarse = blur(rng.normal(size=shape), 9)
    texture = blur(rng.normal(size=shape), 1.5)
    coarse /= coarse.std()
    texture /= texture.std()
    return 500 + 1500 * np.clip(coarse, 0, None) * (1 + 0.25 * np.clip(texture, -2, 2))


def noisy(clean: np.ndarray, seed: int = 1) -> np.ndarray:
    """The scene as a camera sees it: 5 counts a photon, and noise of reading."""
    rng = np.random.default_rng(seed)
    return 5.0 * rng.poisson(clean / 5.0) + rng.normal(0, 10, clean.shape)


def foci(seed: int = 3, n: int = 20, sigma: float = 1.2) -> np.ndarray:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIZE, :SIZE]
    at = rng.integers(6, SIZE - 6, (n, 2))
    return np.sum([np.exp(-((y - p) ** 2 + (x - q) ** 2) / (2 * sigma**2)) for p, q in at], axis=0)


def u16(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 65535).astype(np.uint16)


def said(e: Evaluation) -> str:
    return "\n".join(e.warnings)


def lost_foci(height: float) -> Pair:
    clean = cells(9)
    planted = clean.copy()
    planted[4] += height * foci()
    return u16(noisy(planted)), u16(clean)


def invented_foci() -> Pair:
    clean = cells(9)
    decoded = clean.copy()
    decoded[4] += 1500 * foci()
    return u16(noisy(clean)), u16(decoded)


def a_line() -> Pair:
    clean = cells(9)
    line = np.zeros((SIZE, SIZE))
    line[np.arange(10, 80), np.arange(10, 80)] = 1
    planted = clean.copy()
    planted[6] += 1500 * blur(line, 1.0) / blur(line, 1.0).max()
    return u16(noisy(planted)), u16(clean)


def a_blurred_slice() -> Pair:
    clean = cells(9)
    decoded = clean.copy()
    decoded[2] = blur(clean[2], 3)
    return u16(noisy(clean)), u16(decoded)


def a_shifted_slice() -> Pair:
    clean = cells(9)
    decoded = clean.copy()
    decoded[5] = np.roll(clean[5], 2, axis=1)
    return u16(noisy(clean)), u16(decoded)


@pytest.mark.parametrize(
    ("make", "words", "place"),
    [
        (lambda: lost_foci(1500), "small bright structures of the original are lost", "z=4"),
        (lambda: lost_foci(600), "small bright structures of the original are lost", "z=4"),
        (lambda: lost_foci(-450), "small dark structures of the original are lost", "z=4"),
        (invented_foci, "appear that the original does not have", "z=4"),
        (a_line, "structure", "z=6"),
        (a_blurred_slice, "structure was lost", "z=2"),
        (a_shifted_slice, "structure was lost", "z=5"),
    ],
    ids=["bright", "dim", "holes", "invented", "line", "blurred", "shifted"],
)
def test_the_place_of_a_loss_is_named(make: Callable[[], Pair], words: str, place: str) -> None:
    e = evaluate(*make(), axes="ZYX")
    assert words in said(e).lower()
    lines = [w for w in e.warnings if words in w.lower()]
    assert any(place in w for w in lines)
    others = {f"z={z}" for z in range(9)} - {place}
    assert not any(o in w for o in others for w in lines)
    assert "may be noise rather" not in said(e)


@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize(("axes", "outer"), [("YX", ()), ("ZYX", (5,)), ("TCZYX", (2, 2, 2))])
def test_mere_denoising_is_no_loss(kind: str, axes: str, outer: tuple[int, ...]) -> None:
    clean = cells(*outer)
    original = noisy(clean)
    if kind == "uint8":
        clean, original = (np.clip(v / 120, 0, 255) for v in (clean, original))
    if kind != "float32":
        clean, original = np.rint(clean), np.rint(original)
    e = evaluate(original.astype(kind), clean.astype(kind), axes=axes)
    assert not any(
        word in said(e).lower() for word in ("lost", "appear", "flattened", "worse than", "slice")
    )
    assert "may be noise rather than detail" in said(e)
    assert all(c.places is not None and c.places.failed == 0 for c in e.channels)


def test_mere_denoising_of_few_photons_is_no_loss() -> None:
    clean = cells(4) / 500
    original = np.random.default_rng(0).poisson(clean)
    e = evaluate(original.astype(np.uint16), np.rint(clean).astype(np.uint16), axes="ZYX")
    places = e.channels[0].places
    assert places is not None
    assert not any(s.changed for s in places.spots)


def test_a_blurred_corner_is_found_where_it_is() -> None:
    clean = cells(3)
    decoded = clean.copy()
    decoded[1, 64:, 64:] = blur(clean[1], 4)[64:, 64:]
    e = evaluate(u16(noisy(clean)), u16(decoded), axes="ZYX")
    places = e.channels[0].places
    assert places is not None
    assert {(p.index["z"], p.y, p.x) for p in places.worst} == {(1, (64, 96), (64, 96))}
    assert "z=1, y=64…96, x=64…96" in said(e)


def test_a_damaged_time_point_and_channel_are_named() -> None:
    clean = cells(6, 2, 2)
    original = u16(noisy(clean))
    decoded = clean.copy()
    decoded[3, 1] = blur(clean[3, 1], 6)
    e = evaluate(original, u16(decoded), axes="TCZYX")
    assert "Channel 1: time points worse than their neighbours: t=3" in said(e)
    assert "Channel 0" not in said(e).replace("Channel 0: of the finest", "")
    decoded = clean.copy()
    decoded[:, 1] = blur(clean[:, 1], 12)
    e = evaluate(original, u16(decoded), axes="TCZYX")
    assert "dB less than channel 0" in said(e)
    assert "Channel 1: structure was lost" in said(e)


def test_quality_of_every_slice_and_time_point_is_in_the_json() -> None:
    clean = cells(3, 4)
    e = evaluate(u16(noisy(clean)), u16(clean), axes="TZYX")
    body: Any = json.loads(json.dumps(e.to_json(), allow_nan=False))
    assert body["slices"]["axes"] == "tz"
    assert np.shape(body["slices"]["psnr"]) == (3, 4)
    assert [(p["axis"], len(p["psnr"]), len(p["ssim"])) for p in body["profiles"]] == [
        ("t", 3, 3),
        ("z", 4, 4),
    ]
    mean = np.mean(10 ** (-np.array(body["slices"]["psnr"]) / 10), axis=1)
    assert body["profiles"][0]["psnr"] == pytest.approx(-10 * np.log10(mean))
    assert body["channels"][0]["places"]["like_noise"] is True


def test_an_exact_image_has_no_places() -> None:
    a = u16(noisy(cells(3)))
    e = evaluate(a, a, axes="ZYX")
    assert e.warnings == ()
    assert e.channels[0].places is not None
    assert e.channels[0].places.failed == 0


def test_images_too_small_for_places_say_so() -> None:
    a = u16(noisy(cells()))[:12, :12]
    e = evaluate(a, a + np.uint16(3), axes="YX")
    assert e.channels[0].places is None
    assert "at least 16 × 16" in (e.places_note or "")
    assert e.tasks == ()


def test_default_tasks_look_at_a_bounded_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sample_of("ZYX", (60, 256, 256)) == Sample(16, 256, 256)
    assert sample_of("CYX", (41, 1024, 1024)) == Sample(1, 159, 160)
    assert sample_of("TCZYX", (9, 2, 5, 64, 64)) == Sample(45, 64, 64)
    assert sample_of("ZYX", (60, 8, 256)) is None
    a = u16(noisy(cells(4)))
    monkeypatch.setattr(run, "SAMPLES", 2 * SIZE * SIZE)
    e = evaluate(a, a + np.uint16(1), axes="ZYX")
    assert [t.task for t in e.tasks] == ["spots", "noise"]
    assert [t.sample for t in e.tasks] == ["2 of 4 planes per channel, evenly spaced"] * 2
    quick = evaluate(a[:2], a[:2], axes="ZYX", quick=True)
    assert quick.tasks == ()
    assert quick.channels[0].places is None
    asked = evaluate(a[:2], a[:2], axes="ZYX", tasks="frc")
    assert [t.task for t in asked.tasks] == ["frc"]
    assert asked.channels[0].places is not None
