"""Units of length and time: one symbol for each, in whatever spelling a file has it.

`Metadata` holds the symbols of OME-XML ("µm"); OME-Zarr writes words ("micrometer"); microscopes,
ImageJ, MetaMorph and Bio-Formats write what they like. A text that is no unit of these tables
passes through as it is, and `known` says so.
"""

from __future__ import annotations

import re
import unicodedata

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
_WORDS = {symbol: word for table in (LENGTHS, TIMES) for word, symbol in table.items()}

_SHORT = {
    **dict.fromkeys(("um", "u", "µ", "µm", "mu", "mcm", "mic", "micron", "micro"), "µm"),
    **dict.fromkeys(("æm", "âµm", "î¼m", "&micro;m", "&#181;m", "&#xb5;m"), "µm"),  # misread
    **dict.fromkeys(("µmeter", "umeter", "µmetre", "umetre"), "µm"),
    **dict.fromkeys(("us", "µs", "usec", "µsec", "mcs", "mcsec", "æs", "âµs"), "µs"),
    **dict.fromkeys(("å", "ang", "angström", "ångström", "ångstrom", "angstroem"), "Å"),
    **dict.fromkeys(("px", "pix", "pixel"), "pixel"),
    "nm": "nm",
    "mm": "mm",
    "cm": "cm",
    "millimicron": "nm",
    "in": "in",
    "feet": "ft",
    "msec": "ms",
    "nsec": "ns",
    "psec": "ps",
    "min": "min",
    "hr": "h",
}
"""Short and odd spellings, in lower case; those that mean one thing in either case."""


def _spellings() -> dict[str, str]:
    """Every spelling, in lower case → symbol: words of both dialects, short ones, and plurals."""
    table = dict(_SHORT)
    for word, symbol in (LENGTHS | TIMES).items():
        table[word] = symbol
        table[re.sub("meter$", "metre", word)] = symbol
        table[re.sub("second$", "sec", word)] = symbol
    plurals = {w + ("es" if w.endswith("ch") else "s"): s for w, s in table.items() if len(w) > 1}
    return plurals | table  # "mms" are millimetres, but "ms" are no metres


_SYMBOLS = {*LENGTHS.values(), *TIMES.values(), *_OME_ONLY}
_SPELLINGS = _spellings()


def symbol(unit: str | None) -> str | None:
    """The symbol of a unit in any of its spellings: "micrometer", "Micron", "um" → "µm".

    Upper and lower case are told apart where that matters: "Mm" are megametres, "mm" millimetres.
    Text that is no known unit comes back without spaces around it; empty text gives None.
    """
    if unit is None or not unit.strip():
        return None
    unit = re.sub(r"\\u([0-9A-Fa-f]{4})", lambda m: chr(int(m[1], 16)), unit.strip())
    plain = unicodedata.normalize("NFC", unit).replace("\u03bc", "µ").replace("\u212b", "Å")
    plain = plain.strip().strip("[]()").rstrip(".").strip()
    if plain in _SYMBOLS:
        return plain
    if re.fullmatch("[A-Z]|[a-zµ][A-Z]", plain):  # M, S, A, uM: no telling, or concentrations
        return unit
    folded = plain.lower().replace("\u03bc", "µ")  # the lower case of a capital mu is Greek
    for spelling in (folded, re.sub("[ _-]", "", folded)):
        if spelling in _SPELLINGS:
            return _SPELLINGS[spelling]
    return unit


def known(axis: str, unit: str | None) -> bool:
    """Whether a unit, as `symbol` gives it, fits an axis: lengths to X, Y, Z, times to T."""
    if unit is None or axis == "C":
        return True
    if axis == "T":
        return unit in TIMES.values()
    return unit in LENGTHS.values() or unit in _OME_ONLY


def word(unit: str | None) -> str | None:
    """The word that OME-Zarr uses for a symbol: "µm" → "micrometer"."""
    return None if unit is None else _WORDS.get(unit, unit)


def in_ome(axis: str, step: float, unit: str | None) -> bool:
    """Whether OME-XML has an attribute that can hold this step: in space, only positive ones."""
    if axis == "T":
        return unit in TIMES.values()
    return axis in "XYZ" and step > 0 and known(axis, unit)
