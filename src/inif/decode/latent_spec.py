"""What a file says of its latent field: the header's ``field`` (docs/format.md, "Latent field")."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from inif.bricks import BrickGrid
from inif.errors import FormatError
from inif.latent import repair, tables
from inif.latent.layout import coded_slices, seams_of, sizes_of
from inif.latent.plan import CDF97, HAAR, MAX_LEVELS, Plan, plane_levels

OCTAVE, _MOST_FINER = 32, 640
"""Steps of `LatentSpec.finer` in a factor of two, and the most of them."""

TABLES, NETS = tables.VERSION, repair.VERSION
"""Names of the shipped tables that contexts begin with, and of the networks of the repair."""


@dataclass(frozen=True)
class LatentSpec:
    """The header's ``field`` of a latent field.

    Attributes
    ----------
    step
        Of the quantiser, in 65535ths of a channel's range.
    levels, kinds
        Of lifting along T and Z (`inif.latent.plan`).
    finer
        How much finer each channel is quantised, in 32nds of an octave; empty for not at all.
    gains
        Of the repair of each channel, in 1/64; empty for none.
    """

    step: float
    levels: tuple[int, int] = (0, 0)
    kinds: tuple[int, int] = (CDF97, CDF97)
    finer: tuple[int, ...] = ()
    gains: tuple[int, ...] = ()

    def plan(self, axes: str, grid: BrickGrid, brick: int) -> Plan:
        """Of a brick."""
        coded = coded_slices(axes, grid, brick)
        sizes = sizes_of(axes, tuple(one.stop - one.start for one in coded))
        levels = (*self.levels, plane_levels(sizes))
        return Plan(sizes, levels, self.kinds, seams_of(axes, grid, brick))

    def scales(self, channels: range) -> np.ndarray:
        """What channels' values are multiplied by before they are quantised, (C, 1, 1, 1, 1)."""
        finer = np.array(self.finer[channels.start : channels.stop] or [0] * len(channels))
        return np.exp2(finer / OCTAVE).astype(np.float32).reshape(-1, 1, 1, 1, 1)

    def gain(self, channel: int) -> int:
        """Of the repair of a channel of the image, in 1/64."""
        return self.gains[channel] if self.gains else 0

    def to_json(self) -> dict[str, Any]:
        """The header's ``field`` object."""
        body: dict[str, Any] = {"kind": "latent", "tables": TABLES, "step": self.step}
        if any(self.levels):
            body |= {"levels": list(self.levels), "lifting": list(self.kinds)}
        if any(self.finer):
            body |= {"finer": list(self.finer)}
        if any(self.gains):
            body |= {"nets": NETS, "gains": list(self.gains)}
        return body

    @classmethod
    def from_json(cls, body: Mapping[str, Any], channels: int, *, file: object) -> LatentSpec:
        """The inverse of `to_json`.

        Raises
        ------
        FormatError
            It is not what this release knows.
        """

        def check(good: bool, name: str, expected: str) -> None:
            if not good:
                raise FormatError(
                    "the header has a field that breaks the format",
                    file=file,
                    field=f"header.field.{name}",
                    expected=expected,
                    got=ascii(body.get(name)),
                )

        def pair(name: str, most: int) -> tuple[int, int]:
            value = body.get(name, [0, 0])
            good = isinstance(value, list) and len(value) == 2
            check(good and all(_whole(v, 0, most) for v in value), name, f"two of 0 … {most}")
            return value[0], value[1]

        def each(name: str, least: int, most: int) -> tuple[int, ...]:
            value = body.get(name, [])
            good = isinstance(value, list) and len(value) in (0, channels)
            good = good and all(_whole(v, least, most) for v in value)
            check(good, name, f"a number from {least} to {most} per channel")
            return tuple(value)

        check(body.get("kind") == "latent", "kind", "latent")
        check(body.get("tables") == TABLES, "tables", TABLES)
        step = body.get("step")
        number = isinstance(step, (int, float)) and not isinstance(step, bool)
        check(number and 1e-3 <= float(str(step)) <= 1e6, "step", "0.001 … 1000000")
        finer = each("finer", -_MOST_FINER, _MOST_FINER)
        gains = each("gains", 0, repair.MOST_GAIN)
        check(not gains or body.get("nets") == NETS, "nets", NETS)
        levels, kinds = pair("levels", MAX_LEVELS), pair("lifting", HAAR)
        return cls(float(str(step)), levels, kinds, finer, gains)


def _whole(value: object, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
