"""What is known of an image beyond its samples, and must survive: names, steps, units, colours."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from inif.axes import AXES
from inif.errors import InputError

_COLOR = re.compile("#[0-9A-Fa-f]{6}")


@dataclass(frozen=True)
class Channel:
    """One channel: its name and display colour (``"#RRGGBB"``), where the source states them."""

    name: str | None = None
    color: str | None = None


@dataclass(frozen=True)
class Metadata:
    """What a viewer or an analysis needs to know beyond the samples.

    Attributes
    ----------
    name
        The image's name in its source.
    scale
        Axis → (step between samples, unit); X, Y, Z in length units ("µm"), T in time units ("s").
        An axis without a stated step is absent; the unit is None where the source gives none.
    channels
        One entry per index of the C axis (one entry, or none, if the image has no C axis).
    ome_xml
        The source's OME-XML, whole, where it had one.
    """

    name: str | None = None
    scale: Mapping[str, tuple[float, str | None]] = field(default_factory=dict)
    channels: tuple[Channel, ...] = ()
    ome_xml: str | None = None

    def to_json(self) -> dict[str, Any]:
        """A compact JSON object without the OME-XML; absent facts take no bytes."""
        out: dict[str, Any] = {}
        if self.name:
            out["name"] = self.name
        if self.scale:
            out["scale"] = {
                a: [step if isinstance(step, int | float) else float(step), unit]
                for a, (step, unit) in self.scale.items()
            }
        if any(c.name for c in self.channels):
            out["channels"] = [c.name for c in self.channels]
        if any(c.color for c in self.channels):
            out["colors"] = [c.color for c in self.channels]
        return out

    @classmethod
    def from_json(cls, obj: Mapping[str, Any]) -> Metadata:
        """The inverse of `to_json`; the caller has validated types (container/validate.py)."""
        names = obj.get("channels") or []
        colors = obj.get("colors") or []
        count = max(len(names), len(colors))
        names = list(names) + [None] * (count - len(names))
        colors = list(colors) + [None] * (count - len(colors))
        return cls(
            name=obj.get("name"),
            scale={a: (float(v[0]), v[1]) for a, v in (obj.get("scale") or {}).items()},
            channels=tuple(Channel(n, c) for n, c in zip(names, colors, strict=True)),
        )


def check_metadata(stated: Metadata, file: str | None = None) -> None:
    """Check all that a file's header must be able to say of an image, before any work is done.

    Raises
    ------
    InputError
        A step that is not above 0, an axis that there is not, a colour that is not "#RRGGBB", or
        something other than text for a name or a unit.
    """

    def refuse(field: str, expected: str, got: object, fix: str) -> None:
        raise InputError(
            "these metadata cannot be written",
            file=file,
            field=f"meta.{field}",
            expected=expected,
            got=got,
            fix=fix,
        )

    meta: Any = stated  # types are what is checked
    for axis, pair in meta.scale.items():
        field = f"scale[{axis!r}]"
        if axis not in tuple(AXES):
            refuse("scale", f"axes of {AXES}", axis, "leave this axis out")
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            refuse(field, "(step, unit)", pair, "give both, the unit as None if there is none")
        step, unit = pair
        good = isinstance(step, int | float | np.number) and not isinstance(step, bool)
        if not good or not (np.isfinite(step) and step > 0):
            fix = "give the size of the step, without a sign, or leave the axis out"
            refuse(field, "a finite step above 0", step, fix)
        if unit is not None and not isinstance(unit, str):
            refuse(field, "text or None for the unit", unit, 'name the unit, as in "µm"')
    texts = [("name", meta.name)]
    texts += [(f"channels[{i}].name", c.name) for i, c in enumerate(meta.channels)]
    for field, text in texts:
        if text is not None and not isinstance(text, str):
            refuse(field, "text or None", text, "give text")
    for index, channel in enumerate(meta.channels):
        color = channel.color
        if color is not None and not (isinstance(color, str) and _COLOR.fullmatch(color)):
            refuse(f"channels[{index}].color", '"#RRGGBB" or None', color, "give six digits")
