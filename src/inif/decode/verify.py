"""Is a file sound? Checksums tell damage; the encoder's own decode tells different arithmetic."""

from __future__ import annotations

from typing import Any

import numpy as np

from inif.decode.check import check_of
from inif.decode.file import File, open_file
from inif.errors import InifError

MEAN_TOLERANCE = 1e-4
_FLIPS = 2


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
    max_deviation
        Largest difference of a brick's mean from the encoder's, as a share of half the range.
    problems
        One sentence each.
    """
    with open_file(source) as file:
        container = file.container
        problems = [str(error) for error in container.check_all()]
        exact, deviation = True, 0.0
        for brick in range(len(file.grid)):
            try:
                same, difference, allowed = _check_brick(file, brick)
            except InifError as error:
                if str(error) not in problems:
                    problems.append(str(error))
                exact = False
                continue
            exact &= same
            deviation = max(deviation, difference)
            if difference > allowed:
                problems.append(
                    f"brick {brick} decodes to other samples than the encoder had: "
                    f"its mean is off by {difference:.2g} of half the range"
                )
        return {
            "ok": not problems,
            "sections": len(container.sections),
            "bricks": len(file.grid),
            "exact": exact,
            "max_deviation": deviation,
            "problems": problems,
        }


def _check_brick(file: File, brick: int) -> tuple[bool, float, float]:
    """Whether a brick's samples are the encoder's; how far its mean is off, and how far it may be.

    Besides the tolerance, two samples per channel may fall on the other side of a rounding: in a
    brick of a few samples, or of a few counts, that alone can exceed it.
    """
    if file.exact:  # then whatever decodes at all is the encoder's
        file.brick_samples(brick)
        return True, 0.0, 0.0
    check = file.bricks.check(brick)
    c = file.axes.find("C")
    channels = file.grid.channels(brick, c)
    samples = file.brick_samples(brick)
    now = check_of(samples, None if c < 0 else c, channels.start, file.intensities)
    allowed = MEAN_TOLERANCE
    if file.dtype.kind != "f":
        low, high = file.intensities.ranges[channels.start : channels.stop].T
        half = np.maximum((high - low) / 2, 0.5)
        allowed += float(np.mean(_FLIPS * len(channels) / (samples.size * half)))
    return now.crc == check.crc, abs(now.mean - check.mean), allowed
