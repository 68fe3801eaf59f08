"""Our quantised field against a SIREN as published, at the same file bytes and steps.

As published: float32 weights (4 bytes each), one network, omega 30, learnable frequency, the start
values of Sitzmann et al. 2020, Adam 1e-3 with a cosine. Both see as many voxels in each step.

INIF_DATA=folder python benchmarks/field_vs_published.py
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import optax
from record import data_dir, save

import inif
from inif.fields.field import count_weights
from inif.frames import Geometry
from inif.image import Image
from inif.io import read_image
from inif.metrics.fidelity import channel_ranges, psnr
from inif_bench.arms.siren import decoded, fit, widest

RATIO = 128
STEP_POINTS = 32768


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--efforts", nargs="*", type=int, default=[1, 2, 3])
    args = options.parse_args()
    whole = read_image(data_dir() / "hipsc_dna_zyx_u16.ome.tif")
    image = Image(np.ascontiguousarray(whole.data[:, 64:192, 64:192]), "ZYX", whole.meta)
    rows = []
    for effort in args.efforts:
        start = time.perf_counter()
        file = inif.compress(image, ratio=RATIO, method="siren", effort=effort)
        seconds = time.perf_counter() - start
        ours = psnr(image.data, np.asarray(file), image.axes).pooled
        steps = file.header["lossy"]["steps"]
        row = {"effort": effort, "steps": steps, "file_bytes": file.file_bytes}
        row |= {"inif_psnr": round(ours, 3), "inif_s": round(seconds, 1)}
        row |= published(image, file.file_bytes, steps)
        row["gain_db"] = round(ours - row["published_psnr"], 3)
        rows.append(row)
        print(row, flush=True)
    crop = "hipsc_dna[:, 64:192, 64:192]"
    print(save("field_vs_published", {"image": crop, "ratio": RATIO, "rows": rows}))


def published(image: Image, size: int, steps: int) -> dict[str, float | int]:
    """The as-published arm; its metadata are free, so that all bytes go into weights."""
    data, axes = image.data, image.axes
    geometry = Geometry(axes, data.shape, data.dtype.name, channel_ranges(data, axes))
    network = widest(len(axes), size)
    start = time.perf_counter()
    found = fit(
        network,
        data,
        geometry,
        optax.adam(1e-3),
        omega=30.0,
        learnable=True,
        points=STEP_POINTS,
        steps=steps,
    )
    seconds = time.perf_counter() - start
    back = decoded(network, found.weights, geometry)
    return {
        "published_width": network.width,
        "published_bytes": 4 * count_weights(network),
        "published_psnr": round(psnr(data, back, axes).pooled, 3),
        "published_s": round(seconds, 1),
    }


if __name__ == "__main__":
    main()
