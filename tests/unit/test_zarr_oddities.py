"""Zarr stores as they are: odd names, short scales, missing chunks, some series only, ZIP."""

from __future__ import annotations

import contextlib
import json
import math
import shutil
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from inif.errors import AxesError, InifError, InputError
from inif.image import Image
from inif.io import detect, read_image
from inif.io.ome_zarr_axes import of_multiscales
from inif.io.ome_zarr_series import image_of_group
from inif.io.ome_zarr_zip import store_roots

SHAPE = (3, 16, 20)
STACK = np.arange(math.prod(SHAPE), dtype=np.uint16).reshape(SHAPE)
SPACE = [{"name": a, "type": "space", "unit": "micrometer"} for a in "zyx"]


def put(path: Path, body: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(body))


def scaled(*values: Any) -> list[dict[str, Any]]:
    return [{"type": "scale", "scale": list(values)}]


def describe(group: Any, version: str, **attributes: Any) -> None:
    """Give a group attributes of OME-Zarr where this version has them."""
    group.attrs.update(
        {"ome": {"version": version, **attributes}} if version == "0.5" else attributes
    )


def store(
    path: Path,
    *,
    data: np.ndarray = STACK,
    axes: Any = SPACE,
    scale: Any = None,
    version: str = "0.4",
    chunks: tuple[int, ...] | None = None,
    **image: Any,
) -> Path:
    """An image of one array, as converters write it."""
    dataset = {"path": "0"} | ({} if scale is None else {"coordinateTransformations": scale})
    body = {"version": version, "datasets": [dataset], **image}
    if axes is not None:
        body["axes"] = axes
    group = zarr.create_group(path, zarr_format=3 if version == "0.5" else 2)
    group.create_array("0", data=data, chunks=chunks or data.shape)
    attributes = {"multiscales": [body]}
    group.attrs.update(
        {"ome": {"version": version, **attributes}} if version == "0.5" else attributes
    )
    return path


def remarks(image: Image, part: str) -> str:
    """The one remark with this in it."""
    found = [r for r in image.remarks if part in r]
    assert len(found) == 1, image.remarks
    return found[0]


# ---------------------------------------------------------------- names of axes


@pytest.mark.parametrize(
    "names",
    [
        ("depth", "height", "width"),
        ("slices", "y", "x"),
        ("z", "z", "x"),
        ("z", "y"),
        ("plane", "row", "col"),
    ],
)
@pytest.mark.parametrize("kind", ["0.4", "0.5", "0.3", "plain", "xarray"])
def test_names_that_are_not_ours_are_told_and_not_guessed(
    tmp_path: Path, names: tuple[str, ...], kind: str
) -> None:
    path = tmp_path / "a.zarr"
    if kind == "plain":
        if len(names) != 3:
            pytest.skip("Zarr itself refuses these")
        zarr.create_array(path, data=STACK, dimension_names=names)
    elif kind == "xarray":
        zarr.create_array(
            path, data=STACK, zarr_format=2, attributes={"_ARRAY_DIMENSIONS": list(names)}
        )
    else:
        entries = [n if kind == "0.3" else {"name": n, "type": "space"} for n in names]
        store(path, axes=entries, version=kind)
    with pytest.raises(AxesError) as caught:
        read_image(path)
    assert caught.value.got == ", ".join(names)
    assert read_image(path, axes="zyx").axes == "ZYX"


@pytest.mark.parametrize("kind", ["space", "time", "channel"])
def test_a_type_is_not_a_name(tmp_path: Path, kind: str) -> None:
    axes = [{"name": "lifetime", "type": kind}, *SPACE[1:]]
    with pytest.raises(AxesError) as caught:
        read_image(store(tmp_path / "a.zarr", axes=axes))
    assert caught.value.got == "lifetime, y, x"


@pytest.mark.parametrize(
    ("names", "axes"), [(("Z", "Y", "X"), "ZYX"), (("time", "channel", "x"), "TCX")]
)
def test_names_that_are_ours(tmp_path: Path, names: Sequence[str], axes: str) -> None:
    assert read_image(store(tmp_path / "a.zarr", axes=list(names), version="0.3")).axes == axes
    zarr.create_array(tmp_path / "b.zarr", data=STACK, dimension_names=names)
    assert read_image(tmp_path / "b.zarr").axes == axes


@pytest.mark.parametrize("order", ["xyzct", "czyxt", "tzcyx"])
def test_five_axes_in_any_order(tmp_path: Path, order: str) -> None:
    data = np.zeros((2, 3, 4, 5, 6), np.uint8)
    steps = {"t": 2, "c": 1, "z": 0.5, "y": 0.1, "x": 0.2}
    path = store(
        tmp_path / "a.zarr",
        data=data,
        axes=[{"name": a} for a in order],
        scale=scaled(*(steps[a] for a in order)),
    )
    image = read_image(path)
    assert image.axes == order.upper()
    assert {a: v for a, (v, _) in image.meta.scale.items()} == {
        "T": 2,
        "Z": 0.5,
        "Y": 0.1,
        "X": 0.2,
    }


@pytest.mark.parametrize("version", ["0.1", "0.2"])
def test_the_first_versions_are_tczyx(tmp_path: Path, version: str) -> None:
    data = np.zeros((1, 2, 3, 4, 5), np.uint8)
    image = read_image(store(tmp_path / "a.zarr", data=data, axes=None, version=version))
    assert image.axes == "TCZYX"
    assert "TCZYX" in remarks(image, "no axes")
    later = store(tmp_path / "b.zarr", data=data, axes=None, version="0.4")
    with pytest.raises(AxesError):
        read_image(later)
    with pytest.raises(AxesError):
        read_image(store(tmp_path / "c.zarr", axes=None, version=version))


def test_steps_go_with_the_axes_that_the_user_names_by_place(tmp_path: Path) -> None:
    axes = [{"name": n, "unit": "micrometer"} for n in ("depth", "height", "width")]
    path = store(tmp_path / "a.zarr", axes=axes, scale=scaled(0.5, 0.1, 0.2))
    image = read_image(path, axes="ZYX")
    assert image.meta.scale == {"Z": (0.5, "µm"), "Y": (0.1, "µm"), "X": (0.2, "µm")}
    assert "0.5 µm of depth for Z" in remarks(image, "by the place")
    image = read_image(path, axes="TYX")  # time is not measured in micrometres
    assert image.meta.scale == {"Y": (0.1, "µm"), "X": (0.2, "µm")}
    assert "0.5 µm of depth" in remarks(image, "not kept")
    same = read_image(store(tmp_path / "b.zarr", scale=scaled(0.5, 0.1, 0.2)), axes="ZYX")
    assert same.remarks == ()


# ---------------------------------------------------------------- steps


def test_a_short_scale_is_that_of_the_axes_in_space(tmp_path: Path) -> None:
    data = np.zeros((1, 2, 3, 8, 8), np.uint8)
    axes = [{"name": "t", "type": "time"}, {"name": "c", "type": "channel"}, *SPACE]
    image = read_image(
        store(tmp_path / "a.zarr", data=data, axes=axes, scale=scaled(0.5, 0.1, 0.2))
    )
    assert image.meta.scale == {"Z": (0.5, "µm"), "Y": (0.1, "µm"), "X": (0.2, "µm")}
    assert "3 scale factors for 5 axes" in remarks(image, "axes in space")


NUMBERS = st.one_of(
    st.floats(), st.integers(), st.text(max_size=3), st.none(), st.booleans(), st.just(10**400)
)


@settings(max_examples=40)
@given(st.lists(NUMBERS, max_size=6), st.sampled_from(["tczyx", "zyx", "xyc"]))
def test_no_step_that_nobody_wrote(values: list[Any], order: str) -> None:
    axes = [{"name": a, "type": "space" if a in "zyx" else "other", "unit": "mm"} for a in order]
    image = {
        "axes": axes,
        "datasets": [{"path": "0", "coordinateTransformations": scaled(*values)}],
    }
    dimensions, told = of_multiscales(image, "0.4", len(order), ())
    scale, _ = dimensions.scale(order.upper())
    good = [
        float(v)
        for v in values
        if isinstance(v, int | float) and not isinstance(v, bool) and 0 < abs(v) < 1e308
    ]
    assert {step for step, _ in scale.values()} <= set(good)
    whole = len(values) == len(good) == len(order)
    assert whole or told
    if whole:
        assert [scale[a.upper()][0] for a in order] == good


def test_a_negative_step_keeps_its_size(tmp_path: Path) -> None:
    outer = scaled(3.0, 1.0, 1.0)
    path = store(tmp_path / "a.zarr", scale=scaled(-0.5, 0.1, 0.2))
    image = read_image(path)
    assert image.meta.scale == {"Z": (0.5, "µm"), "Y": (0.1, "µm"), "X": (0.2, "µm")}
    assert image.remarks == (
        "the step along Z is negative (-0.5 µm); its size is kept, its sign is not",
    )
    dimensions, told = of_multiscales(
        {
            "axes": ["z", "y", "x"],
            "datasets": [{"path": "0", "coordinateTransformations": scaled(-0.5, 0.1, -1)}],
            "coordinateTransformations": outer,
        },
        "0.4",
        3,
        (),
    )
    assert dimensions.scale("ZYX") == ({"Z": (-1.5, None), "Y": (0.1, None)}, [])
    assert not told


@pytest.mark.parametrize(
    ("scale", "said"),
    [
        (scaled(1, 2, 3, 4), "4 scale factors"),
        (scaled(0, 0.1, 0.1), "no step can be 0"),
        (scaled("a", 0.1, 0.1), "no step can be a"),
        ([{"type": "scale", "path": "scales"}], "another array"),
        ([{"type": "affine", "affine": []}, *scaled(1, 2, 3)], "type affine"),
        ([*scaled(0.5, 0.1, 0.1), {"type": "translation", "translation": [1, 2, 3]}], "world"),
    ],
)
def test_what_is_not_kept_of_a_scale_is_said(tmp_path: Path, scale: Any, said: str) -> None:
    image = read_image(store(tmp_path / "a.zarr", scale=scale))
    assert said in " ".join(image.remarks)
    assert len(image.remarks) == 1
    if "world" not in said:
        assert "Z" not in image.meta.scale


def test_a_scale_that_is_not_stated(tmp_path: Path) -> None:
    assert read_image(store(tmp_path / "a.zarr")).meta.scale == {}  # units alone are no steps
    nothing = [{"type": "identity"}, {"type": "translation", "translation": [0, 0, 0.0]}]
    quiet = read_image(store(tmp_path / "b.zarr", scale=nothing))
    assert (quiet.meta.scale, quiet.remarks) == ({}, ())
    both = store(
        tmp_path / "c.zarr", scale=scaled(2, 1, 1), coordinateTransformations=scaled(0.5, 0.2, 3)
    )
    assert read_image(both).meta.scale == {"Z": (1.0, "µm"), "Y": (0.2, "µm"), "X": (3.0, "µm")}


# ---------------------------------------------------------------- chunks


def chunked(path: Path, version: str, shards: tuple[int, ...] | None = None) -> Path:
    """A store of 3 × 2 × 2 chunks, in 3 shards if there are any."""
    group = zarr.create_group(path, zarr_format=3 if version == "0.5" else 2)
    group.create_array(
        "0", data=STACK + np.uint16(1), chunks=(1, 8, 10), shards=shards, fill_value=0
    )
    body = {"version": version, "axes": SPACE, "datasets": [{"path": "0"}]}
    group.attrs.update(
        {"ome": {"multiscales": [body]}} if version == "0.5" else {"multiscales": [body]}
    )
    return path


@pytest.mark.parametrize(
    ("version", "chunk", "zipped"),
    [("0.4", "0/1.0.1", False), ("0.5", "0/c/1/0/1", False), ("0.5", "0/c/1/0/1", True)],
)
def test_missing_chunks_are_counted(tmp_path: Path, version: str, chunk: str, zipped: bool) -> None:
    path = chunked(tmp_path / "a.zarr", version)
    assert read_image(path).remarks == ()
    (path / chunk).unlink()
    image = read_image(pack(path, tmp_path / "a.zip") if zipped else path)
    assert "1 of 12 chunks of array 0 are not in the store" in remarks(image, "fill value 0")
    assert not image.data[1, :8, 10:].any()
    assert image.data.all(axis=None) == np.False_
    assert np.count_nonzero(image.data) == STACK.size - 80


def test_a_store_without_any_chunk(tmp_path: Path) -> None:
    path = chunked(tmp_path / "a.zarr", "0.5")
    shutil.rmtree(path / "0/c")
    assert "12 of 12 chunks" in remarks(read_image(path), "fill value")


def test_missing_chunks_in_shards(tmp_path: Path) -> None:
    path = chunked(tmp_path / "a.zarr", "0.5", shards=(2, 16, 20))
    assert read_image(path).remarks == ()
    (path / "0/c/1/0/0").unlink()  # the second shard is half outside the array
    assert "4 of 12 chunks" in remarks(read_image(path), "fill value")
    array = zarr.open_array(path / "0")
    array[0, :8, :10] = 0  # chunks of nothing but the fill value are not written
    assert "5 of 12 chunks" in remarks(read_image(path), "fill value")


@pytest.mark.parametrize("compressor", ["auto", None])
@pytest.mark.parametrize("left", [0, 0.5])
@pytest.mark.parametrize("version", [2, 3])
def test_a_chunk_that_is_cut_short_is_named(
    tmp_path: Path, compressor: Any, left: float, version: Any
) -> None:
    path = tmp_path / "a.zarr"
    zarr.create_array(
        path, data=STACK, chunks=(1, 16, 20), zarr_format=version, compressors=compressor
    )
    chunk = path / ("c/2/0/0" if version == 3 else "2.0.0")
    chunk.write_bytes(chunk.read_bytes()[: int(left * chunk.stat().st_size)])
    with pytest.raises(InputError, match="damaged or cut short") as caught:
        read_image(path, axes="ZYX")
    assert caught.value.field == chunk.relative_to(path).as_posix()


def test_a_damaged_shard_is_named(tmp_path: Path) -> None:
    path = chunked(tmp_path / "a.zarr", "0.5", shards=(2, 16, 20))
    shard = path / "0/c/1/0/0"
    shard.write_bytes(shard.read_bytes()[:-3])
    with pytest.raises(InputError, match="damaged or cut short") as caught:
        read_image(path)
    assert caught.value.field == "0/c/1/0/0"


def test_a_chunk_larger_than_memory_is_refused(tmp_path: Path) -> None:
    zarr.create_array(tmp_path / "a.zarr", data=STACK[0], zarr_format=2)
    facts = json.loads((tmp_path / "a.zarr/.zarray").read_text())
    put(tmp_path / "a.zarr/.zarray", facts | {"chunks": [1 << 30, 1 << 30]})
    with pytest.raises(InputError, match="memory"):
        read_image(tmp_path / "a.zarr", axes="YX")


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_an_array_that_is_named_and_missing(tmp_path: Path, version: str) -> None:
    path = store(tmp_path / "a.zarr", version=version)
    shutil.rmtree(path / "0")
    with pytest.raises(InputError, match='the array "0" that multiscales names is missing'):
        read_image(path)


# ---------------------------------------------------------------- several images


def entry(ident: str, step: float, size: int = 3) -> str:
    name = ident.replace("Image:", "img")
    return (
        f'<Image ID="{ident}" Name="{name}"><Pixels ID="P:{name}" DimensionOrder="XYZCT" '
        f'Type="uint16" SizeX="20" SizeY="16" SizeZ="{size}" SizeC="1" SizeT="1" '
        f'PhysicalSizeX="{step}"><Channel ID="C:{name}" Name="ch {name}"/></Pixels></Image>'
    )


def several(
    path: Path,
    groups: Sequence[str],
    entries: Sequence[str],
    series: Any = None,
    version: str = "0.4",
) -> Path:
    """A store of bioformats2raw: all samples of group N are N."""
    root = zarr.create_group(path, zarr_format=3 if version == "0.5" else 2)
    layout = {"bioformats2raw.layout": 3}
    root.attrs.update({"ome": layout} if version == "0.5" else layout)
    for group in groups:
        data = np.full(SHAPE, int(group) if group.isdecimal() else 99, np.uint16)
        store(path / group, data=data, version=version, axes=[{"name": a} for a in "zyx"])
    ome = root.create_group("OME")
    if series is not None:
        ome.attrs.update({"ome": {"series": series}} if version == "0.5" else {"series": series})
    xml = '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
    (path / "OME/METADATA.ome.xml").write_text(xml + "".join(entries) + "</OME>")
    return path


ONE, THREE = entry("Image:1", 0.1), entry("Image:3", 0.3)
FIRST, SECOND = entry("Image:0", 0.1), entry("Image:1", 0.3)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize(
    ("series", "entries"),
    [
        (["1", "3"], [ONE, THREE]),
        (["1", "3"], [THREE, ONE]),  # identifiers that name groups go before the order
        (["3", "1"], [THREE, ONE]),
        (["1", "3"], [FIRST, SECOND]),  # identifiers that only count
        (["3", "1"], [SECOND.replace("Image:1", "Image:0"), FIRST.replace("Image:0", "Image:1")]),
        (None, [ONE, THREE]),
        (None, [THREE, ONE]),
        (["1", "3"], [entry(f"Image:{i}", i / 10) for i in range(5)]),
        (None, [entry(f"Image:{i}", i / 10) for i in range(5)]),
    ],
)
def test_metadata_go_with_their_own_group(
    tmp_path: Path, series: Any, entries: list[str], version: str
) -> None:
    path = several(tmp_path / "a.zarr", ["1", "3"], entries, series, version)
    for scene, group in enumerate(series or ["1", "3"]):
        image = read_image(path, scene=scene)
        assert image.data.max() == int(group)
        assert image.meta.scale == {"X": (int(group) / 10, "µm")}
        assert len(image.meta.channels) == 1
        assert f"group {group}" in remarks(image, "2 images")
    with pytest.raises(InputError, match=r"groups (1, 3|3, 1)"):
        read_image(path, scene=2)


@pytest.mark.parametrize(
    ("groups", "series", "entries"),
    [
        (["1", "3"], None, [FIRST, SECOND]),  # renumbered or not? nothing says so
        (["a", "b"], ["a"], [ONE, THREE]),
        (["0", "1"], ["0", "1"], [entry("Image:0", 1, size=7), entry("Image:1", 1, size=8)]),
        (["0"], None, ["<Image"]),
        (["0"], None, ["<!-- no image -->"]),
    ],
)
def test_metadata_of_no_known_image_are_not_used(
    tmp_path: Path, groups: list[str], series: Any, entries: list[str]
) -> None:
    image = read_image(several(tmp_path / "a.zarr", groups, entries, series))
    assert (image.meta.scale, image.meta.channels, image.meta.ome_xml) == ({}, (), None)
    assert remarks(image, "METADATA.ome.xml was not used")


def test_groups_that_are_named_otherwise(tmp_path: Path) -> None:
    path = several(tmp_path / "a.zarr", ["liver", "lung"], [FIRST, SECOND], ["lung", "liver"])
    assert read_image(path, scene=1).meta.scale == {"X": (0.3, "µm")}
    assert "liver" in remarks(read_image(path, scene=1), "2 images")
    alone = several(tmp_path / "b.zarr", ["5"], [THREE])
    assert read_image(alone).meta.name == "img3"
    assert read_image(alone).remarks == ()


@pytest.mark.parametrize("series", [["1", "7"], ["../a"], ["/1"], "1", [], [3], [""]])
def test_a_series_list_that_is_wrong(tmp_path: Path, series: Any) -> None:
    path = several(tmp_path / "a.zarr", ["1", "3"], [ONE, THREE], series)
    with pytest.raises(InputError, match="series"):
        read_image(path, scene=1 if series == ["1", "7"] else 0)


@given(st.permutations(["Image:0", "Image:1", "Image:2", "Image:7"]), st.booleans())
def test_a_group_never_gets_an_image_of_another_number(ids: list[str], listed: bool) -> None:
    paths = [ident.removeprefix("Image:") for ident in sorted(ids)]
    for index, path in enumerate(paths):
        number = image_of_group(ids, paths, index, listed=listed)
        assert number is not None
        assert ids[number] == f"Image:{path}"


def test_several_multiscales_and_channels_that_do_not_fit(tmp_path: Path) -> None:
    path = store(tmp_path / "a.zarr")
    group = zarr.open_group(path)
    images = group.attrs["multiscales"]
    omero = {"channels": [{"label": "a"}, {"label": "b"}]}
    group.attrs.update(
        {"multiscales": [*images, {**images[0], "name": "denoised"}], "omero": omero}
    )
    image = read_image(path, scene=1)
    assert "denoised" in remarks(image, "2 images")
    assert "2 channels" in remarks(image, "omero")


# ---------------------------------------------------------------- ZIP


def pack(folder: Path, path: Path, inside: str = "", method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, inside + file.relative_to(folder).as_posix())
    return path


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("inside", ["", "a.zarr/", "data/deep/a.zarr/"])
@pytest.mark.parametrize("version", ["0.4", "0.5", "series", "plain"])
def test_a_zipped_store(tmp_path: Path, version: str, inside: str, method: int) -> None:
    folder = tmp_path / "a.zarr"
    if version == "plain":
        zarr.create_array(folder, data=STACK, dimension_names=list("zyx"), shards=(3, 16, 20),
                          chunks=(1, 8, 20))  # fmt: skip
    elif version == "series":
        several(folder, ["1", "3"], [ONE, THREE], ["1", "3"])
    else:
        store(folder, version=version, scale=scaled(0.5, 0.1, 0.1))
    path = pack(folder, tmp_path / "a.ome.zarr.zip", inside, method)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("README.txt", "hello")
        archive.writestr("__MACOSX/a.zarr/._.zattrs", "x")
    assert detect(path) == "zarr-zip"
    wanted, image = read_image(folder), read_image(path)
    np.testing.assert_array_equal(image.data, wanted.data)
    assert (image.axes, image.meta, image.remarks) == (wanted.axes, wanted.meta, wanted.remarks)


def test_roots_of_zip_files() -> None:
    assert store_roots([".zgroup", "0/.zarray"]) == [""]
    assert store_roots(["a/zarr.json", "a/0/zarr.json", "b.txt"]) == ["a"]
    assert store_roots(["a/zarr.json", "b/zarr.json"]) == ["a", "b"]
    assert store_roots(["a.npy"]) == []


def _several(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("a/.zgroup", "b/.zgroup"):
            archive.writestr(name, '{"zarr_format": 2}')


def _encrypted(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(".zgroup", '{"zarr_format": 2}')
    data = bytearray(path.read_bytes())
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + at] |= 1
    path.write_bytes(data)


def _bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(".zgroup", '{"zarr_format": 2}' + " " * (17 << 20))


def _chunk_bomb(path: Path) -> None:
    folder = path.parent / "bomb.zarr"
    zarr.create_array(folder, data=STACK[0], zarr_format=2)
    (folder / "0.0").write_bytes(b"\0" * (18 << 20))
    pack(folder, path)


def _other(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("one.tif", "II*")
        archive.writestr("two.tif", "II*")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (_several, "several Zarr stores.*a, b"),
        (_encrypted, "encrypted"),
        (_bomb, "larger than it can be"),
        (_chunk_bomb, "larger than it can be.*0.0"),
        (_other, "neither a Zarr store nor an array.*one.tif, two.tif"),
    ],
)
def test_zip_files_that_are_refused(
    tmp_path: Path, make: Callable[[Path], None], said: str
) -> None:
    path = tmp_path / "a.zarr.zip"
    make(path)
    with pytest.raises(InputError, match=said):
        read_image(path, axes="YX")


def test_damaged_zip_files_are_one_error(tmp_path: Path) -> None:
    path = pack(store(tmp_path / "a.zarr"), tmp_path / "a.zip")
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for length in range(4, len(whole), len(whole) // 8):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError):
            read_image(path)
    for _ in range(60):
        damaged = bytearray(whole)
        for at in rng.integers(0, len(whole), 3):
            damaged[at] = int(rng.integers(0, 256))
        path.write_bytes(damaged)
        with contextlib.suppress(InifError):
            read_image(path)
