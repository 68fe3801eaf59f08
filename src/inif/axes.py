"""Named axes, and selections of an image by slice, index, region, stride or name.

Axes are letters of "TCZYX" and are never guessed: who has none gets an `AxesError`.
A `Selection` is one `range` per axis plus which axes an integer index dropped; everything that
decodes (whole image, slice, region, stride, preview) takes a `Selection`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from inif.errors import AxesError, SelectionError

AXES = "TCZYX"
NAMES = {"T": "time", "C": "channel", "Z": "depth", "Y": "row", "X": "column"}


def check_axes(axes: str | None, shape: Sequence[int], *, file: object = None) -> str:
    """The axes in upper case, checked against a shape.

    Raises
    ------
    AxesError
        No axes, an unknown or repeated letter, or not one letter per axis of the array.
    """
    hint = f"name them, one letter of {AXES} per axis, as in --axes ZYX"
    if not axes:
        raise AxesError(
            "the axes of this image are not known",
            file=file,
            field="axes",
            expected=f"{len(shape)} letters of {AXES}",
            got=f"none, for shape {tuple(shape)}",
            fix=hint,
        )
    upper = axes.upper()
    bad = [a for a in upper if a not in AXES]
    if bad or len(set(upper)) != len(upper) or len(upper) != len(shape):
        raise AxesError(
            "these axes do not describe the image",
            file=file,
            field="axes",
            expected=f"{len(shape)} different letters of {AXES} for shape {tuple(shape)}",
            got=axes,
            fix=hint,
        )
    return upper


def plane_axes(axes: str) -> tuple[int, ...]:
    """Positions of the axes of a plane: Y and X, or else the last two, or one, that are not C."""
    if {"Y", "X"} <= set(axes):
        return axes.index("Y"), axes.index("X")
    return tuple(i for i, axis in enumerate(axes) if axis != "C")[-2:]


def slot_axes(axes: str) -> tuple[int, ...]:
    """Positions of the other axes, along which planes are numbered."""
    return tuple(i for i in range(len(axes)) if i not in plane_axes(axes))


def plane_name(place: Mapping[str, float]) -> str:
    """A plane in words: "slice z=31" of ``{"z": 31}``; "the only slice" where no axis is named.

    Parameters
    ----------
    place
        Numbers by axis, in lower case; other keys, such as the plane's PSNR, are passed over.
    """
    named = [f"{axis}={number}" for axis, number in place.items() if axis.upper() in NAMES]
    return "slice " + ", ".join(named) if named else "the only slice"


def coordinates(length: int, index: np.ndarray | None = None) -> np.ndarray:
    """Coordinates of an axis's samples, i / (n - 1) · 2 - 1, float32 in [-1, 1]; 0 if n = 1.

    `index` (any shape, float or int, in samples) picks some of them, also between samples.
    """
    i = np.arange(length) if index is None else np.asarray(index)
    return spread(i, np.array(length))


def spread(index: np.ndarray, length: np.ndarray) -> np.ndarray:
    """Coordinates of positions on axes of several lengths (docs/format.md, "Coordinates").

    Parameters
    ----------
    index
        Positions in samples, whole or not.
    length
        Samples along the axis of each position; broadcasts against `index`.

    Returns
    -------
    float32 in [-1, 1], worked out in float64: index · 2 / (length - 1) - 1, or 0 on length 1.
    """
    scale = np.where(length > 1, 2.0 / np.maximum(length - 1, 1), 0.0)
    offset = np.where(length > 1, 1.0, 0.0)
    return (index * scale - offset).astype(np.float32)


@dataclass(frozen=True)
class Selection:
    """Samples picked on a grid.

    Attributes
    ----------
    ranges
        One non-empty or empty `range` per axis of the image, every index within the axis.
    dropped
        Which axes vanish from the result (they were picked by a single integer).
    """

    ranges: tuple[range, ...]
    dropped: tuple[bool, ...]

    @property
    def full_shape(self) -> tuple[int, ...]:
        """Shape of the result before the dropped axes are removed."""
        return tuple(len(r) for r in self.ranges)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the result."""
        return tuple(len(r) for r, d in zip(self.ranges, self.dropped, strict=True) if not d)

    def kept_axes(self, axes: str) -> str:
        """The letters of the axes that remain in the result."""
        return "".join(a for a, d in zip(axes, self.dropped, strict=True) if not d)


def select(
    key: Any, shape: Sequence[int], fields: Sequence[str] = (), *, file: object = None
) -> Selection:
    """NumPy's basic indexing (integers, slices, one ellipsis) as a `Selection`.

    `fields` are what messages call the axes ("axis 0", … by default), `file` is the image's.

    Raises
    ------
    SelectionError
        Too many indices, an index out of range, or an unsupported kind of index.
    """
    keys = key if isinstance(key, tuple) else (key,)
    n_ellipsis = sum(k is Ellipsis for k in keys)
    if n_ellipsis > 1 or len(keys) - n_ellipsis > len(shape):
        raise SelectionError(
            "too many indices",
            file=file,
            expected=f"at most {len(shape)} and one '...'",
            got=repr(key),
        )
    if n_ellipsis:
        at = next(i for i, k in enumerate(keys) if k is Ellipsis)
        fill = (slice(None),) * (len(shape) - len(keys) + 1)
        keys = keys[:at] + fill + keys[at + 1 :]
    keys = keys + (slice(None),) * (len(shape) - len(keys))
    names = fields or [f"axis {i}" for i in range(len(shape))]
    ranges, dropped = [], []
    for k, n, name in zip(keys, shape, names, strict=True):
        if isinstance(k, slice):
            try:
                ranges.append(range(n)[k])
            except (TypeError, ValueError) as error:
                raise SelectionError(
                    "this slice cannot be used", file=file, field=name, got=k, expected=str(error)
                ) from None
            dropped.append(False)
        else:
            ranges.append(_one(k, n, name, file))
            dropped.append(True)
    return Selection(tuple(ranges), tuple(dropped))


def select_named(
    picks: Mapping[str, Any],
    axes: str,
    shape: Sequence[int],
    channels: Sequence[str | None] = (),
    *,
    file: object = None,
    option: str = "axis",
) -> Selection:
    """Indices and slices by axis name (any case); the C axis also takes a channel's name.

    `option` and `file` are what messages name: "--region z" of "a.inif".

    Raises
    ------
    SelectionError
        An axis the image does not have, an unknown channel name, or an index out of range.
    """
    keys: list[Any] = [slice(None)] * len(shape)
    for name, pick in picks.items():
        axis = axes.find(name.upper())
        if len(name) != 1 or axis < 0:
            raise SelectionError(
                "the image has no such axis",
                file=file,
                field=f"{option} {name}",
                expected=f"one of {axes}",
                got=name,
            )
        if isinstance(pick, str):
            if name.upper() != "C":
                raise SelectionError(
                    "only channels have names",
                    file=file,
                    field=f"{option} {name}",
                    expected="a whole number or a slice",
                    got=pick,
                )
            if pick not in channels:
                known = ", ".join(c for c in channels if c) or "none (use its number)"
                raise SelectionError(
                    "there is no channel of this name",
                    file=file,
                    field=f"{option} {name}",
                    expected=known,
                    got=pick,
                )
            pick = list(channels).index(pick)
        keys[axis] = pick
    return select(tuple(keys), shape, [f"{option} {a.lower()}" for a in axes], file=file)


def parse_region(
    text: str,
    axes: str,
    shape: Sequence[int],
    channels: Sequence[str | None] = (),
    *,
    file: object = None,
) -> Selection:
    """A region as typed on the command line: ``"z=32,y=100:200,x=::2,c=DNA"``.

    Raises
    ------
    SelectionError
        A part that is not ``axis=index``, ``axis=start:stop[:step]`` or ``c=name``.
    """
    picks: dict[str, Any] = {}
    for name, value in _parts(text, "--region", 'parts like "z=32" or "y=100:200"', file):
        pick = _parse_pick(value)
        named = value in channels and not (isinstance(pick, int) and 0 <= pick < len(channels))
        if name.upper() == "C" and (named or (pick is None and not set(value) & set(";:="))):
            picks[name] = value
        elif pick is None:
            raise SelectionError(
                "this part of the region cannot be read",
                file=file,
                field=f"--region {name}",
                expected=f'whole numbers, as in "{name}=1" or "{name}=10:20" or '
                f'"{name}=10:20:2", and commas between the parts',
                got=value,
            )
        else:
            picks[name] = pick
    return select_named(picks, axes, shape, channels, file=file, option="--region")


def parse_stride(text: str, axes: str, shape: Sequence[int], *, file: object = None) -> Selection:
    """A stride per axis as typed on the command line: ``"y=4,x=4"``.

    Raises
    ------
    SelectionError
        A part that is not ``axis=positive integer``.
    """
    picks: dict[str, Any] = {}
    for name, value in _parts(text, "--stride", 'parts like "y=4"', file):
        if not value.isdecimal() or int(value) < 1:
            raise SelectionError(
                "this part of the stride cannot be read",
                file=file,
                field=f"--stride {name}",
                expected=f'a whole number from 1, as in "{name}=4", and commas between the parts',
                got=value,
            )
        picks[name] = slice(None, None, int(value))
    return select_named(picks, axes, shape, file=file, option="--stride")


def compose(first: Selection, second: Selection) -> Selection:
    """`second` applied to the full (undropped) result of `first`; drops add up."""
    ranges = tuple(
        r[s.start : s.stop if s.stop >= 0 else None : s.step] if len(s) else r[:0]
        for r, s in zip(first.ranges, second.ranges, strict=True)
    )
    dropped = tuple(a or b for a, b in zip(first.dropped, second.dropped, strict=True))
    return Selection(ranges, dropped)


def preview_selection(axes: str, shape: Sequence[int], max_size: int) -> Selection:
    """Every k-th sample of Y and X (the same k) so that neither is longer than `max_size`."""
    if max_size < 1:
        raise SelectionError("a preview needs a positive size", field="max_size", got=max_size)
    longest = max((n for a, n in zip(axes, shape, strict=True) if a in "YX"), default=1)
    k = max(1, math.ceil(longest / max_size))
    keys = tuple(slice(None, None, k) if a in "YX" else slice(None) for a in axes)
    return select(keys, shape)


def _parts(text: str, option: str, expected: str, file: object) -> Iterator[tuple[str, str]]:
    """Axis and value of each part of "z=1, y=2"; every axis at most once."""
    seen = set()
    for part in filter(None, (p.strip() for p in text.split(","))):
        name, sign, value = (word.strip() for word in part.partition("="))
        if not sign or not name or not value or name.upper() in seen:
            raise SelectionError(
                "this axis is named twice"
                if name.upper() in seen
                else f"this part of the {option.strip('-')} cannot be read",
                file=file,
                field=f"{option} {name}" if sign and name else option,
                expected=f"{expected}, with commas between them, each axis once",
                got=part,
            )
        seen.add(name.upper())
        yield name, value


def _parse_pick(value: str) -> int | slice | None:
    """An index, or a slice of up to three numbers, no step of 0; None where it is neither."""
    try:
        numbers = [int(f) if f.strip() else None for f in value.split(":")]
    except ValueError:
        return None
    if len(numbers) == 1:
        return numbers[0]
    return None if len(numbers) > 3 or numbers[2:] == [0] else slice(*numbers)


def _one(k: Any, n: int, where: str, file: object) -> range:
    if isinstance(k, bool | np.bool_) or not isinstance(k, int | np.integer):
        raise SelectionError(
            "this index cannot be used",
            file=file,
            field=where,
            expected="an integer, a slice or '...' (masks and points: File.mask, File.points)",
            got=repr(k),
        )
    i = int(k)
    if not -n <= i < n:
        raise SelectionError(
            "the index lies outside the image",
            file=file,
            field=where,
            expected=f"-{n} … {n - 1}",
            got=i,
        )
    i %= n
    return range(i, i + 1)
