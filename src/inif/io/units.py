"""Names of units: OME-XML writes symbols ("µm"), OME-Zarr writes words ("micrometer").

`Metadata` holds symbols. A unit outside these tables passes through as it is.
"""

from __future__ import annotations

_PREFIXES = {
    "yotta": "Y", "zetta": "Z", "exa": "E", "peta": "P", "tera": "T", "giga": "G", "mega": "M",
    "kilo": "k", "hecto": "h", "deca": "da", "": "", "deci": "d", "centi": "c", "milli": "m",
    "micro": "µ", "nano": "n", "pico": "p", "femto": "f", "atto": "a", "zepto": "z", "yocto": "y",
}  # fmt: skip

LENGTHS = {prefix + "meter": symbol + "m" for prefix, symbol in _PREFIXES.items()} | {
    "angstrom": "Å",
    "inch": "in",
    "foot": "ft",
    "yard": "yd",
    "mile": "mi",
    "parsec": "pc",
}
"""OME-Zarr's word → the symbol of OME's UnitsLength."""

TIMES = {prefix + "second": symbol + "s" for prefix, symbol in _PREFIXES.items()} | {
    "minute": "min",
    "hour": "h",
    "day": "d",
}
"""OME-Zarr's word → the symbol of OME's UnitsTime."""

NO_UNIT = "reference frame"
"""OME's length unit for a step whose unit is not known."""

_OME_ONLY = {"thou", "li", "ua", "ly", "pt", "pixel"}  # UnitsLength without a word in OME-Zarr
_SPELLINGS = {
    "um": "µm", "\u03bcm": "µm", "micron": "µm", "microns": "µm",
    "\\u00B5m": "µm", "\\u00b5m": "µm",  # as ImageJ escapes it
    "\u212b": "Å", "inches": "in", "us": "µs", "\u03bcs": "µs", "sec": "s", "seconds": "s",
    "secs": "s", "msec": "ms", "mins": "min", "hr": "h", "hours": "h", "days": "d",
}  # fmt: skip
_WORDS = {symbol: word for table in (LENGTHS, TIMES) for word, symbol in table.items()}


def symbol(unit: str | None) -> str | None:
    """The symbol of a unit in any of its spellings: "micrometer", "micron", "um" → "µm"."""
    if unit is None or not unit.strip():
        return None
    unit = unit.strip()
    unit = _SPELLINGS.get(unit, unit)
    return LENGTHS.get(unit) or TIMES.get(unit) or unit


def word(unit: str | None) -> str | None:
    """The word that OME-Zarr uses for a symbol: "µm" → "micrometer"."""
    return None if unit is None else _WORDS.get(unit, unit)


def in_ome(axis: str, step: float, unit: str | None) -> bool:
    """Whether OME-XML has an attribute that can hold this step: in space, only positive ones."""
    if axis == "T":
        return unit in TIMES.values()
    return (
        axis in "XYZ"
        and step > 0
        and (unit is None or unit in LENGTHS.values() or unit in _OME_ONLY)
    )
