"""A latent field of a quality: every channel that varies has it, and hardly more.

Each channel has a step of its own. How its PSNR falls with that is measured as the search goes on.
"""

from __future__ import annotations

import math

from inif.config import Window
from inif.decode.latent import OCTAVE
from inif.encode.hybrid_quality import TOLERANCE, Reached
from inif.encode.job import TINY, Job
from inif.encode.latent import Coded, Work, draft, finished, stated
from inif.errors import BudgetError
from inif.latent.layout import SCALE

_ROUNDS = 8
_FALLS = 5.0
"""dB that a channel loses, about, when its step doubles: 6.02 where all latents count."""

_AIM = 0.1
"""How far above the target a channel is aimed at, in dB."""

_FIRST = 3.0
"""The step over the root of the mean squared error, at first sight."""


def encode_latent_quality(job: Job, decibels: float, found: list[Reached]) -> None:
    """Add to `found` the files that reach a quality in every channel that varies.

    Raises
    ------
    BudgetError
        It cannot be reached.
    """
    work = Work.of(job)
    window = Window(0, max(8 * job.image.raw_bytes, 1 << 20))
    varied = [c for c, (low, high) in enumerate(job.ranges) if low < high]
    first = math.log2(_FIRST * 2 * SCALE) - decibels / (20 * math.log10(2))
    steps = dict.fromkeys(varied, first)  # as logarithms to base 2
    seen: dict[int, list[tuple[float, float]]] = {c: [] for c in varied}
    for _ in range(_ROUNDS):
        base = min(steps.values())
        if len(job.ranges) > 1:
            own = [steps.get(c, base) for c in range(len(job.ranges))]
            work.finer = tuple(math.ceil((base - one) * OCTAVE) for one in own)
        step = stated(2**base)
        before = work.coded(step, writes=False)
        header, extra = draft(work, TINY)
        passes = work.coded(step, before)
        coded = Coded.of(work, header, extra, step, passes)
        data, reached = finished(work, window, header, extra, coded)
        one = Reached(data, reached)
        if min(reached.values()) >= decibels:
            found.append(one)
            if not one.beyond(decibels):
                return
        for c in varied:
            finer_by = work.finer[c] / OCTAVE if work.finer else 0.0
            seen[c].append((math.log2(step) - finer_by, min(reached[c], 200.0)))
            steps[c] = _next(seen[c], decibels)
    if not found:
        best = max(min(values[1] for values in seen[c]) for c in varied)
        raise BudgetError(
            "the latent field cannot reach this quality",
            file=job.image.source,
            field="psnr",
            expected=f"at most {best:.2f} dB",
            got=f"{decibels} dB",
            fix="ask for less, or store the samples exactly (--lossless)",
        )


def _next(points: list[tuple[float, float]], decibels: float) -> float:
    """The next step of a channel, log2: where its PSNR is a little above the target."""
    goal = decibels + _AIM
    last, value = points[-1]
    if decibels <= value <= decibels + TOLERANCE:
        return last
    good = [p for p in points if p[1] >= goal]
    bad = [p for p in points if p[1] < goal]
    if good and bad:
        (x0, y0), (x1, y1) = max(good), min(bad)
        if x0 < x1 and y0 > y1:
            share = min(max((y0 - goal) / (y0 - y1), 0.05), 0.95)
            return x0 + share * (x1 - x0)
    return last + min(max((value - goal) / _FALLS, -3.0), 3.0)
