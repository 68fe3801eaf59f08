"""A hybrid file: an image and a budget or a quality in, streams and their repairs out."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial

import numpy as np

from inif.config import Window
from inif.container.spec import ENTRY_SIZE
from inif.container.writer import Packed, Section
from inif.decode import residual
from inif.decode.codec import FEATURE
from inif.decode.residual import Rest
from inif.encode.hybrid.coder import HybridCoder, coder_of
from inif.encode.job import TINY, Job, draft_header, extra_sections, guides_record
from inif.encode.rate.control import Settled, finished, to_quality, to_size
from inif.encode.record import channel_psnrs, facts, too_small, totals, unreached, with_record
from inif.errors import BudgetError
from inif.fields import repair
from inif.frames import check_planes, from_canon
from inif.image import Image

_SMALLER = (0.9, 0.7)
"""Shares of a window that are aimed at where nothing of its size was found."""

_TOO_SMALL = "the budget does not hold the smallest streams of the codec"

_GUESS, _LEAST = 64, 4096
"""Ratio of raw bytes to a file's, and its bytes at least, where nothing is known."""


def encode_hybrid(job: Job, window: Window) -> Packed:
    """The file, as many bytes as the window allows.

    Raises
    ------
    BudgetError
        The codec's smallest streams do not fit.
    InputError
        The image has no planes.
    KeyboardInterrupt
        Ctrl-C, unless the settings keep partial results and all bricks have been coded.
    """
    coder, none = _coder(job, window.most), np.zeros(1)
    frame = coder.total(none, [])
    rest = int(job.share * max(window.most - frame, 0))
    inner = Window.of_size(window.most - rest) if rest else window
    if inner.most <= frame:
        raise too_small(job, _TOO_SMALL, window.most, frame)
    try:
        found = to_size(coder, job.image.n_channels, inner, job.step)
        for share in _SMALLER:  # sizes that jump may all have been too large
            if coder.total(found.knob, found.bricks) <= inner.most:
                break
            less = Window.of_size(max(int(share * inner.most), frame + 1))
            found = to_size(coder, job.image.n_channels, less, job.step)
        if coder.total(found.knob, found.bricks) > inner.most:
            raise too_small(job, _TOO_SMALL, window.most, _smallest(coder) + rest)
        if rest:
            found = _with_rest(coder, found, window.most)
    except KeyboardInterrupt:
        kept = coder.complete(window.most) if job.settings.keep_partial else None
        if kept is None:
            raise
        job.interrupt.keep()
        coder.header["lossy"]["stopped"] = "interrupt"
        found = finished(coder, Settled(none, kept), job.step)
    return _file(coder, found, window)


def encode_hybrid_quality(job: Job, decibels: float) -> tuple[Packed, dict[int, float]]:
    """A file of a quality, and the PSNR in dB that each channel that varies has in it.

    Raises
    ------
    BudgetError
        The codec cannot reach it.
    InputError
        The image has no planes.
    KeyboardInterrupt
        Ctrl-C.
    """
    size, count = max(job.image.raw_bytes // _GUESS, _LEAST), job.image.n_channels
    coder, psnrs = _coder(job, size), partial(channel_psnrs, job)
    start = coder.guess(size)
    found, reached = to_quality(coder, psnrs, decibels, start, count, job.step, job.keeps)
    if job.interrupt.kept:
        coder.header["lossy"]["stopped"] = "interrupt"
    if min(reached.values()) < decibels:
        problem = "the codec cannot reach this quality"
        fix = "ask for less, or choose another codec"
        raise unreached(job, problem, decibels, reached, fix)
    return _file(coder, found, Window(0, sys.maxsize)), reached


def _coder(job: Job, size: float) -> HybridCoder:
    """What codes a job's bricks for a file of about so many bytes.

    Raises
    ------
    InputError
        The image has no planes.
    """
    image = job.image
    check_planes(image.axes, file=image.source, fix="use --method siren")
    header = draft_header(job, int(size))
    header["lossy"].pop("stopped", None)
    header["field"] = {"kind": repair.KIND, "network": job.settings.network}
    coder = coder_of(job, size, header, extra_sections(job, int(size)))
    header["requires"] = [FEATURE, coder.codec.feature, repair.FEATURE]
    if job.share:
        header["requires"].append(residual.FEATURE)
    if job.guides:
        from inif.encode.hybrid.guided import Guided

        coder.guided = Guided.of(job, coder.grid)
        if coder.guided:
            names = guides_record(coder.guided.names, short=size < TINY)
            header["lossy"]["guides"] = names
    return coder


def _with_rest(coder: HybridCoder, found: Settled, most: int) -> Settled:
    """The bricks beside a pure field of what they lack, a file of its own in their outputs' unit.

    Raises
    ------
    BudgetError
        The budget holds no field.
    """
    from inif.encode.siren.make import encode_siren

    job = coder.job
    image = job.image
    missing = np.empty(image.shape, np.float32)
    for brick, coded in enumerate(found.bricks):
        missing[coder.grid.slices(brick)] = from_canon(coder.missing(brick, coded), image.axes)
    small = Job(
        Image(missing, image.axes),
        job.target,
        replace(job.settings, time_limit=None),
        "siren",
        job.effort,
        job.progress,
        interrupt=job.interrupt,
    )
    left = most - coder.total(found.knob, found.bricks) - ENTRY_SIZE
    data = encode_siren(small, Window.of_size(left)).to_bytes()
    coder.rest = Rest(data, image.axes, image.shape, file=image.source)
    coder.extra.append(Section(residual.KIND, data))
    return finished(coder, found, job.step)


def _file(coder: HybridCoder, found: Settled, window: Window) -> Packed:
    """The file with the record of its errors, padded up to the window."""
    sections = [section for one in found.bricks for section in one.sections]
    errors = totals(coder.job, coder.grid, [one.errors for one in found.bricks])
    record = facts(coder.job, errors)
    file = with_record(coder.header, [*coder.extra, *sections], record, window)
    if file.size > window.most:
        raise BudgetError(
            "the file cannot be made to fit this budget",
            file=coder.job.image.source,
            field="target",
            expected=f"at most {window.most} bytes",
            got=f"{file.size} bytes",
            fix="ask for a slightly smaller ratio",
        )
    return file


def _smallest(coder: HybridCoder) -> int:
    """Bytes of the file at the coarse end of the knob."""
    knob = np.zeros(coder.job.image.n_channels)
    return coder.total(knob, [coder.encode(brick, knob) for brick in range(len(coder.grid))])
