"""Masks of the user's as guides: what can be said of them without derivatives, so without JAX."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

MASK = "mask:"
"""What the names of these guides begin with; the file follows."""


def masks_only(names: Sequence[str]) -> bool:
    """Whether all guides are masks in files."""
    return all(name.startswith(MASK) and name != MASK for name in names)


def idle_mask(mask: np.ndarray) -> str | None:
    """Why a mask has nothing to say, or None."""
    if not mask.any():
        return "the mask is empty"
    return "the mask is everywhere true" if mask.all() else None
