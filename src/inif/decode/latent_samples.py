"""From latents to outputs and samples: synthesis, and a repair of what that gives.

All of it is exact: every machine gives the same. See docs/format.md, "Latent field".
"""

from __future__ import annotations

import numpy as np

from inif.decode.brick import Intensities
from inif.decode.latent_spec import NETS, LatentSpec
from inif.latent import _core, repair
from inif.latent.box import Box, slices
from inif.latent.decoder import Latents
from inif.latent.layout import SCALE
from inif.latent.plan import Plan
from inif.latent.transform import synthesise


def outputs_of(
    spec: LatentSpec,
    latents: Latents,
    plan: Plan,
    channels: range,
    *,
    skip: int = 0,
    box: Box | None = None,
) -> np.ndarray:
    """Outputs in [-1, 1] of latents: (C, T, Z, Y, X) float32.

    Parameters
    ----------
    channels
        Of the image, that are in the latents.
    skip
        As for `synthesise`.
    box
        The part of the brick along C, T, Z, Y and X that is wanted, by default all; not with
        `skip`.
    """
    return _worked_out(spec, latents, plan, channels, skip=skip, box=box)


Repaired = tuple[np.ndarray, np.ndarray | None]
"""Values of a brick, (C, T, Z, Y, X), and what the repair would add to them at a gain of 1."""


def samples_of(
    spec: LatentSpec,
    latents: Latents,
    plan: Plan,
    channels: range,
    intensities: Intensities,
    *,
    box: Box | None = None,
    repaired: Repaired | None = None,
) -> np.ndarray:
    """Samples of latents: (C, T, Z, Y, X), of the image's dtype.

    Parameters
    ----------
    channels, box
        As for `outputs_of`.
    intensities
        How outputs become samples.
    repaired
        Where they are known already, of the whole brick.
    """
    own = spec, latents, plan, channels
    dtype = intensities.dtype
    if dtype.itemsize <= 2 and dtype.kind in "iu":
        return _worked_out(*own, box=box, intensities=intensities, repaired=repaired)
    first, last = box[0] if box else (0, len(channels))
    numbers = np.arange(first, last).reshape(-1, 1, 1, 1, 1) + channels.start
    return intensities.samples(_worked_out(*own, box=box, repaired=repaired), numbers)


def seen_by(spec: LatentSpec, box: Box, plan: Plan, channels: range) -> Box:
    """The part of a brick whose values samples of a box follow from, along C, T, Z, Y and X."""
    first, last = box[0]
    own = channels[first:last]
    repaired = any(spec.gains[own.start : own.stop])
    return repair.around(box, plan.sizes) if repaired else box


def _worked_out(
    spec: LatentSpec,
    latents: Latents,
    plan: Plan,
    channels: range,
    *,
    skip: int = 0,
    box: Box | None = None,
    intensities: Intensities | None = None,
    repaired: Repaired | None = None,
) -> np.ndarray:
    """What `outputs_of` says; samples of whole numbers of up to 16 bits with `intensities`."""
    *others, height, width = plan.shown
    shown = (*others, -(-height // (1 << skip)), -(-width // (1 << skip)))
    wanted = box or tuple((0, n) for n in shown)
    first, last = wanted[0]
    some, own = slice(first, last), channels[first:last]
    around = wanted if skip else seen_by(spec, wanted, plan, channels)
    known = None
    if repaired is None:
        levels = [{key: q[some] for key, q in bands.items()} for bands in latents.levels]
        part = None if skip else around[1:]
        values = synthesise(levels, latents.low[some], plan, step=spec.step, skip=skip, box=part)
    else:
        values, known = repaired
    inside = slices(wanted[1:]) if skip else slices(wanted[1:], around[1:])
    along = 0 if plan.sizes[1] > 1 else 1
    planes = inside[along].start, inside[along].stop
    sizes = (last - first, *(b - a for a, b in wanted[1:]))
    out = np.empty(sizes, intensities.dtype if intensities else np.float32)
    limits = None if intensities is None else intensities.limits
    scales = spec.scales(own).ravel()
    for c, number in enumerate(own):
        one, gain, added = values[c : c + 1], 0 if skip else spec.gain(number), None
        if gain:
            found = known[c : c + 1] if known is not None else None
            if found is None:
                found = corrected(one, spec.step, planes=planes)
            added = np.ascontiguousarray(found[0][inside])
        _core.finish(
            np.ascontiguousarray(one[0][inside]).reshape(-1),
            None if added is None else added.reshape(-1),
            gain / repair.GAIN_PARTS,
            float(scales[c]),
            1 / SCALE,
            None if limits is None else limits[number],
            out[c].reshape(-1),
        )
    return out


def corrected(
    values: np.ndarray, step: float, *, planes: tuple[int, int] | None = None
) -> np.ndarray:
    """What the repair would add to values of (C, T, Z, Y, X), at a gain of 1."""
    return repair.correction(values, step, nets=repair.load(NETS), planes=planes)
