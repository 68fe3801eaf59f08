"""Hybrid files: a codec's streams with the promises of every other file."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from arithmetic import tolerance
from hypothesis import given
from hypothesis import strategies as st

import inif
from inif.bricks import BrickGrid
from inif.codecs import CODECS
from inif.coding.check import Check
from inif.config import ProgressEvent
from inif.container.reader import open_container
from inif.container.writer import Section, pack
from inif.decode.codec import KIND, BrickData, CodecSpec, Content
from inif.decode.extract import extract_codec
from inif.encode.hybrid import bricks, guess, repair
from inif.encode.hybrid.presets import codec_for
from inif.errors import BudgetError, FormatError, InputError, RemarkWarning
from inif.fields.repair import NO_REPAIR, Repair

pytest.importorskip("av")

SHAPES = {
    "YX": (70, 90),
    "ZYX": (6, 48, 50),
    "CYX": (3, 48, 50),
    "YXC": (40, 50, 2),
    "TZYX": (4, 5, 40, 44),
    "TZCYX": (3, 3, 2, 40, 44),
}


def picture(axes: str, dtype: str = "uint16") -> np.ndarray:
    """A smooth image with some noise, in the range of its dtype."""
    rng = np.random.default_rng(0)
    shape = SHAPES[axes]
    grids = np.meshgrid(*(np.linspace(0, 3, n) for n in shape), indexing="ij")
    clean = np.sin(sum((i + 1.3) * g for i, g in enumerate(grids)))
    noisy = clean + 0.05 * rng.standard_normal(shape)
    scaled = (noisy - noisy.min()) / np.ptp(noisy)
    if dtype == "float32":
        return (5 * scaled - 3).astype(np.float32)
    return np.rint(scaled * (200 if dtype == "uint8" else 3000) + 7).astype(dtype)


def compressed(axes: str, dtype: str = "uint16", **options: Any) -> inif.File:
    options = {"size": 1500, "effort": 1, "method": "hybrid", **options}
    return inif.compress(picture(axes, dtype), axes=axes, **options)


@cache
def _kept(axes: str, dtype: str, **options: Any) -> bytes:
    return compressed(axes, dtype, **options).to_bytes()


def kept(axes: str, dtype: str = "uint16", **options: Any) -> inif.File:
    """What `compressed` gives, made once for all tests that only read it."""
    return inif.open(_kept(axes, dtype, **options))


@pytest.mark.parametrize(
    "axes",
    [pytest.param(a, marks=pytest.mark.slow if a in ("TZYX", "TZCYX") else ()) for a in SHAPES],
)
def test_every_axis_order_meets_its_budget_and_decodes_alike(axes: str) -> None:
    original, file = picture(axes), kept(axes)
    assert 1500 / 1.01 <= file.file_bytes <= 1500
    whole = np.asarray(file)
    assert whole.shape == original.shape
    assert whole.dtype == original.dtype
    report = inif.evaluate(inif.api.as_image(original, axes), file)
    assert report.to_json()["psnr"]["pooled"] > 20
    middle = tuple(slice(n // 3, n // 2 + 1) for n in original.shape)
    np.testing.assert_array_equal(file[middle], whole[middle])
    np.testing.assert_array_equal(file[..., ::3], whole[..., ::3])
    np.testing.assert_array_equal(file[..., ::-1], whole[..., ::-1])
    where = np.argwhere(np.ones(original.shape, bool))[::37]
    values = file.points(where)
    np.testing.assert_array_equal(np.rint(values).astype(whole.dtype), whole[tuple(where.T)])
    assert inif.verify(file.to_bytes())["exact"]


@pytest.mark.parametrize(
    "dtype", [pytest.param(t, marks=pytest.mark.slow) for t in ("uint8", "int16")] + ["float32"]
)
def test_every_dtype(dtype: str) -> None:
    original, file = picture("ZYX", dtype), kept("ZYX", dtype)
    error = np.abs(np.asarray(file).astype(np.float64) - original).max()
    assert error < 0.5 * np.ptp(original.astype(np.float64))


@pytest.mark.parametrize("kind", ["hevc", "jpegxl", "avif", "jpeg2000", "htj2k", "sperr"])
def test_every_codec(kind: str) -> None:
    file = kept("ZYX", size=4000, codec=kind)
    assert file.header["codec"]["kind"] == kind
    assert 4000 / 1.01 <= file.file_bytes <= 4000


def test_positions_between_samples_are_linear() -> None:
    file = kept("ZYX")
    ends = file.points([[2, 10, 20], [3, 10, 20]])
    middle = file.points([[2.25, 10, 20]])
    wanted = 0.75 * ends[0] + 0.25 * ends[1]
    np.testing.assert_allclose(middle[0], wanted, rtol=0, atol=tolerance(4, np.abs(ends).max()))


def test_bricks_are_decoded_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bricks, "MOST_SAMPLES", 3 * 48 * 50)
    file = compressed("ZYX", size=2500)
    assert file.grid.counts == (2, 1, 1)
    first = file[0]
    assert list(file._samples._kept) == [0]
    np.testing.assert_array_equal(np.asarray(file)[0], first)
    assert inif.verify(file.to_bytes())["ok"]


@given(st.sampled_from(["CYX", "TZYX", "YXC", "TZCYX"]), st.integers(0, 99))
def test_bricks_are_small_and_none_is_cut_in_vain(axes: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = tuple(int(n) for n in np.exp2(rng.uniform(0, 13, len(axes))))
    grid = bricks.hybrid_grid(axes, shape)
    assert np.prod(grid.brick) <= bricks.MOST_SAMPLES
    sides = [grid.brick[axes.index(a)] for a in "YX"]
    assert max(sides) <= bricks.MOST_SIDE
    if np.prod(shape) <= bricks.MOST_SAMPLES:
        assert all(a in "YX" for a, n in zip(axes, grid.counts, strict=True) if n > 1)


def test_frames_follow_along_the_axis_that_changes_less() -> None:
    t, z = np.mgrid[:5, :4]
    values = (0.01 * t + 0.1 * z)[..., None, None] * np.ones((8, 9), np.float32)
    assert bricks.frame_order([[values]]) == "ZT~"
    assert bricks.frame_order([[values.swapaxes(0, 1)]]) == "TZ~"
    assert bricks.frame_order([[values[:1]]]) == "TZ"


@given(st.floats(0.01, 100.0), st.sampled_from(sorted(CODECS)))
def test_a_guess_takes_the_bytes_that_it_says(kilobytes: float, kind: str) -> None:
    values = np.random.default_rng(1).random((3, 40, 44), np.float32)
    texture, codec = guess.Texture.of(values), CODECS[kind]
    samples, size = 1 << 16, 1000 * kilobytes
    knob = guess.guess(codec, 3, [texture], [samples], size)
    assert 0 <= knob <= codec.knob(3).octaves + 0.1
    taken = samples / 8 * guess.bits(codec, texture, np.array([0, knob, knob + 1]))
    assert taken[1] == pytest.approx(size, rel=0.1) or not 0 < knob < codec.knob(3).octaves
    assert taken[2] > taken[1] >= taken[0]


def test_efforts_are_patient_and_limits_are_not() -> None:
    assert [codec_for("hevc", e, 1 << 30).preset for e in (1, 3, 9)] == [
        "medium",
        "slow",
        "veryslow",
    ]  # type: ignore[attr-defined]
    presets = [codec_for("av1", effort, 1 << 30).preset for effort in range(1, 10)]  # type: ignore[attr-defined]
    assert presets == sorted(presets, reverse=True)
    assert codec_for("av1", 9, 1 << 20, 1e9) == codec_for("av1", 9, 1 << 20)
    assert codec_for("av1", 9, 1 << 30, 1.0).preset == 10  # type: ignore[attr-defined]
    assert codec_for("jpegxl", 3, 1 << 20, 1.0) == CODECS["jpegxl"]


def test_the_same_job_gives_the_same_bytes() -> None:
    assert compressed("CYX").to_bytes() == kept("CYX").to_bytes()


def test_progress_is_reported() -> None:
    events: list[ProgressEvent] = []
    compressed("CYX", size=4000, progress=events.append)
    assert {e.stage for e in events} >= {"trial", "encode", "check"}
    assert events[-1].stage == "check"


@pytest.mark.slow
def test_a_quality_as_the_target() -> None:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        file = compressed("ZYX", size=None, psnr=30.0)
    reached = file.header["lossy"]["psnr"]
    assert reached >= 30
    assert (reached > 30.3) == any("no smaller file was found" in str(w.message) for w in said)


def test_a_constant_image_is_exact() -> None:
    with pytest.warns(RemarkWarning, match="exactly"):
        file = inif.compress(np.full((40, 40), 7, np.uint8), axes="YX", size=900, method="hybrid")
    assert np.all(np.asarray(file) == 7)


def test_what_cannot_be_done_is_said() -> None:
    with pytest.raises(BudgetError, match="siren"):
        compressed("ZYX", size=120)
    with pytest.raises(BudgetError, match="largest possible ratio"):
        compressed("ZYX", size=200)
    with pytest.raises(InputError, match="Y and X"):
        inif.compress(np.arange(999.0, dtype="f4"), axes="X", size=900, method="hybrid")


def rewritten(file: inif.File, data: bytes | None = None, **changes: Any) -> bytes:
    """The file with other header fields, or another CODE section."""
    with open_container(file.to_bytes()) as container:
        section = container.read(container.require(KIND, 0)) if data is None else data
        return pack(container.header | changes, [Section(KIND, section, 0)])


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"codec": {"kind": "vvc"}}, "codec.kind"),
        ({"codec": {"kind": "av1", "frame_order": "ZZ"}}, "codec.frame_order"),
        ({"shape": [1 << 15, 1 << 15, 1 << 15]}, "brick"),
        ({"shape": [6, 48, 50], "axes": "TZC", "range": [[0, 9]] * 50}, "axes"),
    ],
)
def test_headers_that_are_refused(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(FormatError) as caught:
        inif.open(rewritten(kept("ZYX"), **changes))
    assert field in str(caught.value.field)


def test_sections_that_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repair, "_PER_OCTAVE", 0.0)  # a repair, at any price
    file = compressed("ZYX", size=4000)
    assert file.header["field"]["kind"] == "repair"
    good = file.bricks.section(0)  # type: ignore[attr-defined]
    whole = good.pack(6)
    bad = {
        "short": whole[:5],
        "no length": whole[:8],
        "cut": whole[: len(whole) // 2],
        "empty stream": BrickData((b"",), good.check, good.repairs).pack(6),
        "other stream": BrickData((b"hello" * 20,), good.check, good.repairs).pack(6),
        "no repair": BrickData(good.streams, good.check).pack(6),
        "two repairs": BrickData(good.streams, good.check, good.repairs * 2).pack(6),
    }
    for name, data in bad.items():
        with pytest.raises(FormatError, match="CODE"):
            print(name, np.asarray(inif.open(rewritten(file, data))).shape)


def test_section_round_trip() -> None:
    data = BrickData((b"abc", b"", b"x" * 300), Check(7, 5), (), b"\0\0")
    assert BrickData.unpack(data.pack(9), Content(3, 9), file="f", brick=0) == data
    repairs = (NO_REPAIR, Repair(50, 0, (1, -3), frozenset({0, 8})), Repair(1, active=False))
    data = BrickData(data.streams, data.check, repairs, b"\0")
    assert BrickData.unpack(data.pack(9), Content(3, 9, 12), file="f", brick=0) == data
    assert CodecSpec.from_json(CodecSpec("hevc", "ZT~").to_json(), file="f").frame_order == "ZT~"
    assert len(BrickGrid((4, 4), (4, 4))) == 1


@pytest.mark.slow
def test_a_repair_is_never_worse_than_the_codec() -> None:
    for axes in ("ZYX", "CYX"):
        file, original = kept(axes, size=4000), picture(axes)
        brick = file.bricks.section(0)  # type: ignore[attr-defined]
        plain = tuple(NO_REPAIR for _ in brick.repairs)
        bare = inif.open(rewritten(file, replace(brick, repairs=plain).pack(99)))
        errors = [np.mean((np.asarray(f).astype(float) - original) ** 2) for f in (file, bare)]
        assert errors[0] <= errors[1]


@pytest.mark.usefixtures("unfitted")
@pytest.mark.parametrize("axes", ["ZYX", "YXC"])
def test_a_share_for_a_pure_field(axes: str, cli: Any, tmp_path: Path) -> None:
    source = tmp_path / "a.npy"
    np.save(source, picture(axes))
    words = ("--axes", axes, "--size", "5000", "--share", "0.3", "--effort", "1", "--json")
    body = cli("compress", str(source), *words).json
    file = inif.open((tmp_path / "a.inif").read_bytes())
    assert 5000 / 1.01 <= body["file_bytes"] <= 5000
    assert "residual/1" in file.header["requires"]
    rest = file.container.find(b"RESF")
    assert rest is not None
    assert 1000 < rest.length < 2000
    whole = np.asarray(file)
    part = tuple(slice(n // 3, n // 2 + 1) for n in whole.shape)
    np.testing.assert_array_equal(file[part], whole[part])
    where = np.argwhere(np.ones(whole.shape, bool))[::97]
    values = file.points(where)
    np.testing.assert_array_equal(np.rint(values).astype(whole.dtype), whole[tuple(where.T)])
    assert inif.verify(tmp_path / "a.inif")["exact"]


def test_shares_that_are_refused() -> None:
    with pytest.raises(InputError, match="share"):
        compressed("ZYX", share=0.95)
    with pytest.raises(InputError, match="share"):
        compressed("ZYX", share=0.1, method="siren")
    with pytest.raises(BudgetError):
        compressed("ZYX", share=0.01)


def test_a_field_for_another_image_is_refused(random_file: Callable[..., bytes]) -> None:
    file, other = kept("ZYX"), random_file("YX", SHAPES["YX"])
    with open_container(file.to_bytes()) as container:
        codec = Section(KIND, container.read(container.require(KIND, 0)), 0)
        requires = [*container.header["requires"], "residual/1"]
        header = container.header | {"requires": requires}
    for data, what in ((other, "RESF"), (file.to_bytes(), "hybrid"), (b"junk" * 20, "inif")):
        with pytest.raises(FormatError, match=what):
            inif.open(pack(header, [codec, Section(b"RESF", data)]))
    with pytest.raises(FormatError, match="RESF"):
        inif.open(pack(header, [codec]))


def test_an_unknown_network_is_refused() -> None:
    file = kept("ZYX", size=4000)
    with pytest.raises(FormatError, match="network"):
        inif.open(rewritten(file, field={"kind": "repair", "network": "zz"}))


@pytest.mark.parametrize("select", ["ssim", pytest.param("spots", marks=pytest.mark.slow)])
def test_frames_are_judged_as_asked(select: str) -> None:
    file = compressed("ZYX", size=4000, select=select)
    assert inif.verify(file.to_bytes())["exact"]
    with pytest.raises(InputError, match="select"):
        compressed("ZYX", select="beauty")


def test_a_time_limit_takes_a_faster_preset() -> None:
    assert compressed("ZYX", time_limit=0.5, effort=8).file_bytes <= 1500


def test_streams_are_extracted(tmp_path: Path, cli: Any, random_file: Callable[..., bytes]) -> None:
    path = tmp_path / "a.inif"
    path.write_bytes(kept("TZCYX", size=4000).to_bytes())
    outcome = cli("extract-codec", str(path), str(tmp_path / "out"), "--json")
    assert outcome.json["files"] == ["c0.obu", "c1.obu"]
    import av

    context: Any = av.CodecContext.create("libdav1d", "r")
    data = (tmp_path / "out" / "c1.obu").read_bytes()
    frames = [f for p in [*context.parse(data), *context.parse(None)] for f in context.decode(p)]
    assert len([*frames, *context.decode(None)]) == 9
    assert "already" in cli("extract-codec", str(path), str(tmp_path / "out")).stderr
    jxl = kept("ZYX", size=4000, codec="jpegxl")
    assert len(extract_codec(jxl.to_bytes(), tmp_path / "jxl")) == 6
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]
    with pytest.raises(InputError, match="no codec"):
        extract_codec(random_file("YX", (20, 20)), tmp_path / "pure")


@pytest.mark.slow
def test_the_command_line(cli: Any, tmp_path: Path) -> None:
    source, out = tmp_path / "a.npy", tmp_path / "a.inif"
    np.save(source, picture("ZYX"))
    words = ("--axes", "ZYX", "--size", "1500", "--method", "hybrid", "--effort", "1", "--json")
    outcome = cli("compress", str(source), *words)
    assert outcome.code == 0
    assert (outcome.json["method"], outcome.json["codec"]) == ("hybrid", "av1")
    assert cli("info", str(out)).code == 0
    assert cli("verify", str(out)).code == 0
