"""Writing an image region by region, with its smaller levels: memory does not grow with it.

A level is whatever takes and gives samples by index, as an array of Zarr does. The samples of the
source are read once, box by box; each smaller level is made of what was written of the one above.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

import numpy as np

from inif.config import ProgressEvent
from inif.image import ImageSource, Region
from inif.labels import label_channels

PART = 1 << 23
"""Samples that are read, and written, at once: as many as a brick of a latent field has."""

SMALL, SMALLEST = 512, 256
"""An image whose planes have no longer side than the first has one level; of another, levels are
made until they have no longer side than the second."""

Shape = tuple[int, ...]
Progress = Callable[[ProgressEvent], None]


class Level(Protocol):
    """Where the samples of a level go, and where they can be read again."""

    @property
    def shape(self) -> Shape:
        """Samples along each axis; the last two are Y and X."""

    def __getitem__(self, region: Region) -> np.ndarray:
        """Samples that were written."""

    def __setitem__(self, region: Region, samples: np.ndarray) -> None:
        """Write the samples of a region that covers whole chunks."""


def level_shapes(shape: Shape) -> list[Shape]:
    """Of an image, (…, Y, X), and of its smaller levels: rows and columns are halved, rounded down.

    Other axes stay whole.
    """
    out = [shape]
    if max(shape[-2:]) > SMALL:
        while max(out[-1][-2:]) > SMALLEST and min(out[-1][-2:]) > 1:
            *others, height, width = out[-1]
            out.append((*others, height // 2, width // 2))
    return out


def chunk_length(
    length: int, block: int | None, most: int, *, least: int = 1, multiple: int = 1
) -> int:
    """Samples of a chunk along an axis: where possible, blocks of the source are whole chunks.

    Parameters
    ----------
    length
        Of the axis.
    block
        Samples along the axis in which the source is read at least cost, or None.
    most, least
        Samples of a chunk; `most` is a multiple of `multiple`.
    multiple
        Of what a chunk must be, even where the axis is shorter than that.
    """
    usual = min(most, -(-length // multiple) * multiple)
    if block is None or block >= length:
        return usual
    if block < most:
        fits = [block if 2 * block >= most else most // block * block]
    else:
        fits = [n for n in range(most, 0, -1) if block % n == 0]
    return min(next((n for n in fits if n >= least and n % multiple == 0), usual), usual)


def fill(
    source: ImageSource,
    levels: Sequence[Level],
    chunk: Shape,
    *,
    nearest: bool = False,
    progress: Progress | None = None,
) -> None:
    """Write the samples of a source to the first level, and smaller ones to the others.

    Parameters
    ----------
    source
        Y and X are its last axes, if there is more than one level.
    levels
        Of the shapes of `level_shapes`.
    chunk
        Lengths of what levels write as one: a region ends at multiples of it, or at the end.
    nearest
        Whether smaller levels have the first of every 2 × 2 samples instead of their mean.
    progress
        Hears how many samples of all levels are written; what it raises ends the work.
    """
    begun, done, total = time.monotonic(), 0, sum(math.prod(level.shape) for level in levels)
    # One thread writes while the next box is read. Ctrl-C waits for it, so that nothing is written
    # any more when what is there is removed.
    with ThreadPoolExecutor(1) as pool:
        for number, level in enumerate(levels):
            writing: Future[None] | None = None
            block, most = (None, PART // 4) if number else (source.block, PART)
            for region in _boxes(level.shape, chunk, block, most):
                if number:
                    samples = _halved(levels[number - 1][_doubled(region)], nearest=nearest)
                else:
                    samples = source.read(region)
                if writing is not None:
                    writing.result()
                writing = pool.submit(level.__setitem__, region, samples)
                done += samples.size
                if progress is not None:
                    seconds = time.monotonic() - begun
                    left = seconds * (total - done) / done
                    progress(ProgressEvent("write", done, total, None, seconds, left))
            if writing is not None:
                writing.result()


def holds_labels(image: ImageSource) -> bool:
    """Whether means of its samples are nothing: booleans, and labels by word or by look."""
    if image.dtype.kind == "b" or image.labels is not None:
        return image.dtype.kind == "b" or bool(image.labels)
    return len(label_channels(image)) == image.n_channels


def _boxes(shape: Shape, chunk: Shape, block: Shape | None, most: int) -> Iterator[Region]:
    """Boxes of whole chunks that cover an image, of at most `most` samples if a chunk has no more.

    All boxes of a block come one after another; a box is several blocks where there is room.
    """
    unit = tuple(
        min(-(-b // c) * c, n) for b, c, n in zip(block or chunk, chunk, shape, strict=True)
    )
    box = grown_box(tuple(map(min, chunk, shape)), unit, most)
    if box == unit:
        box = unit = grown_box(unit, shape, most)
    for whole in cut(tuple(slice(0, n) for n in shape), unit):
        yield from cut(whole, box)


def grown_box(box: Shape, ends: Shape, most: int) -> Shape:
    """A box some times as long along each axis, the last first, as far as `most` samples allow."""
    out = list(box)
    for axis in reversed(range(len(box))):
        room = max(most // math.prod(out), 1)
        out[axis] = min(min(room, -(-ends[axis] // box[axis])) * box[axis], ends[axis])
    return tuple(out)


def cut(region: Region, box: Shape) -> Iterator[Region]:
    """A region in boxes, in C order; the last along an axis may be shorter."""
    starts = (range(s.start, s.stop, n) for s, n in zip(region, box, strict=True))
    for place in itertools.product(*starts):
        yield tuple(
            slice(a, min(a + n, s.stop)) for a, n, s in zip(place, box, region, strict=True)
        )


def _doubled(region: Region) -> Region:
    """The region of the level above from which a region of a level is made."""
    return (*region[:-2], *(slice(2 * s.start, 2 * s.stop) for s in region[-2:]))


def _halved(data: np.ndarray, *, nearest: bool) -> np.ndarray:
    """Of every 2 × 2 samples of planes the mean, plane by plane, or the first."""
    if nearest:
        return np.ascontiguousarray(data[..., ::2, ::2])
    out = np.empty((*data.shape[:-2], *(n // 2 for n in data.shape[-2:])), data.dtype)
    real = np.result_type(data.dtype, np.float64)
    for index in np.ndindex(out.shape[:-2]):
        plane = data[index]
        with np.errstate(invalid="ignore", over="ignore"):  # infinities of both signs
            mean = plane[::2, ::2].astype(real)
            for rows, columns in ((0, 1), (1, 0), (1, 1)):
                mean += plane[rows::2, columns::2]
            mean /= 4
            out[index] = np.rint(mean) if data.dtype.kind in "iu" else mean
    return out
