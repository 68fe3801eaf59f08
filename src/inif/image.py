"""An image as the rest of inif sees it: samples, named axes, and the metadata that must survive.

Every reader produces an `Image`, every writer takes one; nothing here knows a file format.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from inif.axes import AXES, check_axes
from inif.errors import InputError

_COLOR = re.compile("#[0-9A-Fa-f]{6}")
DTYPES = ("uint8", "uint16", "int16", "float32")
"""Sample types that lossy methods take."""

LOSSLESS_DTYPES = (
    "bool",
    *("uint8", "uint16", "uint32", "uint64"),
    *("int8", "int16", "int32", "int64"),
    *("float16", "float32", "float64"),
)
"""Sample types that can be stored exactly."""

BOUNDED_DTYPES = (
    *("uint8", "uint16", "uint32", "int8", "int16", "int32"),
    *("float16", "float32", "float64"),
)
"""Sample types that a latent field with corrections takes."""

LOSSLESS_FIX = "store the samples exactly with --lossless (lossless=True)"


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


@dataclass(frozen=True)
class Image:
    """Samples with named axes.

    Attributes
    ----------
    data
        Array of 1 to 5 axes; one of `DTYPES` or, to be stored exactly, of `LOSSLESS_DTYPES`.
    axes
        One letter of "TCZYX" for each axis of `data`, in the array's own order ("TZCYX", "YX", …).
    meta
        Names, pixel sizes, colours.
    source
        Where it came from, for messages and reports.
    remarks
        What its user must know of how it was read: what was dropped or assumed; a sentence each.
    labels
        Whether the source itself says that the samples are labels, as OME-Zarr can.
    """

    data: np.ndarray
    axes: str
    meta: Metadata = field(default_factory=Metadata)
    source: str | None = None
    remarks: tuple[str, ...] = ()
    labels: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "axes", check_axes(self.axes, self.data.shape, file=self.source))

    @property
    def channel_axis(self) -> int | None:
        """The position of C in `axes`, or None."""
        return self.axes.index("C") if "C" in self.axes else None

    @property
    def n_channels(self) -> int:
        """The length of the C axis, 1 where there is none."""
        axis = self.channel_axis
        return 1 if axis is None else self.data.shape[axis]

    def each_channel(self) -> list[np.ndarray]:
        """The samples of every channel, without the C axis; of an image without one, all."""
        c = self.channel_axis
        if c is None:
            return [self.data]
        return [self.data.take(i, axis=c) for i in range(self.n_channels)]

    @property
    def raw_bytes(self) -> int:
        """Voxels × itemsize: the size that every ratio is measured against."""
        return int(self.data.size) * self.data.dtype.itemsize

    def with_data(self, data: np.ndarray) -> Image:
        """The same axes and metadata around other samples of the same shape."""
        return replace(self, data=data)


def check_image(image: Image, *, lossless: bool = False) -> Image:
    """The image in native byte order, ready to compress.

    Parameters
    ----------
    lossless
        Whether its samples will be stored exactly, which takes more types, NaN and infinity too.

    Raises
    ------
    InputError
        Empty array, unsupported dtype (the message names the conversion), NaN or infinity where
        they cannot be kept, names of other channels than there are, metadata that no file can hold
        (`check_metadata`).
    """
    data = image.data
    if data.size == 0:
        raise InputError(
            "the image has no samples",
            file=image.source,
            field="shape",
            expected="every axis ≥ 1",
            got=data.shape,
            fix="check how the image was cropped or exported",
        )
    dtypes = LOSSLESS_DTYPES if lossless else DTYPES
    if data.dtype.name not in dtypes:
        raise InputError(
            "this sample type cannot be compressed",
            file=image.source,
            field="dtype",
            expected=" or ".join(dtypes),
            got=data.dtype.name,
            fix=_conversion(data.dtype),
        )
    if len(image.meta.channels) not in (0, image.n_channels):
        raise InputError(
            "the names of channels are not as many as the channels",
            file=image.source,
            field="meta.channels",
            expected=f"{image.n_channels}, or none",
            got=len(image.meta.channels),
            fix="give the image the channels that were kept",
        )
    check_metadata(image)
    if not data.dtype.isnative:
        image = image.with_data(data.astype(data.dtype.newbyteorder("=")))
    if data.dtype.kind == "f" and not lossless:
        for index, part in enumerate(image.data.reshape(image.data.shape[0], -1)):
            if not np.isfinite(part).all():
                raise InputError(
                    "the image holds NaN or infinite samples",
                    file=image.source,
                    field=f"{image.axes[0]}={index}",
                    expected="finite numbers",
                    got="NaN or infinity",
                    fix=f"replace them, for instance with numpy.nan_to_num, or {LOSSLESS_FIX}",
                )
    return image


def check_metadata(image: Image) -> None:
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
            file=image.source,
            field=f"meta.{field}",
            expected=expected,
            got=got,
            fix=fix,
        )

    meta: Any = image.meta  # types are what is checked
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


def scale_of(value_range: tuple[float, float]) -> float:
    """What errors are divided by: max - min, or 1 for a constant channel."""
    size = value_range[1] - value_range[0]
    return size if size > 0 else 1.0


def _conversion(dtype: np.dtype[Any]) -> str:
    if dtype.kind == "b":
        return f"{LOSSLESS_FIX}, or convert with image.astype('uint8')"
    if dtype.name in LOSSLESS_DTYPES and dtype.kind == "f":
        return f"convert with image.astype('float32'), or {LOSSLESS_FIX}"
    if dtype.kind in "iu":
        return (
            "convert with image.astype('uint16') if all values lie in 0…65535, "
            "else image.astype('float32') (exact up to 2**24); "
            f"for labels {LOSSLESS_FIX}"
        )
    if dtype.kind == "f":
        return "convert with image.astype('float64') and store it with --lossless"
    if dtype.kind == "c":
        return "compress numpy.abs(image) and numpy.angle(image) as float32 images of their own"
    return "convert to one of the supported sample types"
