"""Every field of a header, checked before anything relies on it.

The checks are the table of format.md, "Header fields"; keys that this release does not know are
left alone, so that later minor versions can add some.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from inif.axes import AXES
from inif.container.spec import CORRECTIONS, LOSSLESS, MAX_BRICKS, MAX_SAMPLES, SUPPORTED, Rejection
from inif.errors import FormatError, UnsupportedError
from inif.image import BOUNDED_DTYPES, DTYPES, LOSSLESS_DTYPES

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ufffe\uffff]")
_COLOR = re.compile("#[0-9A-Fa-f]{6}")


def clean_text(text: str) -> str:
    """`text` as a header may hold it: control characters and unpaired surrogates become U+FFFD."""
    return _CONTROL.sub("\ufffd", re.sub("[\ud800-\udfff]", "\ufffd", text))


def grid_shape(header: Mapping[str, Any]) -> tuple[int, ...]:
    """The number of bricks along each axis, ceil(shape / brick), of a valid header."""
    shape = header["shape"]
    return tuple(-(-n // b) for n, b in zip(shape, header.get("brick", shape), strict=True))


def validate_header(
    header: Mapping[str, Any], name: str, supported: Collection[str] = SUPPORTED
) -> None:
    """Check types and bounds of every known field.

    Raises
    ------
    UnsupportedError
        ``requires`` names a feature that is not in `supported`; checked first, because such a
        feature may change what the other fields may hold.
    FormatError
        HEADER_FIELD: a field is missing or holds something it must not.
    """
    check = _Check(name)
    check.requires(header, supported)
    check.texts(header)
    shape = check.shape(header)
    axes = check.axes(header, len(shape))
    channels = shape[axes.index("C")] if "C" in axes else None
    dtype = header.get("dtype")
    dtypes: tuple[str, ...] = DTYPES
    if LOSSLESS in header["requires"]:
        dtypes = LOSSLESS_DTYPES
    elif CORRECTIONS in header["requires"]:
        dtypes = BOUNDED_DTYPES
    check.that(dtype in dtypes if isinstance(dtype, str) else False, "dtype", dtypes, dtype)
    check.range(header, 1 if channels is None else channels)
    check.brick(header, shape)
    field = check.mapping(header, "field")
    check.that(bool(_text(field.get("kind"))), "field.kind", "a name", field.get("kind"))
    if CORRECTIONS in header["requires"]:
        check.that(field["kind"] == "latent", "field.kind", "latent", field["kind"])
    if "lossless" in header:
        codecs = check.list_of(check.mapping(header, "lossless").get("codecs"), "lossless.codecs")
        check.that(all(map(_text, codecs)), "lossless.codecs", "names", codecs)
    if "codec" in header:
        kind = check.mapping(header, "codec").get("kind")
        check.that(bool(_text(kind)), "codec.kind", "a name", kind)
    if "meta" in header:
        check.meta(check.mapping(header, "meta"), 1 if channels is None else channels)
    if "lossy" in header:
        check.lossy(check.mapping(header, "lossy"), 1 if channels is None else channels)


class _Check:
    """The checks of one header; each raises FormatError with the field it found at fault."""

    def __init__(self, name: str) -> None:
        self.name = name

    def that(self, good: bool, field: str, expected: object, got: object) -> None:
        if not good:
            raise FormatError(
                "the header has a field that breaks the format",
                file=self.name,
                field=f"header.{field}".rstrip("."),
                expected=" or ".join(expected) if isinstance(expected, tuple) else expected,
                got=ascii(got),
                rejection=Rejection.HEADER_FIELD,
            )

    def mapping(self, header: Mapping[str, Any], key: str) -> dict[str, Any]:
        value = header.get(key)
        if not isinstance(value, dict):
            self.that(False, key, "an object", value)
            raise AssertionError
        return value

    def list_of(self, value: object, field: str, length: int | None = None) -> list[Any]:
        what = "a list" if length is None else f"a list of {length}"
        good = isinstance(value, list) and (length is None or len(value) == length)
        self.that(good, field, what, value)
        assert isinstance(value, list)
        return value

    def requires(self, header: Mapping[str, Any], supported: Collection[str]) -> None:
        names = self.list_of(header.get("requires"), "requires")
        for index, feature in enumerate(names):
            self.that(bool(_text(feature)), f"requires[{index}]", "the name of a feature", feature)
            if feature not in supported:
                raise UnsupportedError(
                    f"the file needs the feature {ascii(feature)[:64]}",
                    file=self.name,
                    field="header.requires",
                    expected=", ".join(sorted(supported)),
                    got=ascii(feature),
                    fix="update inif",
                    rejection=Rejection.UNKNOWN_FEATURE,
                )

    def shape(self, header: Mapping[str, Any]) -> list[int]:
        shape = self.list_of(header.get("shape"), "shape")
        self.that(1 <= len(shape) <= len(AXES), "shape", f"1 to {len(AXES)} lengths", shape)
        for index, n in enumerate(shape):
            self.that(_integer(n) and n >= 1, f"shape[{index}]", "an integer of at least 1", n)
        self.that(math.prod(shape) < MAX_SAMPLES, "shape", "fewer than 2**48 samples", shape)
        return shape

    def axes(self, header: Mapping[str, Any], count: int) -> str:
        axes = header.get("axes")
        good = isinstance(axes, str) and len(axes) == len(set(axes)) == count
        good = good and set(axes or "") <= set(AXES)
        self.that(good, "axes", f"{count} different letters of {AXES}", axes)
        return str(axes)

    def range(self, header: Mapping[str, Any], channels: int) -> None:
        dtype = np.dtype(header["dtype"])
        low: float | int = 0
        high: float | int = 1  # of bool
        if dtype.kind == "f":
            low, high = float(np.finfo(dtype).min), float(np.finfo(dtype).max)
        elif dtype.kind in "iu":
            low, high = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
        for index, pair in enumerate(self.list_of(header.get("range"), "range", channels)):
            good = isinstance(pair, list) and len(pair) == 2 and all(_number(v) for v in pair)
            good = good and low <= pair[0] <= pair[1] <= high
            expected = f"[lo, hi] with {low:g} <= lo <= hi <= {high:g}"
            self.that(good, f"range[{index}]", expected, pair)

    def brick(self, header: Mapping[str, Any], shape: list[int]) -> None:
        if "brick" not in header:
            return
        brick = self.list_of(header["brick"], "brick", len(shape))
        for index, (b, n) in enumerate(zip(brick, shape, strict=True)):
            self.that(_integer(b) and 1 <= b <= n, f"brick[{index}]", f"an integer in 1 … {n}", b)
        count = math.prod(grid_shape(header))
        self.that(count <= MAX_BRICKS, "brick", "at most 2**24 bricks", f"{count} bricks")

    def meta(self, meta: Mapping[str, Any], channels: int) -> None:
        if "name" in meta:
            self.text(meta["name"], "meta.name")
        if "scale" in meta:
            for axis, value in self.mapping_of(meta["scale"], "meta.scale").items():
                good = len(axis) == 1 and axis in AXES
                self.that(good, "meta.scale", f"keys of one letter of {AXES}", axis)
                field = f"meta.scale.{axis}"
                pair = self.list_of(value, field, 2)
                self.that(_number(pair[0]) and pair[0] > 0, field, "a step above 0", pair[0])
                if pair[1] is not None:
                    self.text(pair[1], field)
        if "channels" in meta:
            for i, text in enumerate(self.list_of(meta["channels"], "meta.channels", channels)):
                if text is not None:
                    self.text(text, f"meta.channels[{i}]")
        if "colors" in meta:
            for i, color in enumerate(self.list_of(meta["colors"], "meta.colors", channels)):
                good = color is None or (isinstance(color, str) and bool(_COLOR.fullmatch(color)))
                self.that(good, f"meta.colors[{i}]", '"#RRGGBB" or null', color)

        if "windows" in meta:
            for i, pair in enumerate(self.list_of(meta["windows"], "meta.windows", channels)):
                good = pair is None or (
                    isinstance(pair, list) and len(pair) == 2 and all(map(_number, pair))
                )
                good = good and (pair is None or pair[0] < pair[1])
                self.that(good, f"meta.windows[{i}]", "[low, high] with low < high, or null", pair)

    def lossy(self, lossy: Mapping[str, Any], channels: int) -> None:
        for key in ("psnr", "psnr_least", "max_error"):
            value = lossy.get(key)
            self.that(value is None or _number(value), f"lossy.{key}", "a number or null", value)
        if "bound" in lossy:
            bounds = self.list_of(lossy["bound"], "lossy.bound", channels)
            good = all(_number(v) and v >= 0 for v in bounds)
            self.that(good, "lossy.bound", "numbers of at least 0", bounds)
        for key in ("method", "encoder", "sha256"):
            if key in lossy:
                self.text(lossy[key], f"lossy.{key}")
        if "seed" in lossy:
            self.that(_integer(lossy["seed"]), "lossy.seed", "an integer", lossy["seed"])
        if "target" in lossy:
            self.mapping_of(lossy["target"], "lossy.target")
        if "worst_slice" in lossy:
            worst = self.mapping_of(lossy["worst_slice"], "lossy.worst_slice")
            psnr = worst.get("psnr")
            self.that(_number(psnr), "lossy.worst_slice.psnr", "a number", psnr)
            for key in worst.keys() - {"psnr"}:
                number = worst[key]
                self.that(_integer(number), f"lossy.worst_slice.{key}", "an integer", number)

    def mapping_of(self, value: object, field: str) -> dict[str, Any]:
        self.that(isinstance(value, dict), field, "an object", value)
        assert isinstance(value, dict)
        return value

    def texts(self, header: Mapping[str, Any]) -> None:
        """No text anywhere may steer a terminal or break XML."""
        todo: list[Any] = list(header.items())
        while todo:
            value = todo.pop()
            if isinstance(value, str):
                good = not _CONTROL.search(value)
                self.that(good, "", "text without control characters", value)
            elif isinstance(value, dict):
                todo.extend(value.items())
            elif isinstance(value, list | tuple):
                todo.extend(value)

    def text(self, value: object, field: str) -> None:
        self.that(isinstance(value, str), field, "text", value)


def _integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _number(value: object) -> bool:
    return (isinstance(value, float) and math.isfinite(value)) or _integer(value)


def _text(value: object) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= 64
