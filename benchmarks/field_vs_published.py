"""Our quantised field against a SIREN as published, at the same file bytes and steps.

As published: float32 weights (4 bytes each), one network, omega 30, learnable frequency, the start
values of Sitzmann et al. 2020, Adam 1e-3 with a cosine. Both see as many voxels in each step.

INIF_DATA=folder python benchmarks/field_vs_published.py
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from record import data_dir, save

import inif
from inif.bricks import plan
from inif.config import FitSettings
from inif.decode.brick import BrickDecoder, Intensities
from inif.encode.fit import Fitter
from inif.encode.sampling import Sampler
from inif.fields.base import count_weights
from inif.fields.siren import Siren
from inif.image import Image
from inif.io import read_image
from inif.metrics.fidelity import psnr

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
        file = inif.compress(image, ratio=RATIO, effort=effort)
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


class PublishedFitter(Fitter):
    """Our loop, from the start values of the SIREN paper and its public code."""

    def _start(self, targets: jax.Array) -> Any:
        state = super()._start(targets)
        rng = np.random.default_rng(self.settings.seed)
        width, inputs = self.field.width, self.field.inputs
        first = rng.uniform(-1, 1, (1, 1, width)) / np.sqrt(inputs)
        rest = rng.uniform(-1, 1, (1, self.field.layers - 2, width)) / np.sqrt(width)
        biases = jnp.asarray(np.concatenate([first, rest], axis=1), jnp.float32)
        last = jnp.zeros_like(state.params.last_bias)
        return state._replace(params=state.params._replace(biases=biases, last_bias=last))


def published(image: Image, size: int, steps: int) -> dict[str, float | int]:
    """The as-published arm; its metadata are free, so that all bytes go into weights."""
    width = 4
    shape = image.data.shape
    while 4 * count_weights(field := Siren(len(shape), 1, width + 1)) <= size:
        width = field.width
    field = Siren(len(shape), 1, width)
    bounds = [[float(image.data.min()), float(image.data.max())]]
    intensities = Intensities(np.array(bounds), image.data.dtype)
    grid = plan(image.axes, shape, 1)
    settings = FitSettings(optimizer="adam:0.001", steps=steps, points=STEP_POINTS)
    start = time.perf_counter()
    sampler = Sampler(image.data, image.axes, grid, intensities, True)
    result = PublishedFitter(field, sampler, settings).run()
    seconds = time.perf_counter() - start
    weights = [g[0] for g in result.groups]
    decoder = BrickDecoder(field, weights, image.axes, shape, 0, intensities, True)
    decoded = decoder.grid([np.arange(n) for n in shape])
    return {
        "published_width": width,
        "published_bytes": 4 * count_weights(field),
        "published_psnr": round(psnr(image.data, decoded, image.axes).pooled, 3),
        "published_s": round(seconds, 1),
    }


if __name__ == "__main__":
    main()
