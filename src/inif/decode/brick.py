"""One brick's field turned into samples: local positions in, values of the image's dtype out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from inif.axes import coordinates
from inif.bricks import BrickGrid
from inif.coding import qweights
from inif.coding.check import Check
from inif.container.reader import Container
from inif.errors import FormatError, MissingExtraError
from inif.fields.field import Field, load_field
from inif.fields.siren import Siren

_SLAB = 1 << 21


@dataclass(frozen=True)
class Intensities:
    """How a field's outputs in [-1, 1] become samples (docs/format.md, "From output to sample").

    Attributes
    ----------
    ranges
        (C, 2) lowest and highest sample of each channel; one row without a C axis.
    dtype
        The image's sample type.
    """

    ranges: np.ndarray
    dtype: np.dtype[np.generic]

    def real(self, y: np.ndarray, channel: np.ndarray | int) -> np.ndarray:
        """Intensities for outputs `y`, in their dtype; `channel` broadcasts against them."""
        low, high = self.ranges[channel, 0], self.ranges[channel, 1]
        half = ((high - low) / 2).astype(np.float32)
        mid = (low + (high - low) / 2).astype(np.float32)
        with np.errstate(over="ignore"):  # infinite is clipped, as any other value out of range
            out: np.ndarray = y * half
            out += mid
        np.clip(out, low.astype(np.float32), high.astype(np.float32), out=out)
        return out

    def samples(self, y: np.ndarray, channel: np.ndarray | int) -> np.ndarray:
        """Samples of the image's dtype: intensities, rounded half to even for whole numbers."""
        real = self.real(y, channel)
        if self.dtype.kind == "f":
            return real.astype(self.dtype, copy=False)
        np.rint(real, out=real)
        if self.dtype.itemsize > 2:  # the limits as float32 may lie beyond those of the type
            low, high = self.ranges[channel, 0], self.ranges[channel, 1]
            real = np.clip(real.astype(np.float64), low, high)
        return real.astype(self.dtype)

    @cached_property
    def limits(self) -> np.ndarray:
        """By channel: half the range, its middle, lowest and highest sample: (C, 4) float32."""
        low, high = self.ranges.T
        return np.stack([(high - low) / 2, low + (high - low) / 2, low, high], 1).astype(np.float32)

    def unrounded(self, dtype: type[np.floating[Any]]) -> Intensities:
        """The same without rounding to whole numbers, for outputs of a dtype."""
        return replace(self, dtype=np.dtype(dtype))


def along_channels(numbers: np.ndarray, axes: str) -> np.ndarray | int:
    """Numbers of channels as they broadcast against an array of these axes; 0 without C."""
    c = axes.find("C")
    return numbers.reshape([-1 if i == c else 1 for i in range(len(axes))]) if c >= 0 else 0


def need_bounded(container: Container, size: int, most: int, unit: str) -> None:
    """Refuse bricks above a format's limit.

    Raises
    ------
    FormatError
        A brick has more than `most` of the unit.
    """
    if size > most:
        raise FormatError(
            "the bricks are too large",
            file=container.name,
            field="header.brick",
            expected=f"at most {most} {unit}",
            got=f"{size} {unit.partition(' ')[0]}",
        )


class ExactBrick:
    """A brick whose samples are the same on every machine, and so are what they follow from."""

    @property
    def opaque(self) -> bool:
        """Whether a codec's own arithmetic, which nothing here can repeat, has a part in them."""
        return False


@dataclass(frozen=True)
class BrickDecoder:
    """A brick ready to be evaluated.

    Attributes
    ----------
    field, weights
        The network and its float32 weight groups.
    axes
        The image's axes.
    extent
        The brick's samples along each axis.
    channel_start
        First channel of the brick.
    intensities
        How outputs become samples.
    as_outputs
        Whether channels are the field's outputs (else C, if there, is a coordinate).
    """

    field: Field
    weights: Sequence[np.ndarray]
    axes: str
    extent: tuple[int, ...]
    channel_start: int
    intensities: Intensities
    as_outputs: bool

    @property
    def nbytes(self) -> int:
        """Memory that the brick takes."""
        return sum(w.nbytes for w in self.weights)

    @property
    def opaque(self) -> bool:
        """Whether a codec's own arithmetic, which nothing here can repeat, has a part in them."""
        return False

    def inputs(self) -> Iterator[bytes]:
        """What its samples follow from besides the header, the same on every machine."""
        for group in self.weights:
            yield np.ascontiguousarray(group, "<f4").tobytes()

    def in_dtype(self, dtype: type[np.floating[Any]]) -> BrickDecoder:
        """The brick in an arithmetic of its own, its samples not rounded to whole numbers."""
        weights = [group.astype(dtype) for group in self.weights]
        return replace(self, weights=weights, intensities=self.intensities.unrounded(dtype))

    def grid(self, local: Sequence[np.ndarray]) -> np.ndarray:
        """Samples at the grid of local positions, (n1, …) in the image's axes and dtype."""
        shape = tuple(len(i) for i in local)
        c = self.axes.find("C")
        per_point = self.field.outputs if c >= 0 and self.as_outputs else 1
        cut = max(range(len(shape)), key=lambda a: -1 if a == c else shape[a])
        if math.prod(shape) * max(1, per_point // (shape[c] if c >= 0 else 1)) <= _SLAB:
            return self._grid(local)
        half = max(1, shape[cut] // 2)
        if shape[cut] < 2:
            return self._grid(local)
        parts = [list(local), list(local)]
        parts[0][cut], parts[1][cut] = local[cut][:half], local[cut][half:]
        out = np.empty(shape, self.intensities.dtype)
        index: list[slice] = [slice(None)] * len(shape)
        for part, where in zip(parts, (slice(half), slice(half, None)), strict=True):
            index[cut] = where
            out[tuple(index)] = self.grid(part)
        return out

    def points(self, local: np.ndarray) -> np.ndarray:
        """Outputs in [-1, 1] at (N, D) local positions (C's a whole number): (N,) float32."""
        coords = [
            coordinates(self.extent[i], local[:, i])
            for i, a in enumerate(self.axes)
            if not (a == "C" and self.as_outputs)
        ]
        stacked = np.stack(coords) if coords else np.zeros((0, len(local)), np.float32)
        values = self.field.points(self.weights, stacked)
        c = self.axes.find("C")
        row = local[:, c].astype(np.int64) if c >= 0 and self.as_outputs else 0
        return np.asarray(values[row, np.arange(len(local))])

    def _grid(self, local: Sequence[np.ndarray]) -> np.ndarray:
        c = self.axes.find("C")
        vectors = [
            coordinates(self.extent[i], index)
            for i, index in enumerate(local)
            if not (i == c and self.as_outputs)
        ]
        values = self.field.grid(self.weights, vectors)
        shape = tuple(len(i) for i in local)
        if c < 0:
            return self.intensities.samples(values, 0).reshape(shape)
        channel = local[c] + self.channel_start
        if self.as_outputs:
            rest = shape[:c] + shape[c + 1 :]
            out = self.intensities.samples(values[local[c]], channel[:, None])
            return np.asarray(np.moveaxis(out.reshape(len(channel), *rest), 0, c))
        return self.intensities.samples(values.reshape(shape), along_channels(channel, self.axes))


class FieldBricks:
    """The bricks of a pure field: each a network of its own.

    Parameters
    ----------
    device
        As `inif.decode.file.open_file` has it.
    """

    def __init__(
        self,
        container: Container,
        grid: BrickGrid,
        intensities: Intensities,
        device: str | None = None,
    ) -> None:
        header = container.header
        self._container, self._grid, self._intensities = container, grid, intensities
        self._axes: str = header["axes"]
        self._c = self._axes.find("C")
        channels = grid.shape[self._c] if self._c >= 0 else 0
        inputs = len(self._axes.replace("C", ""))
        self.field = load_field(header["field"], inputs, channels, file=container.name)
        if device is not None:
            self.field = _on_device(self.field, device)
        self._as_outputs = header["field"].get("channels") != "coordinate"
        if self._c >= 0 and self._as_outputs and grid.counts[self._c] > 1:
            raise FormatError(
                "bricks cut the channel axis of a field whose outputs are the channels",
                file=container.name,
                field="brick",
                expected=f"{channels} along C",
                got=grid.brick[self._c],
            )

    def section(self, brick: int) -> tuple[qweights.QuantizedWeights, Check]:
        """One brick's quantised weights and the encoder's check of its decode."""
        name = self._container.name
        data = self._container.read(self._container.require(qweights.KIND, brick))
        shapes = self.field.group_shapes
        return qweights.unpack(data, shapes, file=name, brick=brick)

    def check(self, brick: int) -> Check:
        """The encoder's check of a brick's decode."""
        return self.section(brick)[1]

    def open(self, brick: int) -> BrickDecoder:
        """A brick ready to be evaluated."""
        return BrickDecoder(
            self.field,
            self.section(brick)[0].weights(),
            self._axes,
            self._grid.extent(brick),
            self._grid.channels(brick, self._c).start,
            self._intensities,
            self._as_outputs,
        )


def _on_device(field: Field, device: str) -> Field:
    """The field as JAX evaluates it.

    Raises
    ------
    MissingExtraError, InputError
        There is no JAX, or it has no such device.
    """
    try:
        from inif.fields.device import DeviceSiren
    except ImportError:
        raise MissingExtraError("jax", "fields", need=f"device {device!r}") from None
    assert isinstance(field, Siren)
    return DeviceSiren.of(field, device)
