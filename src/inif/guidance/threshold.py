"""Where to cut: a threshold from the original's own values, and masks that are hard or soft."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from inif.metrics.tasks.segment import otsu_threshold

_BINS = 256


def otsu(values: np.ndarray) -> float:
    """Otsu's threshold of values on 256 bins, see `otsu_threshold`; 0 where there are none."""
    return otsu_threshold(values, _BINS) if values.size else 0.0


def hard(response: jax.Array, cutoff: float | jax.Array) -> jax.Array:
    """Where the response exceeds the cutoff: bool."""
    return response > cutoff


def soft(response: jax.Array, cutoff: float | jax.Array, width: float | jax.Array) -> jax.Array:
    """A mask between 0 and 1 that has gradients: logistic((response - cutoff) / width)."""
    return jax.nn.sigmoid((response - cutoff) / jnp.maximum(width, 1e-12))
