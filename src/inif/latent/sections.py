"""Streams of a brick as sections of the file: coarse ones lie apart where there are several bricks.

The coarse sections of all bricks lie side by side, so an overview of a large file is one read. In a
file of one brick they would cost more than they save.
"""

from __future__ import annotations

from collections.abc import Sequence

from inif.coding import leb128
from inif.latent.plan import Plan

FINE, COARSE = b"LATN", b"LATC"
"""Kinds: of all streams of a brick, or of its fine ones where the coarse ones have their own."""

COARSE_LEVEL = 3
"""The finest level of a coarse section: grids of an eighth of the rows and columns, and fewer."""


def streams_of(plan: Plan, skip: int = 0) -> int:
    """How many streams there are down to level `skip`, that of the low grid among them."""
    return 1 + sum(len(grid.parts) for grid in plan.grids if grid.number >= skip)


def packed(streams: Sequence[bytes]) -> bytes:
    """The lengths of all streams but the last, and the streams."""
    return leb128.join(streams[:-1], streams[-1]) if streams else b""


def unpacked(data: bytes, at: int, count: int) -> tuple[bytes, ...]:
    """The inverse of `packed` from an offset on, for as many streams.

    Raises
    ------
    ValueError
        The data do not hold so many.
    """
    if not count:
        return ()
    parts, last = leb128.split(data, at, count - 1)
    return (*parts, last)
