"""Guides in a latent field: what each coefficient's squared error counts, and what it aims at.

Guides say where in the image errors matter. A coefficient counts what the samples that it changes
count, so latents go where an analysis looks; where it does not, they are left out. Guides that have
derivatives also say what an analysis misses in the decoded image. The file format and decoders know
nothing of it.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from inif.decode.latent import outputs_of
from inif.encode.latent import Work, first_pass
from inif.encode.latent.plan import scaled
from inif.guidance import GuidanceWarning
from inif.guidance.masks import MASK, idle_mask, masks_only
from inif.image import Image
from inif.latent.layout import SCALE, coded_slices, to_five
from inif.latent.plan import Plan
from inif.latent.transform import Bands, analyse

if TYPE_CHECKING:  # it needs JAX, masks do not
    from inif.encode.latent.seen import Seen

INSIDE = 4.0
"""How many times the squared error counts inside a mask."""

_THRIFT = 0.4
"""λ beside its usual value where guides look at what is decoded: at the same bytes, larger steps
and fewer zeros keep more of the contrast of what is dim."""

_ROUNDS = 2
"""How often the guides look at what was decoded."""


def guide(work: Work, names: Sequence[str], budget: int) -> tuple[str, ...]:
    """Let guides weigh the coefficients of an image, and shift them; those with something to say.

    Parameters
    ----------
    names
        As the user named them.
    budget
        Of the file, in bytes.

    Raises
    ------
    InputError
        A mask or another file that cannot be used.
    """
    image, used = work.job.image, set[str]()
    counts = np.ones([1] * image.data.ndim, np.float32)
    for name in names:
        if not masks_only([name]):
            continue
        mask = mask_of(name.removeprefix(MASK), image)
        if reason := idle_mask(mask):
            warnings.warn(f"unguided by {name}: {reason}", GuidanceWarning, stacklevel=2)
            continue
        used.add(name)
        counts = counts * _weights(mask)
    seen = None
    if others := tuple(name for name in names if not masks_only([name])):
        from inif.encode.latent.seen import Seen

        seen = Seen.of(replace(work.job, guides=others), work.grid)
        used.update(seen.guided.names if seen else ())
    if not used:
        return ()
    whole = np.broadcast_to(counts, image.data.shape)
    coded = [coded_slices(image.axes, work.grid, b) for b in range(len(work.grid))]
    parts = [to_five(whole[where], image.axes) for where in coded]
    if seen:
        for brick, part in enumerate(parts):
            place = work.grid.origin(brick), _channels(work, brick).start
            found = seen.marked(_original(work, brick), *place)
            parts[brick] = math.prod(map(_weights, found), start=part)
    if len({value for part in parts for value in (part.min(), part.max())}) > 1:
        weigh(work, parts)
    if seen:
        work.thrift = _THRIFT
        for _ in range(_ROUNDS):
            _shift(work, seen, budget)
    return tuple(name for name in names if name in used)


def _shift(work: Work, seen: Seen, budget: int) -> None:
    """Let coefficients aim where the guides' losses fall, as seen from what is decoded now."""
    step, passes = first_pass(work, 8.0 * budget)
    passes = work.coded(step, passes, writes=False)
    spec = replace(work.spec(step), gains=())
    for brick, one in enumerate(passes):
        plan, channels = work.plan(brick), _channels(work, brick)
        coded = tuple((0, n) for n in plan.sizes)
        decoded = (outputs_of(spec, one.latents, plan, channels, box=coded) + 1) / 2
        place = work.grid.origin(brick), channels.start
        steps = seen.steps(_original(work, brick), decoded, *place)
        levels, low = work.coefficients[brick]
        off, low_off = analyse(steps * np.float32(2 * SCALE), plan)
        levels = [
            {key: values - part[key] for key, values in bands.items()}
            for bands, part in zip(levels, off, strict=True)
        ]
        work.coefficients[brick] = levels, low - low_off
        work.report("guide", brick + 1, len(passes))


def weigh(work: Work, parts: Sequence[np.ndarray]) -> None:
    """Give coefficients the weights of samples, so that each channel keeps its share of the bits.

    Parameters
    ----------
    parts
        Of what is coded of each brick, (C, T, Z, Y, X) above 0, in any unit: the mean of a channel
        becomes 1.
    """
    axis, channels = work.job.image.axes.find("C"), len(work.job.ranges)
    sums, voxels = np.zeros(channels), np.zeros(channels)
    own = [work.grid.channels(brick, axis) for brick in range(len(work.grid))]
    for part, where in zip(parts, own, strict=True):
        sums[where.start : where.stop] += part.sum(axis=(1, 2, 3, 4), dtype=np.float64)
        voxels[where.start : where.stop] += part[0].size
    scale = (voxels / sums).astype(np.float32).reshape(-1, 1, 1, 1, 1)
    work.weights = [
        averaged(part * scale[where.start : where.stop], work.plan(brick))
        for brick, (part, where) in enumerate(zip(parts, own, strict=True))
    ]


def averaged(counts: np.ndarray, plan: Plan) -> list[Bands]:
    """Weights of coefficients: means of those of the samples that they are for.

    Parameters
    ----------
    counts
        Weights of samples, (C, T, Z, Y, X) float32.

    Returns
    -------
    Of each level from coarse to fine, by the band's key: float32.
    """
    levels: list[Bands] = []
    x = counts
    for number in range(plan.depth):
        parts: Bands = {"": x}
        for axis in range(4):
            split: Bands = {}
            for key, part in parts.items():
                if number < plan.levels_of(axis) and part.shape[axis + 1] > 1:
                    split[key + "L"], split[key + "H"] = _halved(part, axis + 1)
                else:
                    split[key + "-"] = part
            parts = split
        low = next(key for key in parts if "H" not in key)
        x = parts.pop(low)
        levels.append(parts)
    return [bands for bands in levels[::-1] if bands]


def mask_of(path: str, image: Image) -> np.ndarray:
    """A mask of the user's: booleans with the image's axes, of length 1 where it holds for all.

    Raises
    ------
    InputError
        As `inif.metrics.tasks.labels.read_labels`.
    """
    from inif.metrics.tasks.labels import read_labels

    labels = read_labels(path, image.axes, image.data.shape)
    ordered = sorted(labels.axes, key=image.axes.index)
    mask = np.transpose(labels.data != 0, [labels.axes.index(a) for a in ordered])
    lengths = dict(zip(ordered, mask.shape, strict=True))
    return mask.reshape([lengths.get(a, 1) for a in image.axes])


def _weights(mask: np.ndarray) -> np.ndarray:
    return np.where(mask, np.float32(INSIDE), np.float32(1))


def _original(work: Work, brick: int) -> np.ndarray:
    """Samples of a brick from 0 to 1, (C, T, Z, Y, X) float32."""
    return scaled(work.job, work.grid, brick) / np.float32(2 * SCALE)


def _channels(work: Work, brick: int) -> range:
    return work.grid.channels(brick, work.job.image.axes.find("C"))


def _halved(x: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Means of pairs along an axis: of what is low, and of what is high, which may be one fewer."""
    pairs = x.shape[axis] // 2
    along = np.moveaxis(x, axis, 0)
    high = (along[: 2 * pairs : 2] + along[1::2]) / np.float32(2)
    low = np.concatenate([high, along[2 * pairs :]])
    return np.moveaxis(low, 0, axis), np.moveaxis(high, 0, axis)
