"""Which method an image gets when nobody says: a trial on a sample, and the reason in words.

A codec with a repair wins on nearly all images, so the question is mostly which codec; a pure field
is for images without planes, for ratios no codec can reach, and where an effort has time to try it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from inif.config import FitSettings, Window
from inif.encode.finish import recorded_psnr
from inif.encode.job import TINY, Hints, Job
from inif.encode.streams import Streams, hybrid_grid, load_of
from inif.encode.trial import Judged, Trial
from inif.errors import InifError
from inif.image import Image
from inif.outliers import NO_OUTLIERS
from inif.priors import load_prior
from inif.priors.aom import sparse
from inif.priors.pace import Load

AV1 = ("av1", "aom")
"""Two encoders, compared at the settings of the effort; trials of both are by the first."""

STILL_EFFORT, MOVIE_EFFORT = 2, 4
"""From which both are tried on single planes, and on stacks and movies, where the first does as
well in less time."""

OTHERS = ("jpeg2000",)
SIREN_EFFORT = 5

_LEAST, _SAMPLE = 1 << 16, 1 << 19
_LONG = {"Y": 256, "X": 256, "C": 64}
"""How long the axes of a sample are against each other; 8 for the others."""

_PROBES = 9
_NEAR = 0.75
"""How much of the room an encode must fill to be judged by, and the room of it."""

_LEADS = {"aom": 0.03, "jpeg2000": 0.15}
_STILL_LEADS = _LEADS | {"aom": 0.0}
_SPARSE_LEADS = _LEADS | {"aom": -0.3}
"""In dB, that a codec must be ahead: libaom takes longer on stacks and movies, and gains more on
the whole of sparse counts than on its dense middle; JPEG 2000 gains less at full size."""

_FIT_EFFORT = 1
_STREAMS = 0.97
"""Of a small file, about; the rest is header and tables."""


@dataclass(frozen=True)
class Choice:
    """A method, and why.

    Attributes
    ----------
    method, prior
        As `Job` has them.
    reason
        In words: the PSNR in dB of what was tried, on a sample at the ratio asked for.
    hints
        As `Job` has them.
    """

    method: str
    prior: str
    reason: str
    hints: Hints = field(default_factory=Hints)


def choose(job: Job, budget: int) -> Choice | None:
    """The method and prior for an image and a budget; None where no codec is small enough."""
    image = job.image
    if not {"Y", "X"} <= set(image.axes):
        return Choice("siren", job.prior, "codecs need planes")
    if reason := load_prior(AV1[0]).unavailable():
        return Choice("siren", job.prior, reason)
    sample, share, channels = sample_of(image)
    room = int(budget * share)
    if room < 1:
        return None
    stated = job.ranges[channels]
    small = replace(job, image=sample, method="hybrid", progress=None, stated=stated)
    small = replace(small, outliers=NO_OUTLIERS, original=None)
    load, effort = load_of(job, budget), job.effort or 3
    streams = Streams(small, hybrid_grid(sample.axes, sample.data.shape))
    wanted = int(_STREAMS * room)
    quick = _trials(streams, _kinds(effort, load), wanted)
    lead = max(quick, key=lambda kind: quick[kind].score, default="")
    if lead == AV1[0] and AV1[1] not in quick and effort < SIREN_EFFORT:  # slower, it leads by more
        made = {kind: Judged(trial.score, None) for kind, trial in quick.items()}
    else:
        judged = partial(_judged, streams, effort=effort, room=wanted, load=load)
        made = {kind: j for kind, trial in quick.items() if (j := judged(kind, trial))}
    scores = {kind: one.score for kind, one in made.items()}
    if not scores:
        return None
    leads = _leads(image, load)
    best = max(scores, key=lambda kind: scores[kind] - leads.get(kind, 0.0))
    if effort >= SIREN_EFFORT:
        scores["siren"] = _fitted(small, room)
    words = ", ".join(f"{kind} {value:.1f}" for kind, value in scores.items())
    if budget < TINY:
        words = "trial"
    if scores.get("siren", -math.inf) > scores[best]:
        return Choice("siren", job.prior, words)
    trial = quick[best]
    return Choice("hybrid", best, words, Hints(made[best].offset, trial.near.value, trial.noisy))


def _kinds(effort: int, load: Load) -> list[str]:
    """The codecs to try, of those that are here."""
    least = STILL_EFFORT if load.frames == 1 else MOVIE_EFFORT
    kinds = (*(AV1 if effort >= least else AV1[:1]), *OTHERS)
    return [kind for kind in kinds if not load_prior(kind).unavailable()]


def _leads(image: Image, load: Load) -> dict[str, float]:
    """By how much each codec must be ahead."""
    if load.frames > 1:
        return _LEADS
    return _SPARSE_LEADS if _sparse(image) else _STILL_LEADS


def _trials(streams: Streams, kinds: list[str], wanted: int) -> dict[str, Trial]:
    """The codecs' fast settings on the sample, at about `wanted` bytes if they get there."""
    out: dict[str, Trial] = {}
    for kind in kinds:
        start = out[AV1[0]].score if kind in OTHERS and AV1[0] in out else None  # its knob is dB
        trial = streams.tried(load_prior(kind), "TZ~", wanted, start, _PROBES)
        filled = len(trial.near.data) / wanted
        if (filled >= _NEAR or kind in AV1) and filled <= 1 / _NEAR:
            out[kind] = trial
    if AV1[1] in out and out[AV1[1]].noisy:  # as good as the first, and its sizes jump
        del out[AV1[1]]
    return out


def _judged(
    streams: Streams, kind: str, trial: Trial, effort: int, room: int, load: Load
) -> Judged | None:
    """A codec on the sample at about `room` bytes, at the setting that the whole image gets."""
    prior = load_prior(kind)
    slow = trial.settled(prior.for_effort(effort, load))
    usual = Judged(trial.score, None)
    if slow == prior.quick:
        return usual
    return streams.judged(slow, trial, room) or (usual if kind == prior.quick.kind else None)


def _fitted(job: Job, budget: int) -> float:
    """PSNR in dB of a pure field fitted to the sample; -inf where it cannot be."""
    from inif.encode.pipeline import encode_field

    settings = FitSettings.for_effort(_FIT_EFFORT, seed=job.settings.seed)
    try:
        small = replace(job, method="siren", settings=settings)
        data = encode_field(small, Window.of_size(budget))
    except InifError:
        return -math.inf
    return recorded_psnr(data)


def sample_of(image: Image) -> tuple[Image, float, slice]:
    """The middle of an image, about an eighth of its samples; its share of them; its channels."""
    wanted = min(max(image.data.size // 8, _LEAST), _SAMPLE)
    data, channels = image.data, slice(None)
    while data.size > 2 * wanted:
        axis = max(range(data.ndim), key=lambda i: data.shape[i] / _LONG.get(image.axes[i], 8))
        if data.shape[axis] < 2:
            break
        keep = -(-data.shape[axis] // 2)
        start = (data.shape[axis] - keep) // 2
        data = data.take(range(start, start + keep), axis=axis)
        if axis == image.channel_axis:
            first = (channels.start or 0) + start
            channels = slice(first, first + keep)
    if data.min() == data.max():
        return image, 1.0, slice(None)
    meta = replace(image.meta, ome_xml=None, channels=())
    sample = Image(np.ascontiguousarray(data), image.axes, meta)
    return sample, data.size / image.data.size, channels


def _sparse(image: Image) -> bool:
    """Whether in most channels most samples have one and the same value: ion counts, masks."""
    if image.data.dtype.kind != "u":
        return False
    return sum(map(sparse, image.each_channel())) > image.n_channels / 2
