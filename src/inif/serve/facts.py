"""What the page of a server says of a file, and where else it can be opened."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from inif.errors import InifError, format_size
from inif.io.units import word
from inif.serve.places import group_of

if TYPE_CHECKING:
    from inif.decode.file import File

NEUROGLANCER = "https://neuroglancer-demo.appspot.com/"
VIZARR = "https://hms-dbmi.github.io/vizarr/"
VALIDATOR = "https://ome.github.io/ome-ngff-validator/"

_SHOWN = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32")
"""What Neuroglancer draws as an image."""
_POWERS = {
    "yotta": 24, "zetta": 21, "exa": 18, "peta": 15, "tera": 12, "giga": 9, "mega": 6, "kilo": 3,
    "hecto": 2, "deca": 1, "": 0, "deci": -1, "centi": -2, "milli": -3, "micro": -6, "nano": -9,
    "pico": -12, "femto": -15, "atto": -18, "zepto": -21, "yocto": -24,
}  # fmt: skip
_UNITS = {
    **{f"{prefix}meter": (10.0**power, "m") for prefix, power in _POWERS.items()},
    **{f"{prefix}second": (10.0**power, "s") for prefix, power in _POWERS.items()},
    "angstrom": (1e-10, "m"), "inch": (0.0254, "m"), "foot": (0.3048, "m"), "yard": (0.9144, "m"),
    "mile": (1609.344, "m"), "parsec": (3.0856775814913673e16, "m"),
    "minute": (60.0, "s"), "hour": (3600.0, "s"), "day": (86400.0, "s"),
}  # fmt: skip
"""OME-Zarr's units in those of Neuroglancer."""
_PANEL = 500
"""Pixels of a side of a panel of Neuroglancer, about."""
_COLORS = ("#ff0000", "#00ff00", "#0000ff", "#ff00ff", "#00ffff", "#ffff00")
"""Of channels that have none."""
_GRAY = "#uicontrol invlerp normalized\nvoid main() { emitGrayscale(normalized()); }\n"
_COLOR = (
    "#uicontrol invlerp normalized\n#uicontrol vec3 color color\n"
    "void main() { emitRGB(color * normalized()); }\n"
)


@dataclass(frozen=True)
class Facts:
    """What is told of a file.

    Attributes
    ----------
    name
        As it is served.
    problem
        Why it cannot be opened; then nothing else is known.
    summary
        Axes, sample type and size, for people.
    layers
        The layers of Neuroglancer but for their source; none where it cannot draw the samples.
    steps
        Of Neuroglancer's axes, in the order in which it shows them: step and unit.
    zoom
        Columns of the image for a pixel of Neuroglancer, so that a plane fits its panel.
    flat
        Whether there is one plane only.
    """

    name: str
    problem: str | None = None
    summary: str = ""
    layers: tuple[dict[str, Any], ...] = ()
    steps: Mapping[str, tuple[float, str]] = field(default_factory=dict)
    zoom: float = 1.0
    flat: bool = False

    def to_json(self, base: str) -> dict[str, object]:
        """The same for programs; see `links`."""
        about = {"problem": self.problem} if self.problem else {"summary": self.summary}
        return {"name": self.name, **about, "links": self.links(base)}

    def links(self, base: str) -> dict[str, str]:
        """URLs of the file, and of pages that show it, by short names.

        Parameters
        ----------
        base
            The server's URL, with a slash at its end.
        """
        raw = base + quote(self.name)
        group = base + quote(group_of(self.name))
        links = {"inif": raw, "zarr": group}
        if self.problem is not None:
            return {"inif": raw}
        if self.layers:
            state = {
                "dimensions": self.steps,
                "crossSectionScale": self.zoom,
                "crossSectionBackgroundColor": "#000000",
                "layers": [{**layer, "source": f"{group}/|zarr3:"} for layer in self.layers],
                "layout": "xy" if self.flat else "4panel",
                "showDefaultAnnotations": False,
            }
            compact = json.dumps(state, ensure_ascii=False, separators=(",", ":"))
            links["neuroglancer"] = f"{NEUROGLANCER}#!{quote(compact, safe='')}"
        links["vizarr"] = f"{VIZARR}?source={group}"
        links["validator"] = f"{VALIDATOR}?source={group}"
        return links

    def commands(self, base: str) -> dict[str, str]:
        """Lines for a terminal and for Python, by what they are for."""
        links = self.links(base)
        if self.problem is not None:
            return {"terminal": f"inif verify {links['inif']}"}
        return {
            "napari": f"napari --plugin napari-ome-zarr {links['zarr']}",
            "inif": f'inif.open("{links["inif"]}")[0]',
            "zarr": f'zarr.open_group("{links["zarr"]}", mode="r")["0"][0]',
            "dask": f'dask.array.from_zarr("{links["zarr"]}", component="0")',
        }


def facts_of(name: str, path: Path) -> Facts:
    """What is told of a file; only its header is read."""
    from inif.decode.file import open_file

    try:
        with open_file(path) as file:
            return _facts(name, file)
    except InifError as error:
        fix = f"; {error.fix}" if error.fix else ""
        return Facts(name, problem=f"{error.problem}{fix}")
    except OSError:
        return Facts(name, problem="the file cannot be read")


def _facts(name: str, file: File) -> Facts:
    sizes = " × ".join(f"{axis} {n}" for axis, n in zip(file.axes, file.shape, strict=True))
    stored = f"{format_size(file.file_bytes)}, {file.ratio:.1f} : 1"
    scale = file.meta.scale
    order = [a for a in "XYZT" if a in file.axes or a in "XY"]
    planes = [n for axis, n in zip(file.axes, file.shape, strict=True) if axis not in "CYX"]
    return Facts(
        name,
        summary=f"{sizes}, {file.dtype}; {stored}",
        layers=tuple(_layers(name, file)) if file.dtype.name in _SHOWN else (),
        steps={a.lower(): _step(*scale.get(a, (1.0, None))) for a in order},
        zoom=_zoom(file),
        flat=all(n == 1 for n in planes),
    )


def _layers(name: str, file: File) -> Sequence[dict[str, Any]]:
    """A layer of Neuroglancer for each channel, with its colour and display limits."""
    own: dict[str, Any] = {"type": "image", "opacity": 1, "blend": "additive"}
    if "C" not in file.axes:
        limits = {"normalized": {"range": _limits(file, 0)}}
        return [{**own, "name": name, "shader": _GRAY, "shaderControls": limits}]
    stated = [channel.color for channel in file.meta.channels]
    layers = []
    for number, label in enumerate(file.channels):
        color = stated[number] if number < len(stated) else None
        controls = {
            "normalized": {"range": _limits(file, number)},
            "color": color or _COLORS[number % len(_COLORS)],
        }
        layers.append(
            {
                **own,
                "name": f"{number} {label or 'channel'}",
                "localDimensions": {"c'": [1, ""]},
                "localPosition": [number],
                "shader": _COLOR,
                "shaderControls": controls,
            }
        )
    return layers


def _step(step: float, unit: str | None) -> tuple[float, str]:
    """A step as Neuroglancer takes it from OME-Zarr."""
    factor, name = _UNITS.get(word(unit) or "", (1.0, ""))
    return step * factor, name


def _zoom(file: File) -> float:
    sizes, scale = dict(zip(file.axes, file.shape, strict=True)), file.meta.scale
    rows, columns = (sizes.get(a, 1) * scale.get(a, (1.0, None))[0] for a in "YX")
    return max(rows, columns) / scale.get("X", (1.0, None))[0] / _PANEL


def _limits(file: File, channel: int) -> list[float]:
    """Display limits as the file states them, else its range: a list of files decodes nothing."""
    stated = file.stated_windows or file.header["range"]
    return list(stated[channel] or file.header["range"][channel])
