"""From an image and what is asked for to a file's sections: surveyed, advised, encoded.

This is the one way in: the public verb, and whatever compresses many images, call it.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from threading import Event

from inif.config import Window
from inif.container.spool import Spool
from inif.container.writer import Packed
from inif.encode.advice import advice
from inif.encode.asked import Asked, checked_guides, default_memory
from inif.encode.choose import encode
from inif.encode.interrupt import Progress, interruptible
from inif.encode.job import Job, ome_section
from inif.encode.lossless import encode_lossless
from inif.encode.metadata import fitting
from inif.encode.quality import encode_quality
from inif.encode.survey import survey
from inif.errors import RemarkWarning
from inif.image import Image, LazyImage
from inif.io.ome import unkept_remark

_GUESS, _LEAST_GUESS = 128, 4096
"""Raw bytes over a file's, and its bytes at least, where a quality is asked for: for what outliers
may take."""

_EXACT = 8
"""Raw bytes over a file's, where samples are exact or their errors bounded, at most about."""

_WINDOW_BYTES, _WINDOW_SHARE = 10, 0.001
"""Bytes of a channel's display limits in a header, about; and of the file, what they may take."""


def compressed(
    image: Image | LazyImage,
    asked: Asked,
    spool: Spool,
    progress: Progress | None = None,
    stop: Event | None = None,
) -> Packed:
    """The file of an image that has been checked; its payloads may lie in the spool.

    Parameters
    ----------
    stop
        Set from elsewhere, it ends the work as Ctrl-C does that keeps nothing.

    Raises
    ------
    InputError, BudgetError
        The image, an option or the target cannot be used.
    KeyboardInterrupt
        `stop`, or Ctrl-C unless the settings keep partial results and there is one.

    Warns
    -----
    RemarkWarning
        What the user must know and did not ask.
    """
    target = asked.target
    window = target.window(image.raw_bytes, image.source) if target else None
    checked_guides(asked.guides)
    image = fitting(image, window.most if window else None)
    if window is not None and not ome_section(image, window.most):
        told = unkept_remark(image.meta.ome_xml)
        meta = replace(image.meta, ome_xml=None)
        image = replace(image, meta=meta, remarks=(*image.remarks, *told))
    job = Job(
        image,
        target,
        asked.settings,
        asked.method,
        asked.effort,
        None,
        asked.codec or "av1",
        asked.select,
        asked.share,
        guides=asked.guides,
        remarks=image.remarks,
        memory=asked.memory or default_memory(),
        spool=spool,
    )
    keep = asked.settings.keep_partial
    _warn(image.remarks)
    job = interruptible(
        lambda told: surveyed(replace(job, progress=told), window),
        job.interrupt,
        progress,
        stop=stop,
    )
    if asked.select != "psnr":
        from inif.encode.hybrid.select import criterion

        criterion(job)
    if target is not None and not target.exact and job.varied:
        job = replace(job, remarks=(*job.remarks, *advice(image, target)))
    _warn(job.remarks[len(image.remarks) :])

    def work(told: Progress | None) -> Packed:
        return made(replace(job, progress=told), window)

    data = interruptible(work, job.interrupt, progress, keep=keep, stop=stop)
    if job.interrupt.kept:
        job.warn("interrupted: the file holds the best that there was when Ctrl-C came")
    if window is not None and data.size < window.least:
        job.warn(f"{data.size} bytes, fewer than asked for, reproduce every sample exactly")
    if not any(section.kind == b"OMEX" for section in data.sections):
        _warn(unkept_remark(image.meta.ome_xml))
    return data


def surveyed(job: Job, window: Window | None) -> Job:
    """The job with what a pass over its image finds."""
    any_type = job.target is None or job.target.bounded
    guess = max(job.image.raw_bytes // _GUESS, _LEAST_GUESS)
    budget = None if any_type else window.most if window else guess
    found = survey(
        job.image,
        exact=any_type,
        budget=budget,
        report=lambda done, of: job.step("read", done, of),
    )
    most = window.most if window else job.image.raw_bytes // _EXACT if any_type else guess
    if _WINDOW_BYTES * len(found.windows) > _WINDOW_SHARE * most:
        found = replace(found, windows=())
    remarks = (*job.remarks, *job.image.late_remarks(), *found.remarks)
    return replace(job, surveyed=found, remarks=remarks, progress=None)


def made(job: Job, window: Window | None) -> Packed:
    """The file, by the kind of its target."""
    target = job.target
    if target is None:
        return encode_lossless(job)
    if target.bounded:
        from inif.encode.latent.bound import encode_bound

        return encode_bound(job)
    if window is None:
        assert target.psnr is not None
        return encode_quality(job, target.psnr)
    return encode(job, window)


def _warn(remarks: Sequence[str]) -> None:
    for remark in remarks:
        warnings.warn(remark, RemarkWarning, stacklevel=4)
