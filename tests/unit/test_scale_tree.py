"""What is planned of an input, and what the documents of the output say: nothing is lost."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import stores
import zarr
from stores import BYTES, SAID, paths, remark, samples, whole, written

from inif.errors import AxesError, InputError
from inif.io import read_image
from inif.scale.skeleton import write_skeleton
from inif.scale.tree import read_tree


def without_version(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: without_version(v) for k, v in value.items() if k != "version"}
    return [without_version(v) for v in value] if isinstance(value, list) else value


# ---------------------------------------------------------------- images


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_an_image_keeps_levels_metadata_and_attributes(tmp_path: Path, version: str) -> None:
    data = samples(2, 3, 20, 24)
    omero = {
        "channels": [
            {
                "color": "FF0000",
                "label": "DAPI",
                "active": True,
                "window": {"min": 0, "max": 9, "start": 1, "end": 7},
                "lut": "x",
            },
            {"color": "00FF00", "window": {"min": 0, "max": 9, "start": 0, "end": 9}},
        ],
        "rdefs": {"model": "color", "defaultZ": 1},
    }
    if version < "0.5":
        omero["version"] = version
    path = stores.image_store(tmp_path / "a.zarr", data, "czyx", version, ome={"omero": omero})
    before = dict(zarr.open_group(path, mode="r").attrs)
    tree = read_tree(path)
    assert (tree.version, tree.remarks, tree.name) == (version, (), str(path))
    assert [(p.path, p.axes, p.kind, p.level, p.image) for p in tree.arrays] == [
        ("0", "CZYX", "image", 0, ""),
        ("1", "CZYX", "image", 1, ""),
    ]
    root = written(tree, tmp_path / "out.zarr")
    after = dict(root.attrs)
    assert after.pop("inif") == SAID
    assert after["ome"]["version"] == "0.5"
    assert after["custom"] == before["custom"]
    loose = before.get("ome", {k: v for k, v in before.items() if k != "custom"})
    assert without_version(after["ome"]) == without_version(loose)
    assert "version" not in after["ome"]["multiscales"][0]
    for k in range(2):
        array = root[str(k)]
        np.testing.assert_array_equal(array[...], data[..., :: 2**k, :: 2**k])
        assert dict(array.attrs) == {"own": str(k)}
        assert array.metadata.dimension_names == ("c", "z", "y", "x")
    read = read_image(tmp_path / "out.zarr")
    assert read.meta == read_image(path).meta


@pytest.mark.parametrize("version", ["0.1", "0.3"])
def test_versions_without_scales_get_the_ratio_of_shapes(tmp_path: Path, version: str) -> None:
    data = samples(1, 2, 3, 20, 24)
    path = stores.image_store(tmp_path / "a.zarr", data, "tczyx", "0.3")
    if version == "0.1":
        group = zarr.open_group(path, mode="r+")
        image = {**group.attrs["multiscales"][0], "version": "0.1"}
        del image["axes"]
        group.attrs["multiscales"] = [image]
    tree = read_tree(path)
    (image,) = tree.groups[""]["ome"]["multiscales"]
    assert [a["name"] for a in image["axes"]] == list("tczyx")
    assert [a["type"] for a in image["axes"]] == ["time", "channel", *["space"] * 3]
    assert [d["coordinateTransformations"] for d in image["datasets"]] == [
        [{"type": "scale", "scale": [1.0] * 5}],
        [{"type": "scale", "scale": [1.0, 1.0, 1.0, 2.0, 2.0]}],
    ]
    assert "ratio" in remark(tree, "scales")
    assert (version == "0.1") == any("no axes" in r for r in tree.remarks)


def test_several_images_share_a_group(tmp_path: Path) -> None:
    root = stores.group_at(tmp_path / "a.zarr", "0.4")
    for name in ("m0", "m1"):
        stores.add_array(root, name, samples(8, 8), "yx")
    images = [stores.entry(1, "yx", "0.4", name="ab"[n]) for n in range(2)]
    for n in range(2):
        images[n]["datasets"][0]["path"] = f"m{n}"
    stores.say(root, "0.4", {"multiscales": images})
    tree = read_tree(tmp_path / "a.zarr")
    assert paths(tree) == ["m0", "m1"]
    assert len(tree.groups[""]["ome"]["multiscales"]) == 2
    one = read_tree(tmp_path / "a.zarr", scene=1)
    assert paths(one) == ["m1"]
    assert one.groups[""]["ome"]["multiscales"][0]["name"] == "b"
    assert not one.files
    assert "2 images" in remark(one, "--series")
    with pytest.raises(InputError, match="no such image"):
        read_tree(tmp_path / "a.zarr", scene=2)


def test_levels_in_groups_of_their_own(tmp_path: Path) -> None:
    root = stores.group_at(tmp_path / "a.zarr", "0.4")
    inner = root.create_group("img")
    inner.attrs["said"] = 1
    for k in range(2):
        stores.add_array(inner, str(k), samples(16 >> k, 16 >> k), "yx")
    stores.say(root, "0.4", {"multiscales": [stores.entry(2, "yx", "0.4", prefix="img/")]})
    tree = read_tree(tmp_path / "a.zarr")
    assert paths(tree) == ["img/0", "img/1"]
    assert tree.groups["img"] == {"said": 1}
    assert (tree.files, tree.remarks) == ({}, ())
    written(tree, tmp_path / "out.zarr")


def test_levels_that_do_not_fit_are_told(tmp_path: Path) -> None:
    root = stores.group_at(tmp_path / "a.zarr", "0.5")
    stores.add_array(root, "0", samples(20, 20), "yx")
    stores.add_array(root, "1", samples(20, 30, dtype="float32"), "yx")
    stores.say(root, "0.5", {"multiscales": [stores.entry(2, "yx", "0.5")]})
    tree = read_tree(tmp_path / "a.zarr")
    assert [p.dtype.name for p in tree.arrays] == ["uint16", "float32"]
    assert "float32" in remark(tree, "of type")
    assert "larger" in remark(tree, "(20, 30)")


@pytest.mark.parametrize("dtype", ["uint32", "int64", "float64", "bool", "float16", "int8"])
def test_types_that_lossy_methods_do_not_take_go_losslessly(tmp_path: Path, dtype: str) -> None:
    path = stores.image_store(tmp_path / "a.zarr", samples(8, 8, dtype=dtype), "yx")
    tree = read_tree(path)
    assert {p.kind for p in tree.arrays} == {"exact"}
    assert dtype in remark(tree, "losslessly")
    written(tree, tmp_path / "out.zarr")


def test_big_endian_samples_and_odd_fill_values(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    data = samples(40, 40, dtype=">f4")
    root = stores.group_at(path, "0.4")
    stores.add_array(root, "0", data, fill_value=np.nan)
    stores.say(root, "0.4", {"multiscales": [stores.entry(1, "yx", "0.4")]})
    (path / "0/1/1").unlink()
    tree = read_tree(path)
    (plan,) = tree.arrays
    assert plan.dtype == np.dtype("float32").newbyteorder("=")
    assert np.isnan(plan.fill_value)
    got = written(tree, tmp_path / "out.zarr")["0"]
    assert np.isnan(got.fill_value)
    expected = data.astype("=f4")
    expected[16:32, 16:32] = np.nan
    np.testing.assert_array_equal(got[...], expected)


# ---------------------------------------------------------------- hierarchies


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_plates(tmp_path: Path, version: str) -> None:
    path = stores.plate_store(tmp_path / "p.zarr", version)
    tree = read_tree(path)
    assert len(tree.arrays) == 4 * 2 * 2
    assert {p.image for p in tree.arrays} == {f"{w}/{f}" for w in WELLS for f in "01"}
    assert tree.groups[""]["barcode"] == "x1"
    assert tree.groups["A"] == {"row": "A"}
    plate = tree.groups[""]["ome"]["plate"]
    assert plate["version"] == "0.5"
    assert [w["path"] for w in plate["wells"]] == WELLS
    assert tree.groups["B/2"]["ome"] == {
        "version": "0.5",
        "well": {"images": [{"path": f, "acquisition": 1} for f in "01"]},
    }
    assert not tree.remarks
    root = written(tree, tmp_path / "out.zarr")
    np.testing.assert_array_equal(root["B/2/1/0"][...], samples(3, 20, 24, seed=4))
    with pytest.raises(InputError, match="no such image"):
        read_tree(path, scene=1)


WELLS = ["A/1", "A/2", "B/1", "B/2"]


def test_a_well_that_is_not_there_is_told(tmp_path: Path) -> None:
    tree = read_tree(stores.plate_store(tmp_path / "p.zarr", skip="A/2"))
    assert len(tree.arrays) == 3 * 2 * 2
    assert "A/2 is not there" in remark(tree, "wells")


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("names", [("0", "1"), ("3", "1"), ("a/b", "c")])
def test_series(tmp_path: Path, version: str, names: tuple[str, ...]) -> None:
    path = stores.series_store(tmp_path / "s.zarr", version, names)
    tree = read_tree(path)
    assert sorted(paths(tree)) == sorted(f"{n}/{k}" for n in names for k in "01")
    assert tree.groups["OME"]["ome"] == {"version": "0.5", "series": list(names)}
    assert tree.groups[""]["ome"] == {"version": "0.5", "bioformats2raw.layout": 3}
    assert tree.files.keys() == {"OME/METADATA.ome.xml"}
    written(tree, tmp_path / "out.zarr")
    assert (tmp_path / "out.zarr/OME/METADATA.ome.xml").read_text() == "<OME/>"
    one = read_tree(path, scene=1)
    assert paths(one) == ["0", "1"]
    np.testing.assert_array_equal(whole(one.arrays[0]), samples(1, 2, 3, 20, 24, seed=1))
    assert f"group {names[1]}" in remark(one, "2 images")


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_labels(tmp_path: Path, version: str) -> None:
    path = tmp_path / "a.zarr"
    stores.image_store(path, samples(3, 20, 24), "zyx", version)
    root = zarr.open_group(path, mode="r+")
    stores.add_labels(root, samples(3, 20, 24, dtype="int32"), "zyx", version, ["cells", "n"])
    tree = read_tree(path)
    assert paths(tree) == ["0", "1", *(f"labels/{n}/{k}" for n in ("cells", "n") for k in "01")]
    assert [p.kind for p in tree.arrays] == ["image"] * 2 + ["labels"] * 4
    assert tree.groups["labels"]["ome"] == {"version": "0.5", "labels": ["cells", "n"]}
    ome = tree.groups["labels/cells"]["ome"]
    assert ome["image-label"] == {
        "colors": [{"label-value": 1, "rgba": [255, 0, 0, 255]}],
        "source": {"image": "../../"},
    }
    assert not tree.remarks
    written(tree, tmp_path / "out.zarr")
    # Labels alone are labels too, and so are those that the list does not name.
    assert {p.kind for p in read_tree(path / "labels").arrays} == {"labels"}
    assert {p.kind for p in read_tree(path / "labels" / "n").arrays} == {"labels"}
    del root["labels"].attrs["labels" if version < "0.5" else "ome"]
    assert len(read_tree(path).arrays) == 6


def test_what_is_no_image_is_copied_as_it_is(tmp_path: Path) -> None:
    path = stores.image_store(tmp_path / "a.zarr", samples(8, 8), "yx", "0.4")
    root = zarr.open_group(path, mode="r+")
    table = root.create_group("tables/cells", attributes={"encoding-type": "anndata"})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table.create_array("names", data=np.array(["a", "b"], dtype="U4"))
    root.create_array("stray", data=samples(4, 4))
    zarr.consolidate_metadata(path)
    (path / "notes").mkdir()
    (path / "notes/why.txt").write_text("because")
    tree = read_tree(path)
    assert paths(tree) == ["0", "1"]
    assert "tables" in remark(tree, "the group")
    assert "stray" in remark(tree, "the array")
    written(tree, tmp_path / "out.zarr")
    out = tmp_path / "out.zarr"
    assert (out / "notes/why.txt").read_text() == "because"
    assert not (out / ".zmetadata").exists()
    for inner in ("tables", "stray"):
        copied = {p.relative_to(out): p.read_bytes() for p in (out / inner).rglob("*.*")}
        assert copied == {p.relative_to(path): p.read_bytes() for p in (path / inner).rglob("*.*")}
    names = zarr.open_array(out / "tables/cells/names", mode="r", zarr_format=2)
    assert list(names[...]) == ["a", "b"]


def test_images_in_plain_folders_of_a_store(tmp_path: Path) -> None:
    root = stores.group_at(tmp_path / "a.zarr", "0.5")
    for name in ("x/one", "x/two"):
        stores.add_image(root.create_group(name), samples(8, 8), "yx", "0.5")
    tree = read_tree(tmp_path / "a.zarr")
    assert paths(tree) == [f"x/{n}/{k}" for n in ("one", "two") for k in "01"]
    assert (tree.files, tree.remarks) == ({}, ())


def test_a_store_in_a_zip_file(tmp_path: Path) -> None:
    stores.plate_store(tmp_path / "p.zarr")
    packed = shutil.make_archive(str(tmp_path / "p.ome.zarr"), "zip", tmp_path / "p.zarr")
    tree, plain = read_tree(packed), read_tree(tmp_path / "p.zarr")
    assert tree.groups == plain.groups
    for a, b in zip(tree.arrays, plain.arrays, strict=True):
        np.testing.assert_array_equal(whole(a), whole(b))


# ---------------------------------------------------------------- what is refused


def test_metadata_that_cannot_be_used(tmp_path: Path) -> None:
    path = stores.image_store(tmp_path / "a.zarr", samples(8, 8), "yx", "0.5")
    body = json.loads((path / "zarr.json").read_text())

    def refused(problem: str, change: Any, error: type[InputError] = InputError) -> InputError:
        changed = json.loads(json.dumps(body))
        change(changed["attributes"]["ome"])
        (path / "zarr.json").write_text(json.dumps(changed))
        with pytest.raises(error, match=problem) as caught:
            read_tree(path)
        assert str(path) in str(caught.value)
        return caught.value

    one = lambda ome: ome["multiscales"][0]  # noqa: E731
    refused("damaged", lambda ome: ome.update(multiscales=[]))
    refused("damaged", lambda ome: ome.update(multiscales="0"))
    refused("damaged", lambda ome: one(ome).update(datasets=[]))
    refused("damaged", lambda ome: one(ome).update(datasets=[{"path": "../0"}]))
    refused("damaged", lambda ome: ome.update(well={"images": [{"path": "../../x"}]}))
    refused("damaged", lambda ome: ome.update(labels=[3]))
    refused("is missing", lambda ome: one(ome)["datasets"][1].update(path="7"))
    refused("version", lambda ome: ome.update(version="0.6"))
    axes = [{"name": "y", "type": "space"}, {"name": "lambda"}]
    refused("axes", lambda ome: one(ome).update(axes=axes), AxesError)
    (path / "zarr.json").write_text("{")
    with pytest.raises(InputError, match="damaged") as caught:
        read_tree(path)
    assert caught.value.field == "zarr.json"


def test_arrays_that_cannot_be_used(tmp_path: Path) -> None:
    path = stores.image_store(tmp_path / "a.zarr", samples(8, 8, dtype="complex64"), "yx", "0.5")
    with pytest.raises(InputError, match="sample type") as caught:
        read_tree(path)
    assert caught.value.got == "complex64"
    assert str(caught.value.file).endswith("a.zarr/0")
    path = stores.image_store(tmp_path / "b.zarr", samples(8, 8), "yx", "0.5")
    body = json.loads((path / "1/zarr.json").read_text())
    (path / "1/zarr.json").write_text(json.dumps(body | {"shape": [0, 8]}))
    with pytest.raises(InputError, match="no samples"):
        read_tree(path)


def test_axes_that_the_user_names(tmp_path: Path) -> None:
    path = stores.image_store(tmp_path / "a.zarr", samples(8, 8), "yx", "0.4")
    group = zarr.open_group(path, mode="r+")
    (image,) = group.attrs["multiscales"]
    image["axes"] = [{"name": n, "type": "space"} for n in ("height", "width")]
    group.attrs["multiscales"] = [image]
    tree = read_tree(path, axes="YX")
    assert {p.axes for p in tree.arrays} == {"YX"}
    assert tree.groups[""]["ome"]["multiscales"][0]["axes"] == image["axes"]
    assert tree.arrays[0].dimension_names == ("height", "width")
    image["axes"] = image["axes"][:1]
    group.attrs["multiscales"] = [image]
    with pytest.raises(AxesError):
        read_tree(path)
    assert read_tree(path, axes="YX").arrays[0].dimension_names == ("y", "x")


# ---------------------------------------------------------------- documents


def test_documents_are_the_same_each_time(tmp_path: Path) -> None:
    tree = read_tree(stores.plate_store(tmp_path / "p.zarr"))
    codecs = {
        plan.path: {"name": "inif", "configuration": {"axes": plan.axes, "step": 2.5}}
        for plan in tree.arrays
    }
    out = tmp_path / "out.zarr"
    size = write_skeleton(tree, out, codecs, SAID)
    files = {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in out.rglob("*.*")}
    assert size == sum(len(data) for data, _ in files.values())
    (out / "A/1/0/0/zarr.json").unlink()
    (out / "zarr.json").write_text("half")
    assert write_skeleton(tree, out, codecs, SAID) == size
    assert {p: p.read_bytes() for p in out.rglob("*.*")} == {p: d for p, (d, _) in files.items()}
    body = json.loads((out / "A/1/0/1/zarr.json").read_text())
    (shard,) = body["codecs"]
    assert shard["name"] == "sharding_indexed"
    assert shard["configuration"]["codecs"] == [codecs["A/1/0/1"]]
    assert [c["name"] for c in shard["configuration"]["index_codecs"]] == ["bytes", "crc32c"]
    assert shard["configuration"]["index_location"] == "end"
    assert body["chunk_key_encoding"] == {"name": "default", "configuration": {"separator": "/"}}


def test_earlier_provenance_is_kept(tmp_path: Path) -> None:
    path = stores.image_store(tmp_path / "a.zarr", samples(8, 8), "yx", "0.5")
    codecs = {"0": BYTES, "1": BYTES}
    write_skeleton(read_tree(path), tmp_path / "b.zarr", codecs, {"n": 1})
    write_skeleton(read_tree(tmp_path / "b.zarr"), tmp_path / "c.zarr", codecs, {"n": 2})
    said = zarr.open_group(tmp_path / "c.zarr", mode="r").attrs["inif"]
    assert said == {"n": 2, "earlier": {"n": 1}}


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    tree = read_tree(stores.image_store(tmp_path / "a.zarr", samples(8, 8), "yx", "0.5"))
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        write_skeleton(tree, tmp_path / "file" / "x.zarr", {"0": BYTES, "1": BYTES}, SAID)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_other_tools_accept_the_metadata(tmp_path: Path, version: str) -> None:
    models = pytest.importorskip("ome_zarr_models")
    plate = read_tree(stores.plate_store(tmp_path / "p.zarr", version))
    series = read_tree(stores.series_store(tmp_path / "s.zarr", version))
    path = stores.image_store(tmp_path / "a.zarr", samples(3, 20, 24), "zyx", version)
    labels = samples(3, 20, 24, dtype="int32")
    stores.add_labels(zarr.open_group(path, mode="r+"), labels, "zyx", version, ["cells"])
    image = read_tree(path)
    found = {}
    for name, tree in (("p", plate), ("s", series), ("a", image)):
        codecs = {plan.path: BYTES for plan in tree.arrays}
        write_skeleton(tree, tmp_path / "out" / name, codecs, SAID)
        for inner in tree.groups:
            group = zarr.open_group(tmp_path / "out" / name / inner, mode="r")
            if inner != "OME" and (name, inner) != ("s", "") and "ome" in group.attrs:
                found[f"{name}/{inner}"] = type(models.open_ome_zarr(group)).__name__
    assert found["p/"] == "HCS"
    assert found["p/A/1"] == "Well"
    assert found["a/"] == found["s/0"] == "Image"
    bioformats2raw = pytest.importorskip("ome_zarr_models.v05.bioformats2raw")
    bioformats2raw.BioFormats2Raw.from_zarr(zarr.open_group(tmp_path / "out/s", mode="r"))
    assert found["a/labels/cells"] == "ImageLabel"
