"""What is kept of a brick between two of its passes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from inif.decode.latent_samples import Repaired
from inif.encode.latent.plan import Coefficients
from inif.latent.decoder import Latents
from inif.latent.stream import Pass
from inif.latent.transform import Bands


@dataclass
class Held:
    """A brick's coefficients, its samples, and the last pass that wrote nothing.

    Attributes
    ----------
    coefficients
        What is coded.
    weights
        What their squared errors count; None for 1.
    thrift
        λ beside its usual value.
    samples
        As they are coded, (C, T, Z, Y, X) of the image's dtype, so that they are read once; None
        where the brick is kept, which they would make larger: then they are read again.
    knob, last
        Of the last pass.
    free_knob, free
        Of the last pass that no other had a part in: where it has latents, int8 to take less room.
        What is empty in it stays so at steps that are as coarse or a little coarser, but not at
        finer ones.
    repaired
        Of the last pass, where a brick is coded by one.
    """

    coefficients: Coefficients
    weights: list[Bands] | None = None
    thrift: float = 1.0
    samples: np.ndarray | None = None
    knob: np.ndarray | None = None
    last: Pass | None = None
    free_knob: np.ndarray | None = None
    free: Latents | None = None
    repaired: Repaired | None = None


def places(latents: Latents, dtype: type[np.integer[Any]]) -> Latents:
    """Where there are latents other than 0: 1, else 0. Of the low grid nothing is kept."""
    levels = [{key: (q != 0).astype(dtype) for key, q in part.items()} for part in latents.levels]
    return Latents(latents.low[:0], levels)
