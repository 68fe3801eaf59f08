"""Tuning of LPIPS: distortions, slices, the objective, and the command."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from inif.errors import InputError
from inif.guidance.distort import KINDS, damage, distorted
from inif.guidance.tune import DistortedSlice, Settings, ranks, slices_of, spearman, tune
from inif.image import Image
from inif.perceptual import weights
from inif.perceptual.lpips import CHANNELS, Lpips

Cli = Callable[..., Any]


def texture(*shape: int) -> np.ndarray:
    """Spots on a slope, 0 to 1, float32."""
    rng = np.random.default_rng(3)
    plane = np.linspace(0, 0.3, shape[-1]) + np.zeros(shape)
    for _ in range(60):
        at = tuple(rng.integers(n - 3) for n in shape)
        plane[tuple(slice(a, a + 3) for a in at)] += 0.5
    return np.asarray(plane / plane.max(), np.float32)


@pytest.mark.slow
def test_every_kind_does_more_damage_with_strength() -> None:
    plane = texture(70, 66)
    versions = distorted(plane, np.random.default_rng(0))
    for kind in KINDS:
        found = [damage(plane, v) for k, v in versions if k == kind]
        assert len(found) == 5
        assert None not in found
        assert found[0] < found[-1]
        assert sum(np.diff(found) > -0.02) == 4  # type: ignore[call-overload]
    assert all(v.shape == plane.shape and v.dtype == np.float32 for _, v in versions)
    assert damage(plane, plane) == pytest.approx(0, abs=1e-6)
    assert damage(0 * plane, 0 * plane) is None
    again = distorted(plane, np.random.default_rng(0))
    assert all(np.array_equal(a, b) for (_, a), (_, b) in zip(versions, again, strict=True))


@given(st.lists(st.integers(-50, 50), min_size=3, max_size=20, unique=True), st.integers(0, 99))
def test_rank_correlation(numbers: list[int], seed: int) -> None:
    x = np.array(numbers, float)
    y = np.random.default_rng(seed).permutation(x)
    assert spearman(x, y) == pytest.approx(scipy.stats.spearmanr(x, y).statistic)
    assert spearman(x, np.exp(x / 20)) == pytest.approx(1)


def test_slices_are_spread_scaled_and_the_busiest_part() -> None:
    data = np.zeros((7, 2, 100, 420), np.uint16)
    data[..., 50, 400:] = 900
    data[3] = 5
    found = slices_of(Image(data, "ZCYX"), 7)
    assert [p.shape for p in found] == [(100, 192)] * 6  # one is constant
    assert all(p.min() == 0 and p.max() == 1 for p in found)
    turned = slices_of(Image(data.transpose(3, 1, 0, 2), "XCZY"), 7)
    np.testing.assert_array_equal(found[0], turned[0])
    assert len(slices_of(Image(data, "ZCYX"), 100)) == 12


@pytest.mark.parametrize(("shape", "axes"), [((63, 200), "YX"), ((200, 200), "ZX")])
def test_images_without_large_planes_are_refused(shape: tuple[int, ...], axes: str) -> None:
    with pytest.raises(InputError, match="small"):
        slices_of(Image(np.ones(shape, np.uint8), axes), 3)
    with pytest.raises(InputError, match="nothing"):
        slices_of(Image(np.ones((64, 64), np.uint8), "YX"), 3)


def made_up(seed: int, count: int = 8) -> list[DistortedSlice]:
    """Slices where only the odd features tell damage; the others are noise."""
    rng = np.random.default_rng(seed)
    out = []
    for _ in range(count):
        lost = rng.random(15)
        change = rng.random((15, sum(CHANNELS))).astype(np.float32) * 0.1
        change[:, 1::2] += lost[:, None].astype(np.float32) * 0.01
        change[:, ::2] *= 4 * rng.random((15, 1)).astype(np.float32)
        out.append(DistortedSlice(("a",) * 8 + ("b",) * 7, lost, change))
    return out


def plain() -> Lpips:
    """Heads alone, all alike but for zeros."""
    heads = tuple(np.ones(n, np.float32) for n in CHANNELS)
    heads[2][:50] = 0
    return Lpips((), (), heads)  # type: ignore[arg-type]


def test_tuned_heads_rank_slices_that_they_have_not_seen() -> None:
    model, seen, unseen = plain(), made_up(0), made_up(1)
    heads = tune(model, seen, Settings(steps=100, hold=0.001))
    assert all(h.shape == (n,) and (h >= 0).all() for h, n in zip(heads, CHANNELS, strict=True))
    before, after = (ranks(h, unseen) for h in (model.heads, heads))
    assert after["all"] > before["all"] + 0.2
    assert after["within"] > before["within"]
    flat = [np.concatenate(h) for h in (model.heads, heads)]
    means = [np.mean([np.mean(s.change @ f) for s in seen]) for f in flat]
    assert means[1] == pytest.approx(means[0], rel=1e-4)
    again = tune(model, seen, Settings(steps=100, hold=0.001))
    assert all(np.array_equal(a, b) for a, b in zip(heads, again, strict=True))


def test_slices_that_never_differ_teach_nothing() -> None:
    same = [DistortedSlice(s.kinds, np.zeros(15), s.change) for s in made_up(0)]
    with pytest.raises(InputError, match="differ"):
        tune(plain(), same, Settings(steps=1))


@pytest.mark.slow
def test_the_command_writes_heads_that_load(cli: Cli, tmp_path: Path) -> None:
    image, out = tmp_path / "i.npy", tmp_path / "h.safetensors"
    np.save(image, np.stack([np.roll(texture(64, 64), 9 * i, 0) for i in range(4)]))
    words = ("perceptual", "tune", image, "--axes", "ZYX", "--slices", 4, "-o", out)
    body = cli(*words, "--json")
    assert body.code == 0
    assert body.json["slices"] == 3
    assert body.json["left_out"] == 1
    assert body.json["before"].keys() == body.json["after"].keys() == {"all", "within"}
    heads = weights.load_heads(out)
    assert not np.array_equal(heads[0], np.asarray(weights.load().heads[0]))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["h.safetensors", "i.npy"]
    quiet = cli(*words[:-1], tmp_path / "again.safetensors", "--quiet")
    assert (quiet.code, quiet.stdout, quiet.stderr) == (0, "", "")
    assert (tmp_path / "again.safetensors").read_bytes() == out.read_bytes()


@pytest.mark.parametrize("out", ["h.npz", "no/such/folder/h.safetensors"])
def test_what_cannot_be_written_is_said_first(cli: Cli, tmp_path: Path, out: str) -> None:
    outcome = cli("perceptual", "tune", tmp_path / "no.tif", "-o", tmp_path / out, "--json")
    assert outcome.code == 2
    assert "h." in json.dumps(outcome.json) or "folder" in json.dumps(outcome.json)
    assert not list(tmp_path.iterdir())
