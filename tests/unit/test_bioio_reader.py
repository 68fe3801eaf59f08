"""bioio opens .inif files like all others."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
import pytest

import inif
from inif.errors import FormatError, InifError
from inif.image import Channel, Metadata

pytest.importorskip("bioio")

from bioio_base import exceptions
from bioio_base.test_utilities import check_local_file_not_open, run_image_file_checks
from fsspec.implementations.local import LocalFileSystem
from ome_types import OME

from bioio_inif import Reader, ReaderMetadata
from bioio_inif.source import Ranges

META = Metadata(
    "cells",
    {"T": (500.0, "ms"), "Z": (500.0, "nm"), "Y": (0.1, "µm"), "X": (0.1, "µm")},
    (Channel("DNA"), Channel(None)),
)
SHAPE = (2, 2, 4, 300, 20)


@pytest.fixture(scope="module")
def path(random_file: Callable[..., bytes], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of all five axes and two levels."""
    path = tmp_path_factory.mktemp("bioio") / "cells.inif"
    path.write_bytes(random_file("TCZYX", SHAPE, width=5, meta=META))
    return path


@pytest.fixture(scope="module")
def plain(random_file: Callable[..., bytes], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stack of which nothing is said."""
    path = tmp_path_factory.mktemp("bioio") / "plain.inif"
    path.write_bytes(random_file("ZYX", (4, 20, 24), "uint8"))
    return path


@pytest.mark.parametrize("level", [0, 1])
def test_it_is_a_reader_by_the_checks_of_bioio(path: Path, level: int) -> None:
    step = 0.1 * 2**level
    run_image_file_checks(
        Reader,
        path,
        set_scene="Image:0",
        expected_scenes=("Image:0",),
        expected_current_scene="Image:0",
        set_resolution_level=level,
        expected_current_resolution_level=level,
        expected_resolution_levels=(0, 1),
        expected_shape=(2, 2, 4, 300 >> level, 20 >> level),
        expected_dtype=np.dtype("uint16"),
        expected_dims_order="TCZYX",
        expected_channel_names=["DNA", "Channel:0:1"],
        expected_physical_pixel_sizes=(0.5, step, step),
        expected_metadata_type=OME,
        reader_kwargs={},
    )


def test_so_is_a_stack_of_which_nothing_is_said(plain: Path) -> None:
    run_image_file_checks(
        Reader,
        plain,
        set_scene="Image:0",
        expected_scenes=("Image:0",),
        expected_current_scene="Image:0",
        expected_shape=(4, 20, 24),
        expected_dtype=np.dtype("uint8"),
        expected_dims_order="ZYX",
        expected_channel_names=None,
        expected_physical_pixel_sizes=(None, None, None),
        expected_metadata_type=OME,
        reader_kwargs={},
    )


def test_bioimage_opens_it(path: Path) -> None:
    if "bioinif" not in entry_points(group="bioio.readers").names:
        pytest.skip("inif was installed before it was a reader of bioio: install it again")
    from bioio import BioImage

    image = run_image_file_checks(
        BioImage,
        path,
        set_scene="Image:0",
        expected_scenes=("Image:0",),
        expected_current_scene="Image:0",
        expected_resolution_levels=(0, 1),
        expected_shape=SHAPE,
        expected_dtype=np.dtype("uint16"),
        expected_dims_order="TCZYX",
        expected_channel_names=["DNA", "Channel:0:1"],
        expected_physical_pixel_sizes=(0.5, 0.1, 0.1),
        expected_metadata_type=OME,
        reader_kwargs={},
    )
    assert isinstance(image.reader, Reader)


def test_samples_coordinates_and_units(path: Path) -> None:
    reader = Reader(path)
    with inif.open(path) as file:
        whole = np.asarray(file)
    part = reader.get_image_data("CZX", T=1, C=[1, 0], Z=[0, 3], Y=7)
    np.testing.assert_array_equal(part, whole[1, ::-1][:, [0, 3], 7])
    assert reader._xarray_data is None, "a part is read alone"
    assert reader.xarray_dask_data.chunks is not None
    for array in (reader.xarray_dask_data, reader.xarray_data):
        np.testing.assert_array_equal(array, whole)
        np.testing.assert_allclose(array.Z, np.arange(4) * 0.5)
        assert array.Z.attrs == {"units": "µm"}
        assert array["T"].values.tolist() == [0, 0.5]
        assert array.attrs["unprocessed"].startswith("<")
    np.testing.assert_array_equal(reader.get_image_data("ZYX", T=1, C=1), whole[1, 1])
    assert reader.time_interval == timedelta(seconds=0.5)
    assert tuple(reader.scale) == (0.5, None, 0.5, 0.1, 0.1)
    kinds = [(p.type, str(p.unit)) for p in reader.dimension_properties]
    space = ("space", "micrometer")
    assert kinds == [("time", "second"), ("channel", "None"), space, space, space]
    assert reader.ome_metadata.images[0].name == "cells"
    assert reader.standard_metadata.pixel_size_z == 0.5


def test_units_that_bioio_does_not_know(random_file: Callable[..., bytes], tmp_path: Path) -> None:
    scale = {"T": (3.0, "frame"), "Z": (1.0, "9**9**9"), "Y": (2.0, "pixel"), "X": (2.0, None)}
    data = random_file("TZYX", (2, 2, 9, 8), meta=Metadata(scale=scale))
    (tmp_path / "a.inif").write_bytes(data)
    reader = Reader(tmp_path / "a.inif")
    assert reader.physical_pixel_sizes == (1.0, 2.0, 2.0)
    assert reader.time_interval is None
    said = reader.dimension_properties
    assert [str(p.unit) for p in said] == ["None", "None", "None", "pixel", "None"]
    assert said.Z.type == said.X.type == "space"


def test_no_handle_stays_open(path: Path) -> None:
    reader = Reader(path)
    delayed = reader.xarray_dask_data
    check_local_file_not_open(reader)
    assert delayed[0, 0, 0].compute().shape == SHAPE[-2:]
    check_local_file_not_open(reader)


def test_files_of_other_file_systems(path: Path) -> None:
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.pipe("/cells.inif", path.read_bytes())
    reader = Reader("memory:///cells.inif")
    np.testing.assert_array_equal(reader.data, Reader(path).data)
    memory.rm("/cells.inif")


def test_a_server_that_sends_whole_files_alone(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = path.read_bytes()
    monkeypatch.setattr(LocalFileSystem, "cat_file", lambda *_, **__: 9 * whole)
    with pytest.raises(FormatError, match="does not send parts"):
        Reader(path)


def test_what_is_no_file_of_ours(tmp_path: Path, path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Reader(tmp_path / "none.inif")
    (tmp_path / "a.inif").write_bytes(b"II*\0")
    with pytest.raises(exceptions.UnsupportedFileFormatError):
        Reader(tmp_path / "a.inif")
    (tmp_path / "a.inif").write_bytes(path.read_bytes()[:100])
    with pytest.raises(FormatError, match=r"a\.inif"):
        Reader(tmp_path / "a.inif")


def test_a_file_that_goes_away(path: Path, tmp_path: Path) -> None:
    short = tmp_path / "a.inif"
    short.write_bytes(path.read_bytes())
    reader = Reader(short)
    source = Ranges.of(reader._fs, str(short))
    short.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(FormatError, match="truncated"):
        source.read(4900, 200)
    assert source.read(10**9, 0) == b""
    short.unlink()
    with pytest.raises(InifError, match="cannot be read"):
        source.read(0, 10)
    with pytest.raises(InifError, match="cannot be read"):
        Ranges.of(reader._fs, str(short))


def test_metadata_that_ome_types_cannot_read(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(inif.File, "ome", "<OME>")
    reader = Reader(path)
    assert reader.metadata == "<OME>"
    assert re.search(r"OME metadata of .*cells\.inif", caplog.text)


def test_bioio_asks_for_the_extension_alone(path: Path) -> None:
    assert ReaderMetadata.get_supported_extensions() == [".inif"]
    code = f"""
import sys, bioio_base
import bioio_inif
assert "inif" not in sys.modules, "asking which files are read loads inif"
reader = bioio_inif.ReaderMetadata.get_reader()
reader({str(path)!r}).get_image_data("YX")
assert "jax" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_nothing_else_is_in_the_package() -> None:
    import bioio_inif

    with pytest.raises(AttributeError):
        bioio_inif.nothing  # noqa: B018
