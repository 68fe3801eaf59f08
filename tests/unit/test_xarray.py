"""xarray opens .inif files, and decodes of them what is asked for."""

from __future__ import annotations

import gc
import io
import pickle
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

import inif
from inif.axes import Selection
from inif.container.reader import Container
from inif.errors import InifError, MissingExtraError, SelectionError
from inif.image import Channel, Metadata

xr = pytest.importorskip("xarray")

from inif.decode.xarrays import coordinates_of, dataarray_of, read_outer  # noqa: E402
from inif.xarray import InifBackend  # noqa: E402

AXES, SHAPE = "CZYX", (2, 6, 20, 24)
META = Metadata(
    "cells",
    {"Z": (0.5, "µm"), "Y": (0.1, "µm"), "X": (0.25, None)},
    (Channel("DNA"), Channel(None)),
)


@pytest.fixture(scope="module")
def data(random_file: Callable[..., bytes]) -> bytes:
    return random_file(AXES, SHAPE, brick=(2, 3, 20, 24), meta=META)


@pytest.fixture(scope="module")
def whole(data: bytes) -> Any:
    with inif.open(data) as file:
        return xr.DataArray(np.asarray(file), dims=tuple(AXES))


@pytest.fixture
def path(data: bytes, tmp_path: Path) -> Path:
    path = tmp_path / "cells.inif"
    path.write_bytes(data)
    return path


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[tuple[range, ...]]:
    """What is decoded, as it is decoded."""
    seen: list[tuple[range, ...]] = []
    real = inif.File.read

    def spy(self: inif.File, selection: Selection) -> Any:
        seen.append(selection.ranges)
        return real(self, selection)

    monkeypatch.setattr(inif.File, "read", spy)
    return seen


def test_a_file_says_what_its_axes_are(path: Path, whole: Any) -> None:
    with inif.open(path) as file:
        array = file.to_xarray()
        assert array.dims == tuple(AXES)
        assert (array.shape, array.dtype) == (SHAPE, whole.dtype)
        np.testing.assert_allclose(array.Z, np.arange(6) * 0.5)
        np.testing.assert_allclose(array.Y, np.arange(20) * 0.1)
        assert [array[a].attrs for a in "ZYX"] == [{"units": "µm"}, {"units": "µm"}, {}]
        assert array.C.values.tolist() == ["DNA", "1"]
        assert array.attrs["name"] == "cells"
        assert array.attrs["ratio"] == file.ratio
        np.testing.assert_array_equal(array.sel(C="DNA").sel(Z=1.6, method="nearest"), file[0, 3])
        np.testing.assert_array_equal(array, whole)


def test_what_is_not_known_is_not_made_up(random_file: Callable[..., bytes]) -> None:
    with inif.open(random_file("TCYX", (2, 2, 9, 8))) as file:
        array = file.to_xarray()
    assert not array.coords
    assert set(array.attrs) >= {"ratio"}
    assert "name" not in array.attrs


def test_coordinates_take_no_memory_that_a_file_can_choose() -> None:
    found = coordinates_of("CYX", (2, 1 << 40, 8), META)
    assert found.keys() == {"C", "X"}


def test_only_what_is_asked_for_is_decoded(path: Path, read: list[tuple[range, ...]]) -> None:
    with xr.open_dataset(path, engine=InifBackend) as dataset:
        part = dataset.image.isel(Z=[0, 4, 5], Y=slice(2, 8), X=[3, 7])
        assert not read
        assert part.values.shape == (2, 3, 6, 2)
    assert [r[1] for r in read] == [range(1), range(4, 6)]
    assert {r[2:] for r in read} == {(range(2, 8), range(3, 8))}


@st.composite
def indexers(draw: st.DrawFn) -> dict[str, Any]:
    """For some axes an integer, a slice, or an array of whole numbers in any order."""
    found: dict[str, Any] = {}
    for axis, n in zip(AXES, SHAPE, strict=True):
        one = st.integers(-n, n - 1)
        # xarray itself fails on lazy arrays where a slice with a negative step is empty.
        slices = st.slices(n).filter(lambda s, n=n: (s.step or 1) > 0 or range(n)[s])
        kinds = st.one_of(st.none(), one, slices, st.lists(one, max_size=4))
        if (pick := draw(kinds)) is not None:
            found[axis] = pick
    return found


@given(picks=indexers())
def test_indices_of_each_axis(data: bytes, whole: Any, picks: dict[str, Any]) -> None:
    with inif.open(data) as file:
        np.testing.assert_array_equal(dataarray_of(file).isel(picks), whole.isel(picks))


@given(
    axes=st.sets(st.sampled_from(AXES), min_size=1),
    rows=st.lists(st.lists(st.integers(0, 10**6), min_size=4, max_size=4), min_size=1, max_size=5),
)
def test_points(data: bytes, whole: Any, axes: set[str], rows: list[list[int]]) -> None:
    places = np.array(rows) % SHAPE
    picks = {a: xr.DataArray(places[:, AXES.index(a)], dims="point") for a in sorted(axes)}
    with inif.open(data) as file:
        array = dataarray_of(file)
        xr.testing.assert_equal(array.isel(picks).drop_vars(array.coords), whole.isel(picks))
        again = array.isel(Y=slice(None, None, 2)).isel({"Z": picks.get("Z", 1), "Y": [3, 0]})
        np.testing.assert_array_equal(
            again, whole.isel(Y=slice(None, None, 2)).isel({"Z": picks.get("Z", 1), "Y": [3, 0]})
        )


def test_points_far_apart_do_not_decode_what_lies_between(
    path: Path, whole: Any, read: list[tuple[range, ...]]
) -> None:
    places = {a: xr.DataArray([0, n - 1], dims="point") for a, n in zip(AXES, SHAPE, strict=True)}
    with xr.open_dataset(path, engine=InifBackend) as dataset:
        np.testing.assert_array_equal(dataset.image.isel(places), whole.isel(places))
    assert not read


def test_indices_outside_the_image(data: bytes) -> None:
    for index in ([6], [0, -7]):
        with inif.open(data) as file, pytest.raises(SelectionError, match="axis Z"):
            read_outer(file, (0, index, slice(None), slice(None)))
    with inif.open(data) as file, pytest.raises(IndexError):
        file.to_xarray().isel(Z=6).load()


def test_dask_arrays_in_chunks_of_planes(path: Path, whole: Any) -> None:
    pytest.importorskip("dask")
    with xr.open_dataset(path, engine=InifBackend, chunks={}) as dataset:
        assert dataset.image.chunks == ((1,) * 2, (1,) * 6, (20,), (24,))
        np.testing.assert_array_equal(dataset.image, whole)
        again = pickle.loads(pickle.dumps(dataset))
        np.testing.assert_array_equal(again.image.max("Z"), whole.max("Z"))
    with inif.open(path) as file:
        chunked = file.to_xarray().chunk(Z=2)
        np.testing.assert_array_equal(chunked.mean("Y"), whole.mean("Y"))


def test_the_file_is_closed_with_the_data_set_or_when_nobody_has_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[str] = []
    real = Container.close
    monkeypatch.setattr(Container, "close", lambda self: (closed.append(self.name), real(self)))
    with xr.open_dataset(path, engine=InifBackend) as dataset:
        dataset.image[0, 1].load()
        assert not closed
    assert closed == [str(path)]
    xr.open_dataset(path, engine=InifBackend).image[0, 1].load()
    del dataset
    gc.collect()
    assert len(closed) > 1


def test_variables_that_are_not_wanted(path: Path) -> None:
    with xr.open_dataset(path, engine=InifBackend, drop_variables=["Z", "nothing"]) as dataset:
        assert set(dataset.coords) == {"C", "Y", "X"}
    with xr.open_dataset(path, engine=InifBackend, drop_variables="C") as dataset:
        assert set(dataset.coords) == {"Z", "Y", "X"}


def test_a_data_set_can_be_written_elsewhere(path: Path, tmp_path: Path, whole: Any) -> None:
    with xr.open_dataset(path, engine=InifBackend) as dataset:
        target = tmp_path / "cells.zarr"
        dataset.to_zarr(target, zarr_format=2, consolidated=False)
        with xr.open_zarr(target, consolidated=False) as again:
            np.testing.assert_array_equal(again.image, whole)
            assert again.Z.attrs == {"units": "µm"}
            assert again.C.values.tolist() == ["DNA", "1"]
            assert again.image.attrs == dataset.image.attrs


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("a.inif", True),
        (Path("folder/A.INIF"), True),
        ("https://example.org/a.inif?signature=1.nc", True),
        ("a.nc", False),
        ("a.inif/", False),
        (b"\x89INIF\r\n\x1a and more", True),
        (memoryview(b"\x89INIF\r\n\x1a"), True),
        (b"CDF", False),
        (7, False),
    ],
)
def test_files_are_known_by_their_names_or_by_their_first_bytes(given: Any, expected: bool) -> None:
    assert InifBackend().guess_can_open(given) is expected


def test_a_file_object_is_left_where_it_was(data: bytes, whole: Any) -> None:
    file = io.BytesIO(data)
    file.seek(3)
    assert InifBackend().guess_can_open(file)
    assert file.tell() == 3
    assert not InifBackend().guess_can_open(io.BytesIO(b"CDF"))
    for source in (data, file):
        with xr.open_dataset(source, engine=InifBackend) as dataset:
            np.testing.assert_array_equal(dataset.image, whole)


def test_xarray_finds_the_engine_by_itself(path: Path, data: bytes, whole: Any) -> None:
    if "inif" not in entry_points(group="xarray.backends").names:
        pytest.skip("inif was installed before it was an engine of xarray: install it again")
    for source in (path, str(path), data):
        with xr.open_dataset(source) as dataset:
            np.testing.assert_array_equal(dataset.image, whole)
    with xr.open_dataarray(path) as array:
        assert array.name == "image"
        np.testing.assert_array_equal(array, whole)


def test_bad_files_are_one_error(path: Path, data: bytes) -> None:
    with pytest.raises(FileNotFoundError):
        xr.open_dataset(path.with_name("none.inif"), engine=InifBackend)
    path.write_bytes(data[:60])
    with pytest.raises(InifError, match=r"cells\.inif"):
        xr.open_dataset(path, engine=InifBackend)


def test_without_xarray(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xarray", None)
    with inif.open(data) as file, pytest.raises(MissingExtraError, match=r"bioinif\[xarray\]"):
        file.to_xarray()


def test_no_jax(path: Path) -> None:
    code = f"""
import sys, xarray
from inif.xarray import InifBackend
assert "inif.decode.file" not in sys.modules, "finding the engine loads the decoder"
xarray.open_dataset({str(path)!r}, engine=InifBackend).load()
assert "jax" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
