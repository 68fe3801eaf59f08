"""Where to cut: a threshold from the original's own values, and masks that are hard or soft."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

_BINS = 256


def otsu(values: np.ndarray) -> float:
    """Threshold that splits values into the two classes with the least variance within.

    Otsu 1979, on 256 equal bins; the threshold is the edge after the lower class. 0 where there are
    no values, the one value where all are the same.

    Parameters
    ----------
    values
        Any shape, real and finite.
    """
    flat = np.asarray(values, np.float64).ravel()
    if not flat.size:
        return 0.0
    low, high = float(flat.min()), float(flat.max())
    if not low < high:
        return low
    counts, edges = np.histogram(flat, _BINS, (low, high))
    centres = (edges[1:] + edges[:-1]) / 2
    below = np.cumsum(counts)[:-1]
    above = flat.size - below
    sums = np.cumsum(counts * centres)
    apart = sums[:-1] / np.maximum(below, 1) - (sums[-1] - sums[:-1]) / np.maximum(above, 1)
    return float(edges[1 + np.argmax(below * above * apart**2)])


def hard(response: jax.Array, cutoff: float | jax.Array) -> jax.Array:
    """Where the response exceeds the cutoff: bool."""
    return response > cutoff


def soft(response: jax.Array, cutoff: float | jax.Array, width: float | jax.Array) -> jax.Array:
    """A mask between 0 and 1 that has gradients: logistic((response - cutoff) / width)."""
    return jax.nn.sigmoid((response - cutoff) / jnp.maximum(width, 1e-12))
