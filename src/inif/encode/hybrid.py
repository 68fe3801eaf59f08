"""The hybrid job: an image and a budget in, a file of standard streams and their repair out.

trial of frame orders and settings with the codec's fast preset → search of the knob with the slow
one → streams shared out between two neighbouring knob values → repair → check → file.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from inif.container.writer import Section
from inif.decode.hybrid import FEATURE, KIND, BrickData, HybridBrick, PriorSpec
from inif.encode import repair
from inif.encode.budget import WINDOW
from inif.encode.finish import inexact, with_record
from inif.encode.job import Job, draft_header, ome_section
from inif.encode.plan import SLACK, header_bytes
from inif.encode.select import criterion
from inif.encode.streams import Streams, Trial, hybrid_grid
from inif.errors import BudgetError
from inif.fields import conditional
from inif.frames import check_planes
from inif.priors import load_prior
from inif.priors.base import Prior

_REPAIR_SHARE = 0.006
_FEW, _MOST = 4, 8
"""Encodes that a search may take, at low and at high efforts."""

_ENCODES = 2.5
"""Of the slow preset that a search takes, about."""


def encode_hybrid(job: Job, budget: int) -> bytes:
    """The file's bytes, at most `budget` of them and at least 99 % of that.

    Raises
    ------
    BudgetError
        The codec's smallest streams do not fit.
    InputError
        The image has no planes.
    KeyboardInterrupt
        Ctrl-C, unless the settings keep partial results and there is one.
    """
    image, kind = job.image, job.prior
    check_planes(image.axes, file=image.source, fix="use --method siren")
    prior = load_prior(kind).for_effort(job.effort or 3, image.data.itemsize)
    header = draft_header(job) | {
        "field": {"kind": conditional.KIND, "start": job.settings.start},
        "prior": PriorSpec(kind, "TZ~").to_json(),
        "requires": [FEATURE, prior.feature, conditional.FEATURE],
    }
    streams = Streams(job, hybrid_grid(image.axes, image.data.shape))
    if len(streams.grid) > 1:
        header |= {"brick": list(streams.grid.brick)}
    extra = ome_section(image, budget)

    def room_left() -> int:
        overhead = header_bytes(header, [len(s.data) for s in extra]) + SLACK + streams.fixed_bytes
        overhead += repair_bytes(streams, budget)
        if overhead >= budget:
            raise _too_small(job, budget, overhead)
        return budget - overhead

    header["lossy"] |= {"knob": prior.knob(streams.frames).start}
    trial = streams.trial(prior, room_left())
    header["prior"] = PriorSpec(kind, trial.order).to_json()
    header["lossy"] |= trial.record
    room = room_left()
    prior = _within_time(job, streams, prior, trial)
    found = streams.search(prior, trial, room, _MOST if (job.effort or 3) > 3 else _FEW)
    if not found.fits:
        raise _too_small(job, budget, budget - room + len(found.probe.data))
    chosen = streams.shared_out(prior, trial, found, room)
    header["lossy"] |= {"knob": found.probe.value}
    bricks = repaired(streams, streams.bricks(PriorSpec(kind, trial.order), chosen), budget)
    if not any(r.error_code for brick in bricks for r in brick.repairs):
        header |= {"field": {"kind": "none"}, "requires": [FEATURE, prior.feature]}
        bricks = [replace(brick, start=None, repairs=()) for brick in bricks]
    return _finish(streams, bricks, header, extra, budget)


def repair_bytes(streams: Streams, budget: int) -> int:
    """Bytes set aside for the repair of all bricks."""
    frames = -(-streams.frames // 8)
    per_channel = 4 + most_coefficients(streams, budget) + frames
    return len(streams.grid) * streams.channels * per_channel


def most_coefficients(streams: Streams, budget: int) -> int:
    """How many coefficients per channel the budget can bear."""
    share = _REPAIR_SHARE * budget / (len(streams.grid) * streams.channels)
    return min(12, max(0, int(share) - 4))


def repaired(streams: Streams, bricks: list[HybridBrick], budget: int) -> list[HybridBrick]:
    """The bricks with the repair that pays; frames in which it does not are left plain."""
    job = streams.job
    network = conditional.load_start(job.settings.start)
    most = most_coefficients(streams, budget)
    judge = criterion(job.select)
    out = []
    for b, brick in enumerate(bricks):
        streams.report("repair", b, len(bricks))
        peak = brick.spec.prior.peak
        channels = [
            repair.Channel.of(brick.volume(c), peak, target)
            for c, target in enumerate(streams.targets(b))
        ]
        size = sum(map(len, brick.streams))
        repairs = repair.choose(network, channels, most, size, job.settings.seed)
        repairs = repair.keep_or_drop(network, channels, repairs, judge)
        out.append(replace(brick, start=job.settings.start, repairs=tuple(repairs)))
    return out


def _within_time(job: Job, streams: Streams, prior: Prior, trial: Trial) -> Prior:
    """The preset that leaves the time limit whole."""
    limit = job.settings.time_limit
    if limit is None:
        return prior
    left = limit - (time.monotonic() - streams.begun)
    return prior.within(left / _ENCODES, trial.seconds)


def _finish(
    streams: Streams,
    bricks: list[HybridBrick],
    header: dict[str, Any],
    extra: list[Section],
    budget: int,
) -> bytes:
    """Check the decode, and land inside the window: what is left over becomes padding."""
    tally, checks = streams.tally(bricks)
    streams.report("check", 1, 1, tally.psnr)
    rest = b""
    for _ in range(3):
        sections = []
        for b, (brick, check) in enumerate(zip(bricks, checks, strict=True)):
            data = BrickData(brick.streams, check, brick.repairs, rest if b == 0 else b"")
            sections.append(Section(KIND, data.pack(brick.frames), b))
        file = with_record(header, [*extra, *sections], tally.facts, budget)
        if len(file) <= budget <= len(file) * WINDOW or tally.psnr is None:
            return file
        rest = bytes(max(0, len(rest) + budget - len(file)))
    raise inexact(streams.job, budget, len(file))


def _too_small(job: Job, budget: int, smallest: int) -> BudgetError:
    return BudgetError(
        "the budget does not hold the smallest streams of the prior",
        file=job.image.source,
        field="target",
        expected=f"at least {smallest} bytes for this image",
        got=f"{budget} bytes",
        fix=f"the largest possible ratio is about {job.image.raw_bytes / smallest:.3g};"
        " --method siren can go further",
    )
