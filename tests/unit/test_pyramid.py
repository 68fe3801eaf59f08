"""Images are written box by box; smaller levels are what they are said to be."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from hypothesis import given
from hypothesis import strategies as st

from inif.config import ProgressEvent
from inif.image import Channel, Image, LazyImage, Metadata, Region
from inif.io import ome_zarr_write, pyramid, read_image, tiff_write, write_image
from inif.io.pyramid import SMALL, SMALLEST, chunk_length, level_shapes

SUFFIXES = pytest.mark.parametrize("suffix", [".ome.tif", ".ome.zarr"])
META = Metadata("cells", {"Y": (0.25, "µm"), "X": (0.5, "µm")}, (Channel("DNA", "#00FF00"),))


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Boxes are small, so that even small images have many."""
    monkeypatch.setattr(pyramid, "PART", 1 << 20)


@contextmanager
def levels_of(path: Path) -> Iterator[list[np.ndarray]]:
    """All levels of a file, by other libraries than ours."""
    if path.suffix == ".zarr":
        group = zarr.open_group(path, mode="r")
        found: Any = group.attrs["ome"]
        yield [
            np.asarray(group[entry["path"]][...])  # type: ignore[index]
            for entry in found["multiscales"][0]["datasets"]
        ]
    else:
        with tifffile.TiffFile(path) as tif:
            (series,) = tif.series
            assert series.kind == "ome"
            yield [level.asarray() for level in series.levels]


def mean(above: np.ndarray) -> np.ndarray:
    """What the documentation says of a level, in the plainest words."""
    height, width = (n // 2 for n in above.shape[-2:])
    even = above[..., : 2 * height, : 2 * width].astype(np.float64)
    blocks = even.reshape(*above.shape[:-2], height, 2, width, 2).mean(axis=(-3, -1))
    return (np.rint(blocks) if above.dtype.kind in "iu" else blocks).astype(above.dtype)


def first(above: np.ndarray) -> np.ndarray:
    height, width = (n // 2 for n in above.shape[-2:])
    return above[..., : 2 * height : 2, : 2 * width : 2]


@SUFFIXES
@pytest.mark.parametrize(
    ("axes", "shape", "dtype"),
    [
        ("YX", (1301, 1030), "uint8"),
        ("ZYX", (3, 530, 701), "uint16"),
        ("TCZYX", (2, 1, 2, 515, 33), "int16"),
        ("YXC", (600, 31, 2), "uint16"),
        ("ZYX", (2, 20, 1100), "int32"),
        ("CYX", (2, 520, 600), "float32"),
        ("YX", (1, 3000), "float64"),
    ],
)
def test_levels_are_means_of_the_level_above(
    tmp_path: Path, suffix: str, axes: str, shape: tuple[int, ...], dtype: str
) -> None:
    data = (np.random.default_rng(0).normal(0, 1e4, shape)).astype(dtype)
    count = shape[axes.index("C")] if "C" in axes else 1
    image = Image(data, axes, Metadata(META.name, META.scale, META.channels * count))
    path = tmp_path / f"a{suffix}"
    write_image(image, path)
    with levels_of(path) as levels:
        turned = data.transpose(2, 0, 1) if axes == "YXC" else data
        np.testing.assert_array_equal(levels[0].reshape(turned.shape), turned)
        for above, level in pairwise(levels):
            assert level.dtype == data.dtype
            np.testing.assert_allclose(level, mean(above), rtol=1e-6)
            if dtype not in ("float32", "float64"):
                np.testing.assert_array_equal(level, mean(above))
        assert min(levels[-1].shape[-2:]) == 1 or max(levels[-1].shape[-2:]) <= SMALLEST
        assert len(levels) > 1 or 1 in shape
    back = read_image(path)
    np.testing.assert_array_equal(back.data.reshape(turned.shape), turned)
    assert (back.meta.name, back.meta.scale) == ("cells", META.scale)
    assert back.remarks == ()


@SUFFIXES
@pytest.mark.parametrize("kind", ["bool", "flagged", "by look"])
def test_levels_of_labels_and_masks_are_samples(tmp_path: Path, suffix: str, kind: str) -> None:
    rng = np.random.default_rng(0)
    labels = np.kron(rng.integers(0, 90, (30, 40)), np.ones((29, 17), int)).astype(np.uint32)
    data = labels > 40 if kind == "bool" else labels
    write_image(
        Image(data, "YX", labels=True if kind == "flagged" else None), tmp_path / ("a" + suffix)
    )
    with levels_of(tmp_path / ("a" + suffix)) as levels:
        assert len(levels) == 3
        for above, level in pairwise(levels):
            np.testing.assert_array_equal(level, first(above))


@SUFFIXES
def test_what_is_said_to_be_no_labels_is_averaged(tmp_path: Path, suffix: str) -> None:
    flat = np.kron(np.arange(12, dtype=np.uint8).reshape(3, 4), np.ones((201, 201), np.uint8))
    write_image(Image(flat, "YX", labels=False), tmp_path / ("a" + suffix))
    with levels_of(tmp_path / ("a" + suffix)) as levels:
        np.testing.assert_array_equal(levels[1], mean(flat))


@SUFFIXES
def test_infinities_and_nan_do_no_harm(tmp_path: Path, suffix: str) -> None:
    data = np.zeros((520, 520), np.float32)
    data[0, :4] = np.inf, -np.inf, np.nan, 3e38
    data[1, :4] = 3e38
    write_image(Image(data, "YX", META), tmp_path / ("a" + suffix))
    with levels_of(tmp_path / ("a" + suffix)) as levels:
        np.testing.assert_array_equal(levels[0], data)
        assert np.isfinite(levels[1][1:]).all()


@SUFFIXES
def test_small_images_have_one_level(tmp_path: Path, suffix: str) -> None:
    write_image(Image(np.ones((2, SMALL, SMALL), np.uint8), "ZYX"), tmp_path / ("a" + suffix))
    with levels_of(tmp_path / ("a" + suffix)) as levels:
        assert [level.shape for level in levels] == [(2, SMALL, SMALL)]


def test_steps_and_places_of_levels(tmp_path: Path) -> None:
    smooth = np.add.outer(np.arange(600.0), np.arange(520.0)).astype(np.uint16)
    for name, data, moved in (("m", smooth, [0.375, 0.75]), ("n", smooth > 500, None)):
        write_image(Image(data, "YX", META), tmp_path / f"{name}.ome.zarr")
        group = zarr.open_group(tmp_path / f"{name}.ome.zarr", mode="r")
        ome: Any = group.attrs["ome"]
        said = ome["multiscales"][0]["datasets"][2]["coordinateTransformations"]
        assert said[0] == {"type": "scale", "scale": [1.0, 2.0]}
        expected = [] if moved is None else [{"type": "translation", "translation": moved}]
        assert said[1:] == expected


def test_windows_are_those_of_the_image_or_the_range(tmp_path: Path) -> None:
    data = np.arange(2 * 600 * 8, dtype=np.uint16).reshape(2, 600, 8)
    own = LazyImage("CYX", data.shape, data.dtype, lambda r: data[r], windows=((5, 9), (7, 1000)))
    for image, expected in ((Image(data, "CYX"), [(0, 4799), (4800, 9599)]), (own, own.windows)):
        write_image(image, tmp_path / "a.zarr", overwrite=True)
        ome: Any = zarr.open_group(tmp_path / "a.zarr", mode="r").attrs["ome"]
        windows = [c["window"] for c in ome["omero"]["channels"]]
        assert [(w["start"], w["end"]) for w in windows] == list(expected)
        assert all((w["min"], w["max"]) == (0, 65535) for w in windows)
    nothing = np.full((1, 4, 4), np.nan, np.float32)
    write_image(Image(nothing, "CYX"), tmp_path / "b.zarr")
    found: Any = zarr.open_group(tmp_path / "b.zarr", mode="r").attrs["ome"]
    assert found["omero"]["channels"][0]["window"] == {"start": 0, "end": 1, "min": 0, "max": 1}


def test_planes_of_one_tile_are_strips(tmp_path: Path) -> None:
    """Of plain samples: ImageJ 1.53 shows the differences of a strip as if they were samples."""
    write_image(Image(np.ones((3, 40, 30), np.uint8), "ZYX"), tmp_path / "a.ome.tif")
    write_image(Image(np.ones((3, 40, 3000), np.uint8), "ZYX"), tmp_path / "b.ome.tif")
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as tif:
        assert (tif.pages[0].is_tiled, len(tif.pages[0].dataoffsets)) == (False, 1)
        assert (tif.pages[0].compression, tif.pages[0].predictor) == (8, 1)
    with tifffile.TiffFile(tmp_path / "b.ome.tif") as tif:
        assert tif.pages[0].tile == (48, 512)
        assert (tif.pages[0].predictor, tif.pages[0].pages[3].predictor) == (2, 1)
        assert [len(p.dataoffsets) for p in (tif.pages[0], *tif.pages[0].pages)] == [6, 3, 2, 1, 1]
        assert tif.pages[0].pages[0].is_reduced


def test_large_files_are_bigtiff(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = np.random.default_rng(0).integers(0, 999, (2, 700, 600), np.uint16)
    for most in (1 << 31, 1000):
        monkeypatch.setattr(tiff_write, "_CLASSIC", most)
        write_image(Image(data, "ZYX"), tmp_path / "a.ome.tif", overwrite=True)
        with tifffile.TiffFile(tmp_path / "a.ome.tif") as tif:
            assert tif.is_bigtiff == (most == 1000)
            np.testing.assert_array_equal(tif.asarray(), data)
            np.testing.assert_array_equal(tif.series[0].levels[1].asarray(), mean(data))


def test_the_document_in_the_file_is_valid(tmp_path: Path) -> None:
    ome_types = pytest.importorskip("ome_types")
    write_image(Image(np.ones((2, 600, 700), np.uint8), "CYX", META), tmp_path / "a.ome.tif")
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as tif:
        pixels = ome_types.from_xml(tif.ome_metadata, validate=True).images[0].pixels
    assert (pixels.size_c, pixels.size_y, pixels.size_x) == (2, 600, 700)
    assert pixels.tiff_data_blocks[0].plane_count == 2


@pytest.mark.filterwarnings("ignore:As of version")
@SUFFIXES
def test_readers_of_the_bioio_family(tmp_path: Path, suffix: str) -> None:
    name = {".ome.tif": "bioio_ome_tiff", ".ome.zarr": "bioio_ome_zarr"}[suffix]
    reader = pytest.importorskip(name).Reader
    data = np.random.default_rng(0).integers(0, 999, (2, 3, 700, 600), np.uint16)
    scale = {"Z": (0.5, "µm"), "Y": (0.25, "µm"), "X": (0.25, "µm")}
    meta = Metadata("cells", scale, (Channel("DNA"), Channel("actin")))
    write_image(Image(data, "CZYX", meta), tmp_path / ("a" + suffix))
    found = reader(str(tmp_path / ("a" + suffix)))
    np.testing.assert_array_equal(found.get_image_data("CZYX"), data)
    assert list(found.channel_names) == ["DNA", "actin"]
    sizes = found.physical_pixel_sizes
    assert (sizes.Z, sizes.Y, sizes.X) == (0.5, 0.25, 0.25)
    if suffix == ".ome.zarr":  # the other reader shows the first level alone
        assert found.resolution_levels == (0, 1, 2)
        found.set_resolution_level(1)
        np.testing.assert_array_equal(found.get_image_data("CZYX"), mean(data))


def test_the_specification_of_ome_zarr(tmp_path: Path) -> None:
    models = pytest.importorskip("ome_zarr_models.v05")
    data = np.random.default_rng(0).integers(0, 999, (3, 2, 700, 600), np.uint16)
    write_image(Image(data, "ZCYX"), tmp_path / "a.ome.zarr")
    image = models.Image.from_zarr(zarr.open_group(tmp_path / "a.ome.zarr", mode="r"))
    (multiscale,) = image.ome_attributes.multiscales
    assert [axis.name for axis in multiscale.axes] == ["c", "z", "y", "x"]
    assert len(multiscale.datasets) == 3


LENGTHS = st.integers(1, 2000)


@given(length=LENGTHS, block=st.none() | LENGTHS, most=st.sampled_from([8, 512]))
def test_chunks_fit_the_blocks_of_the_source(length: int, block: int | None, most: int) -> None:
    least, multiple = (1, 1) if most == 8 else (128, 16)
    chunk = chunk_length(length, block, most, least=least, multiple=multiple)
    assert chunk % multiple == 0
    assert 1 <= chunk <= most
    assert chunk < length + multiple
    if most == 8 and block is not None and block < length:
        assert block % chunk == 0 or chunk % block == 0


@given(
    shape=st.lists(st.integers(1, 40), min_size=1, max_size=4),
    chunk=st.lists(st.integers(1, 20), min_size=4, max_size=4),
    block=st.none() | st.lists(st.integers(1, 50), min_size=4, max_size=4),
    most=st.integers(1, 4000),
)
def test_boxes_cover_an_image_by_whole_chunks(
    shape: list[int], chunk: list[int], block: list[int] | None, most: int
) -> None:
    n = len(shape)
    own = None if block is None else tuple(block[:n])
    seen = np.zeros(shape, int)
    for box in pyramid._boxes(tuple(shape), tuple(chunk[:n]), own, most):
        seen[box] += 1
        assert all(s.start % c == 0 for s, c in zip(box, chunk, strict=False))
        least = np.prod([min(c, k) for c, k in zip(chunk, shape, strict=False)])
        assert seen[box].size <= max(most, least)
    assert (seen == 1).all()


def test_a_box_is_whole_blocks_where_there_is_room() -> None:
    boxes = list(pyramid._boxes((128, 1536, 2048), (8, 512, 512), (64, 384, 512), 1 << 25))
    assert boxes[0] == (slice(0, 64), slice(0, 512), slice(0, 1024))
    boxes = list(pyramid._boxes((128, 1536, 2048), (8, 512, 512), (64, 384, 512), 1 << 23))
    assert boxes[:2] == [
        (slice(0, 32), slice(0, 512), slice(0, 512)),
        (slice(32, 64), slice(0, 512), slice(0, 512)),
    ]
    boxes = list(pyramid._boxes((100, 64, 64), (8, 64, 64), (1, 64, 64), 64 * 64 * 30))
    assert [b[0].stop for b in boxes] == [24, 48, 72, 96, 100]


def test_level_shapes() -> None:
    assert level_shapes((4, 512, 100)) == [(4, 512, 100)]
    assert level_shapes((513, 2)) == [(513, 2), (256, 1)]
    assert level_shapes((4, 1025, 9)) == [(4, 1025, 9), (4, 512, 4), (4, 256, 2)]


def made_up(shape: tuple[int, ...], read: Callable[[Region], object] = lambda r: None) -> LazyImage:
    """A ramp along Z that exists only where it is looked at; `read` hears of that."""

    def reader(region: Region) -> np.ndarray:
        read(region)
        lengths = [s.stop - s.start for s in region]
        ramp = np.arange(region[0].start, region[0].stop, dtype=np.uint8)
        return np.broadcast_to(ramp.reshape(-1, 1, 1), lengths).copy()

    return LazyImage("ZYX", shape, np.dtype("uint8"), reader, labels=False, block=(8, 512, 512))


@pytest.mark.parametrize("suffix", [".ome.tif", ".ome.zarr", ".npy"])
def test_memory_does_not_grow_with_the_image(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ome_zarr_write.CHUNK, "Z", 2)
    path = tmp_path / ("a" + suffix)
    write_image(made_up((8, 600, 600)), path)  # whatever is imported, and kept for good
    tracemalloc.start()
    write_image(made_up((20, 1024, 2048)), path, overwrite=True)  # 40 MB and a third of it
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12 << 20


@pytest.mark.parametrize("suffix", [".ome.tif", ".ome.zarr", ".npy"])
def test_every_sample_is_read_once(tmp_path: Path, suffix: str) -> None:
    seen = np.zeros((17, 700, 1100), np.uint8)

    def read(region: Region) -> None:
        seen[region] += 1

    write_image(made_up(seen.shape, read), tmp_path / ("a" + suffix))
    assert (seen == 1).all()


@pytest.mark.parametrize("suffix", [".ome.tif", ".ome.zarr", ".npy"])
def test_progress_counts_to_the_end(tmp_path: Path, suffix: str) -> None:
    events: list[ProgressEvent] = []
    write_image(made_up((9, 700, 600)), tmp_path / ("a" + suffix), progress=events.append)
    assert {e.stage for e in events} == {"write"}
    steps = [e.step for e in events]
    assert steps == sorted(set(steps))
    assert steps[-1] == events[-1].steps
    assert events[-1].eta == 0


@pytest.mark.parametrize("suffix", [".ome.tif", ".ome.zarr", ".npy"])
@pytest.mark.parametrize("number", [1, 5])
def test_an_interrupt_at_any_box_leaves_nothing(tmp_path: Path, suffix: str, number: int) -> None:
    heard: list[ProgressEvent] = []

    def stop(event: ProgressEvent) -> None:
        heard.append(event)
        if len(heard) == number:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_image(made_up((20, 600, 600)), tmp_path / ("a" + suffix), progress=stop)
    assert list(tmp_path.iterdir()) == []
