"""Smaller levels of an image that has one: each sample a mean of the original, or the first of it.

A level is made when it is read, from the original itself and not from the level above.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from inif.image import Region, check_region
from inif.io.pyramid import PART, cut, grown_box, level_shapes
from inif.scale.source import ArraySource


@dataclass(frozen=True)
class Reduced:
    """A level of an array, made of its samples: see `ArraySource`.

    At most 8 million samples of the array are held at once, or one block of it, or those of one
    sample of the level.

    Attributes
    ----------
    source
        Of the array, whose last axes are Y and X.
    shape
        Of the level.
    dtype
        Of both.
    level
        A sample stands for 2**level rows and columns.
    nearest
        Whether it is the first of their samples instead of the mean.
    block
        Lengths of the boxes in which the array is read at least cost, where that is known.
    """

    source: ArraySource
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    level: int
    nearest: bool
    block: tuple[int, ...] | None = None

    def read(self, region: Region) -> np.ndarray:
        """See `ArraySource.read`."""
        region = check_region(region, self.shape)
        out = np.empty([s.stop - s.start for s in region], self.dtype)
        if not out.size:
            return out
        block = self.block or (1,) * out.ndim
        unit = (*block[:-2], *(max(n >> self.level, 1) for n in block[-2:]))
        box = tuple(map(min, unit, out.shape))
        box = grown_box(box, out.shape, max(PART >> 2 * self.level, 1))
        for part in cut(region, box):
            place = tuple(
                slice(p.start - s.start, p.stop - s.start)
                for p, s in zip(part, region, strict=True)
            )
            out[place] = self._part(part)
        return out

    def _part(self, region: Region) -> np.ndarray:
        f = 1 << self.level
        if self.nearest:
            planes = [slice(s.start * f, s.stop * f - f + 1) for s in region[-2:]]
            return self.source.read((*region[:-2], *planes))[..., ::f, ::f]
        planes = [slice(s.start * f, s.stop * f) for s in region[-2:]]
        data = self.source.read((*region[:-2], *planes))
        *others, height, width = data.shape
        boxes = data.reshape(*others, height // f, f, width // f, f)
        with np.errstate(invalid="ignore", over="ignore"):  # infinities of both signs
            mean = boxes.mean(axis=(-3, -1), dtype=np.result_type(self.dtype, np.float64))
            rounded = np.rint(mean) if self.dtype.kind in "iu" else mean
            out: np.ndarray = rounded.astype(self.dtype)
            return out


def smaller(axes: str, shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Shapes of the levels below an array that are to be made; none where its planes are small."""
    return level_shapes(shape)[1:] if axes.endswith("YX") else []


def reduced_dataset(
    dataset: Mapping[str, Any], path: str, axes: str, level: int, *, nearest: bool
) -> dict[str, Any] | None:
    """The entry in "datasets" of a smaller level; None where the first one's place is not clear.

    Parameters
    ----------
    dataset
        Of the first level: one scale, and at most one translation, with a number for every axis.
    """
    entries = _entries(dataset)
    said = {str(e.get("type")): e for e in entries}
    if "scale" not in said or len(said) != len(entries) or said.keys() - _PLACES:
        return None
    scale = _numbers(said["scale"].get("scale"), axes)
    moved = _numbers(said.get("translation", {}).get("translation", [0.0] * len(axes)), axes)
    if scale is None or moved is None:
        return None
    f = 1 << level
    own = [s * f if a in "YX" else s for a, s in zip(axes, scale, strict=True)]
    if not nearest:
        moved = [
            m + s * (f - 1) / 2 if a in "YX" else m
            for a, s, m in zip(axes, scale, moved, strict=True)
        ]
    out: list[dict[str, Any]] = [{"type": "scale", "scale": own}]
    if any(moved) or "translation" in said:
        out.append({"type": "translation", "translation": moved})
    return {"path": path, "coordinateTransformations": out}


def factors(dataset: Mapping[str, Any]) -> list[int]:
    """How many numbers each scale of a data set has."""
    scales = [e.get("scale") for e in _entries(dataset)]
    return [len(s) for s in scales if isinstance(s, list)]


def _entries(dataset: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    entries = dataset.get("coordinateTransformations")
    return [e for e in entries if isinstance(e, Mapping)] if isinstance(entries, list) else []


_PLACES = {"scale", "translation"}


def _numbers(values: Any, axes: Sequence[str]) -> list[float] | None:
    if not isinstance(values, list) or len(values) != len(axes):
        return None
    good = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    return values if good and all(map(math.isfinite, values)) else None
