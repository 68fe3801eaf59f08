"""Pairs of planes out of two images, so that measuring needs about one plane of memory.

The original may be a memory-mapped stack and the other image a `File` that decodes on demand; both
are read block by block with basic indexing only. Each plane is then cut into strips of rows that
fit a processor's cache, because only there is the arithmetic in float64: no image is ever held in
float64 whole, not even a large 2-D one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from inif.axes import check_axes, plane_axes, slot_axes
from inif.errors import InputError

BLOCK = 1 << 22  # samples read at once from each image
STRIP = 1 << 17  # samples in float64 at once: 1 MiB per temporary array


class Samples(Protocol):
    """What is asked of an image: NumPy's shape, dtype and basic indexing (`inif.File` has them)."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of every axis."""
        ...

    @property
    def dtype(self) -> Any:
        """Type of the samples."""
        ...

    def __getitem__(self, key: Any, /) -> Any:
        """A block of samples for a tuple of slices."""
        ...


@dataclass(frozen=True)
class PlaneLayout:
    """Which axes form a plane, and which ones number the planes.

    Attributes
    ----------
    axes, shape
        The image's axes, in its own order.
    plane
        Positions of the two axes of a plane: Y and X where the image has both, else the last axes
        besides C (two, one or none: a plane then has sides of length 1).
    slots
        Positions of the other axes, in the image's order: planes are numbered along them.
    """

    axes: str
    shape: tuple[int, ...]
    plane: tuple[int, ...]
    slots: tuple[int, ...]

    @property
    def is_picture(self) -> bool:
        """Whether a plane is spanned by Y and X, so that windows and frequencies have a meaning."""
        return {self.axes[i] for i in self.plane} == {"Y", "X"}

    @property
    def slot_shape(self) -> tuple[int, ...]:
        """How many planes there are along each axis of `slots`."""
        return tuple(self.shape[i] for i in self.slots)

    @property
    def plane_shape(self) -> tuple[int, int]:
        """Rows and columns of a plane."""
        sides = [1, 1, *(self.shape[i] for i in self.plane)]
        return sides[-2], sides[-1]

    @property
    def n_channels(self) -> int:
        """Length of the C axis, 1 where there is none."""
        return self.shape[self.axes.index("C")] if "C" in self.axes else 1

    @property
    def channel_slot(self) -> int | None:
        """Which of `slots` is the C axis, None if the image has none."""
        letters = [self.axes[i] for i in self.slots]
        return letters.index("C") if "C" in letters else None

    @property
    def voxels_per_channel(self) -> int:
        """Samples of one channel."""
        return math.prod(self.shape) // self.n_channels

    def unfit(self, least: int, what: str) -> str | None:
        """Why `what` cannot be had of planes of at least `least` × `least` samples, or None."""
        if not self.is_picture:
            return f"{what} needs the axes Y and X; this image has {self.axes}"
        rows, columns = self.plane_shape
        if min(rows, columns) >= least:
            return None
        return (
            f"{what} needs planes of at least {least} × {least} pixels; "
            f"these have {rows} × {columns}"
        )

    def channel_of(self, slot: Sequence[int]) -> int:
        """The channel that a plane belongs to."""
        return 0 if self.channel_slot is None else int(slot[self.channel_slot])

    def index_json(self, slot: Sequence[int]) -> dict[str, int]:
        """A plane's place by axis name, lower case, as in ``{"z": 31}``."""
        return {self.axes[i].lower(): int(k) for i, k in zip(self.slots, slot, strict=True)}


@dataclass(frozen=True)
class Plane:
    """One plane of both images: (rows, columns), in the images' own dtypes."""

    slot: tuple[int, ...]
    channel: int
    original: np.ndarray
    decoded: np.ndarray


@dataclass(frozen=True)
class Strip:
    """Some rows of a plane in float64.

    Attributes
    ----------
    rows
        How many rows, from the first, belong to this strip alone.
    original, decoded, error
        (rows + up to `halo`, columns) float64; error = decoded - original. The rows after `rows`
        are the next strip's first ones, there for whatever looks across the border.
    """

    slot: tuple[int, ...]
    channel: int
    rows: int
    original: np.ndarray
    decoded: np.ndarray
    error: np.ndarray


def plane_layout(axes: str, shape: Sequence[int]) -> PlaneLayout:
    """Choose the plane axes of an image.

    Raises
    ------
    AxesError
        The axes do not describe the shape.
    InputError
        An axis of length 0.
    """
    shape = tuple(int(n) for n in shape)
    axes = check_axes(axes, shape)
    if 0 in shape:
        raise InputError(
            "an image without samples cannot be measured",
            field="shape",
            expected="every axis ≥ 1",
            got=shape,
        )
    return PlaneLayout(axes, shape, plane_axes(axes), slot_axes(axes))


def walk(
    original: Samples, decoded: Samples, lay: PlaneLayout, block: int = BLOCK
) -> Iterator[Plane]:
    """Every plane of both images, in C order of the other axes, read about `block` samples at once.

    Raises
    ------
    InputError
        The two shapes differ, or a block does not come back in the shape asked for.
    """
    check_shapes(original, decoded, lay)
    for start, key in _blocks(lay, block):
        a = _planes_last(original, key, lay)
        b = _planes_last(decoded, key, lay)
        for offset in np.ndindex(a.shape[:-2]):
            slot = tuple(s + o for s, o in zip(start, offset, strict=True))
            yield Plane(slot, lay.channel_of(slot), a[offset], b[offset])


def walk_one(
    image: Samples, lay: PlaneLayout, block: int = BLOCK
) -> Iterator[tuple[int, np.ndarray]]:
    """Every plane of one image with its channel."""
    for start, key in _blocks(lay, block):
        planes = _planes_last(image, key, lay)
        for offset in np.ndindex(planes.shape[:-2]):
            slot = tuple(s + o for s, o in zip(start, offset, strict=True))
            yield lay.channel_of(slot), planes[offset]


def read_plane(image: Samples, lay: PlaneLayout, slot: Sequence[int]) -> np.ndarray:
    """One plane (rows, columns) of an image, in its own dtype."""
    key = [slice(None)] * len(lay.shape)
    for axis, k in zip(lay.slots, slot, strict=True):
        key[axis] = slice(k, k + 1)
    planes = _planes_last(image, tuple(key), lay)
    return planes.reshape(planes.shape[-2:])


def strips(plane: Plane, halo: int = 6, size: int = STRIP) -> Iterator[Strip]:
    """A plane as strips of rows in float64, each with up to `halo` of the rows that follow it."""
    n_rows, n_columns = plane.original.shape
    step = max(1, size // max(1, n_columns))
    for y in range(0, n_rows, step):
        rows = min(step, n_rows - y)
        part = slice(y, y + rows + halo)
        a = plane.original[part].astype(np.float64)
        b = plane.decoded[part].astype(np.float64)
        yield Strip(plane.slot, plane.channel, rows, a, b, b - a)


def check_shapes(original: Samples, decoded: Samples, lay: PlaneLayout) -> None:
    """Raise `InputError` unless both images have the layout's shape."""
    for image in (original, decoded):
        if tuple(image.shape) != lay.shape:
            raise InputError(
                "the two images differ in shape",
                field="shape",
                expected=lay.shape,
                got=tuple(image.shape),
                fix="compare an image with its own compressed version, cropped alike",
            )
        if np.dtype(image.dtype).kind not in "biuf":
            raise InputError(
                "these samples cannot be measured",
                field="dtype",
                expected="real numbers",
                got=np.dtype(image.dtype).name,
            )


def _blocks(lay: PlaneLayout, block: int) -> Iterator[tuple[tuple[int, ...], tuple[slice, ...]]]:
    """First slot and indexing key of every block; inner axes are taken whole before outer ones."""
    budget = max(1, block // math.prod(lay.plane_shape))
    steps: list[int] = []
    for n in reversed(lay.slot_shape):
        steps.insert(0, min(n, max(1, budget)))
        budget //= steps[0]
    counts = tuple(-(-n // s) for n, s in zip(lay.slot_shape, steps, strict=True))
    for number in np.ndindex(counts):
        start = tuple(i * s for i, s in zip(number, steps, strict=True))
        key = [slice(None)] * len(lay.shape)
        for axis, first, step in zip(lay.slots, start, steps, strict=True):
            key[axis] = slice(first, min(first + step, lay.shape[axis]))
        yield start, tuple(key)


def _planes_last(image: Samples, key: tuple[slice, ...], lay: PlaneLayout) -> np.ndarray:
    """A block with axes (slots…, rows, columns)."""
    values = np.asarray(image[key])
    expected = tuple(len(range(n)[k]) for n, k in zip(lay.shape, key, strict=True))
    if values.shape != expected:
        raise InputError(
            "a block of the image came back in another shape",
            field=str(key),
            expected=expected,
            got=values.shape,
        )
    values = values.transpose(lay.slots + lay.plane)
    return values.reshape(values.shape[: len(lay.slots)] + lay.plane_shape)
