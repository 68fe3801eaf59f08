"""Is a file sound? Checksums tell damage; the encoder's own decode tells different arithmetic."""

from __future__ import annotations

from typing import Any

from inif.decode.check import check_of
from inif.decode.file import File, open_file
from inif.errors import InifError

MEAN_TOLERANCE = 1e-4


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
                same, difference = _check_brick(file, brick)
            except InifError as error:
                if str(error) not in problems:
                    problems.append(str(error))
                exact = False
                continue
            exact &= same
            deviation = max(deviation, difference)
            if difference > MEAN_TOLERANCE:
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


def _check_brick(file: File, brick: int) -> tuple[bool, float]:
    _, check = file.brick_section(brick)
    c = file.axes.find("C")
    start = file.grid.origin(brick)[c] if c >= 0 else 0
    now = check_of(file.brick_samples(brick), None if c < 0 else c, start, file.intensities)
    return now.crc == check.crc, abs(now.mean - check.mean)
