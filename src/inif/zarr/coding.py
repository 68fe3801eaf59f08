"""How the chunks of an array are coded, as its metadata say, and the coding of one of them.

A chunk at the edge of an array comes padded with the fill value to its full shape. Nothing says
where a chunk lies; so trailing planes, rows and columns of the fill value, wherever they are, are
not coded, and put back when the chunk is read.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from inif._version import __version__
from inif.axes import check_axes
from inif.decode.chunk import open_chunk
from inif.decode.file import File
from inif.errors import InputError, UnsupportedError
from inif.image import BOUNDED_DTYPES, DTYPES, LOSSLESS_DTYPES

NAME = "inif"
"""Of the codec, in the metadata of an array."""

VERSION = 1
"""Of the configuration and of the payload."""

Box = tuple[slice, ...]


@dataclass(frozen=True, kw_only=True)
class Coding:
    """The configuration of the codec. Exactly one of `step`, `max_error`, `lossless` is given.

    Attributes
    ----------
    axes
        A letter of "TCZYX" for each axis of the array, in its own order.
    step
        Of the quantiser, in counts: one, or one for each channel. The larger, the smaller the
        chunks; the root mean squared error is about a third of it where it shows noise.
    max_error
        No sample is off by more, in counts.
    lossless
        Samples are exact.
    effort
        1 to 9: time for smaller chunks.
    version
        Of this configuration: 1.
    encoder
        What wrote the array, for the record.

    Raises
    ------
    InputError
        A value that cannot be used.
    UnsupportedError
        Another version.
    """

    axes: str
    step: float | tuple[float, ...] | None = None
    max_error: float | None = None
    lossless: bool = False
    effort: int = 1
    version: int = VERSION
    encoder: str = f"inif {__version__}"

    def __post_init__(self) -> None:
        if self.version != VERSION:
            raise UnsupportedError(
                "the array was written for another version of the codec inif",
                field="version",
                expected=VERSION,
                got=ascii(self.version),
                fix="update inif",
            )
        text = isinstance(self.axes, str) and isinstance(self.encoder, str)
        _need(text, "axes, encoder", "text", (self.axes, self.encoder))
        object.__setattr__(self, "axes", check_axes(self.axes, (1,) * len(self.axes)))
        _need(isinstance(self.lossless, bool), "lossless", "true or false", self.lossless)
        given = (self.step is not None) + (self.max_error is not None) + self.lossless
        _need(given == 1, "step, max_error, lossless", "exactly one of them", f"{given} of them")
        if self.step is not None:
            steps = self.step if isinstance(self.step, Sequence) else (self.step,)
            good = bool(steps) and all(_number(s) and s > 0 for s in steps)
            _need(good, "step", "a number above 0, or one for each channel", self.step)
            each = tuple(map(float, steps))
            object.__setattr__(self, "step", each if isinstance(self.step, Sequence) else each[0])
        if self.max_error is not None:
            good = _number(self.max_error) and self.max_error >= 0
            _need(good, "max_error", "a number of at least 0", self.max_error)
            object.__setattr__(self, "max_error", float(self.max_error))
        whole = isinstance(self.effort, int) and not isinstance(self.effort, bool)
        _need(whole and 1 <= self.effort <= 9, "effort", "1 … 9", self.effort)

    def to_json(self) -> dict[str, Any]:
        """The configuration as metadata have it."""
        found = {one.name: getattr(self, one.name) for one in fields(Coding)}
        if isinstance(self.step, tuple):
            found["step"] = list(self.step)
        return {k: v for k, v in found.items() if v is not None and v is not False}

    @classmethod
    def known(cls, configuration: Mapping[str, Any]) -> dict[str, Any]:
        """What a configuration gives, if it has no keys that are not known.

        Raises
        ------
        InputError
            An unknown key, or no axes.
        """
        keys = {one.name for one in fields(Coding)}
        unknown = sorted(map(str, set(configuration) - keys))
        _need(not unknown, "configuration", ", ".join(sorted(keys)), ", ".join(unknown))
        _need("axes" in configuration, "axes", "a letter for each axis, as in TCZYX", "none")
        found = dict(configuration)
        if isinstance(found.get("step"), list):
            found["step"] = tuple(found["step"])
        return found

    def check(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        """Refuse arrays that cannot be coded so: axes or samples of another kind.

        Parameters
        ----------
        shape
            Of the array or of a chunk.
        """
        check_axes(self.axes, shape)
        if "C" not in self.axes and isinstance(self.step, tuple):
            _need(len(self.step) == 1, "step", "one: there is no axis C", list(self.step))
        dtypes = LOSSLESS_DTYPES if self.lossless else DTYPES if self.step else BOUNDED_DTYPES
        if dtype.name not in dtypes:
            raise InputError(
                "samples of this type cannot be coded so by inif",
                field="dtype",
                expected=" or ".join(dtypes),
                got=dtype.name,
                fix=None if self.lossless else "store them exactly, with lossless",
            )

    def packed(self, chunk: np.ndarray, fill: Any) -> bytes:
        """The payload of a chunk of its full shape.

        Raises
        ------
        InputError
            The chunk has other axes or samples than the array; or steps are of the array's
            channels, and the chunk does not have all of them.
        """
        from inif.encode.chunk import ChunkCoder

        self.check(chunk.shape, chunk.dtype)
        steps = None if self.step is None else np.atleast_1d(self.step).tolist()
        channels = chunk.shape[self.axes.index("C")] if "C" in self.axes else 1
        if steps and len(steps) not in (1, channels):
            raise InputError(
                "the steps are of other channels than a chunk has: which of them, it cannot tell",
                field="step",
                expected=f"one step, or {channels}",
                got=steps,
                fix="one step for all channels, or chunks that hold all of them",
            )
        coder = ChunkCoder(
            self.axes,
            chunk.dtype,
            steps=tuple(steps) if steps else None,
            max_error=self.max_error,
            lossless=self.lossless,
            effort=self.effort,
        )
        return coder.chunk(trimmed(chunk, fill), chunk.shape).encode().data

    def opened(self, data: bytes, shape: tuple[int, ...], dtype: np.dtype[Any]) -> File:
        """A payload, opened as a chunk of this shape and type.

        Raises
        ------
        FormatError, UnsupportedError
            It is damaged, or not of this array.
        """
        return open_chunk(data, self.axes, shape, dtype)

    def samples(self, file: File, box: Box, fill: Any) -> np.ndarray:
        """A box of an open chunk, in the box's shape, of the native dtype.

        Parameters
        ----------
        fill
            The value of samples that the payload lacks.

        Raises
        ------
        FormatError, UnsupportedError
            The payload cannot be decoded.
        """
        held = tuple(slice(s.start, min(s.stop, n)) for s, n in zip(box, file.shape, strict=True))
        if held == box:
            return np.asarray(file[box])
        out = np.full([s.stop - s.start for s in box], fill, file.dtype)
        if all(s.start < s.stop for s in held):
            out[tuple(slice(0, s.stop - s.start) for s in held)] = file[held]
        return out


def whole(shape: tuple[int, ...]) -> Box:
    """The box of all samples."""
    return tuple(slice(0, n) for n in shape)


def trimmed(chunk: np.ndarray, fill: Any) -> np.ndarray:
    """A chunk without what it has of the fill value at the ends of its axes; one sample at least.

    Samples are compared by their bits, so that a NaN is one, and -0.0 is not 0.0.
    """
    bits = f"u{chunk.dtype.itemsize}"
    native = np.asarray(chunk, chunk.dtype.newbyteorder("="))
    wanted = np.array(fill, native.dtype).view(bits)
    seen = native.view(bits)
    for axis in range(seen.ndim):
        if (seen.take(-1, axis) != wanted).any():
            continue
        others = tuple(i for i in range(seen.ndim) if i != axis)
        kept = np.flatnonzero((seen != wanted).any(axis=others))
        seen = np.moveaxis(seen, axis, 0)[: int(kept[-1]) + 1 if kept.size else 1]
        seen = np.moveaxis(seen, 0, axis)
    return native[tuple(map(slice, seen.shape))]


def box_of(selection: Any, shape: tuple[int, ...]) -> tuple[Box, Any]:
    """The least box that holds a selection of a chunk, and the selection within this box.

    Parameters
    ----------
    selection
        As NumPy takes it: slices, numbers and arrays of numbers, as Zarr gives them to a codec.
    """
    parts = selection if isinstance(selection, tuple) else (selection,)
    if any(one is Ellipsis for one in parts) or len(parts) < len(shape):
        return whole(shape), selection
    box, inside = [], []
    for one, n in zip(parts, shape, strict=True):
        if isinstance(one, slice):
            span = range(n)[one]
            first, stop = (min(span), max(span) + 1) if span else (0, 1)
            box.append(slice(first, stop))
            inside.append(slice(span.start - first, span.stop - first, span.step))
            continue
        numbers = np.asarray(one)
        if numbers.dtype.kind == "b":
            return whole(shape), selection
        first = int(numbers.min()) if numbers.size else 0
        box.append(slice(first, int(numbers.max()) + 1 if numbers.size else 1))
        inside.append(one - first)
    return tuple(box), tuple(inside)


def _need(good: bool, field: str, expected: str, got: object) -> None:
    if not good:
        raise InputError(
            "the codec inif cannot be configured so", field=field, expected=expected, got=got
        )


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
