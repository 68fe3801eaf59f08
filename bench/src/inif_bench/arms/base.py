"""What an arm of the benchmark is: bytes for an image within a budget, and an image for the bytes.

`DriverArm` makes one out of any `Driver` (frames in, bitstreams out) by turning the codec's knob
and, once per image, trying its variants: frame orders, and encoder settings of which none is always
best.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from inif.codecs import Knob
from inif.frames import Geometry, check_planes, orders
from inif.image import Image
from inif.metrics.fidelity import Ranges, fidelity
from inif_bench.payload import pack, unpack
from inif_bench.search import MOST, Found, Search

Variant = dict[str, Any]

_FULL = 0.985
_FILL = 6


@dataclass(frozen=True)
class Encoded:
    """An arm's answer to a budget.

    Attributes
    ----------
    data
        The whole file.
    met
        Whether it is within the budget; if not, it is the smallest file that the arm can write.
    details
        What was chosen (knob, variant, steps, …), for the record.
    encodes, encode_seconds, search_seconds
        Encodes made, time of the one that was kept, time of all of them.
    """

    data: bytes
    met: bool
    details: dict[str, Any]
    encodes: int
    encode_seconds: float
    search_seconds: float


class Session(Protocol):
    """One arm at work on one image; keeps what several budgets can share."""

    def encode(self, budget: int) -> Encoded:
        """A file of at most `budget` bytes, as good as this arm can."""
        ...


class Arm(Protocol):
    """A way to compress an image, to be judged."""

    @property
    def name(self) -> str:
        """Short, for options and file names."""
        ...

    @property
    def title(self) -> str:
        """For tables."""
        ...

    @property
    def family(self) -> str:
        """One of "codec", "published", "inif" and "lossless"."""
        ...

    @property
    def settings(self) -> dict[str, Any]:
        """How it is run, whole."""
        ...

    def missing(self) -> str | None:
        """Why it cannot run here (a library that is not installed), or None."""
        ...

    def start(self, image: Image, ranges: Ranges, options: Options) -> Session:
        """Begin work on an image."""
        ...

    def decode(self, data: bytes, threads: int) -> np.ndarray:
        """The image that a file holds, in its own axes and dtype; from these bytes alone."""
        ...


@dataclass(frozen=True)
class Options:
    """What a run asks of every arm.

    Attributes
    ----------
    threads
        Threads that an encoder or decoder may use.
    seed
        Of everything random.
    seconds
        For each fit of the as-published fields.
    effort
        Of inif's own methods.
    variant
        The variant that an earlier run of this image chose, if any.
    """

    threads: int = 1
    seed: int = 0
    seconds: float = 60.0
    effort: int = 1
    variant: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Frames:
    """What a codec is given.

    Attributes
    ----------
    stacks
        Frames of each channel, (N, Y, X) in the image's counts.
    geometry
        Of the image, and the order of the frames.
    threads
        That the encoder may use.
    """

    stacks: list[np.ndarray]
    geometry: Geometry
    threads: int

    def levels(self, bits: int) -> list[np.ndarray]:
        """Each channel as uint16 that use all of `bits` bits."""
        return [self.geometry.levels(s, c, bits) for c, s in enumerate(self.stacks)]

    def scaled(self) -> list[np.ndarray]:
        """Each channel as float32 in [0, 1]."""
        return [self.geometry.scaled(s, c) for c, s in enumerate(self.stacks)]


class Driver(ABC):
    """A codec as the benchmark drives it: frames of each channel in, bitstreams out."""

    @property
    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """How the encoder is run, whole."""

    @abstractmethod
    def missing(self) -> str | None:
        """Why it cannot run here, or None."""

    @abstractmethod
    def knob(self, geometry: Geometry) -> Knob:
        """The setting that trades bytes for quality."""

    @property
    def sees_order(self) -> bool:
        """Whether the order of frames makes a difference."""
        return True

    def prepared(self, frames: Frames) -> Driver:
        """The codec with what it has to measure on an image before it can be driven."""
        return self

    def variants(self, geometry: Geometry) -> list[Variant]:
        """Settings of which the best is chosen per image; the first is the default."""
        return [{}]

    def fills(self, geometry: Geometry) -> list[Variant]:
        """Small changes that give sizes between two steps of the knob, tried where much is left."""
        return []

    @abstractmethod
    def encode(self, frames: Frames, value: float, variant: Variant) -> list[bytes]:
        """Bitstreams for an image at a knob value."""

    @abstractmethod
    def decode(self, streams: list[bytes], geometry: Geometry, threads: int) -> list[np.ndarray]:
        """Each channel's frames, (N, Y, X), in counts of the image's dtype."""


@dataclass(frozen=True)
class DriverArm:
    """A codec in the benchmark, knob and variants found by measuring.

    `trial` is a faster setting of the same codec that chooses the variant in its place.
    """

    name: str
    title: str
    codec: Driver
    family: str = "codec"
    trial: Driver | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """How the encoder is run."""
        return self.codec.settings

    def missing(self) -> str | None:
        """Why it cannot run here, or None."""
        return self.codec.missing()

    def start(self, image: Image, ranges: Ranges, options: Options) -> Session:
        """Begin work on an image.

        Raises
        ------
        InputError
            The image has no planes.
        """
        check_planes(image.axes)
        return _CodecSession(self.codec, self.trial, image, ranges, options)

    def decode(self, data: bytes, threads: int) -> np.ndarray:
        """The image that a file holds."""
        geometry, streams = unpack(data)
        return geometry.image(self.codec.decode(streams, geometry, threads))


@dataclass(frozen=True)
class _Choice:
    variant: Variant
    found: Found
    score: float


@dataclass
class _CodecSession:
    codec: Driver
    trial: Driver | None
    image: Image
    ranges: Ranges
    options: Options
    searches: dict[str, Search] = field(default_factory=dict)
    chosen: Variant | None = None
    prepared_seconds: float = 0.0

    def encode(self, budget: int) -> Encoded:
        encodes, seconds = 0, 0.0
        start: float | None = None
        if self.chosen is None and self.options.variant is not None:
            self.chosen = dict(self.options.variant)
        if self.chosen is None and self.trial is not None:
            quick = _CodecSession(self.trial, None, self.image, self.ranges, self.options)
            tried = quick.encode(budget)
            encodes, seconds = tried.encodes, tried.search_seconds
            self.chosen, (start,) = quick.chosen, tried.details["knob"].values()
        if self.chosen is not None:
            best = self._best([self.chosen], budget, start=start)
        else:
            ways = orders(self.image.axes, self.image.data.shape)
            ways = ways if self.codec.sees_order else ways[:1]
            first, *others = self.codec.variants(self._geometry(ways[0]))
            best = self._best([{"order": w, **first} for w in ways], budget)
            if others and best.found.fits:
                order = best.variant["order"]
                best = self._best([{"order": order, **v} for v in others], budget, best)
            self.chosen = best.variant
        geometry = self._geometry(self.chosen["order"])
        if best.found.fits and len(best.found.probe.data) < _FULL * budget:
            fills = self.codec.fills(geometry)
            best = self._best([{**self.chosen, **fill} for fill in fills], budget, best, _FILL)
        preparing, self.prepared_seconds = self.prepared_seconds, 0.0
        new = [p for s in self.searches.values() for p in s.take_new()]
        probe = best.found.probe
        knob = self.codec.knob(geometry)
        return Encoded(
            probe.data,
            best.found.fits,
            {"knob": {knob.name: probe.value}, "variant": best.variant},
            encodes + len(new),
            probe.seconds,
            seconds + preparing + sum(p.seconds for p in new),
        )

    def _best(
        self,
        variants: list[Variant],
        budget: int,
        best: _Choice | None = None,
        most: int = MOST,
        start: float | None = None,
    ) -> _Choice:
        """The variant with the best PSNR in the budget; each search starts where the last ended."""
        for variant in variants:
            start = best.found.probe.value if best else start
            found = self._search(variant).run(budget, start, most)
            alone = best is None and len(variants) == 1
            choice = _Choice(variant, found, 0.0 if alone else self._score(found))
            if best is not None and best.score == 0.0:
                best = _Choice(best.variant, best.found, self._score(best.found))
            if best is None or (found.fits, choice.score) > (best.found.fits, best.score):
                best = choice
        assert best is not None
        return best

    def _geometry(self, order: str) -> Geometry:
        data = self.image.data
        return Geometry(self.image.axes, data.shape, data.dtype.name, self.ranges, order)

    def _search(self, variant: Variant) -> Search:
        key = repr(sorted(variant.items()))
        if key not in self.searches:
            geometry = self._geometry(variant["order"])
            frames = Frames(geometry.stacks(self.image.data), geometry, self.options.threads)
            begin = time.perf_counter()
            codec = self.codec.prepared(frames)
            self.prepared_seconds += time.perf_counter() - begin

            def encode(value: float) -> bytes:
                return pack(geometry, codec.encode(frames, value, variant))

            self.searches[key] = Search(encode, self.codec.knob(geometry))
        return self.searches[key]

    def _score(self, found: Found) -> float:
        geometry, streams = unpack(found.probe.data)
        decoded = geometry.image(self.codec.decode(streams, geometry, self.options.threads))
        data, axes = self.image.data, self.image.axes
        return fidelity(data, decoded, axes, self.ranges, with_ssim=False).psnr.pooled
