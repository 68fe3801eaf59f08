"""How far apart two sound evaluations of one formula may be.

The order of sums, fused operations and the last bits of a sine belong to the processor and to the
libraries. So what a test allows follows from the arithmetic, never from what one machine gave.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def tolerance(terms: float, scale: float = 1.0, dtype: Any = np.float32) -> float:
    """The largest difference between two evaluations of a chain or a sum of operations.

    Each operation rounds by up to half a unit in the last place, so each evaluation is off by up to
    `terms` halves. Rounding errors of long sums are independent of each other: of more than 64
    terms, eight standard deviations of their sum are less (Higham and Mary 2019).

    Parameters
    ----------
    terms
        Operations that a result depends on one after the other, such as the products of a sum.
    scale
        Sum of the magnitudes of what is added, or an upper bound of it: what cancels counts.
    dtype
        What is computed in.
    """
    return float(np.finfo(dtype).eps) * min(terms, 8 * math.sqrt(terms)) * scale


def round_otherwise(apart: float, count: int) -> float:
    """The largest share of `count` evenly spread values whose rounding a shift may change.

    Parameters
    ----------
    apart
        The shift of each, in counts.
    """
    share = min(apart, 1.0)
    return share + 6 * math.sqrt(share / count)
