"""Every development image keeps shape, type, axes and metadata from file to file, at an exact size.

Crops and networks of random weights stand for whole images and fits: quality is the benchmarks'.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import inif
from inif.image import Image
from inif.io import read_image, write_image

LONGEST = {"T": 3, "Z": 8, "Y": 96, "X": 80}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::inif.errors.RemarkWarning")
@pytest.mark.usefixtures("unfitted")
def test_round_trip(data_dir: Path, tmp_path: Path) -> None:
    paths = sorted(data_dir.glob("*.tif"))
    assert paths, f"no TIFF image in {data_dir}"
    for path in paths:
        whole = read_image(path)
        crop = tuple(slice(LONGEST.get(a)) for a in whole.axes)
        image = Image(np.ascontiguousarray(whole.data[crop]), whole.axes, whole.meta, path.name)
        ratio = image.raw_bytes / 6000
        with inif.compress(
            image, out=tmp_path / f"{path.name}.inif", ratio=ratio, effort=1
        ) as file:
            exact = file.header["lossy"]["psnr"] is None  # then the file may be smaller
            assert ratio <= file.ratio, path.name
            assert exact or file.ratio <= 1.01 * ratio, path.name
            for suffix in (".ome.tif", ".ome.zarr"):
                target = tmp_path / f"{path.name}{suffix}"
                write_image(file.to_image(), target)
                same(image, np.asarray(file), target)


def same(image: Image, decoded: np.ndarray, target: Path) -> None:
    """A file written from a decoded image holds its samples, and the original's metadata."""
    back, axes, name = read_image(target), image.axes, target.name
    if target.suffix == ".zarr":  # which fixes the order of its axes
        axes = "".join(a for a in "TCZYX" if a in axes)
        decoded = decoded.transpose([image.axes.index(a) for a in axes])
    assert back.axes == axes, name
    assert back.data.dtype == image.data.dtype, name
    assert np.array_equal(back.data, decoded), name
    assert back.meta.to_json() == image.meta.to_json(), name
