"""What every prior must do: levels back from bytes, whatever the block and whatever the bytes."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from typing import Any

import numpy as np
import pytest

from inif.container.spec import SUPPORTED
from inif.errors import FormatError, InputError, MissingExtraError, UnsupportedError
from inif.priors import PRIORS, Prior, load_prior
from inif.priors.base import Shape

STACK: Shape = (3, 33, 47)
PADDED = ("av1", "aom", "hevc")
"""Their frames are padded: neighbouring shapes cannot be told apart."""

SHAPES: tuple[Shape, ...] = (STACK, (1, 33, 47), (1, 1, 1), (2, 1, 5), (4, 40, 36))


@pytest.fixture(params=list(PRIORS))
def prior(request: pytest.FixtureRequest) -> Prior:
    prior = PRIORS[request.param]
    for task in ("encode", "decode"):
        if reason := prior.missing(task):
            pytest.skip(reason)
    return prior


def block(shape: Shape, bits: int) -> np.ndarray:
    """A smooth block with some noise, using all levels."""
    z, y, x = np.meshgrid(*[np.linspace(0, 1, n) for n in shape], indexing="ij")
    value = np.sin(9 * x + z) * np.cos(7 * y)
    value += np.random.default_rng(3).normal(0, 0.05, shape)
    value = (value - value.min()) / max(float(np.ptp(value)), 1e-9)
    return np.rint(value * ((1 << bits) - 1)).astype(np.uint16)


def error(levels: np.ndarray, decoded: np.ndarray, prior: Prior) -> float:
    """Root mean square, over the range."""
    return float(np.sqrt(np.mean(np.square((levels - decoded.astype(np.float64)) / prior.peak))))


def quality(prior: Prior, frames: int, unit: float) -> float:
    return prior.knob(frames).from_unit(unit)


@cache
def encoded(kind: str, shape: Shape, unit: float = 0.6) -> bytes:
    prior = PRIORS[kind]
    return prior.encode(block(shape, prior.bits), quality(prior, shape[0], unit))


def test_a_prior_says_what_it_is(prior: Prior) -> None:
    assert load_prior(prior.kind) == prior
    assert prior.feature == f"{prior.kind}/{prior.version}"
    assert {f"{prior.kind}/{v + 1}" for v in range(prior.version)} <= SUPPORTED
    assert prior.title
    assert prior.suffix.startswith(".")
    assert 8 <= prior.bits <= 16
    cost, double = prior.seconds(10**6), prior.seconds(2 * 10**6)
    assert 0 < cost.decode <= cost.encode < double.encode < 10


@pytest.mark.parametrize("shape", SHAPES)
def test_levels_come_back(prior: Prior, shape: Shape) -> None:
    levels = block(shape, prior.bits)
    kept = levels.copy()
    for unit in (0.0, 0.7, 1.0):
        data = prior.encode(levels, quality(prior, shape[0], unit))
        decoded = prior.decode(data, shape)
        assert decoded.shape == shape
        assert decoded.dtype == np.uint16
        assert decoded.max() <= prior.peak
    assert error(levels, decoded, prior) < 0.01
    np.testing.assert_array_equal(levels, kept)


def test_the_knob_trades_bytes_for_quality(prior: Prior) -> None:
    shape = (3, 64, 70)
    levels = block(shape, prior.bits)
    sizes, errors = [], []
    for unit in (0.2, 0.5, 0.8):
        data = prior.encode(levels, quality(prior, 3, unit))
        sizes.append(len(data))
        errors.append(error(levels, prior.decode(data, shape), prior))
    assert sizes == sorted(set(sizes))
    assert errors == sorted(set(errors), reverse=True)


@pytest.mark.parametrize("shape", [STACK, (1, 33, 47)])
def test_the_same_settings_give_the_same_bytes(prior: Prior, shape: Shape) -> None:
    encoded.cache_clear()
    first = encoded(prior.kind, shape)
    encoded.cache_clear()
    assert encoded(prior.kind, shape) == first


@pytest.mark.parametrize("shape", [STACK, (1, 33, 47), (9, 130, 140)])
def test_threads_change_no_level(prior: Prior, shape: Shape) -> None:
    data = encoded(prior.kind, shape)
    np.testing.assert_array_equal(prior.decode(data, shape, 1), prior.decode(data, shape, 2))


@pytest.mark.parametrize("shape", [STACK, (1, 33, 47), (1, 1, 1)])
@pytest.mark.parametrize("share", [0.0, 0.37, 1.0])
def test_constant_blocks(prior: Prior, shape: Shape, share: float) -> None:
    levels = np.full(shape, round(share * prior.peak), np.uint16)
    data = prior.encode(levels, quality(prior, shape[0], 0.7))
    assert error(levels, prior.decode(data, shape), prior) < 0.01


@pytest.mark.parametrize("shape", [STACK, (1, 33, 47)])
def test_extreme_levels(prior: Prior, shape: Shape) -> None:
    levels = np.random.default_rng(0).choice([0, prior.peak], shape).astype(np.uint16)
    for unit in (0.0, 0.5, 1.0):
        decoded = prior.decode(prior.encode(levels, quality(prior, shape[0], unit)), shape)
        assert decoded.max() <= prior.peak
    assert error(levels, decoded, prior) < 0.2


def test_streams_stand_alone(prior: Prior) -> None:
    data = encoded(prior.kind, STACK)
    decoded = prior.decode(data, STACK)
    streams = prior.streams(data, STACK)
    assert len(streams) in (1, 3)
    if prior.version == 1:
        assert sum(map(len, streams)) <= len(data)
        assert len(streams) == 3 or streams == [data]
    if len(streams) == 1:
        assert prior.decode(data[:1] * (prior.kind == "aom") + streams[0], STACK).tobytes() == (
            decoded.tobytes()
        )
    else:
        planes = [prior.decode(s, (1, *STACK[1:])) for s in streams]
        np.testing.assert_array_equal(np.concatenate(planes), decoded)


def test_only_blocks_are_encoded(prior: Prior) -> None:
    start = prior.knob(1).start
    bad: list[np.ndarray] = [
        np.zeros((4, 4), np.uint16),
        np.zeros((1, 4, 4), np.float32),
        np.zeros((0, 4, 4), np.uint16),
    ]
    if prior.bits < 16:
        bad.append(np.full((1, 4, 4), prior.peak + 1, np.uint16))
    for levels in bad:
        with pytest.raises(InputError, match="levels"):
            prior.encode(levels, start)


def test_an_encoder_that_refuses_says_so(prior: Prior, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> bytes:
        raise RuntimeError("no")

    monkeypatch.setattr(type(prior), "_encode", fail)
    with pytest.raises(UnsupportedError, match=r"cannot encode this block.*RuntimeError: no"):
        prior.encode(block(STACK, prior.bits), prior.knob(3).start)


@pytest.mark.parametrize("shape", [(3, 33, 48), (3, 35, 47), (2, 33, 47), (4, 33, 47), (1, 1, 1)])
def test_a_block_of_another_shape_is_refused(prior: Prior, shape: Shape) -> None:
    if prior.kind in PADDED:
        shape = (shape[0], *(n if n == 1 else n + 40 * (n not in STACK) for n in shape[1:]))
        if shape == (1, 1, 1):
            shape = (1, 1, 200)
    with pytest.raises(FormatError):
        prior.decode(encoded(prior.kind, STACK), shape)


def test_declared_sizes_are_checked_before_anything_is_allocated(prior: Prior) -> None:
    """The message names the size that the header declares, so no library has seen it."""
    data = encoded(prior.kind, (1, 208, 304))
    if prior.version > 1:  # packed headers state no sides: they are those of the shape asked for
        data = data[: prior.kind == "aom"] + prior.streams(data, (1, 208, 304))[0]
    with pytest.raises(FormatError) as caught:
        prior.decode(data, (1, 33, 47), file="a.inif", field="section PRIO of brick 3")
    declared = (304).to_bytes(4, "little").hex() if prior.kind == "sperr" else "(208, 304)"
    assert declared in str(caught.value.got)
    assert caught.value.file == "a.inif"
    assert caught.value.field == "section PRIO of brick 3"
    assert caught.value.fix


def test_truncated_streams_are_refused(prior: Prior) -> None:
    for shape in (STACK, (1, 33, 47)):
        data = encoded(prior.kind, shape)
        for length in (0, 1, 5, 20, len(data) // 2):
            if length > 30 and shape[0] == 1 and prior.kind in ("sperr", "hevc"):
                continue  # nothing in these says how long the last picture is
            with pytest.raises(FormatError):
                prior.decode(data[:length], shape)


def test_noise_is_refused(prior: Prior) -> None:
    rng = np.random.default_rng(5)
    for length in (1, 30, 400):
        with pytest.raises(FormatError):
            prior.decode(rng.bytes(length), STACK)


def test_damage_never_gives_anything_but_levels_or_a_refusal(prior: Prior) -> None:
    """Damage inside coded samples cannot always be seen; the container's checksums see it."""
    rng = np.random.default_rng(7)
    refused = 0
    for number in range(160):
        shape = (STACK, (1, 33, 47))[number % 2]
        data = bytearray(encoded(prior.kind, shape))
        reach = (30, 120, len(data))[number % 3]
        at = int(rng.integers(min(reach, len(data))))
        match number % 4:
            case 0:
                data[at] ^= 1 << int(rng.integers(8))
            case 1:
                data[at : at + 4] = b"\xff" * 4
            case 2:
                data[at:] = rng.bytes(len(data) - at)
            case 3:
                data[at : at + 9] = data[at : at + 4]
        try:
            decoded = prior.decode(bytes(data), shape, 1 + number % 2)
        except FormatError:
            refused += 1
        else:
            assert decoded.shape == shape
            assert decoded.dtype == np.uint16
            assert decoded.max() <= prior.peak
    assert refused > 40


def test_a_missing_library_is_named(prior: Prior, monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(prior.kind, STACK)
    monkeypatch.setitem(sys.modules, prior.package, None)
    assert "pip install" in (prior.missing() or "")
    with pytest.raises(MissingExtraError, match="pip install bioinif"):
        prior.decode(data, STACK)
    with pytest.raises(MissingExtraError, match=prior.package):
        prior.encode(block(STACK, prior.bits), prior.knob(3).start)


def test_a_library_without_the_codec_is_named(
    prior: Prior, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(prior), "missing", lambda self, task="encode": f"no {task}r here")
    with pytest.raises(UnsupportedError, match="no decoder here"):
        prior.decode(b"", STACK)


def test_presets_change_the_encoder_and_not_the_decoder() -> None:
    for kind, preset in (("hevc", "ultrafast"), ("av1", 10)):
        fast, usual = load_prior(kind, preset=preset), PRIORS[kind]
        if reason := fast.missing():
            pytest.skip(reason)
        data = fast.encode(block(STACK, fast.bits), fast.knob(3).start)
        assert data != usual.encode(block(STACK, usual.bits), usual.knob(3).start)
        np.testing.assert_array_equal(fast.decode(data, STACK), usual.decode(data, STACK))


def test_unknown_priors_and_options_are_named() -> None:
    with pytest.raises(InputError, match="vvc"):
        load_prior("vvc")
    with pytest.raises(InputError, match="speed"):
        load_prior("sperr", speed=3)


def test_importing_priors_imports_no_codec_and_nothing_of_the_encoder() -> None:
    code = (
        "import sys, inif.priors; "
        "print(*sorted({'av', 'imagecodecs', 'jax', 'optax', 'inif.encode'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
