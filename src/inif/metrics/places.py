"""The places of an image where compression lost structure, per channel: blocks, spots, slices.

`structure.py` looks at one plane; here its findings are gathered while both images are read once,
as counts per plane and the worst of each, so that memory does not grow with the planes' size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from inif.metrics.fidelity import Ranges
from inif.metrics.noise import NoiseModel, estimate
from inif.metrics.planes import Plane, PlaneLayout, Samples, read_plane
from inif.metrics.profiles import AROUND
from inif.metrics.spectrum import MAX_PLANES, MIN_SIDE, spaced
from inif.metrics.structure import KINDS, PlaneLoss, Spot, Worst, examine, least_variance

WORST_BLOCKS = 5
WORST_SLICES = 3
APART = 2
"""Slices of the same blocks that are at least this far apart are places of their own."""

STANDS_OUT, LEAST = 3.0, 5
"""How many times as much as its neighbours, and how much at least, makes a slice stand out."""

_NOISE_SAMPLES = 1 << 17


@dataclass(frozen=True)
class Place:
    """A block of 32 × 32 samples in a plane: its plane by axis name, rows and columns.

    Attributes
    ----------
    y, x
        First sample and one past the last.
    times_noise
        How strong the error there is, smoothed to the size of small structures, in units of what
        the noise of the original would leave.
    """

    index: dict[str, int]
    y: tuple[int, int]
    x: tuple[int, int]
    times_noise: float

    def to_json(self) -> dict[str, Any]:
        """``{"index": {"z": 30}, "y": [96, 128], "x": [64, 96], "times_noise": 2.1}``."""
        return {
            "index": self.index,
            "y": list(self.y),
            "x": list(self.x),
            "times_noise": self.times_noise,
        }


@dataclass(frozen=True)
class SpotSlice:
    """How many spots of one kind a plane lost, and how many its neighbours did.

    Attributes
    ----------
    index, changed, original
        The plane; how many are lost (or new) there, and how many the original has there.
    around
        Median over up to three slices to either side; None where there are none.
    stands_out
        Whether it is at least five, and more than three times what its neighbours lost.
    """

    index: dict[str, int]
    changed: int
    original: int
    around: float | None
    stands_out: bool

    def to_json(self) -> dict[str, Any]:
        """All attributes."""
        return dict(vars(self))


@dataclass(frozen=True)
class SpotLoss:
    """What became of small bright spots or dark holes, counted plane by plane.

    Attributes
    ----------
    kind
        "lost bright", "lost dark": the original has them; "new bright", "new dark": only the
        decoded image has.
    original
        Spots (holes) of the original.
    changed
        How many of them are lost, or how many are new.
    height, highest
        Mean height, and that of the highest, over their surroundings, counts.
    where
        Place of the highest by axis name, y and x included; None where there is none.
    slices
        The planes with most of them, and those that stand out from their neighbours.
    """

    kind: str
    original: int
    changed: int
    height: float
    highest: float
    where: dict[str, int] | None
    slices: tuple[SpotSlice, ...]

    def to_json(self, size: float) -> dict[str, Any]:
        """All attributes, heights in counts and in percent of the range `size`."""
        return {
            "kind": self.kind,
            "original": self.original,
            "changed": self.changed,
            "mean_height": self.height,
            "mean_height_percent": percent_of(self.height, size),
            "highest": self.highest,
            "highest_percent": percent_of(self.highest, size),
            "where": self.where,
            "slices": [s.to_json() for s in self.slices],
        }


def percent_of(height: float, size: float) -> float:
    """A height in percent of a range; that of a wide spot is overestimated, so 100 at most."""
    return min(100.0, 100 * height / size)


@dataclass(frozen=True)
class BlockSlice:
    """A plane that stands out: blocks of it in which structure was lost, and in its neighbours."""

    index: dict[str, int]
    failed: int
    blocks: int
    around: float | None

    def to_json(self) -> dict[str, Any]:
        """All attributes."""
        return dict(vars(self))


@dataclass(frozen=True)
class ChannelPlaces:
    """Where a channel lost structure.

    Attributes
    ----------
    noise_known
        Whether the noise of the original could be estimated; else errors above a thousandth of the
        range count as loss.
    blocks, failed
        Blocks of 32 × 32 samples, and those whose error is more than noise.
    worst
        Up to five of them, worst first, not next to each other.
    slices
        Planes in which many more fail than in their neighbours.
    spots
        One entry for each of the kinds.
    """

    noise_known: bool
    blocks: int
    failed: int
    worst: tuple[Place, ...]
    slices: tuple[BlockSlice, ...]
    spots: tuple[SpotLoss, ...]

    @property
    def like_noise(self) -> bool:
        """Whether the error passes for noise everywhere: no block fails, no spot is lost."""
        return self.noise_known and not self.failed and not any(s.changed for s in self.spots)

    def to_json(self, size: float) -> dict[str, Any]:
        """All attributes; `size` is the channel's range."""
        return {
            "noise_known": self.noise_known,
            "like_noise": self.like_noise,
            "blocks": self.blocks,
            "failed": self.failed,
            "worst_blocks": [p.to_json() for p in self.worst],
            "slices": [s.to_json() for s in self.slices],
            "spots": [s.to_json(size) for s in self.spots],
        }


class PlaceAccumulator:
    """`ChannelPlaces` per channel, fed plane by plane in any order."""

    def __init__(self, original: Samples, lay: PlaneLayout, ranges: Ranges) -> None:
        self.note = lay.unfit(MIN_SIDE, "telling structure from noise")
        self._original, self._layout, self._ranges = original, lay, ranges
        self._noise: dict[tuple[int, ...], NoiseModel | None] = {}
        self._found: dict[tuple[int, ...], PlaneLoss] = {}

    def add(self, plane: Plane) -> None:
        """Take in one plane."""
        if self.note is not None:
            return
        c = plane.channel
        least = least_variance(
            np.dtype(plane.original.dtype), self._ranges[c][1] - self._ranges[c][0]
        )
        self._found[plane.slot] = examine(
            plane.original, plane.decoded, self._noise_at(plane.slot), least
        )

    def result(self) -> list[ChannelPlaces] | None:
        """One entry per channel, or None: `note` says why."""
        if self.note is not None:
            return None
        return [self._channel(c) for c in range(self._layout.n_channels)]

    def _channel(self, c: int) -> ChannelPlaces:
        found = {s: p for s, p in self._found.items() if self._layout.channel_of(s) == c}
        failed = {s: p.failed for s, p in found.items()}
        slices = [s for s in found if self._stands_out(failed, s)]
        slices.sort(key=lambda s: -failed[s])
        return ChannelPlaces(
            noise_known=all(
                m is not None for k, m in self._noise.items() if self._layout.channel_of(k) == c
            ),
            blocks=sum(p.blocks for p in found.values()),
            failed=sum(failed.values()),
            worst=self._worst(found),
            slices=tuple(
                BlockSlice(self._index(s), failed[s], found[s].blocks, self._around(failed, s))
                for s in slices[:WORST_SLICES]
            ),
            spots=tuple(self._spots(found, k) for k in range(len(KINDS))),
        )

    def _spots(self, found: dict[tuple[int, ...], PlaneLoss], kind: int) -> SpotLoss:
        counts = {s: p.counts[kind] for s, p in found.items()}
        there = {s: p.dark if "dark" in KINDS[kind] else p.bright for s, p in found.items()}
        changed = sum(counts.values())
        highest: tuple[tuple[int, ...], Spot] | None = None
        for slot, p in found.items():
            spot = p.highest[kind]
            if spot is not None and (highest is None or spot.height > highest[1].height):
                highest = slot, spot
        most = sorted((s for s in counts if counts[s]), key=lambda s: -counts[s])
        out = [s for s in most if self._stands_out(counts, s)][:WORST_SLICES]
        named = out + [s for s in most[:WORST_SLICES] if s not in out]
        return SpotLoss(
            kind=KINDS[kind],
            original=sum(there.values()),
            changed=changed,
            height=sum(p.heights[kind] for p in found.values()) / changed if changed else 0.0,
            highest=highest[1].height if highest else 0.0,
            where=None
            if highest is None
            else {**self._index(highest[0]), "y": highest[1].y, "x": highest[1].x},
            slices=tuple(
                SpotSlice(
                    self._index(s),
                    counts[s],
                    there[s],
                    self._around(counts, s),
                    s in out,
                )
                for s in named
            ),
        )

    def _worst(self, found: dict[tuple[int, ...], PlaneLoss]) -> tuple[Place, ...]:
        """The worst blocks of a channel, each apart from those before."""
        every = [(w, s) for s, p in found.items() for w in p.worst]
        every.sort(key=lambda pair: -pair[0].times_noise)
        chosen: list[tuple[Worst, tuple[int, ...]]] = []
        for block, slot in every:
            if all(_apart(block, slot, *other) for other in chosen):
                chosen.append((block, slot))
            if len(chosen) == WORST_BLOCKS:
                break
        return tuple(Place(self._index(s), w.y, w.x, w.times_noise) for w, s in chosen)

    def _index(self, slot: tuple[int, ...]) -> dict[str, int]:
        index = self._layout.index_json(slot)
        index.pop("c", None)
        return index

    def _around(self, counts: dict[tuple[int, ...], int], slot: tuple[int, ...]) -> float | None:
        """Median of the counts of a plane's neighbours along Z (else along the last other axis)."""
        line = self._line(counts, slot)
        return float(np.median(line)) if line else None

    def _line(self, counts: dict[tuple[int, ...], int], slot: tuple[int, ...]) -> list[int]:
        letters = [self._layout.axes[i] for i in self._layout.slots]
        along = [i for i, a in enumerate(letters) if a != "C"]
        if not along:
            return []
        k = letters.index("Z") if "Z" in letters else along[-1]
        near = [d for d in range(-AROUND, AROUND + 1) if d]
        there = [(*slot[:k], slot[k] + d, *slot[k + 1 :]) for d in near]
        return [counts[s] for s in there if s in counts]

    def _stands_out(self, counts: dict[tuple[int, ...], int], slot: tuple[int, ...]) -> bool:
        line = self._line(counts, slot)
        if not line or counts[slot] < LEAST:
            return False
        return counts[slot] > STANDS_OUT * max(1.0, float(np.median(line)))

    def _noise_at(self, slot: tuple[int, ...]) -> NoiseModel | None:
        """The noise of a plane's channel at its time, from some of the planes along Z."""
        lay = self._layout
        letters = [lay.axes[i] for i in lay.slots]
        key = tuple(0 if a == "Z" else k for a, k in zip(letters, slot, strict=True))
        if key not in self._noise:
            depth = lay.shape[lay.axes.index("Z")] if "Z" in letters else 1
            times = math.prod(n for a, n in zip(letters, lay.slot_shape, strict=True) if a == "T")
            size = math.prod(lay.plane_shape)
            few = max(MAX_PLANES // times, -(-_NOISE_SAMPLES // size), 1)
            places = sorted(spaced(depth))[:: max(1, min(depth, MAX_PLANES) // few)]
            planes = [
                read_plane(
                    self._original,
                    lay,
                    [z if a == "Z" else k for a, k in zip(letters, key, strict=True)],
                )
                for z in places
            ]
            self._noise[key] = estimate(np.stack(planes))
        return self._noise[key]


def _apart(block: Worst, slot: Sequence[int], other: Worst, other_slot: Sequence[int]) -> bool:
    """Whether two blocks are not next to each other."""
    if any(abs(a - b) > APART for a, b in zip(slot, other_slot, strict=True)):
        return True
    rows = block.y[0] > other.y[1] or other.y[0] > block.y[1]
    return rows or block.x[0] > other.x[1] or other.x[0] > block.x[1]
