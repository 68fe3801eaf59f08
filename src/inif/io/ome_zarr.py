"""OME-Zarr 0.4 and 0.5, and plain Zarr arrays of version 2 and 3, local or behind a URL.

Zarr names its codecs in JSON, and one of them unpickles; only codecs from a list are run.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from inif.errors import InputError, MissingExtraError
from inif.image import Channel, Image, Metadata
from inif.io.common import Source, build, check_memory, hex_color, join, only_scene, reading
from inif.io.ome import MAX_XML, children, parse_ome_xml, parse_tree
from inif.io.units import symbol

OME_XML = "OME/METADATA.ome.xml"
"""Where Bio-Formats' converter, and the writer here, keep the source's OME-XML."""

_LETTERS = {"time": "T", "channel": "C"} | {a.lower(): a for a in "TCZYX"}
_CODECS = frozenset(
    (
        *("blosc", "zstd", "zlib", "gzip", "lz4", "lzma", "bz2", "zfpy", "pcodec"),
        *("delta", "shuffle", "bitround", "fixedscaleoffset", "quantize", "packbits", "astype"),
        *("crc32", "crc32c", "adler32", "fletcher32", "jenkins_lookup3"),
        *("bytes", "transpose", "sharding_indexed", "scale_offset", "cast_value"),
    )
)


def read(source: Source, kind: str, axes: str | None, scene: int) -> Image:
    """The full-resolution array of an OME-Zarr image, or a plain Zarr array, axes as stored.

    A step of 1 without a unit, which OME-Zarr demands where nothing is known, is read as not
    stated.

    Raises
    ------
    InputError
        Damaged, several arrays to choose from, a plate, or a codec that is not supported.
    AxesError
        Plain Zarr without dimension names, or names other than t, c, z, y, x.
    MissingExtraError
        A URL, and fsspec or what it needs for the protocol is not installed.
    """
    with reading(source.name, "Zarr store"):
        try:
            node = _open(source, "")
            if hasattr(node, "dtype"):
                only_scene(scene, 1, source.name)
                array, stored, meta = node, _dimension_names(node), Metadata()
            else:
                array, stored, meta = _from_group(source, node, scene)
        except ImportError as error:
            if not source.remote:
                raise
            raise MissingExtraError(
                error.name or "fsspec", "remote", need="reading a URL", file=source.name
            ) from error
        _check_codecs(array, source.name)
        check_memory(array.shape, np.dtype(array.dtype), source.name)
        data = np.asarray(array[...])
    return build(data, stored, axes, meta, source.name)


def _open(source: Source, relative: str) -> Any:
    import zarr
    from zarr.storage import FsspecStore, LocalStore

    if not source.remote:
        return zarr.open(LocalStore(join(source.path, relative), read_only=True), mode="r")
    return zarr.open(FsspecStore.from_url(join(source.path, relative), read_only=True), mode="r")


def _from_group(source: Source, group: Any, scene: int) -> tuple[Any, str | None, Metadata]:
    """The array, axes and metadata of an image in a group."""
    attributes = _ome(group)
    if "plate" in attributes or "well" in attributes:
        raise InputError(
            "this is a plate or well of many images",
            file=source.name,
            fix="name one image in it, such as plate.ome.zarr/A/1/0",
        )
    if "bioformats2raw.layout" in attributes:
        with contextlib.suppress(FileNotFoundError):
            inner = Source(join(source.path, str(scene)), source.remote)
            image = _open(inner, "")
            array, stored, meta = _from_multiscales(inner, image, 0)
            return array, stored, _with_xml(meta, source, scene)
        raise InputError("there is no such scene", file=source.name, field="scene", got=scene)
    if "multiscales" in attributes:
        array, stored, meta = _from_multiscales(source, group, scene)
        return array, stored, _with_xml(meta, source, 0)
    names = sorted(name for name, _ in group.arrays())
    if len(names) != 1:
        raise InputError(
            "this Zarr group is no OME-Zarr image, and not a single array",
            file=source.name,
            expected="multiscales in its attributes, or one array",
            got=f"arrays: {', '.join(names)}" if names else "no arrays",
            fix="name one array in it",
        )
    only_scene(scene, 1, source.name)
    return group[names[0]], _dimension_names(group[names[0]]), Metadata()


def _ome(group: Any) -> Mapping[str, Any]:
    """The OME-Zarr metadata of a group: under "ome" from version 0.5 on, before that loose."""
    attributes = dict(group.attrs)
    inner = attributes.get("ome")
    return inner if isinstance(inner, dict) else attributes


def _from_multiscales(source: Source, group: Any, scene: int) -> tuple[Any, str | None, Metadata]:
    attributes = _ome(group)
    images = attributes.get("multiscales")
    if not isinstance(images, list) or not images:
        raise _bad(source, "multiscales", "a list with an image")
    only_scene(scene, len(images), source.name)
    image = images[scene]
    datasets = image.get("datasets")
    if not isinstance(datasets, list) or not datasets or "path" not in datasets[0]:
        raise _bad(source, "multiscales.datasets", "a list with a path")
    path = str(datasets[0]["path"])
    if ".." in path.split("/") or path.startswith("/"):
        raise _bad(source, "multiscales.datasets.path", "a path inside the store")
    array = group[path]
    letters, units = _axes(image.get("axes"))
    stored = _joined(letters) or _dimension_names(array)
    steps = [
        a * b
        for a, b in zip(
            _scale(datasets[0].get("coordinateTransformations"), array.ndim),
            _scale(image.get("coordinateTransformations"), array.ndim),
            strict=True,
        )
    ]
    scale = {
        axis: (step, unit)
        for axis, step, unit in zip(letters, steps, units, strict=False)
        if axis and (step != 1 or unit is not None) and math.isfinite(step) and step != 0
    }
    name = image.get("name")
    name = name if isinstance(name, str) and name else None
    return array, stored, Metadata(name, scale, _omero(attributes.get("omero")))


def _axes(axes: Any) -> tuple[list[str | None], list[str | None]]:
    """Letters (None: not one of ours) and unit symbols of the axes of a multiscales image."""
    entries = [a if isinstance(a, dict) else {"name": a} for a in axes or []]
    letters = [
        _LETTERS.get(str(a.get("name")).lower()) or _LETTERS.get(str(a.get("type")))
        for a in entries
    ]
    units = [symbol(a["unit"]) if isinstance(a.get("unit"), str) else None for a in entries]
    return letters, units


def _joined(letters: Sequence[str | None]) -> str | None:
    """The axes, if each is known and there are any."""
    known = [a for a in letters if a]
    return "".join(known) if known and len(known) == len(letters) else None


def _scale(transformations: Any, ndim: int) -> Sequence[float]:
    """The factors of a list of coordinate transformations, one per axis."""
    factors = [1.0] * ndim
    for entry in transformations if isinstance(transformations, list) else []:
        values = entry.get("scale") if entry.get("type") == "scale" else None
        if isinstance(values, list) and len(values) == ndim:
            factors = [a * float(b) for a, b in zip(factors, values, strict=True)]
    return factors


def _omero(omero: Any) -> tuple[Channel, ...]:
    channels = omero.get("channels") if isinstance(omero, dict) else None
    if not isinstance(channels, list) or not all(isinstance(c, dict) for c in channels):
        return ()
    return tuple(Channel(_label(c.get("label")), _color(c)) for c in channels)


def _label(label: Any) -> str | None:
    return str(label) if label not in (None, "") else None


def _color(channel: Mapping[str, Any]) -> str | None:
    color = None if channel.get(DEFAULT_COLOR) else hex_color(channel.get("color"))
    return f"#{color}" if color else None


DEFAULT_COLOR = "inif:default_color"
"""Marks a channel whose colour is there because OME-Zarr demands one."""


def _with_xml(meta: Metadata, source: Source, series: int) -> Metadata:
    """`meta` with the OME-XML of the store, which also fills what OME-Zarr does not say."""
    raw = source.read_small(OME_XML, MAX_XML)
    if raw is None:
        return meta
    xml = raw.decode("utf-8", "replace")
    if series >= len(children(parse_tree(xml, file=source.name), "Image")):
        return meta
    said = parse_ome_xml(xml, series, file=source.name)
    scale = {**said.scale, **meta.scale}
    return Metadata(meta.name or said.name, scale, meta.channels or said.channels, xml)


def _dimension_names(array: Any) -> str | None:
    """Axes from Zarr v3's dimension names, or from xarray's attribute in v2; None: not known."""
    names = getattr(array.metadata, "dimension_names", None)
    names = names or array.attrs.get("_ARRAY_DIMENSIONS")
    return _joined([_LETTERS.get(str(n).lower()) for n in names or []])


def _check_codecs(array: Any, name: str) -> None:
    """Refuse codecs outside the list: numcodecs has one that unpickles, which runs code."""
    kind = np.dtype(array.dtype).kind
    found = _codec_names(json.loads(json.dumps(array.metadata.to_dict(), default=str)))
    unknown = sorted(c for c in found if c not in _CODECS and not c.startswith("imagecodecs_"))
    if unknown or kind not in "biufc":
        raise InputError(
            "this Zarr array cannot be read safely",
            file=name,
            field="codecs" if unknown else "dtype",
            expected="numbers, and codecs for numbers",
            got=", ".join(unknown) or array.dtype,
            fix="store it again with a common codec, such as zstd",
        )


def _codec_names(metadata: Any) -> set[str]:
    names: set[str] = set()
    for key in ("codecs", "filters", "compressor", "index_codecs"):
        entries = metadata.get(key) or []
        for entry in entries if isinstance(entries, list | tuple) else [entries]:
            if not isinstance(entry, dict):
                names.add(str(entry))
                continue
            name = str(entry.get("name") or entry.get("id"))
            names.add(name.removeprefix("numcodecs.").lower())
            names |= _codec_names(entry.get("configuration") or {})
    return names


def _bad(source: Source, field: str, expected: str) -> InputError:
    return InputError(
        "the OME-Zarr metadata are damaged", file=source.name, field=field, expected=expected
    )
