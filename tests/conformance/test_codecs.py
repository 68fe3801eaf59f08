"""What every codec must do: levels back from bytes, whatever the block and whatever the bytes."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from typing import Any

import numpy as np
import pytest

from inif.codecs import CODECS, Codec, load_codec
from inif.codecs.base import Shape
from inif.container.spec import SUPPORTED
from inif.errors import FormatError, InputError, MissingExtraError, UnsupportedError

STACK: Shape = (3, 33, 47)
PADDED = ("av1", "hevc")
"""Their frames are padded: neighbouring shapes cannot be told apart."""

SHAPES: tuple[Shape, ...] = (STACK, (1, 33, 47), (1, 1, 1), (2, 1, 5), (4, 40, 36))


@pytest.fixture(params=list(CODECS))
def codec(request: pytest.FixtureRequest) -> Codec:
    codec = CODECS[request.param]
    for task in ("encode", "decode"):
        if reason := codec.missing(task):
            pytest.skip(reason)
    return codec


def block(shape: Shape, bits: int) -> np.ndarray:
    """A smooth block with some noise, using all levels."""
    z, y, x = np.meshgrid(*[np.linspace(0, 1, n) for n in shape], indexing="ij")
    value = np.sin(9 * x + z) * np.cos(7 * y)
    value += np.random.default_rng(3).normal(0, 0.05, shape)
    value = (value - value.min()) / max(float(np.ptp(value)), 1e-9)
    return np.rint(value * ((1 << bits) - 1)).astype(np.uint16)


def error(levels: np.ndarray, decoded: np.ndarray, codec: Codec) -> float:
    """Root mean square, over the range."""
    return float(np.sqrt(np.mean(np.square((levels - decoded.astype(np.float64)) / codec.peak))))


def quality(codec: Codec, frames: int, unit: float) -> float:
    return codec.knob(frames).from_unit(unit)


@cache
def encoded(kind: str, shape: Shape, unit: float = 0.6) -> bytes:
    codec = CODECS[kind]
    return codec.encode(block(shape, codec.bits), quality(codec, shape[0], unit))


def test_a_codec_says_what_it_is(codec: Codec) -> None:
    assert load_codec(codec.kind) == codec
    assert codec.feature == f"{codec.kind}/1"
    assert codec.feature in SUPPORTED
    assert codec.title
    assert codec.suffix.startswith(".")
    assert 8 <= codec.bits <= 16
    for frames in (1, 7):
        knob = codec.knob(frames)
        assert knob.at_octave(-1) == knob.at_octave(0) == pytest.approx(knob.coarse, rel=0.01)
        assert knob.to_unit(knob.at_octave(knob.octaves)) == pytest.approx(1, abs=knob.unit_step)


@pytest.mark.parametrize("shape", SHAPES)
def test_levels_come_back(codec: Codec, shape: Shape) -> None:
    levels = block(shape, codec.bits)
    kept = levels.copy()
    for unit in (0.0, 0.7, 1.0):
        data = codec.encode(levels, quality(codec, shape[0], unit))
        decoded = codec.decode(data, shape)
        assert decoded.shape == shape
        assert decoded.dtype == np.uint16
        assert decoded.max() <= codec.peak
    assert error(levels, decoded, codec) < 0.01
    np.testing.assert_array_equal(levels, kept)


def test_the_knob_trades_bytes_for_quality(codec: Codec) -> None:
    shape = (3, 64, 70)
    levels = block(shape, codec.bits)
    sizes, errors = [], []
    for unit in (0.2, 0.5, 0.8):
        data = codec.encode(levels, quality(codec, 3, unit))
        sizes.append(len(data))
        errors.append(error(levels, codec.decode(data, shape), codec))
    assert sizes == sorted(set(sizes))
    assert errors == sorted(set(errors), reverse=True)


@pytest.mark.parametrize("shape", [STACK, (1, 33, 47)])
def test_the_same_settings_give_the_same_bytes(codec: Codec, shape: Shape) -> None:
    encoded.cache_clear()
    first = encoded(codec.kind, shape)
    encoded.cache_clear()
    assert encoded(codec.kind, shape) == first


@pytest.mark.parametrize("shape", [STACK, (1, 33, 47), (9, 130, 140)])
def test_threads_change_no_level(codec: Codec, shape: Shape) -> None:
    data = encoded(codec.kind, shape)
    np.testing.assert_array_equal(codec.decode(data, shape, 1), codec.decode(data, shape, 2))


@pytest.mark.parametrize("shape", [STACK, (1, 33, 47), (1, 1, 1)])
@pytest.mark.parametrize("share", [0.0, 0.37, 1.0])
def test_constant_blocks(codec: Codec, shape: Shape, share: float) -> None:
    levels = np.full(shape, round(share * codec.peak), np.uint16)
    data = codec.encode(levels, quality(codec, shape[0], 0.7))
    assert error(levels, codec.decode(data, shape), codec) < 0.01


@pytest.mark.parametrize("shape", [STACK, (1, 33, 47)])
def test_extreme_levels(codec: Codec, shape: Shape) -> None:
    levels = np.random.default_rng(0).choice([0, codec.peak], shape).astype(np.uint16)
    for unit in (0.0, 0.5, 1.0):
        decoded = codec.decode(codec.encode(levels, quality(codec, shape[0], unit)), shape)
        assert decoded.max() <= codec.peak
    assert error(levels, decoded, codec) < 0.2


def test_streams_stand_alone(codec: Codec) -> None:
    data = encoded(codec.kind, STACK)
    decoded = codec.decode(data, STACK)
    streams = codec.streams(data, STACK)
    assert len(streams) in (1, 3)
    if codec.kind != "av1":  # whose streams are packed in blocks
        assert sum(map(len, streams)) <= len(data)
        assert len(streams) == 3 or streams == [data]
    if len(streams) == 1:
        assert codec.decode(streams[0], STACK).tobytes() == (decoded.tobytes())
    else:
        planes = [codec.decode(s, (1, *STACK[1:])) for s in streams]
        np.testing.assert_array_equal(np.concatenate(planes), decoded)


def test_only_blocks_are_encoded(codec: Codec) -> None:
    start = codec.knob(1).start
    bad: list[np.ndarray] = [
        np.zeros((4, 4), np.uint16),
        np.zeros((1, 4, 4), np.float32),
        np.zeros((0, 4, 4), np.uint16),
    ]
    if codec.bits < 16:
        bad.append(np.full((1, 4, 4), codec.peak + 1, np.uint16))
    for levels in bad:
        with pytest.raises(InputError, match="levels"):
            codec.encode(levels, start)


def test_an_encoder_that_refuses_says_so(codec: Codec, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> bytes:
        raise RuntimeError("no")

    monkeypatch.setattr(type(codec), "_encode", fail)
    with pytest.raises(UnsupportedError, match=r"cannot encode this block.*RuntimeError: no"):
        codec.encode(block(STACK, codec.bits), codec.knob(3).start)


@pytest.mark.parametrize("shape", [(3, 33, 48), (3, 35, 47), (2, 33, 47), (4, 33, 47), (1, 1, 1)])
def test_a_block_of_another_shape_is_refused(codec: Codec, shape: Shape) -> None:
    if codec.kind in PADDED:
        shape = (shape[0], *(n if n == 1 else n + 40 * (n not in STACK) for n in shape[1:]))
        if shape == (1, 1, 1):
            shape = (1, 1, 200)
    with pytest.raises(FormatError):
        codec.decode(encoded(codec.kind, STACK), shape)


def test_declared_sizes_are_checked_before_anything_is_allocated(codec: Codec) -> None:
    """The message names the size that the header declares, so no library has seen it."""
    data = encoded(codec.kind, (1, 208, 304))
    if codec.kind == "av1":  # packed headers state no sides: they are those of the shape asked for
        data = codec.streams(data, (1, 208, 304))[0]
    with pytest.raises(FormatError) as caught:
        codec.decode(data, (1, 33, 47), file="a.inif", field="section PRIO of brick 3")
    declared = (304).to_bytes(4, "little").hex() if codec.kind == "sperr" else "(208, 304)"
    assert declared in str(caught.value.got)
    assert caught.value.file == "a.inif"
    assert caught.value.field == "section PRIO of brick 3"
    assert caught.value.fix


def test_truncated_streams_are_refused(codec: Codec) -> None:
    for shape in (STACK, (1, 33, 47)):
        data = encoded(codec.kind, shape)
        for length in (0, 1, 5, 20, len(data) // 2):
            if length > 30 and shape[0] == 1 and codec.kind in ("sperr", "hevc"):
                continue  # nothing in these says how long the last picture is
            with pytest.raises(FormatError):
                codec.decode(data[:length], shape)


def test_noise_is_refused(codec: Codec) -> None:
    rng = np.random.default_rng(5)
    for length in (1, 30, 400):
        with pytest.raises(FormatError):
            codec.decode(rng.bytes(length), STACK)


def test_damage_never_gives_anything_but_levels_or_a_refusal(codec: Codec) -> None:
    """Damage inside coded samples cannot always be seen; the container's checksums see it."""
    rng = np.random.default_rng(7)
    refused = 0
    for number in range(160):
        shape = (STACK, (1, 33, 47))[number % 2]
        data = bytearray(encoded(codec.kind, shape))
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
            decoded = codec.decode(bytes(data), shape, 1 + number % 2)
        except FormatError:
            refused += 1
        else:
            assert decoded.shape == shape
            assert decoded.dtype == np.uint16
            assert decoded.max() <= codec.peak
    assert refused > 40


def test_a_missing_library_is_named(codec: Codec, monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(codec.kind, STACK)
    monkeypatch.setitem(sys.modules, codec.package, None)
    assert "pip install" in (codec.missing() or "")
    with pytest.raises(MissingExtraError, match="pip install bioinif"):
        codec.decode(data, STACK)
    with pytest.raises(MissingExtraError, match=codec.package):
        codec.encode(block(STACK, codec.bits), codec.knob(3).start)


def test_a_library_without_the_codec_is_named(
    codec: Codec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(codec), "missing", lambda self, task="encode": f"no {task}r here")
    with pytest.raises(UnsupportedError, match="no decoder here"):
        codec.decode(b"", STACK)


def test_presets_change_the_encoder_and_not_the_decoder() -> None:
    for kind, preset in (("hevc", "ultrafast"), ("av1", 10)):
        fast, usual = load_codec(kind, preset=preset), CODECS[kind]
        if reason := fast.missing():
            pytest.skip(reason)
        data = fast.encode(block(STACK, fast.bits), fast.knob(3).start)
        assert data != usual.encode(block(STACK, usual.bits), usual.knob(3).start)
        np.testing.assert_array_equal(fast.decode(data, STACK), usual.decode(data, STACK))


def test_unknown_codecs_and_options_are_named() -> None:
    with pytest.raises(InputError, match="vvc"):
        load_codec("vvc")
    with pytest.raises(InputError, match="speed"):
        load_codec("sperr", speed=3)


def test_importing_codecs_imports_no_codec_and_nothing_of_the_encoder() -> None:
    code = (
        "import sys, inif.codecs; "
        "print(*sorted({'av', 'imagecodecs', 'jax', 'optax', 'inif.encode'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
