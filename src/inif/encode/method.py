"""The main job: an image and a budget in, a whole file out, by the method asked for or found best.

What a method needs is imported with it: hybrids take no training stack.
"""

from __future__ import annotations

from dataclasses import replace

from inif.config import ProgressEvent, Window
from inif.encode.job import Job
from inif.errors import BudgetError

TOO_SMALL = "nothing else makes a file this small"


def encode(job: Job, window: Window) -> bytes:
    """The file's bytes, as many as the window allows.

    A file may be smaller only where it reproduces the image exactly.

    Raises
    ------
    BudgetError
        The budget cannot be met.
    KeyboardInterrupt
        Ctrl-C, unless the settings keep partial results.
    """
    job = decided(job, window.most)
    if job.method == "both":
        return better(job, window)
    if job.method == "hybrid":
        from inif.encode.hybrid import encode_hybrid

        try:
            return encode_hybrid(job, window)
        except BudgetError:
            if job.chosen is None:
                raise
            job = replace(job, method="latent", chosen=TOO_SMALL)
    if job.method == "latent":
        from inif.encode.latent import encode_latent

        try:
            return encode_latent(job, window)
        except BudgetError:
            if job.chosen is None:
                raise
            job = replace(job, method="siren", chosen=TOO_SMALL)
    from inif.encode.pipeline import encode_field

    return encode_field(job, window)


def better(job: Job, window: Window) -> bytes:
    """A latent field or a hybrid, whichever has the better PSNR."""
    from inif.encode.finish import recorded_psnr

    first = encode(replace(job, method="latent"), window)
    if job.interrupt.kept:
        return first
    second = encode(replace(job, method="hybrid"), window)
    return max(first, second, key=recorded_psnr)


def decided(job: Job, budget: int) -> Job:
    """The job with a method, and the reason for it where nobody named one."""
    if not job.varied:  # a network of zeros is exact
        return replace(job, method="siren")
    if job.method != "auto":
        return job
    from inif.encode.auto import Choice, choose

    job.report(ProgressEvent("choose", 0, 1, None, 0.0, None))
    choice = choose(job, budget) or Choice("siren", job.codec, TOO_SMALL)
    return replace(
        job,
        method=choice.method,
        codec=choice.codec,
        chosen=choice.reason,
        hints=choice.hints,
    )
