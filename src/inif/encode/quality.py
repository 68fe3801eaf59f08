"""A quality as the target: the smallest file in which every channel that varies has it.

A latent field is tried first; a hybrid where a sample says that it would be smaller. And where the
very samples take no more bytes, they are kept.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from inif.codecs import load_codec
from inif.config import Window
from inif.container.writer import Packed
from inif.encode.advice import AS_SMALL, estimate
from inif.encode.choose import BOTH_EFFORT, HYBRID, LATENT, SAVES, SIREN, encode, sample_of
from inif.encode.job import Job
from inif.encode.lossless import encode_lossless
from inif.encode.rate.control import TOLERANCE
from inif.encode.record import recorded_psnr
from inif.errors import BudgetError, InifError

_FITS, _CLOSE = 10, 1.02
"""Fits of a pure field at most; how near each other in bytes two of them end the search."""


@dataclass(frozen=True)
class Reached:
    """A file, and the PSNR in dB that each channel that varies has in it."""

    data: Packed
    channels: dict[int, float]

    @property
    def beyond(self) -> float:
        """The best of them."""
        return max(self.channels.values())


def encode_quality(job: Job, decibels: float) -> Packed:
    """The smallest file found in which every channel that varies has at least this PSNR.

    Raises
    ------
    BudgetError
        No method reaches it at this effort; the message names the best.
    InputError
        A hybrid was asked for, and the image has no planes.
    KeyboardInterrupt
        Ctrl-C, unless the settings keep partial results and some file has the quality.
    """
    if not job.varied:
        return encode(job, Window(0, max(job.image.raw_bytes, 1 << 12)))
    found: list[Reached] = []
    for method in _methods(job, decibels):
        one = replace(job, method=method, chosen="trial" if job.method == "auto" else None)
        try:
            found.append(_reached(one, decibels))
        except BudgetError:
            if job.method in (LATENT, SIREN):
                raise
        except KeyboardInterrupt:
            if not (found and job.keeps()):
                raise
        if job.interrupt.kept:
            return min(found, key=lambda one: one.data.size).data
    best = min(found, key=lambda one: one.data.size, default=None)
    if best is None or estimate(job.image) <= AS_SMALL * best.data.size:
        exact = encode_lossless(job)
        if best is None or exact.size <= best.data.size:
            why = (
                f"no lossy file has {decibels:g} dB" if best is None else "no lossy file is smaller"
            )
            job.warn(f"{why} in every channel: the samples are kept exactly")
            return exact
    if best.beyond > decibels + TOLERANCE:
        job.warn(_more(best.channels, decibels))
    return best.data


def _methods(job: Job, decibels: float) -> list[str]:
    """The methods to try, best first."""
    if job.method != "auto":
        return [job.method]
    planes = {"Y", "X"} <= set(job.image.axes)
    if job.select != "psnr":
        return [HYBRID]
    if not planes or load_codec(job.codec).unavailable():
        return [LATENT]
    small, _ = sample_of(job)
    sizes = {method: _sized(replace(small, method=method), decibels) for method in (LATENT, HYBRID)}
    if (job.effort or 3) >= BOTH_EFFORT:
        return [m for m in sizes if sizes[m] < math.inf] or [LATENT, HYBRID]
    return [HYBRID] if sizes[HYBRID] < (1 - SAVES) * sizes[LATENT] else [LATENT]


def _sized(job: Job, decibels: float) -> float:
    """Bytes of a file of a quality; infinite where there is none."""
    try:
        return _reached(job, decibels).data.size
    except InifError:
        return math.inf


def _reached(job: Job, decibels: float) -> Reached:
    """A file of a quality by one method."""
    if job.method == SIREN:
        return _by_fields(job, decibels)
    if job.method == LATENT:
        from inif.encode.latent.make import encode_latent_quality

        return Reached(*encode_latent_quality(job, decibels))
    from inif.encode.hybrid.make import encode_hybrid_quality

    return Reached(*encode_hybrid_quality(job, decibels))


def _by_fields(job: Job, decibels: float) -> Reached:
    """The smallest pure field found: budgets grow until one reaches it, then the gap is narrowed.

    Raises
    ------
    BudgetError
        None does.
    """
    raw = job.image.raw_bytes
    largest = max(raw // 2, 1024)
    low, best = (0, -math.inf), None
    budget = min(max(raw // 256, 2048), largest)
    for _ in range(_FITS):
        try:
            data = encode(job, Window.of_size(budget))
        except BudgetError:
            if best is None:
                raise
            low = (budget, -math.inf)
        else:
            if job.interrupt.kept:  # a fit that ended early tells nothing of a quality
                raise KeyboardInterrupt
            reached = recorded_psnr(data)
            if reached >= decibels:
                best = Reached(data, {0: reached})
            else:
                low = (budget, reached)
        if best is None:
            if budget == largest:
                break
            budget = min(int(budget * min(max(2 ** ((decibels - low[1]) / 1.5), 1.3), 8)), largest)
            continue
        high = best.data.size
        if best.beyond <= decibels + TOLERANCE or high <= _CLOSE * max(low[0], 1):
            break
        budget = int(math.sqrt(max(low[0], high // 4) * high))
    if best is None:
        raise BudgetError(
            "this quality cannot be reached at this effort",
            file=job.image.source,
            field="psnr",
            expected=f"at most {low[1]:.2f} dB (at {low[0]} bytes)",
            got=f"{decibels} dB",
            fix="raise --effort, or ask for less",
        )
    return best


def _more(channels: dict[int, float], decibels: float) -> str:
    """The remark on channels that are better than asked for."""
    beyond = [value for value in channels.values() if value > decibels + TOLERANCE]
    which = "it has"
    if len(channels) > 1:
        verb = "has" if len(beyond) == 1 else "have"
        which = f"{len(beyond)} of the {len(channels)} channels that vary {verb}"
    return (
        f"{which} up to {max(beyond):.2f} dB, more than the {decibels:g} asked for: "
        "no smaller file was found"
    )
