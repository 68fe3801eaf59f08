"""What planes of a large stack cost in a latent field, beside the whole.

    INIF_DATA=/path/to/images python benchmarks/latent/planes.py [--image hipsc_dna] [--keep FOLDER]

The first stack of that name, side by side with its mirror images, is cut to some numbers of planes
of 1024 × 1024 samples. Bricks are coded with one step, so nothing is searched for. Of a file that
was just opened: the first plane in the middle of a brick, the one after it, and all samples. Times
are the least of some runs, of this process's processors (cpu_s) and of a clock (s). A frame of
1024 × 1024 and one of 256 × 256 samples are decoded, too. Written to
benchmarks/results/latent_planes.json.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from record import data_dir, images, save

from inif.axes import select
from inif.decode.brick import Intensities
from inif.decode.latent import LatentBrick
from inif.decode.latent_spec import TABLES, LatentSpec
from inif.decode.samples import Samples
from inif.io import read_image
from inif.latent import tables
from inif.latent.layout import coded_slices, latent_grid, to_five
from inif.latent.stream import Coder, Rates
from inif.latent.transform import analyse

SIDE = 1024
GAIN = 50
"""Of the repair, in 1/64."""


class Coded:
    """Bricks of a stack, coded in memory."""

    def __init__(self, stack: np.ndarray, axes: str, step: float, levels: int) -> None:
        self.grid = latent_grid(axes, stack.shape)
        self.axes, self.step = axes, step
        low, high = float(stack.min()), float(stack.max())
        self.intensities = Intensities(np.array([[low, high]]), stack.dtype)
        self.spec = LatentSpec(step, (0, levels), gains=(GAIN,))
        self.streams: dict[int, tuple[bytes, ...]] = {}
        for brick in range(len(self.grid)):
            part = stack[coded_slices(axes, self.grid, brick)].astype(np.float32)
            scaled = to_five((part - np.float32(low)) * np.float32(65535 / (high - low)), axes)
            plan = self.spec.plan(axes, self.grid, brick)
            made = Coder(plan, tables.load(TABLES)).encode(analyse(scaled, plan), Rates(step))
            self.streams[brick] = tuple(made.streams)

    @property
    def bytes(self) -> int:
        """Of all streams."""
        return sum(len(s) for streams in self.streams.values() for s in streams)

    def open(self, brick: int) -> LatentBrick:
        """See `inif.decode.kinds.Bricks`."""
        plan = self.spec.plan(self.axes, self.grid, brick)
        own = self.spec, self.streams[brick], plan, self.axes, self.grid.extent(brick), range(1)
        return LatentBrick(*own, self.intensities)

    def overviews(self, bricks: Any, skip: int) -> Any:
        """See `inif.decode.kinds.Coarse`."""
        raise NotImplementedError

    check: Any = None

    def opened(self) -> Samples:
        """Samples of which none was decoded yet."""
        return Samples(self, self.grid, self.intensities.dtype)


def tiled(data: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """A stack (Z, Y, X) side by side with its mirror images, cut to a shape."""
    for axis, n in enumerate(shape):
        parts = [np.flip(data, axis) if i % 2 else data for i in range(-(-n // data.shape[axis]))]
        data = np.concatenate(parts, axis).take(range(n), axis)
    return np.ascontiguousarray(data)


def least(runs: int, prepare: Callable[[], Any], call: Callable[[Any], Any]) -> dict[str, float]:
    """Least seconds of a call, on what is prepared anew for each."""
    found = []
    for _ in range(runs):
        ready = prepare()
        cpu, wall = time.process_time(), time.perf_counter()
        call(ready)
        found.append((time.process_time() - cpu, time.perf_counter() - wall))
    cpu_s, s = np.min(found, axis=0)
    return {"cpu_s": round(float(cpu_s), 4), "s": round(float(s), 4)}


def measured(coded: Coded, stack: np.ndarray, runs: int) -> dict[str, Any]:
    """Times of a coded stack or frame."""
    axes, shape = coded.axes, stack.shape
    row: dict[str, Any] = {"shape": shape, "brick": coded.grid.brick, "bytes": coded.bytes}
    row["ratio"] = round(stack.nbytes / coded.bytes, 1)

    def read(key: Any) -> Callable[[Samples], Any]:
        return lambda samples: samples.read(select(key, shape))

    row["whole"] = least(runs, coded.opened, read(...))
    row["whole"]["MB_per_cpu_s"] = round(stack.nbytes / 1e6 / row["whole"]["cpu_s"], 1)
    row["whole"]["MB_per_s"] = round(stack.nbytes / 1e6 / row["whole"]["s"], 1)
    if axes == "ZYX":
        depth = coded.grid.brick[0]
        for name, z in (("middle", depth // 2), ("quarter", depth // 4), ("end", depth - 2)):

            def after(z: int = z) -> Samples:
                samples = coded.opened()
                samples.read(select(z, shape))
                return samples

            row[f"first plane, {name}"] = least(runs, coded.opened, read(z))
            row[f"next plane, {name}"] = least(runs, after, read(z + 1))
    return row


def main() -> None:
    """One stack in two bricks' depths, and frames."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--image", default="hipsc_dna")
    parser.add_argument("--step", type=float, default=4400.0)
    parser.add_argument("--levels", type=int, default=2, help="of lifting along Z")
    parser.add_argument("--planes", type=int, nargs="*", default=[60])
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    path = next(p for p in images(data_dir()) if p.name.startswith(given.image))
    image = read_image(path)
    stack = np.squeeze(image.data).reshape(-1, *image.data.shape[-2:])
    runs: dict[str, Any] = {}
    cases = [("ZYX", (n, SIDE, SIDE), given.levels) for n in given.planes]
    cases += [("YX", (side, side), 0) for side in (256, 1024)]
    for axes, shape, levels in cases:
        wanted = (1, *shape) if axes == "YX" else shape
        data = tiled(stack[len(stack) // 2 :][:1] if axes == "YX" else stack, wanted).reshape(shape)
        coded = Coded(data, axes, given.step, levels)
        name = " × ".join(map(str, shape))
        runs[name] = measured(coded, data, given.runs if axes == "ZYX" else 5 * given.runs)
        print(name, runs[name], flush=True)
    save("latent_planes", {"image": path.name, "step": given.step, "runs": runs})


if __name__ == "__main__":
    main()
