"""Images with NaN or infinite samples, as exact files keep them: measured without these samples.

No error can be worked out where a sample is no finite number. Where both images have the very same
bits there, nothing was lost either, so such samples are left out of all figures, and counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from inif.metrics.sides import Side


def without_holes(sources: Sequence[Side], axes: str) -> tuple[list[Side], int]:
    """The same images with one finite value in place of samples that are not, and how many.

    Parameters
    ----------
    sources
        The original, then its other versions, of one shape and floating-point type; read whole.
    axes
        One letter per axis.

    Returns
    -------
    sources, count
        As they were, with a count of 0, where the images do not agree in what is not finite.
    """
    arrays = [np.array(source.samples[(slice(None),) * len(axes)]) for source in sources]
    first = arrays[0]
    bad = ~np.isfinite(first)
    bits = first[bad].tobytes()
    if any(array[bad].tobytes() != bits for array in arrays[1:]):
        return list(sources), 0
    c = axes.find("C")
    for index in range(first.shape[c] if c >= 0 else 1):
        key = tuple(slice(index, index + 1) if i == c else slice(None) for i in range(len(axes)))
        hole = bad[key]
        finite = first[key][~hole]
        for array in arrays:
            array[key][hole] = finite.flat[0] if finite.size else 0
    filled = [replace(s, samples=a) for s, a in zip(sources, arrays, strict=True)]
    return filled, int(bad.sum())
