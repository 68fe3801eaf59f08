"""A small Zarr array of the bundled stack, coded by the codec `inif`: docs/zarr-codec.md.

Run as ``python examples/zarr_codec.py FOLDER``; the folder must not exist.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import zarr

from inif.io import open_image
from inif.zarr import InifCodec

IMAGE = Path(__file__).resolve().parent / "hipsc_dna_zyx_u16.ome.tif"


def main(folder: str) -> None:
    with open_image(IMAGE) as image:
        stack = image.read((slice(24, 36), slice(0, 256), slice(0, 256)))
    array = zarr.create_array(
        folder,
        shape=stack.shape,
        chunks=(8, 128, 128),
        shards=(16, 256, 256),
        dtype=stack.dtype,
        serializer=InifCodec(axes="ZYX", step=2000),
        compressors=None,
        dimension_names=["z", "y", "x"],
    )
    array[...] = stack
    found = zarr.open_array(folder, mode="r")
    error = np.sqrt(np.square(found[...].astype(float) - stack).mean())
    ratio = stack.nbytes / found.nbytes_stored()
    print(f"{ratio:.1f} : 1, off by {error:.0f} counts (root mean square)")


if __name__ == "__main__":
    main(sys.argv[1])
