"""How the learning rate goes with the share of the work that is done."""

from __future__ import annotations

from typing import Any

import numpy as np

WARM_UP = 0.05


def none(done: Any) -> Any:
    """One throughout: for optimizers that keep their own time."""
    return 0 * done + 1.0


def warm_cosine(done: Any, lib: Any = np) -> Any:
    """Multiplier of the peak rate: up over the first 5 %, then a half cosine down to zero.

    Parameters
    ----------
    done
        Share of the work that is done, in [0, 1].
    lib
        `numpy` or `jax.numpy`.
    """
    rising = lib.maximum(done, 1e-3) / WARM_UP
    left = (lib.clip(done, WARM_UP, 1.0) - WARM_UP) / (1 - WARM_UP)
    return lib.where(done < WARM_UP, rising, 0.5 * (1 + lib.cos(lib.pi * left)))
