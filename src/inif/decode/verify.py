"""Is a file sound? Checksums tell damage; the encoder's fingerprints tell everything else.

A brick whose samples are not the encoder's either does not hold what the encoder wrote, or this
machine computes otherwise. Then the samples are compared, one by one, with an evaluation of the
same numbers in float64.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from inif.decode.apart import stored
from inif.decode.check import crc_of, digest
from inif.decode.contract import Brick
from inif.decode.file import File, open_file
from inif.errors import InifError

SHARE, ULPS = 1e-5, 2
"""How far an unrounded sample may be from its exact value: of the range, and units in the last
place of a float32 number of its size."""

_SLAB = 1 << 21


@dataclass
class _Findings:
    """What is known so far.

    Attributes
    ----------
    problems, remarks
        A sentence each.
    exact
        Whether all samples are the encoder's.
    worst, off
        Largest difference of a sample from its exact value, None where that cannot be told; and
        how many samples differ.
    """

    unit: str
    problems: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    exact: bool = True
    worst: float | None = 0.0
    off: int = 0


def verify_file(source: object) -> dict[str, Any]:
    """Check a whole file (docs/format.md, "Verification").

    Returns
    -------
    ok
        No problem found.
    sections, bricks
        How many were checked.
    exact
        Whether every brick decodes to the very samples that the encoder saw.
    max_deviation, unit
        Where the arithmetic of this machine rounds otherwise: the largest difference of a sample
        from its exact value, and what that is counted in; None where it cannot be told.
    samples_off
        How many samples are not their exact value, rounded.
    bound, max_error
        Of a file with a bound: that of each channel, and the largest error that the encoder saw.
    problems, remarks
        What is wrong, and what could not be told; one sentence each.
    """
    with open_file(source) as file:
        return verified(file)


def verified(file: File) -> dict[str, Any]:
    """As `verify_file`, of an open file: a chunk (`inif.decode.chunk`) is one too."""
    found = _Findings("sample values" if file.dtype.kind == "f" else "counts")
    found.problems += [str(error) for error in file.container.check_all()]
    for brick in range(-1, len(file.grid)):
        try:
            if brick < 0:
                _ = file.outliers
            else:
                _check_brick(file, brick, found)
        except InifError as error:
            if str(error) not in found.problems:
                found.problems.append(str(error))
            found.exact, found.worst = False, None
    stated = _bound(file, found)
    return {
        "ok": not found.problems,
        "sections": len(file.container.sections),
        "bricks": len(file.grid),
        "exact": found.exact,
        "max_deviation": found.worst,
        "unit": found.unit,
        "samples_off": found.off,
        "problems": found.problems,
        "remarks": found.remarks,
        **stated,
    }


def _bound(file: File, found: _Findings) -> dict[str, Any]:
    """The bound that a file states, and what its encoder measured, which must not be more."""
    lossy = file.header.get("lossy", {})
    if "bound" not in lossy:
        return {}
    most, reached = max(lossy["bound"]), lossy.get("max_error")
    if reached is not None and reached > most:
        found.problems.append(
            f"the header states a bound of {most:g} and an error of {reached:g}, which is more"
        )
    return {"bound": lossy["bound"], "max_error": reached}


def _check_brick(file: File, number: int, found: _Findings) -> None:
    if file.exact:  # then whatever decodes at all is the encoder's
        file.brick_samples(number)
        return
    check = file.bricks.check(number)
    brick = file.brick(number)
    samples = file.brick_samples(number)
    same = crc_of(samples) == check.crc
    found.exact &= same
    if digest(file.header, number, [*brick.inputs(), stored(file.container)]) != check.inputs:
        found.problems.append(
            f"brick {number} holds the encoder's samples, but not at the place or under the header "
            "that the encoder wrote"
            if same
            else f"brick {number} decodes to other samples than the encoder had"
        )
        found.worst = None
        return
    elif same:
        return
    elif brick.opaque:
        found.worst = None
        found.remarks.append(
            f"brick {number} is as it was written, but its codec, whose standard leaves the last "
            "bits to the decoder, gives other samples here; by how much cannot be told"
        )
    _measure(file, number, brick, samples, found)


def _measure(file: File, number: int, brick: Brick, samples: np.ndarray, found: _Findings) -> None:
    """Compare all samples of a brick with their exact values, slab by slab."""
    local = [np.arange(n) for n in samples.shape]
    step = max(1, _SLAB * len(local[0]) // samples.size)
    here, reference = brick.in_dtype(np.float32), brick.in_dtype(np.float64)
    c, floats = file.axes.find("C"), file.dtype.kind == "f"
    first = file.grid.channels(number, c).start
    span = np.diff(file.intensities.ranges, axis=1)[:, 0]
    off, worst, within = 0, 0.0, True
    for start in range(0, len(local[0]), step):
        part = [local[0][start : start + step], *local[1:]]
        exact = reference.grid(part)
        channel = part[c] + first if c >= 0 else np.zeros(1, np.int64)
        spans = span[channel].reshape([-1 if i == c else 1 for i in range(exact.ndim)])
        allowed = SHARE * spans + ULPS * np.spacing(np.abs(exact).astype(np.float32))
        within &= bool(np.all(np.abs(here.grid(part) - exact) <= allowed))
        wanted = exact.astype(np.float32) if floats else np.rint(exact)
        got = samples[start : start + step]
        off += int(np.count_nonzero(got != wanted))
        worst = max(worst, float(np.abs(got - (exact if floats else wanted)).max()))
    found.off += off
    if found.worst is not None:
        found.worst = max(found.worst, worst)
    if not within:
        found.problems.append(
            f"the arithmetic of this machine is off: brick {number} decodes to {off} samples that "
            f"are not what its numbers stand for, by up to {worst:.4g} {found.unit}"
        )
