"""What a writer puts down, the reader gives back: samples, axes, metadata."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inif.image import DTYPES, Channel, Image, Metadata
from inif.io import read_image, write_image
from inif.io.common import planes_last

LENGTHS = {"T": 2, "C": 3, "Z": 4, "Y": 5, "X": 6}
RICH = Metadata(
    name="cells ☃ <&>",
    scale={"T": (0.5, "min"), "Z": (0.29, "µm"), "Y": (260.0, "nm"), "X": (0.26, "mm")},
    channels=(Channel("DNA", "#0000FF"), Channel("Aktin ä", "#FF8000"), Channel("grey", None)),
)


def make(axes: str, dtype: str, meta: Metadata = RICH, lengths: dict[str, int] = LENGTHS) -> Image:
    shape = [lengths[a] for a in axes]
    rng = np.random.default_rng(len(axes))
    if dtype == "float32":
        data = rng.normal(0, 1e3, shape).astype(dtype)
    else:
        limits = np.iinfo(dtype)
        data = rng.integers(limits.min, limits.max, shape, dtype, endpoint=True)
    channels = meta.channels if "C" in axes and lengths["C"] == 3 else ()
    scale = {a: v for a, v in meta.scale.items() if a in axes}
    return Image(data, axes, replace(meta, channels=channels, scale=scale))


def axes_in_any_order() -> st.SearchStrategy[str]:
    some = st.lists(st.sampled_from("TCZYX"), min_size=1, max_size=5, unique=True)
    return some.map("".join)


@pytest.mark.filterwarnings("ignore::inif.errors.RemarkWarning")
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(axes=axes_in_any_order(), dtype=st.sampled_from(DTYPES))
@pytest.mark.parametrize("suffix", [".ome.tif", ".ome.zarr", ".npy"])
def test_any_axes_and_dtype(tmp_path: Path, suffix: str, axes: str, dtype: str) -> None:
    image = make(axes, dtype)
    path = tmp_path / ("image" + suffix)
    write_image(image, path, overwrite=True)
    expected = {
        ".ome.tif": lambda: planes_last(image).load(),
        ".ome.zarr": lambda: planes_last(image, "TCZYX").load(),
        ".npy": lambda: image,
    }[suffix]()
    back = read_image(path, axes=axes if suffix == ".npy" else None)
    assert back.axes == expected.axes
    assert back.data.dtype == image.data.dtype
    np.testing.assert_array_equal(back.data, expected.data)
    if suffix != ".npy":
        assert replace(back.meta, ome_xml=None) == image.meta
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize(
    ("shape", "axes", "expected"),
    [
        ((5, 6), "YX", "YX"),
        ((1, 5, 1, 6), "ZYCX", "YX"),
        ((5, 1), "YX", "YX"),
        ((6, 5), "XY", "YX"),
        ((7, 6), "ZX", "ZX"),
        ((9,), "X", "X"),
    ],
)
def test_png_planes(
    tmp_path: Path, dtype: str, shape: tuple[int, ...], axes: str, expected: str
) -> None:
    data = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    path = tmp_path / "a.png"
    write_image(Image(data, axes), path)
    back = read_image(path)
    assert back.axes == "YX"
    assert back.data.dtype == dtype
    flat = data.reshape(1, -1) if data.ndim == 1 else data.squeeze()
    flat = flat.T if axes == "XY" else flat
    np.testing.assert_array_equal(back.data.squeeze(), flat.squeeze())
    assert set(expected) <= set(axes)


@pytest.mark.parametrize("channels", [3, 4])
def test_png_colour(tmp_path: Path, channels: int) -> None:
    data = np.arange(channels * 30, dtype=np.uint8).reshape(channels, 5, 6)
    write_image(Image(data, "CYX"), tmp_path / "a.png")
    back = read_image(tmp_path / "a.png")
    assert back.axes == "YXC"
    assert [c.name for c in back.meta.channels] == list("RGBA"[:channels])
    np.testing.assert_array_equal(back.data, data.transpose(1, 2, 0))


@pytest.mark.filterwarnings("ignore::inif.errors.RemarkWarning")
@pytest.mark.parametrize("suffix", [".ome.tif", ".ome.zarr"])
@pytest.mark.parametrize(
    "scale",
    [
        {"T": (2.5, None)},
        {"T": (3.0, "frame"), "X": (1.5, "furlong")},
        {"X": (0.1, None), "Y": (0.1, None)},
        {"X": (1.0, "Å"), "Y": (2.0, "in"), "T": (1.0, "ms")},
    ],
)
def test_steps_that_are_hard_to_say(
    tmp_path: Path, suffix: str, scale: dict[str, tuple[float, str | None]]
) -> None:
    image = make("TZYX", "uint8", Metadata(scale=scale))
    write_image(image, tmp_path / ("a" + suffix))
    if suffix == ".ome.zarr":  # a step there is a distance
        scale = {axis: step for axis, step in scale.items() if step[0] > 0}
    assert read_image(tmp_path / ("a" + suffix)).meta.scale == scale


@pytest.mark.parametrize("suffix", [".ome.tif", ".ome.zarr", ".npy", ".png"])
def test_other_byte_order_and_strides(tmp_path: Path, suffix: str) -> None:
    data = np.arange(20 * 30, dtype=">u2").reshape(20, 30)[::-2, ::3]
    write_image(Image(data, "YX"), tmp_path / ("a" + suffix))
    back = read_image(tmp_path / ("a" + suffix), axes="YX")
    np.testing.assert_array_equal(back.data, data)


def test_length_one_axes(tmp_path: Path) -> None:
    image = make("TCZYX", "uint16", Metadata(), {"T": 1, "C": 1, "Z": 1, "Y": 1, "X": 6})
    write_image(image, tmp_path / "a.ome.tif")
    write_image(image, tmp_path / "a.ome.zarr")
    assert read_image(tmp_path / "a.ome.tif").axes == "YX"
    assert read_image(tmp_path / "a.ome.zarr").axes == "TCZYX"


def test_a_pyramid_has_the_means_and_their_places(tmp_path: Path) -> None:
    import zarr

    data = np.arange(2 * 600 * 301, dtype=np.float32).reshape(2, 600, 301)
    write_image(
        Image(data, "CYX", Metadata(scale={"Y": (0.5, "µm"), "X": (0.25, "µm")})),
        tmp_path / "a.zarr",
    )
    group = zarr.open_group(tmp_path / "a.zarr", mode="r")
    datasets = group.attrs["ome"]["multiscales"][0]["datasets"]
    assert [group[d["path"]].shape for d in datasets] == [
        (2, 600, 301),
        (2, 300, 150),
        (2, 150, 75),
    ]
    assert datasets[2]["coordinateTransformations"] == [
        {"type": "scale", "scale": [1.0, 2.0, 1.0]},
        {"type": "translation", "translation": [0.0, 0.75, 0.375]},
    ]
    np.testing.assert_allclose(group["1"][0, 1, 2], data[0, 2:4, 4:6].mean())


def test_ome_zarr_satisfies_the_specification(tmp_path: Path) -> None:
    models = pytest.importorskip("ome_zarr_models.v05")
    import zarr

    write_image(make("TCZYX", "uint16"), tmp_path / "a.ome.zarr")
    image = models.Image.from_zarr(zarr.open_group(tmp_path / "a.ome.zarr", mode="r"))
    assert [c["label"] for c in image.ome_attributes.omero["channels"]] == [
        "DNA",
        "Aktin ä",
        "grey",
    ]


def test_overwriting(tmp_path: Path) -> None:
    for suffix in (".ome.tif", ".ome.zarr", ".npy", ".png"):
        path = tmp_path / ("a" + suffix)
        for value in (1, 2):
            image = Image(np.full((4, 4), value, np.uint8), "YX")
            write_image(image, path, overwrite=True)
            assert read_image(path, axes="YX").data[0, 0] == value
    assert len(os.listdir(tmp_path)) == 4


def data_files() -> list[Path]:
    folder = os.environ.get("INIF_DATA")
    return sorted(Path(folder).glob("*.ome.tif")) if folder else []


@pytest.mark.skipif(not data_files(), reason="INIF_DATA names no folder of real images")
@pytest.mark.parametrize("suffix", [".ome.tif", ".ome.zarr"])
@pytest.mark.parametrize("file", data_files(), ids=lambda p: p.name)
def test_real_images_keep_their_metadata(tmp_path: Path, file: Path, suffix: str) -> None:
    image = read_image(file)
    crop = image.with_data(image.data[..., 10:50, 20:70])
    write_image(crop, tmp_path / ("a" + suffix))
    back = read_image(tmp_path / ("a" + suffix))
    assert replace(back.meta, ome_xml=None) == replace(image.meta, ome_xml=None)
    assert image.meta.ome_xml
    assert back.meta.ome_xml
    order = [image.axes.index(a) for a in back.axes]
    np.testing.assert_array_equal(back.data, crop.data.transpose(order))
