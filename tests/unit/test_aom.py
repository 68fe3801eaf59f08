"""AV1 by libaom: run as a program, with fractions of a CRF that the encoder itself has not."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import inif
from inif.codecs import CODECS, load_codec
from inif.codecs.pace import Load
from inif.errors import UnsupportedError

AOM = CODECS["aom"]
if reason := AOM.missing():
    pytest.skip(reason, allow_module_level=True)


def block(frames: int = 1) -> np.ndarray:
    z, y, x = np.mgrid[:frames, :96, :128]
    noise = np.random.default_rng(0).normal(0, 0.03, (frames, 96, 128))
    values = 0.5 + 0.4 * np.sin((x + z) / 9) * np.cos(y / 7) + noise
    return np.rint(np.clip(values, 0, 1) * 1023).astype(np.uint16)


def test_fractions_of_a_crf_give_sizes_between() -> None:
    made = [AOM.encode(block(), crf) for crf in (30.0, 30.5, 31.0)]
    assert [data[0] == 0 for data in made] == [True, False, True]
    assert len(made[0]) > len(made[1]) > len(made[2])
    for data in made:
        error = AOM.decode(data, (1, 96, 128)).astype(float) - block()
        assert abs(error.mean()) < 2  # a scale that did not come back would shift the mean


def test_sparse_counts_take_the_tools_for_screen_content() -> None:
    y, x = np.mgrid[:192, :256]
    rate = 6 * np.maximum(np.sin(x / 5) * np.cos(y / 5), 0) ** 3
    counts = np.minimum(np.random.default_rng(0).poisson(rate), 16)
    levels = (counts[None] * 63).astype(np.uint16)
    usual = AOM.encode(levels, 20.0, **{"tune-content": "default"})
    made = AOM.encode(levels, 20.0)
    assert len(made) < len(usual)
    error = [AOM.decode(data, levels.shape).astype(float) - levels for data in (made, usual)]
    assert np.square(error[0]).mean() < np.square(error[1]).mean()
    assert AOM.encode(block(), 30.0) == AOM.encode(block(), 30.0, **{"tune-content": "default"})


def test_beyond_the_last_crf_files_still_shrink() -> None:
    sizes = [len(AOM.encode(block(), crf)) for crf in (62.0, 63.0, 64.5)]
    assert sizes == sorted(sizes, reverse=True)


def test_a_rail_is_another_setting_of_about_the_same_quality() -> None:
    usual = AOM.encode(block(), 40.25)
    error = np.square(AOM.decode(usual, (1, 96, 128)).astype(float) - block()).mean()
    (other,) = AOM.alike(noise=False)
    data = other.encode(block(), 40.25)
    assert data != usual
    assert 0.85 < len(data) / len(usual) < 1.15
    left = np.square(other.decode(data, (1, 96, 128)).astype(float) - block()).mean()
    assert 0.85 < left / error < 1.15
    assert other.encode(block(), 1.0)  # the lowest has nothing below it


def test_efforts_and_rates_choose_the_speed() -> None:
    def speed(effort: int, **load: int) -> int:
        return AOM.for_effort(effort, Load(**load)).speed

    small = {"voxels": 1 << 20, "raw_bytes": 1 << 21, "size": 1 << 13}
    assert speed(9, **small) == 3  # single pictures: slower ones make larger files
    assert speed(9, **small, frames=20) < 3
    stack = {"voxels": 1 << 23, "raw_bytes": 1 << 24, "size": 1 << 17}
    assert speed(4, **stack, frames=100) < speed(4, **stack)
    assert speed(1, **small) == 5
    large = {"voxels": 1 << 23, "raw_bytes": 1 << 24}
    assert speed(4, **large, size=1 << 15) < speed(4, **large, size=1 << 19)
    slow = load_codec("aom", speed=1)
    assert slow.within(1e-3, 1.0).speed == 5
    assert slow.within(1e6, 1.0) == slow


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "imageio_ffmpeg", None)
        assert "imageio-ffmpeg" in (AOM.missing() or "")
        assert AOM.missing("decode") is None
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", "/no/such/program")
    assert "no encoder libaom-av1" in (AOM.missing() or "")
    data = np.repeat(block()[0][None], 2, 0)
    monkeypatch.setattr("inif.encode.auto._latent", lambda job, room: 1.0)
    assert inif.compress(data, axes="CYX", size=1500).header["codec"]["kind"] == "av1"
    with pytest.raises(UnsupportedError, match="no encoder libaom-av1"):
        inif.compress(data, axes="CYX", size=1500, codec="aom")


def test_what_the_program_says_is_passed_on() -> None:
    with pytest.raises(UnsupportedError, match="no-such-option"):
        AOM.encode(block(), 30.0, **{"no-such-option": 1})


@pytest.mark.slow
def test_single_planes_may_come_from_either_encoder() -> None:
    files = {
        kind: inif.compress(block()[0], axes="YX", size=900, codec=kind) for kind in ("av1", "aom")
    }
    best = max(files.values(), key=lambda file: file.header["lossy"]["psnr"])
    usual = inif.compress(block()[0], axes="YX", size=900)
    assert usual.header["lossy"]["psnr"] >= best.header["lossy"]["psnr"] - 0.3
    for kind, file in files.items():
        assert file.header["codec"]["kind"] == kind
        assert f"{kind}/2" in file.header["requires"]
        assert 900 / 1.01 <= file.file_bytes <= 900


def test_a_program_that_is_slow_to_read_gets_all_of_its_input() -> None:
    from inif.codecs import aom

    slow = "import sys, time; time.sleep(1); sys.stdout.write(str(len(sys.stdin.buffer.read())))"
    assert aom._run([sys.executable, "-c", slow], bytes(1 << 20), lambda: None) == b"1048576"
