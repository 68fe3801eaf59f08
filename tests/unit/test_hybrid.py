"""Hybrid files: a codec's streams with the promises of every other file."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from arithmetic import tolerance

import inif
from inif.api import as_image
from inif.bricks import BrickGrid
from inif.codecs import CODECS, load_codec
from inif.codecs.base import Codec
from inif.coding.check import Check
from inif.config import FitSettings, ProgressEvent, Target
from inif.container.reader import open_container
from inif.container.writer import Section, pack
from inif.decode.codec import KIND, BrickData, CodecSpec, Layout
from inif.decode.extract import extract_codec
from inif.encode import repair, streams
from inif.encode.job import Hints, Job
from inif.encode.trial import Trial, along
from inif.errors import BudgetError, FormatError, InputError, RemarkWarning
from inif.fields.conditional import NO_REPAIR, Repair

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


def trial_of(codec: Codec, job: Job, room: int) -> tuple[streams.Streams, Trial]:
    made = streams.Streams(job, streams.hybrid_grid(job.image.axes, job.image.data.shape))
    return made, made.tried(codec, "TZ~", room)


def job_of(data: np.ndarray, axes: str) -> Job:
    return Job(as_image(data, axes), Target(size=1500), FitSettings())


def test_a_measured_offset_is_where_the_search_begins() -> None:
    codec = load_codec("av1", preset=6)
    job = job_of(picture("ZYX"), "ZYX")
    made, trial = trial_of(codec, job, 1200)
    judged = made.judged(codec, trial, 1200)
    assert judged is not None
    assert judged.offset is not None
    made.job = replace(job, hints=Hints(judged.offset))
    size = sum(map(len, made.encode(codec, trial.order, made.start(codec, trial, 1200))))
    assert size == pytest.approx(1200, rel=0.1)
    made.job = replace(job, hints=Hints(0.1))
    knob = codec.knob(made.frames)
    size = len(trial.near.data)
    moved = knob.to_unit(made.start(codec, trial, size)) - knob.to_unit(trial.near.value)
    assert moved == pytest.approx(0.1, abs=knob.unit_step)


def test_another_order_is_compared_at_the_same_size() -> None:
    room, codec = 1500, load_codec("av1", preset=6)
    made, trial = trial_of(codec, job_of(picture("TZYX"), "TZYX"), room)
    same = made.compared(codec, trial.order, room, trial)
    assert same.score == pytest.approx(trial.score)
    other = made.compared(codec, "ZT~", room, trial)
    at_its_size, _ = along(trial.points, math.log2(len(other.near.data)))
    decoded = made.quality("av1", "ZT~", made.encode(codec.quick, "ZT~", trial.near.value))
    assert other.score - trial.score == pytest.approx(decoded - at_its_size)


def test_a_curve_is_followed_between_and_beyond_its_points() -> None:
    points = [(12.0, 33.0), (10.0, 30.0), (11.0, 31.0)]
    assert along(points, 10.25) == (30.25, 1.0)
    assert along(points, 11.75) == (32.5, 2.0)
    assert along(points, 9.0) == (29.0, 1.0)
    assert along(points, 13.0) == (35.0, 2.0)
    assert along(points[:1], 11.0) == (32.0, 1.0)
    assert along([(1.0, 9.0), (2.0, 8.0)], 3.0) == (8.0, 0.0)


def test_noise_takes_a_faster_preset() -> None:
    codec = load_codec("av1", preset=1)
    noise = np.random.default_rng(0).poisson(30, (256, 256)).astype(np.uint16)
    _, trial = trial_of(codec, job_of(noise, "YX"), 1200)
    assert trial.settled(codec) == codec.brisk
    _, trial = trial_of(codec, job_of(picture("ZYX"), "ZYX"), 1200)
    assert trial.settled(codec) == codec


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


@pytest.mark.parametrize("kind", ["aom", "hevc", "jpegxl", "avif", "jpeg2000", "htj2k", "sperr"])
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
    monkeypatch.setattr(streams, "_BRICK_SAMPLES", 3 * 48 * 50)
    file = compressed("ZYX", size=2500)
    assert file.grid.counts == (2, 1, 1)
    first = file[0]
    assert list(file._samples._kept) == [0]
    np.testing.assert_array_equal(np.asarray(file)[0], first)
    assert inif.verify(file.to_bytes())["ok"]


def test_bricks_stay_within_what_readers_allow() -> None:
    assert streams.hybrid_grid("CYX", (3, 99, 99)).counts == (1, 1, 1)
    assert streams.hybrid_grid("CYX", (99, 4000, 4000)).counts == (13, 1, 1)
    large = streams.hybrid_grid("TZYX", (100, 100, 6000, 6000))
    assert large.brick[2:] == (3000, 3000)
    assert np.prod(large.brick) <= 1 << 25


def test_the_same_job_gives_the_same_bytes() -> None:
    assert compressed("CYX").to_bytes() == kept("CYX").to_bytes()


def test_progress_is_reported() -> None:
    events: list[ProgressEvent] = []
    compressed("CYX", size=4000, progress=events.append)
    assert [e.stage for e in events if e.stage != "trial"][-2:] == ["repair", "check"]
    assert events[-1].psnr is not None


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
        ({"codec": {"kind": "av1", "order": "ZZ"}}, "codec.order"),
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
    assert file.header["field"]["kind"] == "conditional"
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
    assert BrickData.unpack(data.pack(9), Layout(3, 9), file="f", brick=0) == data
    repairs = (NO_REPAIR, Repair(50, 0, (1, -3), frozenset({0, 8})), Repair(1, active=False))
    data = BrickData(data.streams, data.check, repairs, b"\0")
    assert BrickData.unpack(data.pack(9), Layout(3, 9, 12), file="f", brick=0) == data
    assert CodecSpec.from_json(CodecSpec("hevc", "ZT~").to_json(), file="f").order == "ZT~"
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
    assert 1000 < rest.length < 1500
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


def test_an_unknown_start_is_refused() -> None:
    file = kept("ZYX", size=4000)
    with pytest.raises(FormatError, match="start"):
        inif.open(rewritten(file, field={"kind": "conditional", "start": "zz"}))


@pytest.mark.parametrize("select", ["ssim", pytest.param("spots", marks=pytest.mark.slow)])
def test_frames_are_judged_as_asked(select: str) -> None:
    file = compressed("ZYX", size=4000, select=select)
    assert inif.verify(file.to_bytes())["exact"]
    with pytest.raises(InputError, match="select"):
        compressed("ZYX", select="beauty")


def test_a_time_limit_takes_a_faster_preset() -> None:
    codec = CODECS["av1"].for_effort(9)
    assert codec.within(1000, 1.0) == codec
    assert codec.within(2, 1.0) == CODECS["av1"].for_effort(1)
    assert codec.within(0.1, 1.0).slowdown < 1
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
