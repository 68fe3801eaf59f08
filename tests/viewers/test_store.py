"""A store with inif chunks in readers of OME-Zarr that know nothing of inif but its codec."""

from __future__ import annotations

from pathlib import Path

import dask.array as da
import numpy as np
import pytest

import inif

SHAPE = (2, 12, 96, 80)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    z, y, x = np.indices(SHAPE[1:])
    ramp = 200 * z + 40 * y + 30 * x
    data = np.stack([ramp, 9000 - ramp]).clip(0).astype(np.uint16)
    path = tmp_path_factory.mktemp("store") / "a.ome.zarr"
    inif.to_zarr(da.from_array(data), path, axes="CZYX", max_error=20)
    return path


def plane(store: Path) -> np.ndarray:
    """As zarr itself decodes it."""
    import zarr

    found = zarr.open_group(str(store), mode="r")["0"]
    assert isinstance(found, zarr.Array)
    return np.asarray(found[1, 5])


def test_bioio(store: Path) -> None:
    reader = pytest.importorskip("bioio_ome_zarr").Reader(str(store))
    found = reader.get_image_dask_data("YX", C=1, Z=5).compute()
    np.testing.assert_array_equal(found, plane(store))


def test_napari_ome_zarr(store: Path) -> None:
    reader = pytest.importorskip("napari_ome_zarr").napari_get_reader(str(store))
    layers = reader(str(store))
    levels = layers[0][0]
    first = levels[0] if isinstance(levels, list) else levels
    np.testing.assert_array_equal(np.asarray(first[1, 5]), plane(store))
