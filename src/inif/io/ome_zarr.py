"""OME-Zarr 0.1 to 0.5, and plain Zarr arrays of version 2 and 3: local, zipped, or behind a URL."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from inif.errors import InputError, MissingExtraError
from inif.image import Channel, LazyImage, Metadata
from inif.io.common import (
    hex_color,
    only_scene,
    reading,
    several_images,
)
from inif.io.location import Location
from inif.io.ome import MAX_XML
from inif.io.ome_zarr_axes import Dimensions, of_multiscales
from inif.io.ome_zarr_series import OME_XML, node_at, pick_series, with_xml
from inif.io.samples import build

if TYPE_CHECKING:
    from inif.io.ome_zarr_store import Watched

DEFAULT_COLOR = "inif:default_color"
"""Marks a channel whose colour is there because OME-Zarr demands one."""

LABELS = re.compile(r"\.zarr/labels/[^/]+")
"""Where OME-Zarr keeps the labels of an image."""


@dataclass(frozen=True)
class _Found:
    """An array of a store, and what the store says of it.

    Attributes
    ----------
    array, dimensions, meta, remarks
        The Zarr array, its axes, names and colours, and what its user must know.
    labels
        Whether these are labels, by the metadata.
    images
        How many images the store has.
    groups, index, listed
        Of a store of several image groups: `image_of_group` explains them.
    """

    array: Any
    dimensions: Dimensions
    meta: Metadata = field(default_factory=Metadata)
    remarks: tuple[str, ...] = ()
    labels: bool = False
    images: int = 1
    groups: tuple[str, ...] = ("",)
    index: int = 0
    listed: bool = False


def open_file(location: Location, kind: str, axes: str | None, scene: int) -> LazyImage:
    """The full-resolution array of an OME-Zarr image, or a plain Zarr array, axes as stored.

    A step of 1 without a unit, which OME-Zarr demands where nothing is known, is read as not
    stated. In a store of several image groups (bioformats2raw), `scene` counts the entries of its
    series list, or where there is none its groups, from 0 on.

    Parameters
    ----------
    kind
        "zarr", or "zarr-zip" for a store in a ZIP file.

    Raises
    ------
    InputError
        Damaged, several arrays to choose from, a plate, or a codec that is not supported.
    AxesError
        Plain Zarr without dimension names, or names other than t, c, z, y, x.
    MissingExtraError
        A URL, and fsspec or what it needs for the protocol is not installed.
    """
    from inif.io.ome_zarr_store import missing_chunks, open_store, read_small, samples

    with reading(location.name, "Zarr store"), contextlib.ExitStack() as stack:
        try:
            store = open_store(location, zipped=kind == "zarr-zip")
        except ImportError as error:
            if not location.remote:
                raise
            raise MissingExtraError(
                error.name or "fsspec", "remote", need="reading a URL", file=location.name
            ) from error
        stack.callback(store.close)
        found = _find(store, scene, location.name)
        dimensions, remarks = found.dimensions, list(found.remarks)
        chosen = dimensions.choose(axes, found.array.shape, location.name)
        scale, more = dimensions.scale(chosen)
        remarks += more
        meta = replace(found.meta, scale=scale)
        meta, more = _with_channels(meta, chosen, found.array.shape)
        remarks += more
        meta, more = with_xml(
            meta,
            read_small(location, store, OME_XML, MAX_XML),
            found.groups,
            found.index,
            dimensions.known,
            found.array.shape,
            listed=found.listed,
        )
        remarks += more
        image = build(
            samples(found.array, store, location.name),
            *("Zarr store", None, chosen, meta, location.name, remarks),
            close=stack.pop_all().close,
            labels=found.labels or bool(LABELS.search(location.path.split("?")[0])) or None,
            noticed=lambda: missing_chunks(found.array, store),
        )
        return replace(image, images=tuple(range(found.images)))


def _find(store: Watched, scene: int, name: str) -> _Found:
    """The array that a store means by its image number `scene`."""
    node = node_at(store, "")
    if node is None:
        if refusal := getattr(store.inner, "refusal", None):
            raise refusal
        raise InputError("there is no Zarr array or group here", file=name, fix="check the path")
    if hasattr(node, "dtype"):
        only_scene(scene, 1, name)
        return _Found(node, Dimensions(dimension_names(node)))
    attributes = _ome(node)
    if "plate" in attributes or "well" in attributes:
        raise InputError(
            "this is a plate or well of many images",
            file=name,
            fix="name one image in it, such as plate.ome.zarr/A/1/0",
        )
    if "bioformats2raw.layout" in attributes:
        image, paths, listed = pick_series(store, node, scene, name)
        found = _from_multiscales(store, image, 0, name)
        remarks = list(found.remarks)
        if len(paths) > 1:
            remarks.insert(0, several_images(len(paths), scene, f"group {paths[scene]}"))
        return replace(
            found,
            remarks=tuple(remarks),
            images=len(paths),
            groups=tuple(paths),
            index=scene,
            listed=listed,
        )
    if "multiscales" in attributes:
        return _from_multiscales(store, node, scene, name)
    names = sorted(key for key, _ in node.arrays())
    if len(names) != 1:
        raise InputError(
            "this Zarr group is no OME-Zarr image, and not a single array",
            file=name,
            expected="multiscales in its attributes, or one array",
            got=f"arrays: {', '.join(names)}" if names else "no arrays",
            fix="name one array in it",
        )
    only_scene(scene, 1, name)
    array = node[names[0]]
    return _Found(array, Dimensions(dimension_names(array)))


def _ome(group: Any) -> Mapping[str, Any]:
    """The OME-Zarr metadata of a group: under "ome" from version 0.5 on, before that loose."""
    attributes = dict(group.attrs)
    inner = attributes.get("ome")
    return inner if isinstance(inner, dict) else attributes


def _from_multiscales(store: Watched, group: Any, scene: int, name: str) -> _Found:
    attributes = _ome(group)
    images = attributes.get("multiscales")
    if not isinstance(images, list) or not images or not isinstance(images[0], dict):
        raise damaged_metadata(name, "multiscales", "a list with an image")
    only_scene(scene, len(images), name)
    image = images[scene]
    datasets = image.get("datasets") if isinstance(image, dict) else None
    if not isinstance(datasets, list) or not datasets:
        raise damaged_metadata(name, "multiscales.datasets", "a list with a path")
    path = array_path(datasets[0], name)
    place = f"{group.path}/{path}".strip("/")
    array = node_at(store, place)
    if array is None:
        raise InputError(
            f'the array "{path}" that multiscales names is missing',
            file=name,
            field=place,
            fix="check that the store is complete, or export it again",
        )
    if not hasattr(array, "dtype"):
        raise damaged_metadata(
            name, "multiscales.datasets.path", f'an array, and "{path}" is a group'
        )
    version = image.get("version", attributes.get("version"))
    dimensions, remarks = of_multiscales(image, version, array.ndim, dimension_names(array))
    title = image.get("name")
    title = title if isinstance(title, str) and title else None
    if len(images) > 1:
        remarks.insert(0, several_images(len(images), scene, title))
    meta = Metadata(title, {}, _omero(attributes.get("omero")))
    labels = "image-label" in attributes
    return _Found(array, dimensions, meta, tuple(remarks), labels, len(images))


def array_path(dataset: Any, name: str) -> str:
    """The path of a level's array in its group.

    Raises
    ------
    InputError
        It is missing, or leads out of the store.
    """
    if not isinstance(dataset, Mapping) or not str(dataset.get("path", "")):
        raise damaged_metadata(name, "multiscales.datasets", "a list with a path")
    path = str(dataset["path"])
    if ".." in path.split("/") or path.startswith("/"):
        raise damaged_metadata(name, "multiscales.datasets.path", "a path inside the store")
    return path


def _with_channels(meta: Metadata, axes: str, shape: Sequence[int]) -> tuple[Metadata, list[str]]:
    """`meta` without channels that are more or fewer than the image has, and a remark on that."""
    count = shape[axes.index("C")] if "C" in axes else 1
    if len(meta.channels) in (0, count):
        return meta, []
    named = any(c.name or c.color for c in meta.channels)
    remark = f"omero describes {len(meta.channels)} channels, the image has {count}: not kept"
    return replace(meta, channels=()), [remark] if named else []


def _omero(omero: Any) -> tuple[Channel, ...]:
    channels = omero.get("channels") if isinstance(omero, dict) else None
    if not isinstance(channels, list) or not all(isinstance(c, dict) for c in channels):
        return ()
    found = tuple(Channel(_label(c.get("label")), _color(c)) for c in channels)
    return found if any(c.name or c.color for c in found) else ()


def _label(label: Any) -> str | None:
    return str(label) if label not in (None, "") else None


def _color(channel: Mapping[str, Any]) -> str | None:
    color = None if channel.get(DEFAULT_COLOR) else hex_color(channel.get("color"))
    return f"#{color}" if color else None


def dimension_names(array: Any) -> tuple[str, ...]:
    """Zarr v3's dimension names, or xarray's attribute in v2; empty where there are none."""
    names = getattr(array.metadata, "dimension_names", None)
    names = names or array.attrs.get("_ARRAY_DIMENSIONS")
    if not isinstance(names, list | tuple) or all(n is None for n in names):
        return ()
    return tuple("?" if n is None else str(n) for n in names)


def damaged_metadata(name: str, field: str, expected: str) -> InputError:
    """The error on metadata that do not say what they must."""
    return InputError(
        "the OME-Zarr metadata are damaged", file=name, field=field, expected=expected
    )
