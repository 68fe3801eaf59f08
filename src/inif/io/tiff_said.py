"""What the tags of a TIFF page say of its samples: pixel sizes, and what a user must be told.

The baseline tags know more ways to store a picture than an array of samples has: 0 may be white,
samples may be indices of colours, ink, or what a lossy codec left. The samples are kept as they
are stored; what they mean is said in a remark.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from inif.image import Channel
from inif.io.common import rgb_channels
from inif.io.units import symbol

Scale = dict[str, tuple[float, str | None]]

_UNITS = {2: (25400.0, "inch"), 3: (1e4, "cm"), 4: (1e3, "mm"), 5: (1.0, "µm")}
"""ResolutionUnit → micrometres of one, and its name; 1 says that there is none."""
_SCREEN = (72, 96)
_PRINT = (100, 120, 144, 150, 200, 240, 300, 350, 360, 400, 600, 720, 800, 1200, 2400)
"""Dots per inch that programs write where nobody has measured anything."""


def pixel_size(page: Any) -> tuple[Scale, list[str]]:
    """Steps along X and Y, in µm, from the resolution tags, and remarks on them.

    A resolution without a unit, of screens (72 or 96 per inch), or of 1 is what programs write
    where nothing is known: no step is made of it.
    """
    factor, unit = _UNITS.get(_integer(page.tags.valueof(296, 2)), (0.0, ""))
    scale: Scale = {}
    remarks: list[str] = []
    for axis, code in (("X", 282), ("Y", 283)):
        per_unit = rational(page.tags.valueof(code))
        if not factor or per_unit is None or is_default(per_unit, factor):
            continue
        scale[axis] = (factor / per_unit, "µm")
        dots = per_unit * 25400 / factor
        if axis == "X" and any(abs(dots - d) < 0.01 for d in _PRINT):
            remarks.append(
                f"the pixel size ({factor / per_unit:g} µm) is that of the file's {per_unit:g} "
                f"dots per {unit}, which may be meant for printing only"
            )
    return scale, remarks


def is_default(per_unit: float, factor: float) -> bool:
    """Whether a resolution, per unit of `factor` µm, is a screen's or 1, which nobody measured."""
    dots = per_unit * 25400 / factor
    return per_unit <= 1 or any(abs(dots - d) < 0.51 for d in _SCREEN)


def rational(value: Any) -> float | None:
    """A tag's number above 0: a quotient, or the number itself."""
    try:
        if isinstance(value, tuple) and len(value) >= 2:
            number = float(value[0]) / float(value[1])
        else:
            number = float(value)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return number if math.isfinite(number) and number > 0 else None


def _integer(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        return 1


_PHOTOMETRIC = {
    0: "0 is white in this file (MinIsWhite): the samples are kept as they are, and as written "
    "files say that 0 is black, they look inverted",
    3: "the samples are indices of a table of colours, which is not kept",
    4: "the samples are a transparency mask",
    5: "the samples are amounts of ink (CMYK), kept as channels",
    6: "the colours are stored as brightness and two differences (YCbCr)",
    8: "the colours are CIE L*a*b* values, kept as channels",
    9: "the colours are ICC L*a*b* values, kept as channels",
    10: "the colours are ITU L*a*b* values, kept as channels",
    32803: "the samples are those of a sensor behind a mosaic of colour filters",
}
_LOSSY = {
    6: "JPEG", 7: "JPEG", 33003: "JPEG 2000", 33004: "JPEG 2000", 33005: "JPEG 2000", 33007: "JPEG",
    34712: "JPEG 2000", 34887: "LERC", 34892: "lossy JPEG", 34934: "JPEG XR", 22610: "JPEG XR",
    48124: "JetRaw", 50001: "WebP", 50002: "JPEG XL", 52546: "JPEG XL", 65000: "EER",
}  # fmt: skip
_JPEG = (6, 7, 33007, 34892)


def sample_remarks(page: Any, *, table: bool = True) -> list[str]:
    """What a user must know of how the samples of a page are stored.

    `table` says whether a table of colours is worth a remark; ImageJ keeps lookup tables there.
    """
    remarks = []
    photometric = _integer(page.photometric) if page.photometric is not None else 1
    compression = _integer(page.compression)
    decoded_rgb = photometric == 6 and compression in _JPEG
    if photometric in _PHOTOMETRIC and not decoded_rgb and (table or photometric != 3):
        remarks.append(_PHOTOMETRIC[photometric])
    if compression in _JPEG:
        remarks.append("the samples come out of JPEG, which has lost detail already")
    elif compression in _LOSSY:
        remarks.append(
            f"the samples come out of {_LOSSY[compression]}, which may have lost detail already"
        )
    orientation = _integer(page.tags.valueof(274, 1))
    if 2 <= orientation <= 8:
        remarks.append(
            f"the file asks to be shown turned or mirrored (Orientation {orientation}); the rows "
            "and columns are kept as they are stored"
        )
    return remarks


def sample_channels(page: Any, samples: int) -> tuple[Channel, ...]:
    """Names and colours of interleaved samples, as far as the tags state them; one per sample."""
    photometric = _integer(page.photometric) if page.photometric is not None else 1
    extra = page.tags.valueof(338, ())
    extra = extra if isinstance(extra, tuple) else (extra,)
    names: list[Channel] = []
    if photometric in (2, 6):
        names = list(rgb_channels(3))
    elif photometric == 5 and samples >= 4:
        names = [Channel(n) for n in "CMYK"]
    elif photometric in (0, 1) and extra:
        names = [Channel("grey")]
    if not names or samples < len(names):
        return ()
    rest = samples - len(names)
    for index in range(rest):
        alpha = index < len(extra) and _integer(extra[index]) in (1, 2)
        names.append(Channel("A" if alpha else None))
    return tuple(names) if any(c.name for c in names[1:]) else ()


def vendor_scale(tif: Any, kind: str) -> Scale:
    """Steps that MetaMorph, Zeiss LSM, FluoView and Micro-Manager keep in tags of their own."""
    if kind == "stk":
        return stk_scale(tif.stk_metadata or {})
    if kind == "lsm":
        return lsm_scale(tif.lsm_metadata or {})
    if kind == "fluoview":
        return fluoview_scale(tif.fluoview_metadata or {})
    if kind in ("mmstack", "ndtiff"):
        return micromanager_scale((tif.micromanager_metadata or {}).get("Summary") or {})
    if tif.pages.first.is_metaseries:
        return metaseries_scale(tif.metaseries_metadata or {})
    return {}


def stk_scale(info: Mapping[str, Any]) -> Scale:
    """Steps of a MetaMorph stack (UIC tags); Z where all planes have one distance."""
    unit = symbol(str(info.get("CalibrationUnits") or ""))
    if unit is None or unit == "pixel":
        return {}
    scale = _numbers({"X": info.get("XCalibration"), "Y": info.get("YCalibration")}, unit)
    distances = info.get("ZDistance")
    if distances is not None and len(distances) and max(distances) == min(distances):
        scale |= _numbers({"Z": distances[0]}, unit)
    return scale


def lsm_scale(info: Mapping[str, Any]) -> Scale:
    """Steps of a Zeiss LSM file: in metres there, in seconds between time points."""
    micro = {a: float(info.get(f"VoxelSize{a}") or 0) * 1e6 for a in "XYZ"}
    return _numbers(micro, "µm") | _numbers({"T": info.get("TimeIntervall")}, "s")


def fluoview_scale(info: Mapping[str, Any]) -> Scale:
    """Steps of an Olympus FluoView file: (name, size, origin, step, unit) of each dimension."""
    scale: Scale = {}
    for entry in info.get("Dimensions") or ():
        axis = {"TIME": "T"}.get(name := str(entry[0]).upper(), name)
        if axis in ("X", "Y", "Z", "T") and len(entry) >= 5:
            scale |= _numbers({axis: entry[3]}, symbol(str(entry[4])))
    return scale


def micromanager_scale(summary: Mapping[str, Any]) -> Scale:
    """Steps of a Micro-Manager acquisition."""
    size = summary.get("PixelSize_um")
    scale = _numbers({"X": size, "Y": size, "Z": summary.get("z-step_um")}, "µm")
    return scale | _numbers({"T": summary.get("Interval_ms")}, "ms")


def metaseries_scale(info: Mapping[str, Any]) -> Scale:
    """Steps of a plane that MetaMorph wrote with an XML description."""
    said = info.get("PlaneInfo") or {}
    unit = symbol(str(said.get("spatial-calibration-units") or ""))
    if unit is None or unit == "pixel" or said.get("spatial-calibration-state") is False:
        return {}
    return _numbers({a: said.get(f"spatial-calibration-{a.lower()}") for a in "XY"}, unit)


def _numbers(values: Mapping[str, Any], unit: str | None) -> Scale:
    """The steps that are numbers other than 0, which these programs write for "not known"."""
    scale: Scale = {}
    for axis, value in values.items():
        try:
            number = float(value)
        except (TypeError, ValueError):
            continue
        if number:
            scale[axis] = (number, unit)
    return scale
