"""Samples that are stored exactly: every bit of every type, in any number of axes, part by part."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import zarr
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import inif
from inif.config import FitSettings, ProgressEvent, Target
from inif.container import Section, open_container, pack
from inif.decode import lossless
from inif.decode.check import digest
from inif.encode.job import Job
from inif.encode.lossless import (
    LEAST_BYTES,
    MOST_BYTES,
    encode_lossless,
    jpegxl,
    lossless_grid,
    lossless_section,
)
from inif.errors import FormatError, InputError
from inif.image import DTYPES, LOSSLESS_DTYPES, Image
from inif.io import read_image, write_image

EXTRA = tuple(sorted(set(LOSSLESS_DTYPES) - set(DTYPES)))


@st.composite
def images(draw: st.DrawFn) -> tuple[np.ndarray, str]:
    """Any array of any type with any axes; bit patterns of floats are arbitrary."""
    dtype = np.dtype(draw(st.sampled_from(LOSSLESS_DTYPES)))
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=5, max_side=6))
    axes = "".join(draw(st.permutations("TCZYX"))[: len(shape)])
    if dtype.kind == "f" and draw(st.booleans()):
        return draw(hnp.arrays(f"u{dtype.itemsize}", shape)).view(dtype), axes
    return draw(hnp.arrays(dtype, shape)), axes


def stored(data: np.ndarray, axes: str, **options: Any) -> inif.File:
    return inif.compress(data, axes=axes, lossless=True, **options)


def same(a: Any, b: Any) -> bool:
    """Whether two arrays are equal bit by bit."""
    a, b = np.asarray(a), np.asarray(b)
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


@settings(max_examples=24, deadline=None)
@given(images(), st.integers(0, 2**32 - 1))
@example((np.array([0, 2**64 - 1], np.uint64), "X"), 0)
@example((np.array([[-(2**63), 2**63 - 1]], np.int64), "YX"), 0)
@example((np.array([[2**64 - 1, 2**64 - 9]], np.uint64), "YX"), 0)
@example((np.array([[0.0, -0.0], [3.0, 9.0]], np.float32), "YX"), 0)
@example((np.full((2, 3), np.nan), "YX"), 0)
@example((np.array([[np.inf, -np.inf, 1.5]], np.float16), "YX"), 0)
def test_every_bit_comes_back_whole_and_in_parts(image: tuple[np.ndarray, str], seed: int) -> None:
    data, axes = image
    file = stored(data, axes, effort=1)
    assert same(file[...], data)
    rng = np.random.default_rng(seed)
    key = tuple(slice(int(rng.integers(n)), None, int(rng.integers(1, 3))) for n in data.shape)
    assert same(file[key], data[key])
    mask = rng.random(data.shape) < 0.5
    assert same(file.mask(mask), data[mask])
    report = inif.verify(file.to_bytes())
    assert report["ok"]
    assert report["exact"]
    finite = data[np.isfinite(data)]
    if "C" not in axes and finite.size:
        low, high = file.header["range"][0]
        assert (data.dtype.type(low), data.dtype.type(high)) == (finite.min(), finite.max())


@pytest.mark.parametrize("dtype", LOSSLESS_DTYPES)
def test_whole_numbers_of_any_type_may_become_pictures(dtype: str) -> None:
    smooth = np.add.outer(np.arange(48), np.arange(64)) // 9
    data = (smooth % 2 if dtype == "bool" else smooth).astype(dtype)
    assert same(stored(data, "YX", effort=2)[...], data)
    if data.dtype.kind == "f":
        for odd in (-0.0, 0.5, np.nan):
            data[40, 3] = odd
            assert same(stored(data, "YX", effort=2)[...], data)


def test_the_smaller_codec_is_taken_and_named() -> None:
    rng = np.random.default_rng(0)
    slope = np.add.outer(np.arange(128), np.arange(128))
    noisy = rng.normal(100 + slope, 2).astype(np.uint16)
    assert stored(noisy, "YX").header["lossless"] == {"codecs": ["jpegxl"]}
    assert stored(noisy / 3, "YX").header["lossless"] == {"codecs": ["zstd"]}
    wide = noisy.astype(np.int64) * 2**40
    assert stored(wide, "YX").header["lossless"] == {"codecs": ["zstd"]}
    shifted = stored(noisy.astype(np.int64) - 2**62, "YX")  # within 16 bits of each other
    assert shifted.header["lossless"] == {"codecs": ["jpegxl"]}
    assert shifted.file_bytes < stored(noisy, "YX").file_bytes + 100


@settings(max_examples=50, deadline=None)
@given(
    st.permutations("TCZYX"),
    st.lists(st.integers(1, 6000), min_size=1, max_size=5),
    st.sampled_from([1, 2, 4, 8]),
)
def test_chunks_are_planes_or_tiles_of_bounded_size(
    letters: list[str], shape: list[int], itemsize: int
) -> None:
    axes = "".join(letters[: len(shape)])
    grid = lossless_grid(axes, tuple(shape), itemsize)
    size = math.prod(grid.brick) * itemsize
    assert size <= MOST_BYTES <= lossless.MAX_BYTES
    sides = dict(zip(axes, zip(grid.brick, shape, strict=True), strict=True))
    plane = math.prod(n for a, (_, n) in sides.items() if a in "YX") * itemsize
    others = math.prod(b for a, (b, _) in sides.items() if a not in "YX")
    if plane > MOST_BYTES:
        assert others == 1
        assert size > MOST_BYTES / 4
    else:
        assert all(b == n for a, (b, n) in sides.items() if a in "YX")
        assert others == 1 or size <= LEAST_BYTES


def test_a_slice_decodes_its_own_chunk_only(monkeypatch: pytest.MonkeyPatch) -> None:
    data = np.random.default_rng(0).integers(0, 99, (6, 256, 256)).astype(np.uint16)
    file = inif.open(stored(data, "ZYX", effort=1).to_bytes())
    asked = []
    real = lossless.unpack
    monkeypatch.setattr(lossless, "unpack", lambda *a: asked.append(1) or real(*a))
    assert same(file[3], data[3])
    assert same(file[:, 5, 5][2:5], data[2:5, 5, 5])
    assert len(asked) == 6
    assert same(file.sel(z=3), data[3])
    assert len(asked) == 6


def test_between_labels_there_is_nothing_and_between_numbers_a_line() -> None:
    labels = np.array([[0, 900000], [37, 5]], np.uint32)
    file = stored(labels, "YX")
    found = file.points([[0, 0], [0, 0.4], [0, 0.6], [0.7, 0.2], [1, 1], [0.5, 0.5]])
    assert same(found, np.array([0, 0, 900000, 37, 5, 5], np.uint32))
    values = np.random.default_rng(0).random((2, 300, 300))
    file = stored(values, "ZYX")
    assert len(file.grid) == 2
    assert file.points([[0.5, 7, 9.25]])[0] == pytest.approx(
        (values[:, 7, 9] * 0.75 + values[:, 7, 10] * 0.25).mean()
    )
    assert same(file.points([[1, 299, 299]]), values[1, 299, 299:])
    hole = np.array([np.nan, 2.0, 4.0], np.float32)
    assert same(stored(hole, "X").points([[1], [1.5]]), np.array([2, 3], np.float32))


def test_the_record_says_what_it_is(tmp_path: Path) -> None:
    data = np.arange(64 * 64, dtype=np.uint32).reshape(64, 64)
    with inif.compress(data, axes="YX", lossless=True, out=tmp_path / "a.inif") as file:
        lossy = file.header["lossy"]
    assert (lossy["method"], lossy["psnr"], lossy["max_error"]) == ("lossless", None, 0)
    assert not {"target", "seed"} & lossy.keys()
    facts = inif.inspect(tmp_path / "a.inif")
    assert (facts["raw_bytes"], facts["requires"]) == (4 * data.size, ["lossless/1"])
    assert inif.verify(tmp_path / "a.inif")["ok"]


def test_a_job_with_a_target_keeps_it_in_the_record() -> None:
    image = Image(np.arange(4096, dtype=np.uint16).reshape(64, 64), "YX")
    job = Job(image, Target(psnr=90.0), FitSettings(), "hybrid", 3, chosen="smaller")
    with open_container(encode_lossless(job).to_bytes()) as container:
        lossy = container.header["lossy"]
    assert (lossy["method"], lossy["target"]) == ("lossless", {"psnr": 90.0})


def test_progress_is_told_and_a_stop_is_a_stop() -> None:
    data = np.zeros((4, 256, 256), np.uint16)
    events: list[ProgressEvent] = []
    stored(data, "ZYX", progress=events.append, effort=1)
    assert [(e.step, e.steps) for e in events if e.stage == "pack"] == [
        (n, 4) for n in (1, 2, 3, 4)
    ]

    def stop(event: ProgressEvent) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stored(data, "ZYX", progress=stop, effort=1)


@pytest.mark.parametrize(
    "asked",
    [
        {"ratio": 2.0},
        {"size": 100},
        {"psnr": 40.0},
        {"method": "siren"},
        {"codec": "av1"},
        {"select": "ssim"},
        {"guide": "blobs"},
        {"time_limit": 5.0},
        {"keep_partial": True},
        {"optimizer": "adam"},
        {"share": 0.1},
        {"settings": {"steps": 3}},
    ],
)
def test_whatever_asks_for_loss_is_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(InputError) as error:
        stored(np.zeros((8, 8), np.uint8), "YX", **asked)
    assert next(iter(asked)) in str(error.value)


@pytest.mark.parametrize("dtype", [*EXTRA, "complex64"])
def test_lossy_methods_name_the_way_out(dtype: str) -> None:
    data = np.zeros((8, 8), dtype)
    with pytest.raises(InputError) as error:
        inif.compress(data, axes="YX", ratio=2)
    assert ("--lossless" in str(error.value)) == (dtype in EXTRA)
    if dtype not in EXTRA:
        with pytest.raises(InputError, match="complex64"):
            stored(data, "YX")
    with pytest.raises(InputError, match="--lossless"):
        inif.compress(np.full((8, 8), np.nan, np.float32), axes="YX", ratio=2)


# --- hostile files -----------------------------------------------------------------------------


HEADER: dict[str, Any] = {
    "axes": "YX",
    "shape": [8, 8],
    "dtype": "uint8",
    "range": [[0, 1]],
    "field": {"kind": "none"},
    "lossless": {"codecs": ["zstd"]},
    "requires": ["lossless/1"],
}


def forged(section: bytes, **changes: Any) -> bytes:
    return pack(HEADER | changes, [Section(b"SAMP", section, 0)])


def head(way: int, samples: np.ndarray, **changes: Any) -> bytes:
    return lossless.HEAD.pack(digest(HEADER | changes, 0, [samples.tobytes()]), way)


ZEROS = np.zeros((8, 8), np.uint8)
GOOD = bytes(imagecodecs.zstd_encode(ZEROS.tobytes(), 3))
LOW = lossless.LOWEST.pack(0)


@pytest.mark.parametrize(
    "section",
    [
        b"",
        b"\0\0\0\0",
        head(0, ZEROS),
        head(4, ZEROS) + GOOD,
        head(0, ZEROS) + GOOD[:-1],
        head(0, ZEROS) + GOOD + b"x",
        head(0, ZEROS) + GOOD + GOOD,
        head(0, ZEROS + 1) + GOOD,
        head(0, ZEROS) + bytes(imagecodecs.zstd_encode(bytes(1 << 24), 3)),
        head(0, ZEROS) + bytes(imagecodecs.zstd_encode(bytes(63), 3)),
        head(2, ZEROS),
        head(2, ZEROS) + LOW[:5],
        head(2, ZEROS) + LOW + jpegxl(np.zeros((8, 9), np.uint8), 3),
        head(2, ZEROS) + LOW + jpegxl(np.zeros((8, 8), np.uint16), 3),
        head(3, ZEROS) + LOW + jpegxl(ZEROS, 3),
        head(2, ZEROS) + LOW + jpegxl(ZEROS, 3)[:-6],
        head(2, ZEROS) + lossless.LOWEST.pack(1) + jpegxl(ZEROS, 3),
    ],
)
def test_a_section_that_is_not_what_it_should_be_is_one_error(section: bytes) -> None:
    with inif.open(forged(section)) as file, pytest.raises(FormatError, match="brick 0"):
        file[...]
    assert not inif.verify(forged(section))["ok"]


def test_a_good_section_is_read() -> None:
    assert same(inif.open(forged(head(0, ZEROS) + GOOD))[...], ZEROS)
    assert same(inif.open(forged(head(2, ZEROS) + LOW + jpegxl(ZEROS, 3)))[...], ZEROS)


@pytest.mark.parametrize(
    "changes",
    [
        {"shape": [1 << 14, 1 << 14]},
        {"codec": {"kind": "av1"}},
        {"dtype": "complex64"},
        {"requires": [], "dtype": "uint32"},
        {"range": [[0, 256]]},
        {"lossless": []},
        {"lossless": {"codecs": [3]}},
    ],
)
def test_a_header_that_cannot_be_is_one_error(changes: dict[str, Any]) -> None:
    with pytest.raises(FormatError):
        inif.open(forged(head(0, ZEROS) + GOOD, **changes))


@pytest.mark.parametrize(
    "changes", [{"axes": "XY"}, {"dtype": "int8"}, {"range": [[0, 3]]}, {"axes": "ZX"}]
)
def test_samples_under_another_header_are_refused(changes: dict[str, Any]) -> None:
    data = forged(head(0, ZEROS) + GOOD, **changes)
    with inif.open(data) as file, pytest.raises(FormatError, match="digest"):
        file[...]


def test_bricks_that_change_places_are_found() -> None:
    header = HEADER | {"shape": [8, 16], "brick": [8, 8]}
    sections = [lossless_section(ZEROS + b, header, b, 1) for b in range(2)]
    assert inif.verify(pack(header, sections))["ok"]
    swapped = [Section(b"SAMP", sections[1 - b].data, b) for b in range(2)]
    assert not inif.verify(pack(header, swapped))["ok"]


def test_a_brick_without_section_is_one_error() -> None:
    file = inif.open(forged(head(0, ZEROS) + GOOD, brick=[4, 8]))
    with pytest.raises(FormatError):
        file[...]


def test_bytes_that_are_no_booleans_are_refused() -> None:
    section = head(0, ZEROS + 2, dtype="bool") + bytes(
        imagecodecs.zstd_encode((ZEROS + 2).tobytes(), 3)
    )
    with inif.open(forged(section, dtype="bool")) as file, pytest.raises(FormatError):
        file[...]


@pytest.mark.parametrize("effort", range(1, 10))
def test_every_effort_is_exact(effort: int) -> None:
    data = np.random.default_rng(0).integers(0, 3, (32, 32)).astype(np.int16) - 1
    assert same(stored(data, "YX", effort=effort)[...], data)


def test_the_same_image_gives_the_same_bytes() -> None:
    data = np.random.default_rng(0).poisson(3, (3, 200, 99)).astype(np.uint8)
    assert stored(data, "ZYX").to_bytes() == stored(data, "ZYX").to_bytes()
    assert all(same(p, q) for p, q in itertools.zip_longest(stored(data, "ZYX"), data))


# --- reports and other formats -------------------------------------------------------------------


@pytest.mark.parametrize("dtype", LOSSLESS_DTYPES)
def test_every_type_is_evaluated_as_exact(dtype: str) -> None:
    data = (np.random.default_rng(0).random((2, 24, 30)) * 1.9).astype(dtype)
    report = inif.evaluate(data, stored(data, "CYX"), axes="CYX")
    assert math.isinf(report.psnr)
    assert report.max_error == 0


def test_what_is_no_number_is_left_out_of_the_report_and_told() -> None:
    data = np.random.default_rng(0).random((2, 24, 30)).astype(np.float32)
    data[0, 3, 4:9], data[1, 5, 5] = np.nan, np.inf
    file = stored(data, "CYX")
    report = inif.evaluate(data, file, axes="CYX")
    assert math.isinf(report.psnr)
    assert "6 samples are NaN or infinite" in " ".join(report.warnings)
    assert report.channels[1].range == (data[1].min(), data[1][np.isfinite(data[1])].max())
    other = data.copy()
    other[0, 3, 4] = 0.5
    with pytest.raises(InputError, match="NaN"):
        inif.evaluate(data, other, axes="CYX")
    data[0] = np.nan
    assert math.isinf(inif.evaluate(data, stored(data, "CYX"), axes="CYX").psnr)


@pytest.mark.parametrize("dtype", LOSSLESS_DTYPES)
@pytest.mark.parametrize("ending", [".ome.tif", ".ome.zarr", ".npy"])
def test_formats_hold_the_samples_or_say_what_does(dtype: str, ending: str, tmp_path: Path) -> None:
    data = (np.random.default_rng(0).random((2, 20, 30)) * 1.9).astype(dtype)
    out = tmp_path / f"a{ending}"
    if ending == ".ome.tif" and dtype in ("uint64", "int64", "float16"):
        with pytest.raises(InputError, match=r"fix: write \.ome\.zarr or \.npy"):
            write_image(stored(data, "ZYX").to_image(), out)
        return
    write_image(stored(data, "ZYX").to_image(), out)
    assert same(read_image(out, axes="ZYX").data, data)


def test_levels_of_labels_are_labels(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    labels = np.kron(rng.integers(0, 90, (30, 40)), np.ones((13, 17))).astype(np.uint32)
    write_image(Image(labels, "YX"), tmp_path / "a.ome.zarr")
    root = zarr.open_group(str(tmp_path / "a.ome.zarr"), mode="r")
    assert same(np.asarray(root["1"][...]), labels[:390:2, :680:2])
    assert dict(root.attrs["ome"])["multiscales"][0]["type"] == "nearest"  # type: ignore[arg-type,index,call-overload]


@pytest.mark.parametrize("dtype", ["bool", "uint32", "float64"])
def test_the_command_line_does_all_of_it(dtype: str, tmp_path: Path, cli: Any) -> None:
    data = np.kron(np.arange(12).reshape(3, 4), np.ones((16, 16))).astype(dtype)
    source, file, back, table, values = (
        tmp_path / name for name in ("a.npy", "a.inif", "b.npy", "p.csv", "v.csv")
    )
    np.save(source, data)
    words = ("compress", source, "-o", file, "--axes", "YX", "--lossless", "--effort", "1")
    assert "every sample is exact" in cli(*words).stdout
    assert cli("verify", file).code == 0
    assert "exact samples" in cli("info", file).stdout
    assert cli("decompress", file, "-o", back).code == 0
    assert same(np.load(back), data)
    table.write_text("y,x\n40,20\n40.2,19.6\n")
    assert cli("decompress", file, "-o", values, "--points", table).code == 0
    found = [line.split(",")[-1] for line in values.read_text().splitlines()]
    assert found == ["value", str(data[40, 20]), str(data[40, 20])]


def test_one_of_lossless_and_a_target(tmp_path: Path, cli: Any) -> None:
    np.save(tmp_path / "a.npy", np.zeros((8, 8), np.uint8))
    found = cli("compress", tmp_path / "a.npy", "--axes", "YX", "--lossless", "--psnr", "9")
    assert found.code == 2
    assert "one of --ratio, --size, --psnr, --max-error and --lossless" in found.stderr
