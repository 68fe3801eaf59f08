"""An input of any kind as the tree of OME-Zarr 0.5 that will be written."""

from __future__ import annotations

import os
from collections.abc import Mapping

from inif.errors import InputError
from inif.io.common import reading
from inif.io.location import location_of
from inif.io.registry import detect
from inif.scale.plan import ArrayPlan as ArrayPlan
from inif.scale.plan import Kind as Kind
from inif.scale.plan import Tree as Tree
from inif.scale.source import forget
from inif.scale.walk import Walk


def read_tree(
    path: str | os.PathLike[str],
    *,
    chunks: Mapping[str, int] | None = None,
    shards: Mapping[str, int] | None = None,
    axes: str | None = None,
    scene: int | None = None,
) -> Tree:
    """Read what an input holds, without its samples, and plan the output.

    Parameters
    ----------
    chunks, shards
        Samples by axis letter, as `layout.chunk_and_shard` takes them.
    axes
        One letter of "TCZYX" per axis, for inputs that do not name theirs.
    scene
        Number of the one image to take; None takes all that the input has.

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
    if kind not in ("zarr", "zarr-zip"):
        raise InputError("not yet", file=location.name)
    with reading(location.name, "Zarr store"):
        return Walk(location, kind == "zarr-zip", chunks, shards, axes).tree()
