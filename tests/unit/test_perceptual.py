"""LPIPS: as the official code computes it, its slopes, and the files of its weights."""

from __future__ import annotations

import hashlib
import importlib
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from arithmetic import tolerance
from hypothesis import given, settings
from hypothesis import strategies as st

from inif.errors import InputError, MissingExtraError
from inif.perceptual import weights
from inif.perceptual.lpips import (
    CHANNELS,
    LEAST_SIDE,
    Lpips,
    differences,
    distance,
    features,
    layers_of,
    plane_distance,
)

pytestmark = pytest.mark.numerical

CONVOLUTIONS = tolerance(5 * 9 * 384)  # five layers, the longest sum of each

GOLDEN = Path(__file__).parent.parent / "golden" / "lpips.npz"
SLOPE = jax.jit(jax.value_and_grad(plane_distance, argnums=1))
CASES = [
    ((64, 64, 3), 0),
    ((96, 80, 3), 1),
    ((56, 56), 2),
    ((128, 72), 3),
    ((31, 37), 4),
]


@pytest.fixture(scope="module")
def model() -> Lpips:
    return weights.load()


def pair_of(shape: tuple[int, ...], seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    first, noise = (2 * rng.random(shape, dtype=np.float32) - 1 for _ in range(2))
    second = np.clip(first + np.float32(0.5) * noise, -1, 1)
    if seed % 2:  # less like noise
        first, second = (v.cumsum(axis=0, dtype=np.float64) for v in (first, second))
        first, second = (np.clip(v / 8, -1, 1) for v in (first, second))
    return first.astype(np.float32), second.astype(np.float32)


def test_the_heads_are_those_of_the_official_code(model: Lpips) -> None:
    with np.load(GOLDEN) as golden:
        for i, head in enumerate(model.heads):
            np.testing.assert_array_equal(head, golden[f"head{i + 1}"])


@pytest.mark.parametrize(
    "number", [*(pytest.param(n, marks=pytest.mark.slow) for n in range(4)), 4]
)
def test_distances_and_slopes_are_those_of_the_official_code(model: Lpips, number: int) -> None:
    first, second = (jnp.asarray(v[None]) for v in pair_of(*CASES[number]))
    change = np.asarray(jax.jit(differences)(model, first, second))[0]
    parts = np.split(change, np.cumsum(CHANNELS)[:-1])
    layers = [float(p @ np.asarray(h)) for p, h in zip(parts, model.heads, strict=True)]
    value_and_slope = jax.jit(jax.value_and_grad(lambda x: distance(model, x, second)[0]))
    found, slope = value_and_slope(first)
    with np.load(GOLDEN) as golden:
        np.testing.assert_allclose([found, *layers], golden["half"][number], rtol=CONVOLUTIONS)
        np.testing.assert_allclose(found, golden["full"][number, 0], rtol=1e-3)  # float16 kernels
        size = float(jnp.sqrt(jnp.mean(slope**2)))
        assert size == pytest.approx(golden["slope_half"][number], rel=2 * CONVOLUTIONS)


def test_grey_is_three_equal_colours(model: Lpips) -> None:
    first, second = (jnp.asarray(v[None]) for v in pair_of((20, 24), 2))
    coloured = (jnp.repeat(v[..., None], 3, axis=-1) for v in (first, second))
    measure = jax.jit(distance)
    assert float(measure(model, *coloured)[0]) == float(measure(model, first, second)[0])


@pytest.mark.parametrize("side", [7, 8, 15, 20, 30, 31, 56])
def test_layers_without_a_place_are_left_out(model: Lpips, side: int) -> None:
    images = jax.ShapeDtypeStruct((2, side, side + 3), jnp.float32)
    found = jax.eval_shape(features, model, images)
    assert len(found) == layers_of(side, side + 3) == {7: 1, 8: 1}.get(side, 2 if side < 31 else 5)
    for layer, channels in zip(found, CHANNELS, strict=False):
        assert layer.shape[0] == 2
        assert layer.shape[3] == channels
        assert min(layer.shape) >= 1
    assert layers_of(LEAST_SIDE - 1, 100) == 0


@pytest.mark.slow
@settings(max_examples=16)
@given(
    seed=st.integers(0, 1000),
    shape=st.sampled_from([(8, 9), (20, 20), (56, 56)]),
    kind=st.sampled_from(["noise", "constant", "extreme", "line"]),
)
def test_slopes_are_finite_and_mostly_not_zero(seed: int, shape: Any, kind: str) -> None:
    model = weights.load()
    rng = np.random.default_rng(seed)
    first = jnp.asarray(rng.random(shape), jnp.float32)
    second = jnp.full(shape, rng.random(), jnp.float32)
    if kind == "noise":
        second = jnp.asarray(rng.random(shape), jnp.float32)
    elif kind == "extreme":
        first, second = 1e3 * first, -1e3 * second
    elif kind == "line":
        second = second.at[shape[0] // 2].set(1.0)
    value, slope = SLOPE(model, first, second)
    assert 0 < float(value) < 10
    assert np.isfinite(np.asarray(slope)).all()
    assert float(jnp.abs(slope).max()) > 0
    same, flat = SLOPE(model, second, second)
    assert float(same) == 0
    assert np.isfinite(np.asarray(flat)).all()


def test_the_package_holds_the_file_that_its_note_describes() -> None:
    folder = Path(weights.__file__).parent
    note = (folder / "lpips.md").read_text("utf-8")
    for name, most in (("lpips", 10_000_000), ("microscopy", 10_000)):
        data = (folder / f"{name}.safetensors").read_bytes()
        assert len(data) < most
        assert hashlib.sha256(data).hexdigest() in note
        weights.load(name)


def heads_like(model: Lpips, factor: float) -> tuple[np.ndarray, ...]:
    return tuple(factor * np.asarray(h) for h in model.heads)


def test_heads_come_back_from_a_file(model: Lpips, tmp_path: Path) -> None:
    path = tmp_path / "h.safetensors"
    weights.save_heads(heads_like(model, 2.0), path, "a test")
    first, second = (jnp.asarray(v[None]) for v in pair_of((20, 24), 2))
    measure = jax.jit(distance)
    twice = measure(weights.load(str(path)), first, second)
    np.testing.assert_allclose(
        twice, 2 * measure(model, first, second), rtol=tolerance(sum(CHANNELS))
    )
    assert [p.name for p in tmp_path.iterdir()] == ["h.safetensors"]
    with pytest.raises(InputError, match="exists"):
        weights.save_heads(heads_like(model, 3.0), path, "a test")
    weights.save_heads(heads_like(model, 3.0), path, "a test", overwrite=True)
    np.testing.assert_array_equal(weights.load_heads(path)[0], 3 * np.asarray(model.heads[0]))


@pytest.mark.parametrize(
    "fault", ["bytes", "pickle", "missing", "shape", "negative", "nan", "large"]
)
def test_what_is_no_heads_is_refused(model: Lpips, tmp_path: Path, fault: str) -> None:
    from safetensors.numpy import save_file

    path = tmp_path / "h.safetensors"
    tensors = {f"head{i + 1}": h for i, h in enumerate(heads_like(model, 1.0))}
    if fault == "missing":
        del tensors["head3"]
    elif fault == "shape":
        tensors["head3"] = tensors["head3"][:-1].copy()
    elif fault in ("negative", "nan"):
        tensors["head3"][5] = -1 if fault == "negative" else np.nan
    elif fault == "large":
        tensors["more"] = np.zeros(300_000, np.float32)
    save_file(tensors, path)
    if fault == "bytes":
        path.write_bytes(path.read_bytes()[:-7])
    elif fault == "pickle":
        path.write_bytes(b"\x80\x04cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(InputError) as error:
        weights.load(str(path))
    assert "h.safetensors" in str(error.value)
    if fault in ("missing", "shape", "negative", "nan"):
        assert "head3" in str(error.value)


@pytest.mark.parametrize("heads", ["", "no-such", "no.safetensors", "../lpips"])
def test_unknown_heads_are_refused(heads: str) -> None:
    with pytest.raises(InputError, match="heads"):
        weights.load(heads)


def test_without_safetensors_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "safetensors", None)
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    from inif.guidance import guides
    from inif.metrics.tasks import parse_tasks

    for use in (
        weights.load,
        lambda: parse_tasks("perceptual"),
        lambda: guides.check(["perceptual"]),
    ):
        with pytest.raises(MissingExtraError, match=r"inif\[perceptual\]"):
            use()
    importlib.import_module("inif.guidance.guides")  # the others work without
