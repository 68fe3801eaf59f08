"""Chunks of a Zarr array, coded one by one: latent fields of given steps, bounded, or exact.

A step is in counts of the samples, so that chunks of the same steps have the same errors whatever
their own ranges are. Each chunk is a small file (`inif.decode.chunk`) that depends on nothing but
its samples and what is asked for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from inif.axes import check_axes
from inif.config import FitSettings, Target
from inif.container.spec import LOSSLESS
from inif.container.writer import Packed, Section, assemble
from inif.decode.chunk import FEATURES, known, open_chunk
from inif.encode.job import Job
from inif.encode.latent.bound import encode_bound
from inif.encode.latent.coder import LatentCoder
from inif.encode.latent.plan import Chosen, on_scale, part_of, plan_at
from inif.encode.lossless import encode_lossless
from inif.encode.rate.coder import Coded
from inif.encode.record import errors_of, totals
from inif.encode.survey import Survey, number, survey
from inif.errors import InputError
from inif.fields.parallel import in_order
from inif.image import BOUNDED_DTYPES, DTYPES, LOSSLESS_DTYPES, Image
from inif.latent.layout import SCALE, to_five

_COARSEST, _FINEST, _APART = -3.9, 22.0, 20.0
"""Of a knob, octaves of the step below the range: no step is coarser; where one would be finer, or
steps of channels further apart, samples are stored exactly."""

_TOO_FINE = "the steps are too fine for the range of its samples"

_OUTLIERS = 8
"""Raw bytes over those that outliers may take a share of."""

_CAREFUL = 2
"""Effort from which a chunk is coded by two passes, the second of which knows what is empty."""

_PART = 1 << 17
"""Samples by trials of which lifting is chosen."""

_BESIDES = 75
"""Bytes of a chunk besides its streams, about."""


@dataclass(frozen=True)
class Encoded:
    """A coded chunk.

    Attributes
    ----------
    data
        The payload, which `inif.decode.chunk.open_chunk` opens.
    squares
        Of each channel, the sum of the squared errors of decoded samples in squared counts:
        (C,) float64.
    low, high
        Extremes of the original in each channel, of those samples that are finite: (C,) float64.
    worst
        The largest error of a sample, in counts.
    exact
        Why the very samples are kept, though something else was asked for; None where they are
        not.
    """

    data: bytes
    squares: np.ndarray
    low: np.ndarray
    high: np.ndarray
    worst: float
    exact: str | None = None


class _Job(Job):
    """A job that says nothing: there are thousands of chunks."""

    def warn(self, text: str) -> None:
        """Nothing."""


class ChunkCoder:
    """Codes chunks of one array. Threads may share it.

    Parameters
    ----------
    axes
        Of a chunk, letters of "TCZYX" in the array's own order.
    dtype
        Of the samples, in any byte order.
    steps
        Of the quantiser, in counts: one for each channel of a chunk, or one for all.
    max_error
        By how much no sample may be off, in counts.
    lossless
        Whether samples are stored exactly. Exactly one of these three is given.
    effort
        1 to 9: how much time is spent on smaller chunks.

    Raises
    ------
    InputError
        Something else was asked for, or the samples are of a type that cannot be coded so.
    """

    def __init__(
        self,
        axes: str,
        dtype: Any,
        *,
        steps: tuple[float, ...] | None = None,
        max_error: float | None = None,
        lossless: bool = False,
        effort: int = 1,
    ) -> None:
        self.axes = check_axes(axes, (1,) * len(axes or ""))
        self.dtype = np.dtype(dtype).newbyteorder("=")
        if (steps is not None) + (max_error is not None) + bool(lossless) != 1:
            raise InputError(
                "ask for exactly one way of coding chunks",
                field="steps, max_error, lossless",
                expected="one of them",
            )
        if steps is not None and not (steps and all(0 < s < math.inf for s in steps)):
            raise InputError(
                "these steps cannot be used", field="steps", expected="numbers above 0", got=steps
            )
        self.steps, self.effort = steps, effort
        self.target = None if max_error is None else Target(max_error=max_error)
        self.settings = FitSettings.for_effort(effort)
        dtypes = DTYPES if steps else BOUNDED_DTYPES if self.target else LOSSLESS_DTYPES
        if self.dtype.name not in dtypes:
            raise InputError(
                "samples of this type cannot be coded so",
                field="dtype",
                expected=" or ".join(dtypes),
                got=self.dtype.name,
                fix="store the samples exactly (lossless)" if steps or self.target else None,
            )

    def trial(self, samples: np.ndarray, octaves: float = 0.0) -> tuple[float, np.ndarray]:
        """As `Chunk.trial`, of one chunk's samples."""
        return self.chunk(samples).trial(octaves)

    def encode(self, samples: np.ndarray, octaves: float = 0.0, stretch: float = 1.0) -> Encoded:
        """As `Chunk.encode`, of one chunk's samples."""
        return self.chunk(samples).encode(octaves, stretch)

    def chunk(self, samples: np.ndarray, shape: tuple[int, ...] | None = None) -> Chunk:
        """A chunk to be tried and coded more than once.

        Parameters
        ----------
        samples
            All that it holds, in the array's axes: fewer at the image's edge.
        shape
            Of a whole chunk, by which readers know it; by default that of the samples.

        Raises
        ------
        InputError
            The samples are of other axes or type than was said.
        """
        channels = dict(zip(self.axes, samples.shape, strict=False)).get("C", 1)
        if self.steps and len(self.steps) != 1 and len(self.steps) < channels:
            raise InputError(
                "there are fewer steps than channels",
                field="steps",
                expected=f"one, or {channels}",
                got=self.steps,
            )
        if samples.dtype.newbyteorder("=") != self.dtype or samples.ndim != len(self.axes):
            raise InputError(
                "the chunk is not of the array",
                expected=f"{self.dtype}, axes {self.axes}",
                got=f"{samples.dtype}, shape {samples.shape}",
            )
        data = np.ascontiguousarray(samples, self.dtype)
        return Chunk(self, data, shape or data.shape)


class Chunk:
    """Samples of one chunk, to be tried and coded; one thread uses it at a time.

    Parameters
    ----------
    asked
        What is asked for.
    samples
        Native, C-contiguous, in the array's axes.
    full
        Shape of a whole chunk.
    """

    def __init__(self, asked: ChunkCoder, samples: np.ndarray, full: tuple[int, ...]) -> None:
        if 0 in samples.shape:
            raise InputError("a chunk has no samples", field="shape", got=samples.shape)
        self.asked, self.full = asked, full
        self.image = Image(samples, asked.axes)
        lows, highs, self.finite = _extremes(samples, self.image.channel_axis)
        self.low, self.high = lows.astype(np.float64), highs.astype(np.float64)
        ranges = [[number(a), number(b)] for a, b in zip(lows, highs, strict=True)]
        found = Survey(self.image, ranges, "")
        own = asked.target, asked.settings, "latent", asked.effort
        self.job = _Job(self.image, *own, surveyed=found)

    def trial(self, octaves: float = 0.0) -> tuple[float, np.ndarray]:
        """Bytes that the chunk takes, about, and its errors, as `Encoded.squares`.

        Parameters
        ----------
        octaves
            By how much the steps are finer. They have no effect on exact or bounded chunks, which
            are coded to learn what they take.
        """
        if self._latent is None:
            made = self.encode(octaves)
            return float(len(made.data)), made.squares
        coder, knob = self._latent, np.clip(self._knob + octaves, _COARSEST, _FINEST)
        tried = [coder.trial(b, knob, errors=True) for b in range(len(coder.grid))]
        size = sum(one.size for one in tried) + _BESIDES
        return size, np.sum([one.squares for one in tried], axis=0)

    def encode(self, octaves: float = 0.0, stretch: float = 1.0) -> Encoded:
        """The payload.

        Parameters
        ----------
        octaves
            As for `trial`.
        stretch
            Bytes over those that the steps give.
        """
        if self._latent is None:
            return self._otherwise()
        coder, knob = self._latent, np.maximum(self._knob + octaves, _COARSEST)
        if knob.max() > _FINEST:
            return self._exactly(_TOO_FINE)
        bricks = range(len(coder.grid))

        def one(brick: int) -> Coded:
            return coder.encode(brick, knob, stretch)

        coder.settle(knob)
        done = list(in_order(one, bricks, workers=coder.workers))
        header, extra = coder.header(knob)
        own = [section for coded in done for section in coded.sections]
        ordered = sorted(own, key=lambda section: section.kind)  # stable: coarse before fine
        errors = totals(self.job, coder.grid, [one.errors for one in done])
        data = self._packed(header, (*extra, *ordered))
        return Encoded(data, errors.squares, self.low, self.high, errors.worst)

    @cached_property
    def _latent(self) -> LatentCoder | None:
        """What codes it by its steps; None where it is not coded so."""
        if self._why or self.asked.steps is None:
            return None
        once = self.asked.effort < _CAREFUL
        return LatentCoder(self._found, chosen=self._chosen, once=once)

    @cached_property
    def _why(self) -> str | None:
        """Why its samples are stored exactly whatever is asked for; None where they are not."""
        if self.asked.steps is None:
            return None
        if not self.finite:
            return "some samples are no finite numbers"
        if not self.job.varied:
            return "all samples of a channel are the same"
        if self._knob.max() > _FINEST or np.ptp(self._knob) > _APART:
            return _TOO_FINE
        return None

    @cached_property
    def _found(self) -> Job:
        """The job; where the range is too wide for the steps, without samples far from others."""
        job = self.job
        if self.asked.steps is None or _knob_of(job, self.asked.steps).max() <= _FINEST:
            return job
        return replace(job, surveyed=survey(self.image, budget=self.image.raw_bytes // _OUTLIERS))

    @cached_property
    def _knob(self) -> np.ndarray:
        assert self.asked.steps is not None
        knob: np.ndarray = np.maximum(_knob_of(self._found, self.asked.steps), _COARSEST)
        return knob

    @cached_property
    def _chosen(self) -> Chosen:
        """How it is lifted."""
        job, step = self._found, 2 * SCALE * 2.0 ** -float(self._knob.min())
        samples = job.coded.read(tuple(slice(0, n) for n in self.image.shape))
        five = part_of(to_five(samples, self.image.axes), _PART)
        return plan_at(on_scale(job, five, range(len(five))), step)

    def _otherwise(self) -> Encoded:
        """Bounded or exact, as asked for or because there is no other way."""
        if self._why:
            return self._exactly(self._why)
        if self.asked.target is None:
            return self._exactly(None)
        packed = encode_bound(self.job)
        if LOSSLESS in packed.header["requires"]:
            return self._encoded(packed, "that takes no more bytes than the bound would")
        data = self._packed(packed.header, packed.sections)
        decoded = open_chunk(data, self.image.axes, self.full, self.image.dtype)[...]
        channels = range(len(self.low))
        original = self.image.data
        if not self.finite:
            same = ~np.isfinite(original)
            decoded, original = np.where(same, 0, decoded), np.where(same, 0, original)
        errors = errors_of(decoded, original, channels, self.job)
        return Encoded(data, errors.squares, self.low, self.high, errors.worst)

    def _exactly(self, why: str | None) -> Encoded:
        return self._encoded(encode_lossless(self.job), why)

    def _encoded(self, packed: Packed, why: str | None) -> Encoded:
        """An exact chunk."""
        data = self._packed(packed.header, packed.sections)
        return Encoded(data, np.zeros(len(self.low)), self.low, self.high, 0.0, why)

    def _packed(self, header: dict[str, Any], sections: tuple[Section, ...]) -> bytes:
        """The payload, whose header lacks what the array knows and what explains."""
        stated = known(self.image.axes, self.full, self.image.dtype)
        own = {
            key: value
            for key, value in header.items()
            if key not in ("lossy", "lossless", "meta") and stated.get(key) != value
        }
        return assemble(own, sections, supported=FEATURES, known=stated).to_bytes()


def _extremes(samples: np.ndarray, c: int | None) -> tuple[np.ndarray, np.ndarray, bool]:
    """Lowest and highest finite sample of each channel, (C,), and whether all samples are finite.

    Where no sample of a channel is finite, zeros.
    """
    parts = samples[None] if c is None else np.moveaxis(samples, c, 0)
    lows = np.array([part.min() for part in parts])
    highs = np.array([part.max() for part in parts])
    if samples.dtype.kind != "f" or (np.isfinite(lows) & np.isfinite(highs)).all():
        return lows, highs, True
    for i, part in enumerate(parts):
        finite = part[np.isfinite(part)]
        lows[i], highs[i] = (finite.min(), finite.max()) if finite.size else (0, 0)
    return lows, highs, False


def _knob_of(job: Job, steps: tuple[float, ...]) -> np.ndarray:
    """Octaves of the steps, in counts, below the range of each channel: (C,)."""
    spans = np.array([float(high) - float(low) for low, high in job.ranges])
    each = np.broadcast_to(steps, spans.shape) if len(steps) == 1 else np.array(steps[: len(spans)])
    varied = spans > 0
    knob = np.log2(np.where(varied, spans, 1.0) / each)
    return np.where(varied, knob, knob[varied].min() if varied.any() else 0.0)
