"""Which method an image gets: the one asked for, or what does best on a sample of it.

A latent field is fast and does best on most images; a codec with a repair may do better on planes
of fine texture. A pure field is for ratios that nothing else reaches, and where an effort has time
to try it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from inif.codecs import load_codec
from inif.config import FitSettings, Window
from inif.container.writer import Packed
from inif.encode.job import TINY, Job
from inif.encode.record import recorded_psnr
from inif.encode.survey import Survey
from inif.errors import BudgetError, InifError
from inif.image import Image, Region

LATENT, HYBRID, SIREN, BOTH = "latent", "hybrid", "siren", "both"
"""Methods; `BOTH` is the better of the first two."""

TOO_SMALL = "nothing else makes a file this small"

BOTH_EFFORT, SIREN_EFFORT = 4, 5
"""From which a latent field and a hybrid are both made where it is close, and a pure field is
tried."""

SIREN_RATIO = 256
"""From which ratio a pure field is tried at any effort, where there is a GPU to fit it."""

SAVES, _CLOSE = 0.03, 0.15
"""Share of the bytes that a hybrid must save for its time, and up to which it is close."""

_FEWER = 0.75
"""Share of the room in which a latent field is made once more, to learn what bytes are worth."""

_LEAST_OCTAVE = 0.5
"""PSNR in dB per doubling of the size: below it, trials do not tell how many bytes are saved."""

_LEAST, _SAMPLE = 1 << 17, 1 << 19
"""Voxels of a sample."""

_LARGE, _PLACES = 1 << 23, (1 / 6, 1 / 2, 5 / 6)
"""From how many voxels on samples are taken at several places, and where; the quickest effort tries
nothing then, for a trial takes as long as the encode."""

_LONG = {"Y": 256, "X": 256, "C": 64}
"""How long the axes of a sample are against each other; 8 for the others."""


@dataclass(frozen=True)
class Choice:
    """A method, and why: the PSNR in dB of what was tried, on a sample at the ratio asked for."""

    method: str
    reason: str


def encode(job: Job, window: Window) -> Packed:
    """The file, as many bytes as the window allows.

    A file may be smaller only where it reproduces the image exactly.

    Raises
    ------
    BudgetError
        The budget cannot be met.
    KeyboardInterrupt
        Ctrl-C, unless the settings keep partial results.
    """
    job = decided(job, window)
    if job.method == BOTH:
        first = encode(replace(job, method=LATENT), window)
        if job.interrupt.kept:
            return first
        second = encode(replace(job, method=HYBRID), window)
        return max(first, second, key=recorded_psnr)
    made = {HYBRID: _hybrid, LATENT: _latent, SIREN: _siren}
    for method in (job.method, LATENT, SIREN)[: 3 if job.chosen else 1]:
        try:
            return made[method](replace(job, method=method), window)
        except BudgetError:
            if job.chosen is None or method == SIREN:
                raise
            job = replace(job, chosen=TOO_SMALL)
    raise AssertionError


def decided(job: Job, window: Window) -> Job:
    """The job with a method, and the reason for it where nobody named one."""
    if not job.varied:  # a network of zeros is exact
        return replace(job, method=SIREN)
    if job.method != "auto":
        return job
    job.step("choose", 0, 1)
    choice = choose(job, window.most)
    return replace(job, method=choice.method, chosen=choice.reason)


def choose(job: Job, budget: int) -> Choice:
    """The method for an image and a budget, by files of a sample."""
    if job.select != "psnr":
        return Choice(HYBRID, "only a hybrid has frames to judge")
    if not {"Y", "X"} <= set(job.image.axes):
        return Choice(LATENT, "codecs need planes")
    if reason := load_codec(job.codec).unavailable():
        return Choice(LATENT, reason)
    if job.guides:
        return Choice(LATENT, "guided")
    large = math.prod(job.image.shape) >= _LARGE
    if large and job.effort == 1:
        return Choice(LATENT, "quick")
    scores: dict[str, float] = {}
    own, fewer, codec = np.mean(
        [_tried(job, budget, place) for place in (_PLACES if large else (1 / 2,))], axis=0
    ).tolist()
    if own > -math.inf:
        scores[LATENT] = own
    if codec > -math.inf:
        scores[job.codec] = codec
    octave = (own - fewer) / -math.log2(_FEWER) if fewer > 0 else 1.0
    method = _better(own, codec, octave, job.effort or 3)
    if _tries_siren(job, budget):
        settings = FitSettings.for_effort(1, seed=job.settings.seed)
        small, share = sample_of(job)
        room = int(budget * share)
        scores[SIREN] = _scored(_siren, replace(small, settings=settings), room)
        if scores[SIREN] > max(own, codec):
            method = SIREN
    if not scores:
        return Choice(SIREN, TOO_SMALL)
    words = ", ".join(f"{kind} {value:.1f}" for kind, value in scores.items())
    return Choice(method, "trial" if budget < TINY else words)


def _tried(job: Job, budget: int, place: float) -> tuple[float, float, float]:
    """PSNR in dB of a sample: as a latent field, as one of fewer bytes, and as a hybrid."""
    small, share = sample_of(job, place)
    room = int(budget * share)
    own, fewer = (_scored(_latent, small, int(room * part)) for part in (1, _FEWER))
    return own, fewer, _scored(_hybrid, replace(small, effort=1), room)


def sample_of(job: Job, place: float = 0.5) -> tuple[Job, float]:
    """A job of about an eighth of the image's samples, or fewer; its share of them.

    Parameters
    ----------
    place
        Where along each axis, from 0 at its beginning to 1 at its end.
    """
    image, ranges = job.coded, job.ranges
    size = math.prod(image.shape)
    wanted = min(max(size // 8, _LEAST), _SAMPLE)
    where = part_of(image.axes, image.shape, wanted, place)
    if (c := image.channel_axis) is not None:
        ranges = ranges[where[c]]
    data = image.read(where)
    sample = Image(data, image.axes)
    surveyed = Survey(sample, ranges, "0" * 64)
    small = replace(
        job,
        image=sample,
        surveyed=surveyed,
        settings=replace(job.settings, keep_partial=False),
        progress=None,
        spool=None,
        remarks=(),
    )
    return small, data.size / size


def part_of(axes: str, shape: Sequence[int], wanted: int, place: float = 0.5) -> Region:
    """A region of an image of `wanted` voxels, about, that is long along Y and X.

    Parameters
    ----------
    place
        Where along each axis, from 0 at its beginning to 1 at its end.
    """
    where = [slice(0, n) for n in shape]

    def length(i: int) -> int:
        return where[i].stop - where[i].start

    while math.prod(map(length, range(len(where)))) > 2 * wanted:
        axis = max(range(len(where)), key=lambda i: length(i) / _LONG.get(axes[i], 8))
        if length(axis) < 2:
            break
        keep = -(-length(axis) // 2)
        start = where[axis].start + int((length(axis) - keep) * place)
        where[axis] = slice(start, start + keep)
    return tuple(where)


def better(own: float, other: float, octave: float) -> float:
    """Share of the bytes that a hybrid saves, by PSNRs in dB of both and dB per doubling."""
    return float(1 - 2.0 ** -((other - own) / max(octave, _LEAST_OCTAVE)))


def _better(own: float, codec: float, octave: float, effort: int) -> str:
    if codec == -math.inf:
        return LATENT
    if own == -math.inf:
        return HYBRID
    saves = better(own, codec, octave)
    if effort >= BOTH_EFFORT and abs(saves) < _CLOSE:
        return BOTH
    return HYBRID if saves > (SAVES if effort < BOTH_EFFORT else 0) else LATENT


def _tries_siren(job: Job, budget: int) -> bool:
    if (job.effort or 3) >= SIREN_EFFORT:
        return True
    if job.image.raw_bytes < SIREN_RATIO * budget:
        return False
    from inif.encode.siren.device import accelerated

    return accelerated()


def _scored(method: Callable[[Job, Window], Packed], job: Job, room: int) -> float:
    """PSNR in dB of a file of the sample; -inf where none is so small."""
    if room < 1 or not np.ptp(np.array(job.ranges, np.float64), axis=1).any():
        return -math.inf
    try:
        return recorded_psnr(method(job, Window.of_size(room)))
    except InifError:
        return -math.inf


def _latent(job: Job, window: Window) -> Packed:
    from inif.encode.latent.make import encode_latent

    return encode_latent(replace(job, method=LATENT), window)


def _hybrid(job: Job, window: Window) -> Packed:
    from inif.encode.hybrid.make import encode_hybrid

    return encode_hybrid(replace(job, method=HYBRID), window)


def _siren(job: Job, window: Window) -> Packed:
    from inif.encode.siren.make import encode_siren

    return encode_siren(replace(job, method=SIREN), window)
