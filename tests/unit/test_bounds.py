"""`max_error`: no sample is off by more, whatever the image; damage is one error."""

from __future__ import annotations

import contextlib
import math
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import inif
from inif.config import Target
from inif.container import Section, pack
from inif.container.reader import open_container
from inif.decode import apart
from inif.decode.corrections import ALONE, FOLDED, SIGNED
from inif.decode.latent_spec import LatentSpec
from inif.errors import FormatError, InputError, RemarkWarning
from inif.image import BOUNDED_DTYPES, LOSSLESS_DTYPES
from inif.latent import corrections, reference, tables
from inif.latent.bands import earlier_planes, looks
from inif.outliers import Outliers


def bounded(data: np.ndarray, axes: str, bound: float | str) -> inif.File:
    """A file of a bound, without its remarks."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RemarkWarning)
        return inif.compress(data, axes=axes, max_error=bound)


def noisy(shape: tuple[int, ...], dtype: str = "uint16", seed: int = 0) -> np.ndarray:
    """Something smooth with noise on it, over 4000 counts (250 of 8 bits) or from -1 to 2."""
    rng = np.random.default_rng(seed)
    x = sum(np.sin(g / 7 + i) for i, g in enumerate(np.indices(shape)))
    x = x + rng.normal(0, 0.1, shape)
    x = (x - x.min()) / max(float(np.ptp(x)), 1e-9)
    if np.dtype(dtype).kind == "f":
        return (3 * x - 1).astype(dtype)
    top, low = (250, 0) if np.dtype(dtype).itemsize == 1 else (4000, 0)
    low = -100 if np.dtype(dtype).kind == "i" else 0
    return (x * (top if dtype != "int8" else 120) + low).astype(dtype)


def random_case(rng: np.random.Generator) -> tuple[np.ndarray, str, float | str]:
    """Any image of any axes, type and looks, and a bound."""
    count = int(rng.integers(1, 6))
    axes = "".join(rng.permutation(list("TCZYX"))[:count])
    shape, room = [], 3000
    for _ in axes:
        n = int(min(rng.integers(1, 40), max(room, 1)))
        shape.append(n)
        room //= n
    dtype = np.dtype(str(rng.choice([*BOUNDED_DTYPES * 3, *LOSSLESS_DTYPES])))
    kind, data = int(rng.integers(5)), np.zeros(shape)
    if kind == 0:
        data = rng.normal(size=shape)
    elif kind == 1:
        data = np.sin(sum(np.indices(shape)) / 5) + rng.normal(0, 0.01, shape)
    elif kind == 2:
        data = rng.standard_cauchy(shape)
    elif kind == 3:
        data = (rng.random(shape) < 0.05).astype(float)
    data = (data - data.min()) / max(float(np.ptp(data)), 1e-9)
    if dtype.kind == "f":
        data = data * 10.0 ** rng.integers(-3, 4) * rng.choice([-1, 1]) + rng.choice([0, 0, 100])
        data = data.astype(dtype)
        if rng.random() < 0.3:
            data.flat[rng.integers(0, data.size, 3)] = [np.nan, np.inf, -np.inf]
    elif dtype.kind == "b":
        data = data > 0.5
    else:
        info = np.iinfo(dtype)
        span = float(rng.choice([5, 200, 60000, float(info.max) - float(info.min)]))
        low = float(rng.choice([0, info.min, info.max - span]))
        data = np.clip(low + data * span, info.min, info.max)
        with np.errstate(invalid="ignore"):  # 2^63 as int64
            data = np.where(data >= float(info.max), info.max, data.astype(dtype)).astype(dtype)
    finite = data[np.isfinite(data)].astype(float) if dtype.kind == "f" else data.astype(float)
    span = float(np.ptp(finite)) if finite.size else 1.0
    absolute = float(f"{span * 10.0 ** rng.uniform(-5, 0.3):.3g}")
    shares = ("0.1%", "0.5%", "2%", f"{rng.uniform(0, 30):.3f}%")
    return data, axes, (0.0, 1.0, absolute, *shares)[int(rng.integers(7))]


def holds(data: np.ndarray, axes: str, bound: float | str) -> None:
    """Check a file's promises: the bound of each sample, and that it is the encoder's decode.

    Small images mostly take fewer bytes if they are stored exactly; that is not tried here.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("inif.encode.latent.bound.AS_SMALL", 0.0)
        file = bounded(data, axes, bound)
    found = np.asarray(file)
    assert found.dtype == data.dtype
    assert found.shape == data.shape
    c = axes.find("C")
    for own, wanted in zip(
        np.moveaxis(found, c, 0) if c >= 0 else [found],
        np.moveaxis(data, c, 0) if c >= 0 else [data],
        strict=True,
    ):
        good = np.isfinite(wanted) if data.dtype.kind == "f" else np.ones(wanted.shape, bool)
        np.testing.assert_array_equal(own[~good], wanted[~good])
        if not good.any():
            continue
        top, low = wanted[good].max(), wanted[good].min()
        limit: Any = bound
        if isinstance(bound, str):
            limit = float(bound[:-1]) / 100 * (float(top) - float(low))
        if data.dtype.kind == "f":
            off = np.abs(own[good].astype(np.float64) - wanted[good].astype(np.float64)).max()
        else:
            off = (
                max(
                    abs(int(a) - int(b))
                    for a, b in zip(own.flat, wanted.flat, strict=True)
                    if a != b
                )
                if not np.array_equal(own, wanted)
                else 0
            )
        assert off <= limit * (1 + 1e-12)
    report = inif.verify(file.to_bytes())
    assert (report["ok"], report["exact"]) == (True, True), report


# ---- the bound ---------------------------------------------------------------------------------


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_no_sample_of_any_image_is_off_by_more(seed: int) -> None:
    holds(*random_case(np.random.default_rng(seed)))


@pytest.mark.slow  # five hundred files
@pytest.mark.parametrize("part", range(10))
def test_five_hundred_random_cases(part: int) -> None:
    for case in range(50):
        holds(*random_case(np.random.default_rng([22, part, case])))


@pytest.mark.parametrize("dtype", BOUNDED_DTYPES)
def test_every_type_becomes_a_field_with_corrections(dtype: str) -> None:
    data = noisy((50, 60), dtype)
    file = bounded(data, "YX", "1%")
    assert file.header["requires"] == ["latent/1", "corrections/1"]
    off = np.abs(np.asarray(file).astype(float) - data.astype(float)).max()
    lossy = file.header["lossy"]
    assert 0 < off <= lossy["bound"][0]
    assert lossy["max_error"] == pytest.approx(off, rel=1e-6)
    assert lossy["target"] == {"max_error_share": 0.01}
    assert file.ratio > 1.5


def test_whole_numbers_with_a_bound_of_zero_are_exact() -> None:
    data = noisy((4, 60, 70))
    file = bounded(data, "ZYX", 0)
    np.testing.assert_array_equal(np.asarray(file), data)
    assert file.header["lossy"]["max_error"] == 0
    assert "corrections/1" in file.header["requires"]
    assert file.file_bytes <= inif.compress(data, axes="ZYX", lossless=True).file_bytes


def test_exact_samples_where_they_take_fewer_bytes() -> None:
    labels = np.kron(np.random.default_rng(0).integers(0, 9000, (5, 5)), np.ones((20, 20)))
    file = bounded(labels.astype(np.uint16), "YX", 0)
    assert file.header["requires"] == ["lossless/1"]
    assert file.header["lossy"]["target"] == {"max_error": 0.0}


def test_channels_have_bounds_of_their_own_where_these_are_shares() -> None:
    data = noisy((3, 40, 50))
    data[1] //= 9
    data[2] = 77
    file = bounded(data, "CYX", "1%")
    off = np.abs(np.asarray(file).astype(int) - data).max((1, 2))
    spans = np.ptp(data.reshape(3, -1), axis=1).astype(int)
    assert file.header["lossy"]["bound"] == [n // 100 for n in spans]
    assert all(off <= spans // 100)
    assert off[0] > spans[1] // 100
    assert bounded(data, "CYX", 5).header["lossy"]["bound"] == [5, 5, 0]


def test_what_is_no_number_stays() -> None:
    data = noisy((40, 50), "float32")
    data[3, 4:7] = [np.nan, np.inf, -np.inf]
    file = bounded(data, "YX", 0.01)
    found = np.asarray(file)
    np.testing.assert_array_equal(found[3, 4:7], data[3, 4:7])
    good = np.isfinite(data)
    assert np.abs(found[good] - data[good]).max() <= 0.01
    assert inif.verify(file.to_bytes())["exact"]


def test_bricks_are_corrected_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inif.latent.layout.MOST_VOXELS", 64 * 64)
    data = noisy((2, 100, 90), "float32")
    data[1] *= 30
    data[0, 70:75, 80] = [np.nan, np.inf, -np.inf, np.nan, 0]
    file = bounded(data, "CYX", "1%")
    assert len(file.grid) > 4
    assert [s.kind for s in file.container.sections] == sorted(
        [s.kind for s in file.container.sections], key=[b"LATC", b"LATN", b"CORR"].index
    )
    found = np.asarray(file)
    good = np.isfinite(data)
    np.testing.assert_array_equal(found[~good], data[~good])
    for one, other in zip(found, data, strict=True):
        kept = np.isfinite(other)
        assert np.abs(one[kept] - other[kept]).max() <= 0.01 * np.ptp(other[kept]) * (1 + 1e-6)
    assert inif.verify(file.to_bytes())["exact"]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (noisy((20, 20)).astype(np.uint64), "type uint64"),
        (np.random.default_rng(0).integers(0, 2**32, (20, 20)).astype(np.uint32), "too fine"),
        (np.full((20, 20), np.nan, np.float32), "nothing to leave out"),
        (noisy((20, 20)).astype(np.float64) * 1e200, "too large or too small"),
    ],
)
def test_what_cannot_be_bounded_otherwise_is_kept_exactly_and_said(
    data: np.ndarray, why: str
) -> None:
    with pytest.warns(RemarkWarning, match=f"kept exactly: .*{why}"):
        file = inif.compress(data, axes="YX", max_error=1)
    np.testing.assert_array_equal(np.asarray(file), data)


def test_labels_are_told_where_a_bound_changes_them() -> None:
    labels = np.kron(np.arange(1, 37).reshape(6, 6) * 7 % 41, np.ones((12, 12))).astype(np.uint16)
    with pytest.warns(RemarkWarning, match="labels"):
        inif.compress(labels, axes="YX", max_error=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        inif.compress(labels, axes="YX", max_error=0)


# ---- reading -----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["uint16", "uint32", "float32"])
def test_every_way_of_reading_gives_the_same(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inif.latent.layout.MOST_VOXELS", 96 * 96)
    data = noisy((150, 170), dtype)
    file = bounded(data, "YX", 3 if dtype != "float32" else 0.002)
    assert len(file.grid) == 4
    whole = np.asarray(file)
    opened = inif.open(file.to_bytes())
    np.testing.assert_array_equal(opened[100:, 90::3], whole[100:, 90::3])
    where = np.argwhere(np.random.default_rng(0).random(data.shape) < 0.01)
    points = file.points(where)
    assert points.dtype == np.result_type(dtype, np.float32)
    np.testing.assert_array_equal(points, whole[tuple(where.T)])
    between = file.points([[10.5, 20]])
    assert between[0] == pytest.approx(whole[10:12, 20].astype(float).mean())
    mask = np.zeros(data.shape, bool)
    mask[tuple(where.T)] = True
    np.testing.assert_array_equal(file.mask(mask), whole[mask])


def test_a_preview_leaves_corrections_alone() -> None:
    data = noisy((120, 160))
    whole = open_container(bounded(data, "YX", 4).to_bytes())
    sections = [Section(s.kind, whole.read(s), s.brick) for s in whole.sections]
    kinds = [s.kind for s in sections]
    assert kinds == [b"LATN", b"CORR"]
    sections[1] = Section(b"CORR", b"\xff" * 20, 0)
    file = inif.open(pack(whole.header, sections))
    seen = file.preview(40)
    assert seen.shape == (30, 40)
    means = data.reshape(30, 4, 40, 4).mean((1, 3))
    assert np.abs(seen - means).mean() < 0.1 * data.max()
    with pytest.raises(FormatError, match="corrections cannot be read"):
        file[0, 0]


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
@pytest.mark.parametrize("way", [SIGNED, FOLDED, ALONE])
def test_the_page_in_plain_python_decodes_it(
    way: int, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """docs/format.md, "Corrections", on the reference of the coder."""
    monkeypatch.setattr("inif.encode.latent.bound._best", lambda *_: (3000.0, way))
    large = SimpleNamespace(size=1 << 20)
    monkeypatch.setattr("inif.encode.latent.bound.encode_lossless", lambda job: large)
    data = noisy((2, 3, 9, 11), dtype)
    data[1] //= 3
    if dtype == "float32":
        data[1, 1, 2, 3] = np.nan
    file = bounded(data, "CZYX", 0.02 if dtype == "float32" else 3)
    assert file.header["field"].get("ways", [0, 0]) == [way, way]
    container, header = file.container, file.header
    section = container.read(container.require(b"CORR", 0))
    length = section[0]
    given, stream = section[1 : 1 + length], section[1 + length :]
    field = file.brick(0).field  # type: ignore[attr-defined]
    outputs = field.outputs
    classes = np.empty(data.shape, np.int16)
    for c in range(2):
        values = sorted(outputs[c].ravel().tolist())
        ends = [values[k * len(values) // 16] for k in range(1, 16)]
        for place, value in np.ndenumerate(outputs[c]):
            classes[c][place] = sum(end <= value for end in ends)
    beside = np.pad(classes.reshape(6, 9, 11), 1)
    coder = reference.Stream(reference.Model(tables.load().store()), stream)
    steps = coder.band(
        (6, 9, 11), 0, 3, 8, earlier_planes((2, 1, 3, 9, 11), looks((2, 1, 3, 9, 11))),
        None, np.zeros(6, np.int32), beside, np.arange(1, 7, dtype=np.int32),
    ).reshape(data.shape)  # fmt: skip
    expected = np.empty_like(data)
    for place, step in np.ndenumerate(steps):
        low, high = header["range"][place[0]]
        width = header["field"]["widths"][place[0]]
        half, mid = np.float32((high - low) / 2), np.float32(low + (high - low) / 2)
        real = float(np.clip(outputs[place] * half + mid, np.float32(low), np.float32(high)))
        base = min(max(real if dtype == "float32" else round(real), low), high)
        count, size = math.floor((base - low) / width + 0.5), abs(int(step))
        widths = int(step)
        if way == FOLDED:
            widths = (
                (-(size + 1) // 2 if size % 2 else size // 2) if size <= 2 * count else size - count
            )
        value = (low if way == ALONE else base) + widths * width
        expected[place] = value if dtype == "float32" else min(max(value, low), high)
    if given:
        exact = apart.unpack(given, data.shape, data.dtype, finite=False)
        expected.flat[exact.positions] = exact.values
    np.testing.assert_array_equal(np.asarray(file), expected)


@settings(max_examples=15)
@given(
    st.tuples(*[st.integers(1, n) for n in (3, 2, 3, 12, 12)]),
    st.sampled_from([1, 30, 10**4, 10**6]),
    st.integers(0, 2**32 - 1),
)
def test_corrections_and_back(shape: tuple[int, ...], top: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    steps = rng.integers(-top, top + 1, shape).astype(np.int32)
    outputs = rng.normal(size=shape).astype(np.float32)
    stream, bits = corrections.encoded(steps, outputs, "1")
    np.testing.assert_array_equal(corrections.decoded(stream, outputs, "1"), steps)
    assert len(stream) <= bits / 8 * 1.02 + 8
    assert corrections.encoded(steps, outputs, "1", writes=False) == (b"", bits)


# ---- damage ------------------------------------------------------------------------------------


def altered(file: inif.File, change: Any, **field: Any) -> bytes:
    """A file with other corrections, whose checksums fit."""
    container = file.container
    header = dict(container.header)
    header["field"] = header["field"] | field
    sections = []
    for s in container.sections:
        data = container.read(s)
        sections.append(Section(s.kind, change(data) if s.kind == b"CORR" else data, s.brick))
    return pack(header, sections)


def test_verify_notices_other_corrections() -> None:
    file = bounded(noisy((60, 70)), "YX", 6)
    assert inif.verify(altered(file, lambda data: data))["ok"]
    for at in (3, 40, 200):
        report = inif.verify(
            altered(file, lambda data, at=at: data[:at] + bytes([data[at] ^ 64]) + data[at + 1 :])
        )
        assert not report["ok"]
        assert "other samples" in report["problems"][0]
    widths = [file.header["field"]["widths"][0] - 2]
    assert not inif.verify(altered(file, lambda data: data, widths=widths))["ok"]


@settings(max_examples=25)
@given(st.binary(max_size=60), st.integers(0, 100))
def test_damaged_corrections_are_samples_or_one_error(data: bytes, keep: int) -> None:
    for dtype, bound in (("uint16", 6), ("float32", 0.01)):
        file = small(dtype, bound)
        opened = inif.open(altered(file, lambda whole: whole[:keep] + data))
        with contextlib.suppress(FormatError):
            assert opened[...].shape == (30, 40)


_SMALL: dict[str, inif.File] = {}


def small(dtype: str, bound: float) -> inif.File:
    """A small file, made once."""
    if dtype not in _SMALL:
        _SMALL[dtype] = bounded(noisy((30, 40), dtype), "YX", bound)
    return _SMALL[dtype]


def test_a_missing_section_is_one_error() -> None:
    container = small("uint16", 6).container
    parts = [Section(s.kind, container.read(s)) for s in container.sections if s.kind != b"CORR"]
    parts = [Section(s.kind, s.data, 0) for s in parts]
    with pytest.raises(FormatError, match="CORR"):
        inif.open(pack(container.header, parts))[...]


@pytest.mark.parametrize("widths", [None, [], [0], [-3], [2.5], [True], [1 << 40], [1, 1], "a"])
def test_widths_that_are_refused(widths: Any) -> None:
    with pytest.raises(FormatError, match=r"header\.field\.widths"):
        inif.open(altered(small("uint16", 6), lambda data: data, widths=widths))


@pytest.mark.parametrize("ways", [None, [], [3], [-1], [True], [1, 1], "a"])
def test_ways_that_are_refused(ways: Any) -> None:
    with pytest.raises(FormatError, match=r"header\.field\.ways"):
        inif.open(altered(small("uint16", 6), lambda data: data, ways=ways))


def test_corrections_need_a_latent_field() -> None:
    header = small("uint16", 6).header | {"field": {"kind": "siren"}}
    with pytest.raises(FormatError, match=r"field\.kind"):
        inif.open(pack(header, []))
    assert LatentSpec(1.0).to_json()["kind"] == "latent"


@pytest.mark.parametrize("count", [1, 70])
def test_given_samples_and_back(count: int) -> None:
    values = np.linspace(0, 1, count)
    values[0] = np.nan
    packed = apart.pack(Outliers(np.arange(count, dtype=np.int64), values))
    found = apart.unpack(packed, (count,), values.dtype, finite=False)
    np.testing.assert_array_equal(found.values, values)
    with pytest.raises(ValueError, match="no number"):
        apart.unpack(packed, (count,), values.dtype)


# ---- asking ------------------------------------------------------------------------------------


@given(st.floats(0, 1e9, allow_nan=False))
def test_bounds_as_users_write_them(value: float) -> None:
    assert Target.of_bound(value).max_error == value
    assert Target.of_bound(repr(value)).max_error == value
    share = Target.of_bound(f" {value % 100!r} % ").max_error_share
    assert share == pytest.approx(value % 100 / 100)


@pytest.mark.parametrize("bound", ["", "x", "-1", -0.5, "101%", "nan", math.inf, "1/0", True, "%"])
def test_bounds_that_cannot_be_used(bound: Any) -> None:
    with pytest.raises(InputError, match="max_error"):
        inif.compress(np.zeros((4, 4), np.uint8), axes="YX", max_error=bound)


@pytest.mark.parametrize(
    "other",
    [{"ratio": 9}, {"size": 99}, {"psnr": 40}, {"method": "siren"}, {"lossless": True},
     {"guide": "blobs"}, {"codec": "av1"}],
    ids=str,
)  # fmt: skip
def test_a_bound_leaves_nothing_else_to_choose(other: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing"):
        inif.compress(noisy((9, 9)), axes="YX", max_error=1, out=tmp_path / "a.inif", **other)
    assert not list(tmp_path.iterdir())


def test_the_command_line_does_all_of_it(tmp_path: Path, cli: Any) -> None:
    data, source, file = noisy((60, 70)), tmp_path / "a.npy", tmp_path / "a.inif"
    np.save(source, data)
    words = ("compress", source, "-o", file, "--axes", "YX", "--max-error")
    found = cli(*words, "0.5%")
    assert found.code == 0
    assert "every sample within 20" in found.stdout
    shown = cli("info", file).stdout
    assert "every sample within 20" in shown
    assert "a field of latents and corrections" in shown
    assert "within 20" in cli("verify", file).stdout
    assert cli("evaluate", source, file, "--axes", "YX", "--quick").code == 0
    again = cli(*words, "1", "--ratio", "9", "--force")
    assert again.code == 2
    assert "one of --ratio, --size, --psnr, --max-error and --lossless" in again.stderr


def test_evaluate_says_where_the_bound_is_not_held() -> None:
    data = noisy((60, 70))
    file = bounded(data, "YX", 20)
    good = inif.evaluate(data, file, axes="YX", quick=True)
    assert not [text for text in good.warnings if "bound" in text]
    data[5, 6] += 200
    bad = inif.evaluate(data, file, axes="YX", quick=True)
    assert [text for text in bad.warnings if "states a bound of 20" in text]
