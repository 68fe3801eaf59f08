"""What a plane of a Zarr array costs, by how many planes a chunk has, and what that costs in bytes.

    INIF_DATA=/path/to/images python benchmarks/zarr_planes.py

Two real images are tiled to 8 planes of 1024 × 1024 (see scale.py) and coded in chunks of 1, 2, 4
and 8 planes, each at the PSNR that a chunk of 8 planes has at 64 times. Four of these tiles are an
array of planes of 2048 × 2048: seconds are those of the first plane after it was opened, and of the
next one, by all cores, and as processor time of all threads.
"""

from __future__ import annotations

import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from record import save
from scale import tiles, volume

from inif.encode.chunk import ChunkCoder
from inif.zarr import InifCodec

TILE = 1024
PLANES, RATIO = (1, 2, 4, 8), 64
_NEAR = 0.005
"""Octaves of a step within which the ratio or the PSNR is met."""


def coded(data: np.ndarray, planes: int, octaves: float) -> tuple[float, float]:
    """Bytes, and PSNR in dB, of a tile in chunks of so many planes."""
    span = float(np.ptp(data))
    coder = ChunkCoder("ZYX", data.dtype, steps=(span * 2.0**-octaves,))
    made = [coder.encode(data[z : z + planes]) for z in range(0, len(data), planes)]
    error = sum(one.squares.sum() for one in made) / data.size
    return sum(len(one.data) for one in made), 10 * np.log10(span**2 / error)


def octaves_at(data: np.ndarray, planes: int, what: int, wanted: float) -> float:
    """Of the step below the range, for bytes (0) or a PSNR (1): both grow with them."""
    low, high = 2.0, 12.0
    while high - low > _NEAR:
        middle = (low + high) / 2
        above = coded(data, planes, middle)[what] > wanted
        low, high = (low, middle) if above else (middle, high)
    return low


def store(data: np.ndarray, planes: int, octaves: float, folder: Path) -> None:
    """Four tiles, each mirrored otherwise, as an array: equal chunks would be decoded once."""
    array = zarr.create_array(
        folder,
        shape=(len(data), 2 * TILE, 2 * TILE),
        chunks=(planes, TILE, TILE),
        dtype=data.dtype,
        serializer=InifCodec(axes="ZYX", step=float(np.ptp(data)) * 2.0**-octaves),
        compressors=None,
        overwrite=True,
    )
    array[...] = np.block([[data, data[:, :, ::-1]], [data[:, ::-1], data[:, ::-1, ::-1]]])


def seconds(folder: Path, plane: int) -> dict[str, float]:
    """Of the first plane of an array that was just opened, and of the next one."""
    out = {}
    array = zarr.open_array(folder, mode="r")
    for name, number in (("first", plane), ("next", plane + 1)):
        wall, own = time.perf_counter(), time.process_time()
        array[number]
        out[f"{name} plane, s"] = round(time.perf_counter() - wall, 3)
        out[f"{name} plane, processor s"] = round(time.process_time() - own, 3)
    return out


def main() -> None:
    """Both images, every thickness."""
    warnings.simplefilter("ignore")
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "a.zarr"
        for name, image in zip(("mitosis", "embryo"), tiles(), strict=True):
            data = np.ascontiguousarray(volume(image, 0)[:, :TILE, :TILE])
            octaves = octaves_at(data, max(PLANES), 0, data.nbytes / RATIO)
            whole, psnr = coded(data, max(PLANES), octaves)
            for planes in PLANES[::-1]:
                if planes < max(PLANES):
                    octaves = octaves_at(data, planes, 1, psnr)
                size, reached = coded(data, planes, octaves)
                store(data, planes, octaves, folder)
                row = {"image": name, "planes": planes}
                row |= {
                    "psnr": round(float(reached), 2),
                    "bytes, %": round(100 * (size / whole - 1), 1),
                }
                rows.append(row | seconds(folder, 4))
                print(rows[-1], flush=True)
    save("zarr_planes", {"ratio of 8 planes": RATIO, "rows": rows})


if __name__ == "__main__":
    main()
