"""How the learning rate goes with the share of the work that is done."""

from __future__ import annotations

import math

WARM_UP = 0.05


def warm_cosine(done: float) -> float:
    """Multiplier of the peak rate: up over the first 5 %, then a half cosine down to zero.

    Parameters
    ----------
    done
        Share of the work that is done, in [0, 1].
    """
    if done < WARM_UP:
        return max(done, 1e-3) / WARM_UP
    left = (min(done, 1.0) - WARM_UP) / (1 - WARM_UP)
    return 0.5 * (1 + math.cos(math.pi * left))
