"""An open file: whatever is asked for has the bits that the whole decode has."""

from __future__ import annotations

import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

import inif
from inif.axes import select, select_named
from inif.container.writer import Section
from inif.errors import FormatError, SelectionError
from inif.image import Channel, Metadata

pytestmark = pytest.mark.numerical

META = Metadata(
    name="cells",
    scale={"Z": (0.5, "µm"), "Y": (0.1, "µm"), "X": (0.2, "µm"), "T": (3.0, "s")},
    channels=(Channel("DNA", "#0000FF"), Channel("actin", "#00FF00")),
)
KINDS: dict[str, dict[str, Any]] = {
    "X": {"axes": "X", "shape": (37,), "dtype": "uint8", "brick": (10,)},
    "YX": {"axes": "YX", "shape": (19, 23), "dtype": "int16", "brick": (19, 8)},
    "ZYX": {"axes": "ZYX", "shape": (5, 18, 21), "dtype": "uint16", "brick": (3, 9, 21)},
    "ZYX-float": {"axes": "ZYX", "shape": (1, 18, 21), "dtype": "float32"},
    "CYX": {"axes": "CYX", "shape": (2, 17, 20), "dtype": "uint8", "brick": (2, 10, 10)},
    "YXC": {"axes": "YXC", "shape": (9, 12, 2), "channels": "coordinate", "brick": (9, 6, 1)},
    "TCZYX": {"axes": "TCZYX", "shape": (2, 2, 3, 8, 9), "brick": (1, 2, 3, 8, 5)},
    "C": {"axes": "C", "shape": (6,), "dtype": "float32"},
}


@pytest.fixture(scope="module")
def files(random_file: Callable[..., bytes]) -> dict[str, tuple[inif.File, np.ndarray]]:
    def meta(axes: str) -> Metadata:
        scale = {a: step for a, step in META.scale.items() if a in axes}
        fits = (
            KINDS[axes]["shape"][axes.index("C")] == 2 if axes in KINDS and "C" in axes else False
        )
        return Metadata(META.name, scale, META.channels if fits else ())

    opened = {k: inif.open(random_file(**o, meta=meta(o["axes"]))) for k, o in KINDS.items()}
    return {k: (f, np.asarray(f)) for k, f in opened.items()}


@pytest.fixture(params=KINDS)
def both(request: pytest.FixtureRequest, files: Any) -> tuple[inif.File, np.ndarray]:
    return files[request.param]


def test_facts(both: tuple[inif.File, np.ndarray]) -> None:
    file, whole = both
    assert (file.shape, file.dtype, file.ndim, file.size) == (
        whole.shape, whole.dtype, whole.ndim, whole.size
    )  # fmt: skip
    assert len(file) == whole.shape[0]
    assert file.raw_bytes == whole.nbytes
    assert file.ratio == file.raw_bytes / file.file_bytes
    assert file.axes in repr(file)
    assert len(np.unique(whole)) > 3


@settings(max_examples=60)
@given(data=st.data(), kind=st.sampled_from(list(KINDS)))
def test_a_slice_has_the_bits_of_the_whole(
    files: dict[str, tuple[inif.File, np.ndarray]], data: st.DataObject, kind: str
) -> None:
    file, whole = files[kind]
    key = tuple(data.draw(st.slices(n) | st.integers(-n, n - 1)) for n in whole.shape[: file.ndim])
    got = file[key]
    assert np.shape(got) == whole[key].shape
    assert np.asarray(got).dtype == whole.dtype
    np.testing.assert_array_equal(got, whole[key])


def test_ellipsis_and_fewer_indices(both: tuple[inif.File, np.ndarray]) -> None:
    file, whole = both
    np.testing.assert_array_equal(file[...], whole)
    np.testing.assert_array_equal(file[0], whole[0])
    np.testing.assert_array_equal(file[..., ::4], whole[..., ::4])
    np.testing.assert_array_equal(file[..., -1], whole[..., -1])
    one = file[(0,) * file.ndim]
    assert isinstance(one, np.generic)
    assert one == whole[(0,) * file.ndim]


def test_as_an_array(both: tuple[inif.File, np.ndarray]) -> None:
    file, whole = both
    as_double = np.asarray(file, dtype=np.float64)
    assert as_double.dtype == np.float64
    np.testing.assert_array_equal(as_double, whole)
    assert np.array(file).sum() == whole.sum()
    with pytest.raises(ValueError, match="new array"):
        np.asarray(file, copy=False)


def test_iterating(files: Any) -> None:
    file, whole = files["ZYX"]
    np.testing.assert_array_equal(np.stack(list(file)), whole)


def test_by_name(files: Any) -> None:
    file, whole = files["TCZYX"]
    assert file.channels == ["DNA", "actin"]
    np.testing.assert_array_equal(file.sel(c="actin"), whole[:, 1])
    np.testing.assert_array_equal(file.sel(Z=2, c="DNA", y=slice(0, 6, 2)), whole[:, 0, 2, 0:6:2])
    np.testing.assert_array_equal(file.sel(), whole)
    for wrong in ({"c": "GFP"}, {"q": 1}, {"z": 3}, {"z": "DNA"}, {"c": 2}):
        with pytest.raises(SelectionError):
            file.sel(**wrong)


def test_channels_without_names(random_file: Callable[..., bytes], files: Any) -> None:
    with inif.open(random_file("CYX", (3, 8, 8))) as file:
        assert file.channels == [None] * 3
    assert files["ZYX"][0].channels == []


def test_points_at_samples_round_to_the_samples(both: tuple[inif.File, np.ndarray]) -> None:
    file, whole = both
    where = np.argwhere(np.ones(whole.shape, bool))
    got = file.points(where)
    assert (got.dtype, got.shape) == (np.float32, (whole.size,))
    rounded = got if whole.dtype.kind == "f" else np.rint(got)
    np.testing.assert_array_equal(rounded.astype(whole.dtype), whole.ravel())
    one = file.points(where[3:4].tolist())
    assert one[0] == got[3]


def test_points_between_samples(files: Any) -> None:
    file, whole = files["ZYX"]
    rng = np.random.default_rng(0)
    where = rng.uniform(0, np.array(whole.shape) - 1, (200, 3))
    got = file.points(where)
    assert len(np.unique(got - np.rint(got))) > 100
    near = file.points(where + np.where(where < 1, 1e-4, -1e-4))
    assert np.median(np.abs(near - got)) < 5
    np.testing.assert_array_equal(file.points(where[::-1]), got[::-1])
    assert file.points(np.zeros((0, 3))).shape == (0,)


@pytest.mark.parametrize(
    "coords",
    [
        [0, 0, 0],
        [[0, 0]],
        [[0, 0, 0, 0]],
        [[5, 0, 0]],
        [[0, 0, -0.1]],
        [[0, 0, 20.5]],
        [[0, np.nan, 0]],
        [[0, np.inf, 0]],
    ],
    ids=repr,
)
def test_bad_points(files: Any, coords: Any) -> None:
    with pytest.raises(SelectionError):
        files["ZYX"][0].points(coords)


def test_nothing_lies_between_channels(files: Any) -> None:
    for kind in ("CYX", "YXC"):
        file = files[kind][0]
        where = np.where(np.array(list(file.axes)) == "C", 0.5, 0.0)
        with pytest.raises(SelectionError, match="channel"):
            file.points([where])


def test_masks(both: tuple[inif.File, np.ndarray]) -> None:
    file, whole = both
    full = np.random.default_rng(0).random(whole.shape) < 0.3
    np.testing.assert_array_equal(file.mask(full), whole[full])
    trailing = full[0] if full.ndim > 1 else full
    expected = whole[np.broadcast_to(trailing, whole.shape)]
    np.testing.assert_array_equal(file.mask(trailing), expected)
    nothing = file.mask(np.zeros(whole.shape, bool))
    assert (nothing.dtype, nothing.shape) == (whole.dtype, (0,))


@pytest.mark.parametrize(
    "mask",
    [np.ones((5, 18, 20), bool), np.ones((5, 18), bool), np.ones((5, 18, 21)), [[True]]],
    ids=lambda m: str(np.shape(m)),
)
def test_bad_masks(files: Any, mask: Any) -> None:
    with pytest.raises(SelectionError, match=r"5, 18, 21"):
        files["ZYX"][0].mask(mask)


def test_previews(files: Any) -> None:
    file, whole = files["ZYX"]
    np.testing.assert_array_equal(file.preview(), whole)
    np.testing.assert_array_equal(file.preview(7), whole[:, ::3, ::3])
    with pytest.raises(SelectionError):
        file.preview(0)


def test_an_image_keeps_what_fits_its_selection(files: Any) -> None:
    file, whole = files["TCZYX"]
    image = file.to_image()
    assert (image.axes, image.meta.scale) == ("TCZYX", META.scale)
    np.testing.assert_array_equal(image.data, whole)

    names = {"c": 1, "z": 2, "y": slice(None, None, 3)}
    image = file.to_image(select_named(names, file.axes, file.shape))
    assert image.axes == "TYX"
    assert image.meta.scale == {
        "T": (3.0, "s"),
        "Y": (pytest.approx(0.3), "µm"),
        "X": (0.2, "µm"),
    }
    assert image.meta.channels == (META.channels[1],)
    np.testing.assert_array_equal(image.data, whole[:, 1, 2, ::3])

    image = file.to_image(select((0, slice(None, None, -1)), file.shape))
    assert image.meta.channels == META.channels[::-1]
    image = file.to_image(select((0, 0, 0, 0, 0), file.shape))
    assert image.data.shape == (1,)
    assert image.data[0] == whole[0, 0, 0, 0, 0]


def test_ome_is_written_from_the_metadata(files: Any) -> None:
    text = files["TCZYX"][0].ome
    for part in ("<OME", 'SizeX="9"', 'SizeC="2"', 'PhysicalSizeX="0.2"', "DNA"):
        assert part in text


def test_the_source_s_own_ome_is_kept(random_file: Callable[..., bytes], tmp_path: Path) -> None:
    from tifffile import OmeXml

    own = OmeXml()
    own.addimage("uint16", (4, 6), (1, 1, 1, 4, 6, 1), axes="YX", Name="kept by its owner")
    section = Section(b"OMEX", zlib.compress(own.tostring().encode()))
    with inif.open(random_file("YX", (4, 6), extra=(section,))) as file:
        assert "kept by its owner" in file.ome
        assert "kept by its owner" in (file.to_image().meta.ome_xml or "")
    for bad in (b"no zlib", zlib.compress(b"\xff\xfe"), zlib.compress(b"<OME/>")[:-4]):
        with (
            inif.open(random_file("YX", (4, 6), extra=(Section(b"OMEX", bad),))) as file,
            pytest.raises(FormatError, match="OMEX"),
        ):
            _ = file.ome
        assert np.asarray(inif.open(random_file("YX", (4, 6)))).shape == (4, 6)


def test_an_ome_bomb_is_not_inflated(random_file: Callable[..., bytes]) -> None:
    bomb = zlib.compress(bytes(64 << 20), 9)
    with (
        inif.open(random_file("YX", (4, 6), extra=(Section(b"OMEX", bomb),))) as file,
        pytest.raises(FormatError, match="OMEX"),
    ):
        _ = file.ome


def test_from_path_bytes_and_file_object(random_file: Callable[..., bytes], tmp_path: Path) -> None:
    data = random_file("YX", (9, 8))
    path = tmp_path / "a.inif"
    path.write_bytes(data)
    wanted = np.asarray(inif.open(data))
    with inif.open(path) as file, open(path, "rb") as handle, inif.open(handle) as other:
        np.testing.assert_array_equal(file, wanted)
        np.testing.assert_array_equal(other, wanted)
        assert str(path) in file.name


def test_bricks_may_not_cut_channels_that_are_outputs(random_file: Callable[..., bytes]) -> None:
    with pytest.raises(FormatError, match="brick"):
        random_file("CYX", (4, 8, 8), brick=(2, 8, 8))


def test_a_missing_brick_is_named(random_file: Callable[..., bytes]) -> None:
    from inif.container import pack as pack_file

    with inif.open(random_file("YX", (8, 8), brick=(8, 4))) as file:
        parts = [Section(b"QWTS", file.container.read(file.container.require(b"QWTS", 0)), 0)]
        header = file.header
        left = file[:, :4]
    with inif.open(pack_file(header, parts)) as file:
        np.testing.assert_array_equal(file[:, :4], left)
        with pytest.raises(FormatError, match="brick 1"):
            file[:, 4:]


def test_decoding_never_imports_the_encoder(
    random_file: Callable[..., bytes], tmp_path: Path
) -> None:
    path = tmp_path / "a.inif"
    path.write_bytes(random_file("CZYX", (2, 3, 8, 8)))
    script = (
        "import sys\nimport inif\n"
        "assert not {'numpy', 'jax', 'zarr'} & set(sys.modules)\n"
        f"path = {str(path)!r}\n"
        "inif.inspect(path)\n"
        "f = inif.open(path)\n"
        "f[0, 1]; f.points([[0, 0, 0.5, 0]]); f.preview(); f[...]; inif.verify(path); f.ome\n"
        "heavy = {'jax', 'jaxlib', 'equinox', 'optax', 'inif.encode', 'inif.optim'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
