"""A quality as the target: the smallest file in which every channel that varies has it.

Codecs are compared on a sample at this very quality. Those that do best are turned until each
channel is within a tolerance above the target; where their knobs are too coarse for that, the next
take over. And where the very samples take no more bytes, they are kept.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

from inif.codecs import load_codec
from inif.config import Window
from inif.container.reader import open_container
from inif.container.writer import Section, pack
from inif.encode.advice import AS_SMALL, estimate
from inif.encode.auto import BOTH_EFFORT, SAVES, may_be_latent, sample_of
from inif.encode.finish import recorded_psnr
from inif.encode.hybrid_quality import TOLERANCE, Reached, encode_hybrid_quality
from inif.encode.job import TINY, Job
from inif.encode.latent_quality import encode_latent_quality
from inif.encode.lossless import encode_lossless
from inif.encode.method import encode
from inif.encode.settle import Settler
from inif.encode.streams import Streams, hybrid_grid, load_of
from inif.errors import BudgetError, RemarkWarning

_STILLS, _STACKS = ("av1", "jpeg2000"), ("av1", "hevc", "jpeg2000")
"""Codecs for single planes, and for stacks and movies; the last one's knob is a PSNR."""

_WORTH, _ALIKE = 1.3, 1.15
"""How much larger than the best on the sample a codec may be to be tried on the whole: while no
file is within the tolerance, and after that, for a sample tells sizes no better than so (a higher
quality would take a smaller file, by another codec)."""

_GUESS = 64
_FITS, _CLOSE = 10, 1.02
"""Fits of a pure field at most; how near each other in bytes two of them end the search."""


@dataclass(frozen=True)
class _Start:
    """What a sample tells of a codec: bytes of the whole, and its knob for each channel."""

    kind: str
    size: float
    units: dict[int, float]


def encode_quality(job: Job, decibels: float) -> bytes:
    """The smallest file found in which every channel that varies has at least this PSNR.

    Raises
    ------
    BudgetError
        A pure field cannot reach it at this effort; the message names the best.
    InputError
        A hybrid was asked for, and the image has no planes.
    KeyboardInterrupt
        Ctrl-C, unless the settings keep partial results and some file has the quality.
    """
    raw = job.image.raw_bytes
    if not job.varied:
        return encode(job, Window(0, max(raw, 1 << 12)))
    found: list[Reached] = []
    try:
        if job.method == "latent":
            encode_latent_quality(job, decibels, found)
        elif job.method == "siren" or not {"Y", "X"} <= set(job.image.axes):
            if job.method == "auto" and may_be_latent(job):
                _as_latent(job, decibels, found)
            if not found:
                _by_fields(replace(job, method="siren"), decibels, found)
        else:
            _by_codecs(job, decibels, found)
        size = min((len(one.data) for one in found), default=None)
        exact = encode_lossless(job) if size is None or _may_be_smaller(job, size) else None
    except KeyboardInterrupt:
        if not (job.settings.keep_partial and found):
            raise
        job.interrupt.keep()
        return _stopped(min(found, key=lambda one: len(one.data)).data)
    if exact is not None and (size is None or len(exact) <= size):
        why = (
            f"no lossy file has {decibels:g} dB" if size is None else "a lossy file is not smaller"
        )
        _remark(job, f"{why} in every channel: the samples are kept exactly")
        return exact
    best = min(found, key=lambda one: len(one.data))
    if beyond := best.beyond(decibels):
        _remark(job, _better(beyond, best.channels, decibels))
    return best.data


def _by_codecs(job: Job, decibels: float, found: list[Reached]) -> None:
    """Add files of the codecs that do best on a sample, more if none is within the tolerance."""
    effort, load = job.effort or 3, load_of(job, job.image.raw_bytes // _GUESS)
    kinds: Sequence[str] = (job.codec,)
    largest = math.inf
    if job.method == "auto":
        kinds = _STILLS if load.frames == 1 else _STACKS
        kinds = [kind for kind in kinds if not load_codec(kind).unavailable()]
        if may_be_latent(job):
            largest = _as_latent(job, decibels, found)
            if effort < BOTH_EFFORT:
                kinds, largest = kinds[:1], (1 - SAVES) * largest
    sample, share, channels = sample_of(job.image)
    stated = job.ranges[channels]
    small = replace(job, image=sample, method="hybrid", stated=stated)
    streams = Streams(small, hybrid_grid(sample.axes, sample.data.shape))
    shift = channels.start or 0
    varied = [c for c, (low, high) in enumerate(stated) if low < high]
    starts = []
    for kind in kinds:
        codec = load_codec(kind).for_effort(effort, load)
        settler = Settler(streams, codec, "TZ~")
        knob = codec.knob(streams.frames)
        begin = knob.to_unit(decibels if knob.name == "psnr" else knob.start)
        goals, first = dict.fromkeys(varied, decibels), dict.fromkeys(varied, begin)
        settled = settler.settle(goals, first, "trial") if varied else {}
        if any(s.psnr < decibels for s in settled.values()) and len(kinds) > 1:
            continue
        size = sum(map(len, settler.made(settled))) / share
        starts.append(_Start(kind, size, {c + shift: s.unit for c, s in settled.items()}))
    starts.sort(key=lambda start: start.size)
    for start in starts:
        met = any(not reached.beyond(decibels) for reached in found)
        if found and start.size > min((_ALIKE if met else _WORTH) * starts[0].size, largest):
            break
        chosen = job.chosen
        if job.method == "auto":
            tried = ", ".join(f"{one.kind} {one.size / 1000:.3g} kB" for one in starts)
            chosen = tried if start.size >= TINY else "trial"
        one = replace(job, method="hybrid", codec=start.kind, chosen=chosen)
        try:
            encode_hybrid_quality(one, decibels, found, int(start.size), start.units)
        except BudgetError:
            continue


def _as_latent(job: Job, decibels: float, found: list[Reached]) -> float:
    """Add latent fields; the size of the smallest, infinite where there is none."""
    try:
        encode_latent_quality(replace(job, method="latent", chosen="trial"), decibels, found)
    except BudgetError:
        return math.inf
    return min(len(one.data) for one in found)


def _by_fields(job: Job, decibels: float, found: list[Reached]) -> None:
    """Add pure fields that reach it: budgets grow until one does, then the gap is narrowed.

    Raises
    ------
    BudgetError
        None does.
    """
    raw = job.image.raw_bytes
    largest = max(raw // 2, 1024)
    low, high = (0, -math.inf), (0, math.inf)
    budget = min(max(raw // 256, 2048), largest)
    for _ in range(_FITS):
        try:
            data = encode(job, Window.of_size(budget))
        except BudgetError:
            if not high[0]:
                raise
            low = (budget, -math.inf)
        else:
            if job.interrupt.kept:  # a fit that ended early tells nothing of a quality
                raise KeyboardInterrupt
            reached = recorded_psnr(data)
            if reached >= decibels:
                high = (budget, reached)
                found.append(Reached(data, {0: reached}))
            else:
                low = (budget, reached)
        if not high[0]:
            if budget == largest:
                break
            budget = min(int(budget * min(max(2 ** ((decibels - low[1]) / 1.5), 1.3), 8)), largest)
            continue
        if high[1] <= decibels + TOLERANCE or high[0] <= _CLOSE * max(low[0], 1):
            return
        budget = int(math.sqrt(max(low[0], high[0] // 4) * high[0]))
    if not high[0]:
        raise BudgetError(
            "this quality cannot be reached at this effort",
            file=job.image.source,
            field="psnr",
            expected=f"at most {low[1]:.2f} dB (at {low[0]} bytes)",
            got=f"{decibels} dB",
            fix="raise --effort, or ask for less",
        )


def _may_be_smaller(job: Job, size: int) -> bool:
    """Whether the very samples might take at most so many bytes, by a part of them."""
    return estimate(job.original or job.image) <= AS_SMALL * size


def _stopped(data: bytes) -> bytes:
    """The same file, which says that Ctrl-C has ended the search for a smaller one."""
    with open_container(data) as container:
        header = dict(container.header)
        header["lossy"] = header["lossy"] | {"stopped": "interrupt"}
        sections = [
            Section(s.kind, container.read(s), s.brick, s.level) for s in container.sections
        ]
        return pack(header, sections)


def _better(channels: Sequence[int], reached: dict[int, float], decibels: float) -> str:
    """The remark on channels that are better than asked for."""
    most = max(reached[c] for c in channels)
    which = "it has"
    if len(reached) > 1:
        verb = "has" if len(channels) == 1 else "have"
        which = f"{len(channels)} of the {len(reached)} channels that vary {verb}"
    return (
        f"{which} up to {most:.2f} dB, more than the {decibels:g} asked for: "
        "no smaller file was found"
    )


def _remark(job: Job, text: str) -> None:
    source = f"{job.image.source}: " if job.image.source else ""
    warnings.warn(source + text, RemarkWarning, stacklevel=2)
