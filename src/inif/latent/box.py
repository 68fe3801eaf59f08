"""Which part of each level a part of an image needs: lifting looks at a few neighbours only."""

from __future__ import annotations

from dataclasses import dataclass

from inif.latent.plan import CDF53, CDF97, Plan

Box = tuple[tuple[int, int], ...]
"""First and last + 1 along some axes, last ones last."""

_REACH = {CDF97: 4, CDF53: 2}
"""Samples from a cut of an axis on that are joined with what is not there; none with Haar."""


def whole(plan: Plan, number: int = 0) -> Box:
    """All of the low grid of level `number` along T, Z, Y and X; of the image for 0."""
    return tuple((0, plan.length(axis, number)) for axis in range(4))


def slices(box: Box, origin: Box | None = None) -> tuple[slice, ...]:
    """A box as a selection, of an array that begins where `origin` does."""
    firsts = [first for first, _ in origin] if origin else [0] * len(box)
    return tuple(slice(a - f, b - f) for (a, b), f in zip(box, firsts, strict=True))


@dataclass(frozen=True)
class Joined:
    """What is joined along an axis at one level.

    Attributes
    ----------
    split
        Whether there is a high part.
    first, last
        Of the joined samples, the first even; not all are right: those next to a cut are not.
    """

    split: bool
    first: int
    last: int

    @classmethod
    def of(cls, plan: Plan, axis: int, number: int, wanted: tuple[int, int]) -> Joined:
        """Enough for the wanted samples of level `number` to be right."""
        first, last = wanted
        length = plan.length(axis, number)
        if number >= plan.levels_of(axis) or length == 1:
            return cls(False, first, last)
        reach = _REACH.get(plan.kind_of(axis), 0)
        first, last = max(first - reach, 0) // 2 * 2, min(last + reach, length)
        return cls(True, first, min(last + last % 2, length))

    def part(self, letter: str) -> tuple[int, int]:
        """Of the low ("L") or high ("H") coefficients, or of the samples where none are split."""
        if letter == "-":
            return self.first, self.last
        return self.first // 2, (self.last + (letter == "L")) // 2

    @property
    def letters(self) -> str:
        """Of the parts."""
        return "LH" if self.split else "-"


def joined(plan: Plan, skip: int, box: Box) -> list[list[Joined]]:
    """What is joined along T, Z, Y and X for a box of the low grid of level `skip`, from it on."""
    out: list[list[Joined]] = []
    for number in range(skip, plan.depth):
        out.append([Joined.of(plan, axis, number, box[axis]) for axis in range(4)])
        box = low_box(out[-1])
    return out


def low_box(joins: list[Joined]) -> Box:
    """The box of the low grid that a level is joined from."""
    return tuple(j.part(j.letters[0]) for j in joins)
