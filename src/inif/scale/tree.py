"""An input of any kind as the tree of OME-Zarr 0.5 that will be written."""

from __future__ import annotations

import os
from collections.abc import Mapping

from inif.io.common import reading
from inif.io.location import Location, location_of
from inif.io.registry import detect
from inif.scale.hierarchy import Hierarchy
from inif.scale.multiscale import Settings
from inif.scale.plan import ArrayPlan as ArrayPlan
from inif.scale.plan import Kind as Kind
from inif.scale.plan import Tree as Tree
from inif.scale.single import read_single
from inif.scale.source import forget
from inif.scale.walk import read_hierarchy


def read_tree(
    path: str | os.PathLike[str],
    *,
    chunks: Mapping[str, int] | None = None,
    shards: Mapping[str, int] | None = None,
    axes: str | None = None,
    scene: int | None = None,
) -> Tree:
    """Read what an input holds, and plan the output; hardly any sample is read.

    Parameters
    ----------
    path
        An OME-Zarr hierarchy (a folder, in a ZIP file, or a URL), or what `inif.io.open_image`
        reads.
    chunks, shards
        Samples by axis letter, as `layout.chunk_and_shard` takes them.
    axes
        One letter of "TCZYX" per axis, for inputs that do not name theirs.
    scene
        Number of the one image to take. None takes all that an OME-Zarr hierarchy has, and the
        first image of any other file.

    Raises
    ------
    InputError
        No such input, damaged or incomplete metadata, or samples that no array can hold.
    AxesError
        The axes are not known.
    MissingExtraError
        The format or the URL needs an optional package.
    """
    forget()
    location = location_of(path)
    kind = detect(location.path)
    settings = Settings(chunks, shards, axes)
    group: Mapping[str, object] | None = None
    array: Mapping[str, object] | None = None
    if kind in ("zarr", "zarr-zip"):
        zipped = kind == "zarr-zip"
        with reading(location.name, "Zarr store"):
            tree = read_hierarchy(location, settings, scene, zipped=zipped)
            if tree is not None:
                return tree
            group, array = _plain(location, zipped=zipped)
    return read_single(location.path, settings, scene or 0, group=group, array=array)


def _plain(
    location: Location, *, zipped: bool
) -> tuple[Mapping[str, object], Mapping[str, object]]:
    """Attributes of the group and of the array of a store that has one array and no OME-Zarr."""
    hierarchy = Hierarchy(location, zipped=zipped)
    try:
        root = hierarchy.node("")
        if root is None or root.is_array:
            return {}, {} if root is None else root.attributes
        inner = [n for name in hierarchy.names("") if (n := hierarchy.node(name)) and n.is_array]
        return root.attributes, inner[0].attributes if len(inner) == 1 else {}
    finally:
        hierarchy.close()
