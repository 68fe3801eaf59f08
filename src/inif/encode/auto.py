"""Which method an image gets when nobody says: a trial on a sample, and the reason in words.

A latent field is fast and does best on most images; a codec with a repair may do better on planes
of fine texture. A pure field is for ratios that nothing else reaches, and where an effort has time
to try it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from inif.codecs import load_codec
from inif.codecs.aom import sparse
from inif.codecs.pace import Load
from inif.config import FitSettings, Window
from inif.encode.device import accelerated
from inif.encode.finish import recorded_psnr
from inif.encode.job import TINY, Hints, Job
from inif.encode.streams import Streams, hybrid_grid, load_of
from inif.encode.trial import Judged, Trial
from inif.errors import InifError
from inif.image import Image
from inif.outliers import NO_OUTLIERS

AV1 = ("av1", "aom")
"""Two encoders, compared at the settings of the effort; trials of both are by the first."""

STILL_EFFORT, MOVIE_EFFORT = 2, 4
"""From which both are tried on single planes, and on stacks and movies, where the first does as
well in less time."""

OTHERS = ("jpeg2000",)
SIREN_EFFORT, SIREN_RATIO = 5, 256
"""From which effort a pure field is tried; and from which ratio at any, where there is a GPU."""

_LEAST, _SAMPLE = 1 << 16, 1 << 19
_LONG = {"Y": 256, "X": 256, "C": 64}
"""How long the axes of a sample are against each other; 8 for the others."""

LATENT, BOTH = "latent", "both"
BOTH_EFFORT = 4
"""From which a latent field and a hybrid are both made where it is close."""

SAVES, _CLOSE = 0.03, 0.15
"""Share of the bytes that a hybrid must save for its time, and up to which it is close."""

_MORE = 0.15
"""Octaves of bytes by which a hybrid is ahead of its codec's fast setting on a sample, less those
that a latent field gains on the whole."""

_LEAST_OCTAVE = 0.5
"""PSNR in dB per doubling of the size: below it, trials do not tell how many bytes are saved."""

_FEW_PROBES, _PROBES = 4, 9
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
    method, codec
        As `Job` has them; `BOTH` for the better of a latent field and a hybrid.
    reason
        In words: the PSNR in dB of what was tried, on a sample at the ratio asked for.
    hints
        As `Job` has them.
    """

    method: str
    codec: str
    reason: str
    hints: Hints = field(default_factory=Hints)


def choose(job: Job, budget: int) -> Choice | None:
    """The method and codec for an image and a budget; None where nothing is small enough."""
    image = job.image
    free = may_be_latent(job)
    if not {"Y", "X"} <= set(image.axes):
        return Choice(LATENT if free else "siren", job.codec, "codecs need planes")
    if reason := load_codec(AV1[0]).unavailable():
        return Choice(LATENT if free else "siren", job.codec, reason)
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
    scores = {}
    method = "hybrid"
    if free and (own := _latent(small, room)) is not None:
        first = streams.tried(load_codec(AV1[0]), "TZ~", wanted, None, _FEW_PROBES)
        scores = {LATENT: own, AV1[0]: first.score}
        here = len(first.near.data) <= wanted / _NEAR
        method = _better(own, first, effort) if here else LATENT
    fast = image.raw_bytes >= SIREN_RATIO * budget and accelerated()
    if method == LATENT and effort < SIREN_EFFORT:
        if fast and scores:
            method = _or_siren(LATENT, scores, small, room)
        return Choice(method, job.codec, _words(scores, budget))
    quick = _trials(streams, _kinds(effort, load), wanted)
    lead = max(quick, key=lambda kind: quick[kind].score, default="")
    if lead == AV1[0] and AV1[1] not in quick and effort < SIREN_EFFORT:  # slower, it leads by more
        made = {kind: Judged(trial.score, None) for kind, trial in quick.items()}
    else:
        judged = partial(_judged, streams, effort=effort, room=wanted, load=load)
        made = {kind: j for kind, trial in quick.items() if (j := judged(kind, trial))}
    codecs = {kind: one.score for kind, one in made.items()}
    if not codecs:
        return Choice(LATENT, job.codec, _words(scores, budget)) if scores else None
    leads = _leads(image, load)
    best = max(codecs, key=lambda kind: codecs[kind] - leads.get(kind, 0.0))
    scores |= codecs
    if effort >= SIREN_EFFORT or fast:
        method = _or_siren(method, scores, small, room, best)
    trial = quick[best]
    hints = Hints(made[best].offset, trial.near.value, trial.noisy)
    return Choice(method, best, _words(scores, budget), hints)


def may_be_latent(job: Job) -> bool:
    """Whether nothing is asked for that only other methods do."""
    return not job.guides and job.select == "psnr"


def _latent(job: Job, room: int) -> float | None:
    """PSNR in dB of a latent field of the sample; None where none is so small."""
    from inif.encode.latent import encode_latent

    try:
        return recorded_psnr(encode_latent(replace(job, method=LATENT), Window.of_size(room)))
    except InifError:
        return None


def _better(own: float, trial: Trial, effort: int) -> str:
    """The method, by the PSNR in dB of a latent field and the trial of a codec."""
    ahead = (trial.score - own) / max(trial.octave, _LEAST_OCTAVE) + _MORE
    saves = 1 - 2**-ahead
    if effort >= BOTH_EFFORT and abs(saves) < _CLOSE:
        return BOTH
    return "hybrid" if saves > (SAVES if effort < BOTH_EFFORT else 0) else LATENT


def _words(scores: dict[str, float], budget: int) -> str:
    """The reason."""
    if budget < TINY:
        return "trial"
    return ", ".join(f"{kind} {value:.1f}" for kind, value in scores.items())


def _kinds(effort: int, load: Load) -> list[str]:
    """The codecs to try, of those that are here."""
    least = STILL_EFFORT if load.frames == 1 else MOVIE_EFFORT
    kinds = (*(AV1 if effort >= least else AV1[:1]), *OTHERS)
    return [kind for kind in kinds if not load_codec(kind).unavailable()]


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
        trial = streams.tried(load_codec(kind), "TZ~", wanted, start, _PROBES)
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
    codec = load_codec(kind)
    slow = trial.settled(codec.for_effort(effort, load))
    usual = Judged(trial.score, None)
    if slow == codec.quick:
        return usual
    return streams.judged(slow, trial, room) or (usual if kind == codec.quick.kind else None)


def _or_siren(
    method: str, scores: dict[str, float], job: Job, budget: int, best: str = LATENT
) -> str:
    """A pure field if it is better than the best and a latent field; its PSNR joins the scores."""
    scores["siren"] = _fitted(job, budget)
    others = max(scores[best], scores.get(LATENT, -math.inf))
    return "siren" if scores["siren"] > others else method


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
