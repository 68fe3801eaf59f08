"""What guides that see images say of a latent field: where they look, what they would change.

They see regions side by side that cover the image, original and decoded. Blobs, and what a user's
segmenter finds, are where errors count more. And coefficients aim a little off the original, along
the derivative of the guides' losses by the decoded samples.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from inif.bricks import BrickGrid
from inif.encode.hybrid.guided import Guided
from inif.encode.job import Job
from inif.guidance import filaments
from inif.guidance.guides import Traced
from inif.guidance.perceptual import Perceptual
from inif.guidance.regions import RegionGuide
from inif.guidance.segmentation import Segmentation

AMOUNT = 0.5
"""How far to go, in root mean squared errors, where nothing is left of what is wanted."""

_AROUND = 6
"""Samples along Y and X by which what is found grows: a thing is told by what it differs from."""

_MOST = 3.0
"""Of a derivative, in its root mean squares, so that a few samples do not have all of it."""

_TRIMS = 8
_LEAST = 1e-12


@dataclass(frozen=True)
class Seen:
    """The guides of an image, and how they see it.

    Attributes
    ----------
    guided
        At least one guide; those that segment find what is dim, too.
    """

    guided: Guided

    @classmethod
    def of(cls, job: Job, grid: BrickGrid) -> Seen | None:
        """Those of a job's guides that have something to say; a warning for each other one."""
        guided = Guided.of(job, grid)
        if guided is None:
            return None
        guides = [g.dimmer() if isinstance(g, Segmentation) else g for g in guided.guidance.guides]
        return cls(replace(guided, guidance=replace(guided.guidance, guides=tuple(guides))))

    @property
    def marking(self) -> list[tuple[int, Segmentation | Traced | RegionGuide]]:
        """The guides that find things, each with its number.

        Contrast is what is lost of filaments, so their errors count as all others.
        """
        return [
            (i, guide)
            for i, guide in enumerate(self.guided.guidance.guides)
            if isinstance(guide, Segmentation | Traced | RegionGuide)
            and not (isinstance(guide, Segmentation) and guide.filter is filaments)
        ]

    def marked(self, original: np.ndarray, origin: tuple[int, ...], first: int) -> list[np.ndarray]:
        """Where the guides look that find things: of each, (C, T, Z, Y, X) booleans.

        Parameters
        ----------
        original
            A brick's, (C, T, Z, Y, X) float32, from 0 to 1.
        origin, first
            Its first sample along each axis of the image, and its first channel.
        """
        out = []
        for i, guide in self.marking:
            found = np.zeros(original.shape, bool)
            for key, channel in self._regions(original.shape, first):
                if isinstance(guide, RegionGuide):
                    seen = self._extras(key, origin, channel)[i] > 0
                else:
                    part = guide.marked(self._cut(original, key), jnp.int32(channel))
                    seen = _grown(part)
                found[key] |= np.asarray(seen).reshape(found[key].shape)
            out.append(found)
        return out

    def steps(
        self, original: np.ndarray, decoded: np.ndarray, origin: tuple[int, ...], first: int
    ) -> np.ndarray:
        """What a brick should have less of: along the derivatives of the losses by its samples.

        For each guide and channel the root mean square is `AMOUNT` of that of the errors, times
        what the loss is above its least; of several guides it is the mean.

        Parameters
        ----------
        original, decoded
            (C, T, Z, Y, X) float32, from 0 to 1.
        origin, first
            As `marked`.
        """
        guides, count = self.guided.guidance.guides, np.zeros(len(original))
        slopes = np.zeros((len(guides), *original.shape), np.float32)
        above = np.zeros((len(guides), len(original)))
        for key, channel in self._regions(original.shape, first):
            count[key[0]] += 1
            extras = self._extras(key, origin, channel)
            wanted, found = self._cut(original, key), self._cut(decoded, key)
            for i, (guide, loss) in enumerate(zip(guides, self.guided.losses, strict=True)):
                given = wanted, jnp.int32(channel), extras[i]
                value, slope = loss(found, *given)
                least = 0.0 if isinstance(guide, Perceptual) else float(loss(wanted, *given)[0])
                above[i, key[0]] += max(float(value) - least, 0.0)
                part = np.nan_to_num(np.asarray(slope), posinf=0.0, neginf=0.0)
                slopes[(i, *key)] = part.reshape(slopes[(i, *key)].shape)
        errors = np.sqrt(np.square(decoded - original).mean(axis=(1, 2, 3, 4)))
        room = AMOUNT * errors * np.minimum(above / count, 1)
        for at in np.ndindex(room.shape):
            slopes[at] = _trimmed(slopes[at]) * np.float32(room[at])
        steps: np.ndarray = slopes.mean(axis=0)
        return steps

    def _regions(self, shape: tuple[int, ...], first: int) -> Iterator[tuple[Any, int]]:
        """Where the regions of a brick are in it, and the channel of the image of each."""
        sides = [self.guided.sides.get(a, 1) for a in "ZYX"]
        for c, t in np.ndindex(shape[0], shape[1]):
            for z in _starts(shape[2], sides[0]):
                for y in _starts(shape[3], sides[1]):
                    for x in _starts(shape[4], sides[2]):
                        corner = zip((z, y, x), sides, strict=True)
                        yield (c, t, *[slice(a, a + n) for a, n in corner]), first + c

    def _cut(self, values: np.ndarray, key: Any) -> jax.Array:
        part = values[key]
        return jnp.asarray(part if "Z" in self.guided.sides else part[0])

    def _extras(self, key: Any, origin: tuple[int, ...], channel: int) -> jax.Array:
        """What guides need besides: one more axis, of the guides, before those of a region."""
        starts = {"T": key[1], **{a: s.start for a, s in zip("ZYX", key[2:], strict=True)}}
        sides = [self.guided.sides[a] for a in "ZYX" if a in self.guided.sides]
        boxes = self.guided.boxes(origin, starts, channel)
        return jnp.asarray(self.guided.guidance.extras(boxes)[:, 0].reshape(-1, *sides))


def _trimmed(slope: np.ndarray) -> np.ndarray:
    """A derivative without its largest values, of a root mean square of 1."""
    for _ in range(_TRIMS):
        most = _MOST * math.sqrt(float(np.square(slope).mean(dtype=np.float64)))
        slope = slope.clip(-most, most)
    size = math.sqrt(float(np.square(slope).mean(dtype=np.float64)))
    return slope / np.float32(max(size, _LEAST))


@jax.jit
def _grown(found: jax.Array) -> jax.Array:
    """What is within `_AROUND` rows and columns of something true."""
    window = (1,) * (found.ndim - 2) + (2 * _AROUND + 1,) * 2
    grown: jax.Array = jax.lax.reduce_window(
        found, False, jax.lax.bitwise_or, window, (1,) * found.ndim, "SAME"
    )
    return grown


def _starts(length: int, side: int) -> list[int]:
    """Where regions of a side begin that cover a length, the last one flush with its end."""
    return sorted({*range(0, length - side + 1, side), length - side})
