"""Names, steps and units that OME-Zarr and Zarr state for the axes of an array.

Nothing here is guessed or invented: a name that is not one of ours leaves the axes to the user,
and a scale that does not fit the axes leaves the step unknown; both are said.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from inif.axes import check_axes
from inif.errors import AxesError
from inif.io.units import LENGTHS, TIMES, symbol

_LETTERS = {"time": "T", "channel": "C"} | {a.lower(): a for a in "TCZYX"}
_WITHOUT_AXES = (None, "0.1", "0.2")
"""Versions of OME-Zarr whose metadata name no axes: every image is TCZYX."""


@dataclass(frozen=True)
class Dimensions:
    """What a store says of an array's axes, one entry per axis; empty where it says nothing.

    Attributes
    ----------
    names
        As the file writes them.
    steps
        Distance between samples; None where it is not stated or cannot be used.
    units
        Symbols.
    """

    names: tuple[str, ...] = ()
    steps: tuple[float | None, ...] = ()
    units: tuple[str | None, ...] = ()

    @property
    def letters(self) -> tuple[str | None, ...]:
        """Of "TCZYX"; None for a name that is none of theirs."""
        return tuple(_LETTERS.get(name.lower()) for name in self.names)

    @property
    def known(self) -> str:
        """The axes, if the file names all of them; else nothing."""
        letters = [a for a in self.letters if a]
        return "".join(letters) if len(set(letters)) == len(self.names) else ""

    def choose(self, axes: str | None, shape: Sequence[int], file: str) -> str:
        """The axes that the user names, or else those of the file.

        Raises
        ------
        AxesError
            The user's do not fit, or there are none, and the file has none or other names.
        """
        if not axes and self.names and len(self.known) != len(shape):
            raise AxesError(
                "the axes of this image are not known",
                file=file,
                field="axes",
                expected=f"{len(shape)} different names out of t, c, z, y, x",
                got=", ".join(self.names),
                fix="name them, one letter of TCZYX per axis, as in --axes ZYX",
            )
        return check_axes(axes or self.known, shape, file=file)

    def scale(self, axes: str) -> tuple[dict[str, tuple[float, str | None]], list[str]]:
        """Steps and units by letter, and remarks; axes that the user names get them by place."""
        scale: dict[str, tuple[float, str | None]] = {}
        moved, lost = [], []
        fit = len(self.names) == len(axes)
        for i, (axis, step) in enumerate(zip(axes, self.steps, strict=False)):
            unit = self.units[i] if i < len(self.units) else None
            if step is None or (abs(step) == 1 and unit is None):
                continue
            name = self.names[i] if fit else f"axis {i}"
            fact = f"{step:g} {unit or ''}".rstrip() + f" of {name}"
            if not _measures(axis, unit):
                lost.append(fact)
                continue
            scale[axis] = step, unit
            if not fit or self.letters[i] != axis:
                moved.append(f"{fact} for {axis}")
        remarks = []
        if moved:
            remarks.append("steps were taken by the place of their axes: " + ", ".join(moved))
        if lost:
            remarks.append(f"steps do not fit the axes {axes} and are not kept: " + ", ".join(lost))
        return scale, remarks


def of_multiscales(
    image: Mapping[str, Any], version: Any, ndim: int, fallback: Sequence[str]
) -> tuple[Dimensions, list[str]]:
    """The axes of the first array of a multiscales image, and remarks.

    Parameters
    ----------
    image
        An entry of "multiscales" with at least one entry in "datasets".
    version
        Of OME-Zarr, where the file says it.
    ndim
        Number of axes of the array.
    fallback
        Names that the array itself has.
    """
    remarks: list[str] = []
    stated = image.get("axes")
    axes = [
        a if isinstance(a, Mapping) else {"name": a}
        for a in (stated if isinstance(stated, list) else [])
    ]
    names = tuple(str(a.get("name", "?")) for a in axes) or tuple(fallback)
    if not names and ndim == 5 and version in _WITHOUT_AXES:
        names = tuple("tczyx")
        remarks.append(
            "the file names no axes, and was read as the first versions of OME-Zarr say: TCZYX"
        )
    units = [symbol(a["unit"]) if isinstance(a.get("unit"), str) else None for a in axes]
    spatial = [
        i
        for i, name in enumerate(names)
        if name.lower() in "zyx" or (i < len(axes) and axes[i].get("type") == "space")
    ]
    if len(names) != ndim:
        spatial = []
    steps: list[float | None] = [None] * ndim
    for where, entry in (("datasets[0]", image["datasets"][0]), ("multiscales", image)):
        field = f"coordinateTransformations of {where}"
        for transformation in _entries(entry.get("coordinateTransformations")):
            factors = _factors(transformation, field, ndim, spatial, remarks)
            steps = [_times(a, b) for a, b in zip(steps, factors, strict=True)]
    return Dimensions(names, tuple(_usable(s) for s in steps), tuple(units)), remarks


def _entries(transformations: Any) -> list[Mapping[str, Any]]:
    entries = transformations if isinstance(transformations, list) else []
    return [e for e in entries if isinstance(e, Mapping)]


def _factors(
    entry: Mapping[str, Any], field: str, ndim: int, spatial: Sequence[int], remarks: list[str]
) -> list[float | None]:
    """What a transformation multiplies each step by: None if it says nothing, NaN if unusable."""
    kind = str(entry.get("type"))
    values = entry.get(kind)
    nothing: list[float | None] = [None] * ndim
    if kind == "identity":
        return nothing
    if kind == "translation":
        if values is None or any(_number(v) != 0 for v in _list(values)):
            remarks.append(f"where the image lies in the world ({field}) is not kept")
        return nothing
    if kind != "scale" or not isinstance(values, list):
        what = "the scale lies in another array" if kind == "scale" else f"type {kind:.40}"
        remarks.append(f"the steps are not known, for a part of the {field} is not read: {what}")
        return [math.nan] * ndim
    factors_said = "1 scale factor" if len(values) == 1 else f"{len(values)} scale factors"
    count = f"{field}: {factors_said} for {ndim} axes"
    if len(values) != ndim:
        if len(values) != len(spatial) or not values:
            remarks.append(f"{count}; none of them is used")
            return [math.nan] * ndim
        remarks.append(f"{count}; they were taken for the axes in space")
        for i, value in zip(spatial, values, strict=True):
            nothing[i] = _number(value)
    factors = [_number(v) for v in values] if len(values) == ndim else nothing
    bad = [str(v)[:40] for v in values if _usable(_number(v)) is None]
    if bad:
        remarks.append(f"{field}: no step can be {', '.join(bad)}; left out")
    return list(factors)


def _list(values: Any) -> list[Any]:
    return values if isinstance(values, list) else [math.nan]


def _number(value: Any) -> float:
    """A finite number that is written as one; NaN for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    try:
        return float(value) if math.isfinite(value) else math.nan
    except OverflowError:
        return math.nan


def _times(a: float | None, b: float | None) -> float | None:
    if a is None or b is None:
        return a if b is None else b
    return a * b


def _usable(step: float | None) -> float | None:
    """A step with a size; one below 0 has one (`common.sound_scale`)."""
    return step if step is not None and step != 0 and math.isfinite(step) else None


def _measures(axis: str, unit: str | None) -> bool:
    """Whether a unit can be one of this axis: lengths in space, times in time."""
    return not (axis == "T" and unit in LENGTHS.values()) and not (
        axis in "ZYX" and unit in TIMES.values()
    )
