"""Bricks of a latent field: streams of latents, their synthesis, and a repair of what that gives.

All of it is exact: every machine gives the same samples. A brick's streams are decoded whole, or
only the coarse ones where an overview is wanted; what follows is done for the part that is wanted.
See docs/format.md, "Latent field".
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from threading import Lock
from typing import Any

import numpy as np

from inif.bricks import BrickGrid
from inif.coding.check import SIZE as CHECK_SIZE
from inif.coding.check import Check
from inif.container.reader import Container
from inif.container.table import SectionEntry
from inif.decode.brick import ExactBrick, Intensities, along_channels, need_bounded
from inif.decode.check import little_endian
from inif.decode.latent_samples import outputs_of, samples_of, seen_by
from inif.decode.latent_spec import TABLES, LatentSpec
from inif.errors import FormatError
from inif.fields.parallel import in_order
from inif.latent import tables
from inif.latent.box import Box, slices
from inif.latent.decoder import Decoder, Latents
from inif.latent.layout import (
    MOST_VOXELS,
    from_five,
    places,
    slots,
)
from inif.latent.plan import Plan
from inif.latent.sections import COARSE, COARSE_LEVEL, FINE, streams_of, unpacked

FEATURE = "latent/1"
_LEAST_SHARE, _ENOUGH = 1 / 64, 0.5
"""What a part of a brick costs at least, of the whole; and parts of how much of it are computed one
by one before the whole is."""

_SLAB = 1 << 21
"""Samples that are worked out at once where more are wanted."""


class LatentBrick(ExactBrick):
    """A brick ready to be evaluated.

    Its latents are decoded once, as far as they are needed. Parts of it are computed one by one,
    until that has cost as much as the whole, which is then kept instead.

    Parameters
    ----------
    spec
        Of the file.
    streams
        Of the low grid and of each level, from coarse to fine; of the coarse ones alone where only
        an overview is wanted.
    plan
        Of the brick.
    axes, extent
        The image's axes, and the brick's samples along each.
    channels
        Of the image, that are in the brick.
    intensities
        How outputs become samples.
    """

    def __init__(
        self,
        spec: LatentSpec,
        streams: tuple[bytes, ...],
        plan: Plan,
        axes: str,
        extent: tuple[int, ...],
        channels: range,
        intensities: Intensities,
    ) -> None:
        self.spec, self.streams, self.plan, self.channels = spec, streams, plan, channels
        self.axes, self.extent, self.intensities = axes, extent, intensities
        self._lock = Lock()
        self._decoder: Decoder | None = None
        self._whole: np.ndarray | None = None
        self._asked = 0.0

    @property
    def nbytes(self) -> int:
        """Memory that the decoded brick takes."""
        return 4 * math.prod(self.extent)

    def inputs(self) -> Iterator[bytes]:
        """What its samples follow from besides the header: its samples themselves are exact."""
        yield little_endian(self.grid([np.arange(n) for n in self.extent]))

    def in_dtype(self, dtype: type[np.floating[Any]]) -> LatentBrick:
        """The brick with samples that are not rounded to whole numbers."""
        real = self.intensities.unrounded(dtype)
        own = self.spec, self.streams, self.plan, self.axes, self.extent, self.channels
        return LatentBrick(*own, real)

    def grid(self, local: Sequence[np.ndarray]) -> np.ndarray:
        """Samples at the grid of local positions, (n1, …) in the image's axes and dtype."""
        whole, latents = self._ready(_spans(local))
        out = np.empty(tuple(map(len, local)), self.intensities.dtype)
        axis, some = self._slabs(local)

        def slab(first: int) -> None:
            at = (*(slice(None),) * axis, slice(first, first + some))
            own = [*local[:axis], local[axis][first : first + some], *local[axis + 1 :]]
            spans = _spans(own)
            inside = [one - first for one, (first, _) in zip(own, spans, strict=True)]
            if whole is not None:
                outputs = whole[slices(spans)][np.ix_(*inside)]
                out[at] = self.intensities.samples(outputs, self._channel(own))
                return
            assert latents is not None
            found = self._samples(latents, self._box(spans))
            if any(len(i) < b - a or i[0] > i[-1] for i, (a, b) in zip(inside, spans, strict=True)):
                found = found[np.ix_(*inside)]
            out[at] = found

        for _ in in_order(slab, range(0, len(local[axis]), some)):
            pass
        return out

    def points(self, local: np.ndarray) -> np.ndarray:
        """Outputs in [-1, 1] at (N, D) local positions, linear between samples: (N,) float32."""
        low = np.floor(local).astype(np.int64)
        share = local - low
        last = np.array(self.extent) - 1
        first, end = low.min(axis=0), np.minimum(low.max(axis=0) + 1, last) + 1
        outputs = self._outputs(tuple(zip(first.tolist(), end.tolist(), strict=True)))
        out = np.zeros(len(local))
        for corner in itertools.product((0, 1), repeat=local.shape[1]):
            weight = np.where(corner, share, 1 - share).prod(axis=1)
            out += weight * outputs[tuple((np.minimum(low + corner, last) - first).T)]
        return out.astype(np.float32)

    def overview(self, skip: int) -> np.ndarray:
        """Of every 2**skip rows and columns one, the mean of those around: (n1, …)."""
        coarse = min(skip, self.plan.levels[2])
        streams = self.streams[: streams_of(self.plan, coarse)]
        latents = Decoder(self.plan, tables.load(TABLES), streams).decoded()
        five = outputs_of(self.spec, latents, self.plan, self.channels, skip=coarse)
        every = 1 << (skip - coarse)
        outputs = from_five(five[..., ::every, ::every], self.axes)
        where = [np.arange(n) for n in outputs.shape]
        return self.intensities.samples(outputs, self._channel(where))

    @property
    def outputs(self) -> np.ndarray:
        """Outputs in [-1, 1], (n1, …) float32 in the image's axes."""
        return self._outputs(tuple((0, n) for n in self.extent))

    def _outputs(self, spans: Box) -> np.ndarray:
        """Outputs in [-1, 1] of a box, by first and last + 1 along the image's axes, float32."""
        whole, latents = self._ready(spans)
        if whole is not None:
            return whole[slices(spans)]
        assert latents is not None
        box = self._box(spans)
        return from_five(
            outputs_of(self.spec, latents, self.plan, self.channels, box=box), self.axes
        )

    def _ready(self, spans: Box) -> tuple[np.ndarray | None, Latents | None]:
        """All outputs, if they are kept, or latents that hold what a box needs."""
        share = math.prod(b - a for a, b in spans) / math.prod(self.extent)
        with self._lock:
            if self._whole is not None:
                return self._whole, None
            if self._decoder is None:
                self._decoder = Decoder(self.plan, tables.load(TABLES), self.streams)
            if share < _ENOUGH:
                self._asked += max(share, _LEAST_SHARE)
            if self._asked < _ENOUGH:
                around = seen_by(self.spec, self._box(spans), self.plan, self.channels)
                return None, self._decoder.decoded(around[1:])
            own = self.spec, self._decoder.decoded(), self.plan, self.channels
            self._whole, self._decoder = from_five(outputs_of(*own), self.axes), None
            return self._whole, None

    def _box(self, spans: Box) -> Box:
        """A box along the image's axes, along C, T, Z, Y and X."""
        box = [(0, 1)] * 5
        for axis, place in zip(slots(self.axes), places(self.axes), strict=True):
            box[place] = spans[self.axes.index(axis)]
        return tuple(box)

    def _slabs(self, local: Sequence[np.ndarray]) -> tuple[int, int]:
        """The axis along which a selection is worked out slab by slab, and positions of each."""
        own = [a for a in "TZ" if a in self.axes and len(self.axes) > 2] or self.axes[:1]
        axis = max((self.axes.index(a) for a in own), key=lambda i: len(local[i]))
        spans = [last - first for first, last in _spans(local)]
        return axis, max(_SLAB * len(local[axis]) // math.prod(spans), 1)

    def _samples(self, latents: Latents, box: Box) -> np.ndarray:
        """Samples of a box along C, T, Z, Y and X: in the image's axes and dtype."""
        own = self.spec, latents, self.plan, self.channels, self.intensities
        return from_five(samples_of(*own, box=box), self.axes)

    def _channel(self, local: Sequence[np.ndarray]) -> np.ndarray | int:
        """The image's channel of each position of a grid."""
        c = self.axes.find("C")
        return along_channels(local[c] + self.channels.start, self.axes)


def _spans(local: Sequence[np.ndarray]) -> Box:
    """First and last + 1 of positions along each axis."""
    return tuple((int(one.min()), int(one.max()) + 1) for one in local)


class LatentBricks:
    """The bricks of a latent field.

    Raises
    ------
    FormatError
        The header's ``field`` is not known, or bricks are too large.
    """

    def __init__(self, container: Container, grid: BrickGrid, intensities: Intensities) -> None:
        self._container, self._grid, self._intensities = container, grid, intensities
        header = container.header
        self._spec = LatentSpec.from_json(
            header["field"], len(intensities.ranges), file=container.name
        )
        need_bounded(container, math.prod(grid.brick), MOST_VOXELS, "voxels")

    def open(self, brick: int) -> LatentBrick:
        """A brick ready to be looked at.

        Raises
        ------
        FormatError
            Its section is too short.
        """
        sections = self._sections(brick)
        return self._brick(brick, sections, self._container.read_each(sections))

    def overviews(self, bricks: Sequence[int], skip: int) -> Iterator[np.ndarray]:
        """Of every 2**skip rows and columns of bricks one, from their first: the image's dtype."""
        sections = [self._sections(brick, skip) for brick in bricks]
        data = self._container.read_each(list(itertools.chain(*sections)))
        parts = [list(itertools.islice(data, len(own))) for own in sections]

        def seen(index: int) -> np.ndarray:
            return self._brick(bricks[index], sections[index], parts[index]).overview(skip)

        return in_order(seen, range(len(bricks)))

    def check(self, brick: int) -> Check:
        """The digests of a brick."""
        data = self._container.read(self._container.require(FINE, brick))
        self._need_check(brick, data)
        return Check.unpack(data)

    def _plan(self, brick: int) -> Plan:
        return self._spec.plan(self._container.header["axes"], self._grid, brick)

    def _sections(self, brick: int, skip: int = 0) -> list[SectionEntry]:
        """Where the streams of a brick down to level `skip` are."""
        coarse = self._container.find(COARSE, brick)
        if coarse is None:
            return [self._container.require(FINE, brick)]
        if min(skip, self._plan(brick).levels[2]) >= COARSE_LEVEL:
            return [coarse]
        return [coarse, self._container.require(FINE, brick)]

    def _brick(
        self, brick: int, sections: Sequence[SectionEntry], data: Iterable[bytes]
    ) -> LatentBrick:
        """A brick of what its sections hold."""
        plan = self._plan(brick)
        coarse = streams_of(plan, COARSE_LEVEL) if sections[0].kind == COARSE else 0
        streams: tuple[bytes, ...] = ()
        for section, part in zip(sections, data, strict=True):
            try:
                if section.kind == COARSE:
                    streams += unpacked(part, 0, coarse)
                else:
                    self._need_check(brick, part)
                    streams += unpacked(part, CHECK_SIZE, streams_of(plan) - coarse)
            except ValueError as error:
                raise self._damaged(section.label, str(error)) from error
        axes, extent = self._container.header["axes"], self._grid.extent(brick)
        channels = self._grid.channels(brick, axes.find("C"))
        own = self._spec, streams, plan, axes, extent, channels
        return LatentBrick(*own, self._intensities)

    def _need_check(self, brick: int, data: bytes) -> None:
        if len(data) < CHECK_SIZE:
            label = self._container.require(FINE, brick).label
            raise self._damaged(label, f"{len(data)} bytes")

    def _damaged(self, label: str, got: str) -> FormatError:
        return FormatError(
            "this brick's latents cannot be read",
            file=self._container.name,
            field=label,
            got=got,
            fix="get the file again from its source",
        )
