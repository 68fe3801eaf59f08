"""Guides in a latent field: what each coefficient's squared error counts, and what it aims at.

Guides say where in the image errors matter. A coefficient counts what the samples that it changes
count, so latents go where an analysis looks; where it does not, they are left out. Guides that have
derivatives also say what an analysis misses in the decoded image. The file format and decoders know
nothing of it.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from inif.config import Window
from inif.decode.latent_samples import outputs_of
from inif.encode.job import Job
from inif.encode.latent.coder import LatentCoder
from inif.encode.latent.held import Held
from inif.encode.latent.plan import Coefficients, scaled
from inif.encode.rate.control import modelled, spread
from inif.fields.parallel import in_order
from inif.guidance import GuidanceWarning
from inif.guidance.masks import MASK, idle_mask, masks_only
from inif.image import ImageSource
from inif.latent.layout import SCALE, coded_slices, latent_grid, to_five
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


def guided(job: Job, window: Window) -> LatentCoder:
    """A coder whose bricks serve the job's guides; its job names those with something to say.

    Raises
    ------
    InputError
        A mask or another file that cannot be used.
    KeyboardInterrupt
        Ctrl-C.
    """
    image, masks = job.image, {}
    for name in job.guides:
        if masks_only([name]):
            mask = mask_of(name.removeprefix(MASK), image)
            if reason := idle_mask(mask):
                warnings.warn(f"unguided by {name}: {reason}", GuidanceWarning, stacklevel=2)
            else:
                masks[name] = mask
    seen, used = None, set(masks)
    if others := tuple(name for name in job.guides if not masks_only([name])):
        from inif.encode.latent.seen import Seen

        seen = Seen.of(replace(job, guides=others), latent_grid(image.axes, image.shape))
        used.update(seen.guided.names if seen else ())
    job = replace(job, guides=tuple(name for name in job.guides if name in used))
    coder = LatentCoder(job, window.most)
    if used:
        guides = Guides(coder, tuple(masks.values()), seen)
        guides.scale = guides.scaling()
        coder.prepares(guides.weighed)
        if seen:
            model = modelled(coder, image.n_channels, window, job.step)
            coder.prepares(partial(guides.shifted, np.full(image.n_channels, model.knob)))
    return coder


@dataclass
class Guides:
    """What guides make of the coefficients of a brick.

    Attributes
    ----------
    coder
        Of the bricks.
    masks
        Booleans with the image's axes, of length 1 where they hold for all.
    seen
        The guides that see images, if there are any.
    scale
        See `scaling`; None where all errors count alike.
    """

    coder: LatentCoder
    masks: tuple[np.ndarray, ...]
    seen: Seen | None
    scale: np.ndarray | None = None

    def weighed(self, brick: int, coefficients: Coefficients) -> Held:
        """The coefficients of a brick, with what their errors count."""
        thrift = _THRIFT if self.seen else 1.0
        if self.scale is None:
            return Held(coefficients, None, thrift)
        own = self.coder.channels(brick)
        counts = self.counts(brick) * self.scale[own.start : own.stop]
        return Held(coefficients, averaged(counts, self.coder.plan(brick)), thrift)

    def shifted(self, knob: np.ndarray, brick: int, coefficients: Coefficients) -> Held:
        """The same, where coefficients aim where the guides' losses fall.

        Parameters
        ----------
        knob
            At which the guides look at what is decoded.
        """
        assert self.seen is not None
        held, coder = self.weighed(brick, coefficients), self.coder
        plan, channels = coder.plan(brick), coder.channels(brick)
        coded = tuple((0, n) for n in plan.sizes)
        spec, original = coder.spec(knob, gains=False), self._original(brick)
        for _ in range(_ROUNDS):
            latents = coder.first(brick, held, knob).latents
            decoded = (outputs_of(spec, latents, plan, channels, box=coded) + 1) / 2
            steps = self.seen.steps(original, decoded, *self._place(brick))
            off, low_off = analyse(steps * np.float32(2 * SCALE), plan)
            levels, low = held.coefficients
            moved = [
                {key: values - part[key] for key, values in bands.items()}
                for bands, part in zip(levels, off, strict=True)
            ]
            held.coefficients, held.last = (moved, low - low_off), None
        return held

    def counts(self, brick: int) -> np.ndarray:
        """What errors of what is coded of a brick count: (C, T, Z, Y, X) float32, in any unit."""
        axes = self.coder.axes
        where = coded_slices(axes, self.coder.grid, brick)
        counts = np.ones([one.stop - one.start for one in where], np.float32)
        for mask in self.masks:
            own = [one if n > 1 else slice(0, 1) for one, n in zip(where, mask.shape, strict=True)]
            counts *= _weights(mask[tuple(own)])
        out = to_five(counts, axes)
        if self.seen and self.seen.marking:
            found = self.seen.marked(self._original(brick), *self._place(brick))
            out = math.prod(map(_weights, found), start=out)
        return out

    def scaling(self) -> np.ndarray | None:
        """What makes the mean of each channel's counts 1, so that it keeps its share of the bits.

        Of what guides see, some bricks stand for all. (C, 1, 1, 1, 1) float32; None where all
        errors count alike.
        """
        if not self.masks and not (self.seen and self.seen.marking):
            return None
        grid, c = self.coder.grid, self.coder.axes.find("C")
        some = list(range(len(grid)))
        if self.seen:
            firsts = {grid.channels(b, c).start: b for b in reversed(some)}
            some = sorted({*spread(grid), *firsts.values()})
        sums, voxels = np.zeros((2, self.coder.job.image.n_channels))
        for brick, part in zip(some, in_order(self.counts, some), strict=True):
            own = grid.channels(brick, c)
            sums[own.start : own.stop] += part.sum(axis=(1, 2, 3, 4), dtype=np.float64)
            voxels[own.start : own.stop] += part[0].size
        scale: np.ndarray = (voxels / sums).astype(np.float32).reshape(-1, 1, 1, 1, 1)
        return scale

    def _original(self, brick: int) -> np.ndarray:
        """Samples of a brick from 0 to 1, (C, T, Z, Y, X) float32."""
        return scaled(self.coder.job, self.coder.grid, brick) / np.float32(2 * SCALE)

    def _place(self, brick: int) -> tuple[tuple[int, ...], int]:
        """Where a brick begins along each axis of the image, and its first channel."""
        return self.coder.grid.origin(brick), self.coder.channels(brick).start


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


def mask_of(path: str, image: ImageSource) -> np.ndarray:
    """A mask of the user's: booleans with the image's axes, of length 1 where it holds for all.

    Raises
    ------
    InputError
        As `inif.metrics.tasks.labels.read_labels`.
    """
    from inif.metrics.tasks.labels import read_labels

    labels = read_labels(path, image.axes, image.shape)
    ordered = sorted(labels.axes, key=image.axes.index)
    mask = np.transpose(labels.data != 0, [labels.axes.index(a) for a in ordered])
    lengths = dict(zip(ordered, mask.shape, strict=True))
    return mask.reshape([lengths.get(a, 1) for a in image.axes])


def _weights(mask: np.ndarray) -> np.ndarray:
    return np.where(mask, np.float32(INSIDE), np.float32(1))


def _halved(x: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Means of pairs along an axis: of what is low, and of what is high, which may be one fewer."""
    pairs = x.shape[axis] // 2
    along = np.moveaxis(x, axis, 0)
    high = (along[: 2 * pairs : 2] + along[1::2]) / np.float32(2)
    low = np.concatenate([high, along[2 * pairs :]])
    return np.moveaxis(low, 0, axis), np.moveaxis(high, 0, axis)
