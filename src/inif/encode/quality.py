"""A quality as the target: budgets are tried until the smallest that reaches it is bracketed."""

from __future__ import annotations

import numpy as np

from inif.config import Window
from inif.encode.finish import recorded_psnr
from inif.encode.job import Job
from inif.encode.method import decided, encode
from inif.errors import BudgetError


def encode_quality(job: Job, decibels: float) -> bytes:
    """The smallest file found whose pooled PSNR is at least the target.

    Budgets grow until one reaches the target; then the gap to the last that did not is halved.

    Raises
    ------
    BudgetError
        The target is out of reach at this effort; the message names the best.
    """
    raw = job.image.raw_bytes
    job = decided(job, max(raw // 128, 2048))
    if job.method == "hybrid":
        from inif.encode.hybrid import encode_hybrid_quality

        return encode_hybrid_quality(job, decibels)
    best = (-np.inf, 0)
    budget = max(raw // 256, 2048)
    tried: dict[int, tuple[float, bytes]] = {}
    while True:
        budget = min(budget, max(raw // 2, 1024))
        data = encode(job, Window.of_size(budget))
        if job.interrupt.kept:  # a fit that ended early is not what was asked for
            raise KeyboardInterrupt
        reached = recorded_psnr(data)
        tried[budget] = reached, data
        best = max(best, (reached, budget))
        if reached >= decibels or budget >= max(raw // 2, 1024):
            break
        budget = int(budget * float(np.clip(2 ** ((decibels - reached) / 1.5), 1.3, 8)))
    good = [b for b, (reached, _) in tried.items() if reached >= decibels]
    if not good:
        raise BudgetError(
            "this quality cannot be reached at this effort",
            file=job.image.source,
            field="psnr",
            expected=f"at most {best[0]:.2f} dB (at {best[1]} bytes)",
            got=f"{decibels} dB",
            fix="raise --effort, or ask for less",
        )
    high, low = min(good), max((b for b in tried if b < min(good)), default=min(good) // 2)
    for _ in range(3):
        if high <= low * 1.05:
            break
        middle = int(np.sqrt(low * high))
        try:
            data = encode(job, Window.of_size(middle))
        except BudgetError:
            low = middle
            continue
        tried[middle] = recorded_psnr(data), data
        if tried[middle][0] >= decibels:
            high = middle
        else:
            low = middle
    return tried[high][1]
