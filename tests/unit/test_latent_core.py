"""The compiled coder and lifting against the same in plain Python, and against misuse."""

from __future__ import annotations

import contextlib
import lzma
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inif.latent import _core, decoder, reference, stream, tables, transform
from inif.latent.decoder import Latents
from inif.latent.plan import Plan
from inif.latent.reference import mixing
from inif.latent.stream import Coder, Rates

SEEDS = st.integers(0, 2**32 - 1)
MOST_LATENT = (1 << 20) + 1


@contextlib.contextmanager
def plain_python() -> Iterator[None]:
    """Coder and transform of `inif.latent` run on the reference."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoder, "_core", reference)
        patch.setattr(stream, "_core", reference)
        patch.setattr(transform, "_core", reference)
        transform._norms.cache_clear()
        yield
    transform._norms.cache_clear()


@st.composite
def plans(draw: st.DrawFn, most: int = 300) -> Plan:
    sizes = [draw(st.integers(1, 3))]
    for side in (4, 5, 12, 12):
        sizes.append(draw(st.integers(1, min(side, max(most // math.prod(sizes), 1)))))
    c, t, z, y, x = sizes
    levels = tuple(draw(st.integers(0, top)) for top in (2, 2, 3))
    kinds = (draw(st.integers(0, 2)), draw(st.integers(0, 2)))
    return Plan((c, t, z, y, x), (levels[0], levels[1], levels[2]), kinds)


def image(plan: Plan, seed: int, *, smooth: bool) -> np.ndarray:
    x = np.random.default_rng(seed).normal(size=plan.sizes) * 5000
    return (x.cumsum(-1).cumsum(-2) if smooth else x).astype(np.float32)


def model_of(core: Any, seed: int) -> Any:
    weights = np.random.default_rng(seed).integers(0, 80, (32, 17)).astype(np.int32)
    model = core.Model()
    model.expect(weights)
    model.tune(50, 12)
    return model


def flat(latents: Latents) -> list[list[int]]:
    arrays = [latents.low, *(level[key] for level in latents.levels for key in sorted(level))]
    return [a.ravel().tolist() for a in arrays]


# ---- equal to the reference ------------------------------------------------------------------


def test_tables_of_a_new_model_are_equal() -> None:
    assert _core.Model().store() == reference.Model().store()
    assert len(_core.Model().store()) == _core.Model.size


@settings(max_examples=6)
@given(
    plan=plans(most=150),
    seed=SEEDS,
    smooth=st.booleans(),
    step=st.sampled_from([3.0, 400.0, 6000.0]),
)
def test_streams_latents_and_what_is_learned_are_equal(
    plan: Plan, seed: int, smooth: bool, step: float
) -> None:
    coefficients = transform.analyse(image(plan, seed, smooth=smooth), plan)

    def both_passes(core: Any) -> list[Any]:
        coder = Coder(plan, model_of(core, seed))
        rates = Rates(step, 0.1)
        first, candidates, *_ = coder.encode(coefficients, rates)
        second, latents, bits, _ = Coder(plan, model_of(core, seed)).encode(
            coefficients, rates, most=candidates
        )
        decoder = Coder(plan, model_of(core, seed))
        decoded = decoder.decode(second)
        assert flat(decoded) == flat(latents)
        stored = coder.model.store(), decoder.model.store()
        return [first, second, flat(candidates), flat(latents), stored, round(bits, 1)]

    with plain_python():
        expected = both_passes(reference)
    found = both_passes(_core)
    assert found[:-1] == expected[:-1]
    assert found[-1] == pytest.approx(expected[-1], rel=1e-4, abs=0.2)


@settings(max_examples=5)
@given(
    seed=SEEDS, height=st.integers(1, 12), width=st.integers(1, 12), side=st.sampled_from([4, 8])
)
def test_weights_of_errors_are_obeyed_as_in_the_reference(
    seed: int, height: int, width: int, side: int
) -> None:
    rng = np.random.default_rng(seed)
    shape = (2, height, width)
    values, weights = rng.normal(size=shape) * 3, rng.exponential(size=shape)

    def band(core: Any) -> tuple[Any, bytes, Any]:
        coder = core.Stream(model_of(core, seed), True)
        sums = np.zeros((4, height + 2, width + 2), np.int16)
        latents = coder.band(
            shape, 1, 3, side, np.array([[-1, -1, -1], [0, -1, -1]], np.int32), None,
            np.zeros(2, np.int32), sums, np.array([1, 2], np.int32),
            values=values.astype(np.float32), weights=weights.astype(np.float32), lambda_=0.3,
        )  # fmt: skip
        return latents.tolist(), coder.finish(), sums.tolist()

    assert band(_core) == band(reference)


@settings(max_examples=40)
@given(
    shape=st.tuples(st.integers(1, 20), st.integers(1, 12), st.sampled_from([1, 2, 7, 1030])),
    kind=st.integers(0, 2),
    seed=SEEDS,
)
def test_lifting_is_equal_and_inverted(shape: tuple[int, int, int], kind: int, seed: int) -> None:
    x = (np.random.default_rng(seed).normal(size=shape) * 1e4).astype(np.float32)
    low, high = _core.split(x, kind)
    for a, b in zip((low, high), reference.split(x, kind), strict=True):
        np.testing.assert_array_equal(a, b)
    joined = _core.join(low, high, kind)
    np.testing.assert_array_equal(joined, reference.join(low, high, kind))
    np.testing.assert_allclose(joined, x, atol=0.05)


@settings(max_examples=40)
@given(
    length=st.integers(2, 260), level=st.integers(0, 4), high=st.booleans(), kind=st.integers(0, 2)
)
def test_norms_are_equal(length: int, level: int, high: bool, kind: int) -> None:
    found = _core.norms(length, level, high, kind)
    np.testing.assert_array_equal(found, reference.norms(length, level, high, kind))


@settings(max_examples=40)
@given(plan=plans(most=2000), seed=SEEDS)
def test_analysis_and_synthesis_are_equal(plan: Plan, seed: int) -> None:
    x = image(plan, seed, smooth=True)

    def there_and_back() -> list[np.ndarray]:
        levels, low = transform.analyse(x, plan)
        latents = [{k: np.rint(v / 3000).astype(np.int32) for k, v in b.items()} for b in levels]
        quantised = transform.synthesise(latents, np.rint(low / 3e3).astype(np.int32), plan, step=3)
        back = [transform.synthesise(levels, low, plan, skip=n) for n in (0, 1)]
        return [*back, quantised, low, *(b[key] for b in levels for key in sorted(b))]

    found = there_and_back()
    with plain_python():
        expected = there_and_back()
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)


# ---- the same on every machine ---------------------------------------------------------------


def test_no_entry_of_a_fixed_function_lies_near_a_rounding_boundary() -> None:
    """Mathematical libraries differ in the last bit of a double; tables then do not."""
    real = {name: np.array(values) for name, values in mixing.real_functions().items()}
    clipped = {"stretch": np.abs(real["stretch"]) > 2047.4, "squash": np.zeros(4096, bool)}
    clipped["squash"] |= (real["squash"] <= 24) | (real["squash"] >= 65511)
    clipped["squash"][2048] = True  # exp(0) is 1 everywhere
    clipped["activity"] = real["activity"] > 23.5
    clipped["activity"][0] = True  # log2(1) is 0 everywhere
    for name, skip in clipped.items():
        off = 0.5 if name == "stretch" else 0.0
        values = real[name][~skip] + off
        assert np.abs(values - np.rint(values)).min() > 1e-9, name
    # Costs are rounded to float32: doubles are not halfway between two of those.
    bits = -np.log2(np.arange(1, 4096) / 4096)
    rounded = bits.astype(np.float32)
    away = np.abs(np.abs(bits - rounded) / np.spacing(rounded).astype(np.float64) - 0.5)
    assert away.min() > 1e-6


# ---- size ------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [200.0, 2000.0])
def test_estimated_bits_are_those_of_the_streams(step: float) -> None:
    plan = Plan((1, 1, 4, 48, 64), (0, 1, 3))
    coefficients = transform.analyse(image(plan, 3, smooth=True), plan)
    streams, _, bits, _ = Coder(plan, tables.load()).encode(coefficients, Rates(step))
    written = sum(map(len, streams))
    assert written > 1000
    assert bits / 8 == pytest.approx(written, rel=0.02)
    silent = Coder(plan, tables.load()).encode(coefficients, Rates(step), writes=False)
    assert (silent[0], silent[2]) == ([b""] * len(streams), bits)


def test_trained_tables_save_bytes() -> None:
    plan = Plan((1, 1, 1, 64, 64), (0, 0, 4))
    coefficients = transform.analyse(image(plan, 3, smooth=True), plan)
    sizes = [
        Coder(plan, model).encode(coefficients, Rates(3000.0), writes=False)[2]
        for model in (tables.load(), _core.Model())
    ]
    assert sizes[0] < sizes[1]


def test_a_shared_model_learns_and_another_does_not() -> None:
    plan = Plan((1, 1, 1, 16, 16), (0, 0, 2))
    coefficients = transform.analyse(image(plan, 0, smooth=False), plan)
    model = _core.Model()
    before = model.store()
    Coder(plan, model).encode(coefficients, Rates(1000.0))
    assert model.store() == before
    Coder(plan, model, shared=True).encode(coefficients, Rates(1000.0))
    assert model.store() != before


# ---- damage and misuse -----------------------------------------------------------------------


@settings(max_examples=40)
@given(plan=plans(most=2000), seed=SEEDS, data=st.data())
def test_any_bytes_are_latents(plan: Plan, seed: int, data: st.DataObject) -> None:
    rng = np.random.default_rng(seed)
    count = 1 + len(plan.grids)
    streams = [rng.bytes(rng.integers(0, 200)) for _ in range(count)]
    if data.draw(st.booleans(), label="damaged rather than random"):
        coefficients = transform.analyse(image(plan, seed, smooth=True), plan)
        whole = Coder(plan, tables.load()).encode(coefficients, Rates(100.0))[0]
        streams = [s[: rng.integers(0, len(s) + 1)] for s in whole]
    latents = Coder(plan, tables.load()).decode(streams)
    assert np.abs(latents.low).max() <= 1 << 27
    for level in latents.levels:
        assert all(np.abs(q).max() <= MOST_LATENT for q in level.values())
    again = (
        Coder(plan, tables.load()).encode(None, Rates(1.0), most=latents)[1]
        if (np.abs(latents.low).max() < 1 << 24)
        else latents
    )
    assert flat(again) == flat(latents)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e30])
def test_what_is_no_number_is_coded_all_the_same(value: float) -> None:
    plan = Plan((1, 1, 1, 16, 16), (0, 0, 2))
    levels, low = transform.analyse(image(plan, 0, smooth=False), plan)
    for level in levels:
        for band in level.values():
            band.ravel()[::3] = value
    streams, latents, *_ = Coder(plan, _core.Model()).encode((levels, low), Rates(1000.0))
    assert flat(Coder(plan, _core.Model()).decode(streams)) == flat(latents)


def band_arguments() -> dict[str, Any]:
    return {
        "shape": (2, 6, 5),
        "level": 0,
        "kind": 1,
        "side": 4,
        "earlier": np.array([[-1, -1, -1], [0, -1, -1]], np.int32),
        "parent": np.ones((1, 3, 2), np.int32),
        "parent_of": np.zeros(2, np.int32),
        "siblings": np.zeros((4, 8, 7), np.int16),
        "sibling_of": np.array([1, 2], np.int32),
        "values": np.ones((2, 6, 5), np.float32),
    }


@pytest.mark.parametrize(
    "change",
    [
        {"shape": (0, 6, 5)},
        {"shape": (6, 5)},
        {"shape": (2, 6, 6)},
        {"shape": (-1, 6, 5)},
        {"shape": (2, 2**31, 2**31)},
        {"shape": (2**62, 2**62, 2**62)},
        {"level": 6},
        {"level": -1},
        {"kind": 8},
        {"side": 0},
        {"side": 5},
        {"earlier": np.array([[-1, -1, -1], [1, -1, -1]], np.int32)},
        {"earlier": np.array([[-1, -2, -1], [0, -1, -1]], np.int32)},
        {"earlier": np.full((2, 2), -1, np.int32)},
        {"earlier": np.full((1, 3), -1, np.int32)},
        {"parent": np.ones((1, 0, 2), np.int32)},
        {"parent_of": np.ones(2, np.int32)},
        {"parent_of": np.full(2, -1, np.int32)},
        {"parent_of": np.zeros(1, np.int32)},
        {"siblings": np.zeros((4, 7, 7), np.int16)},
        {"siblings": np.full((4, 8, 7), -1, np.int16)},
        {"siblings": np.full((4, 8, 7), 256, np.int16)},
        {"siblings": np.zeros((4, 8, 7), np.float32)},
        {"siblings": np.zeros((4, 8, 7, 1), np.int16)},
        {"sibling_of": np.array([0, 2], np.int32)},
        {"sibling_of": np.array([1, 3], np.int32)},
        {"values": None},
        {"values": np.ones((2, 6, 4), np.float32)},
        {"values": "no"},
        {"most": np.ones((1, 6, 5), np.int32)},
        {"most": np.full((2, 6, 5), -(2**31), np.int32)},
        {"weights": np.ones((2, 5, 5), np.float32)},
        {"step": 0.0},
        {"step": math.nan},
        {"step": math.inf},
        {"lambda_": math.nan},
        {"lambda_": -1.0},
        {"dead_zone": 2.0},
        {"spent": np.zeros((2, 2, 1), np.float32)},
    ],
)
def test_arguments_of_a_band_that_do_not_fit_are_refused(change: dict[str, Any]) -> None:
    coder = _core.Stream(_core.Model(), True)
    with pytest.raises((ValueError, TypeError)):
        coder.band(**(band_arguments() | change))
    coder.band(**band_arguments())


@pytest.mark.parametrize(
    "change",
    [
        {"shape": (0, 1, 1)},
        {"shape": (1, 2, 0)},
        {"shape": (1, 4, 4)},
        {"shape": (1, 2**40, 2**40)},
        {"earlier": np.array([[0, -1, -1]], np.int32)},
        {"latents": None},
        {"latents": np.full((1, 2, 3), 1 << 24, np.int32)},
        {"latents": np.zeros((1, 3, 2), np.int32)},
    ],
)
def test_arguments_of_the_low_grid_that_do_not_fit_are_refused(change: dict[str, Any]) -> None:
    good = {"shape": (1, 2, 3), "earlier": np.full((1, 3), -1, np.int32)}
    good["latents"] = np.zeros((1, 2, 3), np.int32)
    coder = _core.Stream(_core.Model(), True)
    with pytest.raises((ValueError, TypeError)):
        coder.low(**(good | change))
    coder.low(**good)


def test_a_model_takes_its_own_kind_of_data_only() -> None:
    data = _core.Model().store()
    numbers = np.frombuffer(data, np.uint32).copy()
    numbers[544:600] = 0
    weight = np.frombuffer(data, np.int32).copy()
    weight[-1] = 1 << 30
    for bad in (b"", data[:-1], data + b"\0", numbers.tobytes(), weight.tobytes()):
        with pytest.raises(ValueError, match=r"tables|estimate|weight"):
            _core.Model(bad)
    model = _core.Model(data)
    assert model.copy().store() == data
    for call in (lambda: model.tune(0, 4), lambda: model.tune(1001, 4), lambda: model.cap(-1)):
        with pytest.raises(ValueError, match=r"limit|count"):
            call()
    with pytest.raises(ValueError, match="weights"):
        model.expect(np.zeros((17, 32), np.int32))


def test_lifting_of_what_does_not_fit_is_refused() -> None:
    x = np.zeros((1, 3, 1), np.float32)
    for call in (
        lambda: _core.split(x, 3),
        lambda: _core.split(x[:, :0], 0),
        lambda: _core.join(x, x[:, :1], 0),
        lambda: _core.join(x[:, :0], x[:, :0], 0),
        lambda: _core.norms(0, 0, False, 0),
        lambda: _core.norms(1 << 30, 0, False, 0),
        lambda: _core.norms(8, 8, False, 0),
    ):
        with pytest.raises(ValueError, match=r"kind|low and high|length"):
            call()


def test_joining_planes_that_do_not_fit_is_refused() -> None:
    floats = {n: np.ones(n, np.float32) for n in range(5)}
    good: dict[str, Any] = {
        "out": np.zeros((2, 5, 4), np.float32),
        "places": np.array([1], np.int32),
        "parts": [np.ones((1, n, 2), np.int32) for n in (3, 3, 2, 2)],
        "samples": True,
        "times": floats[1],
        "depths": floats[1],
        "down": [floats[3], floats[2]],
        "across": [floats[2], floats[2]],
        "step": 1.0,
        "one": 0.98,
        "first": 0,
        "last": 1,
    }  # fmt: skip
    parts = good["parts"]
    parts[0] = parts[0].astype(np.float32)
    _core.join_planes(**good)
    for change in (
        {"places": np.array([2], np.int32)},
        {"places": np.array([-1], np.int32)},
        {"places": np.array([0, 1], np.int32)},
        {"parts": parts[:3]},
        {"parts": [None, *parts[1:]]},
        {"parts": [*parts[:3], None]},
        {"parts": [parts[0], None, None, parts[3]]},
        {"parts": [parts[1], *parts[1:]]},
        {"parts": [*parts[:3], np.zeros((1, 2, 2))]},
        {"parts": [*parts[:3], np.zeros((2, 2, 2), np.float32)]},
        {"out": np.zeros((2, 5, 5), np.float32)},
        {"out": np.zeros((2, 0, 4), np.float32)},
        {"times": floats[2]},
        {"depths": floats[0]},
        {"down": [floats[2], floats[2]]},
        {"across": [floats[2], floats[3]]},
        {"across": [floats[2]]},
        {"first": -1},
        {"last": 2},
        {"first": 1, "last": 0},
    ):
        with pytest.raises((ValueError, TypeError)):
            _core.join_planes(**(good | change))
    x = np.zeros((2, 3, 4), np.float32)
    for kind, first, last in ((3, 0, 4), (0, 0, 5), (0, 3, 2), (-1, 0, 4)):
        with pytest.raises(ValueError, match=r"kind|columns"):
            _core.join_in_place(x, kind, first, last)
    with pytest.raises(ValueError, match="kind"):
        _core.join_in_place(x[:, :0].copy(), 0, 0, 4)


# ---- tables ----------------------------------------------------------------------------------


def test_tables_are_loaded_once() -> None:
    assert tables.load() is tables.load(tables.VERSION)
    with pytest.raises(ValueError, match="unknown; known: 1"):
        tables.load("0")


def test_damaged_tables_are_refused_without_much_memory() -> None:
    good = lzma.compress(_core.Model().store(), preset=0)
    assert tables.unpacked(good).store() == _core.Model().store()
    larger = lzma.compress(bytes(10**7), preset=0)
    for bad in (b"", good[:-9], good[:200], good + b"x", larger, b"x" * 99):
        with pytest.raises(ValueError, match="damaged"):
            tables.unpacked(bad)


LIMITS = {"uint8": (0, 255), "uint16": (0, 65535), "int8": (-128, 127), "int16": (-32768, 32767)}


@given(
    seed=SEEDS,
    size=st.integers(1, 3000),
    dtype=st.sampled_from(["float32", *LIMITS]),
    repaired=st.booleans(),
    scale=st.sampled_from([1.0, 1.5, 0.7]),
    odd=st.booleans(),
)
def test_samples_are_finished_as_in_numpy(
    seed: int, size: int, dtype: str, repaired: bool, scale: float, odd: bool
) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(33000, 20000, size).astype(np.float32)
    if odd:
        values[rng.integers(size)] = rng.choice(np.array([np.nan, np.inf, -np.inf, 1e38]))
    added = rng.normal(0, 500, size).astype(np.float32) if repaired else None
    limits = None
    if dtype != "float32":
        low, high = np.sort(rng.integers(*LIMITS[dtype], 2, endpoint=True))
        limits = np.array([(high - low) / 2, low + (high - low) / 2, low, high], np.float32)
    made, wanted = np.empty((2, size), dtype)
    options = 1 + 31 / 32, scale, 1 / 32768, limits
    _core.finish(values, added, *options, made)
    with np.errstate(invalid="ignore", over="ignore"):
        reference.finish(values, added, *options, wanted)
    np.testing.assert_array_equal(made, wanted)
