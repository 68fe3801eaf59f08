"""The latent job: an image and a target in, a file of quantised grids out."""

from __future__ import annotations

import math
from functools import partial

from inif.config import Window
from inif.container.writer import Packed
from inif.encode.job import TINY, Job
from inif.encode.latent.coder import LatentCoder
from inif.encode.rate.control import Settled, to_quality, to_size
from inif.encode.record import channel_psnrs, facts, too_small, totals, unreached, with_record

_FIRST = 1.58
"""Octaves by which the step is above the root of the mean squared error, at first sight."""


def encode_latent(job: Job, window: Window) -> Packed:
    """The file, as many bytes as the window allows.

    Raises
    ------
    BudgetError
        The coarsest latents do not fit.
    KeyboardInterrupt
        Ctrl-C.
    """
    if job.guides:
        from inif.encode.latent.guided import guided

        coder = guided(job, window)
    else:
        coder = LatentCoder(job, window.most)
    channels = job.image.n_channels
    found = to_size(coder, channels, window, coder.report, job.keeps)
    total = coder.total(found.knob, found.bricks)
    if total > window.most:
        raise too_small(job, "the budget does not hold the coarsest latents", window.most, total)
    return made(coder, found, window)


def encode_latent_quality(job: Job, decibels: float) -> tuple[Packed, dict[int, float]]:
    """A file of a quality, and the PSNR in dB that each channel that varies has in it.

    Raises
    ------
    BudgetError
        The quality cannot be reached.
    KeyboardInterrupt
        Ctrl-C.
    """
    coder = LatentCoder(job, TINY)
    start = decibels / (20 * math.log10(2)) - _FIRST
    psnrs = partial(channel_psnrs, job)
    count = job.image.n_channels
    found, reached = to_quality(coder, psnrs, decibels, start, count, coder.report, job.keeps)
    if min(reached.values()) < decibels:
        problem = "the latent field cannot reach this quality"
        fix = "ask for less, or store the samples exactly (--lossless)"
        raise unreached(job, problem, decibels, reached, fix)
    return made(coder, found, Window(0, 0)), reached


def made(coder: LatentCoder, found: Settled, window: Window) -> Packed:
    """The file of the bricks: coarse sections lie side by side."""
    header, extra = coder.header(found.knob)
    if coder.job.interrupt.kept:
        header["lossy"]["stopped"] = "interrupt"
    errors = totals(coder.job, coder.grid, [one.errors for one in found.bricks])
    own = [section for one in found.bricks for section in one.sections]
    ordered = sorted(own, key=lambda section: section.kind)  # stable: coarse before fine
    return with_record(header, [*extra, *ordered], facts(coder.job, errors), window)
