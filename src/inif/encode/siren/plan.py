"""What a byte budget buys: how many bricks, and how wide their networks are.

Several small networks beat one large one in the same time on a CPU (docs/fitting.md), until their
edges and overhead cost more than they gain; so bricks hold about `BRICK_WEIGHTS` weights each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from inif.bricks import BrickGrid, plan
from inif.coding.qweights import KIND
from inif.config import FitSettings
from inif.container.writer import Section, packed_size
from inif.encode.siren.budget import fixed_bytes
from inif.errors import BudgetError
from inif.fields.field import count_weights
from inif.fields.siren import MAX_WIDTH, Siren
from inif.image import ImageSource

LAYERS = 7
SMALLEST_WIDTH = 4
BRICK_WEIGHTS = 7000
SLACK = 12
"""Bytes by which a header may still grow when its numbers are filled in."""

_SMALLEST_BITS = 2.0


@dataclass(frozen=True)
class FieldPlan:
    """Bricks and field of a fit, and the bytes its sections may take.

    Attributes
    ----------
    grid, field
        The geometry and the network, the same for all bricks.
    payload
        Bytes for all QWTS sections with their entries in the table.
    """

    grid: BrickGrid
    field: Siren
    payload: int

    @property
    def as_outputs(self) -> bool:
        """Whether channels are outputs of the field."""
        return self.field.channels != "coordinate"


def make_plan(
    image: ImageSource,
    budget: int,
    settings: FitSettings,
    overhead: int,
    *,
    channels: str = "outputs",
    brick_weights: int = BRICK_WEIGHTS,
) -> FieldPlan:
    """Divide a budget among bricks and networks.

    Parameters
    ----------
    budget
        Bytes of the whole file.
    overhead
        Bytes of prelude and header.

    Raises
    ------
    BudgetError
        Header and smallest network do not fit; the message names the largest possible ratio.
    """
    payload = budget - overhead
    floor = smallest_payload(image, channels)
    if payload < floor:
        raise too_small(image, budget, overhead + floor)
    weights = payload * 8 / settings.bits_per_weight
    wanted = max(1, round(weights / brick_weights))
    whole = "C" if channels == "outputs" else ""
    grid = plan(image.axes, image.shape, wanted, whole=whole)
    while len(grid) > 1 and _width(image, payload, grid, settings, channels) < 2 * SMALLEST_WIDTH:
        wanted = max(1, wanted // 2)
        grid = plan(image.axes, image.shape, wanted, whole=whole)
    width = max(SMALLEST_WIDTH, _width(image, payload, grid, settings, channels))
    return FieldPlan(grid, _field(image, channels, width), payload)


def smallest_payload(image: ImageSource, channels: str = "outputs") -> int:
    """Bytes that the smallest network takes, with its entry in the section table."""
    field = _field(image, channels, SMALLEST_WIDTH)
    coded = count_weights(field) * _SMALLEST_BITS / 8
    return fixed_bytes(len(field.group_shapes)) + int(np.ceil(coded))


def header_bytes(header: dict[str, Any], extra: Sequence[Section] = (), bricks: int = 0) -> int:
    """Bytes of a file, its other sections with it, without what the sections of its bricks hold."""
    return packed_size(header, [*extra, *(Section(KIND, b"", brick) for brick in range(bricks))])


def too_small(image: ImageSource, budget: int, smallest: int) -> BudgetError:
    """The error for a budget below `smallest` bytes; it names a ratio that is sure to work."""
    smallest += SLACK
    ratio = image.raw_bytes / smallest
    if ratio < 1:
        fix = "keep the samples losslessly: the image itself is smaller than any such file"
    else:
        unit = 10.0 ** (np.floor(np.log10(ratio)) - 2)
        fix = f"the largest possible ratio is {np.floor(ratio / unit) * unit:.3g}"
    return BudgetError(
        "the budget does not hold the header and the smallest network",
        file=image.source,
        field="target",
        expected=f"at least {smallest} bytes for this image",
        got=f"{budget} bytes",
        fix=fix,
    )


def _field(image: ImageSource, channels: str, width: int) -> Siren:
    return Siren.for_image(image.axes, image.shape, channels=channels, width=width, layers=LAYERS)


def _width(
    image: ImageSource, payload: int, grid: BrickGrid, settings: FitSettings, channels: str
) -> int:
    """The widest network whose weights are expected to fit; 0 if none does."""
    low, high = 0, MAX_WIDTH
    groups = LAYERS + 2
    while low < high:
        middle = (low + high + 1) // 2
        count = count_weights(_field(image, channels, middle))
        need = len(grid) * (fixed_bytes(groups) + count * settings.bits_per_weight / 8)
        if need <= payload:
            low = middle
        else:
            high = middle - 1
    return low
