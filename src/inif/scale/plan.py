"""What is to be written: the groups and arrays of a hierarchy, and where their samples are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from inif.scale.source import ArraySource, StoreFile, Text

Kind = Literal["image", "labels", "exact"]
"""What is done with an array: "image" may lose detail; "labels", and "exact" (a sample type that
lossy methods do not take), are stored losslessly."""


@dataclass(frozen=True)
class ArrayPlan:
    """An array of the output.

    Attributes
    ----------
    path
        In the hierarchy: "0", "A/1/0/2", "labels/cells/0".
    axes
        One letter of "TCZYX" per axis, in the array's order.
    shape, dtype
        Of the samples; native byte order.
    chunks, shards
        Samples of each along every axis, as `layout.chunk_and_shard` gives them.
    kind
        See `Kind`.
    image
        Path of the group whose "multiscales" name the array; "" is the root.
    level
        0 for full resolution, and so on.
    source
        Gives its samples; picklable.
    fill_value
        What a chunk reads as that is not there.
    attributes
        Of the array itself.
    dimension_names
        As zarr.json has them; None where the input names none.
    """

    path: str
    axes: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    chunks: tuple[int, ...]
    shards: tuple[int, ...]
    kind: Kind
    image: str
    level: int
    source: ArraySource
    fill_value: Any = 0
    attributes: Mapping[str, Any] = field(default_factory=dict)
    dimension_names: tuple[str | None, ...] | None = None


@dataclass(frozen=True)
class Tree:
    """A hierarchy of OME-Zarr 0.5 that is to be written.

    Attributes
    ----------
    groups
        Attributes of each group by path, "" being the root, as OME-Zarr 0.5 has them.
    arrays
        In the order of the input: images with their levels, then their labels.
    files
        What else is copied, byte by byte, by path: "OME/METADATA.ome.xml".
    remarks
        What the user must know: a sentence each.
    name
        Of the input, for messages and provenance; a URL without password and query.
    version
        Of the OME-Zarr metadata of the input ("0.4"); None for an input that is no OME-Zarr.
    """

    groups: Mapping[str, Mapping[str, Any]]
    arrays: tuple[ArrayPlan, ...]
    files: Mapping[str, StoreFile | Text] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    name: str = ""
    version: str | None = None
