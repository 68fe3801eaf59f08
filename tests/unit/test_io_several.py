"""Files that hold several images: one is taken, and the user is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile

from inif.io import read_image
from inif.io.common import several_images

STACK = np.zeros((3, 16, 20), np.uint16)


def test_the_sentence() -> None:
    assert several_images(3, 1, "position 1") == (
        "this file holds 3 images, number 1 (“position 1”) was taken; --series N takes another"
    )
    assert "number 0 was taken" in several_images(2, 0)
    long = several_images(2, 0, "a\nb\x00" + 500 * "c")
    assert long.isprintable()
    assert len(long) < 160


def positions(path: Path, count: int) -> Path:
    with tifffile.TiffWriter(path, ome=True) as tif:
        for i in range(count):
            metadata = {"axes": "ZYX", "Name": f"position {i}"}
            tif.write(STACK + np.uint16(i), metadata=metadata, photometric="minisblack")
    return path


def test_ome_tiff_of_several_positions(tmp_path: Path) -> None:
    path = positions(tmp_path / "a.ome.tif", 3)
    for scene in range(3):
        image = read_image(path, scene=scene)
        assert image.remarks == (several_images(3, scene, f"position {scene}"),)
        assert image.data[0, 0, 0] == scene
    assert read_image(positions(tmp_path / "b.ome.tif", 1)).remarks == ()


def test_plain_tiff_of_planes_of_several_sizes(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as tif:
        tif.write(STACK[0], metadata=None)
        tif.write(STACK[0, :7], metadata=None)
    assert read_image(path).remarks == (several_images(2, 0),)


def test_levels_thumbnails_and_labels_are_no_images(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    big = np.zeros((256, 256), np.uint8)
    with tifffile.TiffWriter(path, ome=True) as tif:
        tif.write(big, subifds=1, metadata={"axes": "YX", "Name": "slide"})
        tif.write(big[::2, ::2], subfiletype=1)
        tif.write(big[:64, :64], metadata={"axes": "YX", "Name": "label image"})
        tif.write(big[:99, :64], metadata={"axes": "YX", "Name": "Macro image"})
    assert read_image(path).remarks == ()
    with tifffile.TiffWriter(tmp_path / "b.tif") as tif:
        tif.write(big, metadata=None)
        tif.write(big[:64, :50], metadata=None, subfiletype=1)
    assert read_image(tmp_path / "b.tif").remarks == ()
