"""A hybrid file: an image and a budget or a quality in, streams and their repairs out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from inif.config import Window
from inif.container.spec import ENTRY_SIZE
from inif.container.spool import Spool
from inif.container.writer import Section
from inif.decode import residual
from inif.decode.codec import FEATURE
from inif.decode.residual import Rest
from inif.encode.finish import with_record
from inif.encode.hybrid.coder import HybridCoder, coder_of
from inif.encode.job import TINY, Job, draft_header, extra_sections, guides_record
from inif.encode.rate.control import Settled, finished, to_quality, to_size
from inif.encode.tally import Tally, psnr_of
from inif.errors import BudgetError
from inif.fields import repair
from inif.frames import check_planes, from_canon
from inif.image import Image

_GUESS, _LEAST = 64, 4096
"""Ratio of raw bytes to a file's, and its bytes at least, where nothing is known."""


def encode_hybrid(job: Job, window: Window) -> bytes:
    """The file's bytes, as many as the window allows.

    Raises
    ------
    BudgetError
        The codec's smallest streams do not fit.
    InputError
        The image has no planes.
    KeyboardInterrupt
        Ctrl-C, unless the settings keep partial results and all bricks have been coded.
    """
    with Spool() as spool:
        return _sized(_coder(job, window.most, spool), window)


def _sized(coder: HybridCoder, window: Window) -> bytes:
    job = coder.job
    frame = coder.total(np.zeros(1), [0] * len(coder.grid))
    rest = int(job.share * max(window.most - frame, 0))
    inner = Window.of_size(window.most - rest) if rest else window
    if inner.most <= frame:
        raise _too_small(coder, window.most, frame)
    try:
        found = to_size(coder, job.image.n_channels, inner, coder.report)
        if coder.total(found.knob, found.sizes) > inner.most:
            raise _too_small(coder, window.most, _smallest(coder) + rest)
        if rest:
            found = _with_rest(coder, found, window.most)
    except KeyboardInterrupt:
        kept = coder.complete(window.most) if job.settings.keep_partial else None
        if kept is None:
            raise
        job.interrupt.keep()
        coder.header["lossy"]["stopped"] = "interrupt"
        found = finished(coder, Settled(np.zeros(1), kept), coder.report)
    return _file(coder, found, window)


def encode_hybrid_quality(job: Job, decibels: float) -> tuple[bytes, dict[int, float]]:
    """A file in which every channel that varies has a PSNR, and hardly more; and what they have.

    Raises
    ------
    BudgetError
        The codec cannot reach it.
    InputError
        The image has no planes.
    """
    size = max(job.image.raw_bytes // _GUESS, _LEAST)
    with Spool() as spool:
        return _good(_coder(job, size, spool), decibels)


def _good(coder: HybridCoder, decibels: float) -> tuple[bytes, dict[int, float]]:
    job = coder.job

    def psnrs(squares: np.ndarray, voxels: np.ndarray) -> dict[int, float]:
        """Of each channel that varies, in dB."""
        return {
            c: psnr_of(4 * float(squares[c]) / float(voxels[c]) / (high - low) ** 2)
            for c, (low, high) in enumerate(job.ranges)
            if low < high
        }

    start, count = coder.guess(coder.size), job.image.n_channels
    found = to_quality(coder, psnrs, decibels, start, count, coder.report)
    reached = _tally(job, found).channels
    if min(reached.values()) < decibels:
        raise BudgetError(
            "the codec cannot reach this quality",
            file=job.image.source,
            field="psnr",
            expected=f"at most {min(reached.values()):.2f} dB",
            got=f"{decibels} dB",
            fix="ask for less, or choose another codec",
        )
    return _file(coder, found, Window(0, job.image.raw_bytes + (1 << 20))), reached


def _coder(job: Job, size: float, spool: Spool) -> HybridCoder:
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
    coder = coder_of(job, size, spool, header, extra_sections(job, int(size)))
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
    from inif.encode.pipeline import encode_field

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
    left = most - coder.total(found.knob, found.sizes) - ENTRY_SIZE
    data = encode_field(small, Window.of_size(left))
    coder.rest = Rest(data, image.axes, image.shape, file=image.source)
    coder.extra.append(Section(residual.KIND, data))
    return finished(coder, found, coder.report)


def _file(coder: HybridCoder, found: Settled, window: Window) -> bytes:
    """The file with the record of its errors, padded up to the window."""
    job = coder.job
    tally = _tally(job, found)
    sections = [section for one in found.bricks for section in one.sections]
    facts = tally.facts(each=job.asks_quality)
    file = with_record(coder.header, [*coder.extra, *sections], facts, window)
    if len(file) > window.most:
        raise BudgetError(
            "the file cannot be made to fit this budget",
            file=job.image.source,
            field="target",
            expected=f"at most {window.most} bytes",
            got=f"{len(file)} bytes",
            fix="ask for a slightly smaller ratio",
        )
    return file


def _tally(job: Job, found: Settled) -> Tally:
    """The errors of all bricks."""
    tally = Tally(job.image, job.intensities)
    for one in found.bricks:
        tally.count(one.squares, one.worst)
    return tally


def _smallest(coder: HybridCoder) -> int:
    """Bytes of the file at the coarse end of the knob."""
    knob = np.zeros(coder.job.image.n_channels)
    sizes = [coder.encode(brick, knob).size for brick in range(len(coder.grid))]
    return coder.total(knob, sizes)


def _too_small(coder: HybridCoder, budget: int, smallest: int) -> BudgetError:
    """The error for a budget below what is needed."""
    image = coder.job.image
    return BudgetError(
        "the budget does not hold the smallest streams of the codec",
        file=image.source,
        field="target",
        expected=f"at least {smallest} bytes for this image",
        got=f"{budget} bytes",
        fix=f"the largest possible ratio is about {image.raw_bytes / smallest:.3g};"
        " --method siren can go further",
    )
