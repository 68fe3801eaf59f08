"""Bricks of a hybrid file: standard streams of a codec, and the small repair that follows them.

A brick's streams are decoded whole, once, because codecs decode nothing less; what comes after
them is worked out for the samples that are asked for. See docs/format.md, "Hybrid".
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any

import numpy as np

from inif.bricks import BrickGrid
from inif.codecs.base import Shape
from inif.coding import leb128
from inif.coding.check import Check
from inif.container.reader import Container
from inif.decode import residual
from inif.decode.brick import Intensities, need_bounded
from inif.decode.codec import KIND, MAX_BRICK, BrickData, CodecSpec, Content
from inif.decode.residual import Rest
from inif.errors import FormatError
from inif.fields.neighbourhood import Volume
from inif.fields.parallel import in_order
from inif.fields.repair import KIND as REPAIR
from inif.fields.repair import NO_REPAIR, Head, Repair, load_network, network_of, repaired
from inif.frames import CANON, from_canon, restored, sizes_of


@dataclass(frozen=True)
class HybridBrick:
    """A hybrid brick ready to be evaluated.

    Attributes
    ----------
    spec
        The file's codec.
    streams
        One per channel of the brick.
    axes, extent
        The image's axes, and the brick's samples along each.
    channel_start
        First channel of the brick.
    intensities
        How outputs become samples.
    threads
        That the codec may use.
    where
        File and section, for messages.
    network
        The shipped network of the repair, or None.
    repairs
        One per channel, if the file has a repair.
    rest, origin
        The field for the rest, if there is one, and where the brick begins in the image.
    dtype
        Of the repair's arithmetic.
    """

    spec: CodecSpec
    streams: tuple[bytes, ...]
    axes: str
    extent: tuple[int, ...]
    channel_start: int
    intensities: Intensities
    threads: int = 1
    where: tuple[object, str] = (None, "codec")
    network: str | None = None
    repairs: tuple[Repair, ...] = ()
    rest: Rest | None = None
    origin: tuple[int, ...] = ()
    dtype: type[np.floating[Any]] = np.float32
    _lock: Lock = field(default_factory=Lock, compare=False, repr=False)
    _volumes: dict[int, np.ndarray] = field(default_factory=dict, compare=False, repr=False)
    _heads: dict[int, Head] = field(default_factory=dict, compare=False, repr=False)
    _views: dict[int, Volume] = field(default_factory=dict, compare=False, repr=False)

    @property
    def frames(self) -> int:
        """Of each stream."""
        _, t, z, _, _ = sizes_of(self.axes, self.extent)
        return t * z

    @property
    def stack(self) -> Shape:
        """(N, Y, X) of each stream."""
        return (self.frames, *sizes_of(self.axes, self.extent)[3:])

    @property
    def nbytes(self) -> int:
        """Memory that the decoded streams take, once they are."""
        return 2 * math.prod(self.extent)

    @property
    def opaque(self) -> bool:
        """Whether a codec's own arithmetic, which nothing here can repeat, has a part in them."""
        return not self.spec.codec.exact

    def inputs(self) -> Iterator[bytes]:
        """What its samples follow from besides the header, the same on every machine."""
        if self.opaque:
            yield leb128.join(self.streams, b"")
        else:
            for channel in range(len(self.streams)):
                yield np.ascontiguousarray(self.volume(channel), "<u2").tobytes()
        yield b"".join(repair.pack(self.frames) for repair in self.repairs)
        if self.rest is not None:
            yield self.rest.data

    def in_dtype(self, dtype: type[np.floating[Any]]) -> HybridBrick:
        """The brick in an arithmetic of its own, its samples not rounded to whole numbers."""
        rest = None if self.rest is None else self.rest.in_dtype(dtype)
        intensities = self.intensities.unrounded(dtype)
        return replace(self, intensities=intensities, rest=rest, dtype=dtype, _views={})

    def grid(self, local: Sequence[np.ndarray]) -> np.ndarray:
        """Samples at the grid of local positions, (n1, …) in the image's axes and dtype."""
        picks = dict(zip(self.axes, local, strict=True))
        c, t, z, y, x = (picks.get(a, np.zeros(1, np.int64)) for a in CANON)
        out = np.empty(tuple(map(len, (c, t, z, y, x))), self.intensities.dtype)
        for channel in c:
            self._prepare(int(channel), t, z)

        def plane(place: tuple[int, ...]) -> np.ndarray:
            channel, when, depth = (int(v[i]) for v, i in zip((c, t, z), place, strict=True))
            values = self.outputs(channel, when, depth, y, x)
            return self.intensities.samples(values, channel + self.channel_start)

        places = list(np.ndindex(out.shape[:3]))
        workers = None if self.rest is None else 1
        for place, samples in zip(places, in_order(plane, places, workers=workers), strict=True):
            out[place] = samples
        self._views.clear()
        return from_canon(out, self.axes)

    def points(self, local: np.ndarray) -> np.ndarray:
        """Outputs in [-1, 1] at (N, D) local positions, linear between samples: (N,) float32."""
        columns = {a: local[:, i] for i, a in enumerate(self.axes)}
        channel = columns.pop("C", np.zeros(len(local))).astype(np.int64)
        where = [columns.get(a, np.zeros(len(local))) for a in CANON[1:]]
        out = np.zeros(len(local), np.float32)
        for c in np.unique(channel):
            rows = channel == c
            out[rows] = _interpolate(self, int(c), [w[rows] for w in where])
        self._views.clear()
        return out

    def outputs(self, channel: int, t: int, z: int, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Outputs in [-1, 1] of a plane at rows `y` and columns `x`: (len(y), len(x))."""
        out = self._repaired(channel, t, z, y, x)
        if self.rest is not None:
            start = dict(zip(self.axes, self.origin, strict=True))
            where = {"C": channel, "T": t, "Z": z}
            where = {axis: n + start.get(axis, 0) for axis, n in where.items()}
            out += self.rest.plane(where, y + start["Y"], x + start["X"])
        return out

    def _repaired(self, channel: int, t: int, z: int, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        """The same before the field for the rest."""
        levels = self.volume(channel)
        peak = self.spec.codec.peak
        repair = self.repairs[channel] if self.repairs else NO_REPAIR
        if not repair.repairs(t * levels.shape[1] + z):
            plain: np.ndarray = levels[t, z][np.ix_(y, x)].astype(np.float32)
            plain *= np.float32(2 / peak)
            plain -= np.float32(1)
            return plain.astype(self.dtype, copy=False)
        partner = None if repair.partner is None else self._view(repair.partner)
        out = repaired(self._head(channel), self._view(channel), partner, t, z, y, x, self.dtype)
        out *= np.float32(2)
        out -= np.float32(1)
        return out

    def _prepare(self, channel: int, t: np.ndarray, z: np.ndarray) -> None:
        """Decode all that planes of a channel need, so that several can be worked out at once."""
        depths = self.volume(channel).shape[1]
        repair = self.repairs[channel] if self.repairs else NO_REPAIR
        if any(repair.repairs(int(frame)) for frame in np.add.outer(t * depths, z).flat):
            self._head(channel)
            self._view(channel)
            if repair.partner is not None:
                self._view(repair.partner)

    def _view(self, channel: int) -> Volume:
        """A channel as the field sees it, with the windows that neighbouring planes share."""
        view = self._views.get(channel)
        if view is None:
            peak, error = self.spec.codec.peak, self.repairs[channel].error
            view = self._views[channel] = Volume(self.volume(channel), peak, error)
        return view

    def _head(self, channel: int) -> Head:
        if channel not in self._heads:
            stated = np.array(self.repairs[channel].stated)
            self._heads[channel] = load_network(str(self.network)).head(stated)
        return self._heads[channel]

    def volume(self, channel: int) -> np.ndarray:
        """A channel of the brick as the codec has it: (T, Z, Y, X) levels."""
        with self._lock:  # threads that want the same channel wait for one to decode it
            if channel not in self._volumes:
                _, t, z, _, _ = sizes_of(self.axes, self.extent)
                file, place = self.where
                stack = self.spec.codec.decode(
                    self.streams[channel], self.stack, self.threads, file=file, field=place
                )
                self._volumes[channel] = restored(stack, t, z, self.spec.frame_order)
            return self._volumes[channel]


class HybridBricks:
    """The bricks of a hybrid file.

    Raises
    ------
    FormatError
        The header's ``codec`` is not known, or bricks are too large.
    """

    def __init__(self, container: Container, grid: BrickGrid, intensities: Intensities) -> None:
        header = container.header
        self._container, self.grid, self._intensities = container, grid, intensities
        self._axes: str = header["axes"]
        self._c = self._axes.find("C")
        self.spec = CodecSpec.from_json(header["codec"], file=container.name)
        kind = header["field"].get("kind")
        self.rest: Rest | None = None
        if residual.FEATURE in header["requires"]:
            data = container.read(container.require(residual.KIND))
            self.rest = Rest(data, self._axes, grid.shape, file=container.name)
        self.network = network_of(header["field"], file=container.name) if kind == REPAIR else None
        need_bounded(container, math.prod(grid.brick), MAX_BRICK, "samples")
        if not {"Y", "X"} <= set(self._axes):
            raise FormatError(
                "a codec needs planes",
                file=container.name,
                field="header.axes",
                expected="Y and X among the axes",
                got=self._axes,
            )

    @property
    def channels(self) -> int:
        """Of the image."""
        return self.grid.shape[self._c] if self._c >= 0 else 1

    def section(self, brick: int) -> BrickData:
        """One brick's streams and the encoder's check of its decode."""
        channels = len(self.grid.channels(brick, self._c))
        _, t, z, _, _ = sizes_of(self._axes, self.grid.extent(brick))
        bases = load_network(self.network).bases if self.network else 0
        data = self._container.read(self._container.require(KIND, brick))
        content = Content(channels, t * z, bases)
        name = self._container.name
        return BrickData.unpack(data, content, file=name, brick=brick)

    def check(self, brick: int) -> Check:
        """The encoder's check of a brick's decode."""
        return self.section(brick).check

    def open(self, brick: int) -> HybridBrick:
        """A brick ready to be evaluated."""
        section = self.section(brick)
        return HybridBrick(
            self.spec,
            section.streams,
            self._axes,
            self.grid.extent(brick),
            self.grid.channels(brick, self._c).start,
            self._intensities,
            os.cpu_count() or 1,
            (self._container.name, f"section CODE of brick {brick}"),
            self.network,
            section.repairs,
            self.rest,
            self.grid.origin(brick),
        )


def _interpolate(brick: HybridBrick, channel: int, where: list[np.ndarray]) -> np.ndarray:
    """Multilinear interpolation at fractional (t, z, y, x) positions: (N,) float32."""
    low = [np.floor(w).astype(np.int64) for w in where]
    share = [(w - i).astype(np.float32) for w, i in zip(where, low, strict=True)]
    out = np.zeros(len(where[0]), np.float32)
    _, _, depths, _, _ = sizes_of(brick.axes, brick.extent)
    frames: dict[int, list[tuple[np.ndarray, np.ndarray]]] = {}
    for dt, dz in np.ndindex(2, 2):
        weight = (share[0] if dt else 1 - share[0]) * (share[1] if dz else 1 - share[1])
        number = (low[0] + dt) * depths + low[1] + dz
        used = np.flatnonzero(weight)
        for frame in np.unique(number[used]):
            rows = used[number[used] == frame]
            frames.setdefault(int(frame), []).append((rows, weight[rows]))
    for frame, parts in frames.items():
        rows = np.concatenate([r for r, _ in parts])
        weight = np.concatenate([w for _, w in parts])
        y, x = low[2][rows], low[3][rows]
        ys, xs = (np.arange(v.min(), v.max() + 2) for v in (y, x))
        height, width = sizes_of(brick.axes, brick.extent)[3:]
        inside = np.minimum(ys, height - 1), np.minimum(xs, width - 1)
        plane = brick.outputs(channel, *divmod(frame, depths), *inside)
        y, x = y - ys[0], x - xs[0]
        v, u = share[2][rows], share[3][rows]
        value = (plane[y, x] * (1 - u) + plane[y, x + 1] * u) * (1 - v)
        value += (plane[y + 1, x] * (1 - u) + plane[y + 1, x + 1] * u) * v
        out[rows] += weight * value
    return out
