"""Whether seams between bricks of a latent field show: squared errors beside them and elsewhere.

    INIF_DATA=/path/to/images python benchmarks/latent/seams.py [names]

Parts of images are coded as one brick, and cut into smaller bricks, with the same step and λ.
Samples within 2 of a seam are compared with the others; the same places of the one brick tell what
is due to the image. Written to benchmarks/results/latent_seams.json.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from record import data_dir, images, save

from inif.bricks import BrickGrid
from inif.decode.latent_samples import corrected, outputs_of
from inif.decode.latent_spec import TABLES, LatentSpec
from inif.encode.latent.coder import PLANE_PRICE, PRICE
from inif.fields.parallel import in_order
from inif.io import read_image
from inif.latent.decoder import Latents
from inif.latent.layout import SCALE, coded_slices, to_five
from inif.latent.plan import Plan
from inif.latent.repair import gains_of, products
from inif.latent.stream import Coder, Rates
from inif.latent.tables import load
from inif.latent.transform import analyse, synthesise

KINDS = ("plain", "ours")
RATIOS = (64, 128, 512)
NEAR = 2
MOST = 1 << 21
"""Voxels of a part."""

LIFTING: dict[str, tuple[tuple[int, int], tuple[int, int]]] = {
    "hipsc": ((0, 2), (0, 0)),
    "vesicles": ((0, 1), (0, 2)),
    "brain": ((0, 1), (0, 2)),
    "mitosis": ((1, 0), (2, 0)),
    "embryo": ((4, 2), (0, 0)),
}
"""Levels and kinds along T and Z that the encoder takes; none for others."""


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


def bricks_of(sizes: tuple[int, ...]) -> BrickGrid:
    """Bricks: long axes are cut into two, those of single planes into up to four."""
    brick = []
    for axis, n in enumerate(sizes):
        parts = 1 if n < 16 or not axis else 4 if sizes[1] * sizes[2] == 1 and n > 256 else 2
        unit = 32 if axis > 2 else 4
        brick.append(min(-(-n // (parts * unit)) * unit, n))
    return BrickGrid(sizes, tuple(brick))


def coded(
    x: np.ndarray, grid: BrickGrid, spec: LatentSpec, *, plain: bool = False
) -> tuple[np.ndarray, int]:
    """Bricks coded in two passes and decoded, with repair: samples of the field, and bytes.

    Parameters
    ----------
    plain
        Whether bricks are images of their own, to which nothing is done at seams.
    """
    model = load(TABLES)
    stack = x.shape[1] * x.shape[2] > 1
    rates = Rates(spec.step, PRICE if stack else PLANE_PRICE)

    def one(brick: int) -> tuple[Plan, np.ndarray, Latents, int]:
        plan, where = spec.plan("CTZYX", grid, brick), coded_slices("CTZYX", grid, brick)
        if plain:
            own, where = BrickGrid(grid.extent(brick), grid.extent(brick)), grid.slices(brick)
            plan = spec.plan("CTZYX", own, 0)
        coefficients = analyse(x[where], plan)
        most = Coder(plan, model).encode(coefficients, rates, writes=False).latents
        done = Coder(plan, model).encode(coefficients, rates, most=most)
        return plan, x[where], done.latents, sum(map(len, done.streams))

    done = list(in_order(one, range(len(grid))))
    sums = np.zeros((2, 1))
    for plan, wanted, latents, _ in done:
        values = synthesise(latents.levels, latents.low, plan, step=spec.step)
        sums += products(wanted, values, corrected(values, spec.step))
    spec = replace(spec, gains=tuple(gains_of(sums).tolist()))
    out = np.empty_like(x)
    for brick, (plan, _, latents, _) in enumerate(done):
        out[grid.slices(brick)] = outputs_of(spec, latents, plan, range(1))
    return (out + 1) * np.float32(SCALE), sum(size for *_, size in done)


def seams(grid: BrickGrid) -> dict[str, np.ndarray]:
    """By axis: which samples lie within `NEAR` of a seam that cuts it."""
    out = {}
    for axis, letter in enumerate("CTZYX"):
        near = np.zeros(grid.shape[axis], bool)
        for cut in range(grid.brick[axis], grid.shape[axis], grid.brick[axis]):
            near[max(cut - NEAR, 0) : cut + NEAR] = True
        if near.any():
            shape = [1] * 5
            shape[axis] = grid.shape[axis]
            out[letter] = np.broadcast_to(near.reshape(shape), grid.shape)
    return out


def found_step(x: np.ndarray, lifting: Any, size: float) -> float:
    """The step for about so many bytes in one brick, by single passes."""
    plan = LatentSpec(1.0, *lifting).plan("CTZYX", BrickGrid(x.shape, x.shape), 0)
    coefficients, model = analyse(x, plan), load(TABLES)
    low, high = 10.0, 30000.0
    while high / low > 1.04:
        middle = math.sqrt(low * high)
        bits = Coder(plan, model).encode(coefficients, Rates(middle), writes=False).bits
        low, high = (middle, high) if bits > 8 * size else (low, middle)
    return low


def measured(x: np.ndarray, lifting: Any, size: float) -> dict[str, Any]:
    """One part at one size of the one brick."""
    spec, grid = LatentSpec(found_step(x, lifting, size), *lifting), bricks_of(x.shape)
    near = seams(grid)
    near["all"] = np.logical_or.reduce(list(near.values()))

    def errors(cut: BrickGrid, plain: bool) -> tuple[dict[str, float], int, float]:
        """Squared errors near seams over those elsewhere, bytes, and squared error."""
        decoded, size = coded(x, cut, spec, plain=plain)
        error = np.square(decoded - x, dtype=np.float64)
        elsewhere = error[~near["all"]].mean()
        shares = {letter: float(error[mask].mean() / elsewhere) for letter, mask in near.items()}
        return shares, size, float(error.mean())

    one, one_bytes, one_mse = errors(BrickGrid(x.shape, x.shape), True)
    row: dict[str, Any] = {"step": round(spec.step, 1), "bricks": len(grid), "bytes": one_bytes}
    row["one brick"] = {k: round(v, 3) for k, v in one.items()}
    for name in KINDS:
        shares, size, mse = errors(grid, name == "plain")
        found: dict[str, Any] = {k: round(v, 3) for k, v in shares.items()}
        found["over one brick"] = {k: round(v / one[k], 3) for k, v in shares.items()}
        found["bytes_percent"] = round(100 * (size / one_bytes - 1), 2)
        found["psnr_change"] = round(-10 * math.log10(mse / one_mse), 3)
        row[name] = found
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
        ratios = [ratio * each // 2 for ratio in RATIOS]
        rows = {str(r): measured(x, lifting, x.size * each / r) for r in ratios}
        out[name] = {"shape": x.shape, "ratios": rows}
        print(name, x.shape, round(time.process_time() - begun), "s", flush=True)
        for ratio, row in rows.items():
            for kind in KINDS:
                found = row[kind]
                cost = found["bytes_percent"], found["psnr_change"]
                print("  ", ratio, kind, found["all"], found["over one brick"], *cost, flush=True)
        save("latent_seams", {"near": NEAR, "images": out})


if __name__ == "__main__":
    main()
