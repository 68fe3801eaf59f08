"""Images as a codec leaves them, and a bank of blocks from each: what the training learns from."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from inif.codecs import load_codec
from inif.encode.hybrid.repair import Pair as Channel
from inif.encode.hybrid.repair import best_partners, regions, sampled
from inif.fields.neighbourhood import INPUTS
from inif.frames import Geometry, restored
from inif.image import Image
from inif.io import read_image
from inif_bench.search import Search

PRESET = 2
TRIAL = 8
RATIOS = {8: (32, 64, 91, 128, 256), 16: (64, 128, 181, 256, 512)}
BLOCKS = 16_384
_REGIONS = 24
_CAP = 200.0


@dataclass(frozen=True)
class Pair:
    """An image and what the codec made of it.

    Attributes
    ----------
    name, ratio
        Of the image, and the ratio aimed at.
    channels
        Decoded and original, one per channel.
    size
        Bytes of the streams.
    """

    name: str
    ratio: int
    channels: list[Channel]
    size: int


def geometry_of(image: Image) -> Geometry:
    """The image as a codec takes it, each channel over its own range."""
    c = image.axes.find("C")
    planes = [image.data] if c < 0 else list(np.moveaxis(image.data, c, 0))
    ranges = tuple((float(p.min()), float(p.max())) for p in planes)
    several = image.axes.find("T") >= 0 and image.axes.find("Z") >= 0
    order = "TZ~" if several else "TZ"
    return Geometry(image.axes, image.data.shape, image.data.dtype.name, ranges, order)


def encode(image: Image, ratio: int) -> tuple[list[np.ndarray], int]:
    """Levels of each channel at about a ratio, and the bytes they took."""
    geometry = geometry_of(image)
    _, t, z, _, _ = geometry.sizes
    quick, slow = load_codec("av1", preset=TRIAL), load_codec("av1", preset=PRESET)
    stacks = geometry.stacks(image.data)
    levels = [geometry.levels(s, c, slow.bits) for c, s in enumerate(stacks)]
    threads = os.cpu_count() or 1
    search = Search(
        lambda q: b"".join(quick.encode(v, q, threads) for v in levels), quick.knob(t * z)
    )
    knob = search.run(image.data.nbytes // ratio, None, 5).probe.value
    streams = [slow.encode(v, knob, threads) for v in levels]
    decoded = [slow.decode(s, v.shape, threads) for s, v in zip(streams, levels, strict=True)]
    size = sum(map(len, streams))
    return [restored(d, t, z, geometry.order) for d in decoded], size


def pair(path: Path, ratio: int, cache: Path) -> Pair:
    """A pair, from the cache where it is there."""
    name = path.name.removesuffix(".ome.tif")
    image = read_image(path)
    geometry = geometry_of(image)
    _, t, z, _, _ = geometry.sizes
    file = cache / f"{name}.{ratio}.npz"
    if not file.exists():
        levels, size = encode(image, ratio)
        cache.mkdir(parents=True, exist_ok=True)
        np.savez(file, size=size, **{f"c{i}": v for i, v in enumerate(levels)})
    with np.load(file, allow_pickle=False) as arrays:
        size = int(arrays["size"])
        levels = [arrays[f"c{i}"] for i in range(geometry.sizes[0])]
    channels = []
    for c, (decoded, stack) in enumerate(zip(levels, geometry.stacks(image.data), strict=True)):
        target = restored(geometry.scaled(stack, c), t, z, geometry.order)
        channels.append(Channel.of(decoded, 1023, np.ascontiguousarray(target)))
    return Pair(name, ratio, channels, size)


def bank(item: Pair, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Blocks of a pair: inputs (N, INPUTS), residuals in their units (N, 4), weights (N,)."""
    partners = best_partners(item.channels, seed)
    per = max(1, _REGIONS // len(item.channels))
    xs, ys, ws = [], [], []
    scale = np.mean([c.mean_square for c in item.channels])
    rng = np.random.default_rng(seed)
    for i, (channel, partner) in enumerate(zip(item.channels, partners, strict=True)):
        other = None if partner is None else item.channels[partner].volume
        for region in regions(channel.target.shape, per, seed + i):
            x, unit, missing = sampled(channel, other, region)
            keep = rng.permutation(x.shape[1])[: 2 * BLOCKS // (per * len(item.channels)) + 1]
            xs.append(x[:, keep].T.astype(np.float16))
            ys.append((missing / unit)[:, keep].T)
            ws.append((unit**2 / scale)[keep])
    count = sum(map(len, xs))
    order = rng.integers(0, count, BLOCKS) if count < BLOCKS else rng.permutation(count)[:BLOCKS]
    x, y, w = np.concatenate(xs)[order], np.concatenate(ys)[order], np.concatenate(ws)[order]
    assert x.shape == (BLOCKS, INPUTS)
    return x, y, np.minimum(w, _CAP).astype(np.float32)
