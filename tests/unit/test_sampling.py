"""Training points: real voxels, at the coordinates and in the units that the decoder uses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from arithmetic import tolerance

from inif.axes import coordinates
from inif.bricks import BrickGrid
from inif.config import FitSettings, Target
from inif.container.spool import Spool
from inif.decode.brick import Intensities
from inif.encode.job import Job
from inif.encode.siren.samples import gathered
from inif.encode.siren.sampling import Sampler
from inif.image import Image

pytestmark = pytest.mark.numerical

CASES: dict[str, tuple[str, tuple[int, ...], tuple[int, ...], bool]] = {
    "X": ("X", (31,), (10,), True),
    "ZYX": ("ZYX", (5, 9, 1), (3, 4, 1), True),
    "CYX outputs": ("CYX", (3, 8, 9), (3, 5, 9), True),
    "YXC coordinate": ("YXC", (8, 9, 3), (8, 4, 2), False),
    "TCZYX": ("TCZYX", (2, 3, 2, 5, 6), (1, 3, 2, 5, 6), True),
}


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "float32"])
@pytest.mark.parametrize("case", CASES)
def test_points_are_voxels(case: str, dtype: str) -> None:
    axes, shape, brick, as_outputs = CASES[case]
    rng = np.random.default_rng(0)
    # Every voxel has a value of its own, so that a point's targets name its place.
    data = rng.permutation(np.prod(shape)).reshape(shape).astype(np.int64)
    data = (data % 251).astype(dtype) if dtype == "uint8" else data.astype(dtype)
    c = axes.find("C")
    moved = np.moveaxis(data, c, 0) if c >= 0 else data[None]
    flat = moved.reshape(len(moved), -1).astype(np.float64)
    ranges = np.stack([flat.min(axis=1), flat.max(axis=1)], axis=1)
    grid = BrickGrid(shape, brick)
    sampler = Sampler(data, axes, grid, Intensities(ranges, np.dtype(dtype)), as_outputs)
    coords, targets = sampler.draw(rng, 64)
    packed = c >= 0 and as_outputs
    dims = len(axes) - packed
    assert (coords.dtype, coords.shape) == (np.float32, (len(grid), 64, dims))
    assert (targets.dtype, targets.shape) == (np.float32, (len(grid), 64, sampler.outputs))
    assert sampler.outputs == (shape[c] if packed else 1)
    assert np.abs(targets).max() <= 1
    for b in range(len(grid)):
        part = data[grid.slices(b)]
        lookup = [
            {float(v): i for i, v in enumerate(coordinates(n))}
            for i, n in enumerate(part.shape)
            if not (packed and i == c)
        ]
        for point, target in zip(coords[b], targets[b], strict=True):
            index: list[Any] = [t[float(v)] for t, v in zip(lookup, point, strict=True)]
            channel = 0
            if packed:
                index.insert(c, slice(None))
            elif c >= 0:
                channel = index[c] + grid.origin(b)[c]
            wanted = np.atleast_1d(part[tuple(index)])
            rows = ranges if packed else ranges[channel : channel + 1]
            low, half = rows[:, 0], np.diff(rows, axis=1)[:, 0] / 2
            np.testing.assert_allclose(
                target * half + half + low, wanted, rtol=0, atol=tolerance(4, np.abs(rows).max())
            )


def test_a_draw_depends_on_the_seed_alone() -> None:
    data = np.arange(600, dtype=np.uint16).reshape(20, 30)
    grid = BrickGrid((20, 30), (10, 30))
    sampler = Sampler(data, "YX", grid, Intensities(np.array([[0.0, 599.0]]), data.dtype), True)
    first, second, other = (sampler.draw(np.random.default_rng(s), 50) for s in (1, 1, 2))
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])
    assert (first[0] != other[0]).any()
    assert not np.array_equal(first[0][0], first[0][1])


def test_a_constant_channel_is_zero() -> None:
    data = np.stack([np.full((6, 7), 9), np.arange(42).reshape(6, 7)]).astype(np.uint8)
    intensities = Intensities(np.array([[9.0, 9.0], [0.0, 41.0]]), data.dtype)
    sampler = Sampler(data, "CYX", BrickGrid((2, 6, 7), (2, 6, 7)), intensities, True)
    _, targets = sampler.draw(np.random.default_rng(0), 100)
    assert (targets[..., 0] == 0).all()
    assert np.ptp(targets[..., 1]) > 1


def test_a_memory_map_will_do(tmp_path: Any) -> None:
    np.save(tmp_path / "a.npy", np.arange(600, dtype=np.uint16).reshape(20, 30))
    data = np.load(tmp_path / "a.npy", mmap_mode="r")
    intensities = Intensities(np.array([[0.0, 599.0]]), data.dtype)
    sampler = Sampler(data, "YX", BrickGrid((20, 30), (20, 30)), intensities, True)
    assert sampler.draw(np.random.default_rng(0), 10)[1].shape == (1, 10, 1)


@pytest.mark.parametrize("memory", [1 << 30, 1000])
@pytest.mark.parametrize("axes", ["ZYX", "C"])
def test_all_samples_are_gathered(axes: str, memory: int, tmp_path: Path) -> None:
    shape = {"ZYX": (5, 30, 41), "C": (700,)}[axes]
    data = np.random.default_rng(0).integers(0, 999, shape).astype(np.int16)
    with Spool(tmp_path) as spool:
        settings = FitSettings.for_effort(1)
        job = Job(Image(data, axes), Target(ratio=9.0), settings, memory=memory, spool=spool)
        found = gathered(job)
    assert isinstance(found, np.memmap) == (memory == 1000)
    np.testing.assert_array_equal(found, data)
    assert found.dtype == data.dtype
    assert not list(tmp_path.iterdir())
