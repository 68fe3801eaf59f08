"""Whether seams between bricks of a latent field show: squared errors beside them and elsewhere.

    INIF_DATA=/path/to/images python benchmarks/latent/seams.py [--corpus FOLDER] [names]

Parts of images are coded as one brick, and cut into small bricks, with the same step and λ. Samples
within 2 of a seam are compared with the others; the same places of the one brick tell what is due
to the image. Written to benchmarks/results/latent_seams.json.
"""

from __future__ import annotations

import argparse
import itertools
import math
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from record import data_dir, images, save

from inif.decode.latent import TABLES, LatentSpec, corrected, outputs_of
from inif.encode.latent_plan import PLANE_PRICE, PRICE
from inif.fields.parallel import in_order
from inif.io import read_image
from inif.latent.layout import SCALE, to_five
from inif.latent.plan import Plan, Sizes
from inif.latent.repair import gains_of, products
from inif.latent.stream import Coder, Latents, Rates
from inif.latent.tables import load
from inif.latent.transform import analyse, synthesise

RATIOS = (64, 128, 512)
NEAR = 2
MOST = 1 << 22
"""Voxels of a part."""

LIFTING: dict[str, tuple[tuple[int, int], tuple[int, int]]] = {
    "hipsc": ((0, 2), (0, 0)),
    "vesicles": ((0, 1), (0, 2)),
    "brain": ((0, 1), (0, 2)),
    "mitosis": ((1, 0), (2, 0)),
    "embryo": ((4, 2), (0, 0)),
}
"""Levels and kinds along T and Z that the encoder takes; none for others."""

Box = tuple[slice, ...]


def part_of(path: Path) -> np.ndarray:
    """The middle of one channel on the scale of the field: (1, T, Z, Y, X) float32."""
    image = read_image(path)
    five = to_five(image.data, image.axes)[:1].astype(np.float32)
    sizes = list(five.shape)
    while math.prod(sizes) > MOST:
        axis = 3 + (sizes[4] > sizes[3]) if max(sizes[3:]) > 256 else 1 + (sizes[2] > sizes[1])
        sizes[axis] = -(-sizes[axis] // 64) * 32 if axis > 2 else sizes[axis] // 2
    starts = [(n - s) // 2 for n, s in zip(five.shape, sizes, strict=True)]
    cut = five[tuple(slice(a, a + s) for a, s in zip(starts, sizes, strict=True))]
    low, high = float(five.min()), float(five.max())
    return np.ascontiguousarray((cut - low) * np.float32(2 * SCALE / (high - low)))


def boxes_of(sizes: tuple[int, ...]) -> list[Box]:
    """Bricks: long axes are cut into two, those of single planes into up to four."""
    edges = []
    for axis, n in enumerate(sizes):
        parts = 1 if n < 16 or not axis else 4 if sizes[1] * sizes[2] == 1 and n > 256 else 2
        unit = 32 if axis > 2 else 4
        step = -(-n // (parts * unit)) * unit
        edges.append([slice(a, min(a + step, n)) for a in range(0, n, step)])
    return list(itertools.product(*edges))


def coded(x: np.ndarray, boxes: list[Box], spec: LatentSpec) -> tuple[np.ndarray, int]:
    """Bricks coded in two passes and decoded, with repair: samples of the field, and bytes."""
    model = load(TABLES)
    stack = x.shape[1] * x.shape[2] > 1
    rates = Rates(spec.step, PRICE if stack else PLANE_PRICE)

    def one(box: Box) -> tuple[Plan, Latents, int]:
        c, t, z, h, w = x[box].shape
        sizes: Sizes = (c, t, z, h, w)
        plan = spec.plan("CTZYX", sizes)
        coefficients = analyse(x[box], plan)
        _, most, _ = Coder(plan, model).encode(coefficients, rates, writes=False)
        streams, latents, _ = Coder(plan, model).encode(coefficients, rates, most=most)
        return plan, latents, sum(map(len, streams))

    done = list(in_order(one, boxes))
    sums = np.zeros((2, 1))
    for box, (plan, latents, _) in zip(boxes, done, strict=True):
        values = synthesise(latents.levels, latents.low, plan, step=spec.step)
        sums += products(x[box], values, corrected(values, spec.step))
    spec = replace(spec, gains=tuple(gains_of(sums).tolist()))
    out = np.empty_like(x)
    for box, (plan, latents, _) in zip(boxes, done, strict=True):
        out[box] = outputs_of(spec, latents, plan, range(1))
    return (out + 1) * np.float32(SCALE), sum(size for _, _, size in done)


def seams(sizes: tuple[int, ...], boxes: list[Box]) -> dict[str, np.ndarray]:
    """By axis: which samples lie within `NEAR` of a seam that cuts it."""
    out = {}
    for axis, letter in enumerate("CTZYX"):
        cuts = sorted({box[axis].start for box in boxes} - {0})
        near = np.zeros(sizes[axis], bool)
        for cut in cuts:
            near[max(cut - NEAR, 0) : cut + NEAR] = True
        if cuts:
            shape = [1] * 5
            shape[axis] = sizes[axis]
            out[letter] = np.broadcast_to(near.reshape(shape), sizes)
    return out


def found_step(x: np.ndarray, box: list[Box], lifting: Any, size: float) -> float:
    """The step for about so many bytes."""
    low, high = 10.0, 30000.0
    while high / low > 1.04:
        middle = math.sqrt(low * high)
        if coded(x, box, LatentSpec(middle, *lifting))[1] > size:
            low = middle
        else:
            high = middle
    return low


def measured(x: np.ndarray, lifting: Any, bytes_each: int, ratio: float) -> dict[str, Any]:
    """One part at one ratio."""
    whole, boxes = [tuple(slice(0, n) for n in x.shape)], boxes_of(x.shape)
    step = found_step(x, whole, lifting, x.size * bytes_each / ratio)
    spec = LatentSpec(step, *lifting)
    row: dict[str, Any] = {"ratio": ratio, "step": round(step, 1), "bricks": len(boxes)}
    errors = {}
    for name, cut in (("one", whole), ("bricks", boxes)):
        decoded, size = coded(x, cut, spec)
        errors[name] = np.square(decoded - x, dtype=np.float64)
        row |= {f"{name}_bytes": size, f"{name}_mse": float(errors[name].mean())}
    near = seams(x.shape, boxes)
    any_of = np.logical_or.reduce(list(near.values()))
    for letter, mask in {**near, "all": any_of}.items():
        shares = {name: float(e[mask].mean() / e[~any_of].mean()) for name, e in errors.items()}
        row[letter] = {k: round(v, 3) for k, v in shares.items()}
        row[letter]["factor"] = round(shares["bricks"] / shares["one"], 3)
    row["bytes_percent"] = round(100 * (row["bricks_bytes"] / row["one_bytes"] - 1), 2)
    row["mse_percent"] = round(100 * (row["bricks_mse"] / row["one_mse"] - 1), 2)
    return row


def main() -> None:
    """All images asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="beginnings of names; all if there are none")
    given = parser.parse_args()
    out: dict[str, Any] = {}
    for path in images(data_dir()):
        name = path.name.removesuffix(".ome.tif")
        if given.names and not any(name.startswith(one) for one in given.names):
            continue
        x, begun = part_of(path), time.process_time()
        lifting = next((v for k, v in LIFTING.items() if name.startswith(k)), ((0, 0), (0, 0)))
        each = 1 if name.endswith("u8") else 2
        rows = [measured(x, lifting, each, ratio / (3 - each)) for ratio in RATIOS]
        out[name] = {"shape": x.shape, "rows": rows}
        print(name, x.shape, round(time.process_time() - begun), "s", flush=True)
        for row in rows:
            kept = {k: v["factor"] for k, v in row.items() if isinstance(v, dict)}
            print("  ", row["ratio"], row["bytes_percent"], row["mse_percent"], kept, row["all"])
    save("latent_seams", {"near": NEAR, "images": out})


if __name__ == "__main__":
    main()
