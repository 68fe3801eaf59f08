"""The plugin for napari without napari: layers of files, images of layers, what is written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import inif
from inif.errors import AxesError, InifError, InputError
from inif.image import Image, LazyImage
from inif.io.units import LENGTHS, TIMES
from inif.metadata import Channel, Metadata
from inif.napari.compare import decoded_layer, error_layer, rms_error
from inif.napari.layers import image_of, layer_of, letters
from inif.napari.reader import get_reader, read
from inif.napari.volume import finest
from inif.napari.writer import write, write_32, write_45_db, write_exact

IMPORTS = """
import sys
from inif.napari.reader import get_reader
light = [m for m in ("numpy", "dask") if m in sys.modules]
(layer,) = get_reader(sys.argv[1])(sys.argv[1])
layer[0][0].compute()
heavy = [m for m in ("jax", "napari", "qtpy", "PySide6", "PyQt6") if m in sys.modules]
print(light, heavy)
"""


def file_of(data: np.ndarray, axes: str, **meta: Any) -> inif.File:
    return inif.compress(Image(data, axes, Metadata(**meta)), lossless=True)


def pattern(*shape: int, dtype: str = "uint16") -> np.ndarray:
    return np.random.default_rng(0).integers(0, 200, shape).astype(dtype)


@pytest.mark.parametrize(
    ("path", "good"),
    [
        ("a.inif", True),
        ("A.INIF", True),
        ("http://example.org/a.inif", True),
        (["a.inif", "b.inif"], True),
        (["a.inif", "b.tif"], False),
        ("a.tif", False),
        ([], False),
    ],
)
def test_what_the_reader_takes(path: Any, good: bool) -> None:
    assert (get_reader(path) is not None) is good


def test_a_stack(stack: Image, tmp_path: Path) -> None:
    path = tmp_path / "cells.inif"
    inif.compress(stack, out=path, lossless=True).close()
    ((data, arguments, kind),) = read(str(path))
    assert kind == "image"
    assert arguments["name"] == "cells"
    assert arguments["axis_labels"] == ["Z", "Y", "X"]
    assert arguments["scale"] == [0.5, 0.1, 0.1]
    assert arguments["units"] == ["micrometer"] * 3
    assert arguments["colormap"] == "gray"
    assert not arguments["multiscale"]
    assert "channel_axis" not in arguments
    low, high = arguments["contrast_limits"]
    assert 600 <= low < high <= 1400
    assert data.chunks[0] == (1,) * 6
    np.testing.assert_array_equal(data, stack.data)


def test_several_files_in_one_call(stack: Image, tmp_path: Path) -> None:
    paths = [str(tmp_path / name) for name in ("a.inif", "b.inif")]
    for path in paths:
        inif.compress(stack, out=path, lossless=True).close()
    assert [arguments["name"] for _, arguments, _ in read(paths)] == ["a", "b"]


def test_levels() -> None:
    image = pattern(300, 520)
    levels, arguments, _ = layer_of(file_of(image, "YX"), "a")
    assert arguments["multiscale"]
    assert [level.shape for level in levels] == [(300, 520), (150, 260), (75, 130)]
    np.testing.assert_array_equal(levels[1], image[::2, ::2])


def test_channels_come_first_and_other_axes_in_order() -> None:
    image = pattern(7, 5, 2, 3)
    channels = (Channel("DNA", "#0000FF"), Channel())
    file = file_of(image, "XYCT", channels=channels, scale={"T": (2.0, "s"), "X": (0.1, None)})
    data, arguments, _ = layer_of(file, "a")
    np.testing.assert_array_equal(data, image.transpose(2, 3, 1, 0))
    assert arguments["channel_axis"] == 0
    assert arguments["name"] == ["DNA · a", "C1 · a"]
    assert arguments["colormap"] == ["#0000FF", "gray"]
    assert len(arguments["contrast_limits"]) == 2
    assert arguments["axis_labels"] == ["T", "Y", "X"]
    assert arguments["scale"] == [2.0, 1.0, 0.1]
    assert arguments["units"] == ["second", "pixel", "pixel"]


def test_channels_without_colours_are_left_to_napari() -> None:
    _, arguments, _ = layer_of(file_of(pattern(2, 5, 4), "CYX"), "a")
    assert "colormap" not in arguments


def test_channels_of_lines_are_rows() -> None:
    _, arguments, _ = layer_of(file_of(pattern(3, 50), "CX"), "a")
    assert arguments["axis_labels"] == ["C", "X"]
    assert "channel_axis" not in arguments


def test_a_line_is_refused() -> None:
    with pytest.raises(InputError, match="at least two axes"):
        layer_of(file_of(pattern(50), "X"), "a")


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int16", "float32", "float64", "int64"])
@pytest.mark.parametrize("value", [0, 1])
def test_limits_differ_even_of_one_value(dtype: str, value: int) -> None:
    _, arguments, _ = layer_of(file_of(np.full((4, 4), value, dtype), "YX"), "a")
    low, high = arguments["contrast_limits"]
    assert low < high


@pytest.mark.parametrize(("axis", "table"), [("X", LENGTHS), ("T", TIMES)])
def test_napari_knows_our_units(axis: str, table: dict[str, str]) -> None:
    pint = pytest.importorskip("pint", reason="pint is not installed")
    registry = pint.get_application_registry()
    axes = f"{axis}Y"
    for word, symbol in table.items():
        file = file_of(np.zeros((2, 2), np.uint8), axes, scale={axis: (1.0, symbol)})
        _, arguments, _ = layer_of(file, "a")
        shown = dict(zip(arguments["axis_labels"], arguments["units"], strict=True))
        assert shown[axis] == word
        base = registry.Quantity(1, word).to_base_units().units
        assert str(base) == ("second" if axis == "T" else "meter")


def test_units_of_others_are_pixels() -> None:
    file = file_of(np.zeros((2, 2), np.uint8), "YX", scale={"X": (2.0, "pt"), "Y": (2.0, "s")})
    assert layer_of(file, "a")[1]["units"] == ["pixel", "pixel"]


def test_an_image_of_a_layer() -> None:
    meta = {
        "name": "cells",
        "axis_labels": ("z", "y", "x"),
        "scale": [0.5, 1.0, 1.0],
        "units": ("micrometer", "pixel", "nm"),
        "colormap": {"colors": np.array([[0, 0, 0, 1], [0, 1, 0, 1]])},
    }
    image = image_of(pattern(3, 4, 5), meta)
    assert image.axes == "ZYX"
    assert image.source == "cells"
    scale = {"Z": (0.5, "µm"), "X": (1.0, "nm")}
    assert image.meta == Metadata("cells", scale, (Channel(color="#00FF00"),))


def test_other_colormaps_are_no_colour() -> None:
    for colors in ([[0, 0, 0, 1], [1, 1, 1, 1]], [[1, 0, 0, 1], [0, 0, 1, 1]], [[0, 0, 0, 1]] * 9):
        meta = {"axis_labels": ("Y", "X"), "colormap": {"colors": np.array(colors)}}
        assert image_of(pattern(4, 5), meta).meta.channels == ()


def test_a_lazy_layer_is_read_region_by_region() -> None:
    import dask.array as da

    samples = pattern(3, 4, 5)
    levels = [da.from_array(samples), da.from_array(samples[:, ::2, ::2])]
    image = image_of(levels, {"axis_labels": ("T", "Y", "X"), "multiscale": True})
    assert isinstance(image, LazyImage)
    region = (slice(1, 2), slice(0, 4), slice(2, 5))
    np.testing.assert_array_equal(image.read(region), samples[region])


def test_colours() -> None:
    meta = {"axis_labels": ("Y", "X"), "rgb": True, "scale": [2.0, 2.0], "units": ("mm", "mm")}
    image = image_of(pattern(4, 5, 3, dtype="uint8"), meta)
    assert image.axes == "YXC"
    assert [c.name for c in image.meta.channels] == ["red", "green", "blue"]
    assert image.meta.scale == {"Y": (2.0, "mm"), "X": (2.0, "mm")}
    with pytest.raises(InputError, match="transparency"):
        image_of(pattern(4, 5, 4, dtype="uint8"), meta)


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        (("Z", "Y", "X"), "ZYX"),
        (("t", "y", "x"), "TYX"),
        (("axis -2", "axis -1"), ""),
        (("Y", "Y"), ""),
        (("ZY", "X"), ""),
        (("Q", "X"), ""),
        ((), ""),
    ],
)
def test_letters(labels: tuple[str, ...], found: str) -> None:
    assert letters(labels) == found


def test_axes_are_not_guessed() -> None:
    meta = {"name": "cells", "axis_labels": ("axis -2", "axis -1")}
    with pytest.raises(AxesError, match="axis -2, axis -1"):
        image_of(pattern(4, 5), meta)
    with pytest.raises(AxesError, match="2 different letters"):
        image_of(pattern(4, 5), meta, "ZYX")
    assert image_of(pattern(4, 5), meta, "tx").axes == "TX"


def test_writers(tmp_path: Path) -> None:
    y, x = np.mgrid[:256, :256]
    noise = np.random.default_rng(0).normal(0, 20, y.shape)
    data = (2000 + 900 * np.sin(x / 17) * np.cos(y / 23) + noise).astype(np.uint16)
    meta = {"name": "cells", "axis_labels": ("Y", "X")}
    for writer, name in ((write_32, "a"), (write_45_db, "b"), (write_exact, "c")):
        path = str(tmp_path / f"{name}.inif")
        Path(path).write_bytes(b"replaced")
        assert writer(path, data, meta) == [path]
    with inif.open(tmp_path / "a.inif") as file:
        assert 32 <= file.ratio <= 32.32
    with inif.open(tmp_path / "b.inif") as file:
        assert 45 <= file.header["lossy"]["psnr"] <= 45.3
    with inif.open(tmp_path / "c.inif") as file:
        np.testing.assert_array_equal(file, data)


def test_a_writer_s_error_is_none_that_napari_hides(tmp_path: Path) -> None:
    with pytest.raises(InifError, match="axes of this layer are not known") as caught:
        write(str(tmp_path / "a.inif"), pattern(4, 5), {"axis_labels": ("a", "b")}, ratio=2)
    assert not isinstance(caught.value, ValueError)
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def lossy() -> tuple[np.ndarray, inif.File]:
    y, x = np.mgrid[:300, :280]
    noise = np.random.default_rng(0).normal(0, 20, y.shape)
    data = (2000 + 900 * np.sin(x / 17) * np.cos(y / 23) + noise).astype(np.uint16)
    return data, inif.compress(data, axes="YX", ratio=20, method="latent", effort=1)


def test_decoded_and_errors_lie_where_the_original_does(lossy: tuple[np.ndarray, Any]) -> None:
    data, file = lossy
    meta = {"scale": [2.0, 2.0], "translate": [5.0, 0.0], "name": "a", "opacity": 0.3}
    levels, arguments, _ = decoded_layer(file, meta, "b")
    assert arguments["translate"] == [5.0, 0.0]
    assert arguments["name"] == "b"
    assert "opacity" not in arguments
    np.testing.assert_array_equal(levels[0], file)

    levels, arguments, _ = error_layer(file, data, meta, "errors")
    assert arguments["scale"] == [2.0, 2.0]
    errors = np.asarray(file).astype(np.float32) - data
    np.testing.assert_array_equal(levels[0], errors)
    np.testing.assert_array_equal(levels[1], errors[::2, ::2])
    low, high = arguments["contrast_limits"]
    assert low == -high
    np.testing.assert_allclose(high, 3 * np.sqrt((errors**2).mean()), rtol=0.01)


def test_errors_of_colours_are_the_largest() -> None:
    data = pattern(20, 30, 3, dtype="uint8")
    file = file_of(data, "YXC")
    other = data.copy()
    other[3, 4] = data[3, 4] + np.array([1, 7, 2], np.uint8)
    errors, _, _ = error_layer(file, other, {"rgb": True}, "errors")
    assert errors.shape == (20, 30)
    assert np.asarray(errors)[3, 4] == 7
    assert rms_error(file) == 1


def test_the_finest_volume_that_fits() -> None:
    shapes = [(2, 40, 3000, 3000), (2, 40, 1500, 1500), (2, 40, 750, 750)]
    assert finest(shapes, "uint16", 4, 10**9) == 1
    assert finest(shapes, "uint16", 4, 10**8) == 2
    assert finest([(9, 9, 9, 3)], "uint8", 3, 10**8) == 0
    with pytest.raises(InputError, match="45 MB, 40 × 750 × 750"):
        finest(shapes, "uint16", 4, 10**7)


def test_the_reader_imports_what_it_needs(lossy: tuple[Any, inif.File], tmp_path: Path) -> None:
    path = tmp_path / "a.inif"
    lossy[1].save(path)
    words = [sys.executable, "-c", IMPORTS, str(path)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[0] == "[] []"
