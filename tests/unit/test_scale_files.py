"""Levels that are made, and inputs that are no OME-Zarr: files, patterns, plain arrays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import stores
import zarr
from stores import paths, remark, samples, whole, written

from inif.errors import AxesError, InputError
from inif.image import Channel, Image, Metadata
from inif.io import read_image, write_image
from inif.scale.tree import read_tree


def test_a_single_level_gets_smaller_ones(tmp_path: Path) -> None:
    data = samples(2, 600, 1100, dtype="float32")
    path = stores.image_store(
        tmp_path / "a.zarr", data, "zyx", "0.4", levels=1, chunks=(1, 256, 256)
    )
    tree = read_tree(path)
    assert [(p.path, p.shape) for p in tree.arrays] == [
        ("0", (2, 600, 1100)),
        ("1", (2, 300, 550)),
        ("2", (2, 150, 275)),
        ("3", (2, 75, 137)),
    ]
    assert "3 smaller levels are made" in remark(tree, "smaller")
    (image,) = tree.groups[""]["ome"]["multiscales"]
    assert image["datasets"][2]["coordinateTransformations"] == [
        {"type": "scale", "scale": [1.0, 2.0, 2.0]},
        {"type": "translation", "translation": [0.0, 10.75, 10.75]},
    ]
    boxes = data[:, :, :1096].reshape(2, 75, 8, 137, 8)
    np.testing.assert_allclose(whole(tree.arrays[3]), boxes.mean((2, 4)), rtol=1e-6)
    part = (slice(1, 2), slice(70, 130), slice(3, 275))
    np.testing.assert_array_equal(tree.arrays[2].source.read(part), whole(tree.arrays[2])[part])


def test_a_single_level_of_labels_gets_every_nth_sample(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    root = stores.group_at(path, "0.5")
    ome = {"image-label": {}}
    data = samples(600, 700, dtype="uint32")
    stores.add_image(root, data, "yx", "0.5", levels=1, ome=ome, chunks=(300, 350))
    tree = read_tree(path)
    assert {p.kind for p in tree.arrays} == {"labels"}
    np.testing.assert_array_equal(whole(tree.arrays[2]), data[: 150 * 4 : 4, : 175 * 4 : 4])
    (image,) = tree.groups[""]["ome"]["multiscales"]
    entries = [d["coordinateTransformations"] for d in image["datasets"]]
    assert [e[1] for e in entries] == [{"type": "translation", "translation": [10.0, 10.0]}] * 3


def test_no_levels_are_made_where_the_place_is_not_clear(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    root = stores.group_at(path, "0.4")
    stores.add_array(root, "0", samples(600, 600), chunks=(600, 600))
    image = stores.entry(1, "yx", "0.4")
    image["datasets"][0]["coordinateTransformations"] = [{"type": "scale", "scale": [1.0]}]
    stores.say(root, "0.4", {"multiscales": [image]})
    tree = read_tree(path)
    assert paths(tree) == ["0"]
    assert "no smaller levels" in remark(tree, "levels")
    assert "1 scale factors for 2 axes" in remark(tree, "kept as they are")


def test_a_tiff_becomes_an_image_with_its_metadata(tmp_path: Path) -> None:
    data = samples(3, 2, 520, 400)
    meta = Metadata(
        "nuclei",
        {"Y": (0.5, "µm"), "X": (0.5, "µm"), "Z": (2.0, "µm")},
        (Channel("DAPI", "#0000FF"), Channel("GFP")),
    )
    write_image(Image(data, "ZCYX", meta), tmp_path / "a.ome.tif")
    tree = read_tree(tmp_path / "a.ome.tif")
    assert tree.version is None
    assert [(p.path, p.axes, p.shape, p.kind) for p in tree.arrays] == [
        ("0", "CZYX", (2, 3, 520, 400), "image"),
        ("1", "CZYX", (2, 3, 260, 200), "image"),
        ("2", "CZYX", (2, 3, 130, 100), "image"),
    ]
    root = written(tree, tmp_path / "out.ome.zarr")
    np.testing.assert_array_equal(root["0"][...], data.transpose(1, 0, 2, 3))
    boxes = data.transpose(1, 0, 2, 3).reshape(2, 3, 130, 4, 100, 4)
    np.testing.assert_array_equal(root["2"][...], np.rint(boxes.mean((3, 5))))
    read = read_image(tmp_path / "out.ome.zarr").meta
    assert (read.name, read.scale, read.channels) == (meta.name, meta.scale, meta.channels)
    assert tree.files.keys() == {"OME/METADATA.ome.xml"}
    assert "DAPI" in (tmp_path / "out.ome.zarr/OME/METADATA.ome.xml").read_text()


def test_a_mask_in_a_file_is_stored_as_labels(tmp_path: Path) -> None:
    data = np.zeros((600, 600), np.uint8)
    data[100:300, 200:400] = 7
    data[400:500, 50:90] = 3
    np.save(tmp_path / "a.npy", data)
    tree = read_tree(tmp_path / "a.npy", axes="YX")
    assert {p.kind for p in tree.arrays} == {"labels"}
    assert "look like labels" in remark(tree, "labels")
    np.testing.assert_array_equal(whole(tree.arrays[1]), data[::2, ::2])
    assert "omero" not in tree.groups[""]["ome"]
    with pytest.raises(AxesError):
        read_tree(tmp_path / "a.npy")


def test_a_plain_zarr_array_keeps_its_attributes(tmp_path: Path) -> None:
    data = samples(4, 20, 20)
    array = zarr.create_array(tmp_path / "a.zarr", data=data, dimension_names=["z", "y", "x"])
    array.attrs["own"] = {"deep": 1}
    tree = read_tree(tmp_path / "a.zarr")
    assert tree.arrays[0].attributes == {"own": {"deep": 1}}
    np.testing.assert_array_equal(whole(tree.arrays[0]), data)
    assert tree.groups[""].keys() == {"ome"}


def test_files_by_a_pattern_become_one_image(tmp_path: Path) -> None:
    data = samples(2, 3, 2, 20, 24)
    for t, c, z in np.ndindex(2, 3, 2):
        (tmp_path / f"t{t + 1}").mkdir(exist_ok=True)
        name = f"t{t + 1}/{['DAPI', 'GFP', 'CY5'][c]}_z{5 * z:03d}.npy"
        np.save(tmp_path / name, data[t, c, z])
    pattern = str(tmp_path / "t{t}" / "{c:DAPI|GFP|CY5}_z{z:03d}.npy")
    tree = read_tree(pattern, axes="YX")
    (plan,) = tree.arrays
    assert (plan.axes, plan.shape) == ("TCZYX", data.shape)
    np.testing.assert_array_equal(whole(plan), data)
    labels = [c["label"] for c in tree.groups[""]["ome"]["omero"]["channels"]]
    assert labels == ["DAPI", "GFP", "CY5"]
    np.save(tmp_path / "t1/GFP_z005.npy", data[0, 0, 0, :5])
    with pytest.raises(InputError, match="differ") as caught:
        read_tree(pattern, axes="YX")
    assert str(caught.value.file).endswith("t1/GFP_z005.npy")
    (tmp_path / "t1/GFP_z005.npy").unlink()
    with pytest.raises(InputError, match="is missing") as caught:
        read_tree(pattern, axes="YX")
    assert caught.value.field == "t 1, c GFP, z 5"


@pytest.mark.parametrize(
    ("names", "pattern", "problem"),
    [
        (["z1", "z2", "z4"], "z{z}", "missing"),
        (["z1", "z01"], "z{z}", "same place"),
        (["1_1", "1_2"], "{z}_{z:02d}", "cannot be used"),
        (["1_1"], "{z}_{q}", "cannot be used"),
        (["a"], "z{z}", "no file"),
        (["a"], "none/z{z}", "no file"),
    ],
)
def test_patterns_that_cannot_be_used(
    tmp_path: Path, names: list[str], pattern: str, problem: str
) -> None:
    for name in names:
        np.save(tmp_path / f"{name}.npy", samples(4, 4))
    with pytest.raises(InputError, match=problem) as caught:
        read_tree(f"{tmp_path}/{pattern}.npy", axes="YX")
    assert caught.value.file == f"{tmp_path}/{pattern}.npy"


def test_an_axis_in_the_pattern_and_in_the_files(tmp_path: Path) -> None:
    for z in range(2):
        np.save(tmp_path / f"{z}.npy", samples(3, 4, 4))
        np.save(tmp_path / f"thin{z}.npy", samples(1, 4, 4))
    with pytest.raises(AxesError, match="in the pattern and in the files"):
        read_tree(str(tmp_path / "{z}.npy"), axes="ZYX")
    assert read_tree(str(tmp_path / "thin{z}.npy"), axes="ZYX").arrays[0].shape == (2, 4, 4)
    assert read_tree(str(tmp_path / "{t}.npy"), axes="ZYX").arrays[0].axes == "TZYX"
